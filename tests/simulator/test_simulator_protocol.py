"""The simulator speaks the real protocol: OpenAI's own client understands what it says and what it breaks off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal

import openai
import pydantic
import pytest
from provider import MODELS, jsonl, lines_of

from phase0.simulator import Faults, Simulated, simulated
from phase0.simulator.settings import BatchLife, Settings

QUICK = BatchLife(validating=0, running=0, finalizing=0, cancelling=0)
SETTINGS = Settings(models=MODELS, keys=("sk-1", "sk-2"), batches=QUICK, faults=Faults(retry_after=0.01))
HELLO = [{"role": "user", "content": "Hello, who are you?"}]


@pytest.fixture(scope="module")
def provider() -> Iterator[Simulated]:
    with simulated(SETTINGS) as running:
        yield running


@pytest.fixture
def client(provider: Simulated) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.url, api_key="sk-1", max_retries=0, timeout=100) as made:
        yield made


def test_a_completion_is_read_whole(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="gpt-4o", messages=HELLO, n=2)
    assert reply.object == "chat.completion"
    assert reply.model == "gpt-4o"
    assert [choice.finish_reason for choice in reply.choices] == ["stop", "stop"]
    assert reply.choices[0].message.role == "assistant"
    assert reply.choices[0].message.content != reply.choices[1].message.content
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_a_stream_says_what_the_whole_reply_says_and_ends_with_its_usage(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    stream = client.chat.completions.create(
        model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert len(chunks) > 5


def test_a_stream_is_charged_like_a_whole_reply(client: openai.OpenAI, provider: Simulated) -> None:
    before = provider.bill()
    for _ in client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True):
        pass
    client.chat.completions.create(model="gpt-4o", messages=HELLO)
    added = [after - earlier for after, earlier in zip(provider.bill().tokens, before.tokens, strict=True)]
    assert all(count % 2 == 0 for count in added)
    assert added[0] > 0


def test_logprobs_are_parsed(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="gpt-4o", messages=HELLO, logprobs=True, top_logprobs=3, max_completion_tokens=5
    )
    assert reply.choices[0].logprobs is not None
    content = reply.choices[0].logprobs.content or []
    assert len(content) == 5
    assert all(len(one.top_logprobs) == 3 for one in content)


def test_a_structured_answer_is_parsed_into_its_model(client: openai.OpenAI) -> None:
    class Scores(pydantic.BaseModel):
        correctness: int = pydantic.Field(ge=1, le=10)
        reasons: list[str]

    reply = client.chat.completions.parse(model="gpt-4o", messages=HELLO, response_format=Scores)
    parsed = reply.choices[0].message.parsed
    assert parsed is not None
    assert 1 <= parsed.correctness <= 10


def test_a_structured_refusal_is_told_apart(client: openai.OpenAI, provider: Simulated) -> None:
    provider.change(Faults(refusal=1.0))
    try:
        message = client.chat.completions.create(model="gpt-4o", messages=HELLO).choices[0].message
        assert message.content is None
        assert "can't help" in (message.refusal or "")
    finally:
        provider.change(SETTINGS.faults)


def test_models_are_listed_with_the_day_they_end(client: openai.OpenAI) -> None:
    found = {model.id: model.shutdown_date for model in client.models.list()}
    assert found == {"gpt-4o": "2027-01-14", MODELS[1].name: None}
    assert client.models.retrieve("gpt-4o").shutdown_date == "2027-01-14"
    assert client.models.retrieve(MODELS[1].name).id == MODELS[1].name
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("rate_limit", openai.RateLimitError, "rate_limit_exceeded"),
        ("slow_down", openai.RateLimitError, "slow_down"),
        ("no_quota", openai.RateLimitError, "insufficient_quota"),
        ("server_error", openai.InternalServerError, "server_error"),
        ("overloaded", openai.InternalServerError, "server_is_overloaded"),
        ("bad_gateway", openai.InternalServerError, None),
        ("bad_key", openai.AuthenticationError, "invalid_api_key"),
        ("no_access", openai.PermissionDeniedError, "unsupported_country_region_territory"),
        ("unknown_model", openai.NotFoundError, "model_not_found"),
        ("too_long", openai.BadRequestError, "context_length_exceeded"),
    ],
)
def test_an_error_is_raised_as_the_class_and_code_that_the_real_one_has(
    client: openai.OpenAI, provider: Simulated, fault: str, kind: type[openai.APIStatusError], code: str | None
) -> None:
    provider.force(fault)
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert caught.value.code == code


def test_a_wrong_key_an_unknown_model_and_a_bad_request_are_errors_without_any_fault(
    client: openai.OpenAI, provider: Simulated
) -> None:
    with (
        openai.OpenAI(base_url=provider.url, api_key="sk-wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.models.list()
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-9", messages=HELLO)
    with pytest.raises(openai.BadRequestError, match="top_logprobs needs logprobs"):
        client.chat.completions.create(model="gpt-4o", messages=HELLO, top_logprobs=2)


def test_the_client_s_own_retries_come_through_and_are_charged_once(provider: Simulated) -> None:
    before = provider.bill().requests
    with openai.OpenAI(base_url=provider.url, api_key="sk-2", max_retries=2, timeout=100) as patient:
        provider.force("rate_limit", "rate_limit")
        raw = patient.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO)
        assert raw.retries_taken == 2
        assert raw.parse().choices[0].finish_reason == "stop"
    assert provider.bill().requests == before + 1
    mine = [entry for entry in provider.requests() if entry.fault == "rate_limit"][-2:]
    assert [(entry.status, entry.charged) for entry in mine] == [(429, False), (429, False)]


def test_connections_that_break_are_connection_errors(client: openai.OpenAI, provider: Simulated) -> None:
    for fault in ("dropped", "lost", "truncated"):
        provider.force(fault)
        with pytest.raises(openai.APIConnectionError):
            client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert client.chat.completions.create(model="gpt-4o", messages=HELLO).choices


def test_silence_is_a_timeout(client: openai.OpenAI, provider: Simulated) -> None:
    provider.force("stall")
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.2).chat.completions.create(model="gpt-4o", messages=HELLO)
    assert provider.requests()[-1].status is None


def test_a_body_that_is_not_json_is_met_by_the_parser(client: openai.OpenAI, provider: Simulated) -> None:
    provider.force("malformed")
    with pytest.raises((json.JSONDecodeError, openai.APIResponseValidationError)):
        client.chat.completions.create(model="gpt-4o", messages=HELLO)


def test_a_stream_that_breaks_off_is_an_error_and_one_without_its_end_is_none(
    client: openai.OpenAI, provider: Simulated
) -> None:
    provider.force("truncated")
    with pytest.raises(openai.APIConnectionError):
        list(client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True))
    provider.force("no_finish")
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True))
    assert {chunk.choices[0].finish_reason for chunk in chunks} == {None}


def test_files_are_kept_listed_and_removed(client: openai.OpenAI) -> None:
    made = client.files.create(file=("in.jsonl", b'{"a": 1}\n'), purpose="batch")
    assert (made.bytes, made.filename, made.purpose, made.status) == (9, "in.jsonl", "batch", "processed")
    assert client.files.content(made.id).read() == b'{"a": 1}\n'
    assert client.files.retrieve(made.id) == made
    assert made.id in {file.id for file in client.files.list()}
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)


def test_a_batch_is_made_found_by_its_tag_and_read(client: openai.OpenAI, provider: Simulated) -> None:
    file = client.files.create(file=("in.jsonl", jsonl(lines_of(30))), purpose="batch")
    made = client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"tag": "run-7/shard-1"},
    )
    provider.skip(1)
    found = next(
        batch for batch in client.batches.list(limit=1) if (batch.metadata or {}).get("tag") == "run-7/shard-1"
    )
    assert found.id == made.id
    assert found.status == "completed"
    assert found.request_counts is not None
    assert (found.request_counts.total, found.request_counts.completed) == (30, 30)
    assert found.output_file_id is not None
    output = [json.loads(line) for line in client.files.content(found.output_file_id).text.splitlines()]
    assert {line["custom_id"] for line in output} == {f"r{number}" for number in range(30)}
    online = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Question 7"}])
    seven = next(line for line in output if line["custom_id"] == "r7")
    assert seven["response"]["body"]["choices"][0]["message"]["content"] == online.choices[0].message.content


def test_a_batch_that_fails_says_why(client: openai.OpenAI, provider: Simulated) -> None:
    file = client.files.create(file=("in.jsonl", b"no json\n"), purpose="batch")
    made = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    provider.skip(1)
    failed = client.batches.retrieve(made.id)
    assert failed.status == "failed"
    assert failed.errors is not None
    assert [(error.code, error.line) for error in failed.errors.data or []] == [("invalid_json_line", 1)]
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(made.id)


def test_together_s_reply_to_create_hides_the_job_from_openai_s_client(provider: Simulated) -> None:
    with openai.OpenAI(base_url=provider.url_of("together"), api_key="sk-1", max_retries=0) as client:
        file = client.files.create(file=("in.jsonl", jsonl(lines_of(1))), purpose="batch-api")  # type: ignore[arg-type]
        made = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        assert made.id is None
        assert made.model_extra is not None
        assert made.model_extra["job"]["status"] in {"VALIDATING", "COMPLETED"}


def test_many_clients_at_once_get_their_own_answers_and_one_bill(provider: Simulated) -> None:
    before = provider.bill()

    async def ask() -> list[tuple[str | None, str | None]]:
        async with openai.AsyncOpenAI(base_url=provider.url, api_key="sk-2", max_retries=0, timeout=100) as client:

            async def one(number: int) -> tuple[str | None, str | None]:
                messages = [{"role": "user", "content": f"Question {number % 50}"}]
                reply = await client.chat.completions.create(model="gpt-4o", messages=messages)  # type: ignore[call-overload]
                return messages[0]["content"], reply.choices[0].message.content

            return await asyncio.gather(*(one(number) for number in range(200)))

    answers = asyncio.run(ask())
    assert len(set(answers)) == 50
    after = provider.bill()
    assert after.requests - before.requests == 200
    assert (after.usd or Decimal()) > (before.usd or Decimal())
