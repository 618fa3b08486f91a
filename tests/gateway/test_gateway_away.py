"""Batches that a purchase does not reach: elsewhere, under another key, or not to be found. None is bought twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from batchcase import Case
from fakes import PRICE, FakeBatches, FakeProvider, body, line, question, questions
from virtual import run

from phase0.errors import Fatal, Refused, Transient
from phase0.gateway.budget import Budget
from phase0.gateway.line import Line
from phase0.gateway.policy import follow_up
from phase0.gateway.standing import forget, overview, resume
from phase0.ledger import Batch, Destination, Ledger
from phase0.progress import Silent

HERE, THERE = "https://api.example.org/v1", "http://127.0.0.1:9/v1"


def destination(url: str = HERE, account: str = "aaaa") -> Destination:
    return Destination(url=url, account=account, key_env="KEY", model_id="m", price=PRICE)


def at(provider: FakeProvider, url: str = HERE, account: str = "aaaa") -> Line:
    """The line to a provider, which the ledger calls `server0` wherever it is."""
    return line(provider, destination=destination(url, account))


class Telling(Silent):
    """Remembers what a person is warned of."""

    def __init__(self) -> None:
        self.warned: list[str] = []

    def warn(self, message: str) -> None:
        self.warned.append(message)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


@pytest.fixture
def other() -> FakeProvider:
    """A provider that has none of the batches of the case's own."""
    provider = FakeProvider()
    provider.batches = Strange(provider)
    return provider


class Strange(FakeBatches):
    """Batches of a provider that says so where it does not know one."""

    async def state(self, batch_id: str) -> Any:
        if int(batch_id.removeprefix("batch-")) >= len(self.made):
            raise Refused("no such batch", reason="not_found")
        return await super().state(batch_id)


@pytest.mark.parametrize(("first", "second"), [(HERE, THERE), (THERE, HERE)])
@pytest.mark.parametrize("mode", ["batch", "online"])
def test_a_server_that_was_moved_since_does_not_make_its_batches_lost(
    case: Case, other: FakeProvider, first: str, second: str, mode: str
) -> None:
    case.buy(questions(30), at(case.provider, first), wait=False)
    telling = Telling()
    summary = case.buy(questions(40), at(other, second), mode=mode, progress=telling)
    assert (summary.ended, summary.replies, summary.left) == ("submitted", 10, 30)
    (warned,) = telling.warned
    assert warned.startswith(f"batch phase0-n2-r0 with 30 questions is out at {first.partition('//')[2]},")
    assert case.buy(questions(40), at(case.provider, first)).ended == "done"
    assert case.all_answered(questions(40))
    assert case.ledger.again == []
    assert len(case.batches.made) == 1


def test_many_batches_out_of_reach_are_named_in_one_line(case: Case, other: FakeProvider) -> None:
    case.buy(questions(50), at(case.provider), wait=False, size=10)
    telling = Telling()
    case.buy(questions(50), at(other, THERE), progress=telling)
    (warned,) = telling.warned
    assert "phase0-n4-r0 and 2 more with 50 questions are out at api.example.org/v1" in warned


def test_a_batch_that_another_key_does_not_show_is_left_alone_and_not_lost(case: Case, other: FakeProvider) -> None:
    case.buy(questions(30), at(case.provider), wait=False)
    telling = Telling()
    summary = case.buy(questions(40), at(other, account="bbbb"), progress=telling)
    assert (summary.ended, summary.replies, summary.left) == ("submitted", 10, 30)
    (warned,) = telling.warned
    assert warned.startswith("batch phase0-n2-r0 is left alone, and its 30 questions are not asked again: ")
    assert warned.endswith("it was sent with another key: no such batch")
    assert case.buy(questions(40), at(case.provider)).ended == "done"
    assert case.ledger.again == []


@pytest.mark.parametrize("account", ["bbbb", "aaaa"])
def test_a_batch_that_a_new_key_shows_is_picked_up(case: Case, account: str) -> None:
    case.buy(questions(30), at(case.provider), wait=False)
    summary = case.buy(questions(30), at(case.provider, account=account))
    assert (summary.ended, summary.replies, len(case.batches.made)) == ("done", 30, 1)


def test_a_batch_that_its_own_key_does_not_find_is_lost_and_its_questions_are_bought(
    case: Case, other: FakeProvider
) -> None:
    case.buy(questions(30), at(case.provider), wait=False)
    summary = case.buy(questions(30), at(other))
    assert (summary.ended, summary.replies) == ("done", 30)
    assert case.ledger.batches["phase0-n2-r0"].status == "lost"


