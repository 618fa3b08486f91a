"""Buy answers in batches: hours later, for less, and never twice.

The intent to send a batch is on the disk before anything is sent, and after a crash the provider is asked for our tag
before anything is sent again. What a batch left out is sent in another, a bounded number of times.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import NamedTuple

from phase0.errors import Fatal, Refused, Transient
from phase0.gateway.away import Away
from phase0.gateway.budget import Budget, shown, way_on
from phase0.gateway.collecting import Collected, collect
from phase0.gateway.drafting import LEAST, Bounds, Candidate, Draft, Stream, draw_up, stream_of, weighed
from phase0.gateway.finding import OutOfReach, Patience, Stopped, id_of, submitted
from phase0.gateway.line import Line, worst_case
from phase0.gateway.orders import Orders
from phase0.gateway.policy import DOUBTS, Again, in_doubt
from phase0.gateway.questions import Question, Questions, copy
from phase0.gateway.shop import Options, Sent, Shop, opened
from phase0.gateway.summary import Ended, Tally
from phase0.ledger import Batch, Ledger
from phase0.progress import SILENT, Progress
from phase0.providers import ENDED, BatchState
from phase0.records import Request, canonical

_TOO_MANY_TOKENS = frozenset({"token_limit_exceeded"})
_TOO_MANY_LINES = frozenset({"too_many_tasks"})
_NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "credit_balance_exhausted"})


class Batched(NamedTuple):
    """How far batches brought it: the counts, and what is left to be asked online."""

    tally: Tally
    rest: Questions


@asynccontextmanager
async def buying_in_batches(
    requests: Iterable[Request],
    line: Line,
    ledger: Ledger,
    budget: Budget,
    options: Options,
    *,
    again: Again | None = None,
    progress: Progress = SILENT,
    stop: asyncio.Event | None = None,
    away: Away | None = None,
) -> AsyncIterator[Batched]:
    """Ask for everything that the ledger does not have and that no batch is out for.

    Batches of an earlier run are picked up first; one that turns out to be out of reach is added to `away`. What comes
    back is stored; what batches cannot do is in `rest`, which is there until the block ends. Raises BusyError where
    another process does this for the same model and server.
    """
    tally = Tally()
    with opened(line, ledger, options, again) as shop:
        purchase = _Batching(
            shop,
            Orders(requests, line, ledger, again, tally),
            budget,
            tally=tally,
            progress=progress,
            stop=stop or asyncio.Event(),
            away=Away(ledger) if away is None else away,
        )
        yield await purchase.carry_out()


class _Batching:
    """One call of `buying_in_batches`."""

    def __init__(
        self,
        shop: Shop,
        orders: Orders,
        budget: Budget,
        *,
        tally: Tally,
        progress: Progress,
        stop: asyncio.Event,
        away: Away,
    ) -> None:
        self._shop, self._orders, self._budget = shop, orders, budget
        self._line, self._route, self._batches, self._ledger = shop.line, shop.route, shop.batches, shop.ledger
        self._options, self._tally, self._progress, self._stop = shop.options, tally, progress, stop
        self._away, self._patience = away, Patience(shop.options, stop)
        self._out: set[str] = set()  # keys that are in a batch
        self._sent: list[Sent] = []
        self._rest = Questions(shop.folder / f"rest-{shop.options.name()}.jsonl")
        self._again_in: deque[tuple[int, Questions, Stream]] = deque()  # what goes into another batch, by round
        self._fresh = Stream(self._new)
        self._cap = float(shop.route.enqueued or math.inf)  # tokens that may wait at the provider
        self._lines = min(shop.batches.max_requests, shop.options.size or shop.batches.max_requests)
        self._closed = False  # nothing more is sent: the provider takes no batches after all, or the deadline has come
        self._doubts = 0  # lines that were refused without a cause of their own since the last reply
        self._ending = False
        self._called_back: set[str] = set()  # tags of batches that the provider was told to stop

    async def carry_out(self) -> Batched:
        clock = asyncio.get_running_loop().time
        self._sweep()
        self._progress.start(f"batches of {self._line.model}", None, "replies")
        try:
            await self._pick_up()
            await self._look()
            await self._until_all_ended(clock, clock() + self._options.deadline)
        except Stopped:
            self._end("stopped", "It was stopped; its batches go on, and the same command picks them up.")
        finally:
            self._rest.close()
        if self._tally.ended == "done" and self._sent:
            self._end("submitted", f"{len(self._sent)} batches are out; the same command picks them up.")
        if not self._ending:
            self._give_the_rest()
        self._progress.finish(f"{self._tally.replies:,} replies, {shown(self._tally.cost)}")
        return Batched(self._tally, self._rest)

    async def _until_all_ended(self, clock: Callable[[], float], deadline: float) -> None:
        """Send and look, in turns."""
        pause, late = self._options.poll[0], False
        while True:
            await self._submit_what_fits()
            if not self._sent or self._ending or not self._options.wait:
                break
            self._tell()
            await self._patience.sleep(pause if late else min(pause, deadline - clock()))
            if not late and clock() >= deadline:
                late = self._closed = True
                self._progress.warn("the deadline for batches has come; they are cancelled")
            if late:
                await self._call_back()
            ended = await self._look()
            pause = self._options.poll[0] if ended else min(pause * 1.3, self._options.poll[1])

    def _end(self, how: Ended, detail: str) -> None:
        if not self._ending:
            self._ending = True
            self._tally.ended, self._tally.detail = how, detail

    # Batches of before.

    def _sweep(self) -> None:
        """Remove what killed runs left here: everything but the questions of batches that are out."""
        kept = {batch.tag for batch in self._ledger.open_batches()}
        for path in self._shop.folder.iterdir():
            if path.suffix == ".upload" or (path.suffix == ".jsonl" and path.stem not in kept):
                path.unlink()

    async def _pick_up(self) -> None:
        """Take over the batches that an earlier run left, and settle those that never reached the provider."""
        stakes = self._ledger.stakes(self._options.run)  # what this budget counts as spent
        for batch in self._shop.open_batches():
            staked = stakes.get(batch.tag, Decimal(0))
            try:
                batch_id = await id_of(batch, self._shop, self._patience)
            except OutOfReach as error:
                self._leave_alone(batch, str(error))
                continue
            if batch_id is None:
                self._ledger.settled(batch.tag, "never_sent")
                self._budget.reopen(staked)
                self._budget.settle(staked, Decimal(0))
                self._shop.kept(batch.tag).unlink(missing_ok=True)
                continue
            if batch.batch_id is None:
                self._ledger.sent(batch.tag, batch_id)
            self._sent.append(self._taken_over(batch._replace(batch_id=batch_id), staked))
            self._out.update(batch.keys)
            self._tally.asked += len(batch.keys)

    def _leave_alone(self, batch: Batch, why: str) -> None:
        """A batch may be there, but not for us: what it asks is not asked again, and stays at stake."""
        self._away.add(batch)
        told = f"batch {batch.tag} is left alone, and its {len(batch.keys):,} questions are not asked again: {why}"
        self._progress.warn(told)

    def _taken_over(self, batch: Batch, staked: Decimal) -> Sent:
        tokens, worst = weighed(self._shop.questions(batch), self._line, self._route)
        if staked:
            self._budget.reopen(staked)
            worst = staked
        elif not self._budget.reserve(worst):  # another run pays for it
            worst = Decimal(0)
        match = re.search(r"-r(\d+)$", batch.tag)
        return Sent(batch, int(match[1]) if match else 0, tokens, worst)

    # Sending.

    def _new(self) -> Candidate | None:
        """The next question that no batch had yet; None while there is none."""
        orders = self._orders
        while orders.waiting or not orders.exhausted:
            if not orders.waiting:
                orders.fill()
                continue
            order = orders.waiting.popleft()
            if order.key not in self._out:
                worst = worst_case(self._route.price, order.tokens_in, order.largest, batch=True)
                return Candidate(Question(order.key, order.body), order.tokens_in, worst)
            self._tally.shared += 1
        return None

    async def _submit_what_fits(self) -> None:
        """Send batches while there are questions, room at the provider, and money."""
        while not (self._closed or self._ending or self._stop.is_set()):
            waiting = sum(sent.tokens for sent in self._sent)
            room = self._cap - waiting
            if waiting and room < self._cap / 2:  # many small batches are no quicker than a few large ones
                return
            bounds = Bounds(self._lines, self._batches.max_bytes, room, alone=not waiting)
            round_, source, stream = self._again_in[0] if self._again_in else (0, None, self._fresh)
            tag = f"phase0-{self._options.name()}-r{round_}"
            draft, poor = draw_up(tag, stream, bounds, batches=self._batches, budget=self._budget,
                                  folder=self._shop.folder, rest=self._rest)  # fmt: skip
            if draft is not None:
                await self._send(draft, round_)
            elif poor and not self._sent:
                self._end("budget", self._way_on(stream))
            elif source is not None and stream.is_empty():
                source.remove()
                self._again_in.popleft()
                continue
            if draft is None or poor:
                return

    def _way_on(self, stream: Stream) -> str:
        """What it takes to go on when the budget does not hold the next question."""
        candidate, tally = stream.next(), self._tally
        worst = candidate.worst if candidate else Decimal(0)
        waiting, least = self._orders.count(), self._budget.spent / (1 - LEAST) + worst
        return way_on(self._budget, worst=worst, answers=tally.replies, cost=tally.cost, waiting=waiting, least=least)

    async def _send(self, draft: Draft, round_: int) -> None:
        """Intent, submission, and the provider's id: each on the disk before the next."""
        what, run = (draft.tag, self._route.name, self._line.model, draft.keys), self._options.run
        batch = Batch(*what, "sent", None, None, 0.0, run, self._route.destination)
        sent = Sent(batch, round_, draft.tokens, draft.worst)
        if not self._ledger.intend(*what, run, cost=draft.worst, destination=self._route.destination):
            draft.upload.unlink()
            self._give_way(sent)
            return
        self._tally.sent += len(draft.keys)
        try:
            batch_id = await submitted(draft, self._shop, self._patience, self._progress)
        except OutOfReach as error:
            self._leave_alone(batch, str(error))
            self._tally.asked -= len(self._away.meet(draft.keys))
        except (Refused, Fatal) as error:
            self._ledger.settled(draft.tag, "refused")
            self._budget.settle(draft.worst, Decimal(0))
            self._leave(sent, set(draft.keys))
            if isinstance(error, Fatal):
                self._end("fatal", str(error))
            else:
                self._closed = True
                self._progress.warn(f"no batches of {self._line.model}: {error}")
        else:
            self._ledger.sent(draft.tag, batch_id)
            self._out.update(draft.keys)
            self._sent.append(sent._replace(batch=batch._replace(batch_id=batch_id)))
        finally:
            draft.upload.unlink(missing_ok=True)

    def _give_way(self, sent: Sent) -> None:
        """Another process has sent some of these questions meanwhile, or has answers: draw up the others alone."""
        self._budget.settle(sent.worst, Decimal(0))
        ours = {other.batch.tag for other in self._sent}
        for batch in self._ledger.open_batches():
            if batch.model == self._line.model and batch.tag not in ours:
                self._away.add(batch)
        answered, taken = self._ledger.known(sent.batch.keys), self._away.meet(sent.batch.keys)
        self._tally.found += len(answered)
        self._tally.asked -= len(taken)
        self._put_aside(sent, set(sent.batch.keys) - taken - answered, sent.round)
        self._shop.kept(sent.batch.tag).unlink()

    # Coming back.

    async def _look(self) -> bool:
        """Ask how every batch stands and take in those that have ended; whether there were any."""
        before = len(self._sent)
        for sent in list(self._sent):
            try:
                state = await self._batches.state(sent.batch.batch_id or "")
                if state.status in ENDED:
                    await self._take_in(sent, state)
            except Transient as error:
                self._progress.state(f"looks again later: {error}")
                continue
            except Refused as error:  # there is no such batch
                self._progress.warn(f"{self._route.name} does not know batch {sent.batch.batch_id}: {error}")
                got = Collected(sent.batch.keys)
                got.lost = sent.worst  # it was there once, and may have been answered
                self._settle(sent, "lost", got)
            except Fatal as error:
                self._end("fatal", str(error))
                return True
        return len(self._sent) < before

    async def _take_in(self, sent: Sent, state: BatchState) -> None:
        got = await collect(sent.batch, state, self._shop)
        codes = {code for code, _ in state.errors}
        if state.status == "failed":
            self._shrink(sent, codes, state)
        elif state.status == "completed":
            self._cap = min(self._cap * 1.25, self._route.enqueued or math.inf)
        if told := got.told():
            self._progress.warn(f"batch {state.id}: {told}")
        over_limit = bool(codes & (_TOO_MANY_TOKENS | _TOO_MANY_LINES)) and len(sent.batch.keys) > 1
        self._settle(sent._replace(round=sent.round - 1) if over_limit else sent, state.status, got)
        self._doubts = 0 if got.replies else self._doubts + got.failed
        if got.doubt is not None and self._doubts >= DOUBTS:
            self._end("fatal", str(in_doubt(self._route.name, got.doubt, self._doubts)))
        if got.fatal is not None or codes & _NO_CREDIT:
            self._end("fatal", str(got.fatal or "; ".join(message for _, message in state.errors)))

    def _shrink(self, sent: Sent, codes: set[str], state: BatchState) -> None:
        """A batch was refused as a whole: the next ones are smaller, where that was why."""
        others = sum(other.tokens for other in self._sent if other is not sent)
        if codes & _TOO_MANY_TOKENS:
            self._cap = others + max(1, sent.tokens // 2)
        elif codes & _TOO_MANY_LINES:
            self._lines = max(1, len(sent.batch.keys) // 2)
        told = "; ".join(f"{code}: {message}" for code, message in state.errors) or "no reason given"
        self._progress.warn(f"batch {state.id} failed: {told}")

    def _settle(self, sent: Sent, status: str, got: Collected) -> None:
        """Everything of this batch is stored: book it, and see what it left out."""
        self._budget.settle(sent.worst, got.cost + got.lost)
        tally = self._tally
        tally.replies += got.replies
        tally.refused += got.refused
        tally.failed += got.failed
        tally.tokens_in += got.tokens_in
        tally.tokens_out += got.tokens_out
        tally.cost += got.cost
        tally.lost += got.lost
        tally.retried += len(got.missing)
        self._progress.advance(got.replies + got.refused + got.failed)
        self._leave(sent, got.missing)
        for request in got.following:
            if self._options.follow_online:
                self._rest.append(canonical(request))
            else:
                self._orders.ask(request)
        self._ledger.settled(sent.batch.tag, status, got.lost)
        self._sent = [other for other in self._sent if other.batch.tag != sent.batch.tag]
        self._shop.kept(sent.batch.tag).unlink(missing_ok=True)

    def _leave(self, sent: Sent, missing: set[str]) -> None:
        """Have what is missing asked again: in another batch, or online when it was in enough of them."""
        if not missing:
            return
        self._out -= missing
        if sent.round + 1 < self._options.rounds and not self._closed:
            self._put_aside(sent, missing, sent.round + 1)
            return
        self._tally.asked -= copy(self._shop.kept(sent.batch.tag), missing, self._rest)  # who asks them counts them

    def _put_aside(self, sent: Sent, keys: set[str], round_: int) -> None:
        """Have these questions of a batch put into another."""
        questions = Questions(self._shop.folder / f"again-{self._options.name()}.jsonl")
        copy(self._shop.kept(sent.batch.tag), keys, questions)
        self._again_in.append((round_, questions, stream_of(questions, self._line, self._route)))

    async def _call_back(self) -> None:
        """Cancel what is out and was not cancelled yet."""
        for batch in [sent.batch for sent in self._sent if sent.batch.tag not in self._called_back]:
            try:
                await self._batches.cancel(batch.batch_id or "")
            except Transient as error:
                self._progress.state(f"{batch.batch_id} is not cancelled yet: {error}")
                continue
            except (Refused, Fatal) as error:  # it may have ended a moment ago; `_look` will see
                self._progress.warn(f"{batch.batch_id} cannot be cancelled: {error}")
            self._called_back.add(batch.tag)

    def _give_the_rest(self) -> None:
        """What no batch took any more is for online."""
        streams = [stream for _, _, stream in self._again_in] + [self._fresh]
        for stream in streams:
            while candidate := stream.next():
                self._rest.append(candidate.question.body)
                self._tally.asked -= 1
        self._rest.close()

    def _tell(self) -> None:
        out = sum(len(sent.batch.keys) for sent in self._sent)
        self._progress.state(f"{shown(self._tally.cost)}, {out:,} questions in {len(self._sent)} batches")
