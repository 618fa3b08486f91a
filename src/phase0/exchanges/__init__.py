"""An exchange: what to ask models about a record, and how to read their answers. Teaching and judging are exchanges.

Both halves are pure, so both are tested without a network; the gateway is the only code that sends anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from phase0.records import Record, Reply, Request

EXCHANGES = {
    "original": "phase0.exchanges.original:Original",
}


class Asks(Protocol):
    """What is asked about a record."""

    def ask(self, record: Record) -> Sequence[Request]:
        """The requests to send about a record; none where nothing needs to be asked."""
        ...


class Exchange(Asks, Protocol):
    """One kind of question about a record, and what is made of the answers."""

    def read(self, record: Record, replies: Sequence[Reply | None]) -> Sequence[Record] | str:
        """Records made from the replies, given in the order asked (None: never answered), or the code of the reason
        why there are none."""
        ...
