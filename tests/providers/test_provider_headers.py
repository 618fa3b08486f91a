"""Headers about waiting and limits: every dialect is read, and nonsense is as if it had not been said."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from phase0.catalog.models import LimitHeaders, servers
from phase0.providers import Limits
from phase0.providers.headers import limits_reader, retry_after, seconds

NOW = 1_800_000_000.0


def go_duration(nanoseconds: int) -> str:
    """A duration as Go's `Duration.String` writes it."""
    if nanoseconds < 1_000_000_000:
        for unit, size in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)):
            if nanoseconds >= size:
                return decimal(nanoseconds, size) + unit
        return "0s"
    minutes, rest = divmod(nanoseconds, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if hours or minutes else ""
    return f"{text}{decimal(rest, 1_000_000_000)}s"


def decimal(value: int, size: int) -> str:
    whole, part = divmod(value, size)
    digits = len(str(size)) - 1
    return f"{whole}.{part:0{digits}d}".rstrip("0").rstrip(".") if digits else str(whole)


@given(st.integers(0, 10**15))
def test_any_duration_of_go_is_read_as_the_seconds_it_stands_for(nanoseconds: int) -> None:
    assert seconds(go_duration(nanoseconds), NOW) == pytest.approx(nanoseconds / 1e9, abs=1e-9)


@given(st.floats(0, 1e8))
def test_plain_seconds_are_read_as_they_are(wait: float) -> None:
    assert seconds(f"{wait:.6f}", NOW) == pytest.approx(wait, abs=1e-6)


@given(st.integers(0, 10**7))
def test_a_date_is_a_wait_until_then(ahead: int) -> None:
    moment = datetime.fromtimestamp(NOW + ahead, UTC)
    assert seconds(format_datetime(moment, usegmt=True), NOW) == ahead
    assert seconds(str(int(NOW) + ahead), NOW) == ahead
    assert seconds(str((int(NOW) + ahead) * 1000), NOW) == ahead


@given(st.text(max_size=30))
def test_whatever_a_header_says_is_a_wait_or_nothing(text: str) -> None:
    found = seconds(text, NOW)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("6m0s", 360),
        ("12ms", 0.012),
        ("1h2m3.5s", 3723.5),
        ("2m59.56s", 179.56),
        (" 1s ", 1),
        ("0", 0),
        ("-5", 0),
        ("86400", 86400),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("soon", None),
        ("", None),
        ("1 s", None),
        ("5m0", None),
        ("nan", None),
        ("1e9", None),
        ("٣", None),
    ],
)
def test_waits_are_read_or_ignored(text: str, wait: float | None) -> None:
    assert seconds(text, NOW) == wait


def test_milliseconds_go_before_seconds_and_nonsense_is_no_wait() -> None:
    assert retry_after(CIMultiDict({"Retry-After": "2", "Retry-After-Ms": "1500"}), NOW) == 1.5
    assert retry_after(CIMultiDict({"Retry-After": "2", "Retry-After-Ms": "soon"}), NOW) == 2
    assert retry_after(CIMultiDict({"Retry-After": "later"}), NOW) is None
    assert retry_after(CIMultiDict(), NOW) is None


def test_limits_of_openai_are_read() -> None:
    headers = CIMultiDict(
        {
            "x-ratelimit-limit-requests": "10000",
            "x-ratelimit-remaining-requests": "9999",
            "x-ratelimit-reset-requests": "6ms",
            "x-ratelimit-limit-tokens": "2000000",
            "x-ratelimit-remaining-tokens": "1999000.5",
            "x-ratelimit-reset-tokens": "6m0s",
        }
    )
    read = limits_reader(LimitHeaders(), lambda: NOW)
    assert read(headers) == Limits(10000, 9999, 0.006, 2_000_000, 1_999_000.5, 360.0)


def test_limits_of_together_are_per_second_and_the_dynamic_one_counts() -> None:
    read = limits_reader(servers()["together"].limit_headers, lambda: NOW)
    headers = CIMultiDict(
        {
            "x-ratelimit-limit": "100",
            "x-ratelimit-limit-dynamic": "70",
            "x-ratelimit-remaining": "69",
            "x-ratelimit-reset": "1",
            "x-tokenlimit-limit": "33333",
            "x-tokenlimit-remaining": "33000",
        }
    )
    assert read(headers) == Limits(70, 69, 1.0, 33333, 33000, None, 1.0, 1.0)


def test_requests_of_groq_are_per_day_and_its_tokens_per_minute() -> None:
    read = limits_reader(servers()["groq"].limit_headers, lambda: NOW)
    limits = read(CIMultiDict({"x-ratelimit-limit-requests": "14400", "x-ratelimit-limit-tokens": "18000"}))
    assert limits is not None
    assert (limits.requests_window, limits.tokens_window) == (86_400, 60)


def test_openrouter_says_when_its_window_ends_in_milliseconds_since_1970() -> None:
    read = limits_reader(servers()["openrouter"].limit_headers, lambda: NOW)
    limits = read(CIMultiDict({"X-RateLimit-Limit": "20", "X-RateLimit-Reset": str(int(NOW + 30) * 1000)}))
    assert limits is not None
    assert (limits.requests, limits.requests_reset) == (20, 30.0)


def test_headers_that_say_nothing_are_no_limits() -> None:
    read = limits_reader(LimitHeaders(), lambda: NOW)
    assert read(CIMultiDict({"content-type": "application/json"})) is None
    assert read(CIMultiDict({"x-ratelimit-limit-requests": "unlimited"})) is None
