"""What a purchase may have paid beyond its answers: in the ledger before it is at stake, so that no crash forgets it.

A budget counts it ever after. The ledger is told a sum with room to spare, some tens of times in a run: a commit before
every request would cost more than the request.
"""

from __future__ import annotations

from decimal import Decimal

from phase0.ledger import Ledger

_ROOM = 8  # requests like the one that did not fit, or a quarter of the whole: what a kill may count too much


class Stake:
    """The requests of one purchase that are in flight, on their way to the disk, or lost, at their worst cases."""

    def __init__(self, ledger: Ledger, run: str, name: str) -> None:
        self._ledger, self._run, self._name = ledger, run, name
        self._amount = self._noted = Decimal(0)

    def add(self, worst: Decimal) -> None:
        """A request is about to leave. Raises what the ledger raises where it cannot be noted: it must not leave."""
        amount = self._amount + worst
        if amount > self._noted:
            self._note(amount + max(amount / 4, worst * _ROOM))
        self._amount = amount

    def give_back(self, amount: Decimal) -> None:
        """So much was not spent, or is told by an answer that is on the disk."""
        self._amount -= amount

    def close(self) -> None:
        """Nothing more leaves: what is still at stake is lost."""
        if self._noted != self._amount:
            self._note(self._amount)

    def _note(self, amount: Decimal) -> None:
        self._ledger.stake(self._name, self._run, amount)
        self._noted = amount
