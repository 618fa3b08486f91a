"""What a provider has left, read from its headers: hardly a second is lost to it, and hardly a request answered 429."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from providermodel import FixedWindow, Job, Seen, TokenBucket, run

from phase0.gateway.bucket import Bucket, Mark
from phase0.gateway.pace import Pace
from phase0.providers import Limits

ANSWER = 300  # tokens, in the mean
ASKED = 512  # tokens of a request where all of max_tokens is counted


Counted = Callable[[Random, int], list[Job]]


def unknown(random: Random, count: int) -> list[Job]:
    """Requests whose answers have 30 to 570 tokens: nobody knows before they come."""
    return [Job(ANSWER, random.randint(30, 2 * ANSWER - 30)) for _ in range(count)]


def asked(random: Random, count: int) -> list[Job]:
    """Requests that are counted at all of max_tokens, though their answers are far shorter."""
    return [Job(ANSWER, ASKED) for _ in range(count)]


def sent(
    provider: FixedWindow | TokenBucket, work: list[Job], random: Random, *, median: float = 2.0, **said: object
) -> Seen:
    """What became of the work, when only headers tell the limits."""
    return run(
        Pace(random=random.random),
        provider,
        work,
        random=random,
        latency=lambda: median * math.exp(random.gauss(0, 0.5)),
        way=lambda: random.uniform(0.02, 0.15),
        headers=True,
        **said,  # type: ignore[arg-type]
    )


def least(work: list[Job], requests: int, tokens: int, burst: float) -> float:
    """Seconds until the last can be let in, by a bucket that is full at the beginning and never again."""
    return max(len(work) / requests, sum(job.used for job in work) / tokens) * 60 - burst


@pytest.mark.parametrize(
    ("requests", "tokens", "count", "counted"),
    [
        (3000, 600_000, 40_000, unknown),  # tokens bind
        (3000, 600_000, 16_000, asked),
        (600, 10**9, 8_000, unknown),  # requests bind
        (60, 10**9, 1_000, unknown),
        (6000, 90_000, 6_000, unknown),
        (6000, 90_000, 4_000, asked),
        (600, 10_000, 700, unknown),  # one in two seconds
        (600, 10_000, 1_200, asked),  # what they cost is learned from two or three 429s
    ],
)
def test_a_bucket_of_a_minute_is_used_to_within_three_percent(
    requests: int, tokens: int, count: int, counted: Counted
) -> None:
    random = Random(11)
    work = counted(random, count)
    seen = sent(TokenBucket(requests, tokens), work, random, resets=True)
    assert seen.finished <= 1.03 * least(work, requests, tokens, 60.0)
    assert seen.limited < 0.005 * count


@pytest.mark.parametrize(
    ("requests", "tokens", "count", "counted"),
    [
        (600, 10**9, 6_000, unknown),
        (290, 10**9, 3_000, unknown),  # 4.83 in a second
        (3000, 600_000, 20_000, unknown),
        (3000, 600_000, 12_000, asked),
        (6000, 90_000, 3_500, asked),  # room for not quite three
    ],
)
def test_a_bucket_of_a_second_is_used_to_within_three_percent(
    requests: int, tokens: int, count: int, counted: Counted
) -> None:
    random = Random(12)
    work = counted(random, count)
    seen = sent(TokenBucket(requests, tokens, burst=1.0), work, random, window=1.0)
    assert seen.finished <= 1.03 * least(work, requests, tokens, 1.0)
    assert seen.limited < 0.005 * count


def test_a_second_with_room_for_five_answers_of_unknown_length_is_kept_but_not_filled() -> None:
    """Some eight answers are on their way unseen, give or take 460 tokens beside a bucket of 1,500: full or empty, it
    cannot be kept from both, and it is kept from being empty."""
    random = Random(13)
    work = unknown(random, 6_000)
    seen = sent(TokenBucket(6000, 90_000, burst=1.0), work, random, window=1.0)
    assert seen.finished <= 1.25 * least(work, 6000, 90_000, 1.0)
    assert seen.limited < 0.005 * len(work)


def test_a_bucket_that_holds_less_than_a_minute_is_recognised_by_its_resets() -> None:
    random = Random(14)
    work = unknown(random, 6_000)
    seen = sent(TokenBucket(6000, 90_000, burst=2.0), work, random, resets=True)
    assert seen.finished <= 1.03 * least(work, 6000, 90_000, 2.0)
    assert seen.limited < 0.005 * len(work)


def test_long_answers_cost_no_more_than_their_own_time() -> None:
    random, median = Random(15), 20.0
    work = unknown(random, 20_000)
    seen = sent(TokenBucket(6000, 300_000), work, random, median=median, resets=True)
    first_round, slowest = median * math.log2(512 / 8) / 2, 6 * median  # it widens; and the last answer
    assert seen.finished <= 1.03 * least(work, 6000, 300_000, 60.0) + first_round + slowest
    assert seen.limited < 0.005 * len(work)


@pytest.mark.parametrize("counted", [unknown, asked])
def test_a_window_is_not_taken_for_a_bucket(counted: Counted) -> None:
    random = Random(16)
    work = counted(random, 3_000)
    pace = Pace(random=random.random)
    evidence = set()

    class Watched(FixedWindow):
        def resets(self, now: float) -> tuple[float, float]:
            evidence.update(allowance.bucket.even for allowance in (*pace._requests, *pace._tokens))
            return super().resets(now)

    run(
        pace,
        Watched(300, 10**9, phase=11.0),
        work,
        random=random,
        latency=lambda: random.uniform(1, 4),
        headers=True,
        resets=True,
    )
    assert evidence == {False}


def test_windows_of_a_second_that_look_like_a_bucket_are_found_out_by_their_429s() -> None:
    random = Random(17)
    pace = Pace(random=random.random)
    run(
        pace,
        FixedWindow(100, 1000, seconds=1.0),
        asked(random, 1_000),
        random=random,
        latency=lambda: random.uniform(1, 4),
        headers=True,
        window=1.0,
    )
    assert not any(allowance.bucket.even for allowance in (*pace._requests, *pace._tokens))


def test_a_429_that_a_bucket_explains_does_not_narrow_what_is_in_flight() -> None:
    pace, limits = Pace(random=Random(0).random), Limits(tokens=1000, tokens_left=900, tokens_window=1.0)
    pace.answered(pace.leave(100, 0.0), 1.0, 100, limits)
    pace.answered(pace.leave(100, 1.0), 2.0, 100, limits)
    width = pace.width.now
    ticket = pace.leave(100, 2.0)
    pace.limited(ticket, 2.1, 0.2, limits._replace(tokens_left=90))
    assert pace.width.now == width
    assert pace.wait(100, 2.1) >= 0.2
    unexplained = pace.leave(100, 5.0)
    pace.limited(unexplained, 5.1, 0.2, limits)
    assert pace.width.now < width


# One bucket.


def known(limit: float = 1000.0, seconds: float = 60.0, at: float = 0.0) -> Bucket:
    """A bucket that counts, full but for the one unit that told so."""
    bucket = Bucket(seconds)
    bucket.even = True
    mark = bucket.take(1, at)
    bucket.shown(limit - 1, limit, None)
    bucket.told(limit - 1, mark)
    return bucket


def reading(bucket: Bucket, now: float) -> float:
    """How much is in it."""
    mark: Mark = bucket.take(0, now)
    assert mark.level is not None
    return mark.level + bucket._moved


def test_nothing_has_to_wait_for_a_bucket_of_which_nothing_was_heard() -> None:
    bucket = Bucket(60.0)
    assert not bucket.counts
    assert bucket.take(10**9, 0.0).level is None
    assert bucket.wait(10**9, 0.0) == 0


def test_what_is_not_counted_is_given_back_once() -> None:
    bucket = known()
    refused, after = bucket.take(300, 0.0), bucket.take(100, 0.0)
    bucket.give_back(refused)
    assert reading(bucket, 0.0) == pytest.approx(899)
    bucket.told(899, after)
    assert reading(bucket, 0.0) == pytest.approx(899)


def test_a_wrong_guess_moves_the_level_only_until_the_header_comes() -> None:
    bucket = known()
    mark, later = bucket.take(100, 0.0), bucket.take(100, 1.0)
    bucket.told(499, mark)  # it was 500 in truth
    assert reading(bucket, 1.0) == pytest.approx(499 + 1000 / 60 - 100, rel=0.2)
    bucket.told(16, later)
    assert reading(bucket, 1.0) == pytest.approx(16)
    assert bucket.take(100, 1.0).cost > 100


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 400), st.integers(1, 400)), min_size=1, max_size=80))
def test_after_every_header_it_is_as_full_as_the_provider_says(work: list[tuple[float, int, int]]) -> None:
    bucket, level, now = known(), 999.0, 0.0
    for pause, thought, cost in work:
        now += pause
        level = min(1000.0, level + pause * 1000 / 60)
        mark = bucket.take(thought, now)
        level -= cost
        bucket.told(level, mark)
        assert reading(bucket, now) == pytest.approx(level, abs=1e-6)


@given(st.integers(1, 5000), st.integers(0, 1000))
def test_a_request_of_any_size_leaves_when_the_bucket_is_full_at_the_latest(units: int, gone: int) -> None:
    bucket = known()
    bucket.take(gone, 0.0)
    wait = bucket.wait(units, 0.0)
    assert 0 <= wait <= 61
    assert bucket.wait(units, wait) == 0
