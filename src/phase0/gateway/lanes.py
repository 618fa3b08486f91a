"""Which endpoint is asked next: the preferred ones while they work, and of equal ones the one with the most room."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import NamedTuple

from phase0.errors import Fatal, Refused
from phase0.gateway.line import Line, Route
from phase0.gateway.orders import Order
from phase0.gateway.pace import Pace, Ticket
from phase0.gateway.policy import DOUBTS, in_doubt

PATIENT = 10.0
"""Seconds of waiting for a preferred endpoint, after which the next one is asked."""


class Lane:
    """A route in use."""

    def __init__(self, route: Route, random: Callable[[], float]) -> None:
        self.route = route
        self.pace = Pace(requests=route.requests, tokens=route.tokens, most=route.most, random=random)
        self.shut: Fatal | None = None  # why nothing is asked here any more
        self.doubts: list[tuple[Order, Refused]] = []  # refused without a cause of their own since the last reply

    @property
    def rests(self) -> bool:
        """Whether nothing is asked here, for good or until what is in flight tells who is at fault."""
        return self.shut is not None or len(self.doubts) >= DOUBTS

    def verdict(self) -> Fatal | None:
        """That every question is refused, once nothing is in flight that might still be answered."""
        if len(self.doubts) < DOUBTS or self.pace.in_flight:
            return None
        return in_doubt(self.route.name, self.doubts[-1][1], len(self.doubts))

    def is_down(self, now: float) -> bool:
        return self.pace.circuit.open or self.pace.held(now) > PATIENT


class Choice(NamedTuple):
    """The lane to take, and in how many seconds: 0 for now, infinity for when something comes back."""

    lane: Lane
    wait: float


class Lanes:
    """All routes of a line, by rank."""

    def __init__(self, line: Line, random: Callable[[], float]) -> None:
        self._lanes = [Lane(route, random) for route in line.routes]
        ranks = sorted({route.rank for route in line.routes})
        self._ranks = [[lane for lane in self._lanes if lane.route.rank == rank] for rank in ranks]

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes)

    @property
    def have_room(self) -> bool:
        return any(lane.pace.has_room for lane in self._lanes)

    @property
    def all_shut(self) -> bool:
        return all(lane.shut for lane in self._lanes)

    def down_for(self, now: float) -> float:
        """Seconds for which no server has worked."""
        return min((lane.pace.circuit.down_for(now) for lane in self._lanes if not lane.shut), default=0.0)

    def choose(self, tokens: int, now: float) -> Choice:
        """The lane for a request that may use so many tokens: of the first rank that works, the one with most room."""
        soonest = Choice(self._lanes[0], math.inf)
        for rank in self._ranks:
            best, least = None, math.inf
            for lane in rank:
                if lane.rests:
                    continue
                wait = lane.pace.wait(tokens, now)
                if wait <= 0:
                    if lane.pace.load < least:
                        best, least = lane, lane.pace.load
                elif wait < soonest.wait:
                    soonest = Choice(lane, wait)
            if best is not None:
                return Choice(best, 0.0)
            if not all(lane.shut or lane.is_down(now) for lane in rank):
                break
        return soonest


class Errand:
    """An order on its way: where it goes, and what was set aside for it."""

    __slots__ = ("lane", "order", "ticket", "worst")

    def __init__(self, order: Order, lane: Lane, ticket: Ticket, worst: Decimal) -> None:
        self.order, self.lane, self.ticket, self.worst = order, lane, ticket, worst
