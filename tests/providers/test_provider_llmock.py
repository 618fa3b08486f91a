"""The wire against llmock, a server that nobody here wrote: a limit, an outage or a reply there is one here.

Waiting and asking again is the gateway's; here every answer is looked at once.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from loopback import endpoint, run

from phase0.errors import ProviderError, Refused, Transient
from phase0.providers import ENDED, Provider, connect
from phase0.records import Request

pytest.importorskip("llmock", reason="the test server llmock is not installed")

T = TypeVar("T")
QUESTION = Request(model="gpt-4o-mini", messages=(("user", "Name a colour."),), params={"max_tokens": 50})


def using(url: str, use: Callable[[Provider], Awaitable[T]], server: str = "openai") -> T:
    async def whole() -> T:
        provider = connect(endpoint(url, server, "gpt-4o-mini"), "test", timeout=20)
        try:
            return await use(provider)
        finally:
            await provider.close()

    return run(whole())


async def failing(provider: Provider) -> ProviderError:
    with pytest.raises(ProviderError) as error:
        await provider.send(QUESTION)
    return error.value


@pytest.mark.parametrize("server", ["openai", "together", "groq"])
def test_a_reply_is_read_with_its_tokens(llmock: Any, server: str) -> None:
    llmock.reply("Teal.")

    async def ask(provider: Provider) -> Any:
        return provider.read((await provider.send(QUESTION)).body)

    reply = using(llmock.base_url(server), ask, server)
    assert (reply.text, reply.finish_reason) == ("Teal.", "stop")
    assert reply.tokens_in
    assert reply.tokens_out


def test_a_limit_says_how_long_to_wait_and_what_is_left(llmock: Any) -> None:
    llmock.limits(rpm=1, tpm=100_000)

    async def twice(provider: Provider) -> tuple[Any, ProviderError]:
        return await provider.send(QUESTION), await failing(provider)

    sent, error = using(llmock.base_url(), twice)
    assert sent.limits.requests == 1
    assert sent.limits.requests_left == 0
    assert sent.limits.tokens == 100_000
    assert isinstance(error, Transient)
    assert error.reason == "rate_limit"
    assert error.retry_after is not None
    assert 0 < error.retry_after <= 60


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        (lambda server: server.rate_limit(retry_after=3), Transient, "rate_limit"),
        (lambda server: server.outage(), Transient, "overload"),
        (lambda server: server.fail(500), Transient, "server"),
        (lambda server: server.context_overflow(), Refused, "too_long"),
    ],
)
def test_its_faults_are_the_outcomes_that_they_are_meant_to_be(
    llmock: Any, fault: Callable[[Any], object], kind: type[ProviderError], reason: str
) -> None:
    fault(llmock)
    error = using(llmock.base_url(), failing)
    assert isinstance(error, kind)
    assert error.reason == reason  # type: ignore[attr-defined]


def test_models_are_listed(llmock: Any) -> None:
    assert using(llmock.base_url(), lambda provider: provider.models())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # llmock leaves uploads open
def test_a_batch_goes_up_is_found_by_its_tag_and_comes_back(llmock: Any, tmp_path: Path) -> None:
    async def whole(provider: Provider) -> tuple[bool, str, list[Any]]:
        batches = provider.batches
        assert batches is not None
        path = tmp_path / "batch.jsonl"
        path.write_bytes(batches.line("a", QUESTION) + batches.line("b", QUESTION))
        made = await batches.submit(path, "our-tag")
        assert await batches.find("another") is None
        found = await batches.find("our-tag")
        while (state := await batches.state(made)).status not in ENDED:
            await asyncio.sleep(0.2)
        return (found == made and found) or None, state.status, [line async for line in batches.lines(state)]

    found, status, lines = using(llmock.base_url(), whole)
    gc.collect()
    assert found
    assert status == "completed"
    assert sorted(line.custom_id for line in lines) == ["a", "b"]
    assert all(line.raw and line.failure is None for line in lines)
