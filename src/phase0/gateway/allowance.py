"""At most so many units in any so many seconds: a sliding window that never lets more leave, wherever it is laid.

A token bucket that starts full lets twice its size through in its first minute, and a provider that counts in fixed
windows answers half of that with 429. So the window holds until headers show that the provider keeps a bucket.
"""

from __future__ import annotations

from phase0.gateway.bucket import Bucket, Mark

_SLOTS = 240  # a minute is kept in slots of 0.25 s: memory does not grow with the limit
_KEPT = _SLOTS + 2  # of a minute 60.25 to 60.5 s: time for unequal ways there, at 0.8 % of the rate at most
_TICK = 1e-6  # timers go off up to a clock's tick early


class Allowance:
    """What may leave in `seconds`. Times are those of one clock that never goes back, in seconds.

    `limit` is None while nobody knows it: then everything may leave, and is counted for when it is known.
    """

    def __init__(self, limit: float | None, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._width = seconds / _SLOTS
        self._taken = 0.0
        self._slots: dict[int, float] = {}  # units by slot, oldest first
        self.bucket = Bucket(seconds)  # as the provider's headers show it

    def spare(self, now: float) -> bool:
        """Whether a tenth is left."""
        self._forget(now)
        return self.limit is None or self._taken * 10 < self.limit * 9

    def wait(self, units: float, now: float) -> float:
        """Seconds until so many units may leave. More than the limit may leave when nothing else is counted."""
        if self.limit is None:
            return 0.0
        if self.bucket.counts:
            return self.bucket.wait(units, now)
        self._forget(now)
        units = min(units, self.limit)
        missing = self._taken + units - self.limit
        if missing <= 0:
            return self.bucket.wait(units, now)  # a window gives all back at once, and later
        for slot, taken in self._slots.items():
            missing -= taken
            if missing <= 0:
                return (slot + _KEPT) * self._width - now + _TICK
        return self.seconds

    def take(self, units: int, now: float) -> Mark:
        """Count units that leave now. Returns where that leaves us: `told` asks for it."""
        self._forget(now)
        slot = int(now / self._width)
        self._slots[slot] = self._slots.get(slot, 0) + units
        self._taken += units
        return self.bucket.take(units, now)

    def settle(self, at: float, reserved: int, used: int) -> None:
        """Of the units that left `at` so many were used: the rest may leave again, or what is missing counts too."""
        slot = int(at / self._width)
        if reserved != used and slot in self._slots:
            self._slots[slot] += used - reserved
            self._taken += used - reserved

    def _forget(self, now: float) -> None:
        slots = self._slots
        oldest = int(now / self._width) - _KEPT
        while slots:
            slot = next(iter(slots))
            if slot > oldest:
                break
            self._taken -= slots.pop(slot)
