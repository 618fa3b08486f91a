"""Buy answers one request at a time: as fast as every endpoint allows, and stored before they count.

One event loop owns the limits. A few hundred workers take orders from one stream, so memory does not grow with it; who
has to wait waits in one line with one timer. A 429 slows everybody down and uses up nobody's tries.
"""

from __future__ import annotations

import asyncio
import math
import random as randomness
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import NamedTuple
from uuid import uuid4

from phase0.catalog.prices import cost
from phase0.errors import Fatal, Phase0Error, ProviderError, Refused, Transient
from phase0.gateway.budget import Budget, shown, way_on
from phase0.gateway.forecast import Forecast
from phase0.gateway.lanes import PATIENT, Errand, Lane, Lanes
from phase0.gateway.line import Line, usage, worst_case
from phase0.gateway.orders import Order, Orders, Queue
from phase0.gateway.pace import backoff
from phase0.gateway.policy import FINAL, RETRIED, Again, is_owed
from phase0.gateway.questions import Question
from phase0.gateway.receipt import Place, Usage, refused, replied
from phase0.gateway.stake import Stake
from phase0.gateway.summary import Ended, Summary, Tally
from phase0.ledger import Bought, Ledger
from phase0.progress import SILENT, Progress
from phase0.providers import Sent
from phase0.records import Reply, Request

TRIES = 6  # at 20 % failures one request in 15,000 fails six times in a row
PATIENCE = 1800.0  # seconds without any server before the run ends
_TELL = 1.0  # seconds between words about how it goes


