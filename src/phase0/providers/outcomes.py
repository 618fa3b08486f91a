"""What an answer that is no reply means: wait and ask again, give this request up, or end the run.

Decided by the HTTP status first, then by the code in the body, then by words in its message: servers agree on the
first, mostly on the second, and on nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator
from typing import Any, NamedTuple

import msgspec

from phase0.dataset.rows import NOT_JSON
from phase0.errors import Fatal, ProviderError, Refused, Transient
from phase0.providers import Limits

_SHOWN = 300  # characters of a server's message


class Peer(NamedTuple):
    """Whom we speak to, for messages. `scrub` takes our key out of a text, for servers that repeat it."""

    server: str
    model: str
    key_env: str | None
    scrub: Callable[[str], str]


class Told(NamedTuple):
    """What the body of a failure says: a message on one line, and its codes and types in small letters."""

    message: str
    codes: frozenset[str]


class Rule(NamedTuple):
    """One line of the table below. It fits an answer of one of its statuses that has one of its codes, or its words;
    of any body where it names neither. `hint` is for a person, of a Fatal."""

    statuses: Container[int]
    kind: type[Transient | Refused | Fatal]
    reason: str
    codes: frozenset[str] = frozenset()
    words: re.Pattern[str] | None = None
    hint: str = ""
    asking: bool = False  # only where a model was asked: a missing file says nothing about models
    waits: bool = False  # only where the server says how long to wait


def _codes(*names: str) -> frozenset[str]:
    return frozenset(names)


_QUOTA = _codes(
    *("insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached", "billing_not_active"),
    *("payment_required", "spend_limit_exceeded", "usage_limit_reached", "insufficient_credits"),
)
_QUOTA_WORDS = re.compile(
    r"insufficient (?:quota|balance|credit|funds)|exceeded your current quota|out of credits|included credits"
)
_RATE = _codes(
    *("rate_limit_exceeded", "rate_limit_error", "dynamic_request_limited", "dynamic_token_limited"),
    "throttling_error",
)
_SLOW = _codes("slow_down", "server_is_overloaded", "service_unavailable_error", "overloaded_error")
_KEY = _codes("invalid_api_key", "invalid_authentication", "api_key_invalid")
_KEY_WORDS = re.compile(r"(?:invalid|incorrect|missing) api key|api key not valid")
_FILTER = _codes(
    *("content_filter", "content_policy_violation", "responsibleaipolicyviolation", "moderation_blocked"),
)
_FILTER_WORDS = re.compile(r"content (?:management )?policy|content filter|safety system|was flagged|moderation")
_LONG = _codes("context_length_exceeded", "string_above_max_length", "request_too_large")
_LONG_WORDS = re.compile(
    r"context (?:length|window|size)|maximum context|maximum input length|prompt is too long|"
    r"too many (?:input )?tokens|tokens.{0,40}<=",
    re.DOTALL,
)
_MODEL = _codes(
    *("model_not_found", "model_not_available", "model_decommissioned", "model_not_supported", "invalid_model"),
    "deploymentnotfound",
)
_MODEL_WORDS = re.compile(
    r"\b(?:model|deployment)\b.{0,200}\b(?:not found|not exist|doesn't exist|no longer|deprecated|decommissioned|"
    r"not supported|not available)|unable to access model|unknown model|no such model",
    re.DOTALL,
)
_UNSUPPORTED = _codes("unsupported_parameter", "unsupported_value", "unknown_parameter")
_UNSUPPORTED_WORDS = re.compile(r"unsupported (?:parameter|value)|unrecognized request argument|unknown parameter")
_INVALID_WORDS = re.compile(r"validation (?:error|failed)|invalid (?:input|value|prompt)|unexpected keyword")

_NO_CREDIT = "The account at {server} is out of credit."
_CHECK_KEY = "Check {key}."
_OTHER_MODEL = "It was asked for {model!r}; `phase0 doctor` says what may take its place."
_CHECK_URL = "Is the base URL right?"
_BAD = range(400, 500)

RULES = (
    Rule({402}, Fatal, "no_quota", hint=_NO_CREDIT),
    Rule({400, 403, 429}, Fatal, "no_quota", _QUOTA, hint=_NO_CREDIT),
    Rule({429}, Transient, "overload", _SLOW),
    Rule({429}, Transient, "rate_limit", _RATE),
    Rule({429}, Transient, "rate_limit", waits=True),  # credit does not come back by waiting
    Rule({400, 403, 429}, Fatal, "no_quota", words=_QUOTA_WORDS, hint=_NO_CREDIT),
    Rule({429}, Transient, "rate_limit"),
    Rule({408}, Transient, "timeout"),
    Rule({409, 425, 499}, Transient, "server"),
    Rule({498, 503, 529}, Transient, "overload"),
    Rule(range(500, 600), Transient, "overload", _SLOW),
    Rule(range(500, 600), Transient, "server"),
    Rule({401}, Fatal, "bad_key", hint=_CHECK_KEY),
    Rule({400, 403}, Fatal, "bad_key", _KEY, _KEY_WORDS, hint=_CHECK_KEY),
    Rule({451}, Refused, "content_filter"),
    Rule({400, 403, 422}, Refused, "content_filter", _FILTER, _FILTER_WORDS),
    Rule({413}, Refused, "too_long"),
    Rule({400, 422}, Refused, "too_long", _LONG, _LONG_WORDS),
    Rule({410}, Fatal, "unknown_model", hint=_OTHER_MODEL, asking=True),
    Rule({400, 403, 404, 422}, Fatal, "unknown_model", _MODEL, _MODEL_WORDS, hint=_OTHER_MODEL, asking=True),
    Rule({403}, Fatal, "no_access", hint="Whoever manages the account can allow this."),
    Rule(range(300, 400), Fatal, "no_access", hint=_CHECK_URL),
    Rule({404, 405}, Fatal, "no_access", hint=_CHECK_URL, asking=True),
    Rule(
        {400, 422}, Fatal, "unsupported", _UNSUPPORTED, _UNSUPPORTED_WORDS, "Every request asks for this.", asking=True
    ),
    Rule({404}, Refused, "not_found"),
    Rule(_BAD, Refused, "bad_request"),
)
"""The first that fits decides."""

_STRANGE = Rule((), Transient, "malformed")  # 1xx, or a number that is no status


def failure(
    status: int,
    body: bytes,
    peer: Peer,
    *,
    asking: bool = True,
    retry_after: float | None = None,
    limits: Limits | None = None,
) -> ProviderError:
    """The error to raise for an answer that is no 2xx. `asking` is false where no model was asked: files, batches."""
    said = told(body, peer.scrub)
    rule = next((rule for rule in RULES if _fits(rule, status, said, asking, retry_after)), _STRANGE)
    message = f"{peer.server} answered {status}: {said.message}"
    if rule.kind is Transient:
        return Transient(message, reason=rule.reason, retry_after=retry_after, limits=limits)
    if rule.kind is Refused:
        return Refused(message, reason=rule.reason)
    hint = rule.hint.format(server=peer.server, model=peer.model, key=peer.key_env or "the key")
    return Fatal(f"{message}. {hint}", reason=rule.reason)


def _fits(rule: Rule, status: int, said: Told, asking: bool, retry_after: float | None) -> bool:
    if status not in rule.statuses or (rule.asking and not asking) or (rule.waits and retry_after is None):
        return False
    if not rule.codes and rule.words is None:
        return True
    return not rule.codes.isdisjoint(said.codes) or bool(rule.words and rule.words.search(said.message.lower()))


def cause_in(message: str) -> str | None:
    """What is wrong with the request itself, in a message that has no status: the reason of a Refused, or None."""
    small = message.lower()
    for words, reason in (
        (_FILTER_WORDS, "content_filter"),
        (_LONG_WORDS, "too_long"),
        (_INVALID_WORDS, "bad_request"),
    ):
        if words.search(small):
            return reason
    return None


def told(body: bytes, scrub: Callable[[str], str] = str) -> Told:
    """Read the body of a failure, whatever it is. `scrub` sees the whole message, before it is cut."""
    try:
        value = msgspec.json.decode(body)
    except NOT_JSON:
        return Told(_page(scrub(body.decode("utf-8", "replace"))), frozenset())
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return Told(_one_line(scrub(str(value or "no reason given"))), frozenset())
    error = value.get("error") or value.get("errors")
    if isinstance(error, list) and error:
        error = error[0]
    parts = [part for part in (error, value) if isinstance(part, dict)]
    message = error if isinstance(error, str) else next(_messages(parts), "no reason given")
    return Told(_one_line(scrub(message)), frozenset(_codes_in(parts)))


def _messages(parts: list[dict[str, Any]]) -> Iterator[str]:
    for part in parts:
        for key in ("message", "msg", "detail", "error_description", "title"):
            found = part.get(key)
            if isinstance(found, str) and found.strip():
                yield found
            elif found:
                yield msgspec.json.encode(found).decode()


def _codes_in(parts: list[dict[str, Any]]) -> Iterator[str]:
    for part in parts:
        for key in ("code", "type", "error_type", "status"):
            found = part.get(key)
            if isinstance(found, str | int):
                yield str(found).lower()
        inner = part.get("innererror")  # Azure's reason for a content filter
        if isinstance(inner, dict):
            yield from _codes_in([inner])


_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


def _page(text: str) -> str:
    """A body that is not JSON, in a few words."""
    title = _TITLE.search(text[: _SHOWN * 10])
    return f"a web page called {_one_line(title[1])!r}" if title else _one_line(text) or "nothing"


def _one_line(text: str) -> str:
    plain = " ".join("".join(char if char.isprintable() else " " for char in text[: _SHOWN * 2]).split())
    return plain.rstrip(".") if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}…"
