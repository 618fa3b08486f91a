"""What the simulated model says."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest
import toktok
from hypothesis import given
from hypothesis import strategies as st
from provider import GPT, LLAMA, MODELS, Provider, error_of, question, said, text_of

from phase0.errors import DataError
from phase0.simulator import tokens
from phase0.simulator.prose import made_up
from phase0.simulator.replay import bare
from phase0.simulator.schema import value
from phase0.simulator.settings import Replayed, Settings


def test_the_same_question_gets_the_same_answer_in_any_process_and_at_any_time(tmp_path: Path) -> None:
    answers = []
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        with Provider(tmp_path / place, Settings(models=MODELS, seed=len(answers))) as provider:
            provider.chat("Something else")
            provider.clock.skip(1e6 * len(answers))
            answers.append(text_of(provider.chat("Why is the sky blue?")))
    assert answers[0] == answers[1]


def test_other_questions_models_and_seeds_get_other_answers(tmp_path: Path) -> None:
    with Provider(tmp_path) as provider:
        sent = [
            provider.chat("Why is the sky blue?"),
            provider.chat("Why is the sky green?"),
            provider.chat("Why is the sky blue?", model=LLAMA.name),
            provider.chat("Why is the sky blue?", seed=1),
        ]
        assert len({text_of(one) for one in sent}) == 4


def test_a_larger_cap_gives_more_of_the_same_answer(tmp_path: Path) -> None:
    with Provider(tmp_path) as provider:
        short, longer = provider.chat(max_tokens=5), provider.chat(max_completion_tokens=9)
        whole = provider.chat()
        assert text_of(whole).startswith(text_of(longer))
        assert text_of(longer).startswith(text_of(short))
        assert [said(one)["choices"][0]["finish_reason"] for one in (short, longer, whole)] == [
            "length",
            "length",
            "stop",
        ]
        assert said(short)["usage"]["completion_tokens"] == 5


def test_answers_are_as_long_as_real_ones_and_do_not_repeat_each_other() -> None:
    texts = [made_up(f"Question number {number} about gardens", b"%d" % number) for number in range(2000)]
    lengths = sorted(map(len, texts))
    assert len(set(texts)) == 2000
    assert lengths[20] > 50
    assert 600 < lengths[1000] < 1600  # of 805 real answers by four models, half have fewer than 1,850
    assert 2500 < lengths[1980] < 9000


def test_usage_counts_the_tokens_of_prompt_and_answer_as_o200k_does(tmp_path: Path) -> None:
    with Provider(tmp_path) as provider:
        sent = provider.chat("Wie spät ist es in 東京? 🧠")
        count = toktok.batch_count(["Wie spät ist es in 東京? 🧠", text_of(sent)], "o200k_base")
        used = said(sent)["usage"]
        assert used["prompt_tokens"] == count[0] + 4 + 3
        assert used["completion_tokens"] == count[1]
        assert used["total_tokens"] == used["prompt_tokens"] + used["completion_tokens"]


@given(st.text(max_size=200), st.integers(1, 20))
def test_counting_and_cutting_agree_with_the_tokenizer(text: str, most: int) -> None:
    whole = toktok.batch_count([text], "o200k_base")[0]
    found = tokens.cut(text, most)
    assert (found.whole, found.kept) == (whole, min(most, whole))
    assert text.startswith(found.text)
    assert "".join(tokens.pieces(text)) == text
    assert len(tokens.pieces(text)) == whole


def test_several_choices_are_different_answers_and_all_are_charged(tmp_path: Path) -> None:
    with Provider(tmp_path) as provider:
        reply = said(provider.chat(n=4))
        texts = [choice["message"]["content"] for choice in reply["choices"]]
        assert len(set(texts)) == 4
        assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2, 3]
        assert reply["usage"]["completion_tokens"] == sum(toktok.batch_count(texts, "o200k_base"))
        assert texts[0] == text_of(provider.chat())


def test_logprobs_are_those_of_the_tokens_and_never_more_than_sure(tmp_path: Path) -> None:
    with Provider(tmp_path) as provider:
        sent = provider.chat(logprobs=True, top_logprobs=5, max_tokens=30)
        content = said(sent)["choices"][0]["logprobs"]["content"]
        assert "".join(one["token"] for one in content) == text_of(sent)
        assert len(content) == 30
        for one in content:
            assert bytes(one["bytes"]).decode() == one["token"]
            assert len(one["top_logprobs"]) == 5
            assert one["token"] in {other["token"] for other in one["top_logprobs"]}
            assert sum(math.exp(other["logprob"]) for other in one["top_logprobs"]) <= 1 + 1e-9
        assert (
            content
            == said(provider.chat(logprobs=True, top_logprobs=5, max_tokens=30))["choices"][0]["logprobs"]["content"]
        )
        assert said(provider.chat())["choices"][0]["logprobs"] is None


def test_a_judge_that_is_asked_for_a_number_offers_its_neighbours(tmp_path: Path) -> None:
    schema = {
        "type": "json_schema",
        "json_schema": {"name": "s", "schema": {"type": "integer", "minimum": 1, "maximum": 9}},
    }
    with Provider(tmp_path) as provider:
        content = said(provider.chat(response_format=schema, logprobs=True, top_logprobs=4))["choices"][0]["logprobs"][
            "content"
        ]
        chosen = int(content[0]["token"])
        others = {int(other["token"]) for other in content[0]["top_logprobs"]} - {chosen}
        assert others <= {chosen + step for step in (-2, -1, 1, 2)}


# Judges.


SCORES = {
    "type": "object",
    "properties": {
        "correctness": {"type": "integer", "minimum": 1, "maximum": 10},
        "helpfulness": {"$ref": "#/$defs/score"},
        "verdict": {"enum": ["good", "bad"]},
        "reason": {"type": "string", "maxLength": 40},
        "notes": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 3},
        "flag": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
    },
    "required": ["correctness", "helpfulness", "verdict", "reason", "notes", "flag"],
    "additionalProperties": False,
    "$defs": {"score": {"type": "number", "minimum": 1, "maximum": 10, "multipleOf": 0.5}},
}


def test_a_request_with_a_schema_gets_json_that_fits_it(tmp_path: Path) -> None:
    shape = {"type": "json_schema", "json_schema": {"name": "scores", "strict": True, "schema": SCORES}}
    with Provider(tmp_path) as provider:
        found = [json.loads(text_of(provider.chat(f"Judge {number}", response_format=shape))) for number in range(50)]
        again = json.loads(text_of(provider.chat("Judge 0", response_format=shape)))
    assert again == found[0]
    assert all(fits(one, SCORES, SCORES) for one in found)
    assert len({one["correctness"] for one in found}) > 3
    assert {one["verdict"] for one in found} == {"good", "bad"}


def fits(found: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether a value is what a schema says: as much of JSON Schema as the tests below make."""
    if "$ref" in schema:
        return fits(found, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "anyOf" in schema:
        return any(fits(found, option, root) for option in schema["anyOf"])
    if "enum" in schema:
        return found in schema["enum"]
    match schema["type"]:
        case "object":
            parts = schema["properties"]
            return (
                isinstance(found, dict)
                and set(found) == set(parts)
                and all(fits(found[name], part, root) for name, part in parts.items())
            )
        case "array":
            sized = isinstance(found, list) and schema.get("minItems", 0) <= len(found) <= schema.get(
                "maxItems", math.inf
            )
            return sized and all(fits(one, schema["items"], root) for one in found)
        case "integer" | "number":
            if isinstance(found, bool) or not isinstance(found, int | float):
                return False
            bounds = schema.get("minimum", -math.inf) <= found <= schema.get("maximum", math.inf)
            strict = schema.get("exclusiveMinimum", -math.inf) < found < schema.get("exclusiveMaximum", math.inf)
            step = schema.get("multipleOf", 1 if schema["type"] == "integer" else 1e-6)
            return bounds and strict and abs(found / step - round(found / step)) < 1e-6
        case "string":
            return isinstance(found, str) and schema.get("minLength", 0) <= len(found) <= schema.get(
                "maxLength", math.inf
            )
        case "boolean":
            return isinstance(found, bool)
        case _:
            return found is None


def bounded(kind: str, low: str, high: str, least: int, span: int) -> dict[str, Any]:
    return {"type": kind, low: least, high: least + span}


SMALL = st.integers(0, 9)
LEAVES = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.builds(bounded, st.sampled_from(["integer", "number"]), st.just("minimum"), st.just("maximum"), SMALL, SMALL),
    st.builds(
        bounded, st.just("integer"), st.just("exclusiveMinimum"), st.just("exclusiveMaximum"), SMALL, st.integers(2, 9)
    ),
    st.builds(lambda least: {"type": "number", "minimum": least, "multipleOf": 0.25}, st.integers(-9, 9)),
    st.builds(bounded, st.just("string"), st.just("minLength"), st.just("maxLength"), st.integers(0, 99), SMALL),
    st.builds(lambda words: {"enum": words}, st.lists(st.text(max_size=5), min_size=1)),
)


