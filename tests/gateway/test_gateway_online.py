"""Buying online: nothing lost, nothing bought twice, every limit and every wish of a provider respected."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any

import msgspec
import pytest
from fakes import FREE, FakeLedger, FakeProvider, body, line, question, questions
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual import run

from phase0.errors import DataError, Fatal, Refused, Transient
from phase0.gateway import online
from phase0.gateway.budget import Budget
from phase0.gateway.line import Line
from phase0.gateway.policy import SECOND_DRAW, follow_up
from phase0.gateway.summary import Summary
from phase0.records import Request


def bought(
    requests: Any, where: Line, ledger: FakeLedger | None = None, budget: Budget | None = None, **options: Any
) -> tuple[Summary, FakeLedger]:
    """Buy on a virtual clock."""
    ledger = ledger or FakeLedger()
    told = {name: options.pop(name) for name in ("again", "stop", "progress") if name in options}
    how = online.Options(random=Random(0).random, **options)

    async def work() -> Summary:
        return await online.buy(requests, where, ledger, budget or Budget(None), options=how, **told)  # type: ignore[arg-type]

    summary = run(work())
    assert summary.asked == sum(summary[place] for place in (3, 4, 5, 6, 7, 8)), summary
    return summary, ledger


def rate_limit(wait: float | None = None) -> Transient:
    return Transient("slow", reason="rate_limit", retry_after=wait)


def server_error() -> Transient:
    return Transient("500", reason="server")


def test_every_question_is_answered_and_stored_once() -> None:
    provider = FakeProvider()
    summary, ledger = bought(questions(3000), line(provider))
    assert (summary.ended, summary.replies, summary.left) == ("done", 3000, 0)
    assert set(ledger.bought) == {request.key for request in questions(3000)}
    assert len(provider.came) == 3000
    assert summary.cost == 3000 * (5 * Decimal(1) + 10 * Decimal(2)) / 1_000_000
    kept = ledger.bought[question(7).key]
    assert msgspec.json.decode(kept.request, type=Request) == question(7)
    assert (kept.mode, kept.status, kept.tokens_in, kept.tokens_out) == ("online", "reply", 5, 10)


def test_what_the_ledger_has_is_not_asked_again() -> None:
    _, ledger = bought(questions(500), line(FakeProvider()))
    provider = FakeProvider()
    summary, _ = bought(questions(700), line(provider), ledger)
    assert (summary.found, summary.replies, len(provider.came)) == (500, 200, 200)


def test_nothing_to_ask_is_done_at_once() -> None:
    summary, _ = bought([], line(FakeProvider()))
    assert (summary.ended, summary.asked) == ("done", 0)


def test_equal_questions_share_one_reply() -> None:
    provider = FakeProvider()
    same = [question(number % 10) for number in range(1000)]
    summary, ledger = bought(same, line(provider))
    assert len(provider.came) == len(ledger.bought) == 10
    assert summary.shared + summary.found == 990


def test_a_stream_is_read_no_faster_than_it_is_answered() -> None:
    provider, read = FakeProvider(), 0

    def stream() -> Iterator[Request]:
        nonlocal read
        for number in range(20_000):
            read += 1
            assert read - len(provider.came) <= 600, "the stream is read far ahead"
            yield question(number)

    summary, _ = bought(stream(), line(provider, most=64))
    assert summary.replies == 20_000


def test_no_more_run_at_once_than_the_route_allows() -> None:
    provider = FakeProvider()
    bought(questions(500), line(provider, most=7))
    assert provider.widest == 7


def test_an_answer_counts_only_when_it_is_on_the_disk() -> None:
    ledger = FakeLedger(delay=30.0)
    provider = FakeProvider()
    _, ledger = bought(questions(3), line(provider), ledger)
    assert len(ledger.bought) == 3


def test_a_ledger_that_cannot_store_ends_the_run_with_its_error() -> None:
    class Full(FakeLedger):
        def _keep(self, bought: Any) -> None:
            raise AssertionError

        def store(self, bought: Any) -> asyncio.Future[bool]:
            later = asyncio.get_running_loop().create_future()
            later.set_exception(DataError("ledger: the disk is full"))
            return later

    provider = FakeProvider()
    with pytest.raises(DataError, match="disk is full"):
        bought(questions(1000), line(provider, most=8), Full())
    assert len(provider.came) <= 16


# Failures.


def test_a_429_uses_up_no_tries_and_holds_everybody_for_as_long_as_it_says() -> None:
    provider = FakeProvider(lambda request, times: rate_limit(100.0) if times < 20 and request == first else body())
    first = question(0)
    summary, _ = bought(questions(2000), line(provider, most=4), tries=2)
    assert (summary.replies, summary.failed, summary.limited) == (2000, 0, 20)
    times = sorted(at for at, _ in provider.came)
    gaps = [after - before for before, after in pairwise(times)]
    assert sum(gap >= 98 for gap in gaps) == 20  # 4 in flight come back within a second or two
    assert summary.ended == "done"


def test_a_wait_of_hours_is_waited_out() -> None:
    provider = FakeProvider(lambda request, times: rate_limit(7200.0) if times == 0 else body())
    summary, _ = bought(questions(1), line(provider))
    assert summary.replies == 1
    assert provider.came[1][0] - provider.came[0][0] >= 7200


def test_a_failure_is_tried_again_later_and_later_and_then_given_up_with_its_reason() -> None:
    provider = FakeProvider(lambda request, times: server_error() if request == question(3) else body())
    summary, ledger = bought(questions(50), line(provider), tries=4)
    assert (summary.replies, summary.failed, provider.times[question(3).key]) == (49, 1, 4)
    failure = ledger.failed[question(3).key]
    assert (failure.reason, failure.detail) == ("server_error", "500")


@pytest.mark.parametrize("reason", ["malformed", "incomplete", "timeout", "connection", "overload", "unreachable"])
def test_every_passing_failure_is_survived(reason: str) -> None:
    random = Random(reason)
    provider = FakeProvider(
        lambda request, times: Transient("?", reason=reason) if random.random() < 0.2 and times < 5 else body()
    )
    summary, ledger = bought(questions(1000), line(provider))
    assert (summary.replies, summary.failed) == (1000, 0)
    assert summary.retried == len(provider.came) - 1000
    assert not ledger.again


def test_a_body_that_is_no_reply_and_one_that_broke_off_are_asked_for_again() -> None:
    spoilt = {0: b"<html>", 1: body(finish=None)}
    provider = FakeProvider(lambda request, times: spoilt.get(times, body()))
    summary, ledger = bought(questions(10), line(provider))
    assert summary.replies == 10
    assert {kept.raw for kept in ledger.bought.values()} == {body()}


def test_a_refusal_is_final_stored_and_costs_nothing() -> None:
    provider = FakeProvider(lambda request, times: Refused("filtered", reason="content_filter"))
    summary, ledger = bought(questions(3), line(provider), budget=Budget(Decimal(1)))
    assert (summary.refused, summary.cost, len(provider.came)) == (3, 0, 3)
    kept = next(iter(ledger.bought.values()))
    assert (kept.status, kept.reason, kept.cost) == ("refused", "content_filter", 0)
    again, _ = bought(questions(3), line(provider), ledger)
    assert again.found == 3


# Refusals that do not say why.

PUZZLED = Refused("s answered 400: Unknown field: top_q", reason="bad_request")


def test_a_server_that_refuses_everything_ends_the_run_with_its_words_and_no_row_is_given_up() -> None:
    provider, budget = FakeProvider(lambda request, times: PUZZLED), Budget(Decimal(1))
    summary, ledger = bought(questions(500), line(provider), budget=budget)
    assert (summary.ended, summary.left, budget.left()) == ("fatal", summary.asked, 1)
    assert summary.detail.startswith("s answered 400: Unknown field: top_q. server0 refused ")
    assert "\n" not in summary.detail
    assert 20 <= len(provider.came) < 100
    assert (ledger.bought, ledger.failed) == ({}, {})
    again, _ = bought(questions(500), line(FakeProvider()), ledger)
    assert again.replies == 500


@pytest.mark.parametrize("reason", ["bad_request", "not_found"])
def test_a_refusal_that_does_not_say_why_is_a_failure_that_the_next_run_asks_again(reason: str) -> None:
    odd = {question(number).key for number in range(0, 100, 10)}
    provider = FakeProvider(lambda request, times: Refused("no", reason=reason) if request.key in odd else body())
    summary, ledger = bought(questions(100), line(provider))
    assert (summary.ended, summary.replies, summary.refused, summary.failed) == ("done", 90, 0, 10)
    assert {key: failure.reason for key, failure in ledger.failed.items()} == dict.fromkeys(odd, reason)
    assert max(provider.times.values()) == 1
    again, _ = bought(questions(100), line(FakeProvider()), ledger)
    assert (again.found, again.replies, ledger.failed) == (90, 10, {})


def test_few_questions_that_nobody_answers_are_failures_and_no_verdict_on_the_server() -> None:
    summary, ledger = bought(questions(19), line(FakeProvider(lambda request, times: PUZZLED)))
    assert (summary.ended, summary.failed, len(ledger.failed)) == ("done", 19, 19)


def test_refusals_that_overtake_slower_replies_are_no_verdict_on_the_server() -> None:
    class Slow(FakeProvider):
        async def send(self, request: Request) -> Any:
            await asyncio.sleep(30.0 if request.key not in odd else 0.0)
            return await super().send(request)

    odd = {question(number).key for number in range(1, 26)}
    provider = Slow(lambda request, times: PUZZLED if request.key in odd else body())
    summary, _ = bought(questions(400), line(provider))
    assert (summary.ended, summary.replies, summary.failed) == ("done", 375, 25)


def test_what_one_endpoint_refuses_without_a_cause_another_answers() -> None:
    first, second = FakeProvider(lambda request, times: PUZZLED), FakeProvider()
    summary, ledger = bought(questions(300), line(first, second, ranks=[0, 1]))
    assert (summary.ended, summary.replies, summary.failed) == ("done", 300, 0)
    assert len(first.came) < 100
    assert {kept.server for kept in ledger.bought.values()} == {"server1"}


@given(st.lists(st.sampled_from(["odd", "filtered", "fine"]), min_size=1, max_size=80))
@settings(max_examples=50)
def test_whatever_is_refused_every_question_ends_and_only_a_cause_is_kept(ends: list[str]) -> None:
    said = {
        question(number).key: {"odd": PUZZLED, "filtered": Refused("no", reason="content_filter"), "fine": body()}[end]
        for number, end in enumerate(ends)
    }
    summary, ledger = bought(questions(len(ends)), line(FakeProvider(lambda request, times: said[request.key])))
    assert len(ledger.failed) == summary.failed
    assert summary.failed <= ends.count("odd")
    if summary.ended == "fatal":
        assert ends.count("odd") >= 20
    else:
        assert (summary.refused, summary.replies) == (ends.count("filtered"), ends.count("fine"))
        assert {kept.reason for kept in ledger.bought.values()} <= {None, "content_filter"}


# Endings of a server.


def test_a_server_that_is_down_is_left_alone_and_the_run_goes_on_when_it_is_back() -> None:
    back = 1000.0 + 600.0
    provider = FakeProvider(lambda request, times: body(), seconds=lambda: 0.1)

    def script(request: Request, times: int) -> bytes | Exception:
        return server_error() if asyncio.get_running_loop().time() < back else body()

    provider.script = script
    summary, _ = bought(questions(300), line(provider))
    assert (summary.replies, summary.failed) == (300, 0)
    during = [at for at, _ in provider.came if at < back]
    assert len(during) < 60  # 10 minutes: some that were in flight, then now and then a single one


def test_without_any_server_for_long_the_run_ends_and_says_so() -> None:
    provider = FakeProvider(lambda request, times: Transient("no", reason="unreachable"))
    summary, ledger = bought(questions(200), line(provider), tries=100)
    assert (summary.ended, summary.left) == ("unreachable", 200)
    assert "30 minutes" in summary.detail
    assert not ledger.failed


def test_a_fatal_answer_ends_the_run_after_what_is_in_flight() -> None:
    bad = Fatal("The key is wrong. Check OPENAI_API_KEY.", reason="bad_key")
    provider = FakeProvider(lambda request, times: bad if request == question(40) else body())
    summary, ledger = bought(questions(5000), line(provider, most=16))
    assert (summary.ended, summary.detail) == ("fatal", str(bad))
    assert summary.replies == len(ledger.bought) == len(provider.came) - 1 < 100


# Several endpoints.


def test_keys_of_one_rank_share_the_work() -> None:
    both = FakeProvider(), FakeProvider()
    summary, ledger = bought(questions(2000), line(*both, requests=600))
    assert summary.replies == 2000
    assert abs(len(both[0].came) - len(both[1].came)) < 200
    assert {kept.server for kept in ledger.bought.values()} == {"server0", "server1"}


def test_the_next_endpoint_is_asked_only_while_the_preferred_one_is_down() -> None:
    def script(request: Request, times: int) -> bytes | Exception:
        return server_error() if 1100 < asyncio.get_running_loop().time() < 1300 else body()

    first, second = FakeProvider(script), FakeProvider()
    summary, _ = bought(questions(4000), line(first, second, ranks=[0, 1], most=8))
    assert summary.replies == 4000
    asked_second = [at for at, _ in second.came]
    assert asked_second
    assert 1100 < min(asked_second) < 1120
    assert max(asked_second) < 1300 + 2 * 160


def test_a_bad_key_of_several_is_left_out_and_the_others_go_on() -> None:
    first = FakeProvider(lambda request, times: Fatal("bad key", reason="bad_key"))
    second = FakeProvider()
    summary, ledger = bought(questions(200), line(first, second))
    assert (summary.ended, summary.replies, len(second.came)) == ("done", 200, 200)
    assert len(ledger.bought) == 200


# Ends.


def test_stopping_finishes_what_is_in_flight_stores_it_and_says_so() -> None:
    provider, ledger = FakeProvider(seconds=lambda: 10.0), FakeLedger()

    async def work() -> Summary:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(35.0, stop.set)
        return await online.buy(questions(5000), line(provider, most=8), ledger, Budget(None), stop=stop)  # type: ignore[arg-type]

    summary = run(work())
    assert summary.ended == "stopped"
    assert summary.replies == len(ledger.bought) == len(provider.came) == 8 * 4
    rest, _ = bought(questions(5000), line(provider, most=512), ledger)
    assert (rest.found, rest.replies, len(provider.came)) == (32, 4968, 5000)


def test_stopping_does_not_wait_for_a_long_pause() -> None:
    provider = FakeProvider(lambda request, times: rate_limit(3600.0))

    async def work() -> tuple[Summary, float]:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.call_later(35.0, stop.set)
        summary = await online.buy(questions(5), line(provider), FakeLedger(), Budget(None), stop=stop)  # type: ignore[arg-type]
        return summary, loop.time()

    summary, ended = run(work())
    assert (summary.ended, summary.left) == ("stopped", 5)
    assert ended < 1040


@settings(max_examples=60)
@given(
    st.integers(0, 3000), st.floats(0, 0.3), st.integers(0, 2**32), st.sampled_from(["timeout", "server", "malformed"])
)
def test_a_budget_is_never_exceeded_by_what_may_have_been_billed(
    millionths: int, failing: float, seed: int, reason: str
) -> None:
    random, billed = Random(seed), 0

    def script(request: Request, times: int) -> bytes | Exception:
        nonlocal billed
        fails = random.random() < failing
        tokens = random.choice([0, 3, 100])
        if not fails or reason != "server":
            billed += 5 + 2 * tokens
        return Transient("?", reason=reason) if fails else body(tokens_out=tokens)

    budget = Budget(Decimal(millionths * 4) / 1_000_000)
    summary, _ = bought(questions(40), line(FakeProvider(script), most=8), budget=budget)
    assert Decimal(billed) / 1_000_000 <= (budget.limit or 0)
    if summary.ended == "budget":
        worst = (Decimal(7) + 200) / 1_000_000  # 5 tokens in and a quarter more, 100 out
        assert (budget.left() or 0) < worst
        assert "raise" in summary.detail
        assert summary.left > 0
    else:
        assert summary.replies + summary.failed == 40


def test_the_budget_waits_for_what_is_in_flight_before_it_ends_a_run() -> None:
    budget = Budget(Decimal(1000) / 1_000_000)  # five worst cases, forty real ones
    provider = FakeProvider()
    summary, _ = bought(questions(100), line(provider), budget=budget)
    assert summary.ended == "budget"
    assert summary.replies == 32  # 25 each: until less than 207 are left
    assert f"For the {100 - 32} that are missing, raise it to about $0.01." in summary.detail
    assert summary.left == 100 - 32


@pytest.mark.parametrize("kind", [Refused, Transient, Fatal])
def test_work_that_had_begun_when_it_failed_may_be_on_the_bill(kind: Any) -> None:
    failed = kind("the prediction is failed", reason="server" if kind is Transient else "content_filter")
    failed.begun = True
    budget, ledger = Budget(Decimal(1)), FakeLedger()
    provider = FakeProvider(lambda request, times: failed)
    summary, _ = bought(questions(1), line(provider), ledger, budget, tries=2, run="r")
    worst = Decimal(207) / 1_000_000
    assert summary.lost == 1 - (budget.left() or 0) == len(provider.came) * worst
    assert list(ledger.stakes("r").values()) == [summary.lost]


def test_what_may_be_owed_is_on_the_disk_before_it_is_sent_and_only_what_was_lost_stays() -> None:
    ledger, worst, seen = FakeLedger(delay=0.5), Decimal(207) / 1_000_000, []

    def script(request: Request, times: int) -> bytes | Exception:
        stored = sum(1 for key in provider.times if key in ledger.bought)
        owed = (len(provider.came) - stored) * worst
        seen.append(sum(ledger.stakes("r").values()) >= owed)
        return Transient("gone", reason="timeout") if request == question(7) and times < 2 else body()

    provider = FakeProvider(script)
    summary, _ = bought(questions(300), line(provider), ledger, run="r")
    assert all(seen)
    assert summary.replies == 300
    assert list(ledger.stakes("r").values()) == [2 * worst] == [summary.lost]
    bought(questions(400), line(FakeProvider()), ledger, run="another")
    assert ledger.stakes("another") == {}


def test_a_ledger_that_cannot_note_what_is_at_stake_ends_the_run_before_anything_is_sent() -> None:
    class Full(FakeLedger):
        def stake(self, name: str, run: str, cost: Decimal) -> None:
            raise DataError("ledger: the disk is full")

    provider = FakeProvider()
    with pytest.raises(DataError, match="disk is full"):
        bought(questions(100), line(provider), Full())
    assert provider.came == []


def test_a_price_of_nothing_needs_no_budget() -> None:
    summary, _ = bought(questions(100), line(FakeProvider(), price=FREE), budget=Budget(Decimal(0)))
    assert (summary.replies, summary.cost) == (100, 0)


def test_a_reply_without_usage_is_counted_at_its_worst_and_stored_at_unknown_cost() -> None:
    budget = Budget(Decimal(1))
    provider = FakeProvider(lambda request, times: body(tokens_in=None, tokens_out=None))
    _, ledger = bought(questions(1), line(provider), budget=budget)
    assert ledger.bought[question(0).key].cost is None
    assert budget.left() == 1 - Decimal(207) / 1_000_000


ABSURD = [(-5, 10), (5, -10), (5, 2**62), (2**70, 10), (5, None)]
"""Counts of tokens that servers have been seen to send, or might: of none of them a price can be made."""


@pytest.mark.parametrize(("given", "made"), ABSURD)
def test_an_answer_with_an_absurd_usage_is_kept_and_counted_at_its_worst(given: int, made: int | None) -> None:
    budget = Budget(Decimal(1))
    provider = FakeProvider(lambda request, times: body(tokens_in=given, tokens_out=made))
    summary, ledger = bought(questions(3), line(provider), budget=budget)
    assert (summary.ended, summary.replies, len(ledger.bought)) == ("done", 3, 3)
    assert {kept.cost for kept in ledger.bought.values()} == {None}
    assert budget.left() == 1 - 3 * Decimal(207) / 1_000_000


# What follows from an answer.


def test_an_answer_that_was_cut_off_is_asked_for_once_more_with_a_larger_cap() -> None:
    provider = FakeProvider(lambda request, times: body(finish="length"))
    summary, ledger = bought(questions(20), line(provider), again=follow_up(400))
    assert (summary.follow_ups, summary.replies, len(provider.came)) == (20, 40, 40)
    assert question(3, max_tokens=400).key in ledger.bought


def test_an_empty_answer_is_drawn_once_more() -> None:
    provider = FakeProvider(lambda request, times: body(text=" \n"))
    summary, ledger = bought(questions(20), line(provider), again=follow_up(400))
    assert summary.follow_ups == 20
    assert msgspec.structs.replace(question(3), draw=SECOND_DRAW).key in ledger.bought


def test_what_follows_from_an_answer_in_the_ledger_is_asked_by_the_next_run() -> None:
    provider = FakeProvider(lambda request, times: body(finish="length"))
    _, ledger = bought(questions(20), line(provider))
    summary, _ = bought(questions(20), line(provider), ledger, again=follow_up(400))
    assert (summary.found, summary.follow_ups, summary.replies) == (20, 20, 20)
    last, _ = bought(questions(20), line(provider), ledger, again=follow_up(400))
    assert (last.found, last.follow_ups, last.replies) == (40, 20, 0)


# Limits, end to end.


def test_limits_of_requests_and_tokens_are_kept_to_the_minute() -> None:
    random = Random(5)
    provider = FakeProvider(lambda request, times: body(tokens_out=random.randrange(100)), seconds=lambda: 2.0)
    bought(questions(3000), line(provider, requests=600, tokens=20_000))
    times = [at for at, _ in provider.came]
    most = max(sum(at <= other < at + 60 for other in times) for at in times[::50])
    assert most <= 600
    # 55 tokens each: 364 a minute, so 3,000 take 8 minutes and what is left over of the ninth
    assert times[-1] - times[0] < 8 * 60 * 1.03 + 20
