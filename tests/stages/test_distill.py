"""Distil: calls in any order, at once and again cover every row once, whatever the rows are."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import record
from stagefiles import check_sums, dropped_of, rows_of

from phase0.errors import UsageError
from phase0.records import encode
from phase0.stages.allocation import selected
from phase0.stages.distill import distill
from phase0.workspace import claims, release, workspace_of

MIX = ("40", "35", "25")


def made_input(folder: Path, rows: int = 200) -> list[Path]:
    """Two files with good rows, equal rows, rows without an answer, rows of the standard fields, and broken ones."""
    lines = []
    for number in range(rows):
        lines.append(encode(record(number)))
        if number % 10 == 0:
            lines += [encode(record(7)), b"{broken %d" % number, b"", b"[1, 2]"]
        if number % 20 == 0:
            lines += [encode(record(number, response=None)), encode(record(number, response=" "))]
            lines.append(b'{"instruction":"Count to %d.","response":"x","source":"s"}' % number)
    half = len(lines) // 2
    paths = [folder / "data" / "raw" / name for name in ("a.jsonl", "b.jsonl")]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    for path, part in zip(paths, (lines[:half], lines[half:]), strict=True):
        path.write_bytes(b"\n".join(part) + b"\n")
    return paths


def output(folder: Path, share: str) -> Path:
    return folder / "data" / "distilled" / f"teacher{share}.jsonl"


def told(path: Path) -> Counter[tuple[str, str]]:
    """Every row an output accounts for, kept or dropped, by what it says."""
    kept = Counter((row["instruction"], str(row["response"])) for row in rows_of(path))
    lost = Counter(
        (row["row"]["instruction"], str(row["row"]["response"]))
        if isinstance(row["row"], dict) and "instruction" in row["row"]
        else ("", json.dumps(row["row"]))
        for row in dropped_of(path)
    )
    return kept + lost


def wanted(paths: list[Path]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for line in (line for path in paths for line in path.read_bytes().split(b"\n") if line):
        try:
            row = json.loads(line)
        except ValueError:
            row = {"raw": line.decode()}
        whole = isinstance(row, dict) and "instruction" in row
        found[(row["instruction"], str(row["response"])) if whole else ("", json.dumps(row))] += 1
    return found


@pytest.mark.parametrize("order", list(itertools.permutations(MIX)), ids="-".join)
def test_calls_in_any_order_take_every_row_once(tmp_path: Path, order: tuple[str, ...]) -> None:
    paths = made_input(tmp_path)
    for share in order:
        distill(paths, output(tmp_path, share), percentage=share)
    total = sum(wanted(paths).values())
    assert sum((told(output(tmp_path, share)) for share in MIX), Counter()) == wanted(paths)
    for share in MIX:
        manifest = check_sums(output(tmp_path, share), one_to_one=False)
        assert manifest.counts.read == total
        assert abs(manifest.counts.rows_in - total * int(share) / 100) < 1


def test_the_same_call_again_gives_the_same_bytes(tmp_path: Path) -> None:
    paths = made_input(tmp_path)
    for share in MIX:
        distill(paths, output(tmp_path, share), percentage=share)
    before = {share: output(tmp_path, share).read_bytes() for share in MIX}
    for share in reversed(MIX):
        distill(paths, output(tmp_path, share), percentage=share)
    assert {share: output(tmp_path, share).read_bytes() for share in MIX} == before


_CALL = """
import sys
from phase0.stages.distill import distill
sys.stdin.readline()
distill(sys.argv[3:], sys.argv[2], percentage=sys.argv[1])
"""


def test_three_calls_at_once_take_every_row_once(tmp_path: Path) -> None:
    paths = made_input(tmp_path)
    calls = [
        subprocess.Popen(
            [sys.executable, "-c", _CALL, share, str(output(tmp_path, share)), *map(str, paths)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for share in MIX
    ]
    for call in calls:
        assert call.stdin is not None
        call.stdin.write("go\n")
        call.stdin.flush()
    for call in calls:
        _, errors = call.communicate(timeout=100)
        assert call.returncode == 0, errors
    assert sum((told(output(tmp_path, share)) for share in MIX), Counter()) == wanted(paths)
    assert sorted(str(item.percentage) for item in claims(tmp_path / "data")) == sorted(MIX)


def test_more_than_the_whole_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    paths = made_input(tmp_path)
    distill(paths, output(tmp_path, "40"), percentage=40)
    with pytest.raises(UsageError, match=r"60\.5% of this input was asked for, but only 60% is left.*teacher40\.jsonl"):
        distill(paths, output(tmp_path, "x"), percentage=60.5)
    assert not output(tmp_path, "x").exists()


def test_a_share_that_was_given_up_is_taken_by_the_next_call(tmp_path: Path) -> None:
    paths = made_input(tmp_path)
    distill(paths, output(tmp_path, "40"), percentage="40%")
    distill(paths, output(tmp_path, "60"), percentage=Decimal(60))
    release(workspace_of(output(tmp_path, "40")), output(tmp_path, "40"))
    distill(paths, output(tmp_path, "other"), percentage=40)
    assert output(tmp_path, "other").read_bytes() == output(tmp_path, "40").read_bytes()


def test_rows_without_an_answer_are_dropped_with_their_reasons(tmp_path: Path) -> None:
    paths = made_input(tmp_path, 100)
    manifest = distill(paths, output(tmp_path, "100"))
    assert manifest.counts.reasons == {"empty_answer": 5, "invalid_json": 10, "no_answer": 5, "not_an_object": 10}
    assert manifest.counts.kept == 100 + 10 + 5
    assert {(row["file"], row["line"]) for row in dropped_of(output(tmp_path, "100"))} > {
        ("a.jsonl", 3),
        ("a.jsonl", 5),
    }


def test_kept_rows_leave_in_the_order_they_came(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"".join(encode(record(number)) + b"\n" for number in range(500)))
    distill([path], tmp_path / "out.jsonl", percentage=30)
    numbers = [int(row["meta"]["origin"]["row"].partition(":")[2]) for row in rows_of(tmp_path / "out.jsonl")]
    assert len(numbers) == 150
    assert numbers == sorted(numbers)


def test_which_rows_are_taken_depends_on_what_they_say_and_not_on_their_order(tmp_path: Path) -> None:
    lines = [encode(record(number)) + b"\n" for number in range(300)]
    taken = []
    for name, order in (("a", lines), ("b", lines[::-1])):
        (tmp_path / f"{name}.jsonl").write_bytes(b"".join(order))
        distill([tmp_path / f"{name}.jsonl"], tmp_path / "out" / f"{name}.jsonl", percentage=40)
        taken.append({row["id"] for row in rows_of(tmp_path / "out" / f"{name}.jsonl")})
    assert taken[0] == taken[1]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"teacher": "orginal"}, "Did you mean 'original'"),
        ({"teacher": "gpt-4o"}, "without a key: set OPENAI_API_KEY"),
        ({"percentage": "forty"}, "--percentage is 'forty'"),
        ({"percentage": 0}, "--percentage is 0"),
        ({"percentage": "nan"}, "--percentage is NaN"),
    ],
)
def test_a_value_that_cannot_be_used_claims_nothing(tmp_path: Path, options: dict[str, Any], word: str) -> None:
    paths = made_input(tmp_path, 3)
    with pytest.raises(UsageError, match=word):
        distill(paths, output(tmp_path, "x"), **options)
    assert claims(tmp_path / "data") == []
    assert not output(tmp_path, "x").exists()


cuts = st.lists(st.decimals("0.01", "99.99", places=2), unique=True, max_size=6).map(
    lambda edges: [Decimal(0), *sorted(edges), Decimal(100)]
)


@given(st.lists(st.integers(0, 5) | st.integers(0, 2**64 - 1), max_size=300), cuts)
def test_parts_that_cover_the_line_take_every_row_once(keys: list[int], edges: list[Decimal]) -> None:
    array = np.array(keys, dtype=np.uint64)
    chosen = [selected(array, [part]) for part in itertools.pairwise(edges)]
    assert (np.sum(chosen, axis=0) == 1).all()
    for part, rows in zip(itertools.pairwise(edges), chosen, strict=True):
        assert abs(int(rows.sum()) - len(keys) * (part[1] - part[0]) / 100) < 1
    assert (selected(array, list(itertools.pairwise(edges)))).all()


@given(st.lists(st.integers(0, 2**64 - 1), unique=True, min_size=1, max_size=100), st.randoms(use_true_random=False))
def test_different_rows_are_taken_whatever_their_order(keys: list[int], chance: Any) -> None:
    mixed = list(keys)
    chance.shuffle(mixed)
    parts = [(Decimal(10), Decimal("47.5"))]
    taken = [set(np.array(order, np.uint64)[selected(np.array(order, np.uint64), parts)]) for order in (keys, mixed)]
    assert taken[0] == taken[1]
