"""An exported row says what the record says, in the form a trainer reads; what does not fit is dropped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stagefiles import dropped_of

import phase0
from phase0.errors import UsageError
from phase0.records import Meta, Origin, Record, Turn, encode, make
from phase0.stages.formats import (
    FORMATS,
    alpaca,
    conversational_completion,
    messages,
    openai,
    prompt_completion,
    sharegpt,
)

TURNS = (Turn(role="user", content="Hi"), Turn(role="assistant", content="Hello"))


def record(**changes: object) -> Record:
    meta = Meta(origin=Origin(dataset="d", revision=None, row="f:1"), flags=tuple(changes.pop("flags", ())))
    fields = {"instruction": "Why?", "response": "Because.", "source": "s", "quality_score": 8.0, "meta": meta}
    return make(**(fields | changes))


def test_a_single_turn_is_said_in_every_format() -> None:
    row = record()
    assert messages(row) == {
        "messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
    }
    assert prompt_completion(row) == {"prompt": "Why?", "completion": "Because."}
    assert alpaca(row) == {"instruction": "Why?", "input": "", "output": "Because.", "system": ""}
    assert sharegpt(row) == {
        "conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "Because."}]
    }


def test_earlier_turns_and_the_system_prompt_keep_their_order() -> None:
    row = record(system="Be brief.", history=TURNS)
    assert [turn["role"] for turn in messages(row)["messages"]] == ["system", "user", "assistant", "user", "assistant"]
    assert [turn["value"] for turn in sharegpt(row)["conversations"]] == [
        "Be brief.",
        "Hi",
        "Hello",
        "Why?",
        "Because.",
    ]
    split = conversational_completion(row)
    assert split["prompt"] + split["completion"] == messages(row)["messages"]
    assert split["completion"] == [{"role": "assistant", "content": "Because."}]
    assert alpaca(record(system="Be brief."))["system"] == "Be brief."


def test_a_format_without_room_for_turns_says_so() -> None:
    assert prompt_completion(record(history=TURNS)) == "needs_messages"
    assert prompt_completion(record(system="Be brief.")) == "needs_messages"
    assert alpaca(record(history=TURNS)) == "needs_messages"


def test_a_conversation_that_llama_factory_would_skip_is_dropped_here() -> None:
    assert sharegpt(record(history=TURNS[:1])) == "needs_alternation"
    assert sharegpt(record(history=TURNS[1:], system="Be brief.")) == "needs_alternation"
    assert isinstance(sharegpt(record(history=TURNS, system="Be brief.")), dict)


def test_a_tools_turn_has_no_place_where_it_must_name_its_call() -> None:
    assert openai(record(history=(*TURNS, Turn(role="tool", content="{}")))) == "needs_tool_calls"
    assert openai(record(history=TURNS)) == messages(record(history=TURNS))


def test_an_instruction_that_the_history_holds_is_not_said_twice() -> None:
    calls = (Turn(role="user", content="Why?"), Turn(role="assistant", content="call"), Turn(role="tool", content="42"))
    row = record(history=calls, flags=("instruction_in_history",))
    assert [turn["content"] for turn in messages(row)["messages"]] == ["Why?", "call", "42", "Because."]
    assert [turn["from"] for turn in sharegpt(row)["conversations"]] == ["human", "gpt", "observation", "gpt"]


def test_a_published_dataset_is_exported_with_the_turns_that_publishing_strips(tmp_path: Path) -> None:
    rows = [record(history=TURNS), record(instruction="What?")]
    (tmp_path / "in.jsonl").write_bytes(b"".join(encode(row) + b"\n" for row in rows))
    phase0.publish([tmp_path / "in.jsonl"], tmp_path / "dataset.jsonl")
    made = phase0.export([tmp_path / "dataset.jsonl"], tmp_path / "chat.jsonl")
    exported = [json.loads(line) for line in (tmp_path / "chat.jsonl").read_text().splitlines()]
    assert [len(row["messages"]) for row in exported] == [4, 2]
    assert (made.counts.rows_in, made.counts.kept) == (2, 2)


@pytest.mark.parametrize("name", FORMATS)
def test_the_sums_close_whatever_does_not_fit(tmp_path: Path, name: str) -> None:
    rows = [record(), record(history=TURNS), record(response=None)]
    lines = [*(encode(row) for row in rows), b'{"instruction": 3}', b"{"]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    counts = phase0.export([tmp_path / "in.jsonl"], tmp_path / "out.jsonl", to=name).counts
    assert counts.rows_in == counts.kept + counts.dropped == 5
    assert counts.reasons["no_response"] == 1
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == counts.kept


def test_a_dataset_that_phase0_did_not_make_is_exported_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"instruction": "Why?", "response": "So.", "source": "s", "quality_score": 8}\n')
    phase0.export([tmp_path / "x.jsonl"], tmp_path / "y.jsonl", to="alpaca")
    assert json.loads((tmp_path / "y.jsonl").read_text())["output"] == "So."


def test_an_unknown_format_names_the_near_miss(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'messages'"):
        phase0.export([tmp_path / "x.jsonl"], tmp_path / "y.jsonl", to="message")


@pytest.mark.parametrize("name", FORMATS)
def test_all_rows_of_a_format_have_the_same_columns(name: str) -> None:
    rows = [record(), record(system="Be brief."), record(history=TURNS), record(quality_score=None)]
    made = [row for row in map(FORMATS[name], rows) if isinstance(row, dict)]
    assert len(made) > 1
    assert len({tuple(row) for row in made}) == 1


def test_the_dataset_of_a_runs_folder_is_exported_into_it(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(encode(record()) + b"\n")
    phase0.publish([tmp_path / "in.jsonl"], tmp_path / "run/dataset.jsonl")
    made = phase0.export(tmp_path / "run", to=["trl", "csv"])
    assert [path.relative_to(tmp_path).as_posix() for path in made] == [
        "run/export/trl/train.jsonl",
        "run/export/csv/train.csv",
    ]
    assert all(path.exists() and manifest.counts.kept == 1 for path, manifest in made.items())


def test_what_one_file_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(encode(record()) + b"\n")
    with pytest.raises(UsageError, match="several formats"):
        phase0.export([path], tmp_path / "out.jsonl", to=["trl", "openai"])
    with pytest.raises(UsageError, match="training and for validation"):
        phase0.export([path], tmp_path / "out.jsonl", validation=0.5)
    with pytest.raises(UsageError, match="`output` must be named"):
        phase0.export([path])
    with pytest.raises(UsageError, match="between 0 and 1"):
        phase0.export([path], tmp_path / "out", validation=5)
    with pytest.raises(UsageError, match="at least one token"):
        phase0.export([path], tmp_path / "out", max_tokens=0)
    with pytest.raises(UsageError, match="Did you mean 'trl'"):
        phase0.export([path], tmp_path / "out", to=["trk"])
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_row_is_too_long_by_what_all_its_messages_and_their_markup_take(tmp_path: Path) -> None:
    import toktok

    rows = [record(history=TURNS, system="Be brief."), record()]
    said = ["Be brief.", "Hi", "Hello", "Why?", "Because."]
    long = 1 + sum(count + 5 for count in toktok.batch_count(said, "o200k_base"))
    (tmp_path / "in.jsonl").write_bytes(b"".join(encode(row) + b"\n" for row in rows))
    for most, kept in ((long, 2), (long - 1, 1)):
        made = phase0.export([tmp_path / "in.jsonl"], tmp_path / f"{most}.jsonl", max_tokens=most)
        assert made.counts.kept == kept
    (lost,) = dropped_of(tmp_path / f"{long - 1}.jsonl")
    assert (lost["reason"], lost["evidence"], lost["line"]) == ("too_long", {"tokens": long}, 1)
