"""OpenAI's API, and that of every server that copied it: chat completions, the list of models, and batches.

A reply is read strictly where it matters (text, finish_reason) and leniently where it does not: nobody throws an
answer away because its token counts are odd.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from phase0.catalog.models import Endpoint
from phase0.dataset.rows import NOT_JSON
from phase0.errors import ProviderError, Transient
from phase0.providers import Batches, Listed, Sent
from phase0.providers.batches import FileBatches
from phase0.providers.http import Client
from phase0.providers.outcomes import failure
from phase0.providers.params import params_for
from phase0.records import Reply, Request, TokenLogprobs

T = TypeVar("T")

_STOPS = {
    **dict.fromkeys(("eos", "eos_token", "stop_sequence", "end_turn"), "stop"),
    **dict.fromkeys(("max_tokens", "model_length", "max_output_tokens"), "length"),
    **dict.fromkeys(("safety", "SAFETY", "content-filter"), "content_filter"),
}
"""finish_reason as some servers spell it, and as OpenAI does."""

_BROKE_OFF = frozenset({"error", "abort", "insufficient_system_resource"})
"""Words for an answer that the server itself did not finish."""

_encode = msgspec.json.Encoder().encode


class _Message(msgspec.Struct):
    content: str | list[dict[str, Any]] | None = None
    refusal: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Logprobs(msgspec.Struct):
    content: tuple[TokenLogprobs, ...] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class _OddChoice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None
    logprobs: msgspec.Raw = msgspec.Raw()


class _OddCompletion(msgspec.Struct):
    """One whose usage or logprobs may be in no form that is known."""

    choices: list[_OddChoice]
    usage: msgspec.Raw = msgspec.Raw()


class _Model(msgspec.Struct):
    id: str
    shutdown_date: str | None = None


class _Models(msgspec.Struct):
    data: list[_Model]


_completion = msgspec.json.Decoder(_Completion).decode
_odd_completion = msgspec.json.Decoder(_OddCompletion).decode
_usage = msgspec.json.Decoder(_Usage | None).decode
_logprobs = msgspec.json.Decoder(_Logprobs | None).decode
_models = msgspec.json.Decoder(_Models | list[_Model]).decode


class OpenAI:
    """One model at one server that speaks OpenAI's API."""

    batches: Batches | None

    def __init__(self, endpoint: Endpoint, key: str | None, *, timeout: float = 600) -> None:
        self._client = Client(endpoint, key, timeout=timeout)
        self._body = body_of(endpoint)
        self._chat = self._client.url("/chat/completions")
        quirks = endpoint.server.batch
        self.batches = FileBatches(self._client, quirks, self._body) if quirks else None

    async def send(self, request: Request) -> Sent:
        """One request, one answer."""
        return await self._client.send("POST", self._chat, _encode(self._body(request)), asking=True)

    def read(self, raw: bytes) -> Reply:
        """The reply in the body of a chat completion: its first choice."""
        try:
            got = _completed(raw)
        except NOT_JSON as error:
            raise self._no_reply(raw, str(error)) from None
        if not got.choices:
            raise self._no_reply(raw, "there are no choices")
        choice = got.choices[0]
        reason = choice.finish_reason
        if not reason or reason in _BROKE_OFF:
            said = f"finish_reason is {reason!r}" if reason else "there is no finish_reason"
            raise Transient(f"{self._client.peer.server}: the answer broke off: {said}", reason="incomplete")
        content, usage = choice.message.content, got.usage or _Usage()
        return Reply(
            text=content if isinstance(content, str) else _joined(content),
            finish_reason=_STOPS.get(reason, reason),
            tokens_in=usage.prompt_tokens,
            tokens_out=usage.completion_tokens,
            refusal=choice.message.refusal or None,
            logprobs=choice.logprobs.content if choice.logprobs else None,
        )

    async def models(self) -> Sequence[Listed]:
        """What the endpoint offers now."""
        raw = (await self._client.send("GET", self._client.url("/models"))).body
        try:
            found = _models(raw)
        except NOT_JSON as error:
            raise Transient(f"{self._client.peer.server}: no list of models: {error}", reason="malformed") from None
        listed = found.data if isinstance(found, _Models) else found
        return [Listed(model.id, model.shutdown_date) for model in listed]

    async def close(self) -> None:
        """Give back the connections."""
        await self._client.close()

    def _no_reply(self, raw: bytes, why: str) -> ProviderError:
        """What a 200 without a reply means: some servers send an error with its own status under it."""
        status = _status_in(raw)
        if status is not None:
            return failure(status, raw, self._client.peer)
        return Transient(f"{self._client.peer.server}: the body is no reply: {why}", reason="malformed")


def body_of(endpoint: Endpoint) -> Callable[[Request], dict[str, Any]]:
    """The function that makes the body of a request: what the endpoint calls the model and its parameters.

    It raises Fatal (`unsupported`) for what the endpoint is known to lack and cannot be left out.
    """
    server, model_id = endpoint.server, endpoint.model_id
    params = params_for(endpoint)

    def body(request: Request) -> dict[str, Any]:
        made: dict[str, Any] = {
            "model": model_id,
            "messages": [{"role": role, "content": content} for role, content in request.messages],
            **params(request.params),
        }
        if "max_tokens" in made and server.max_tokens_name != "max_tokens":
            made[server.max_tokens_name] = made.pop("max_tokens")
        return made

    return body


def _joined(content: list[dict[str, Any]] | None) -> str:
    """Text that came in parts, or not at all."""
    return "".join(part["text"] for part in content or () if isinstance(part.get("text"), str))


def _completed(raw: bytes) -> _Completion:
    """A body, in one reading where all of it is as it should be. Usage and logprobs that are not are left out."""
    try:
        return _completion(raw)
    except NOT_JSON:
        odd = _odd_completion(raw)
    choices = [_Choice(one.message, one.finish_reason, _known(_logprobs, one.logprobs)) for one in odd.choices]
    return _Completion(choices, _known(_usage, odd.usage))


def _known(decode: Callable[[msgspec.Raw], T | None], part: msgspec.Raw) -> T | None:
    try:
        return decode(part)
    except NOT_JSON:
        return None


def _status_in(raw: bytes) -> int | None:
    """The HTTP status that an error in a body carries as its code."""
    try:
        value = msgspec.json.decode(raw)
    except NOT_JSON:
        return None
    error = value.get("error") if isinstance(value, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code[:4])
    return code if isinstance(code, int) and 400 <= code < 600 else None
