"""What a provider has left for us, as the headers of its answers show it: a bucket that refills evenly.

A header is a moment old when it comes, and true: the level is computed on from there with what has left since, and every
further header corrects it. So an error in what a request was thought to cost moves the level, and never the rate.
"""

from __future__ import annotations

from typing import NamedTuple

_TICK = 1e-6  # timers go off up to a clock's tick early
_COARSE = 0.001  # seconds: resets are told to the millisecond
_SHORT = 1.0  # seconds: too short to compare headers
_APART = 5  # times the coarseness of a header must lie between two, to be compared
_NEW = 0.05  # weight of one header in what is learned about the cost of requests
_DEAREST = 16.0  # times what was expected that a request may cost: all of max_tokens is counted by some
_MARGIN = 1.0  # seconds of refill that are left in it, against unequal ways there and unknown answers
_LEAST, _MOST = 0.35, 0.8  # of the bucket: the margin at most to begin with, and at last
_STEP = 0.05  # of the bucket: what a 429 adds to the margin
_RARE = 0.003  # of requests answered 429: where the margin comes to rest, if it cannot do without


class Mark(NamedTuple):
    """Where an allowance stood when a request had left."""

    at: float
    gone: float  # units that had ever left
    level: float | None  # of the bucket, without the corrections; None before the first header
    cost: float  # what was taken from it


class Bucket:
    """How full the provider's bucket is. Nothing is known, and everything may leave, until `told` was called."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.even = False  # whether the provider is known to refill evenly
        self.evidence: bool | None = None  # of that, from the headers of this bucket
        self._rate = 0.0  # units in a second
        self._size = 0.0  # units when it is full
        self._level: float | None = None
        self._at = 0.0
        self._moved = 0.0  # what all corrections have added
        self._gone = 0.0
        self._last: Mark | None = None  # of the latest request that a header spoke of
        self._ratio = 1.0  # of what requests cost to what was expected, as it was learned
        self._dearer = 1.0  # and as it is used
        self._extra = 0.0  # units of the margin that were learned from 429s
        self._seen: tuple[float, float] | None = None  # units left, and units when full, as one header told
        self._agreed = 0

    @property
    def counts(self) -> bool:
        """Whether its level is known well enough to need no window beside it."""
        return self.even and self._level is not None

    def wait(self, units: float, now: float) -> float:
        """Seconds until there are so many units, and the margin where all of it can be used."""
        if self._level is None:
            return 0.0
        self._refill(now)
        wanted = units * self._dearer + self._margin() if self.even else units
        missing = min(wanted, self._size) - self._level
        return missing / self._rate + _TICK if missing > 0 else 0.0

    def take(self, units: float, now: float) -> Mark:
        """Units leave now."""
        self._gone += units
        if self._level is None:
            return Mark(now, self._gone, None, units)
        self._refill(now)
        cost = units * self._dearer
        self._level -= cost
        return Mark(now, self._gone, self._level - self._moved, cost)

    def shown(self, left: float, limit: float, reset: float | None) -> None:
        """A header said that so many units are left, that `limit` refill in `seconds`, and that it is full in `reset`
        seconds."""
        self._rate = limit / self.seconds
        full = limit if reset is None else left + reset * self._rate
        if reset is not None:
            self._compare(left, full)
        if self.evidence is None and self.seconds <= _SHORT:
            self.evidence = True  # such a provider asks for a steady flow, and 429s would show that it is wrong
        self._size = full if self._agreed else float(limit)

    def told(self, left: float, mark: Mark) -> None:
        """The provider had so many units left when it had counted the request of this mark.

        Of answers that overtake each other the one to the latest request counts.
        """
        last = self._last
        if last is not None and mark.at < last.at:
            return
        self._last = mark
        if self._level is None or mark.level is None:
            self._at = max(self._at, mark.at)
            self._level = left + self._rate * (self._at - mark.at) - (self._gone - mark.gone) * self._dearer
        else:
            off = left - (mark.level + self._moved)
            self._level += off
            self._moved += off
            if last is not None and self.even:
                self._calibrate(mark.gone - last.gone, off)
        self._level = min(self._level, self._size)

    def give_back(self, mark: Mark) -> None:
        """The request of this mark was not counted after all."""
        if self._level is not None:
            self._level += mark.cost
            self._moved += mark.cost

    def answered(self) -> None:
        """A request was let in: a little less margin might do."""
        self._extra = max(0.0, self._extra - _RARE * _STEP * self._size)

    def explains(self, left: float, mark: Mark) -> bool:
        """Whether a request was answered 429 since less was left than was thought. The margin grows by it."""
        if not self.even or left >= mark.cost + self._margin():
            return False
        if mark.level is not None:
            self._extra = min(self._extra + _STEP * self._size, _MOST * self._size)
        return True

    def _margin(self) -> float:
        return min(min(_MARGIN * self._rate, _LEAST * self._size) + self._extra, _MOST * self._size)

    def _refill(self, now: float) -> None:
        assert self._level is not None
        self._level = min(self._size, self._level + (now - self._at) * self._rate)
        self._at = now

    def _calibrate(self, units: float, off: float) -> None:
        """Learn from a correction what the units that left between two headers did cost."""
        if units > 0:
            self._ratio += _NEW * (self._dearer - off / units - self._ratio)
            self._dearer = min(max(1.0, self._ratio), _DEAREST)

    def _compare(self, left: float, full: float) -> None:
        """Two headers of a bucket that refills evenly agree on how much it holds. Those of a window do not: what is
        left in it gets less, and so do the seconds until it is over."""
        coarse = 1.0 + _COARSE * self._rate
        if self._seen is None:
            self._seen = left, full
            return
        apart = abs(left - self._seen[0])
        if apart < _APART * coarse:
            return
        differ = abs(full - self._seen[1]) - 2 * coarse
        self._seen = left, full
        if differ <= 0.1 * apart:
            self._agreed += 1
            if self._agreed >= 2:
                self.evidence = True
        elif differ > 0.25 * apart:
            self._agreed, self.evidence = 0, False
