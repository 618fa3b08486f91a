"""A hard limit on what may be spent: the worst case of a request is set aside before it is sent.

So what is spent stays within the limit whatever the answers turn out to cost, as long as none costs more than its worst
case.
"""

from __future__ import annotations

from decimal import ROUND_UP, Decimal

_CENT = Decimal("0.01")


class Budget:
    """What may still be spent, in US dollars. Without a limit everything may, and it is counted all the same."""

    def __init__(self, limit: Decimal | None, spent: Decimal = Decimal(0)) -> None:
        if spent < 0 or (limit is not None and limit < 0):
            raise ValueError(f"a budget of {limit} with {spent} spent; both are 0 or more")
        self._limit, self._spent, self._reserved = limit, spent, Decimal(0)

    @property
    def limit(self) -> Decimal | None:
        return self._limit

    @property
    def spent(self) -> Decimal:
        return self._spent

    @property
    def reserved(self) -> Decimal:
        return self._reserved

    def left(self) -> Decimal | None:
        """What nobody has spent or set aside; None without a limit. Below 0 where answers cost more than reserved."""
        return None if self._limit is None else self._limit - self._spent - self._reserved

    def reserve(self, worst: Decimal) -> bool:
        """Set aside what a request may cost at most. False, and nothing changes, where the limit does not hold it."""
        if worst < 0:
            raise ValueError(f"a request cannot cost {worst}")
        if self._limit is not None and self._spent + self._reserved + worst > self._limit:
            return False
        self._reserved += worst
        return True

    def reopen(self, amount: Decimal) -> None:
        """Set aside again what is out already and was counted as spent. Whether the limit holds it was asked when it
        was sent."""
        self._spent -= min(amount, self._spent)
        self._reserved += amount

    def settle(self, reserved: Decimal, real: Decimal) -> None:
        """Give back what was set aside for a request, and count what it cost."""
        if real < 0 or not 0 <= reserved <= self._reserved:
            raise ValueError(f"{reserved} of {self._reserved} set aside, and a cost of {real}: one of them is wrong")
        self._reserved -= reserved
        self._spent += real


def way_on(
    budget: Budget, *, worst: Decimal, answers: int, cost: Decimal, waiting: int | None, least: Decimal = Decimal(0)
) -> str:
    """What it takes to go on with a budget that is used up. `answers` came for `cost` so far, `waiting` are missing.

    The new limit is enough if what is missing costs as much as what came, with one worst case on top, and it is `least`
    at least. A request that would still fit is told to be too few of them.
    """
    spent, limit, left = budget.spent, budget.limit or Decimal(0), budget.left() or Decimal(0)
    why = f"the next request may cost {shown(worst)}"
    if 0 < worst <= left:
        why = f"the {shown(left)} that are left hold too few requests for a batch"
    told = f"{shown(spent)} of the budget of {shown(limit)} are spent, and {why}."
    if waiting is None or not answers:
        needed = max(spent + budget.reserved + worst, least)
        return f"{told} To go on, raise the budget to {shown(_up(needed))} at least."
    needed = max(spent + budget.reserved + cost * waiting / answers + worst, limit, least)
    return f"{told} For the {waiting:,} that are missing, raise it to about {shown(_up(needed))}."


def shown(amount: Decimal) -> str:
    """Dollars for a person: cents, and more digits where cents would not tell them from nothing."""
    if abs(amount) >= 1 or not amount % _CENT:
        return f"${amount:,.2f}"
    return f"${amount:.6f}".rstrip("0") if abs(amount) >= Decimal("0.000001") else f"${amount:.2e}"


def _up(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, rounding=ROUND_UP)
