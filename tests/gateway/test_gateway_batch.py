"""Buying in batches: whatever becomes of a batch, no question is lost and none is bought twice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from batchcase import Case
from fakes import FREE, PRICE, FakeBatches, FakeLedger, FakeProvider, body, line, question, questions
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual import run

from phase0.errors import Fatal, Refused, Transient, UsageError
from phase0.gateway.budget import Budget
from phase0.gateway.line import Line, spent_at_most
from phase0.gateway.modes import in_batches
from phase0.gateway.policy import follow_up
from phase0.gateway.standing import cancel, overview, resume
from phase0.gateway.summary import Summary
from phase0.ledger import Batch, Bought
from phase0.providers import BatchLine
from phase0.records import Request


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_a_batch_answers_everything_at_the_price_of_batches(case: Case) -> None:
    summary = case.buy(questions(1000))
    assert (summary.ended, summary.replies, len(case.batches.made)) == ("done", 1000, 1)
    assert summary.cost == 1000 * (5 * Decimal("0.5") + 10 * Decimal(1)) / 1_000_000
    assert case.all_answered(questions(1000))
    assert {bought.mode for bought in case.ledger.bought.values()} == {"batch"}
    assert not case.ledger.open_batches()
    assert not case.provider.came
    assert not list(case.folder.rglob("*.jsonl"))


@pytest.mark.parametrize(
    ("changes", "batches"), [({"size": 100}, 10), ({"size": 999}, 2), ({"size": 10**6}, 4), ({}, 4)]
)
def test_batches_hold_no_more_requests_than_the_provider_and_the_caller_allow(
    tmp_path: Path, changes: dict[str, int], batches: int
) -> None:
    case = Case(tmp_path, max_requests=250 if batches == 4 else 50_000)
    case.buy(questions(1000), **changes)
    assert len(case.batches.made) == batches


def test_batches_hold_no_more_bytes_than_the_provider_allows(case: Case) -> None:
    case.batches.max_bytes = 5000
    case.buy(questions(200))
    for _, _, asked in case.batches.made:
        assert sum(len(case.batches.line(key, request)) for key, request in asked.items()) <= 5000
    assert case.all_answered(questions(200))


def test_a_question_that_fits_into_no_batch_is_asked_online(case: Case) -> None:
    long = Request(model="m", messages=(("user", "x" * 6000),), params={"max_tokens": 100})
    case.batches.max_bytes = 5000
    summary = case.buy([*questions(10), long, *questions(20)])
    assert (summary.replies, len(case.provider.came)) == (21, 1)


def test_no_more_tokens_wait_than_the_limit_allows(case: Case) -> None:
    case.batches.enqueued = 1000
    case.buy(questions(1000), line(case.provider, enqueued=1000))
    assert not case.batches.errors
    assert len(case.batches.made) == 5
    assert case.all_answered(questions(1000))


def test_a_batch_over_an_unknown_limit_is_halved_until_it_fits(case: Case) -> None:
    case.batches.enqueued = 700
    summary = case.buy(questions(1000))
    sizes = [len(asked) for _, _, asked in case.batches.made]
    assert sizes[:4] == [1000, 500, 250, 125]
    assert case.all_answered(questions(1000))
    assert summary.replies == 1000
    assert not case.provider.came


def test_a_question_that_no_limit_lets_through_is_asked_online(case: Case) -> None:
    case.batches.enqueued = 3
    summary = case.buy(questions(3))
    assert (summary.replies, len(case.provider.came)) == (3, 3)


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_what_a_batch_left_out_goes_into_another(case: Case, end: str) -> None:
    case.batches.ends[0] = end
    case.buy(questions(100))
    assert [len(asked) for _, _, asked in case.batches.made] == [100, 50]
    assert case.all_answered(questions(100))
    assert not case.ledger.again


def test_after_so_many_rounds_the_rest_is_asked_online(case: Case) -> None:
    case.batches.ends = dict.fromkeys(range(10), "expired")
    summary = case.buy(questions(80), rounds=3)
    assert [len(asked) for _, _, asked in case.batches.made] == [80, 40, 20]
    assert (len(case.provider.came), summary.replies) == (10, 80)
    assert case.all_answered(questions(80))


def test_a_completed_batch_may_have_no_answer_at_all(case: Case) -> None:
    case.batches.spoil = lambda number, lines: [
        each._replace(raw=None, failure=Transient("500", reason="server")) if number == 0 else each for each in lines
    ]
    case.buy(questions(30))
    assert [len(asked) for _, _, asked in case.batches.made] == [30, 30]
    assert case.all_answered(questions(30))


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_lines_are_joined_by_their_ids_alone(tmp_path_factory: Any, seed: int, count: int) -> None:
    random = Random(seed)
    case = Case(tmp_path_factory.mktemp("batches"))
    case.provider.script = lambda request, times: body(request.messages[0][1])

    def spoil(number: int, lines: list[BatchLine]) -> list[BatchLine]:
        spoilt: list[BatchLine] = []
        for each in lines:
            match random.choice(["well"] * 4 + ["missing", "twice", "strange", "malformed", "nobody's"]):
                case "missing":
                    continue
                case "twice":
                    spoilt += [each, each._replace(raw=body("another"))]
                case "strange":
                    spoilt.append(each._replace(custom_id="f" * 32))
                case "malformed":
                    spoilt.append(each._replace(raw=b"{"))
                case "nobody's":
                    spoilt.append(BatchLine(None, None, Transient("?", reason="malformed")))
                case _:
                    spoilt.append(each)
        random.shuffle(spoilt)
        return spoilt

    case.batches.spoil = spoil
    summary = case.buy(questions(count))
    assert case.all_answered(questions(count))
    assert summary.replies == count
    for request in questions(count):
        assert case.ledger.bought[request.key].raw in (body(request.messages[0][1]), body("another"))


@pytest.mark.parametrize("tokens", [-10, 2**62, 2**70, None])
def test_an_answer_of_a_batch_with_an_absurd_usage_is_kept_and_counted_at_its_worst(
    case: Case, tokens: int | None
) -> None:
    case.provider.script = lambda request, times: body(tokens_out=tokens)
    summary = case.buy(questions(5))
    assert (summary.ended, summary.replies, summary.cost) == ("done", 5, 5 * Decimal("103.5") / 1_000_000)
    assert {kept.cost for kept in case.ledger.bought.values()} == {None}


def test_what_one_file_of_a_batch_brought_is_not_bought_again_because_the_other_is_gone(case: Case) -> None:
    def spoil(number: int, lines: list[BatchLine]) -> Iterator[BatchLine]:
        yield from lines[:20] if number == 0 else lines
        if number == 0:
            raise Refused("no such file", reason="not_found")

    case.batches.spoil = spoil  # type: ignore[assignment]
    summary = case.buy(questions(30))
    assert [len(asked) for _, _, asked in case.batches.made] == [30, 10]
    assert (summary.replies, case.ledger.again) == (30, [])
    assert case.all_answered(questions(30))


def test_a_refusal_in_a_batch_is_final(case: Case) -> None:
    case.provider.script = lambda request, times: Refused("no", reason="content_filter")
    summary = case.buy(questions(5))
    assert (summary.refused, len(case.batches.made)) == (5, 1)
    assert {bought.status for bought in case.ledger.bought.values()} == {"refused"}


def test_a_whole_batch_that_is_refused_without_a_cause_ends_the_run_and_is_asked_again(case: Case) -> None:
    case.provider.script = lambda request, times: Refused("s answered 400: Unknown field", reason="bad_request")
    summary = case.buy(questions(50))
    assert (summary.ended, summary.failed, len(case.batches.made)) == ("fatal", 50, 1)
    assert summary.detail.startswith("s answered 400: Unknown field. server0 refused 50 questions in a row")
    assert (case.ledger.bought, case.ledger.open_batches()) == ({}, [])
    case.provider.script = lambda request, times: body()
    assert case.buy(questions(50)).replies == 50
    assert case.ledger.failed == {}


def test_small_batches_that_are_refused_one_after_the_other_are_a_verdict_too(case: Case) -> None:
    case.provider.script = lambda request, times: Refused("no", reason="bad_request")
    assert case.buy(questions(50), size=5).ended == "fatal"


def test_lines_that_are_refused_without_a_cause_among_others_are_failures(case: Case) -> None:
    odd = {question(number).key for number in range(30)}
    no = Refused("no", reason="bad_request")
    case.provider.script = lambda request, times: no if request.key in odd else body()
    summary = case.buy(questions(40))
    assert (summary.ended, summary.replies, summary.failed, len(case.batches.made)) == ("done", 10, 30, 1)
    assert {failure.reason for failure in case.ledger.failed.values()} == {"bad_request"}


def test_what_may_be_billed_for_answers_that_are_gone_stays_at_stake(case: Case) -> None:
    worst = (Decimal(7) / 2 + 100) / 1_000_000

    def gone(number: int, lines: list[BatchLine]) -> Iterator[BatchLine]:
        yield from lines[:20] if number == 0 else lines
        if number == 0:
            raise Refused("no such file", reason="not_found")

    case.batches.spoil = gone  # type: ignore[assignment]
    budget = Budget(Decimal(1))
    summary = case.buy(questions(30), run="r", budget=budget)
    assert summary.lost == 10 * worst
    assert list(case.ledger.stakes("r").values()) == [10 * worst]
    assert budget.left() == 1 - summary.cost - summary.lost


def test_batches_that_are_out_count_against_a_budget_until_their_answers_do(case: Case) -> None:
    where = line(case.provider)
    worst = 30 * (Decimal(7) / 2 + 100) / 1_000_000
    case.buy(questions(30), run="r", wait=False)
    assert sum(case.ledger.stakes("r").values()) == worst
    assert case.ledger.stakes("another") == {}
    spent = spent_at_most(Priceless(case.ledger), "r", where)  # type: ignore[arg-type]
    assert spent == worst
    budget = Budget(worst, spent)
    summary = case.buy(questions(30), run="r", budget=budget)
    assert (summary.ended, summary.replies) == ("done", 30)
    assert budget.spent == summary.cost < worst
    assert case.ledger.stakes("r") == {}


class Priceless:
    """A ledger whose answers have cost nothing so far."""

    def __init__(self, ledger: FakeLedger) -> None:
        self.stakes = ledger.stakes

    def spent(self, run: str) -> Decimal:
        return Decimal(0)

    def unpriced(self, run: str) -> list[Bought]:
        return []


def test_a_fatal_failure_of_a_batch_ends_the_run(case: Case) -> None:
    case.batches.ends[0] = "failed"
    case.batches.errors[0] = (("insufficient_quota", "no credit"),)
    summary = case.buy(questions(5))
    assert (summary.ended, summary.detail, summary.left) == ("fatal", "no credit", 5)
    assert not case.ledger.open_batches()


def test_a_server_that_refuses_batches_is_asked_online(case: Case) -> None:
    def refuse(number: int) -> None:
        raise Refused("this model takes no batches", reason="bad_request")

    case.batches.on_submit = refuse
    summary = case.buy(questions(300))
    assert (summary.ended, summary.replies, len(case.provider.came)) == ("done", 300, 300)


def test_a_bad_key_ends_the_run_and_leaves_no_batch_open(case: Case) -> None:
    def refuse(number: int) -> None:
        raise Fatal("bad key", reason="bad_key")

    case.batches.on_submit = refuse
    assert case.buy(questions(3)).ended == "fatal"
    assert not case.ledger.open_batches()


def test_a_batch_whose_answer_was_lost_is_looked_for_before_it_is_sent_again(case: Case) -> None:
    def lose(number: int) -> None:
        if number == 1:
            raise Transient("broke", reason="connection")

    case.batches.after_submit = lose
    case.buy(questions(10))
    assert (len(case.batches.made), case.batches.submits) == (1, 1)
    case.batches.after_submit = lambda number: None


def test_a_batch_that_never_arrived_is_sent_again_under_its_tag(case: Case) -> None:
    def fail(number: int) -> None:
        if number < 3:
            raise Transient("503", reason="overload")

    case.batches.on_submit = fail
    case.buy(questions(10))
    assert (len(case.batches.made), case.batches.submits) == (1, 3)
    assert len(case.ledger.batches) == 1


# Runs that end and go on.


def test_without_waiting_it_returns_once_the_batches_are_sent_and_the_next_call_picks_them_up(case: Case) -> None:
    async def work() -> tuple[Summary, Summary]:
        first = await case.work(questions(100), size=30, wait=False)
        await asyncio.sleep(1000)
        return first, await case.work(questions(100), size=30, wait=False)

    first, second = run(work())
    assert (first.ended, first.left, first.replies) == ("submitted", 100, 0)
    assert "4 batches" in first.detail
    assert len(case.batches.made) == 4
    assert (second.ended, second.replies, second.found) == ("done", 100, 100)
    assert case.all_answered(questions(100))


def test_stopping_leaves_batches_out_for_the_next_call(case: Case) -> None:
    async def work() -> tuple[Summary, Summary]:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(30, stop.set)
        return await case.work(questions(50), stop=stop), await case.work(questions(50))

    first, second = run(work())
    assert (first.ended, first.left) == ("stopped", 50)
    assert second.replies == 50
    assert len(case.batches.made) == 1


def test_at_the_deadline_batches_are_cancelled_and_the_rest_is_asked_online(case: Case) -> None:
    case.batches.seconds = 1e9
    summary = case.buy(questions(60), deadline=3600.0)
    assert (summary.ended, summary.replies, len(case.batches.cancelled)) == ("done", 60, 1)
    assert len(case.provider.came) == 30
    assert case.all_answered(questions(60))


class Killed(BaseException):
    """Stands for SIGKILL: nobody catches it."""


@settings(max_examples=12)
@given(st.integers(0, 2**32))
def test_killed_at_any_step_no_batch_is_bought_twice(tmp_path_factory: Any, seed: int) -> None:
    """Every call on the ledger and on the provider may be the last of its process, before or after its effect."""
    random = Random(seed)
    case = Case(tmp_path_factory.mktemp("batches"), max_requests=40)
    case.batches.ends = {number: random.choice(["completed", "expired"]) for number in range(4)}
    mortal = Mortal(random)
    for name in ("intend", "sent", "settled", "store"):
        setattr(case.ledger, name, mortal(getattr(case.ledger, name)))
    for name in ("on_submit", "after_submit"):
        setattr(case.batches, name, mortal(getattr(case.batches, name)))

    async def lives() -> int:
        for life in range(200):
            mortal.chance = 0.05 if life < 100 else 0.0
            try:
                await case.work(questions(100))
            except Killed:
                continue
            except BaseExceptionGroup:
                continue
            return life
        raise AssertionError("it does not end")

    kills = run(lives())
    assert case.all_answered(questions(100))
    asked = [key for _, _, asked in case.batches.made for key in asked]
    answered_by = {number: set(asked) for number, (_, _, asked) in enumerate(case.batches.made)}
    tags = [tag for tag, _, _ in case.batches.made]
    assert len(tags) == len(set(tags))
    # A question is in a second batch only where the first left it out: half of an expired one.
    for number, (_, _, first) in enumerate(case.batches.made):
        kept = (
            list(first) if case.batches.ends.get(number, "completed") == "completed" else list(first)[: len(first) // 2]
        )
        for later in range(number + 1, len(case.batches.made)):
            assert not answered_by[later] & set(kept), f"bought twice after {kills} kills, seed {seed}"
    assert len(asked) >= 100


class Mortal:
    """Wraps calls so that the process may die right before or right after them."""

    def __init__(self, random: Random) -> None:
        self.random, self.chance = random, 0.0

    def __call__(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def dies(*arguments: Any, **named: Any) -> Any:
            if self.random.random() < self.chance:
                raise Killed
            result = call(*arguments, **named)
            if self.random.random() < self.chance:
                raise Killed
            return result

        return dies


# Modes, money, follow-ups.


@pytest.mark.parametrize("mode", ["online", "batch"])
def test_what_is_in_a_batch_elsewhere_is_not_bought_a_second_time(case: Case, mode: str) -> None:
    """Once in another mode, once at a server that came to be preferred."""
    case.buy(questions(30), wait=False)
    other = FakeProvider()
    other.batches = FakeBatches(other)
    where = line(case.provider) if mode == "online" else line(other, case.provider)
    if mode == "batch":
        where = where._replace(routes=(where.routes[0]._replace(name="elsewhere"), where.routes[1]))
    summary = case.buy(questions(40), where, mode=mode)
    assert (summary.ended, summary.replies, summary.left) == ("submitted", 10, 30)
    assert "30 questions are in batches at server0" in summary.detail
    assert case.buy(questions(40)).ended == "done"
    assert case.all_answered(questions(40))
    assert case.ledger.again == []


def test_a_batch_stays_within_the_budget(case: Case) -> None:
    worst = Decimal(7) / 2 + 100  # 5 tokens in and a quarter more at half a dollar, 100 out at a dollar
    budget = Budget(worst * 10 / 1_000_000)
    summary = case.buy(questions(100), budget=budget)
    assert summary.ended == "budget"
    first = len(case.batches.made[0][2])
    assert first == 10
    assert "For the 25 that are missing, raise it to about $0.01." in summary.detail
    assert summary.left == 25
    assert summary.replies == 75  # 12.5 each, until the worst case of the next does not fit
    assert budget.left() is not None
    assert 0 <= (budget.left() or 0) < worst / 1_000_000


def test_what_follows_goes_into_a_batch_or_online_as_the_mode_says(tmp_path: Path) -> None:
    for mode, online, batches in (("batch", 0, 2), ("auto", 20, 1)):
        case = Case(tmp_path / mode)
        case.provider.script = lambda request, times: body(finish="length")
        summary = case.buy(questions(20), again=follow_up(400), mode=mode)
        assert (summary.replies, len(case.provider.came), len(case.batches.made)) == (40, online, batches)
        assert question(3, max_tokens=400).key in case.ledger.bought


def test_auto_takes_batches_only_where_they_cost_less(case: Case) -> None:
    same = PRICE._replace(batch_input=PRICE.input, batch_output=PRICE.output)
    assert in_batches(line(case.provider), "auto")
    assert not in_batches(line(case.provider, price=same), "auto")
    assert not in_batches(line(case.provider, price=FREE), "auto")
    assert not in_batches(line(FakeProvider()), "auto")
    assert in_batches(line(FakeProvider()), "batch")
    with pytest.raises(UsageError, match="takes batches"):
        case.buy(questions(1), line(FakeProvider()))


def test_a_stream_of_many_is_not_held_in_memory(case: Case) -> None:
    case.batches.max_requests = 500
    case.batches.enqueued = None
    read = 0

    def stream() -> Iterator[Request]:
        nonlocal read
        for number in range(4000):
            read += 1
            assert read <= sum(len(asked) for _, _, asked in case.batches.made) + 1100
            yield question(number)

    assert case.buy(stream(), line(case.provider, enqueued=5000)).replies == 4000


# Batches that are out.


def test_whoever_stores_the_answers_of_a_batch_they_count_for_the_run_that_sent_it(case: Case) -> None:
    async def work() -> None:
        await case.work(questions(20), wait=False, run="first")
        await asyncio.sleep(1000)
        await resume(case.ledger, lambda batch: line(case.provider), case.folder)  # type: ignore[arg-type]
        await case.work(questions(20, seed=1), wait=False, run="first")
        await case.work(questions(20, seed=2), run="second")

    run(work())
    runs = [kept.run for kept in case.ledger.bought.values()]
    assert (runs.count("first"), runs.count("second")) == (40, 20)


def test_a_server_that_cannot_be_asked_does_not_keep_the_answers_of_others_away(case: Case) -> None:
    case.ledger.intend("elsewhere", "a server of before", "m", ())

    def connect(batch: Batch) -> Line:
        if batch.server != "server0":
            raise UsageError(f"nobody knows {batch.server}")
        return line(case.provider)

    async def work() -> None:
        await case.work(questions(20), wait=False)
        await asyncio.sleep(1000)
        with pytest.raises(UsageError, match="a server of before"):
            await resume(case.ledger, connect, case.folder)  # type: ignore[arg-type]

    run(work())
    assert case.all_answered(questions(20))


def test_batches_that_are_out_are_listed_stopped_and_brought_in(case: Case) -> None:
    def connect(batch: Batch) -> Line:
        assert (batch.server, batch.model) == ("server0", "m")
        return line(case.provider)

    async def work() -> None:
        await case.work(questions(100), size=50, wait=False)
        ledger: Any = case.ledger
        first, second = await overview(ledger, connect)
        assert (first.status, second.status, len(first.batch.keys)) == ("running", "running", 50)
        with pytest.raises(UsageError, match="is out"):
            await cancel(["phase0-n"], ledger, connect)
        assert await cancel([first.batch.tag], ledger, connect) == [first.batch]
        (summary,) = await resume(ledger, connect, case.folder)
        assert (summary.replies, len(case.ledger.bought)) == (25, 25)
        assert [each.batch.tag for each in await overview(ledger, connect)] == [second.batch.tag]

    run(work())
    assert len(case.batches.made) == 2


# The end of a budget.

WORST = (Decimal(7) / 2 + 100) / 1_000_000  # of a question: 7 tokens in at half a dollar, 100 out at a dollar


def test_the_last_dollars_are_not_spent_in_batches_of_a_question_or_two(case: Case) -> None:
    summary = case.buy(questions(4000), budget=Budget(WORST * 400))
    sizes = [len(asked) for _, _, asked in case.batches.made]
    assert summary.ended == "budget"
    assert sizes[0] == 400
    assert min(sizes) >= 20  # a twentieth of what the budget holds
    assert len(sizes) < 30
    assert "that are left hold too few requests for a batch." in summary.detail
    named = re.search(r"raise it to about \$([\d.]+)\.$", summary.detail)
    assert named is not None
    assert case.buy(questions(4000), budget=Budget(Decimal(named[1]), summary.cost)).ended == "done"
    assert case.all_answered(questions(4000))


def test_what_little_is_left_waits_until_running_batches_give_back_what_they_did_not_cost(case: Case) -> None:
    summary = case.buy(questions(400), budget=Budget(WORST * 201), size=100)
    sizes = [len(asked) for _, _, asked in case.batches.made]
    assert (summary.ended, summary.replies) == ("done", 400)
    assert sizes[:2] == [100, 100]
    assert min(sizes) >= 5


def test_a_budget_raised_a_little_at_its_end_buys_a_batch_and_not_a_handful(case: Case) -> None:
    first = case.buy(questions(4000), budget=Budget(WORST * 400))
    before = len(case.batches.made)
    summary = case.buy(questions(4000), budget=Budget(WORST * 401, first.cost))
    assert summary.ended == "budget"
    assert all(len(asked) >= 20 for _, _, asked in case.batches.made[before:])
    assert summary.sent == 0 or len(case.batches.made) > before


def test_the_last_questions_go_into_a_batch_however_few_they_are(case: Case) -> None:
    assert case.buy(questions(3), budget=Budget(WORST * 1000)).replies == 3
    assert case.buy(questions(4), budget=Budget(WORST * 1000)).replies == 1


# What takes its time.


def test_a_batch_that_could_not_be_cancelled_at_the_deadline_is_cancelled_at_the_next_look(case: Case) -> None:
    case.batches.seconds = 1e9
    well, times = case.batches.cancel, [0]

    async def cancel(batch_id: str) -> None:
        times[0] += 1
        if times[0] <= 2:
            raise Transient("503", reason="overload")
        await well(batch_id)

    case.batches.cancel = cancel  # type: ignore[method-assign]
    summary = case.buy(questions(60), deadline=3600.0)
    assert (summary.ended, summary.replies, times) == ("done", 60, [3])
    assert min(case.batches.cancelled.values()) > 1000 + 3600


def test_a_batch_that_is_long_in_cancelling_is_waited_for_and_its_answers_are_not_bought_again(case: Case) -> None:
    case.batches.seconds = 1e9
    well = case.batches._status

    def status(number: int) -> str:
        since = case.batches.cancelled.get(number)
        return "cancelling" if since is not None and case.batches._now() < since + 90_000 else well(number)

    case.batches._status = status  # type: ignore[method-assign]
    telling: list[int] = []

    async def work() -> Summary:
        summary = await case.work(questions(60), deadline=3600.0)
        telling.append(round(asyncio.get_running_loop().time()))
        return summary

    summary = run(work())
    assert (summary.ended, summary.replies, len(case.provider.came)) == ("done", 60, 30)
    assert telling[0] > 90_000
    assert case.ledger.again == []
    assert len(case.batches.cancelled) == 1


def test_a_run_that_is_stopped_while_a_batch_is_cancelling_picks_it_up(case: Case) -> None:
    case.batches.seconds = 1e9
    well = case.batches._status
    case.batches._status = lambda number: (  # type: ignore[method-assign]
        "cancelling" if number in case.batches.cancelled and case.batches._now() < 9000 else well(number)
    )

    async def work() -> tuple[Summary, Summary]:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(5000, stop.set)
        first = await case.work(questions(60), deadline=3600.0, stop=stop)
        return first, await case.work(questions(60), rounds=1)

    first, second = run(work())
    assert (first.ended, first.left) == ("stopped", 60)
    assert (second.ended, second.replies, len(case.provider.came)) == ("done", 60, 30)
    assert case.ledger.again == []


def test_a_second_round_that_is_on_its_way_does_not_hold_up_what_was_never_sent(case: Case) -> None:
    """With room for two batches, the next one leaves when one of them has ended, whatever became of it."""
    case.batches.ends[0] = "expired"
    case.buy(questions(400), line(case.provider, enqueued=1000), size=100)
    starts = [at for _, at, _ in case.batches.made]
    assert [len(asked) for _, _, asked in case.batches.made][:3] == [100, 100, 50]
    assert starts[3] < starts[2] + case.batches.seconds
    assert case.all_answered(questions(400))


def test_a_batch_that_expired_half_way_is_taken_in_once_however_often_the_run_is_restarted(case: Case) -> None:
    """Killed between storing what it brought and noting that it has ended."""
    case.batches.ends[0] = "expired"
    settled, times = case.ledger.settled, [0]

    def kill(tag: str, status: str, lost: Decimal = Decimal(0)) -> None:
        times[0] += 1
        if times[0] <= 2:
            raise Killed
        settled(tag, status, lost)

    case.ledger.settled = kill  # type: ignore[method-assign]

    async def lives() -> None:
        for _ in range(2):
            with pytest.raises(Killed):
                await case.work(questions(100))
            assert len(case.batches.made) == 1
        assert (await case.work(questions(100))).ended == "done"

    run(lives())
    assert [len(asked) for _, _, asked in case.batches.made] == [100, 50]
    assert {each.raw for each in case.ledger.again} <= {body()}
    assert case.all_answered(questions(100))
