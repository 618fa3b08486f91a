"""Chat completions against servers that misbehave in every way that servers do."""

from __future__ import annotations

import gzip
import json
import logging
import traceback
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import HANG, KEY, QUESTION, answer, asking, completion, endpoint, run, serving

from phase0.catalog.models import Server, servers
from phase0.errors import Fatal, ProviderError, Refused, Transient
from phase0.providers import Limits, Listed, Provider, Sent, connect
from phase0.providers.openai import body_of
from phase0.records import Likely, Reply, Request, TokenLogprobs


async def send(provider: Provider) -> Sent:
    return await provider.send(QUESTION)


async def send_and_read(provider: Provider) -> Reply:
    return provider.read((await provider.send(QUESTION)).body)


def outcome(*answers: bytes, **more: Any) -> tuple[type[Any], str]:
    """The kind of error that comes of an answer, and its reason."""
    got, _ = asking(send_and_read, *answers, **more)
    return type(got), getattr(got, "reason", "")


def read(body: bytes | dict[str, Any], server: str = "openai") -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return connect(endpoint("http://localhost/v1", server), KEY).read(raw)


def test_a_reply_is_sent_back_raw_and_read_from_that() -> None:
    sent, asked = asking(send, answer(completion()))
    assert isinstance(sent, Sent)
    assert json.loads(sent.body) == completion()
    assert read(sent.body) == Reply(text="Hi.", finish_reason="stop", tokens_in=3, tokens_out=2)
    assert [(one.method, one.path) for one in asked] == [("POST", "/v1/chat/completions")]
    assert asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert asked[0].headers["content-type"] == "application/json"
    assert asked[0].headers["user-agent"] == "phase0"


def test_the_body_names_the_model_and_the_cap_as_the_server_does() -> None:
    _, asked = asking(send, answer(completion()))
    assert json.loads(asked[0].body) == {
        "model": "the-model",
        "messages": [{"role": "user", "content": "Say hi."}],
        "max_completion_tokens": 9,
    }
    _, asked = asking(send, answer(completion()), server="together")
    assert json.loads(asked[0].body)["max_tokens"] == 9


def test_without_a_key_none_is_sent() -> None:
    async def whole() -> str | None:
        async with serving(answer(completion())) as loopback:
            provider = connect(endpoint(loopback.url, "vllm"), None)
            await provider.send(QUESTION)
            await provider.close()
            return loopback.asked[0].headers.get("authorization")

    assert run(whole()) is None


def test_limits_come_with_a_reply_and_with_a_refusal_to_give_one() -> None:
    headers = {"x-ratelimit-remaining-requests": "7", "x-ratelimit-reset-requests": "1m0s"}
    sent, _ = asking(send, answer(completion(), headers=headers))
    assert isinstance(sent, Sent)
    assert sent.limits == Limits(requests_left=7, requests_reset=60.0)
    limited, _ = asking(send, answer({}, 429, {**headers, "Retry-After": "2.5"}))
    assert isinstance(limited, Transient)
    assert (limited.reason, limited.retry_after, limited.limits) == ("rate_limit", 2.5, sent.limits)


def test_a_body_above_a_megabyte_arrives_whole() -> None:
    long = Request(model="m", messages=(("user", "é" * (1 << 20)),))
    _, asked = asking(lambda provider: provider.send(long), answer(completion()))
    assert json.loads(asked[0].body)["messages"][0]["content"] == long.messages[0][1]


def test_a_packed_answer_is_unpacked() -> None:
    packed = gzip.compress(json.dumps(completion()).encode())
    got, _ = asking(send_and_read, answer(packed, headers={"Content-Encoding": "gzip"}))
    assert isinstance(got, Reply)
    assert got.text == "Hi."


