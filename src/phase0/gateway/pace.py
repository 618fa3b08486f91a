"""When the next request may go to one endpoint: arithmetic on a clock and a random source that are passed in.

Only a 429 lowers the number in flight, what the provider tells one request holds for all, and a 429 is nobody's fault.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from phase0.gateway.allowance import Allowance
from phase0.gateway.bucket import Mark
from phase0.providers import Limits

MINUTE = 60.0
_FIRST = 8  # in flight at the beginning; every answer allows one more until the first 429
_CUT = 0.7  # of what was in flight when a 429 came
_RECOVERY = 0.05  # of the width, for every round of answers, below what a 429 was met at
_CALM = 10.0  # seconds without growth after a server's failure
_TRIPS = 10  # failures in a row that open the circuit
_REST = (5.0, 300.0)  # seconds that an open circuit rests: at first, and at most
_SPREAD = 8  # times shorter becomes the time in which a minute's part may leave, when a minute's turns out too long
_SHORTEST = 1.0  # seconds


def backoff(attempt: int, random: Callable[[], float], *, first: float = 1.0, most: float = 60.0) -> float:
    """Seconds before the try after `attempt` failures: `first` doubled each time, less up to half of it.

    So those that failed together come back apart, and none sooner than after the failure before, nor at once.
    """
    return (1 - 0.5 * random()) * min(most, first * 2.0 ** min(attempt - 1, 30))


Marks = tuple[tuple[Allowance, Mark], ...]  # each allowance, and where this request left it


class Ticket(NamedTuple):
    """A request that left: what was reserved for it, and where the allowances stood."""

    at: float
    tokens: int
    room: bool  # whether a good part of every allowance was left
    marks: tuple[Marks, Marks]  # of requests and of tokens


class Width:
    """How many may be in flight. Grows by what is answered while it is used to the full; only a 429 lowers it."""

    def __init__(self, first: int, most: int) -> None:
        self.most = most
        self.now = float(min(first, most))
        self.ceiling: float | None = None  # what was in flight when the last 429 came
        self._cut_at = -math.inf
        self._calm_until = -math.inf

    def answered(self, sent: float, now: float, in_flight: int) -> None:
        """An answer came. Those to requests from before the cut say nothing about the width that holds now."""
        if sent < self._cut_at or now < self._calm_until or in_flight < int(self.now):
            return
        self.now = min(self.now + self._gain(), self.most)

    def _gain(self) -> float:
        if self.ceiling is None:
            return 1.0
        return _RECOVERY if self.now < self.ceiling else 1 / self.now

    def limited(self, sent: float, now: float, in_flight: int) -> bool:
        """A 429 came: cut once for all that were in flight together. Returns whether it was the first of them."""
        if sent < self._cut_at:
            return False
        self.ceiling = max(1.0, min(self.now, in_flight))
        self.now = max(1.0, self.ceiling * _CUT)
        self._cut_at = now
        return True

    def failed(self, now: float) -> None:
        """The server failed: no growth for a while."""
        self._calm_until = now + _CALM


class Circuit:
    """Stops asking a server that fails every time, and tries it with one request now and then."""

    def __init__(self) -> None:
        self.failures = 0
        self.down_since: float | None = None
        self._rest = _REST[0]
        self._until = -math.inf
        self._probing = False

    @property
    def open(self) -> bool:
        return self.down_since is not None

    def down_for(self, now: float) -> float:
        """Seconds since the server failed for good; 0 while it works."""
        return 0.0 if self.down_since is None else now - self.down_since

    def wait(self, now: float) -> float:
        """Seconds; infinity while one request tries whether the server is back."""
        if not self.open:
            return 0.0
        return math.inf if self._probing else max(0.0, self._until - now)

    def left(self) -> None:
        self._probing = self.open

    def answered(self) -> None:
        """The server is there, whatever it said."""
        self.failures, self.down_since, self._rest, self._probing = 0, None, _REST[0], False

    def failed(self, now: float) -> None:
        self.failures += 1
        if self.open and not self._probing:
            return  # it left before the circuit opened
        if self.open or self.failures >= _TRIPS:
            self.down_since = self.down_since if self.open else now
            self._until = now + self._rest
            self._rest = min(self._rest * 2, _REST[1])
            self._probing = False


class Pace:
    """The pace of one endpoint, for one key."""

    def __init__(
        self,
        *,
        requests: int | None = None,
        tokens: int | None = None,
        most: int = 512,
        first: int = _FIRST,
        random: Callable[[], float],
    ) -> None:
        self.width = Width(first, most)
        self.circuit = Circuit()
        self.in_flight = 0
        self.limited_times = 0  # answers with 429
        self._random = random
        self._requests = [Allowance(requests, MINUTE)]
        self._tokens = [Allowance(tokens, MINUTE)]
        self._spread = MINUTE
        self._held_until = -math.inf
        self._held = 0  # times in a row that the provider did not say for how long

    def wait(self, tokens: int, now: float) -> float:
        """Seconds until a request that may use so many tokens can leave; infinity: not before another comes back."""
        if self.in_flight >= int(self.width.now):
            return math.inf
        wait = max(self.circuit.wait(now), self._held_until - now, 0.0)
        for allowance in self._requests:
            wait = max(wait, allowance.wait(1, now))
        for allowance in self._tokens:
            wait = max(wait, allowance.wait(tokens, now))
        return wait

    @property
    def load(self) -> float:
        """How much of the width is used, from 0 to 1."""
        return self.in_flight / self.width.now

    @property
    def has_room(self) -> bool:
        return self.in_flight < int(self.width.now)

    def held(self, now: float) -> float:
        """Seconds for which this endpoint takes nothing, whatever is asked: it said so, or it is down."""
        return max(self.circuit.wait(now), self._held_until - now, 0.0)

    def why(self, tokens: int, now: float) -> str:
        """What a request has to wait for, in a few words."""
        if self.circuit.open:
            return f"the server to come back (it failed {self.circuit.failures} times in a row)"
        if self._held_until > now:
            return f"{self._held_until - now:.0f} s, as the server asked"
        if any(allowance.wait(1, now) for allowance in self._requests):
            return "the limit of requests"
        if any(allowance.wait(tokens, now) for allowance in self._tokens):
            return "the limit of tokens"
        return f"answers ({self.in_flight} in flight)"

    def leave(self, tokens: int, now: float) -> Ticket:
        """Count a request that leaves now, with the tokens it is expected to use."""
        room = all(allowance.spare(now) for allowance in (*self._requests, *self._tokens))
        self.in_flight += 1
        if self.circuit.open:
            self.circuit.left()
        requests = tuple([(allowance, allowance.take(1, now)) for allowance in self._requests])
        used = tuple([(allowance, allowance.take(tokens, now)) for allowance in self._tokens])
        return Ticket(now, tokens, room, (requests, used))

    def answered(self, ticket: Ticket, now: float, tokens: int, limits: Limits | None) -> None:
        """A reply or a refusal came, and `tokens` were used."""
        self.circuit.answered()
        self.width.answered(ticket.at, now, self.in_flight)
        if ticket.at >= self._held_until:
            self._held = 0
        self._back(ticket, tokens)
        if limits is not None:
            self._learn(ticket.marks, limits)
            for allowance, _ in (*ticket.marks[0], *ticket.marks[1]):
                allowance.bucket.answered()

    def limited(self, ticket: Ticket, now: float, retry_after: float | None, limits: Limits | None) -> None:
        """A 429 came: everybody waits for as long as it says, or for longer and longer where it does not say."""
        self.limited_times += 1
        self.circuit.answered()
        is_told = self._is_told(ticket, limits)
        first = not is_told and self.width.limited(ticket.at, now, self.in_flight)
        self._back(ticket, 0)
        for allowance, mark in (*ticket.marks[0], *ticket.marks[1]):
            allowance.bucket.give_back(mark)
        if limits is not None:
            self._learn(ticket.marks, limits)
        wait = retry_after or _reset(limits)
        if wait:
            self._hold(now + wait)
        elif first:
            self._held += 1
            self._hold(now + (1 - 0.5 * self._random()) * min(MINUTE, 2.0 ** min(self._held - 1, 10)))
        if first and ticket.room:
            self._shorten()

    def failed(self, ticket: Ticket, now: float, retry_after: float | None) -> bool:
        """The server failed, or could not be reached. Returns whether the request may be at fault: not while the
        server fails every time."""
        was_open = self.circuit.open
        self.circuit.failed(now)
        self.width.failed(now)
        self._back(ticket, 0)
        if retry_after:
            self._hold(now + retry_after)
        return not was_open

    def _hold(self, until: float) -> None:
        self._held_until = max(self._held_until, until)

    def _back(self, ticket: Ticket, tokens: int) -> None:
        self.in_flight -= 1
        for allowance, _ in ticket.marks[1]:
            allowance.settle(ticket.at, ticket.tokens, tokens)

    def _shorten(self) -> None:
        """It was too fast though the minute had room: the provider counts in shorter times, so spread them."""
        if self._spread <= _SHORTEST:
            return
        self._spread = max(_SHORTEST, self._spread / _SPREAD)
        for allowances in (self._requests, self._tokens):
            limit = allowances[0].limit
            if limit is not None:
                seconds = max(self._spread, MINUTE / limit)
                shorter = Allowance(max(1, int(limit * seconds / MINUTE)), seconds)
                allowances[:] = [*(allowance for allowance in allowances if allowance.seconds >= MINUTE), shorter]

    def _is_told(self, ticket: Ticket, limits: Limits | None) -> bool:
        """Whether a 429 is explained by how little was left, which the buckets learn: then it says nothing about the
        number in flight, and only the margin was too small."""
        if limits is None:
            return False
        told = [
            allowance.bucket.explains(left, mark)
            for marks, left in zip(ticket.marks, (limits.requests_left, limits.tokens_left), strict=True)
            for allowance, mark in marks
            if left is not None
        ]
        return any(told)

    def _learn(self, marks: tuple[Marks, Marks], limits: Limits) -> None:
        """What headers said about limits counts for more than what was configured."""
        if limits.requests:
            allowance = _of(self._requests, limits.requests, limits.requests_window)
            _tell(allowance, limits.requests_left, limits.requests_reset, marks[0])
        if limits.tokens:
            allowance = _of(self._tokens, limits.tokens, limits.tokens_window)
            _tell(allowance, limits.tokens_left, limits.tokens_reset, marks[1])
        buckets = [allowance.bucket for allowance in (*self._requests, *self._tokens)]
        found = {bucket.evidence for bucket in buckets}
        for bucket in buckets:
            bucket.even = True in found and False not in found


def _of(allowances: list[Allowance], limit: float, seconds: float) -> Allowance:
    """The allowance of so many seconds, with the limit that headers named; a new one where there is none."""
    for allowance in allowances:
        if allowance.seconds == seconds:
            allowance.limit = limit
            return allowance
    allowances.append(Allowance(limit, seconds))
    return allowances[-1]


def _tell(allowance: Allowance, left: float | None, reset: float | None, marks: Marks) -> None:
    """Let an allowance know what the provider had left; and when that was, if it counted when the request left."""
    if left is None or allowance.limit is None:
        return
    allowance.bucket.shown(left, allowance.limit, reset)
    for known, mark in marks:
        if known is allowance:
            allowance.bucket.told(left, mark)


def _reset(limits: Limits | None) -> float | None:
    """Seconds until what is used up begins again, as far as headers said; a minute at most."""
    if limits is None:
        return None
    resets = [
        reset
        for left, reset in ((limits.requests_left, limits.requests_reset), (limits.tokens_left, limits.tokens_reset))
        if left == 0 and reset
    ]
    return min(MINUTE, max(resets)) if resets else None
