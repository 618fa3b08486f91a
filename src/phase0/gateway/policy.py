"""What is done about an answer that is not a whole one: one table, and the follow-up questions that it asks for.

A reply is final unless it was cut off or is empty; then the question is asked once more in another form. What never
became a reply (429, 5xx, a broken connection, a body that is none, no finish_reason) is sent again as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec

from phase0.errors import Fatal, ProviderError, Refused, Transient
from phase0.records import Reply, Request

State = Literal["whole", "length", "content_filter", "refusal", "empty"]
Again = Callable[[Request, Reply], Request | None]

SECOND_DRAW = 1 << 20
"""Draws from here on are second tries: another sample of a question whose answer had no text."""


class Policy(NamedTuple):
    """`again`: how a question is asked once more; `reason`: why a row is dropped where that does not help."""

    again: Literal["larger cap", "new draw"] | None
    reason: str | None


POLICIES: dict[State, Policy] = {
    "whole": Policy(None, None),
    "length": Policy("larger cap", "truncated"),
    "content_filter": Policy(None, "content_filter"),
    "refusal": Policy(None, "refused"),
    "empty": Policy("new draw", "empty_answer"),
}

RETRIED = {
    "malformed": "malformed_reply",
    "incomplete": "incomplete_reply",
    "server": "server_error",
    "overload": "server_error",
    "timeout": "no_answer_in_time",
    "connection": "connection_lost",
    "unreachable": "connection_lost",
}
"""What is sent again as it was, a bounded number of times, and the reason of a row for which that did not help. A
`rate_limit` is not among them: it is waited out, however often it comes."""

FINAL = frozenset({"content_filter", "too_long"})
"""Refusals that say what is wrong with the question. They are answers, and kept. Any other may be said to every
question alike (a parameter, a route, a proxy), so it is a failure: the next run asks again."""

DOUBTS = 20
"""Such failures in a row, without a reply, after which a server is not asked any more."""

_UNSENT = frozenset({"rate_limit", "overload", "server", "unreachable"})
"""Failures after which nothing is owed: there was a status that says so, or no connection. After the others the work
may have been done, and be on the bill."""


def is_owed(error: ProviderError, *, answered: bool) -> bool:
    """Whether an exchange without a reply may be on the bill. `answered`: a body came, and no reply was in it."""
    if isinstance(error, Transient) and (answered or error.reason not in _UNSENT):
        return True
    return error.begun


def in_doubt(server: str, refused: Refused, times: int) -> Fatal:
    """What it means that a server refused so many questions in a row, and answered none."""
    message = (
        f"{refused}. {server} refused {times:,} questions in a row and answered none, so the fault is in what all of "
        "them have: the parameters, the model's id or the base URL."
    )
    return Fatal(message, reason="unsupported")


def state_of(reply: Reply) -> State:
    """What kind of answer this is."""
    if reply.finish_reason == "content_filter":
        return "content_filter"
    if reply.refusal:
        return "refusal"
    if reply.finish_reason == "length":
        return "length"
    return "whole" if reply.text.strip() else "empty"


def reason_of(reply: Reply) -> str | None:
    """Why a row with this answer, and no better one, is dropped; None where the answer is whole."""
    return POLICIES[state_of(reply)].reason


def follow_up(larger: int) -> Again:
    """The function that asks once more: cut-off answers with `larger` max_tokens, empty ones with another draw."""

    def again(request: Request, reply: Reply) -> Request | None:
        how = POLICIES[state_of(reply)].again
        if how == "larger cap" and (request.params.get("max_tokens") or larger) < larger:
            return msgspec.structs.replace(request, params={**request.params, "max_tokens": larger})
        if how == "new draw" and request.draw < SECOND_DRAW:
            return msgspec.structs.replace(request, draw=request.draw + SECOND_DRAW)
        return None

    return again