class Options(NamedTuple):
    """How answers are bought online."""

    run: str = ""
    tries: int = TRIES
    patience: float = PATIENCE
    clock: Callable[[], float] | None = None  # None: the event loop's
    random: Callable[[], float] = randomness.random
    date: Callable[[], float] = time.time
    name: Callable[[], str] = lambda: uuid4().hex


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
        self._queue = Queue(orders)
        self._tally, self._progress, self._options = tally, progress, options
        self._clock = options.clock or asyncio.get_running_loop().time
        self._forecast = Forecast()
        self._stake = Stake(ledger, options.run, options.name())
        self._lanes = Lanes(line, options.random)
        self._most = sum(route.most for route in line.routes)
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
        if not self._ending:
            for noted in [each for lane in self._lanes for each in self._give_up_doubted(lane)]:
                await noted
        self._stake.close()
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
            if not self._idle or (errand is None and not self._is_over()):  # all went home meanwhile
                return
            seat = self._idle.pop()
            if not seat.done():  # cancelled with its worker
                seat.set_result(errand)

    def _is_over(self) -> bool:
        if self._in_flight or self._unstored:
            return False
        return self._ending or self._queue.is_empty

    # What is next.

    def _next(self) -> Errand | None:
        """The next order, with all that it needs set aside; None where nothing may leave now."""
        if self._ending or self._in_flight + self._unstored >= self._most:  # what a kill can cost
            return None
        now = self._clock()
        order = self._queue.peek(now)
        if order is None:
            if (wait := self._queue.again_in(now)) is not None:
                self._look_again(wait)
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
        if not self._put_at_stake(worst):
            return None
        self._queue.pop(order)
        self._in_flight += 1
        self._tally.sent += 1
        return Errand(order, lane, lane.pace.leave(tokens, now), worst)

    def _put_at_stake(self, worst: Decimal) -> bool:
        """Whether it is on the disk that a request may cost so much: else it must not leave."""
        try:
            self._stake.add(worst)
        except Phase0Error as error:
            self._budget.settle(worst, Decimal(0))
            self._broken = self._broken or error
            self._end("fatal", str(error))
            return False
        return True

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
        lane, answered = errand.lane, False
        try:
            sent = await lane.route.provider.send(errand.order.request)
            answered = True
            reply = lane.route.provider.read(sent.body)
        except (Transient, Refused, Fatal) as error:
            self._settle(errand, errand.worst if is_owed(error, answered=answered) else Decimal(0))
            self._without(errand, error)
        else:
            self._answered(errand, sent, reply)
        self._in_flight -= 1
        if (verdict := lane.verdict()) is not None:
            self._shut(lane, verdict)

    def _settle(self, errand: Errand, lost: Decimal) -> None:
        """An exchange brought no reply: what it may have cost stays at stake."""
        self._budget.settle(errand.worst, lost)
        self._stake.give_back(errand.worst - lost)
        self._tally.lost += lost

    def _without(self, errand: Errand, error: Transient | Refused | Fatal) -> None:
        """Have done what a failure asks for."""
        lane, order = errand.lane, errand.order
        if isinstance(error, Transient):
            self._failed(errand, error)
            return
        now = self._clock()
        lane.pace.answered(errand.ticket, now, 0, None)
        if isinstance(error, Fatal):
            self._queue.put_off(order, now)
            self._shut(lane, error)
        elif error.reason in FINAL:
            self._tally.refused += 1
            self._store(
                errand, refused(Question(order.key, order.body), self._place(lane), error, self._options.date())
            )
        elif lane.shut is None:
            lane.doubts.append((order, error))
        else:
            self._queue.put_off(order, now)

    def _answered(self, errand: Errand, sent: Sent, reply: Reply) -> None:
        order, lane = errand.order, errand.lane
        said = given, made = usage(reply)
        tokens_in = order.tokens_in if given is None else given
        tokens_out = order.largest if made is None else made
        is_known = None not in said
        price = cost(lane.route.price, tokens_in, tokens_out, batch=False) if is_known else errand.worst
        if made is not None:
            self._forecast.learn(made)
        lane.pace.answered(errand.ticket, self._clock(), tokens_in + tokens_out, sent.limits)
        self._budget.settle(errand.worst, price)
        tally = self._tally
        tally.replies += 1
        tally.tokens_in += tokens_in
        tally.tokens_out += tokens_out
        tally.cost += price
        counted = Usage(*said, price if is_known or not price else None)
        question = Question(order.key, order.body)
        self._store(
            errand, replied(question, self._place(lane), sent.body, counted, self._options.date()), errand.worst
        )
        self._give_up_doubted(lane)
        self._orders.follow(order.request, reply)

    def _place(self, lane: Lane) -> Place:
        return Place(self._line.model, lane.route.name, "online", self._options.run)

    def _store(self, errand: Errand, bought: Bought, staked: Decimal = Decimal(0)) -> None:
        """Keep an answer. What it cost is at stake until it is on the disk."""
        self._unstored += 1
        later = asyncio.wrap_future(self._ledger.store(bought))
        later.add_done_callback(lambda done: self._stored(errand.order.key, done, staked))

    def _stored(self, key: str, done: asyncio.Future[bool], staked: Decimal = Decimal(0)) -> None:
        """An answer is on the disk, or cannot be brought there."""
        self._unstored -= 1
        self._orders.done(key)
        failed = asyncio.CancelledError() if done.cancelled() else done.exception()
        if failed is not None:
            self._broken = self._broken or failed
            self._end("fatal", str(failed))
            return
        self._stake.give_back(staked)
        self._progress.advance(1)
        now = self._clock()
        if now - self._told >= _TELL:
            self._tell(now)
        if self._idle:
            self._hand_out()

    def _failed(self, errand: Errand, error: Transient) -> None:
        """Send it again: at once after a 429, when everybody may; else after a while, a bounded number of times."""
        order, pace, now = errand.order, errand.lane.pace, self._clock()
        if error.reason == "rate_limit":
            self._tally.limited += 1
            pace.limited(errand.ticket, now, error.retry_after, error.limits)
            self._queue.put_off(order, now)
            return
        if error.reason in ("malformed", "incomplete"):
            pace.answered(errand.ticket, now, errand.ticket.tokens, error.limits)
            order.tries += 1
        elif pace.failed(errand.ticket, now, error.retry_after):
            order.tries += 1
        if order.tries >= self._options.tries:
            self._give_up(order, RETRIED.get(error.reason, error.reason), error)
            return
        self._tally.retried += 1
        self._queue.put_off(order, now + backoff(max(order.tries, 1), self._options.random))

    def _give_up(self, order: Order, reason: str, error: ProviderError) -> asyncio.Future[bool]:
        """Note that a question has no answer: the next run asks it again."""
        self._tally.failed += 1
        self._unstored += 1
        later = asyncio.wrap_future(self._ledger.fail(order.key, reason, str(error), self._options.run))
        later.add_done_callback(lambda done: self._stored(order.key, done))
        return later

    def _give_up_doubted(self, lane: Lane) -> list[asyncio.Future[bool]]:
        """Others are answered there, or nobody is left to tell: so it was the questions."""
        doubts, lane.doubts = lane.doubts, []
        return [self._give_up(order, error.reason, error) for order, error in doubts]

    def _shut(self, lane: Lane, error: Fatal) -> None:
        """Ask nothing more there; where that was the last endpoint, the run is over."""
        if lane.shut is not None:
            return
        lane.shut = error
        doubts, lane.doubts = lane.doubts, []
        for order, _ in doubts:
            self._queue.put_off(order, self._clock())
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
