"""At most so many units in any so many seconds: a sliding window that never lets more leave, wherever it is laid.

A token bucket that starts full lets twice its size through in its first minute, and a provider that counts in fixed
windows answers half of that with 429. A window does not, and over k minutes it is no slower than the bucket.
"""

from __future__ import annotations

from typing import NamedTuple

_SLOTS = 240  # a minute is kept in slots of 0.25 s: memory does not grow with the limit
_KEPT = _SLOTS + 2  # of a minute 60.25 to 60.5 s: time for unequal ways there, at 0.8 % of the rate at most
_TICK = 1e-6  # timers go off up to a clock's tick early


class Told(NamedTuple):
    """What the provider said it had left for us when it saw a request of ours."""

    left: int
    at: float  # when that request left
    gone: int  # units that had left by then, that request's among them


class Allowance:
    """What may leave in `seconds`. Times are those of one clock that never goes back, in seconds.

    `limit` is None while nobody knows it: then everything may leave, and is counted for when it is known.
    """

    def __init__(self, limit: int | None, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._width = seconds / _SLOTS
        self._taken = 0
        self._slots: dict[int, int] = {}  # units by slot, oldest first
        self._gone = 0  # units that ever left
        self._told: Told | None = None

    def spare(self, now: float) -> bool:
        """Whether a tenth is left."""
        self._forget(now)
        return self.limit is None or self._taken * 10 < self.limit * 9

    def wait(self, units: int, now: float) -> float:
        """Seconds until so many units may leave. More than the limit may leave when nothing else is counted."""
        if self.limit is None:
            return 0.0
        self._forget(now)
        units = min(units, self.limit)
        missing = self._taken + units - self.limit
        if missing <= 0:
            return 0.0 if self._told is None else self._wait_as_told(self._told, units, now)
        for slot, taken in self._slots.items():
            missing -= taken
            if missing <= 0:
                return (slot + _KEPT) * self._width - now + _TICK
        return self.seconds

    def take(self, units: int, now: float) -> int:
        """Count units that leave now. Returns how many have ever left: `told` asks for it."""
        self._forget(now)
        slot = int(now / self._width)
        self._slots[slot] = self._slots.get(slot, 0) + units
        self._taken += units
        self._gone += units
        return self._gone

    def settle(self, at: float, reserved: int, used: int) -> None:
        """Of the units that left `at` so many were used: the rest may leave again, or what is missing counts too."""
        slot = int(at / self._width)
        if reserved != used and slot in self._slots:
            self._slots[slot] += used - reserved
            self._taken += used - reserved

    def told(self, left: int, at: float, gone: int) -> None:
        """The provider had so many left when it saw the request that left `at` as the `gone`-th unit.

        Whoever shares the key with us, and whoever counts otherwise than we do, is seen in this. Of answers that
        overtake each other the one to the latest request counts.
        """
        if self._told is None or at >= self._told.at:
            self._told = Told(left, at, gone)

    def _wait_as_told(self, told: Told, units: int, now: float) -> float:
        """Seconds until the provider has so many units, when what it had left comes back evenly.

        One that counts in fixed windows gives everything back at once, and later: but the window holds that.
        """
        rate = (self.limit or 1) / self.seconds
        left = told.left - (self._gone - told.gone) + rate * (now - told.at)
        return (units - left) / rate + _TICK if left < units else 0.0

    def _forget(self, now: float) -> None:
        slots = self._slots
        oldest = int(now / self._width) - _KEPT
        while slots:
            slot = next(iter(slots))
            if slot > oldest:
                break
            self._taken -= slots.pop(slot)
