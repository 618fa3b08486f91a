"""What is kept of an exchange: the entry that the ledger gets."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from phase0.errors import Refused
from phase0.gateway.questions import Question
from phase0.ledger import Bought


class Place(NamedTuple):
    """Where a question was asked, how, and for which run."""

    model: str
    server: str
    mode: Literal["online", "batch"]
    run: str


class Usage(NamedTuple):
    """Tokens as the server counted them, and what they cost; None where nobody knows."""

    tokens_in: int | None
    tokens_out: int | None
    cost: Decimal | None


def replied(question: Question, place: Place, raw: bytes, usage: Usage, at: float) -> Bought:
    """The entry of a reply."""
    return Bought(
        key=question.key,
        request=question.body,
        model=place.model,
        server=place.server,
        mode=place.mode,
        raw=raw,
        status="reply",
        reason=None,
        tokens_in=usage.tokens_in,
        tokens_out=usage.tokens_out,
        cost=usage.cost,
        run=place.run,
        at=at,
    )


def refused(question: Question, place: Place, error: Refused, at: float) -> Bought:
    """The entry of a refusal that is final. It costs nothing; what it may have cost all the same is at stake."""
    raw = msgspec.json.encode({"refused": error.reason, "message": str(error)})
    entry = replied(question, place, raw, Usage(None, None, Decimal(0)), at)
    return entry._replace(status="refused", reason=error.reason)
