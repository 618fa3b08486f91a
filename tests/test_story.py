"""The story of a row: every stage it went through, why it left, and which rows it stands for."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from phase0.cli.printing import story
from phase0.engine.local import Local
from phase0.errors import DataError, UsageError
from phase0.stages.deduplicate import deduplicate
from phase0.stages.distill import distill
from phase0.stages.download import acquire
from phase0.stages.publish import publish
from phase0.stages.score import score
from phase0.story import Event, explain

ANSWER = (
    "Bread rises because yeast eats the sugar in the dough and gives off gas. The gas is caught in small bubbles, "
    "so the dough grows. Heat then sets the walls of the bubbles, and the loaf keeps its shape."
)
ROWS: list[dict[str, Any]] = [
    {"instruction": "Why does bread rise?", "input": "", "output": ANSWER},
    {"instruction": "Why does bread rise?", "input": "", "output": ANSWER},  # an equal row
    {"instruction": "Why does bread rise?", "input": "", "output": ANSWER + " Yes."},  # nearly equal
    {"instruction": "Name a grain.", "input": "", "output": "no " * 60},  # scores low
    {"instruction": "Name two.", "input": "", "output": ""},  # has no answer
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five rows after the whole line, in the folders of the recipe."""
    at = tmp_path_factory.mktemp("line")
    (at / "made.json").write_text(json.dumps(ROWS))
    acquire([at / "made.json"], at / "raw", engine=Local(1))
    distill([at / "raw" / "combined.jsonl"], at / "distilled" / "a.jsonl")
    score([at / "distilled" / "a.jsonl"], at / "scored" / "all_scored.jsonl", threshold=5.0, engine=Local(1))
    deduplicate([at / "scored" / "all_scored.jsonl"], at / "deduped" / "deduped.jsonl")
    publish([at / "deduped" / "deduped.jsonl"], at / "dataset.jsonl")
    return at


def ids(folder: Path) -> list[str]:
    return [json.loads(line)["id"] for line in (folder / "raw" / "made.jsonl").read_bytes().splitlines()]


def told(events: list[Event]) -> list[tuple[str, str, int, str | None]]:
    return [(event.stage, event.what, event.line, event.reason) for event in events]


def test_the_row_that_stays_shows_every_stage_and_the_rows_it_stands_for(folder: Path) -> None:
    kept = ids(folder)[2]
    assert told(explain(folder, kept)) == [
        ("download", "kept", 3, None),
        ("distill", "kept", 3, None),
        ("score", "kept", 3, None),
        ("dedup", "kept", 1, None),
        ("dedup", "stands_for", 1, "near_duplicate"),
        ("dedup", "stands_for", 2, "near_duplicate"),
        ("publish", "kept", 1, None),
    ]


def test_equal_rows_are_all_shown_each_with_its_own_line(folder: Path) -> None:
    first, second = ids(folder)[:2]
    assert first == second
    events = explain(folder, first)
    assert told(events) == [
        ("download", "kept", 1, None),
        ("download", "kept", 2, None),
        ("distill", "kept", 1, None),
        ("distill", "kept", 2, None),
        ("score", "kept", 1, None),
        ("score", "kept", 2, None),
        ("dedup", "dropped", 1, "near_duplicate"),
        ("dedup", "dropped", 2, "near_duplicate"),
    ]
    assert {event.evidence["kept_id"] for event in events if event.stage == "dedup"} == {ids(folder)[2]}
    origins = [event.row["meta"]["origin"]["row"] for event in events]
    assert origins == ["made.json:1", "made.json:2"] * 4


def test_a_dropped_row_shows_why(folder: Path) -> None:
    low, empty = ids(folder)[3:]
    event = explain(folder, low)[-1]
    assert (event.stage, event.what, event.reason, event.file) == ("score", "dropped", "low_score", "a.jsonl")
    assert event.evidence["quality_score"] <= event.evidence["threshold"] == 5.0
    assert event.evidence["reasons"]
    assert told(explain(folder, empty))[-1] == ("distill", "dropped", 5, "empty_answer")


@pytest.mark.parametrize("place", ["dataset.jsonl", "deduped/deduped.jsonl", "."])
def test_a_finished_file_tells_the_same_story_as_its_folder(folder: Path, place: str) -> None:
    kept = ids(folder)[2]
    assert [e for e in told(explain(folder / place, kept)) if e[0] != "publish"] == told(explain(folder, kept))[:-1]


def test_the_first_digits_of_an_id_suffice_in_either_case(folder: Path) -> None:
    kept = ids(folder)[2]
    assert explain(folder, kept[:6]) == explain(folder, f" {kept.upper()} ") == explain(folder, kept)


@pytest.mark.parametrize("bad", ["", "abcde", "not hex at all", "0x1234567"])
def test_what_is_no_id_is_refused(folder: Path, bad: str) -> None:
    with pytest.raises(UsageError, match="is not an id: 32 hex digits"):
        explain(folder, bad)


def test_an_unknown_id_and_a_foreign_folder_are_told_in_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row has an id that starts with ffffffff") as unknown:
        explain(folder, "ffffffff")
    with pytest.raises(DataError, match="nothing here was made by phase0"):
        explain(tmp_path, "ffffffff")
    with pytest.raises(DataError, match="nothing here was made by phase0"):
        explain(tmp_path / "gone.jsonl", "ffffffff")
    assert "\n" not in str(unknown.value)


def test_a_damaged_line_is_passed_over(folder: Path, tmp_path: Path) -> None:
    deduplicate([folder / "scored" / "all_scored.jsonl"], tmp_path / "out.jsonl")
    kept = ids(folder)[2]
    with (tmp_path / "out.jsonl").open("ab") as file:
        file.write(f'{{"id": "{kept}", broken\n'.encode())
    assert ("dedup", "kept", 1, None) in told(explain(tmp_path / "out.jsonl", kept))


def test_rows_are_found_in_compressed_files_and_under_any_spacing(folder: Path, tmp_path: Path) -> None:
    odd = [json.dumps(json.loads(line)) for line in (folder / "scored" / "all_scored.jsonl").read_bytes().splitlines()]
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress("\n".join(odd).encode()))
    deduplicate([tmp_path / "in.jsonl.gz"], tmp_path / "out.jsonl.gz")
    kept = ids(folder)[2]
    assert told(explain(tmp_path / "out.jsonl.gz", kept)) == [
        ("dedup", "kept", 1, None),
        ("dedup", "stands_for", 1, "near_duplicate"),
        ("dedup", "stands_for", 2, "near_duplicate"),
    ]


def test_the_text_of_a_row_is_shown_once_and_holds_no_control_characters(folder: Path) -> None:
    shown = story(explain(folder, ids(folder)[2]))
    assert shown.count("response: Bread rises") == 3  # its own, and those of the two rows it stands for
    assert "score: kept (all_scored.jsonl, line 3" in shown
    assert "quality_score" in shown
    assert "jaccard: 0." in shown
    row = {"id": "0" * 32, "instruction": "red \x1b[31m\x07", "response": "a\r\nb", "meta": "upstream's own"}
    escape = story([Event("score", "kept", "x", 1, None, {"detail": "\x1b[2J"}, row)])
    assert all(character.isprintable() or character == "\n" for character in escape)