whole = json.dumps(completion()).encode()
BROKEN = [
    ("a dropped connection", b"", "connection"),
    ("half a head", b"HTTP/1.1 200 OK\r\nContent-Le", "connection"),
    ("half a body", answer(whole, length=len(whole) * 2), "connection"),
    ("a packed body that is not", answer(whole, headers={"Content-Encoding": "gzip"}), "connection"),
    ("no HTTP at all", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "malformed"),
    ("JSON that ends early", answer(whole[:-9]), "malformed"),
    ("no JSON", answer(b"<html><title>Welcome</title></html>"), "malformed"),
    ("nothing", answer(b""), "malformed"),
    ("bytes that are no text", answer(b'{"choices":[{"message":{"content":"\xff"}}]}'), "malformed"),
    ("half a surrogate", answer(whole.replace(b"Hi.", b"\\ud83d")), "malformed"),
    ("nesting without end", answer(b"[" * 100_000), "malformed"),
    ("null", answer(b"null"), "malformed"),
    ("no choices", answer({"id": "x"}), "malformed"),
    ("an empty list of choices", answer({"choices": []}), "malformed"),
    ("choices of another kind", answer({"choices": "Hi."}), "malformed"),
    ("no message", answer({"choices": [{"finish_reason": "stop"}]}), "malformed"),
    ("content that is a number", answer(completion(message={"content": 5})), "malformed"),
    ("finish_reason that is a number", answer(completion(finish_reason=1)), "malformed"),
    ("finish_reason null", answer(completion(finish_reason=None)), "incomplete"),
    ("finish_reason empty", answer(completion(finish_reason="")), "incomplete"),
    ("finish_reason abort", answer(completion(finish_reason="abort")), "incomplete"),
    ("finish_reason error", answer(completion(finish_reason="error")), "incomplete"),
    ("an error under a 200", answer({"error": {"message": "upstream", "code": 502}}), "server"),
    ("a limit under a 200", answer({"error": {"message": "slow down", "code": "429"}}), "rate_limit"),
    ("an error without a number under a 200", answer({"error": "upstream"}), "malformed"),
]


@pytest.mark.parametrize(("said", "reason"), [pytest.param(*case[1:], id=case[0]) for case in BROKEN])
def test_what_is_no_reply_may_be_asked_for_again(said: bytes, reason: str) -> None:
    assert outcome(said) == (Transient, reason)


ODD = [
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Encoding: br\r\n\r\n{}",
    b"HTTP/1.1 999 Odd\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    b"HTTP/1.1 407 Proxy\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 301 Moved\r\nLocation: ::::\r\nContent-Length: 0\r\n\r\n",
]


@pytest.mark.parametrize("said", ODD)
def test_the_oddest_http_is_still_one_of_the_outcomes(said: bytes) -> None:
    got, _ = asking(send_and_read, said)
    assert isinstance(got, Transient | Refused | Fatal)


@settings(max_examples=60)
@given(st.binary(max_size=80), st.booleans(), st.integers(0, 400))
def test_any_bytes_at_all_are_a_reply_or_an_outcome(noise: bytes, http: bool, cut: int) -> None:
    good = answer(completion())
    got, _ = asking(send_and_read, b"HTTP/1.1 200 OK\r\n" + noise if http else good[:cut] + noise + good[cut:])
    assert isinstance(got, Reply | Transient | Refused | Fatal)


def test_a_missing_finish_reason_is_no_reply_even_with_text() -> None:
    body = completion()
    del body["choices"][0]["finish_reason"]
    with pytest.raises(Transient, match="there is no finish_reason") as error:
        read(body)
    assert error.value.reason == "incomplete"


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [(400, Refused, "bad_request"), (401, Fatal, "bad_key"), (404, Fatal, "no_access"), (503, Transient, "overload")],
)
def test_a_status_goes_before_the_body(status: int, kind: type[ProviderError], reason: str) -> None:
    assert outcome(answer(completion(), status)) == (kind, reason)


def test_a_redirect_is_not_followed_with_the_key() -> None:
    moved = answer(b"", 307, {"Location": "http://127.0.0.1:9/v1/chat/completions"})
    got, asked = asking(send, moved)
    assert isinstance(got, Fatal)
    assert got.reason == "no_access"
    assert len(asked) == 1


def test_a_server_that_says_nothing_is_given_up_on() -> None:
    assert outcome(HANG, timeout=0.05) == (Transient, "timeout")
    assert outcome(answer(whole, length=len(whole) + 1).replace(b"Connection: close\r\n", b""), timeout=0.3) in {
        (Transient, "timeout"),
        (Transient, "connection"),
    }


def test_a_server_that_is_not_there_may_come_back() -> None:
    async def whole() -> ProviderError:
        async with serving(b"") as loopback:
            url = loopback.url
        provider = connect(endpoint(url), KEY)
        with pytest.raises(Transient) as error:
            await provider.send(QUESTION)
        await provider.close()
        return error.value

    assert run(whole()).reason == "unreachable"  # type: ignore[attr-defined]


def test_a_url_that_nobody_gave_is_asked_for() -> None:
    with pytest.raises(Fatal, match="--base-url"):
        connect(msgspec.structs.replace(endpoint("http://x/v1", "azure"), url=None), KEY)


