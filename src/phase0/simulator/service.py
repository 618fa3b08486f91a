"""The whole provider, without sockets: a call comes in, an answer goes out, and what happened stands in the journal.

Addresses are `/v1/…` in the dialect of the settings, or `/openai/v1/…`, `/together/v1/…`, `/replicate/v1/…`: one
process stands in for all of them. What only tests and rehearsals ask for is under `/_simulator/`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from phase0.errors import UsageError
from phase0.simulator import wire
from phase0.simulator.answers import Answers
from phase0.simulator.batches import Batches
from phase0.simulator.chance import Chance
from phase0.simulator.clock import Clock
from phase0.simulator.completions import Completions, Wanted
from phase0.simulator.context import Context
from phase0.simulator.files import Files, described
from phase0.simulator.journal import Entry, Journal, fingerprint
from phase0.simulator.predictions import Predictions
from phase0.simulator.replay import Replay
from phase0.simulator.settings import BEFORE, NAMES, Dialect, Faults, Model, Settings, check
from phase0.simulator.wire import Sent, Tongue

ADMIN = "_simulator"
_TONGUES: tuple[Tongue, ...] = ("openai", "together", "replicate")
_MADE = 1_700_000_000  # when every model was made, in seconds since 1970


class Upload(NamedTuple):
    """What a form with a file said."""

    purpose: str
    name: str
    body: bytes


class Call(NamedTuple):
    """One request to the provider."""

    method: str
    path: str
    query: Mapping[str, str]
    key: str | None  # the bearer token; None where there is none
    body: bytes
    prefer: str
    root: str  # scheme and host, as the client wrote them
    upload: Upload | None = None


class _Route(NamedTuple):
    tongue: Tongue
    parts: tuple[str, ...]


class State(NamedTuple):
    """How the simulator itself is doing."""

    cpu_seconds: float
    entries: int  # in the journal
    replayed: int  # answers that files hold


class Service:
    """One provider."""

    def __init__(self, settings: Settings, clock: Clock, journal: Journal) -> None:
        check(settings)
        self.settings = settings
        self._clock = clock
        self._journal = journal
        self._models = models_of(settings)
        self._chance = Chance(settings.seed, settings.faults, settings.latency)
        self._replay = Replay(settings.answers)
        self._files = Files()
        context = Context(settings, self._models, self._chance, journal, clock)
        self._completions = Completions(context, Answers(self._replay, self._chance))
        self._batches = Batches(context, self._files, self._completions)
        self._predictions = Predictions(self._completions, clock)

    async def handle(self, call: Call) -> Sent:
        """The answer to one call."""
        route = _route(call.path, self.settings.dialect)
        if route is None:
            return wire.problem("not_found", "openai")
        if route.parts[0] == ADMIN:
            return await self._admin(call, route.parts[1:])
        if self.settings.keys and call.key not in self.settings.keys:
            return self._note(call, wire.problem("bad_key", route.tongue), None)
        prompted = call.method == "POST" and route.parts[-1] in {"completions", "predictions"}
        fault = self._chance.on_the_road(f"{call.method} {call.path}", call.body, prompted=prompted)
        if fault in BEFORE:
            return self._note(call, self._instead(fault, route.tongue), fault)
        if prompted:
            sent = self._prompted(call, route, fault)
        else:
            sent = self._note(call, await self._other(call, route), fault)
        return wire.spoilt(sent, fault, len(call.body)) if fault else sent

    async def bill(self) -> Any:
        """Everything charged until now, batches that have ended included."""
        await self._batches.settle()
        return self._journal.bill()

    def _prompted(self, call: Call, route: _Route, fault: str | None) -> Sent:
        dialect: Dialect = "together" if route.tongue == "together" else "openai"
        wanted = Wanted(call.body, fingerprint(call.key or ""), dialect, f"{call.method} {call.path}", fault=fault)
        match route.parts:
            case ("chat", "completions"):
                return self._completions.serve(wanted)
            case ("models", owner, name, "predictions"):
                return self._predictions.create(wanted, f"{owner}/{name}", call.prefer, _root(call))
            case ("predictions",):
                return self._predictions.create(wanted, None, call.prefer, _root(call))
            case _:
                return self._note(call, wire.problem("not_found", route.tongue), fault)

    async def _other(self, call: Call, route: _Route) -> Sent:
        """Everything that needs no model to think."""
        dialect: Dialect = "together" if route.tongue == "together" else "openai"
        match route.parts[0]:
            case "files":
                return self._file(call, dialect, route.parts[1:])
            case "batches":
                return await self._batch(call, dialect, route.parts[1:])
            case "models":
                return self._model(route.tongue, "/".join(route.parts[1:]))
            case "predictions":
                return self._prediction(call, route.parts[1:])
        return wire.problem("not_found", route.tongue)

    def _file(self, call: Call, dialect: Dialect, parts: tuple[str, ...]) -> Sent:
        key = fingerprint(call.key or "")
        if not parts or parts == ("upload",):
            return self._uploaded(call, dialect) if call.method == "POST" else self._listed_files(key, dialect)
        file = self._files.find(parts[0], key)
        if file is None:
            return wire.problem("not_found", dialect, detail=f"No such File object: {parts[0]}")
        if parts[1:] == ("content",):
            return Sent(200, file.body, content_type="application/octet-stream")
        if call.method == "DELETE":
            self._files.remove(file.id)
            return wire.as_json({"id": file.id, "object": "file", "deleted": True})
        return wire.as_json(described(file, dialect))

    def _uploaded(self, call: Call, dialect: Dialect) -> Sent:
        if call.upload is None:
            return wire.problem("bad_request", dialect, detail="'file' is a required property")
        given, key = call.upload, fingerprint(call.key or "")
        return wire.as_json(
            described(self._files.add(key, given.name, given.purpose, given.body, self._clock.unix()), dialect)
        )

    def _listed_files(self, key: str, dialect: Dialect) -> Sent:
        data = [described(file, dialect) for file in self._files.of(key)]
        return wire.as_json({"object": "list", "data": data, "has_more": False})

    async def _batch(self, call: Call, dialect: Dialect, parts: tuple[str, ...]) -> Sent:
        key = fingerprint(call.key or "")
        if not parts and call.method == "GET":
            return await self._batches.list(key, dialect, call.query)
        if not parts:
            try:
                asked = msgspec.json.decode(call.body, type=dict[str, Any])
            except msgspec.MsgspecError as error:
                return wire.problem("bad_request", dialect, detail=str(error))
            return await self._batches.create(key, dialect, asked)
        if parts[1:] == ("cancel",):
            return await self._batches.cancel(parts[0], key, dialect)
        return await self._batches.get(parts[0], key, dialect)

    def _model(self, tongue: Tongue, name: str) -> Sent:
        if not name:
            listed = [_listed(model, tongue) for model in self._models.values()]
            return wire.as_json(listed if tongue == "together" else {"object": "list", "data": listed})
        model = self._models.get(name) or (None if self._models else Model(name=name))
        if model is None:
            return wire.problem("unknown_model", tongue, detail=f"The model '{name}' does not exist")
        return wire.as_json(_listed(model, tongue))

    def _prediction(self, call: Call, parts: tuple[str, ...]) -> Sent:
        key = fingerprint(call.key or "")
        if len(parts) == 2 and parts[1] == "cancel":
            return self._predictions.cancel(parts[0], key, _root(call))
        if len(parts) == 1:
            return self._predictions.get(parts[0], key, _root(call))
        return wire.problem("not_found", "replicate")

    def _instead(self, fault: str, tongue: Tongue) -> Sent:
        """What comes in place of the work."""
        if fault == "dropped":
            return wire.HANG_UP
        if fault == "stall":
            return wire.SILENCE
        asked = self._chance.faults.retry_after / self._clock.speed
        return wire.problem(fault, tongue, wait=asked if fault in {"rate_limit", "slow_down"} else None)

    def _note(self, call: Call, sent: Sent, fault: str | None) -> Sent:
        """Write down a call for which nothing is charged."""
        self._journal.write(
            Entry(
                at=self._clock.unix(),
                call=f"{call.method} {call.path}",
                key=fingerprint(call.key or ""),
                status=sent.status or None,
                fault=fault,
            )
        )
        return sent

    async def _admin(self, call: Call, parts: tuple[str, ...]) -> Sent:
        """What a test or a rehearsal may ask of the simulator itself."""
        actions: dict[tuple[str, ...], Callable[[bytes], Awaitable[Any]]] = {
            ("bill",): self._say_bill,
            ("state",): self._say_state,
            ("skip",): self._skip,
            ("force",): self._force,
            ("faults",): self._change_faults,
        }
        if parts not in actions:
            return wire.problem("not_found", "openai")
        try:
            return wire.as_json(await actions[parts](call.body))
        except (msgspec.MsgspecError, UsageError) as error:
            return wire.problem("bad_request", "openai", detail=str(error))

    async def _say_bill(self, _: bytes) -> Any:
        return await self.bill()

    async def _say_state(self, _: bytes) -> Any:
        return State(time.process_time(), self._journal.entries, len(self._replay))

    async def _skip(self, body: bytes) -> Any:
        self.skip(msgspec.json.decode(body, type=float))

    async def _force(self, body: bytes) -> Any:
        self.force(msgspec.json.decode(body, type=list[str | None]))

    async def _change_faults(self, body: bytes) -> Any:
        self.change(msgspec.json.decode(body, type=Faults))

    def skip(self, seconds: float) -> None:
        """Let so many of the provider's seconds have passed."""
        self._clock.skip(seconds)

    def force(self, faults: list[str | None]) -> None:
        """The next requests for answers meet these faults, in order; None: no fault."""
        for fault in faults:
            if fault is not None and fault not in NAMES:
                raise UsageError(f"There is no fault called {fault!r}. Known: {', '.join(NAMES)}.")
        self._chance.force(faults)

    def change(self, faults: Faults) -> None:
        """Other rates from now on."""
        check(msgspec.structs.replace(self.settings, faults=faults))
        self._chance.change(faults)