def array(items: dict[str, Any], least: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "maxItems": least + 2}


def thing(parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": parts, "required": list(parts)}


SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(array, inner, st.integers(0, 3)),
        st.builds(thing, st.dictionaries(st.text(max_size=4), inner, max_size=4)),
        st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=12,
)


@given(SCHEMAS, st.binary(max_size=8))
def test_any_schema_gets_a_value_that_fits_it(schema: dict[str, Any], digest: bytes) -> None:
    found = value(schema, digest)
    assert fits(found, schema, schema)
    assert found == value(schema, digest)


def test_a_schema_that_contains_itself_comes_to_an_end() -> None:
    tree: dict[str, Any] = {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                },
                "required": ["name", "children", "next"],
            }
        },
        "$ref": "#/$defs/node",
    }
    for number in range(100):
        assert set(value(tree, b"%d" % number)) == {"name", "children", "next"}


# Real answers.


def write_answers(path: Path) -> None:
    rows = [
        {"instruction": "What is two and two?", "response": "Four.", "model": "gpt-4o-2024-05-13"},
        {"instruction": "What is two and two?", "response": "It is 4.", "model": "Meta-Llama-3.1-405B-Instruct-Turbo"},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


@pytest.mark.parametrize("name", ["answers.jsonl", "answers.jsonl.gz"])
def test_an_answer_that_a_file_has_is_replayed_to_the_model_that_gave_it(tmp_path: Path, name: str) -> None:
    write_answers(tmp_path / name)
    settings = Settings(answers=(Replayed(path=str(tmp_path / name)),))
    with Provider(tmp_path, settings) as provider:
        assert text_of(provider.chat("What is two and two?")) == "Four."
        assert text_of(provider.chat("What is two and two?\n", model=LLAMA.name)) == "It is 4."
        assert text_of(provider.chat("What is two and two?", model="other")) not in {"Four.", "It is 4."}
        assert text_of(provider.chat("What is two and three?")) != "Four."


def test_a_file_can_be_given_to_a_model_that_it_does_not_name(tmp_path: Path) -> None:
    write_answers(tmp_path / "a.jsonl")
    settings = Settings(answers=(Replayed(path=str(tmp_path / "a.jsonl"), model="Qwen/Qwen3-Coder"),))
    with Provider(tmp_path, settings) as provider:
        assert text_of(provider.chat("What is two and two?", model="qwen/qwen3-coder")) == "Four."


def test_the_last_message_of_the_user_finds_the_answer_whatever_stands_before_it(tmp_path: Path) -> None:
    write_answers(tmp_path / "a.jsonl")
    with Provider(tmp_path, Settings(answers=(Replayed(path=str(tmp_path / "a.jsonl")),))) as provider:
        messages = [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": [{"type": "text", "text": "What is two and two?"}]},
        ]
        assert (
            text_of(provider.send("POST", "/v1/chat/completions", {"model": "gpt-4o", "messages": messages})) == "Four."
        )


@pytest.mark.parametrize("name", ["gpt-4o", "openai/gpt-4o", "GPT-4o-2024-05-13", "x/y/gpt-4o"])
def test_all_names_of_a_model_are_one(name: str) -> None:
    assert bare(name) == "gpt-4o"


def test_a_file_that_holds_no_answers_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"instruction": "a", "response": "b"}\n{"prompt": "a"}\n')
    with pytest.raises(DataError, match=r"a\.jsonl, line 2: .*instruction"):
        Provider(tmp_path, Settings(answers=(Replayed(path=str(tmp_path / "a.jsonl")),)))


