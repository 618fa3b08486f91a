"""What the ledger holds: answers that were bought, questions that failed, batches, and what it all cost.

Money is exact. In the file it is whole numbers of 10**-12 dollars, the price of a token at $0.000001 a million.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from phase0.catalog.prices import Price

_PER_DOLLAR = 10**12
_MOST = _PER_DOLLAR * 1_000_000  # a million dollars: nine times as much is all that SQLite can add up


class Bought(NamedTuple):
    """One answer, as the provider sent it. A refusal is an answer too: it is final, and asking again costs the same."""

    key: str  # digest of the request, 32 hex digits
    request: bytes  # canonical JSON
    model: str
    server: str
    mode: Literal["online", "batch"]
    raw: bytes  # the body, before anybody reads it
    status: Literal["reply", "refused"]
    reason: str | None  # of a refusal
    tokens_in: int | None
    tokens_out: int | None
    cost: Decimal | None  # US dollars; None where nobody knows
    run: str
    at: float  # seconds since 1970


class Failure(NamedTuple):
    """A request that got no answer for as long as it was tried. It may be asked again."""

    key: str
    reason: str
    detail: str
    run: str


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Where a batch was sent, and what it takes to ask about it again: everything but the key."""

    url: str  # a base URL without a user, a query, a default port or a slash at its end; its host in small letters
    account: str  # a short keyed digest of the API key: it tells accounts apart; empty without a key
    key_env: str | None  # the variable that held the key
    model_id: str  # what the server calls the model
    price: Price  # at which it was sent

    @property
    def address(self) -> str:
        """Host and path: where a batch is known."""
        return self.url.partition("://")[2]


class Batch(NamedTuple):
    """A batch: `intent` before anything is sent, `sent` with the provider's id, `settled` when everything is stored."""

    tag: str  # ours, also in the batch's metadata: by it a batch is found again
    server: str
    model: str
    keys: tuple[str, ...]
    state: Literal["intent", "sent", "settled"]
    batch_id: str | None
    status: str | None  # how it ended
    at: float  # when it was intended, seconds since 1970
    run: str  # that sent it, and pays for it whoever stores its answers
    destination: Destination | None = None  # None: sent by a phase0 that did not write it down

    @property
    def where(self) -> str:
        """Where it is, for a person."""
        return self.server if self.destination is None else self.destination.address


class Spend(NamedTuple):
    """What was spent under one name. `again`: paid for although an answer was there; `unpriced`: at unknown cost."""

    name: str
    requests: int
    refused: int
    again: int
    unpriced: int
    tokens_in: int
    tokens_out: int
    cost: Decimal  # US dollars, of what has a price


class Imported(NamedTuple):
    """What became of the replies in a file."""

    replies: int
    new: int


def units(cost: Decimal) -> int:
    """Dollars as whole units. Raises ValueError for what is no whole number of them, or is no price of an answer."""
    numerator, denominator = cost.as_integer_ratio()
    whole, rest = divmod(numerator * _PER_DOLLAR, denominator)
    if rest:
        raise ValueError(f"{cost} dollars are no whole number of 10**-12 dollars; give prices with at most 6 decimals")
    if whole >= _MOST:
        raise ValueError(f"{cost} dollars for one answer are more than the ledger counts")
    return whole


def units_up(cost: Decimal) -> int:
    """Dollars that may have been paid as whole units, rounded up. More than a million of them count as a million."""
    numerator, denominator = cost.as_integer_ratio()
    return min(_MOST, -(-numerator * _PER_DOLLAR // denominator))


def dollars(units: int) -> Decimal:
    """Units as dollars, exactly: a 64-bit number has fewer than the 28 digits that Decimal keeps."""
    return Decimal(units).scaleb(-12)
