"""What every kind of failure means, by status, then code, then words; and that our key is in none of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import KEY

from phase0.errors import Fatal, ProviderError, Refused, Transient
from phase0.providers import Limits
from phase0.providers.outcomes import Peer, failure, told

PEER = Peer("acme", "the-model", "ACME_KEY", lambda text: text.replace(KEY, "[key]"))


def outcome(status: int, body: Any = b"", **more: Any) -> tuple[type[ProviderError], str]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    error = failure(status, raw, PEER, **more)
    return type(error), error.reason  # type: ignore[attr-defined]


def error(message: str = "No.", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


CASES = [
    (400, error(code="context_length_exceeded"), Refused, "too_long"),
    (400, error("This model's maximum context length is 8192 tokens"), Refused, "too_long"),
    (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 8193"}, Refused, "too_long"),
    (413, b"<html><title>413 Request Entity Too Large</title></html>", Refused, "too_long"),
    (400, error(code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}), Refused, "content_filter"),
    (400, error(code=None, innererror={"code": "ResponsibleAIPolicyViolation"}), Refused, "content_filter"),
    (403, error("Your input was flagged", code=403), Refused, "content_filter"),
    (451, b"", Refused, "content_filter"),
    (400, error("messages: must not be empty", type="invalid_request_error"), Refused, "bad_request"),
    (422, {"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}, Refused, "bad_request"),
    (418, b"teapot", Refused, "bad_request"),
    (400, error(code="unsupported_parameter", param="max_tokens"), Fatal, "unsupported"),
    (400, error("Unrecognized request argument supplied: top_k"), Fatal, "unsupported"),
    (401, error(code="invalid_api_key"), Fatal, "bad_key"),
    (401, {"detail": "Unauthorized"}, Fatal, "bad_key"),
    (400, error("API key not valid. Please pass a valid API key.", status="INVALID_ARGUMENT"), Fatal, "bad_key"),
    (402, error("Payment required", code=402), Fatal, "no_quota"),
    (402, {"error": "You have exceeded your monthly included credits for Inference Providers"}, Fatal, "no_quota"),
    (403, {"error": "This authentication method does not have sufficient permissions"}, Fatal, "no_access"),
    (403, error(code="unsupported_country_region_territory"), Fatal, "no_access"),
    (404, error("The model `x` does not exist", code="model_not_found"), Fatal, "unknown_model"),
    (404, {"detail": "Not Found"}, Fatal, "no_access"),
    (410, error("gone"), Fatal, "unknown_model"),
    (400, error("The model `x` has been decommissioned", code="model_decommissioned"), Fatal, "unknown_model"),
    (404, error("no", code="DeploymentNotFound"), Fatal, "unknown_model"),
    (405, b"", Fatal, "no_access"),
    (308, b"", Fatal, "no_access"),
    (408, b"", Transient, "timeout"),
    (409, b"", Transient, "server"),
    (429, error(code="rate_limit_exceeded", type="requests"), Transient, "rate_limit"),
    (429, error(code="slow_down", type="rate_limit_error"), Transient, "overload"),
    (429, error(type="insufficient_quota", code="some_new_code"), Fatal, "no_quota"),
    (429, error(code="insufficient_quota"), Fatal, "no_quota"),
    (429, error("You exceeded your current quota, please check your plan"), Fatal, "no_quota"),
    (429, error("You exceeded your current quota", code="rate_limit_exceeded"), Transient, "rate_limit"),
    (429, error(code="429", type="throttling_error"), Transient, "rate_limit"),
    (429, {"error_type": "dynamic_token_limited", "error": {"message": "slow"}}, Transient, "rate_limit"),
    (429, {"detail": "Request was throttled. Expected available in 1 second."}, Transient, "rate_limit"),
    (429, b"", Transient, "rate_limit"),
    (500, error(type="server_error"), Transient, "server"),
    (500, error(code="server_is_overloaded"), Transient, "overload"),
    (502, b"<html><head><title>502 Bad Gateway</title></head></html>", Transient, "server"),
    (503, error(type="service_unavailable_error"), Transient, "overload"),
    (529, b"", Transient, "overload"),
    (599, b"\xff\xfe", Transient, "server"),
    (100, b"", Transient, "malformed"),
]


@pytest.mark.parametrize(("status", "body", "kind", "reason"), CASES)
def test_every_failure_has_one_meaning(status: int, body: Any, kind: type[ProviderError], reason: str) -> None:
    assert outcome(status, body) == (kind, reason)


def test_a_quota_that_says_when_to_come_back_is_a_limit() -> None:
    said = error("You exceeded your current quota, please check your plan")
    assert outcome(429, said, retry_after=20.0) == (Transient, "rate_limit")


def test_a_missing_file_is_no_missing_model() -> None:
    assert outcome(404, error("No such batch: model not found"), asking=False) == (Refused, "not_found")
    assert outcome(405, b"", asking=False) == (Refused, "bad_request")


def test_what_to_wait_and_what_is_left_travel_with_the_error() -> None:
    limits = Limits(requests=5, requests_left=0)
    got = failure(429, b"", PEER, retry_after=7.5, limits=limits)
    assert isinstance(got, Transient)
    assert (got.retry_after, got.limits) == (7.5, limits)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, error("Bad key."), "acme answered 401: Bad key. Check ACME_KEY."),
        (402, b"", "acme answered 402: nothing. The account at acme is out of credit."),
        (
            410,
            {"error": "gone"},
            "acme answered 410: gone. It was asked for 'the-model'; `phase0 doctor` says what may take its place.",
        ),
        (400, b"<html><title>\nBad\n gateway</title>", "acme answered 400: a web page called 'Bad gateway'"),
        (400, {"detail": [{"msg": "m", "loc": ["a"]}]}, 'acme answered 400: [{"msg":"m","loc":["a"]}]'),
        (400, b"plain\x1b[31m words\n", "acme answered 400: plain [31m words"),
        (400, [error("in a list")], "acme answered 400: in a list"),
        (400, {"message": "at the top"}, "acme answered 400: at the top"),
        (400, {}, "acme answered 400: no reason given"),
        (400, b"null", "acme answered 400: no reason given"),
    ],
)
def test_the_message_is_one_readable_line(status: int, body: Any, said: str) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert str(failure(status, raw, PEER)) == said


@pytest.mark.parametrize("pad", [0, 290, 300])
@pytest.mark.parametrize(
    "shape", ['{{"error": {{"message": {}}}}}', '{{"error": {}}}', '{{"detail": {}}}', "{}", "<p>{}"]
)
def test_a_key_that_a_server_repeats_is_taken_out_however_it_is_cut(shape: str, pad: int) -> None:
    body = shape.format(json.dumps(f"{'x' * pad} Incorrect API key provided: {KEY}."))
    message = str(failure(401, body.encode(), PEER))
    assert not any(KEY[:length] in message for length in range(6, len(KEY)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "errors", "message", "code", "type", "detail", "innererror"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.integers(0, 999), json_values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60))
def test_any_answer_at_all_is_one_of_the_three(status: int, body: bytes) -> None:
    error = failure(status, body, PEER)
    assert isinstance(error, Transient | Refused | Fatal)
    assert "\n" not in str(error)
    assert len(told(body).message) <= 301