def test_the_real_answers_of_three_models_are_all_found_again(dev_data: Path, tmp_path: Path) -> None:
    models = {"gpt-4o": "gpt-4o", "llama-3.1-405b": LLAMA.name, "qwen2-72b": "Qwen/Qwen3-Coder-480B-A35B-Instruct"}
    files = {model: dev_data / "teachers" / f"{name}.jsonl.gz" for name, model in models.items()}
    settings = Settings(answers=tuple(Replayed(path=str(path), model=model) for model, path in files.items()))
    with Provider(tmp_path, settings) as provider:
        for model, path in files.items():
            rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
            first: dict[str, str] = {}
            for row in rows:
                first.setdefault(row["instruction"].strip(), row["response"])
            assert len(rows) == 805
            for row in rows[::8]:
                assert text_of(provider.chat(row["instruction"], model=model)) == first[row["instruction"].strip()]


# Requests that ask for nothing.


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "could not parse"),
        (b"[]", "Expected `object`"),
        (b'{"messages": []}', "model"),
        (b'{"model": "gpt-4o", "messages": []}', "messages"),
        (b'{"model": "gpt-4o", "messages": [{"role": "user", "content": 5}]}', "messages"),
        (json.dumps(question(n=0)).encode(), None),
        (json.dumps(question(n=129)).encode(), "n is 129"),
        (json.dumps(question(max_tokens=-1)).encode(), "max_tokens is -1"),
        (json.dumps(question(top_logprobs=21, logprobs=True)).encode(), "top_logprobs is 21"),
        (json.dumps(question(top_logprobs=2)).encode(), "needs logprobs"),
    ],
)
def test_a_body_that_asks_for_nothing_is_a_bad_request_and_costs_nothing(
    tmp_path: Path, body: bytes, told: str | None
) -> None:
    with Provider(tmp_path) as provider:
        sent = provider.send("POST", "/v1/chat/completions", body)
        if told is None:  # n of 0 is taken for 1, as null is
            assert sent.status == 200
            return
        assert sent.status == 400
        assert said(sent)["error"]["type"] == "invalid_request_error"
        assert told in said(sent)["error"]["message"]
        assert provider.bill().requests == 0


