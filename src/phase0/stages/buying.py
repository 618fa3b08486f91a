"""Answers about rows, of one model after the other: what the ledger lacks is bought, what it has is counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from phase0.catalog.models import Teacher
from phase0.errors import Unfinished, UsageError
from phase0.progress import Progress
from phase0.records import Record, Request
from phase0.stages.means import Asking, Means, line_to, places

if TYPE_CHECKING:
    from phase0.gateway.estimate import Ask
    from phase0.gateway.policy import Again
    from phase0.ledger import Ledger
    from phase0.stages.answers import Answer, Answers

_LARGER = 4  # times max_tokens, for an answer that was cut off


class Shop(NamedTuple):
    """A model, and the ledger that keeps what it answers."""

    model: Teacher
    ledger: Ledger
    answers: Answers
    again: Again  # what is asked once more about an answer


def shop_of(model: Teacher, ledger: Ledger, *, largest: int) -> Shop:
    """`largest` is the most tokens that an answer may have; one that is cut off there is asked for with more."""
    from phase0.gateway.policy import follow_up
    from phase0.stages.answers import Answers, reader

    again = follow_up(_LARGER * largest)
    return Shop(model, ledger, Answers(ledger, again, reader()), again)


def buy(shop: Shop, requests: Callable[[], Iterator[Request]], asking: Asking, *, progress: Progress) -> None:
    """Have a model asked for what the ledger lacks. Without a key that works only where it lacks nothing.

    `requests` gives them anew each time. Raises UsageError without a key or a price, Unfinished where there is more to
    be asked.
    """
    from phase0.stages.asking import ask_models

    try:
        found = places(shop.model, asking.means, datetime.now(UTC).date())
    except UsageError:
        if any(answer.open for answer in shop.answers.each(requests())):
            raise
    else:
        line = partial(line_to, shop.model, found, speed=asking.means.speed)
        ask_models(requests, line, shop.ledger, asking, again=shop.again, progress=progress)


def agree(
    records: Iterable[Record], asks: Callable[[], Sequence[Ask]], means: Means, *, own_answers: bool = False
) -> None:
    """Tell what it will cost to ask about some records, unless a budget bounds it. Raises UsageError where that is too
    much for the caller. `own_answers`: the answers that judges see are those that the records have."""
    if means.agree is None or means.budget_usd is not None:
        return
    from phase0.gateway.estimate import estimate, measure
    from phase0.stages.estimating import rows_asked

    found = estimate(measure(rows_asked(records)), asks(), own_answers=own_answers)
    if found.measured.rows and not means.agree(found):
        raise UsageError("nothing was asked and nothing spent. --budget-usd sets a limit that is never exceeded.")


def can_be_asked(model: Teacher, means: Means) -> bool:
    """Whether there is an endpoint with a key and a price."""
    try:
        return bool(places(model, means, datetime.now(UTC).date()))
    except UsageError:
        return False


class Submitted:
    """What several models have in batches that are out: none of them keeps the next from being asked."""

    def __init__(self) -> None:
        self._told: list[str] = []

    @contextmanager
    def by(self, name: str) -> Iterator[None]:
        """A block that has a model asked. It ends well, too, where answers are on their way."""
        try:
            yield
        except Unfinished as error:
            if error.how != "submitted":
                raise
            self._told.append(f"{name}: {error}")

    def tell(self) -> None:
        """Raise Unfinished where anything is on its way."""
        if self._told:
            raise Unfinished("; ".join(self._told), how="submitted")


class Spent:
    """What the answers of an output cost when they were bought. Rows that ask the same share an answer, paid once."""

    def __init__(self) -> None:
        self.cost: Decimal | None = Decimal(0)  # None: of one of them nobody knows
        self.tokens_in = self.tokens_out = 0
        self._keys: set[bytes] = set()

    def add(self, requests: Sequence[Request], answers: Sequence[Answer]) -> None:
        """Count what led to these answers, unless it was counted."""
        for request, answer in zip(requests, answers, strict=True):
            key = bytes.fromhex(request.key)
            if key not in self._keys:
                self._keys.add(key)
                self.tokens_in += answer.tokens_in
                self.tokens_out += answer.tokens_out
                self.cost = None if self.cost is None or answer.cost is None else self.cost + answer.cost

    @property
    def usd(self) -> str | None:
        """The cost as a manifest has it."""
        return None if self.cost is None else f"{self.cost.normalize():f}"
