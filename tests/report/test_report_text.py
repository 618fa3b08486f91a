"""The verification as a person reads it on a terminal."""

from __future__ import annotations

import json
from pathlib import Path

from phase0.report.text import render, table
from phase0.stages.verify import verify


def dataset(path: Path, *rows: tuple[str, str, str, float | None]) -> Path:
    names = ("instruction", "response", "source", "quality_score")
    path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_lines_of_the_recipe_come_first_and_in_its_order(tmp_path: Path) -> None:
    path = dataset(tmp_path / "x.jsonl", ("hello world", "fine words", "a", 9.0), ("hi", "other", "b", 8.0))
    head = render(verify([path])).split("\n\n")[0].splitlines()
    assert [line.split("  ")[0] for line in head] == [
        "Total examples:",
        "Format:",
        "Average quality score:",
        "Duplicates:",
        "Average instruction length:",
        "Average response length:",
    ]
    values = [line.split(":", 1)[1].strip() for line in head]
    assert values[:3] == ["2", "valid", "8.50 (from 8 to 9)"]
    assert values[3].startswith("0.00%")
    assert values[4:] == ["1.5 tokens", "1.5 tokens"]


def test_every_verdict_is_printed_in_words(tmp_path: Path) -> None:
    path = dataset(tmp_path / "x.jsonl", ("hello", "fine words", "a", 9.0))
    text = render(verify([path], target_rows=2, budget_usd="150", min_quality=8))
    verdicts = {line[:19].strip(): line.split()[-1] for line in text.splitlines() if line.startswith("  ")}
    assert (verdicts["format"], verdicts["rows"], verdicts["cost"]) == ("PASS", "FAIL", "UNKNOWN")
    assert "Not met: rows, cost." in text
    assert "Acquire more datasets" in text


def test_a_dataset_that_meets_everything_says_so(tmp_path: Path) -> None:
    path = dataset(tmp_path / "x.jsonl", ("hello", "fine words", "a", 9.0))
    assert "All criteria are met." in render(verify([path]))


def test_bad_rows_and_remaining_duplicates_are_shown_with_their_places(tmp_path: Path) -> None:
    same = ("one two three four five six seven", "eight nine ten", "a", 8.0)
    path = dataset(tmp_path / "x.jsonl", same, same, ("", "b", "c", 1.0))
    text = render(verify([path]))
    assert f"{path}:3: empty_instruction: instruction is empty" in text
    assert "x.jsonl:1 and x.jsonl:2: 1.000" in text
    assert "66.67% (2 rows in 1 pair of Jaccard similarity ≥ 0.8)" in text


def test_nothing_from_the_data_reaches_the_terminal_as_a_command(tmp_path: Path) -> None:
    hostile = "evil\x1b[2J\r\n\u202emodel\x07\u2028end"
    path = dataset(tmp_path / "x.jsonl", ("hello", "fine words", hostile, 9.0))
    path.write_text(path.read_text() + json.dumps({hostile: 1}) + "\n")
    text = render(verify([path]))
    assert not set(text) & set("\x1b\r\x07\u202e\u2028")
    assert r"evil\x1b[2J\r\n\u202emodel\x07\u2028end" in text


def test_an_empty_dataset_is_rendered_without_numbers_that_nobody_measured(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").touch()
    text = render(verify([tmp_path / "x.jsonl"]))
    assert "not valid: no rows" in text
    assert text.count("unknown") >= 4
    assert "nan" not in text.lower()


def test_only_the_largest_sources_are_listed_and_the_rest_is_summed(tmp_path: Path) -> None:
    rows = [(f"ask {n}", f"answer {n}", f"source-{n:02}", 8.0) for n in range(25)]
    text = render(verify([dataset(tmp_path / "x.jsonl", *rows)]))
    assert "source-19" in text
    assert "source-20" not in text
    assert "… and 5 more with 5 rows" in text


def test_columns_of_a_table_line_up() -> None:
    assert table(("Name", "rows"), [("a", "1"), ("bcd", "1,000")]) == [
        "Name    rows",
        "  a        1",
        "  bcd  1,000",
    ]
