"""Replicate's API: a prediction is created, waited for, and its output is a list of pieces of text.

It has one prompt and no turns, so earlier turns are written out above the question. No batches, logprobs or schemas.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import msgspec

from phase0.catalog.models import Endpoint
from phase0.dataset.rows import NOT_JSON
from phase0.errors import Fatal, ProviderError, Refused, Transient
from phase0.providers import Batches, Listed, Sent
from phase0.providers.http import Client
from phase0.providers.outcomes import cause_in, told
from phase0.providers.params import params_for
from phase0.records import Reply, Request

_WAIT = 60  # seconds that a server holds the first answer back at most
_POLL = 1.0  # seconds between looks at a prediction that takes longer
_SPEAKERS = {"user": "User", "assistant": "Assistant", "tool": "Tool"}
_NAMES = {"max_tokens": "max_tokens", "stop": "stop_sequences"} | {
    name: name for name in ("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty")
}
_DEFAULT_CAP = 512  # max_tokens where nobody asks for more
_UNSAFE = ("nsfw", "safety", "sensitive")  # beside the words that all servers use

_encode = msgspec.json.Encoder().encode


class _Input(msgspec.Struct, frozen=True):
    max_tokens: int = _DEFAULT_CAP


class _Prediction(msgspec.Struct):
    id: str
    status: str
    output: list[str] | str | None = None
    error: Any = None
    metrics: Any = None
    input: _Input = _Input()


_prediction = msgspec.json.Decoder(_Prediction).decode


class Replicate:
    """One model at Replicate."""

    batches: Batches | None = None

    def __init__(
        self,
        endpoint: Endpoint,
        key: str | None,
        *,
        timeout: float = 600,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = Client(endpoint, key, timeout=timeout)
        self._model = self._client.url(f"/models/{quote(endpoint.model_id)}")
        self._create = self._client.url(f"/models/{quote(endpoint.model_id)}/predictions")
        self._endpoint = endpoint
        self._server = endpoint.server.name
        self._prefer = {"Prefer": f"wait={max(1, min(_WAIT, int(timeout / 2)))}"}
        self._timeout = timeout
        self._sleep = sleep
        self._clock = clock

    async def send(self, request: Request) -> Sent:
        """One prediction, looked at until it ends. One that takes longer than the timeout is cancelled.

        Once there is a prediction it may be on the bill, and every failure says that it had begun.
        """
        until = self._clock() + self._timeout
        body = _encode({"input": input_of(request, self._endpoint)})
        sent = await self._client.send("POST", self._create, body, asking=True, extra=self._prefer)
        try:
            return await self._awaited(sent, until)
        except ProviderError as error:
            error.begun = True
            raise

    async def _awaited(self, sent: Sent, until: float) -> Sent:
        """The prediction once it has succeeded. A look that fails says nothing about it, so it is looked at again."""
        while (state := self._read(sent.body)).status in {"starting", "processing"}:
            # Its own `urls` are not followed: they may lead to another host, and the key goes with the request.
            place = f"/predictions/{quote(state.id, safe='')}"
            if self._clock() >= until:
                await self._cancel(place)
                raise Transient(f"{self._server}: no answer in {self._timeout:g} s", reason="timeout")
            await self._sleep(_POLL)
            sent = Sent(await self._looked_at(place, until) or sent.body, sent.limits)
        if state.status != "succeeded":
            raise self._failed(state)
        return sent

    def read(self, raw: bytes) -> Reply:
        """The reply in a prediction that succeeded. It says nothing of its end, so the cap tells a full stop from a
        cut."""
        state = self._read(raw)
        if state.status != "succeeded":
            raise self._failed(state)
        if state.output is None:
            raise Transient(f"{self._server}: the prediction has no output", reason="malformed")
        counts = state.metrics if isinstance(state.metrics, dict) else {}
        tokens_in, tokens_out = (_count(counts.get(f"{side}_token_count")) for side in ("input", "output"))
        cut = tokens_out is not None and tokens_out >= state.input.max_tokens
        return Reply(
            text=state.output if isinstance(state.output, str) else "".join(state.output),
            finish_reason="length" if cut else "stop",
            tokens_in=tokens_in,
            tokens_out=tokens_out,
        )

    async def models(self) -> Sequence[Listed]:
        """The one model that the endpoint names, where it is still there."""
        try:
            await self._client.send("GET", self._model)
        except Refused as error:
            if error.reason == "not_found":
                return []
            raise
        return [Listed(self._client.peer.model, None)]

    async def close(self) -> None:
        """Give back the connections."""
        await self._client.close()

    async def _looked_at(self, place: str, until: float) -> bytes | None:
        """The prediction as it stands; None where it cannot be seen now."""
        try:
            raw = (await self._client.send("GET", self._client.url(place))).body
            self._read(raw)
        except Transient as error:
            await self._sleep(max(0.0, min(error.retry_after or 0.0, until - self._clock())))
            return None
        return raw

    async def _cancel(self, place: str) -> None:
        with suppress(ProviderError):  # it is given up in any case
            await self._client.send("POST", self._client.url(f"{place}/cancel"))

    def _read(self, raw: bytes) -> _Prediction:
        try:
            return _prediction(raw)
        except NOT_JSON as error:
            raise Transient(f"{self._server}: the body is no prediction: {error}", reason="malformed") from None

    def _failed(self, state: _Prediction) -> ProviderError:
        """What a prediction that ended otherwise means. What is wrong with its input stays wrong however often it is
        tried; a model that ran out of memory may have more the next time."""
        said = told(_encode({"error": state.error}), self._client.peer.scrub).message
        reason = "content_filter" if any(word in said.lower() for word in _UNSAFE) else cause_in(said)
        message = f"{self._server}: the prediction is {state.status}: {said}"
        if state.status == "failed" and reason is not None:
            return Refused(message, reason=reason)
        return Transient(message, reason="incomplete" if state.status == "canceled" else "server")


def input_of(request: Request, endpoint: Endpoint) -> dict[str, Any]:
    """What a prediction is asked. Raises Fatal (`unsupported`) for a parameter that it has no name for, and that cannot
    be left out."""
    server = endpoint.server.name
    system = "\n\n".join(content for role, content in request.messages if role == "system")
    turns = [(role, content) for role, content in request.messages if role != "system"]
    made: dict[str, Any] = {"prompt": _prompt(turns)}
    if system:
        made["system_prompt"] = system
    for name, value in params_for(endpoint)(request.params).items():
        if name not in _NAMES:
            raise Fatal(f"{server} has no {name}, which every request asks for.", reason="unsupported")
        made[_NAMES[name]] = _stops(value, server) if name == "stop" else value
    return made


def _prompt(turns: Sequence[tuple[str, str]]) -> str:
    """A question as it is; a conversation written out, with the speaker's name above each turn."""
    if len(turns) == 1:
        return turns[0][1]
    told_so_far = [f"{_SPEAKERS.get(role, role)}:\n{content}" for role, content in turns]
    return "\n\n".join([*told_so_far, "Assistant:\n"])


def _stops(stop: str | Sequence[str], server: str) -> str:
    stops = [stop] if isinstance(stop, str) else list(stop)
    if any("," in one for one in stops):
        raise Fatal(f"{server} takes stop sequences in one line, so none may hold a comma.", reason="unsupported")
    return ",".join(stops)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) else None
