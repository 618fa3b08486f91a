"""What became of a purchase: counted while it goes on, told when it is over. The counts close."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

Ended = Literal["done", "stopped", "budget", "fatal", "unreachable", "submitted"]


class Summary(NamedTuple):
    """asked = found + shared + replies + refused + failed + left, where `asked` counts follow-up questions too."""

    ended: Ended
    detail: str  # for a person: why it ended early, and what it takes to go on
    asked: int  # questions that were looked at, follow-ups among them
    found: int  # had an answer in the ledger already
    shared: int  # were equal to a question that was being asked
    replies: int
    refused: int
    failed: int  # tried as often as allowed
    left: int  # no answer yet when it ended; of those not looked at, only where the budget ended it
    follow_ups: int  # of `asked`
    sent: int  # exchanges, or lines of batches
    limited: int  # of `sent`: answered 429
    retried: int  # of `sent`: failed otherwise, and were tried again
    tokens_in: int
    tokens_out: int
    cost: Decimal  # of replies, US dollars
    lost: Decimal  # the most that exchanges without a reply may have cost on top


class Tally:
    """The same, still counting."""

    def __init__(self) -> None:
        self.ended: Ended = "done"
        self.detail = ""
        self.asked = self.found = self.shared = self.replies = self.refused = self.failed = 0
        self.follow_ups = self.sent = self.limited = self.retried = self.tokens_in = self.tokens_out = 0
        self.cost = self.lost = Decimal(0)

    @property
    def open(self) -> int:
        """Questions that have not ended yet."""
        return self.asked - self.found - self.shared - self.replies - self.refused - self.failed

    def summary(self) -> Summary:
        return Summary(
            ended=self.ended,
            detail=self.detail,
            asked=self.asked,
            found=self.found,
            shared=self.shared,
            replies=self.replies,
            refused=self.refused,
            failed=self.failed,
            left=self.open,
            follow_ups=self.follow_ups,
            sent=self.sent,
            limited=self.limited,
            retried=self.retried,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            cost=self.cost,
            lost=self.lost,
        )


def joined(first: Summary, second: Summary) -> Summary:
    """Both together; it ended as the second did."""
    sums = {
        name: getattr(first, name) + getattr(second, name)
        for name in Summary._fields
        if name not in ("ended", "detail")
    }
    return Summary(ended=second.ended, detail=second.detail, **sums)