@pytest.mark.parametrize(("sent", "known"), [(True, True), (True, False), (False, True), (False, False)])
def test_a_batch_of_an_older_ledger_is_taken_where_it_is_found_and_else_left_alone(
    case: Case, other: FakeProvider, sent: bool, known: bool
) -> None:
    case.buy(questions(30), wait=False)
    if not sent:
        tag = "phase0-n2-r0"
        case.ledger.batches[tag] = case.ledger.batches[tag]._replace(state="intent", batch_id=None)
    summary = case.buy(questions(30), at(case.provider if known else other))
    assert (summary.ended, summary.replies) == (("done", 30) if known else ("submitted", 0))
    assert len(case.batches.made) == 1
    assert case.ledger.again == []


@pytest.mark.parametrize(("account", "ended"), [("aaaa", "done"), ("bbbb", "submitted")])
def test_a_batch_that_may_never_have_been_sent_is_given_up_only_with_the_key_it_was_meant_for(
    case: Case, account: str, ended: str
) -> None:
    keys = [each.key for each in questions(30)]
    case.ledger.intend("phase0-x-r0", "server0", "m", keys, destination=destination())
    summary = case.buy(questions(30), at(case.provider, account=account))
    assert (summary.ended, summary.left) == (ended, 0 if ended == "done" else 30)
    assert (case.ledger.batches["phase0-x-r0"].status == "never_sent") == (ended == "done")


@pytest.mark.parametrize(
    "failure", [Refused("files are not listed", reason="not_found"), Fatal("bad key", reason="bad_key")]
)
def test_a_batch_whose_answer_was_lost_and_that_cannot_be_looked_for_is_left_alone(
    case: Case, failure: Exception
) -> None:
    def lose(number: int) -> None:
        if number == 1:
            raise Transient("broke", reason="connection")

    async def find(tag: str) -> str | None:
        raise failure

    well = case.batches.find
    case.batches.after_submit, case.batches.find = lose, find  # type: ignore[method-assign]
    summary = case.buy(questions(30), size=20)
    assert (summary.ended, summary.replies, summary.left) == ("submitted", 10, 20)
    assert "20 questions are in batches at server0" in summary.detail
    case.batches.find = well  # type: ignore[method-assign]
    assert case.buy(questions(30)).ended == "done"
    assert len(case.batches.made) == 2
    assert case.all_answered(questions(30))


def test_what_follows_from_an_answer_and_is_away_is_not_asked_again(case: Case, other: FakeProvider) -> None:
    case.provider.script = lambda request, times: body(finish="length")

    async def work() -> None:
        await case.work(questions(20), at(case.provider), wait=False, again=follow_up(400))
        await asyncio.sleep(1000)
        first = await case.work(questions(20), at(case.provider), wait=False, again=follow_up(400))
        assert (first.replies, first.ended) == (20, "submitted")

    run(work())
    assert question(3, max_tokens=400).key in case.batches.made[1][2]
    for mode in ("online", "batch"):
        summary = case.buy(questions(20), at(other, THERE), mode=mode, again=follow_up(400))
        assert (summary.ended, summary.found, summary.left) == ("submitted", 20, 20)
    assert not other.came
    assert not other.batches.made  # type: ignore[union-attr]


@pytest.mark.parametrize("mode", ["online", "batch"])
def test_what_a_run_has_in_a_batch_elsewhere_may_still_cost_and_counts_against_its_budget(
    case: Case, other: FakeProvider, mode: str
) -> None:
    case.provider.script = other.script = lambda request, times: body(tokens_out=100)
    worst = (Decimal(7) + 2 * 100) / 1_000_000  # online; in batches half of that
    limit = worst * 20
    case.buy(questions(30), at(case.provider), run="r", wait=False, budget=Budget(limit))
    budget = Budget(limit, sum(case.ledger.stakes("r").values()))
    summary = case.buy(questions(100), at(other, THERE), run="r", mode=mode, budget=budget)
    assert summary.ended == "budget"
    assert 0 < summary.replies <= (5 if mode == "online" else 10)
    brought = case.buy(questions(30), at(case.provider), budget=Budget(limit, budget.spent))
    assert brought.cost + summary.cost <= limit


# Two processes at once.


