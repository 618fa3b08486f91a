"""What the headers of an answer say about waiting and about limits, in every dialect that servers use.

Headers are advice from a stranger: what cannot be read is None, as if it had not been said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

from phase0.catalog.models import LimitHeaders
from phase0.providers import Limits

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_PART = r"(\d{1,18}\.?\d{0,18}|\.\d{1,18})(h|ms|m|s|us|µs|μs|ns)"
_DURATION = re.compile(rf"(?:{_PART})+", re.ASCII)
_PARTS = re.compile(_PART, re.ASCII)
_NUMBER = re.compile(r"-?(?:\d{1,18}\.?\d{0,18}|\.\d{1,18})", re.ASCII)
_EPOCH = 1e9  # seconds; a larger number is a moment since 1970, and beyond a thousand times this one in milliseconds


def seconds(text: str, now: float) -> float | None:
    """A wait in seconds, 0 or more: from `1.5`, `6m0s`, `12ms`, an HTTP date, or a moment since 1970.

    `now` is the time since 1970 in seconds.
    """
    span = _span(text)
    if span is not None and span < _EPOCH:
        return span
    moment = _moment(text) if span is None else span if span < _EPOCH * 1000 else span / 1000
    return None if moment is None else max(0.0, moment - now)


@lru_cache(maxsize=4096)
def _span(text: str) -> float | None:
    """A number or a duration, in seconds. Kept: a server repeats its few values in every answer."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return max(0.0, float(text))
    if _DURATION.fullmatch(text):
        return sum(float(count) * _UNITS[unit] for count, unit in _PARTS.findall(text))
    return None


def _moment(text: str) -> float | None:
    """An HTTP date, in seconds since 1970."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """How long the server asks us to wait, in seconds: `retry-after-ms` is the more exact of the two."""
    exact = headers.get("retry-after-ms")
    if exact is not None and _NUMBER.fullmatch(exact.strip()):
        return max(0.0, float(exact) / 1000)
    said = headers.get("retry-after")
    return None if said is None else seconds(said, now)


def limits_reader(names: LimitHeaders, clock: Callable[[], float]) -> Callable[[Mapping[str, str]], Limits | None]:
    """The function that reads a server's limits from headers; it returns None where they say nothing.

    `clock` gives seconds since 1970. Read once for every answer, so what does not change is prepared here.
    """
    windows = (names.requests_window, names.tokens_window)

    def read(headers: Mapping[str, str]) -> Limits | None:
        requests, requests_left = _count(headers, names.requests), _count(headers, names.requests_left)
        tokens, tokens_left = _count(headers, names.tokens), _count(headers, names.tokens_left)
        requests_reset = _wait(headers, names.requests_reset, clock)
        tokens_reset = _wait(headers, names.tokens_reset, clock)
        if requests is requests_left is tokens is tokens_left is requests_reset is tokens_reset is None:
            return None
        return Limits(requests, requests_left, requests_reset, tokens, tokens_left, tokens_reset, *windows)

    return read


def _count(headers: Mapping[str, str], names: tuple[str, ...]) -> float | None:
    for name in names:
        said = headers.get(name)
        if said is not None:
            return int(said) if said.isdecimal() and len(said) < 19 else _odd_count(said)
    return None


def _wait(headers: Mapping[str, str], names: tuple[str, ...], clock: Callable[[], float]) -> float | None:
    for name in names:
        said = headers.get(name)
        if said is not None:
            return seconds(said, clock())
    return None


def _odd_count(said: str) -> float | None:
    """A count that is written with spaces, a sign, or a fraction, as limits by the second may be."""
    return max(0.0, float(said)) if _NUMBER.fullmatch(said.strip()) else None