def test_a_model_that_is_not_on_offer_is_not_found(tmp_path: Path) -> None:
    with Provider(tmp_path) as provider:
        sent = provider.chat(model="gpt-5")
        assert (sent.status, error_of(sent)) == (404, "model_not_found")
        assert provider.requests()[0].status == 404


def test_more_tokens_than_the_context_holds_are_refused(tmp_path: Path) -> None:
    import msgspec

    small = msgspec.structs.replace(GPT, context=50)
    with Provider(tmp_path, Settings(models=(small,))) as provider:
        assert provider.chat(max_tokens=30).status == 200
        sent = provider.chat(max_tokens=60)
        assert (sent.status, error_of(sent)) == (400, "context_length_exceeded")
        assert "50 tokens" in said(sent)["error"]["message"]


def test_a_key_that_is_not_known_is_turned_away(tmp_path: Path) -> None:
    with Provider(tmp_path, Settings(keys=("sk-good",))) as provider:
        assert provider.chat(key="sk-good").status == 200
        assert error_of(provider.chat(key="sk-bad")) == "invalid_api_key"
        assert provider.send("GET", "/v1/models", key="sk-bad").status == 401


def test_latency_is_log_normal_around_its_median_and_belongs_to_the_request(tmp_path: Path) -> None:
    from phase0.simulator.settings import Latency

    with Provider(tmp_path, Settings(latency=Latency(median=2.0, sigma=0.5))) as provider:
        waits = sorted(provider.chat(f"Question {number}").wait for number in range(1000))
        assert 1.8 < waits[500] < 2.2
        assert 2.0 * math.exp(0.5) * 0.85 < waits[841] < 2.0 * math.exp(0.5) * 1.15
        assert provider.chat("Question 7").wait == provider.chat("Question 7").wait
