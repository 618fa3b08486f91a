"""A hard limit on what may be spent: the worst case is set aside before anything is sent."""

from __future__ import annotations

from decimal import Decimal


class Budget:
    """What may still be spent, in US dollars. `limit` None: no limit, but it is counted all the same."""

    def __init__(self, limit: Decimal | None, spent: Decimal = Decimal(0)) -> None:
        self.limit = limit
        self.spent = spent
        self.reserved = Decimal(0)

    def reserve(self, worst: Decimal) -> bool:
        if self.limit is not None and self.spent + self.reserved + worst > self.limit:
            return False
        self.reserved += worst
        return True

    def settle(self, reserved: Decimal, real: Decimal) -> None:
        self.reserved -= reserved
        self.spent += real

    def left(self) -> Decimal | None:
        return None if self.limit is None else self.limit - self.spent - self.reserved
