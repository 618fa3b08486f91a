"""Spend never exceeds a budget: random prices, answers, faults, widths, crashes and resumptions, against the provider's
own bill.

A crash forgets what was in flight and what was not yet on the disk, as a kill does; the next life reads the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from fakes import FakeBatches, FakeProvider, body, questions
from virtual import VirtualLoop

from phase0.catalog.prices import Price, cost
from phase0.errors import Refused, Transient
from phase0.gateway.budget import Budget
from phase0.gateway.line import Line, Route, spent_at_most, worst_case
from phase0.gateway.modes import Mode, purchase
from phase0.gateway.online import Options as Online
from phase0.gateway.policy import follow_up
from phase0.gateway.shop import Options
from phase0.ledger import Bought, Ledger
from phase0.providers import BatchLine, Sent
from phase0.records import Request

COUNTED, MOST_IN = 20, 25  # tokens of a prompt: as we count them, and the most they are with the provider
LOSSES = ("timeout", "connection", "malformed", "incomplete")  # the work may have been done, and nothing came of it
FAULTS = ("whole", "rate_limit", "server", "refused", *LOSSES, "length", "empty", "unmeasured")


class Charge(NamedTuple):
    key: str
    usd: Decimal


class Billing(FakeProvider):
    """Answers at random, and writes down what it charges before anything of the answer leaves."""

    def __init__(self, random: Random, price: Price, rates: dict[str, float]) -> None:
        super().__init__()
        self.random, self.price, self.rates = random, price, rates
        self.charges: list[Charge] = []
        self._in_batches: dict[tuple[int, str], bytes | Exception] = {}

    @property
    def billed(self) -> Decimal:
        return sum((charge.usd for charge in self.charges), Decimal(0))

    async def send(self, request: Request) -> Sent:
        said = self._say(request, batch=False)
        await asyncio.sleep(self.random.uniform(0.1, 3))
        if isinstance(said, Exception):
            raise said
        return Sent(said, None)

    def line(self, number: int, request: Request) -> BatchLine:
        """The same line however often it is read, and charged once."""
        place = number, request.key
        if place not in self._in_batches:
            self._in_batches[place] = self._say(request, batch=True)
        said = self._in_batches[place]
        failed = isinstance(said, Exception)
        return BatchLine(request.key, None if failed else said, said if failed else None)  # type: ignore[arg-type]

    def _say(self, request: Request, *, batch: bool) -> bytes | Exception:
        (how,) = self.random.choices(FAULTS, [self.rates[fault] for fault in FAULTS])
        if how in ("rate_limit", "server"):
            return Transient("not now", reason=how)
        if how == "refused":
            return Refused("no", reason="content_filter")
        if how in ("timeout", "connection") and (batch or self.random.random() < 0.5):
            return Transient("gone", reason=how)
        cap = request.params["max_tokens"]
        used = self.random.randint(1, MOST_IN), cap if how == "length" else self.random.randint(1, cap)
        self.charges.append(Charge(request.key, cost(self.price, *used, batch=batch)))
        if how in ("timeout", "connection"):
            return Transient("gone", reason=how)
        if how == "malformed":
            return b"<html>"
        told = (None, None) if how == "unmeasured" else used
        finish = {"length": "length", "incomplete": None}.get(how, "stop")
        # The text names the charge, so that what is stored can be found on the bill; as so many spaces it is no text.
        name = len(self.charges) - 1
        return body(" " * name if how == "empty" else f"{name}", finish, *told)


class BillingBatches(FakeBatches):
    """Batches of a provider that bills."""

    provider: Billing

    def _answered(self, key: str, number: int) -> BatchLine:
        return self.provider.line(number, self.made[number][2][key])


class Forgetful:
    """A ledger whose answers are on the disk a while after they were stored: what a kill before that forgets."""

    def __init__(self, ledger: Ledger, random: Random) -> None:
        self._ledger, self._random = ledger, random

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def _kept(self, bought: Bought) -> bool:
        await asyncio.sleep(self._random.uniform(0, 0.2))
        return await asyncio.wrap_future(self._ledger.store(bought))

    def store(self, bought: Bought) -> asyncio.Future[bool]:
        return asyncio.ensure_future(self._kept(bought))


class World:
    """A provider, what is asked of it, and a run that lives several times."""

    def __init__(self, seed: int, folder: Path, mode: Mode) -> None:
        random = self.random = Random(seed)
        self.folder, self.mode = folder, mode
        online = Decimal(random.randint(1, 6000)) / 100, Decimal(random.randint(1, 6000)) / 100
        self.price = Price(*online, online[0] / 2, online[1] / 2, "tests", "")
        rates = {fault: random.random() * 0.2 for fault in FAULTS} | {"whole": 1.0}
        for fault in random.sample(FAULTS[1:], 5):
            rates[fault] = 0.0
        self.provider = Billing(random, self.price, rates)
        self.count, self.cap = random.randint(10, 80), random.randint(5, 400)
        if mode != "online":
            self.batches = BillingBatches(self.provider, seconds=random.uniform(10, 100))
            self.batches.after_submit = self._lose_an_answer
            self.provider.batches = self.batches
        worst = self.count * worst_case(self.price, COUNTED, self.cap)
        self.limit = worst * random.randint(2, 100) / 100
        self.now = 1000.0

    def _lose_an_answer(self, number: int) -> None:
        if self.random.random() < 0.2:
            raise Transient("the answer was lost", reason="connection")

    def requests(self) -> Iterable[Request]:
        return questions(self.count, max_tokens=self.cap)

    def live(self, until: float | None) -> str:
        """One life, which ends by itself or is cut off so many seconds after its beginning. How it ended."""
        loop = VirtualLoop()
        loop.now = self.now
        with Ledger(self.folder / "ledger.sqlite") as ledger, asyncio.Runner(loop_factory=lambda: loop) as runner:
            try:
                return runner.run(self._buy(ledger, until))
            finally:
                self.now = loop.now

    async def _buy(self, ledger: Ledger, until: float | None) -> str:
        random = self.random
        route = Route("server", self.provider, self.price, most=random.randint(1, 32))
        line = Line("m", (route,), self.cap, lambda asked: [COUNTED] * len(asked))
        batches = Options(self.folder / "batches", "run", size=random.randint(3, 40), grace=1.0, rounds=2)
        work = purchase(
            self.requests(),
            line,
            Forgetful(ledger, random),  # type: ignore[arg-type]
            Budget(self.limit, spent_at_most(ledger, "run", line)),
            mode=self.mode,
            batches=batches,
            again=follow_up(4 * self.cap),
            online=Online(run="run", random=random.random, patience=1e6),
        )
        try:
            async with asyncio.timeout(until):
                return (await work).ended
        except TimeoutError:
            return "cut off"

    def told(self) -> Decimal:
        """What the provider charged for the answers that the ledger has."""
        with Ledger(self.folder / "ledger.sqlite") as ledger:
            keys = {charge.key for charge in self.provider.charges}
            stored = [each for each in ledger.find(list(keys)).values() if each.status == "reply"]
        texts = [self.provider.read(each.raw).text for each in stored]
        return sum((self.provider.charges[int(text) if text.strip() else len(text)].usd for text in texts), Decimal(0))


class Spent(NamedTuple):
    lives: int
    ended: dict[str, int]
    told: Decimal  # share of the budget that went into what the run has
    billed: Decimal  # share of the budget that was billed in all


def spend(seed: int, folder: Path, mode: Mode) -> Spent:
    """A run until it is done or has used up its budget. Its budget held through all its lives, by the provider's own
    bill: what crashes and broken answers lost is in it."""
    folder.mkdir()
    world = World(seed, folder, mode)
    lives, ended = 0, dict.fromkeys(("done", "budget", "cut off"), 0)
    while True:
        how = world.live(world.random.uniform(0.5, 60) if lives < 4 and world.random.random() < 0.7 else None)
        lives, ended[how] = lives + 1, ended[how] + 1
        assert world.told() <= world.provider.billed <= world.limit, f"seed {seed}, life {lives}: {how}"
        if how != "cut off" and (how == "done" or world.random.random() < 0.5 or lives > 6):
            return Spent(lives, ended, world.told() / world.limit, world.provider.billed / world.limit)


@pytest.mark.parametrize("mode", ["online", "batch", "auto"])
@pytest.mark.parametrize("seed", range(5))
def test_spend_never_exceeds_the_budget_whatever_happens(seed: int, mode: Mode, tmp_path: Path) -> None:
    spend(seed, tmp_path / "run", mode)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_over_three_hundred_runs_spend_never_exceeds_the_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for mode, count in (("online", 150), ("batch", 75), ("auto", 75)):
        runs = [spend(seed, tmp_path / f"{mode}{seed}", mode) for seed in range(1000, 1000 + count)]  # type: ignore[arg-type]
        ended = {how: sum(run.ended[how] for run in runs) for how in runs[0].ended}
        with capsys.disabled():
            print(
                f"\n{mode}: {count} runs, {sum(run.lives for run in runs)} lives, ended {ended}; at most "
                f"{max(run.told for run in runs):.1%} of a budget spent on what the run has, and "
                f"{max(run.billed for run in runs):.1%} with what crashes and broken answers lost",
                end="",
            )
        assert ended["cut off"]
        assert ended["budget"]
