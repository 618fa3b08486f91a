"""Prompts: one of any that say nearly the same is asked, and a conversation is more than its last words."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from made import record, write_lines
from stagefiles import check_sums, dropped_of, rows_of

from phase0.errors import UsageError
from phase0.records import Turn, encode
from phase0.stages.prompts import distinct_prompts

LONG = "Explain to a child of ten years why the sky is blue by day, red in the evening and black at night"


def kept(folder: Path, *rows: bytes, **how: object) -> list[str]:
    write_lines(folder / "in.jsonl", list(rows))
    distinct_prompts([folder / "in.jsonl"], folder / "out.jsonl", **how)  # type: ignore[arg-type]
    check_sums(folder / "out.jsonl")
    return [row["id"] for row in rows_of(folder / "out.jsonl")]


def test_of_prompts_that_are_nearly_the_same_the_one_with_the_longer_answer_stays(tmp_path: Path) -> None:
    short, long = (
        record(instruction=LONG, response="Light."),
        record(instruction=LONG + "?", response="Light scatters."),
    )
    other = record(instruction="Name a river.")
    assert kept(tmp_path, encode(short), encode(other), encode(long)) == [other.id, long.id]
    (lost,) = dropped_of(tmp_path / "out.jsonl")
    assert (lost["stage"], lost["reason"], lost["line"]) == ("prompts", "near_duplicate", 1)
    assert lost["evidence"] == {
        "kept_id": long.id,
        "kept_file": "in.jsonl",
        "kept_line": 3,
        "jaccard": 1.0,
        "shared": 18,
        "union": 18,
    }


def test_the_last_words_of_different_conversations_are_different_prompts(tmp_path: Path) -> None:
    said = [(Turn(role="user", content=f"Tell me about {what}."),) for what in ("rivers", "bread")]
    rows = [record(instruction="Go on.", history=turns) for turns in said]
    rows += [record(instruction="Go on."), record(instruction="Go on.", system="Be brief.")]
    assert kept(tmp_path, *map(encode, rows)) == [row.id for row in rows]


def test_the_same_conversation_twice_is_one_prompt(tmp_path: Path) -> None:
    turns = (Turn(role="user", content="Tell me about rivers."), Turn(role="assistant", content="They flow."))
    rows = [record(instruction="Go on.", history=turns, response=answer) for answer in ("No.", "They end in seas.")]
    assert kept(tmp_path, *map(encode, rows)) == [rows[1].id]


def test_the_same_prompts_stay_in_whatever_order_rows_come(tmp_path: Path) -> None:
    rows = [
        encode(record(instruction=f"{LONG} {'x ' * (number % 3)}", response=f"{number % 7}")) for number in range(40)
    ]
    rows += [encode(record(number)) for number in range(20)]
    first = kept(tmp_path, *rows)
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        assert sorted(kept(tmp_path, *rows)) == sorted(first)


def test_lines_that_are_no_rows_are_dropped_and_nothing_else_moves(tmp_path: Path) -> None:
    rows = [record(1), record(2), record(2)]
    assert kept(tmp_path, encode(rows[0]), b"{broken", encode(rows[1]), b"[1]", encode(rows[2])) == [
        rows[0].id,
        rows[1].id,
    ]
    assert [(lost["line"], lost["reason"]) for lost in dropped_of(tmp_path / "out.jsonl")] == [
        (2, "invalid_json"),
        (4, "not_an_object"),
        (5, "near_duplicate"),
    ]


def test_a_threshold_that_is_none_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="threshold"):
        kept(tmp_path, encode(record(1)), threshold="1.5")
    assert not (tmp_path / "out.jsonl").exists()