@lru_cache(1024)
def _route(path: str, tongue: Tongue) -> _Route | None:
    """What an address means; `tongue` where it names none itself."""
    parts = tuple(filter(None, path.split("/")))
    if parts and parts[0] == ADMIN:
        return _Route(tongue, parts)
    if parts and parts[0] in _TONGUES:
        tongue, parts = parts[0], parts[1:]
    if len(parts) < 2 or parts[0] != "v1":
        return None
    return _Route("replicate" if "predictions" in parts else tongue, parts[1:])


def models_of(settings: Settings) -> dict[str, Model]:
    """The models on offer by name."""
    return {model.name: model for model in settings.models}


def _listed(model: Model, tongue: Tongue) -> dict[str, Any]:
    owner, _, name = model.name.rpartition("/")
    if tongue == "replicate":
        return {"url": f"https://replicate.com/{model.name}", "owner": owner, "name": name, "visibility": "public"}
    listed = {"id": model.name, "object": "model", "created": _MADE, "owned_by": owner or "simulated"}
    if tongue == "together":
        return {**listed, "type": "chat", "display_name": name, "organization": owner, "context_length": model.context}
    return {**listed, "shutdown_date": model.shutdown_date}


def _root(call: Call) -> str:
    """The address under which predictions are polled: the one that the client used."""
    return call.root + call.path[: call.path.index("/v1/") + 3]
