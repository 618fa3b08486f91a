"""Rows for validation resemble none of those for training, are about as many as asked, and depend on content alone."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import record
from stagefiles import check_sums, write

import phase0
from phase0.dataset import manifest_of
from phase0.engine.local import Local
from phase0.errors import UsageError
from phase0.records import Record, Turn, encode
from phase0.stages.holdout import drawn


def words(seed: int, count: int = 30) -> str:
    draw = random.Random(seed)
    return " ".join(f"w{draw.randrange(10**6)}" for _ in range(count))


def families(count: int) -> list[Record]:
    """So many families of three: a row, one with the same prompt, one with two words of thirty changed."""
    made = []
    for number in range(count):
        prompt, answer = words(number), words(number + 10_000, 60)
        near = prompt.split()
        near[3] = near[-4] = "other"
        made += [
            record(instruction=prompt, response=answer),
            record(instruction=prompt.upper(), response=words(number + 20_000, 60)),
            record(instruction=" ".join(near), response=words(number + 30_000, 60)),
        ]
    return made


def exported(folder: Path, rows: list[Record], **how: Any) -> tuple[list[str], list[str]]:
    """The rows for training and for validation, as lines."""
    source = write(folder / "in.jsonl", *map(encode, rows))
    phase0.export([source], folder / "out", to="trl", **({"validation": 0.2} | how))
    train, held = (folder / f"out/trl/{name}.jsonl" for name in ("train", "validation"))
    return train.read_text().splitlines(), held.read_text().splitlines()


def prompt_of(line: str) -> str:
    return str(json.loads(line)["messages"][0]["content"])


def test_rows_that_resemble_each_other_are_on_one_side(tmp_path: Path) -> None:
    train, held = exported(tmp_path, families(40))
    assert len(train) + len(held) == 120
    marks = [{prompt_of(line).lower().split()[10] for line in side} for side in (train, held)]
    assert all(marks)
    assert not marks[0] & marks[1]


def test_a_chain_of_rows_is_on_one_side_though_its_ends_are_unlike(tmp_path: Path) -> None:
    chain = words(0, 80).split()
    links = [record(instruction=" ".join(chain[at : at + 40]), response=words(at + 1, 60)) for at in range(0, 41, 10)]
    others = [record(instruction=words(at), response=words(at + 500, 60)) for at in range(100, 140)]
    for seed in range(4):
        _, held = exported(tmp_path / str(seed), [*links, *others], seed=seed)
        assert len({prompt_of(line) for line in held} & {link.instruction for link in links}) in {0, len(links)}


def test_turns_of_one_conversation_are_on_one_side(tmp_path: Path) -> None:
    rows = []
    for number in range(20):
        turns: tuple[Turn, ...] = ()
        for turn in range(3):
            asked, said = words(number * 100 + turn, 8), words(number * 100 + turn + 50, 200)
            rows.append(record(instruction=asked, response=said, history=turns))
            turns += (Turn(role="user", content=asked), Turn(role="assistant", content=said))
    train, held = exported(tmp_path, rows)
    assert len(held) == 12
    assert not set(map(prompt_of, train)) & set(map(prompt_of, held))


def test_the_rows_held_out_depend_neither_on_their_order_nor_on_the_number_of_processes(tmp_path: Path) -> None:
    rows = families(30)
    first = exported(tmp_path / "a", rows)
    shuffled = random.Random(1).sample(rows, len(rows))
    second = exported(tmp_path / "b", shuffled, engine=Local(2))
    assert sorted(first[1]) == sorted(second[1])
    assert sorted(first[0]) == sorted(second[0])
    assert sorted(first[1]) != sorted(exported(tmp_path / "c", rows, seed=1)[1])


def test_every_format_holds_out_the_same_rows_and_says_how_many(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", *map(encode, families(20)))
    made = phase0.export([source], tmp_path / "out", to=["openai", "llama-factory-alpaca", "parquet"], validation=0.1)
    assert {manifest.figures["validation"]["rows"] for manifest in made.values()} == {6}
    for path, manifest in made.items():
        figures = manifest.figures["validation"]
        assert (figures["asked"], figures["share"], figures["groups"], figures["largest_group"]) == (0.1, 0.1, 2, 3)
        assert [(other.path, other.rows) for other in manifest.others] == [(f"validation{path.suffix}", 6)]
        assert manifest.output.rows + 6 == manifest.counts.kept == 60
    held = [json.loads(line) for line in (tmp_path / "out/openai/validation.jsonl").read_text().splitlines()]
    plain = [
        json.loads(line) for line in (tmp_path / "out/llama-factory-alpaca/validation.jsonl").read_text().splitlines()
    ]
    assert [row["messages"][0]["content"] for row in held] == [row["instruction"] for row in plain]


def test_rows_that_are_dropped_are_neither_held_out_nor_counted(tmp_path: Path) -> None:
    rows = [*families(10), record(instruction="x " * 5000), record(7, response=None)]
    train, held = exported(tmp_path, rows, max_tokens=1000)
    assert (len(train), len(held)) == (24, 6)
    manifest = manifest_of(tmp_path / "out/trl/train.jsonl")
    assert manifest is not None
    assert manifest.counts.reasons == {"no_response": 1, "too_long": 1}
    assert manifest.counts.rows_in == 32


def test_a_share_that_no_group_fits_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    rows = [record(number, instruction="The same question?") for number in range(10)]
    with pytest.raises(UsageError, match="no rows for validation"):
        exported(tmp_path, rows, validation=0.3)
    assert not (tmp_path / "out/trl/train.jsonl").exists()


def test_without_a_share_the_sums_are_those_of_any_stage(tmp_path: Path) -> None:
    exported_to = tmp_path / "x.jsonl"
    phase0.export([write(tmp_path / "in.jsonl", *map(encode, families(3)))], exported_to)
    check_sums(exported_to)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(0, 99), st.floats(0.01, 0.99))
def test_groups_are_never_cut_and_never_exceed_the_share(groups: list[int], seed: int, share: float) -> None:
    firsts = np.array([groups.index(group) for group in groups])
    draw = random.Random(seed)
    hashes = np.array(draw.sample(range(10**6), len(groups)), np.uint64)
    chosen = drawn(firsts, hashes, share)
    firsts = firsts.tolist()
    assert len(chosen) <= round(share * len(groups))
    assert all(
        firsts.count(group) == sum(firsts[at] == group for at in chosen) for group in {firsts[at] for at in chosen}
    )
    room = round(share * len(groups)) - len(chosen)
    left = {group for group in firsts if group not in {firsts[at] for at in chosen}}
    assert all(firsts.count(group) > room for group in left)  # nothing that fits is left out
