"""When the next request may leave: never more than the limits allow, hardly later than they would, and rarely a 429."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from providermodel import FixedWindow, Job, TokenBucket, most_in_a_minute, run, shortest

from phase0.gateway.allowance import Allowance
from phase0.gateway.bucket import Mark
from phase0.gateway.forecast import Forecast
from phase0.gateway.pace import Circuit, Pace, Width, backoff
from phase0.providers import Limits


def jobs(random: Random, count: int, mean: int = 250) -> list[Job]:
    used = [50 + int(random.expovariate(1 / mean)) for _ in range(count)]
    return [Job(tokens, tokens) for tokens in used]


@settings(max_examples=60)
@given(
    st.integers(1, 400),
    st.integers(500, 40_000),
    st.integers(0, 2**32),
    st.booleans(),
    st.floats(0.01, 20),
    st.booleans(),
)
def test_no_minute_has_more_than_its_limits(
    requests: int, tokens: int, seed: int, windows: bool, latency: float, overestimated: bool
) -> None:
    random = Random(seed)
    work = [
        Job(min(job.used * (2 if overestimated else 1), tokens), min(job.used, tokens)) for job in jobs(random, 300)
    ]
    provider = FixedWindow(requests, tokens, phase=random.uniform(0, 60)) if windows else TokenBucket(requests, tokens)
    pace = Pace(requests=requests, tokens=tokens, random=random.random)
    seen = run(pace, provider, work, random=random, latency=lambda: random.uniform(0, latency))
    most = most_in_a_minute(seen.left)
    assert most[0] <= requests
    assert most[1] <= tokens


@pytest.mark.parametrize("headers", [False, True])
@pytest.mark.parametrize("provider", ["windows", "bucket"])
@pytest.mark.parametrize(
    ("requests", "tokens", "count"),
    [(600, 10**9, 12_600), (10**6, 100_000, 7_000), (1500, 300_000, 20_000), (3000, 600_000, 40_000)],
)
def test_the_work_is_done_hardly_later_than_the_limits_allow_and_with_hardly_a_429(
    requests: int, tokens: int, count: int, provider: str, headers: bool
) -> None:
    random = Random(3)
    work = jobs(random, count)
    there = FixedWindow(requests, tokens, phase=17.3) if provider == "windows" else TokenBucket(requests, tokens)
    pace = Pace(requests=None if headers else requests, tokens=None if headers else tokens, random=random.random)
    seen = run(
        pace,
        there,
        work,
        random=random,
        latency=lambda: random.uniform(1, 4),
        way=lambda: random.uniform(0.02, 0.15),
        headers=headers,
    )
    assert seen.finished <= 1.03 * shortest(work, requests, tokens, 2.5)
    assert seen.limited < 0.005 * count


@pytest.mark.parametrize("headers", [False, True])
@pytest.mark.parametrize("burst", [2.0, 10.0])
def test_a_provider_that_counts_in_seconds_is_met_with_hardly_a_429(burst: float, headers: bool) -> None:
    random = Random(4)
    work = jobs(random, 12_000)
    pace = Pace(requests=600, random=random.random)
    seen = run(
        pace,
        TokenBucket(600, 10**9, burst=burst),
        work,
        random=random,
        latency=lambda: random.uniform(1, 4),
        headers=headers,
    )
    assert seen.finished <= 1.03 * (12_000 / 600 * 60)
    assert seen.limited < 0.005 * len(work)


def test_limits_that_only_headers_tell_are_kept_from_the_first_answer_on() -> None:
    random = Random(5)
    pace = Pace(random=random.random)
    seen = run(
        pace, FixedWindow(120, 10**9), jobs(random, 600), random=random, latency=lambda: 1.0, headers=True
    )  # fmt: skip
    assert most_in_a_minute(seen.left)[0] <= 120
    assert seen.limited == 0


# Allowances.


def tell(allowance: Allowance, left: int, mark: Mark) -> None:
    allowance.bucket.shown(left, 600, None)
    allowance.bucket.told(left, mark)


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 50), st.integers(0, 60)), max_size=60), st.integers(1, 100))
def test_an_allowance_never_lets_more_leave_in_any_window(takes: list[tuple[float, int, int]], limit: int) -> None:
    allowance, now, left = Allowance(limit, 60.0), 0.0, []
    for pause, wanted, drawn in takes:
        units, now = min(wanted, limit), now + pause
        now += allowance.wait(units, now)
        assert allowance.wait(units, now) == 0
        allowance.take(units, now)
        used = min(drawn, units)
        allowance.settle(now, units, used)
        left.append((now, used))
    assert most_in_a_minute(left)[1] <= limit


def test_what_is_more_than_the_limit_leaves_when_nothing_else_counts() -> None:
    allowance = Allowance(100, 60.0)
    assert allowance.wait(500, 0.0) == 0
    allowance.take(500, 0.0)
    assert 60 <= allowance.wait(1, 0.0) <= 61


def test_units_that_were_not_used_may_leave_again() -> None:
    allowance = Allowance(100, 60.0)
    allowance.take(100, 5.0)
    assert allowance.wait(40, 6.0) > 50
    allowance.settle(5.0, 100, 60)
    assert allowance.wait(40, 6.0) == 0
    allowance.settle(5.0, 60, 90)  # it was more after all
    assert allowance.wait(40, 6.0) > 50


def test_a_provider_that_has_less_left_than_we_think_is_believed() -> None:
    allowance = Allowance(600, 60.0)
    mark = allowance.take(1, 0.0)
    tell(allowance, 3, mark)  # somebody else uses the same key
    assert allowance.wait(3, 0.0) == 0
    assert 1.9 < allowance.wait(23, 0.0) < 2.1  # ten come back in a second
    tell(allowance, 500, allowance.take(1, 1.0))
    assert allowance.wait(400, 1.0) == 0


def test_of_answers_that_overtake_each_other_the_one_to_the_latest_request_counts() -> None:
    allowance = Allowance(600, 60.0)
    first, second = allowance.take(1, 0.0), allowance.take(1, 1.0)
    tell(allowance, 400, second)
    tell(allowance, 0, first)
    assert allowance.wait(390, 1.0) == 0


# Width.


def test_only_a_429_makes_it_narrower_and_only_once_for_all_in_flight_together() -> None:
    width = Width(16, 512)
    for _ in range(84):
        width.answered(0.0, 1.0, int(width.now))
    assert width.now == 100
    assert width.limited(2.0, 3.0, 100)
    assert not width.limited(2.5, 3.1, 99)
    assert width.now == pytest.approx(70)
    width.failed(4.0)
    assert width.now == pytest.approx(70)


def test_it_grows_slowly_below_what_a_429_was_met_at_and_more_slowly_above() -> None:
    width = Width(100, 512)
    width.limited(0.0, 1.0, 100)
    grown = []
    for round_ in range(12):
        before = width.now
        for _ in range(int(width.now)):
            width.answered(2.0 + round_, 2.0 + round_, int(width.now))
        grown.append(width.now / before - 1)
    assert grown[0] == pytest.approx(0.05, abs=0.005)
    assert grown[-1] == pytest.approx(0.01, abs=0.005)


def test_it_does_not_grow_while_it_is_not_used_nor_after_a_failure_nor_from_older_answers() -> None:
    width = Width(16, 512)
    width.answered(0.0, 1.0, 3)
    assert width.now == 16
    width.failed(1.0)
    width.answered(2.0, 3.0, 16)
    assert width.now == 16
    width.answered(12.0, 13.0, 16)
    assert width.now == 17
    width.limited(14.0, 15.0, 17)
    cut = width.now
    width.answered(14.5, 30.0, 17)
    assert width.now == cut


def test_it_stays_between_one_and_its_most() -> None:
    width = Width(16, 20)
    for _ in range(50):
        width.answered(0.0, 0.0, int(width.now))
    assert width.now == 20
    for second in range(100):
        width.limited(float(second), float(second), int(width.now))
    assert width.now == 1


# Pauses.


def test_what_one_request_is_told_to_wait_holds_for_all() -> None:
    pace = Pace(random=Random(0).random)
    first, second = pace.leave(10, 0.0), pace.leave(10, 0.0)
    pace.limited(first, 1.0, 86_400.0, None)
    pace.limited(second, 1.1, 5.0, None)
    assert pace.wait(10, 2.0) == pytest.approx(86_399)
    assert "as the server asked" in pace.why(10, 2.0)
    assert pace.wait(10, 86_401.0) == 0


def test_without_a_word_the_pauses_grow_and_an_answer_ends_that() -> None:
    pace, now, pauses = Pace(random=lambda: 0.0), 0.0, []
    for _ in range(8):
        ticket = pace.leave(1, now)
        pace.limited(ticket, now + 1, None, None)
        pauses.append(pace.wait(1, now + 1))
        now += 1 + pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    pace.answered(pace.leave(1, now), now + 1, 1, None)
    pace.limited(pace.leave(1, now + 2), now + 3, None, None)
    assert pace.wait(1, now + 3) == 1


def test_a_429_that_says_what_is_used_up_and_when_it_starts_again_is_believed() -> None:
    pace = Pace(random=Random(0).random)
    pace.limited(pace.leave(1, 0.0), 1.0, None, Limits(requests=60, requests_left=0, requests_reset=42.0))
    assert pace.wait(1, 1.0) == pytest.approx(42)


@given(st.integers(1, 100), st.floats(0, 1))
def test_a_try_waits_for_twice_as_long_as_the_one_before_less_up_to_half_of_it(attempt: int, drawn: float) -> None:
    longest = min(60, 2 ** (attempt - 1))
    wait = backoff(attempt, lambda: drawn)
    assert longest / 2 <= wait <= longest
    assert wait == pytest.approx(longest - drawn * longest / 2)


@given(st.integers(1, 99), st.floats(0, 1), st.floats(0, 1))
def test_no_try_waits_less_than_the_one_before_until_they_wait_for_half_a_minute(
    attempt: int, drawn: float, later: float
) -> None:
    assert backoff(attempt + 1, lambda: later) >= min(30, backoff(attempt, lambda: drawn))


# The circuit.


def test_a_server_that_fails_every_time_is_tried_with_one_request_now_and_then() -> None:
    pace = Pace(random=Random(0).random)
    for _ in range(10):
        pace.failed(pace.leave(1, 0.0), 1.0, None)
    assert pace.circuit.open
    assert pace.wait(1, 1.0) == pytest.approx(5)
    probe = pace.leave(1, 6.0)
    assert pace.wait(1, 6.0) == math.inf
    assert not pace.failed(probe, 7.0, None)  # not this request's fault
    assert pace.wait(1, 7.0) == pytest.approx(10)
    pace.answered(pace.leave(1, 17.0), 18.0, 1, None)
    assert not pace.circuit.open
    assert pace.wait(1, 18.0) == 0


def test_failures_between_answers_do_not_open_the_circuit() -> None:
    pace = Pace(random=Random(0).random)
    for _ in range(100):
        assert pace.failed(pace.leave(1, 0.0), 0.0, None)
        pace.answered(pace.leave(1, 0.0), 0.0, 1, None)
    assert not pace.circuit.open


def test_how_long_it_is_down_is_counted_from_its_first_failure_for_good() -> None:
    circuit = Circuit()
    assert circuit.down_for(100.0) == 0
    for second in range(10):
        circuit.failed(float(second))
    circuit.left()
    circuit.failed(50.0)
    assert circuit.down_for(109.0) == 100


# Forecasts.


@settings(max_examples=20)
@given(st.integers(1, 400), st.integers(0, 2**32))
def test_what_is_reserved_for_many_is_near_to_what_they_use(in_flight: int, seed: int) -> None:
    random, forecast = Random(seed), Forecast()
    for _ in range(3000):
        forecast.learn(int(random.expovariate(1 / 300)))
    assert forecast.expect(10_000, in_flight) == pytest.approx(300 * (1 + 1 / math.sqrt(in_flight + 1)), rel=0.35)
    assert forecast.expect(50, in_flight) == 50


def test_the_worst_case_is_reserved_until_enough_answers_are_known() -> None:
    forecast = Forecast()
    for _ in range(19):
        assert forecast.expect(4096, 0) == 4096
        forecast.learn(10)
    forecast.learn(10)
    assert forecast.expect(4096, 0) <= 12
