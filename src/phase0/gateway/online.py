"""Buy answers one request at a time: as fast as every endpoint allows, and stored before they count.

One event loop owns the limits. A few hundred workers take orders from one stream, so memory does not grow with it; who
has to wait waits in one line with one timer. A 429 slows everybody down and uses up nobody's tries.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import random as randomness
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import NamedTuple

import msgspec

from phase0.catalog.prices import cost
from phase0.errors import Fatal, Phase0Error, Refused, Transient
from phase0.gateway.budget import Budget, shown, way_on
from phase0.gateway.forecast import Forecast
from phase0.gateway.lanes import PATIENT, Errand, Lane, Lanes
from phase0.gateway.line import Line, usage, worst_case
from phase0.gateway.orders import Order, Orders
from phase0.gateway.pace import backoff
from phase0.gateway.policy import RETRIED, Again
from phase0.gateway.summary import Ended, Summary, Tally
from phase0.ledger import Bought, Ledger
from phase0.progress import SILENT, Progress
from phase0.providers import Sent
from phase0.records import Reply, Request

TRIES = 6  # at 20 % failures one request in 15,000 fails six times in a row
PATIENCE = 1800.0  # seconds without any server before the run ends
_WAITING = 10_000  # requests that wait for another try, before new ones have to wait too
_TELL = 1.0  # seconds between words about how it goes
_UNSENT = frozenset({"rate_limit", "overload", "server", "unreachable"})
"""Failures after which nothing is owed: there was a status that says so, or no connection. After the others the work
may have been done, and be on the bill."""


class Options(NamedTuple):
    """How answers are bought online."""

    run: str = ""
    tries: int = TRIES
    patience: float = PATIENCE
    clock: Callable[[], float] | None = None  # None: the event loop's
    random: Callable[[], float] = randomness.random
    date: Callable[[], float] = time.time


async def buy(
    requests: Iterable[Request],
    line: Line,
    ledger: Ledger,
    budget: Budget,
    *,
    again: Again | None = None,
    progress: Progress = SILENT,
    stop: asyncio.Event | None = None,
    options: Options = Options(),  # noqa: B008 - it is frozen
) -> Summary:
    """Ask for everything that the ledger does not have. What came is in the ledger when this returns.

    Once `stop` is set, or the budget cannot cover the worst case of the next request, nothing more is sent; what is
    in flight is awaited and stored. `again` is pure: it gives the question that follows from a reply, if any. Raises
    what the ledger raises when it cannot store.
    """
    tally = Tally()
    orders = Orders(requests, line, ledger, again, tally)
    purchase = _Purchase(orders, line, ledger, budget, tally=tally, progress=progress, options=options)
    return await purchase.carry_out(stop)


class _Purchase:
    """One call of `buy`."""

    def __init__(
        self,
        orders: Orders,
        line: Line,
        ledger: Ledger,
        budget: Budget,
        *,
        tally: Tally,
        progress: Progress,
        options: Options,
    ) -> None:
        self._orders, self._line, self._ledger, self._budget = orders, line, ledger, budget
        self._tally, self._progress, self._options = tally, progress, options
        self._clock = options.clock or asyncio.get_running_loop().time
        self._forecast = Forecast()
        self._lanes = Lanes(line, options.random)
        self._most = sum(route.most for route in line.routes)
        self._later: list[tuple[float, int, Order]] = []  # orders that wait for another try, by when it is due
        self._serial = itertools.count()
        self._idle: list[asyncio.Future[Errand | None]] = []  # workers without work
        self._timer: asyncio.TimerHandle | None = None
        self._in_flight = 0
        self._unstored = 0
        self._ending = False  # nothing more is sent
        self._broken: BaseException | None = None  # what kept the ledger from storing
        self._told = -math.inf
        self._waits_for = self._said = ""
        self._too_much = Decimal(0)  # what the budget could not hold

    async def carry_out(self, stop: asyncio.Event | None) -> Summary:
        watch = asyncio.ensure_future(self._watch(stop)) if stop else None
        self._progress.start(f"ask {self._line.model}", None, "replies")
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._most):
                    workers.create_task(self._work())
        except* Phase0Error as group:
            raise group.exceptions[0] from None
        finally:
            if watch:
                watch.cancel()
            if self._timer:
                self._timer.cancel()
        if self._broken:
            raise self._broken
        return self._finish()

    def _finish(self) -> Summary:
        tally = self._tally
        if tally.ended == "budget":
            waiting = self._orders.count()
            tally.detail = way_on(
                self._budget, worst=self._too_much, answers=tally.replies, cost=tally.cost, waiting=waiting
            )
        self._progress.finish(f"{tally.replies:,} replies, {shown(tally.cost)}")
        return tally.summary()

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._end("stopped", "It was stopped; what was in flight is stored.")

    def _end(self, how: Ended, detail: str) -> None:
        """Send nothing more. The first reason counts."""
        if not self._ending:
            self._ending = True
            self._tally.ended, self._tally.detail = how, detail
        self._hand_out()

    # Workers.

    async def _work(self) -> None:
        """Take what may be sent and send it, until there is nothing any more."""
        while True:
            errand = self._next()
            if errand is None:
                if self._is_over():
                    self._hand_out()
                    return
                seat = asyncio.get_running_loop().create_future()
                self._idle.append(seat)
                errand = await seat
                if errand is None:
                    return
            elif self._idle and self._lanes.have_room:
                self._hand_out()
            await self._exchange(errand)

    def _hand_out(self) -> None:
        """Give idle workers what may be sent now, or send them home when all is over."""
        while self._idle:
            errand = self._next()
            if errand is None and not self._is_over():
                return
            seat = self._idle.pop()
            if not seat.done():  # cancelled with its worker
                seat.set_result(errand)

    def _is_over(self) -> bool:
        if self._in_flight or self._unstored:
            return False
        return self._ending or (self._orders.exhausted and not self._orders.waiting and not self._later)

    # What is next.

    def _next(self) -> Errand | None:
        """The next order, with all that it needs set aside; None where nothing may leave now."""
        if self._ending or self._in_flight + self._unstored >= self._most:  # what a kill can cost
            return None
        now = self._clock()
        order = self._peek(now)
        if order is None:
            return None
        largest = self._forecast.expect(order.largest, self._in_flight)
        tokens = order.tokens_in + largest
        lane, wait = self._lanes.choose(tokens, now)
        if wait:
            self._wait_for(lane, wait, tokens, now)
            return None
        worst = worst_case(lane.route.price, order.tokens_in, order.largest)
        if not self._budget.reserve(worst):
            if self._in_flight == 0:
                self._too_much = worst
                self._end("budget", "")
            self._waits_for = "the budget"
            return None  # what is in flight was reserved at its worst; it will cost less
        self._pop(order)
        self._in_flight += 1
        self._tally.sent += 1
        return Errand(order, lane, lane.pace.leave(tokens, now), worst)

    def _peek(self, now: float) -> Order | None:
        """The order that is next: another try that is due, else a new one."""
        later, waiting = self._later, self._orders.waiting
        if later and later[0][0] <= now:
            return later[0][2]
        if waiting and len(later) < _WAITING:
            return waiting[0]
        if not waiting and not self._orders.exhausted:
            self._orders.fill()
            if self._orders.waiting:
                return self._orders.waiting[0]
            if not self._orders.exhausted:
                self._look_again(0.0)  # a part at a time: what is in flight wants the event loop too
                return None
        if later:
            self._look_again(later[0][0] - now)
        return None

    def _pop(self, order: Order) -> None:
        if self._later and self._later[0][2] is order:
            heapq.heappop(self._later)
        else:
            self._orders.waiting.popleft()

    def _wait_for(self, lane: Lane, seconds: float, tokens: int, now: float) -> None:
        self._waits_for = f"{lane.route.name}: {lane.pace.why(tokens, now)}"
        if self._lanes.down_for(now) > self._options.patience:
            minutes = self._options.patience / 60
            self._end("unreachable", f"{lane.route.name} has not answered for {minutes:.0f} minutes.")
        elif seconds < math.inf:
            self._look_again(seconds)
            self._tell(now, words=seconds >= PATIENT)

    def _look_again(self, seconds: float) -> None:
        """Have `_hand_out` called in so many seconds, or earlier."""
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = loop.call_at(when, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._hand_out()

    # What comes back.

    async def _exchange(self, errand: Errand) -> None:
        provider = errand.lane.route.provider
        answered = False
        try:
            sent = await provider.send(errand.order.request)
            answered = True
            reply = provider.read(sent.body)
        except Transient as error:
            self._failed(errand, error, owed=answered or error.reason not in _UNSENT)
        except Refused as error:
            self._refused(errand, error)
        except Fatal as error:
            self._shut(errand, error)
        else:
            self._answered(errand, sent, reply)
        self._in_flight -= 1

    def _answered(self, errand: Errand, sent: Sent, reply: Reply) -> None:
        order, route = errand.order, errand.lane.route
        said = given, made = usage(reply)
        tokens_in = order.tokens_in if given is None else given
        tokens_out = order.largest if made is None else made
        is_known = None not in said
        price = cost(route.price, tokens_in, tokens_out, batch=False) if is_known else errand.worst
        if made is not None:
            self._forecast.learn(made)
        errand.lane.pace.answered(errand.ticket, self._clock(), tokens_in + tokens_out, sent.limits)
        self._budget.settle(errand.worst, price)
        tally = self._tally
        tally.replies += 1
        tally.tokens_in += tokens_in
        tally.tokens_out += tokens_out
        tally.cost += price
        self._store(errand, sent.body, tokens=said, price=price if is_known or not price else None)
        self._orders.follow(order.request, reply)

    def _refused(self, errand: Errand, error: Refused) -> None:
        errand.lane.pace.answered(errand.ticket, self._clock(), 0, None)
        self._budget.settle(errand.worst, Decimal(0))
        self._tally.refused += 1
        raw = msgspec.json.encode({"refused": error.reason, "message": str(error)})
        self._store(errand, raw, price=Decimal(0), reason=error.reason)

    def _store(
        self,
        errand: Errand,
        raw: bytes,
        *,
        price: Decimal | None,
        tokens: tuple[int | None, int | None] = (None, None),
        reason: str | None = None,
    ) -> None:
        order = errand.order
        bought = Bought(
            key=order.key,
            request=order.body,
            model=order.request.model,
            server=errand.lane.route.name,
            mode="online",
            raw=raw,
            status="refused" if reason else "reply",
            reason=reason,
            tokens_in=tokens[0],
            tokens_out=tokens[1],
            cost=price,
            run=self._options.run,
            at=self._options.date(),
        )
        self._unstored += 1
        later = asyncio.wrap_future(self._ledger.store(bought))
        later.add_done_callback(lambda done: self._stored(order.key, done))

    def _stored(self, key: str, done: asyncio.Future[bool]) -> None:
        """An answer is on the disk, or cannot be brought there."""
        self._unstored -= 1
        self._orders.done(key)
        failed = asyncio.CancelledError() if done.cancelled() else done.exception()
        if failed is not None:
            self._broken = self._broken or failed
            self._end("fatal", str(failed))
            return
        self._progress.advance(1)
        now = self._clock()
        if now - self._told >= _TELL:
            self._tell(now)
        if self._idle:
            self._hand_out()

    def _failed(self, errand: Errand, error: Transient, *, owed: bool) -> None:
        """Send it again: at once after a 429, when everybody may; else after a while, a bounded number of times."""
        order, pace, now = errand.order, errand.lane.pace, self._clock()
        lost = errand.worst if owed else Decimal(0)
        self._budget.settle(errand.worst, lost)
        self._tally.lost += lost
        if error.reason == "rate_limit":
            self._tally.limited += 1
            pace.limited(errand.ticket, now, error.retry_after, error.limits)
            heapq.heappush(self._later, (now, next(self._serial), order))
            return
        if error.reason in ("malformed", "incomplete"):
            pace.answered(errand.ticket, now, errand.ticket.tokens, error.limits)
            order.tries += 1
        elif pace.failed(errand.ticket, now, error.retry_after):
            order.tries += 1
        if order.tries >= self._options.tries:
            self._give_up(order, error)
            return
        self._tally.retried += 1
        due = now + backoff(max(order.tries, 1), self._options.random)
        heapq.heappush(self._later, (due, next(self._serial), order))

    def _give_up(self, order: Order, error: Transient) -> None:
        self._tally.failed += 1
        self._unstored += 1
        reason = RETRIED.get(error.reason, error.reason)
        later = asyncio.wrap_future(self._ledger.fail(order.key, reason, str(error), self._options.run))
        later.add_done_callback(lambda done: self._stored(order.key, done))

    def _shut(self, errand: Errand, error: Fatal) -> None:
        """Ask nothing more here; where that was the last endpoint, the run is over."""
        errand.lane.pace.answered(errand.ticket, self._clock(), 0, None)
        self._budget.settle(errand.worst, Decimal(0))
        heapq.heappush(self._later, (self._clock(), next(self._serial), errand.order))
        if errand.lane.shut is None:
            errand.lane.shut = error
            if self._lanes.all_shut:
                self._end("fatal", str(error))
            else:
                self._progress.warn(f"{error} The other endpoints go on.")

    def _tell(self, now: float, *, words: bool = False) -> None:
        """Tell a person how it goes."""
        self._told = now
        tally = self._tally
        waits = f", waits for {self._waits_for}" if self._waits_for else ""
        limited = f", {tally.limited:,} times 429" if tally.limited else ""
        self._progress.state(f"{shown(tally.cost)}, {self._in_flight} in flight{limited}{waits}")
        if words and self._waits_for != self._said:
            self._said = self._waits_for
            self._progress.say(f"waits for {self._waits_for}")
