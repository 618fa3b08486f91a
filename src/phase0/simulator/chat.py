"""Chat completions on the wire: what a body asks for, and the reply to it, whole or as a stream of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from phase0.simulator import logprobs
from phase0.simulator.answers import Answer, Ask
from phase0.simulator.settings import Dialect

MOST_CHOICES, MOST_ALTERNATIVES = 128, 20
_EVENTS = 32  # of text in one stream: more would only be slower

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Ask).decode


class _Said(msgspec.Struct, frozen=True):
    content: str | None
    role: str = "assistant"
    refusal: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    index: int
    message: _Said
    logprobs: msgspec.Raw | None
    finish_reason: str | None


class Usage(msgspec.Struct, frozen=True):
    """Tokens of a reply."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class _Completion(msgspec.Struct, frozen=True):
    id: str
    created: int
    model: str
    choices: list[_Choice]
    usage: Usage
    object: str = "chat.completion"
    system_fingerprint: str = "fp_simulated"


class Label(NamedTuple):
    """What tells a reply from others: its id, its time (seconds since 1970), and whose words it uses."""

    id: str
    created: int
    dialect: Dialect


class WrongAskError(Exception):
    """A body that asks for nothing that can be answered; the message is for whoever sent it."""


def asked(body: bytes) -> Ask:
    """The request in a body. Raises WrongAskError."""
    try:
        ask = _decode(body)
    except msgspec.ValidationError as error:
        raise WrongAskError(f"Invalid request: {error}.") from None
    except msgspec.DecodeError:
        raise WrongAskError("We could not parse the JSON body of your request.") from None
    if not ask.messages:
        raise WrongAskError("[] is too short - 'messages'")
    if not 1 <= (ask.n or 1) <= MOST_CHOICES:
        raise WrongAskError(f"n is {ask.n}; it must be from 1 to {MOST_CHOICES}.")
    if (ask.cap or 1) < 1:
        raise WrongAskError(f"max_tokens is {ask.cap}; it must be at least 1.")
    if not 0 <= (ask.top_logprobs or 0) <= MOST_ALTERNATIVES:
        raise WrongAskError(f"top_logprobs is {ask.top_logprobs}; it must be from 0 to {MOST_ALTERNATIVES}.")
    if ask.top_logprobs and not ask.logprobs:
        raise WrongAskError("top_logprobs needs logprobs to be true.")
    return ask


def usage(tokens_in: int, answers: Sequence[Answer]) -> Usage:
    """Tokens of a reply with these choices."""
    tokens_out = sum(answer.tokens for answer in answers)
    return Usage(tokens_in, tokens_out, tokens_in + tokens_out)


def completion(ask: Ask, digest: bytes, answers: Sequence[Answer], used: Usage, label: Label) -> bytes:
    """The body of a reply."""
    choices = [
        _Choice(
            place,
            _Said(answer.text, refusal=answer.refusal),
            _logprobs(ask, digest, answer),
            _finish(answer, label.dialect),
        )
        for place, answer in enumerate(answers)
    ]
    return _encode(_Completion(label.id, label.created, ask.model, choices, used))


def unfinished(body: bytes) -> bytes:
    """The same reply, broken off: half of each text and no finish_reason."""
    reply: dict[str, Any] = msgspec.json.decode(body)
    for choice in reply["choices"]:
        text = choice["message"]["content"]
        choice["message"]["content"] = text and text[: len(text) // 2]
        choice["finish_reason"] = None
    return _encode(reply)


def events(ask: Ask, answers: Sequence[Answer], used: Usage, label: Label, *, ends: bool) -> list[bytes]:
    """The reply as server-sent events, the last of them `[DONE]`. Without `ends` it breaks off half way."""
    frame = {"id": label.id, "object": "chat.completion.chunk", "created": label.created, "model": ask.model}

    def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
        return b"data: " + _encode({**frame, "choices": choices, **more}) + b"\n\n"

    def delta(place: int, said: dict[str, Any], why: str | None = None) -> bytes:
        return event([{"index": place, "delta": said, "logprobs": None, "finish_reason": why}])

    told: list[bytes] = []
    for place, answer in enumerate(answers):
        told.append(delta(place, {"role": "assistant", "content": "", "refusal": None}))
        parts = _parts(answer.refusal or answer.text or "")
        field = "refusal" if answer.refusal else "content"
        told += [delta(place, {field: part}) for part in (parts if ends else parts[: len(parts) // 2])]
        if ends:
            told.append(delta(place, {}, _finish(answer, label.dialect)))
    if ask.stream_options is not None and ask.stream_options.include_usage and ends:
        told.append(event([], usage=used))
    return [*told, b"data: [DONE]\n\n"]


def _finish(answer: Answer, dialect: Dialect) -> str:
    """Together ends an answer with its own word."""
    return "eos" if dialect == "together" and answer.finish == "stop" else answer.finish


def _parts(text: str) -> list[str]:
    size = max(8, -(-len(text) // _EVENTS))
    return [text[start : start + size] for start in range(0, len(text), size)]


def _logprobs(ask: Ask, digest: bytes, answer: Answer) -> msgspec.Raw | None:
    if not ask.logprobs or answer.text is None:
        return None
    return logprobs.of(answer.text, digest, ask.top_logprobs or 0)
