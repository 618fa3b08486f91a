"""Replicate: predictions are made, waited for and put together; what it cannot say is refused, not lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from loopback import KEY, QUESTION, Asked, answer, endpoint, run, serving

from phase0.errors import Fatal, ProviderError, Refused, Transient
from phase0.providers import Listed, Sent, connect
from phase0.providers.replicate import Replicate, input_of
from phase0.records import Reply, Request

SUCCEEDED = {
    "id": "p1",
    "status": "succeeded",
    "output": ["Hi", "", "."],
    "error": None,
    "input": {"prompt": "Say hi.", "max_tokens": 9},
    "metrics": {"input_token_count": 3, "output_token_count": 2, "predict_time": 0.1},
    "urls": {"get": "http://elsewhere.example/steal-the-key"},
}


def prediction(**changes: Any) -> dict[str, Any]:
    return {**SUCCEEDED, **changes}


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, wait: float) -> None:
        self.now += wait


def sending(*answers: bytes, timeout: float = 60) -> tuple[Sent | ProviderError, list[Asked], float]:
    clock = Clock()

    async def whole() -> tuple[Sent | ProviderError, list[Asked]]:
        async with serving(*answers) as loopback:
            at = endpoint(loopback.url, "replicate", "meta/llama")
            provider = Replicate(at, KEY, timeout=timeout, sleep=clock.sleep, clock=clock)
            try:
                return await provider.send(QUESTION), loopback.asked
            except ProviderError as error:
                return error, loopback.asked
            finally:
                await provider.close()

    got, asked = run(whole())
    return got, asked, clock.now


def read(body: Any) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return connect(endpoint("http://localhost/v1", "replicate"), KEY).read(raw)


def test_one_request_is_one_prediction_that_the_server_holds_until_it_is_done() -> None:
    sent, asked, _ = sending(answer(SUCCEEDED, 201))
    assert isinstance(sent, Sent)
    assert read(sent.body) == Reply(text="Hi.", finish_reason="stop", tokens_in=3, tokens_out=2)
    assert [(one.method, one.path) for one in asked] == [("POST", "/v1/models/meta/llama/predictions")]
    assert asked[0].headers["prefer"] == "wait=30"
    assert asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert json.loads(asked[0].body) == {"input": {"prompt": "Say hi.", "max_tokens": 9}}


def test_a_slow_prediction_is_looked_at_until_it_ends() -> None:
    waiting = [answer(prediction(status=status, output=None), 201) for status in ("starting", "processing")]
    sent, asked, waited = sending(*waiting, answer(SUCCEEDED))
    assert isinstance(sent, Sent)
    assert [(one.method, one.path) for one in asked[1:]] == [("GET", "/v1/predictions/p1")] * 2
    assert waited == 2.0


def test_a_prediction_that_takes_too_long_is_cancelled_so_that_it_costs_no_more() -> None:
    got, asked, waited = sending(answer(prediction(status="processing", output=None)), timeout=5)
    assert isinstance(got, Transient)
    assert got.reason == "timeout"
    assert (asked[-1].method, asked[-1].path) == ("POST", "/v1/predictions/p1/cancel")
    assert waited == 5.0


@pytest.mark.parametrize(
    ("body", "status"), [({"detail": "oops"}, 500), ({"detail": "slow down"}, 429), (b"<html>", 200)]
)
def test_a_look_that_fails_does_not_have_a_prediction_bought_again(body: Any, status: int) -> None:
    begun = answer(prediction(status="processing", output=None), 201)
    sent, asked, _ = sending(begun, answer(body, status), answer(SUCCEEDED))
    assert isinstance(sent, Sent)
    assert read(sent.body).text == "Hi."
    assert [one.method for one in asked] == ["POST", "GET", "GET"]


def test_a_prediction_that_nobody_can_see_or_cancel_may_have_been_billed() -> None:
    got, asked, _ = sending(answer(prediction(status="starting"), 201), answer({"detail": "oops"}, 500), timeout=5)
    assert isinstance(got, Transient)
    assert got.reason == "timeout"
    assert asked[-1].path == "/v1/predictions/p1/cancel"


@pytest.mark.parametrize(
    ("body", "status", "kind", "reason"),
    [
        (prediction(status="failed", error="CUDA out of memory"), 201, Transient, "server"),
        (prediction(status="failed", error=None), 201, Transient, "server"),
        (prediction(status="failed", error="NSFW content detected"), 201, Refused, "content_filter"),
        (prediction(status="failed", error="The input was flagged. (E005)"), 201, Refused, "content_filter"),
        (
            prediction(status="failed", error="flagged as sensitive (E005)"),
            201,
            Refused,
            "content_filter",
        ),
        (prediction(status="failed", error="Prompt length (9) exceeds maximum input length"), 201, Refused, "too_long"),
        (prediction(status="failed", error="1 validation error for Input"), 201, Refused, "bad_request"),
        (prediction(status="failed", error="Timeout starting prediction (E6716)"), 201, Transient, "server"),
        (prediction(status="canceled"), 200, Transient, "incomplete"),
        (prediction(status="aborted"), 200, Transient, "server"),
        ({"detail": "Request was throttled. Expected available in 1 second."}, 429, Transient, "rate_limit"),
        ({"title": "Insufficient credit", "detail": "You have insufficient credit"}, 402, Fatal, "no_quota"),
        ({"title": "Unauthenticated", "detail": "You did not pass a valid token"}, 401, Fatal, "bad_key"),
        ({"detail": "The requested resource could not be found."}, 404, Fatal, "no_access"),
        ({"title": "Input validation failed", "detail": "- input: prompt is required"}, 422, Refused, "bad_request"),
        (b"<html>", 200, Transient, "malformed"),
        ({"id": 5}, 200, Transient, "malformed"),
    ],
)
def test_every_end_of_a_prediction_has_one_meaning(
    body: Any, status: int, kind: type[ProviderError], reason: str
) -> None:
    got, _, _ = sending(answer(body, status))
    assert isinstance(got, kind)
    assert got.reason == reason  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("answers", "begun"),
    [
        ([answer({"detail": "oops"}, 500)], False),
        ([answer({"detail": "- input: prompt is required"}, 422)], False),
        ([answer(prediction(status="failed", error="CUDA out of memory"), 201)], True),
        ([answer(prediction(status="failed", error="NSFW content detected"), 201)], True),
        ([answer(prediction(status="canceled"), 201)], True),
        ([answer(b"<html>")], True),
        ([answer(prediction(status="starting"), 201), answer({"detail": "not found"}, 404)], True),
        ([answer(prediction(status="starting"), 201), answer({"detail": "who are you?"}, 401)], True),
    ],
)
def test_what_fails_once_there_is_a_prediction_may_be_on_the_bill(answers: list[bytes], begun: bool) -> None:
    got, _, _ = sending(*answers)
    assert isinstance(got, ProviderError)
    assert got.begun is begun


def test_an_answer_that_reached_its_cap_was_cut() -> None:
    cut = prediction(metrics={"input_token_count": 3, "output_token_count": 9})
    assert read(cut).finish_reason == "length"
    default = prediction(input={"prompt": "?"}, metrics={"output_token_count": 512})
    assert read(default).finish_reason == "length"


def test_what_is_not_said_is_unknown() -> None:
    reply = read(prediction(output="whole", metrics=None))
    assert (reply.text, reply.tokens_in, reply.tokens_out, reply.logprobs) == ("whole", None, None, None)
    with pytest.raises(Transient, match="no output"):
        read(prediction(output=None))
    with pytest.raises(Transient, match="the prediction is failed"):
        read(prediction(status="failed"))


def asked_of(*messages: tuple[str, str], **params: Any) -> dict[str, Any]:
    return input_of(Request(model="m", messages=messages, params=params), endpoint("http://x/v1", "replicate"))


def test_a_system_prompt_and_parameters_go_under_its_own_names() -> None:
    made = asked_of(("system", "Be brief."), ("user", "Hi?"), temperature=0.5, stop=["###", "END"], seed=1)
    assert made == {"prompt": "Hi?", "system_prompt": "Be brief.", "temperature": 0.5, "stop_sequences": "###,END"}


def test_earlier_turns_are_written_out_above_the_question() -> None:
    made = asked_of(("user", "2+2?"), ("assistant", "4"), ("user", "And 3+3?"))
    assert made["prompt"] == "User:\n2+2?\n\nAssistant:\n4\n\nUser:\nAnd 3+3?\n\nAssistant:\n"


def test_what_it_does_not_know_is_left_out_where_the_question_stays_the_same() -> None:
    asked = asked_of(
        ("user", "Hi?"), logprobs=True, top_logprobs=5, response_format={"type": "json_schema"}, temperature=0
    )
    assert asked == {"prompt": "Hi?", "temperature": 0}


@pytest.mark.parametrize("params", [{"tools": []}, {"response_format": {}}, {"n": 2}, {"stop": "a,b"}])
def test_what_it_cannot_be_asked_ends_the_run_before_a_row_is_lost(params: dict[str, Any]) -> None:
    with pytest.raises(Fatal) as error:
        asked_of(("user", "?"), **params)
    assert error.value.reason == "unsupported"


def test_its_one_model_is_listed_while_it_is_there() -> None:
    async def models(status: int) -> Any:
        async with serving(answer({"owner": "meta"}, status)) as loopback:
            provider = connect(endpoint(loopback.url, "replicate", "meta/llama"), KEY)
            try:
                return await provider.models(), loopback.asked[0].path
            finally:
                await provider.close()

    assert run(models(200)) == ([Listed("meta/llama", None)], "/v1/models/meta/llama")
    assert run(models(404))[0] == []
    with pytest.raises(Fatal):
        run(models(401))
