"""Providers as arithmetic on a virtual clock: what they let through, and a run of a pace against them, event by event.

Nothing here knows how a pace works: it asks when a request may leave, and says what became of it.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from phase0.gateway.pace import Pace
from phase0.providers import Limits


class FixedWindow:
    """So many in each minute of the provider's own clock."""

    def __init__(self, requests: int, tokens: int, *, seconds: float = 60.0, phase: float = 0.0) -> None:
        self.limit, self.seconds, self.phase = (requests, tokens), seconds, phase
        self._window, self._used = -1, [0, 0]

    def _turn(self, now: float) -> None:
        window = int((now + self.phase) // self.seconds)
        if window != self._window:
            self._window, self._used = window, [0, 0]

    def refuses(self, tokens: int, now: float) -> float | None:
        """None and counted, or seconds until it may be tried again."""
        self._turn(now)
        wanted = (self._used[0] + 1, self._used[1] + tokens)
        if any(used > limit for used, limit in zip(wanted, self.limit, strict=True)):
            return self.seconds - (now + self.phase) % self.seconds
        self._used = list(wanted)
        return None

    def left(self, now: float) -> tuple[int, int]:
        self._turn(now)
        return self.limit[0] - self._used[0], self.limit[1] - self._used[1]

    def resets(self, now: float) -> tuple[float, float]:
        over = self.seconds - (now + self.phase) % self.seconds
        return over, over


class TokenBucket:
    """Filled at so many per minute, up to what `burst` seconds bring; full at the beginning."""

    def __init__(self, requests: int, tokens: int, *, burst: float = 60.0) -> None:
        self.rate = (requests / 60, tokens / 60)
        self.most = (max(1.0, requests / 60 * burst), tokens / 60 * burst)
        self._level, self._at = list(self.most), 0.0

    def _fill(self, now: float) -> None:
        for kind in (0, 1):
            grown = self._level[kind] + self.rate[kind] * (now - self._at)
            self._level[kind] = min(self.most[kind], grown)
        self._at = now

    def refuses(self, tokens: int, now: float) -> float | None:
        self._fill(now)
        missing = [
            (wanted - level) / rate
            for wanted, level, rate in zip((1, tokens), self._level, self.rate, strict=True)
            if wanted > level
        ]
        if missing:
            return max(missing)
        self._level[0] -= 1
        self._level[1] -= tokens
        return None

    def left(self, now: float) -> tuple[int, int]:
        self._fill(now)
        return int(self._level[0]), int(self._level[1])

    def resets(self, now: float) -> tuple[float, float]:
        self._fill(now)
        full = [(most - level) / rate for most, level, rate in zip(self.most, self._level, self.rate, strict=True)]
        return round(full[0], 3), round(full[1], 3)


class Job(NamedTuple):
    reserved: int
    used: int


class Seen(NamedTuple):
    """What a run looked like: when each request left and with how many tokens in the end, and when all was done."""

    left: list[tuple[float, int]]
    limited: int
    finished: float
    widest: int


def run(
    pace: Pace,
    provider: FixedWindow | TokenBucket,
    jobs: list[Job],
    *,
    random: Random,
    latency: Callable[[], float],
    way: Callable[[], float] = lambda: 0.05,
    headers: bool = False,
    resets: bool = False,
    window: float = 60.0,
    says_how_long: bool = True,
    began: float = 1000.0,
) -> Seen:
    """Send every job through, again where it is answered 429, as fast as the pace allows. Headers tell what is left,
    of limits by the `window`, and with `resets` when that is full again."""
    now, serial = began, itertools.count()
    waiting, events, left = list(reversed(jobs)), [], []  # type: ignore[var-annotated]
    limited = widest = 0
    while waiting or events:
        wait = pace.wait(waiting[-1].reserved, now) if waiting else math.inf
        if wait == 0:
            job = waiting.pop()
            ticket = pace.leave(job.reserved, now)
            widest = max(widest, pace.in_flight)
            left.append((now, job.used))
            heapq.heappush(events, (now + way(), next(serial), "arrives", job, ticket, None))
            continue
        if not events or (events[0][0] > now + wait):
            assert wait < math.inf, "nothing is on its way, and nothing may leave"
            now += wait
            continue
        now, _, what, job, ticket, told = heapq.heappop(events)
        if what == "arrives":
            refused = provider.refuses(job.used, now)
            limits = _told(provider, now, window, resets=resets) if headers else None
            delay = way() if refused is not None else way() + latency()
            heapq.heappush(
                events,
                (now + delay, next(serial), "refused" if refused else "answered", job, ticket, (refused, limits)),
            )
        elif what == "answered":
            pace.answered(ticket, now, job.used, told[1])
        else:
            limited += 1
            pace.limited(ticket, now, told[0] if says_how_long else None, told[1])
            waiting.append(job)
    assert pace.in_flight == 0
    return Seen(left, limited, now - began, widest)


def _told(provider: FixedWindow | TokenBucket, now: float, window: float, *, resets: bool) -> Limits:
    left, full = provider.left(now), provider.resets(now) if resets else (None, None)
    return Limits(
        _limit(provider, 0, window), left[0], full[0], _limit(provider, 1, window), left[1], full[1], window, window
    )


def _limit(provider: FixedWindow | TokenBucket, kind: int, window: float) -> float:
    return provider.limit[kind] if isinstance(provider, FixedWindow) else provider.rate[kind] * window


def most_in_a_minute(left: list[tuple[float, int]], seconds: float = 60.0) -> tuple[int, int]:
    """The most requests, and the most tokens, in any span of so many seconds."""
    worst_requests = worst_tokens = first = tokens = 0
    for place, (at, used) in enumerate(left):
        tokens += used
        while left[first][0] <= at - seconds:
            tokens -= left[first][1]
            first += 1
        worst_requests = max(worst_requests, place - first + 1)
        worst_tokens = max(worst_tokens, tokens)
    return worst_requests, worst_tokens


def shortest(jobs: list[Job], requests: int, tokens: int, slowest: float) -> float:
    """The least time in which these may leave and be answered, when no minute has more than its limits."""
    spans = max((len(jobs) - 1) // requests, (sum(job.used for job in jobs) - 1) // tokens)
    return spans * 60.0 + slowest
