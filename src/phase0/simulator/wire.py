"""What goes over the wire: an answer as status, headers and body, in OpenAI's, Together's and Replicate's words.

Answers that break off, and answers that never come, are said here too; `server.py` alone does as they say.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import msgspec

from phase0.simulator.limits import Headers

Ending = Literal["whole", "cut", "hang_up", "silence"]
Tongue = Literal["openai", "together", "replicate"]


class Sent(NamedTuple):
    """An answer. `cut` sends half of the body and closes; `hang_up` closes at once; `silence` waits for the client."""

    status: int
    body: bytes = b""
    headers: Headers = ()
    content_type: str = "application/json"
    ending: Ending = "whole"
    events: tuple[bytes, ...] = ()  # in place of a body: pieces of a stream
    wait: float = 0.0  # the provider's seconds before it leaves


HANG_UP = Sent(0, ending="hang_up")
SILENCE = Sent(0, ending="silence")
_HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>502 Bad Gateway</body>\r\n</html>\r\n"

# name: status, code, type, message. Codes and types as OpenAI documents them; one code may stand under many messages.
_PROBLEMS: dict[str, tuple[int, str | None, str, str]] = {
    "rate_limit": (429, "rate_limit_exceeded", "requests", "Rate limit reached for requests."),
    "rate_limit_bare": (429, "rate_limit_exceeded", "requests", "Rate limit reached for requests."),
    "token_limit": (429, "rate_limit_exceeded", "tokens", "Rate limit reached for tokens."),
    "slow_down": (429, "slow_down", "rate_limit_error", "Your request rate rose too quickly. Reduce it and try again."),
    "server_error": (500, "server_error", "server_error", "The server had an error while processing your request."),
    "overloaded": (
        503,
        "server_is_overloaded",
        "service_unavailable_error",
        "The engine is currently overloaded, please try again later.",
    ),
    "no_quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "bad_key": (401, "invalid_api_key", "invalid_request_error", "Incorrect API key provided."),
    "no_access": (403, "unsupported_country_region_territory", "request_forbidden", "Not supported in your region."),
    "unknown_model": (
        404,
        "model_not_found",
        "invalid_request_error",
        "The model does not exist or you have no access.",
    ),
    "too_long": (
        400,
        "context_length_exceeded",
        "invalid_request_error",
        "This model's maximum context length is smaller than your messages and max_tokens.",
    ),
    "blocked": (
        400,
        "content_filter",
        "invalid_request_error",
        "The response was filtered due to the prompt triggering the content management policy.",
    ),
    "bad_request": (400, None, "invalid_request_error", "Invalid request."),
    "not_found": (404, None, "invalid_request_error", "There is nothing at this address."),
}

_encode = msgspec.json.Encoder().encode


def problem(name: str, tongue: Tongue, *, detail: str | None = None, wait: float | None = None) -> Sent:
    """An error as this provider words it. `wait` is what it asks for, in the client's seconds."""
    if name == "bad_gateway":
        return Sent(502, _HTML, content_type="text/html")
    status, code, kind, message = _PROBLEMS[name]
    message = detail or message
    if tongue == "replicate":
        status = 402 if name == "no_quota" else status
        body: dict[str, Any] = {"detail": message, "status": status}
    else:
        if tongue == "together" and code == "rate_limit_exceeded":
            kind, code = f"dynamic_{kind.removesuffix('s')}_limited", None
        body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return Sent(status, _encode(body), () if wait is None else retry_after(wait))


def retry_after(seconds: float) -> Headers:
    """Whole seconds, as HTTP wants them, and milliseconds as OpenAI adds; a wait below a second is said exactly."""
    whole = str(math.ceil(seconds)) if seconds >= 1 else f"{seconds:.3f}"
    return (("retry-after", whole), ("retry-after-ms", str(math.ceil(seconds * 1000))))


def detail(sent: Sent) -> str:
    """The message of an error worded by `problem`."""
    said = msgspec.json.decode(sent.body)
    return str(said["detail"] if "detail" in said else said["error"]["message"])


def as_json(value: Any, status: int = 200) -> Sent:
    """A value as the body of an answer."""
    return Sent(status, _encode(value))


def spoilt(sent: Sent, fault: str | None, variant: int) -> Sent:
    """The same answer after a fault of the delivery. `variant` chooses among the ways in which a body is no JSON."""
    if fault == "lost":
        return sent._replace(ending="hang_up")
    if fault == "truncated":
        return sent._replace(ending="cut")
    if fault == "malformed" and sent.events:
        middle = len(sent.events) // 2
        return sent._replace(events=(*sent.events[:middle], b'data: {"id": "chatc\n\n', *sent.events[middle + 1 :]))
    if fault == "malformed":
        body = (sent.body[: len(sent.body) * 2 // 3], _HTML, b"")[variant % 3]
        return sent._replace(body=body)
    if fault == "no_reply":
        empty: dict[str, Any] = {"object": "chat.completion", "choices": []}
        overloaded = {"error": {"message": "Provider returned error", "code": 502}}
        return Sent(sent.status, _encode((empty, overloaded)[variant % 2]), sent.headers, wait=sent.wait)
    return sent
