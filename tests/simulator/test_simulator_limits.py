"""Requests and tokens per minute, and the headers that tell of them."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from provider import GPT, LLAMA, MODELS, Provider, error_of, said

from phase0.simulator.limits import Bucket, go_duration
from phase0.simulator.settings import Limits, Settings

TOGETHER = "/together/v1/chat/completions"


def limited(**limits: object) -> Settings:
    return Settings(models=MODELS, limits=msgspec.convert(limits, Limits))


def headers(sent: object) -> dict[str, str]:
    return dict(sent.headers)  # type: ignore[attr-defined]


@given(st.integers(1, 10_000), st.lists(st.tuples(st.floats(0, 100), st.integers(1, 500)), max_size=60))
def test_no_more_is_given_than_was_saved_and_refilled(per_minute: int, asked: list[tuple[float, int]]) -> None:
    bucket, now, taken = Bucket(per_minute, 60, 0.0), 0.0, 0
    for passed, amount in asked:
        now += passed
        bucket.refill(now)
        if bucket.wait(amount) == 0 and amount <= bucket.capacity:
            bucket.level -= amount
            taken += amount
        assert taken <= per_minute * (1 + now / 60) + 1e-6
        assert bucket.level <= bucket.capacity


@given(st.integers(1, 10_000), st.integers(1, 20_000))
def test_after_the_wait_there_is_enough(per_minute: int, amount: int) -> None:
    bucket = Bucket(per_minute, 60, 0.0)
    bucket.level = 0.0
    bucket.refill(bucket.wait(amount))
    assert bucket.wait(amount) < 1e-6


@pytest.mark.parametrize("path", ["/v1/chat/completions", TOGETHER])
def test_requests_beyond_the_limit_get_429_and_the_truth_about_how_long_to_wait(tmp_path: Path, path: str) -> None:
    with Provider(tmp_path, limited(requests_per_minute=60)) as provider:
        sent = [provider.chat(f"Question {number}", path=path) for number in range(62)]
        assert [one.status for one in sent] == [200] * 60 + [429] * 2
        wait = float(headers(sent[-1])["retry-after-ms"]) / 1000
        assert 0.99 <= wait <= 1.01
        provider.clock.skip(wait - 0.05)
        assert provider.chat(path=path).status == 429
        provider.clock.skip(0.05)
        assert provider.chat(path=path).status == 200
        assert provider.bill().requests == 61


def test_tokens_are_limited_by_what_was_used_or_by_what_was_asked_for(tmp_path: Path) -> None:
    for charge, each in (("used", 8 + 4), ("asked", 100)):
        (tmp_path / charge).mkdir()
        settings = limited(tokens_per_minute=1000, charge=charge)
        with Provider(tmp_path / charge, settings) as provider:
            sent = [provider.chat("Hi", max_tokens=100 if charge == "asked" else 4) for _ in range(100)]
            assert sum(one.status == 200 for one in sent) == 1000 // each
            assert "tokens per min" in said(sent[-1])["error"]["message"]
            assert error_of(sent[-1]) == "rate_limit_exceeded"
            assert said(sent[-1])["error"]["type"] == "tokens"


def test_a_request_larger_than_the_limit_waits_for_a_full_bucket_and_then_for_its_debt(tmp_path: Path) -> None:
    with Provider(tmp_path, limited(tokens_per_minute=600, charge="asked")) as provider:
        assert provider.chat(max_tokens=900).status == 200
        second = provider.chat(max_tokens=10)  # whose prompt has 11 tokens
        assert second.status == 429
        assert float(headers(second)["retry-after-ms"]) == pytest.approx(31_100, abs=2)


def test_headers_tell_limits_by_the_minute_and_times_as_go_writes_them(tmp_path: Path) -> None:
    with Provider(tmp_path, limited(requests_per_minute=600, tokens_per_minute=60_000)) as provider:
        used = said(provider.chat())["usage"]["total_tokens"]
        found = headers(provider.chat())
        assert found["x-ratelimit-limit-requests"] == "600"
        assert found["x-ratelimit-remaining-requests"] == "598"
        assert found["x-ratelimit-reset-requests"] == "200ms"
        assert found["x-ratelimit-limit-tokens"] == "60000"
        assert found["x-ratelimit-remaining-tokens"] == str(60_000 - 2 * used)
        assert found["x-ratelimit-reset-tokens"] == go_duration(2 * used / 1000)


def test_together_tells_limits_by_the_second(tmp_path: Path) -> None:
    with Provider(tmp_path, limited(requests_per_minute=600, tokens_per_minute=60_000)) as provider:
        found = headers(provider.chat(path=TOGETHER))
        assert found["x-ratelimit-limit"] == found["x-ratelimit-limit-dynamic"] == "10"
        assert found["x-tokenlimit-limit"] == "1000"
        assert found["x-ratelimit-reset"] == "0.100"
        assert "x-ratelimit-limit-requests" not in found
    (tmp_path / "b").mkdir()
    with Provider(tmp_path / "b", limited(requests_per_minute=1)) as provider:
        provider.chat(path=TOGETHER)
        assert said(provider.chat(path=TOGETHER))["error"]["type"] == "dynamic_request_limited"
    (tmp_path / "c").mkdir()
    with Provider(tmp_path / "c", limited(tokens_per_minute=10)) as provider:
        provider.chat(path=TOGETHER)
        assert said(provider.chat(path=TOGETHER))["error"]["type"] == "dynamic_token_limited"


def test_headers_are_absent_where_there_is_no_limit_or_they_are_turned_off(tmp_path: Path) -> None:
    with Provider(tmp_path) as provider:
        assert provider.chat().headers == ()
    (tmp_path / "b").mkdir()
    with Provider(tmp_path / "b", limited(requests_per_minute=1, headers=False)) as provider:
        assert provider.chat().headers == ()
        assert set(headers(provider.chat())) == {"retry-after", "retry-after-ms"}


def test_every_key_and_every_model_has_a_limit_of_its_own(tmp_path: Path) -> None:
    slow = msgspec.structs.replace(GPT, requests_per_minute=1)
    settings = Settings(models=(slow, LLAMA), limits=Limits(requests_per_minute=2))
    with Provider(tmp_path, settings) as provider:
        assert [provider.chat(key="a").status for _ in range(2)] == [200, 429]
        assert [provider.chat(key="b").status for _ in range(2)] == [200, 429]
        assert [provider.chat(key="a", model=LLAMA.name).status for _ in range(3)] == [200, 200, 429]


def test_a_provider_that_is_sped_up_says_the_limits_and_waits_that_the_client_will_see(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(limited(requests_per_minute=60), speed=10.0)
    with Provider(tmp_path, settings) as provider:
        sent = [provider.chat() for _ in range(61)]
        assert headers(sent[0])["x-ratelimit-limit-requests"] == "600"
        assert float(headers(sent[-1])["retry-after"]) == pytest.approx(0.1)
        provider.clock.skip(1.0)  # the provider's second: a tenth of the client's
        assert provider.chat().status == 200


def read_go(text: str) -> float:
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    assert re.fullmatch(r"(\d+(\.\d+)?(ms|[hms]))+", text)
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(ms|[hms])", text))


@given(st.floats(0, 100_000))
def test_a_go_duration_says_the_seconds_to_the_millisecond(seconds: float) -> None:
    assert read_go(go_duration(seconds)) == pytest.approx(seconds, abs=0.00051)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (0.012, "12ms"), (1, "1s"), (1.5, "1.5s"), (360, "6m0s"), (3723, "1h2m3s")]
)
def test_go_durations_look_as_go_writes_them(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text