# Reading.


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "tool_calls"),
        ("something_new", "something_new"),
    ],
)
def test_a_finish_reason_is_said_in_one_vocabulary(said: str, meant: str) -> None:
    assert read(completion(finish_reason=said)).finish_reason == meant


def test_empty_text_and_refusals_are_replies_of_their_own_kind() -> None:
    assert read(completion(message={"content": None})).text == ""
    assert read(completion(message={"content": ""})).text == ""
    refused = read(completion(message={"content": None, "refusal": "I can't help with that."}))
    assert (refused.text, refused.refusal) == ("", "I can't help with that.")


def test_text_in_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "Hi"}, {"type": "thinking", "thinking": []}, {"type": "text", "text": "."}]
    assert read(completion(message={"content": parts})).text == "Hi."


@pytest.mark.parametrize("usage", [None, {}, "many", {"prompt_tokens": "3"}, {"prompt_tokens": None}, [1]])
def test_odd_token_counts_are_unknown_and_cost_no_answer(usage: Any) -> None:
    reply = read(completion(usage=usage))
    assert (reply.text, reply.tokens_in, reply.tokens_out) == ("Hi.", None, None)


def test_logprobs_are_read_where_they_came() -> None:
    top = [{"token": "8", "logprob": -0.1, "bytes": [56]}, {"token": "7", "logprob": -2.5, "bytes": None}]
    content = [{"token": "8", "logprob": -0.1, "bytes": [56], "top_logprobs": top}]
    found = read(completion(logprobs={"content": content, "refusal": None})).logprobs
    assert found is not None
    assert [(at.token, at.logprob, at.top()) for at in found] == [("8", -0.1, (Likely("8", -0.1), Likely("7", -2.5)))]


def test_an_odd_usage_costs_no_logprobs_and_odd_logprobs_no_usage() -> None:
    listed = {"content": [{"token": "8", "logprob": -0.1}]}
    counted = {"prompt_tokens": 3, "completion_tokens": 2}
    reply = read(completion(logprobs=listed, usage="many"))
    assert (reply.logprobs, reply.tokens_in) == ((TokenLogprobs("8", -0.1),), None)
    reply = read(completion(logprobs={"content": "none"}, usage=counted))
    assert (reply.logprobs, reply.tokens_in, reply.tokens_out) == (None, 3, 2)


def test_a_token_that_is_no_text_costs_the_logprobs_alone() -> None:
    body = json.dumps(completion(logprobs={"content": [{"token": "8", "logprob": -0.1}]})).encode()
    cut = body.replace(b'"8"', b'"\xe4\xbd"')  # half of a character
    assert (read(cut).text, read(cut).logprobs) == ("Hi.", None)


@pytest.mark.parametrize("logprobs", [None, {"content": None}, {}, {"content": [{"token": 1}]}, "none", {"tokens": []}])
def test_logprobs_that_did_not_come_are_none(logprobs: Any) -> None:
    assert read(completion(logprobs=logprobs)).logprobs is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@given(st.lists(st.tuples(st.sampled_from(["content", "finish_reason", "logprobs", "usage", "message"]), json_values)))
def test_any_value_in_any_place_is_a_reply_or_an_outcome(changes: list[tuple[str, Any]]) -> None:
    values = dict(changes)
    if "content" in values:
        values["message"] = {"content": values.pop("content")}
    got = read_or_outcome(completion(**values))
    if isinstance(got, Reply):
        assert isinstance(got.text, str)
        assert got.finish_reason
    else:
        assert got in {"malformed", "incomplete"}


def read_or_outcome(body: dict[str, Any]) -> Reply | str:
    try:
        return read(body)
    except Transient as error:
        return error.reason


# What a server cannot do.


def body(server: Server, **params: Any) -> dict[str, Any]:
    request = Request(model="m", messages=(("user", "?"),), params=params)
    return body_of(endpoint("http://x/v1", server))(request)


SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}
ALL = {
    "max_tokens": 9,
    "temperature": 0,
    "top_p": 0.5,
    "seed": 1,
    "logprobs": True,
    "top_logprobs": 5,
    "response_format": SCHEMA,
}