def beside(case: Case, meanwhile: Callable[[], None]) -> None:
    """Have another process do something right before the first batch is noted."""
    intend, times = case.ledger.intend, [0]

    def late(*arguments: Any, **named: Any) -> bool:
        times[0] += 1
        if times[0] == 1:
            meanwhile()
        return intend(*arguments, **named)

    case.ledger.intend = late  # type: ignore[method-assign]


def test_what_another_process_sends_while_a_batch_is_drawn_up_is_left_to_it(case: Case) -> None:
    keys = tuple(each.key for each in questions(30)[10:])
    sent = Batch("phase0-y-r0", "elsewhere", "m", keys, "sent", "there", None, 0.0, "")
    beside(case, lambda: case.ledger.batches.update({sent.tag: sent}))
    summary = case.buy(questions(40))
    assert (summary.ended, summary.replies, summary.left) == ("submitted", 20, 20)
    assert [len(asked) for _, _, asked in case.batches.made] == [20]
    assert not set(keys) & set(case.ledger.bought)


def test_what_another_process_bought_while_a_batch_is_drawn_up_is_found(case: Case) -> None:
    first = Case(case.folder / "first")
    first.buy(questions(10))
    beside(case, lambda: case.ledger.bought.update(first.ledger.bought))
    summary = case.buy(questions(40))
    assert (summary.ended, summary.replies, summary.found) == ("done", 30, 10)
    assert [len(asked) for _, _, asked in case.batches.made] == [30]


def test_all_of_a_draft_may_be_taken(case: Case) -> None:
    keys = tuple(each.key for each in questions(20))
    sent = Batch("phase0-y-r0", "elsewhere", "m", keys, "sent", "there", None, 0.0, "")
    beside(case, lambda: case.ledger.batches.update({sent.tag: sent}))
    summary = case.buy(questions(30), size=20)
    assert (summary.ended, summary.replies, summary.left) == ("submitted", 10, 20)


def test_of_two_that_draw_up_the_same_at_two_servers_one_sends_it(tmp_path: Path) -> None:
    """Over one real ledger, in turns at every wait."""
    first, second = Case(tmp_path / "first"), Case(tmp_path / "second")

    async def both() -> None:
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            first.ledger = second.ledger = ledger  # type: ignore[assignment]
            lines = [at(first.provider), at(second.provider, THERE)]
            lines[1] = lines[1]._replace(routes=(lines[1].routes[0]._replace(name="elsewhere"),))
            await asyncio.gather(*(one.work(questions(60), to) for one, to in zip((first, second), lines, strict=True)))
            assert ledger.known([each.key for each in questions(60)]) == {each.key for each in questions(60)}
            assert sum(each.again for each in ledger.spend("model")) == 0

    run(both())
    assert len(first.batches.made) + len(second.batches.made) == 1


# What is done about batches by hand.


def test_a_batch_that_is_given_up_is_bought_again_by_the_next_run(case: Case, other: FakeProvider) -> None:
    case.buy(questions(30), at(case.provider), wait=False)
    ledger: Any = case.ledger
    (given_up,) = forget(["phase0-n2-r0", "phase0-n2-r0"], ledger)
    assert (given_up.tag, ledger.batches[given_up.tag].status) == ("phase0-n2-r0", "forgotten")
    assert case.buy(questions(30), at(other, THERE)).replies == 30
    assert not list(case.folder.rglob("*.jsonl"))


def test_batches_are_listed_and_brought_in_each_from_where_it_was_sent(case: Case, other: FakeProvider) -> None:
    case.buy(questions(30), at(case.provider), wait=False)
    dear = PRICE._replace(batch_output=Decimal(3))
    there = destination(THERE)
    moved = line(other, price=dear, destination=Destination(**{**fields(there), "price": dear}))

    def connect(batch: Batch) -> Line:
        assert batch.destination is not None
        return at(case.provider) if batch.destination.url == HERE else moved

    async def work() -> None:
        await case.work(questions(50)[30:], moved, wait=False)
        ledger: Any = case.ledger
        assert [(each.batch.where, each.status) for each in await overview(ledger, connect)] == [
            ("api.example.org/v1", "running"),
            ("127.0.0.1:9/v1", "running"),
        ]
        await asyncio.sleep(1e6)
        summaries = await resume(ledger, connect, case.folder)
        assert [(each.replies, each.cost) for each in summaries] == [
            (30, 30 * Decimal("12.5") / 1_000_000),
            (20, 20 * Decimal("32.5") / 1_000_000),
        ]

    run(work())
    assert case.all_answered(questions(50))


def fields(there: Destination) -> dict[str, Any]:
    return {name: getattr(there, name) for name in there.__struct_fields__}
