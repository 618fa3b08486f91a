"""What a provider has left for us, as the headers of its answers show it: a bucket that refills evenly.

A header is a moment old when it comes, and true. The level is computed on from there with what has left since, and each
header corrects it, so that a wrong guess of what a request costs moves the level a little and the rate not at all.
"""

from __future__ import annotations

from typing import NamedTuple

_TICK = 1e-6  # timers go off up to a clock's tick early
_COARSE = 1.0, 0.001  # units and seconds: as exactly as headers tell what is left, and when it is full
_APART = 5  # times as much as that must lie between two headers that are compared
_SHORT = 1.0  # seconds: in so short a time headers cannot be compared
_NEW = 0.05  # weight of one header in what is learned about the cost of requests
_DEAREST = 16.0  # times what was expected: some count all of max_tokens
_MARGIN = 1.0, 0.35  # seconds of refill, or this part of the bucket, are left in it: ways and answers are unequal
_STEP, _MOST = 0.05, 0.8  # of the bucket: what a 429 adds to the margin, and the most that it comes to
_RARE = 0.003  # of requests answered 429: there the margin comes to rest where it cannot do without
_OFTEN, _TOO_OFTEN = 0.01, 25  # of requests, and how many more than that, with all the margin: it is no such bucket


class Mark(NamedTuple):
    """Where a bucket stood when a request had left."""

    at: float
    gone: float  # units that had ever left
    level: float | None  # without the corrections; None before the first header
    cost: float  # what was taken


class Bucket:
    """How full the provider's bucket is. Until `told` is called nothing is known, and everything may leave."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.even = False  # whether the provider is known to refill evenly
        self.evidence: bool | None = None  # of that, from the headers of this bucket
        self._rate = 0.0  # units in a second
        self._size = 0.0  # units when it is full
        self._known = False
        self._level = self._at = 0.0  # and when it was so
        self._moved = 0.0  # what all corrections have added to it
        self._gone = 0.0
        self._last: Mark | None = None  # of the latest request that a header spoke of
        self._ratio = 1.0  # of what requests cost to what was expected
        self._extra = 0.0  # units of margin, learned from 429s
        self._doubt = 0.0  # 429s with all the margin
        self._seen: tuple[float, float] | None = None  # units left, and units when full, as one header told
        self._agreed = 0

    @property
    def counts(self) -> bool:
        """Whether its level is known well enough to need no window beside it."""
        return self.even and self._known

    def wait(self, units: float, now: float) -> float:
        """Seconds until there are so many units; and the margin, where it counts."""
        if not self._known:
            return 0.0
        self._refill(now)
        wanted = self._cost(units) + self._margin() if self.even else units
        missing = min(wanted, self._size) - self._level
        return missing / self._rate + _TICK if missing > 0 else 0.0

    def take(self, units: float, now: float) -> Mark:
        """Units leave now."""
        self._gone += units
        cost = self._cost(units)
        if not self._known:
            return Mark(now, self._gone, None, cost)
        self._refill(now)
        self._level -= cost
        return Mark(now, self._gone, self._level - self._moved, cost)

    def give_back(self, mark: Mark) -> None:
        """The request of this mark was not counted after all."""
        if mark.level is not None:
            self._level += mark.cost
            self._moved += mark.cost

    def shown(self, left: float, limit: float, reset: float | None) -> None:
        """A header said that so many units are left, that `limit` refill in `seconds`, and in how many seconds the
        bucket is full."""
        self._rate = limit / self.seconds
        full = limit if reset is None else left + reset * self._rate
        if reset is not None:
            self._compare(left, full)
        if self.evidence is None and self.seconds <= _SHORT:
            self.evidence = True  # who counts by the second wants a steady flow; where not, 429s show it
        self._size = full if self._agreed else limit

    def told(self, left: float, mark: Mark) -> None:
        """So many units were left when the provider had counted the request of this mark.

        Of answers that overtake each other the one to the latest request counts.
        """
        last = self._last
        if last is not None and mark.at < last.at:
            return
        self._last = mark
        if not self._known or mark.level is None:
            self._at = max(self._at, mark.at)
            self._level = left + self._rate * (self._at - mark.at) - self._cost(self._gone - mark.gone)
            self._known = True
        else:
            off = left - (mark.level + self._moved)
            self._level += off
            self._moved += off
            if self.even and last is not None and mark.gone > last.gone:
                cost = self._cost(1.0) - off / (mark.gone - last.gone)
                self._ratio += _NEW * (cost - self._ratio)
        self._level = min(self._level, self._size)

    def answered(self) -> None:
        """A request was let in: a little less margin might do."""
        self._extra = max(0.0, self._extra - _RARE * _STEP * self._size)
        self._doubt = max(0.0, self._doubt - _OFTEN)

    def explains(self, left: float, mark: Mark) -> bool:
        """Whether a request was answered 429 since less was left than was thought. The margin grows by that."""
        if not self.even or left >= mark.cost + self._margin():
            return False
        if mark.level is not None:
            more = self._extra + _STEP * self._size
            if more > _MOST * self._size:
                self._doubt += 1
                if self._doubt > _TOO_OFTEN:
                    self._agreed, self.evidence = 0, False
            self._extra = min(more, _MOST * self._size)
        return True

    def _cost(self, units: float) -> float:
        """What requests of so many units are thought to cost: never less, until the answers are known."""
        return units * min(max(1.0, self._ratio), _DEAREST)

    def _margin(self) -> float:
        least = min(_MARGIN[0] * self._rate, _MARGIN[1] * self._size)
        return min(least + self._extra, _MOST * self._size)

    def _refill(self, now: float) -> None:
        self._level = min(self._size, self._level + (now - self._at) * self._rate)
        self._at = now

    def _compare(self, left: float, full: float) -> None:
        """Two headers of a bucket that refills evenly agree on how much it holds. Those of a window do not: what is
        left in it gets less, and so do the seconds until it is over."""
        if self._seen is None:
            self._seen = left, full
            return
        coarse = _COARSE[0] + _COARSE[1] * self._rate
        apart, differ = abs(left - self._seen[0]), abs(full - self._seen[1]) - 2 * coarse
        if apart < _APART * coarse:
            return
        self._seen = left, full
        if differ <= 0.1 * apart:
            self._agreed += 1
            if self._agreed >= 2:
                self.evidence = True
        elif differ > 0.25 * apart:
            self._agreed, self.evidence = 0, False
