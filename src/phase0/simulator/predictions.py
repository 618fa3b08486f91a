"""Replicate's way to ask a model: a prediction is made, and is done at once, after a wait, or when it is polled."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from phase0.simulator import wire
from phase0.simulator.clock import Clock
from phase0.simulator.completions import Completions, Wanted
from phase0.simulator.wire import Sent

_LONGEST_WAIT = 60.0  # seconds that Replicate holds a connection
_DEFAULT_CAP = 512
_PIECE = 12  # characters: the output is a list of small strings


class Prediction(NamedTuple):
    """A prediction: what it will say, and when it says it (the provider's seconds)."""

    id: str
    key: str
    model: str
    input: Mapping[str, Any]
    made: float
    due: float
    stamp: float  # when it was made, in seconds since 1970
    text: str | None
    error: str | None
    tokens: tuple[int, int]
    cancelled: float | None = None


class _Wanted(msgspec.Struct, frozen=True):
    input: dict[str, Any]
    version: str | None = None


class Predictions:
    """All predictions of one provider."""

    def __init__(self, completions: Completions, clock: Clock) -> None:
        self._completions = completions
        self._clock = clock
        self._made: dict[str, Prediction] = {}

    def create(self, wanted: Wanted, model: str | None, prefer: str, root: str) -> Sent:
        """Make one. `prefer` is the header: `wait` or `wait=SECONDS` holds the answer back until it is done."""
        try:
            asked = msgspec.json.decode(wanted.body, type=_Wanted)
        except msgspec.MsgspecError as error:
            return wire.problem("bad_request", "replicate", detail=f"- {error}")._replace(status=422)
        name = model or asked.version or ""
        served = self._completions.serve(wanted._replace(body=_as_chat(name, asked.input), mode="prediction"))
        failed = served.status == 400 and b"content_filter" in served.body
        if served.status != 200 and not failed:
            return wire.problem(_name_of(served), "replicate", detail=wire.detail(served))._replace(
                headers=served.headers
            )
        made = self._prediction(wanted, name, asked.input, served, failed=failed)
        self._made[made.id] = made
        hold = min(served.wait, _hold(prefer))
        return wire.as_json(self._described(made, made.made + hold, root), 201)._replace(wait=hold)

    def get(self, name: str, key: str, root: str) -> Sent:
        made = self._made.get(name)
        if made is None or made.key != key:
            return wire.problem("not_found", "replicate", detail="The requested resource does not exist.")
        return wire.as_json(self._described(made, self._clock.now(), root))

    def cancel(self, name: str, key: str, root: str) -> Sent:
        """Stop one that is not done. It stays charged."""
        made = self._made.get(name)
        if made is not None and made.key == key and self._clock.now() < made.due:
            self._made[name] = made._replace(cancelled=self._clock.now())
        return self.get(name, key, root)

    def _prediction(
        self, wanted: Wanted, model: str, asked: Mapping[str, Any], served: Sent, *, failed: bool
    ) -> Prediction:
        now, stamp = self._clock.now(), self._clock.unix()
        made = Prediction("", wanted.key, model, asked, now, now + served.wait, stamp, None, None, (0, 0))
        if failed:
            return made._replace(id=f"blocked-{len(self._made):012x}", error=wire.detail(served))
        reply = msgspec.json.decode(served.body)
        choice, usage = reply["choices"][0], reply["usage"]
        said = choice["message"]
        return made._replace(
            id=reply["id"],
            text=said["refusal"] if said["content"] is None else said["content"],
            error=None if choice["finish_reason"] else "Prediction interrupted; please retry (code: PA)",
            tokens=(usage["prompt_tokens"], usage["completion_tokens"]),
        )

    def _described(self, made: Prediction, now: float, root: str) -> dict[str, Any]:
        status = _status(made, now)
        done = status in {"succeeded", "failed"}
        ended = made.cancelled if status == "canceled" else made.due if done else None
        pieces = [made.text[at : at + _PIECE] for at in range(0, len(made.text), _PIECE)] if made.text else []
        seconds = (made.due - made.made) / self._clock.speed
        metrics = {
            "input_token_count": made.tokens[0],
            "output_token_count": made.tokens[1],
            "predict_time": seconds,
            "total_time": seconds,
        }
        return {
            "id": made.id,
            "model": made.model,
            "version": "hidden",
            "input": made.input,
            "logs": "",
            "output": pieces if status == "succeeded" else None,
            "data_removed": False,
            "error": made.error if status == "failed" else None,
            "status": status,
            "created_at": _iso(made.stamp),
            "started_at": _iso(made.stamp) if status != "starting" else None,
            "completed_at": None if ended is None else _iso(made.stamp + (ended - made.made) / self._clock.speed),
            "metrics": metrics if done else {},
            "urls": {
                "get": f"{root}/predictions/{made.id}",
                "cancel": f"{root}/predictions/{made.id}/cancel",
                "stream": f"{root}/stream/{made.id}",
            },
        }


def _status(made: Prediction, now: float) -> str:
    if made.cancelled is not None:
        return "canceled"
    if now >= made.due:
        return "failed" if made.error else "succeeded"
    return "starting" if now < made.made + (made.due - made.made) / 4 else "processing"


def _as_chat(model: str, asked: Mapping[str, Any]) -> bytes:
    """The same question as a chat, so that a model says the same wherever it is asked."""
    messages = [{"role": "user", "content": str(asked.get("prompt", ""))}]
    if asked.get("system_prompt"):
        messages.insert(0, {"role": "system", "content": str(asked["system_prompt"])})
    cap = asked.get("max_tokens", asked.get("max_new_tokens", _DEFAULT_CAP))
    return msgspec.json.encode({"model": model, "messages": messages, "max_tokens": cap, "seed": asked.get("seed")})


def _hold(prefer: str) -> float:
    """Seconds that `Prefer` asks to hold the connection; without it the answer comes at once."""
    name, _, seconds = prefer.partition("=")
    if name.strip() != "wait":
        return 0.0
    return min(float(seconds), _LONGEST_WAIT) if seconds.strip().isdecimal() else _LONGEST_WAIT


def _name_of(served: Sent) -> str:
    return {404: "unknown_model", 429: "rate_limit"}.get(served.status, "bad_request")


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