@pytest.mark.parametrize(
    ("feature", "names"),
    [
        ("seed", {"seed"}),
        ("logprobs", {"logprobs", "top_logprobs"}),
        ("json_schema", {"response_format"}),
        ("temperature", {"temperature", "top_p"}),
        ("n", set()),
    ],
)
def test_what_a_server_or_a_model_lacks_is_left_out_and_nothing_else_is(feature: str, names: set[str]) -> None:
    known = servers()["compatible"]
    lacking = msgspec.structs.replace(known, supports={feature: False})
    assert body(known, **ALL) == {**body(known), **ALL}
    assert set(body(known, **ALL)) - set(body(lacking, **ALL)) == names
    able = msgspec.structs.replace(endpoint("http://x/v1", known), supports={feature: False})
    request = Request(model="m", messages=(("user", "?"),), params=ALL)
    assert set(body(known, **ALL)) - set(body_of(able)(request)) == names
    there = msgspec.structs.replace(endpoint("http://x/v1", lacking), supports={feature: True})
    assert body_of(there)(request) == body(known, **ALL)


def test_a_form_that_is_no_schema_is_sent_to_servers_without_schemas() -> None:
    lacking = msgspec.structs.replace(servers()["compatible"], supports={"json_schema": False})
    assert body(lacking, response_format={"type": "json_object"})["response_format"] == {"type": "json_object"}


def test_a_batch_is_sent_the_same_body_as_a_single_request() -> None:
    at = endpoint("http://x/v1", msgspec.structs.replace(servers()["groq"], supports={"logprobs": False}))
    request = Request(model="m", messages=(("user", "?"),), params=ALL)
    batches = connect(at, KEY).batches
    assert batches is not None
    assert json.loads(batches.line("id", request))["body"] == body_of(at)(request)
    assert "logprobs" not in body_of(at)(request)


def test_more_choices_than_a_server_gives_end_the_run_before_a_row_is_lost() -> None:
    with pytest.raises(Fatal, match="groq has no n") as error:
        body(servers()["groq"], n=2)
    assert error.value.reason == "unsupported"
    assert body(servers()["groq"], n=1)["n"] == 1
    assert body(servers()["novita"], n=2)["n"] == 2


# The list of models.


def test_models_are_listed_with_the_day_they_end() -> None:
    listed = {"data": [{"id": "a", "shutdown_date": "2027-01-14"}, {"id": "b"}, {"id": "c", "shutdown_date": None}]}
    got, asked = asking(lambda provider: provider.models(), answer(listed))
    assert got == [Listed("a", "2027-01-14"), Listed("b", None), Listed("c", None)]
    assert (asked[0].method, asked[0].path) == ("GET", "/v1/models")
    got, _ = asking(lambda provider: provider.models(), answer([{"id": "a", "type": "chat"}]), server="together")
    assert got == [Listed("a", None)]


def test_a_list_of_models_that_is_none_may_be_asked_for_again() -> None:
    got, _ = asking(lambda provider: provider.models(), answer(b"<html>"))
    assert isinstance(got, Transient)
    assert got.reason == "malformed"


# Keys.


def test_the_key_is_in_no_repr_message_log_or_traceback(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = answer({"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}}, 401)
    said = [
        echo,
        b"SSH-2.0\r\n\r\n",
        b"",
        answer(f"no such key: {KEY}".encode(), 500),
        answer({"error": {"code": 401, "message": KEY}}),
    ]
    for one in said:
        error, _ = asking(send_and_read, one)
        assert isinstance(error, ProviderError)
        seen: BaseException | None = error
        while seen is not None:
            assert KEY not in repr(seen) + str(seen) + repr(seen.args) + repr(vars(seen))
            seen = seen.__cause__ or seen.__context__
        assert KEY not in "".join(traceback.format_exception(error))
    provider = connect(endpoint("http://localhost/v1"), KEY)
    assert KEY not in repr(provider) + repr(provider._client) + repr(provider._client.peer)  # type: ignore[attr-defined]
    assert KEY not in caplog.text


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk-ключ", "sk-\x00"])
def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(Fatal) as error:
        connect(endpoint("http://localhost/v1"), key)
    assert error.value.reason == "bad_key"
    assert "OPENAI_API_KEY" in str(error.value)
    assert key[3:] not in str(error.value)


def test_spaces_around_a_key_are_not_part_of_it() -> None:
    async def whole() -> str:
        async with serving(answer(completion())) as loopback:
            provider = connect(endpoint(loopback.url), f" {KEY}\n")
            await provider.send(QUESTION)
            await provider.close()
            return loopback.asked[0].headers["authorization"]

    assert run(whole()) == f"Bearer {KEY}"
