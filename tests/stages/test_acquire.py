"""Upstream rows become standard rows, and every upstream row is accounted for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import filled, records
from stagefiles import check_sums, dropped_of, rows_of, write
from upstream import GOOD, MESSAGES, alpaca, read_all, take

from phase0.dataset import manifest_of
from phase0.records import decode, encode, identity
from phase0.stages import acquire
from phase0.stages.acquire import Upstream

# ---- rows ----------------------------------------------------------------------------------------------------------

instruction = st.text(max_size=30)
mixed_line = st.one_of(
    st.builds(lambda i, o: json.dumps({"instruction": i, "input": "", "output": o}).encode(), instruction, instruction),
    st.builds(
        lambda i, o: json.dumps({"instruction": i, "input": "", "output": o}, ensure_ascii=False).encode(),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.just("a\u2028b\u0085c"),
    ),
    st.just(b""),
    st.just(b"   \t\r"),
    st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b"")),
    st.sampled_from(
        [
            b"{",
            b"null",
            b"[]",
            b'"text"',
            b'{"instruction": null, "output": "x"}',
            b'{"instruction": "x"}',
            b'{"instruction": 5, "output": "x"}',
            b'{"instruction": "a", "output": "\\ud800"}',
            b'{"instruction": "a", "output": "\xff"}',
            b'{"instruction": "a", "output": "b"} trailing',
            b"[" * 3000,
            b'{"instruction": "huge", "input": "", "output": "' + b"x" * 70_000 + b'"}',
            b'{"instruction": "nul \\u0000", "input": "", "output": "b"}',
        ]
    ),
)


@settings(max_examples=60)
@given(lines=st.lists(mixed_line, max_size=12))
def test_every_line_of_any_file_is_kept_or_dropped(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("made")
    path = write(folder / "in.jsonl", *GOOD, *lines)
    manifest = read_all(path, folder / "out.jsonl")
    there = sum(bool(line.strip(b" \t\r\n")) for line in path.read_bytes().split(b"\n"))
    assert manifest.counts.read == manifest.counts.rows_in == there
    check_sums(folder / "out.jsonl")
    kept = rows_of(folder / "out.jsonl")
    assert all(decode(line) for line in (folder / "out.jsonl").read_bytes().splitlines())
    numbers = {int(row["meta"]["origin"]["row"].rpartition(":")[2]) for row in kept}
    assert numbers | {row["line"] for row in dropped_of(folder / "out.jsonl")} == {
        number for number, line in enumerate(path.read_bytes().split(b"\n"), 1) if line.strip(b" \t\r\n")
    }


def test_a_row_says_where_it_came_from_and_under_which_licence(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", alpaca(1), b"", alpaca(2))
    read_all(path, tmp_path / "out.jsonl", revision="abc", license="MIT", author="davinci")
    first, second = rows_of(tmp_path / "out.jsonl")
    assert list(first) == ["instruction", "response", "source", "quality_score", "id", "meta"]
    assert first["source"] == "davinci"
    assert first["quality_score"] is None
    assert first["meta"]["license"] == "MIT"
    assert first["meta"]["origin"] == {"dataset": "made", "revision": "abc", "row": "in.jsonl:1"}
    assert second["meta"]["origin"]["row"] == "in.jsonl:3"
    assert first["meta"]["category"] == "general"


def test_a_dropped_row_keeps_its_bytes_its_line_and_its_reason(tmp_path: Path) -> None:
    odd = b'{"instruction" :"x",  "input":"", "output": 7}'
    path = write(tmp_path / "in.jsonl", *GOOD, odd, b"{half")
    read_all(path, tmp_path / "out.jsonl")
    bad, broken = dropped_of(tmp_path / "out.jsonl")
    assert (bad["line"], bad["reason"], bad["file"], bad["stage"]) == (61, "bad_type", "in.jsonl", "download")
    assert bad["evidence"] == {"detail": "output is a number, not text", "field": "output"}
    assert odd in (tmp_path / "out.meta" / "dropped.jsonl").read_bytes()
    assert (broken["line"], broken["reason"], broken["row"]) == (62, "invalid_json", {"raw": "{half"})


def test_bad_rows_and_good_ones_leave_in_the_order_of_the_file(tmp_path: Path) -> None:
    rows = [alpaca(n) if n % 3 else {"instruction": "", "input": "", "output": str(n)} for n in range(200)]
    path = write(tmp_path / "in.jsonl", *rows)
    read_all(path, tmp_path / "out.jsonl", layout="alpaca")
    kept = [int(row["meta"]["origin"]["row"].split(":")[1]) for row in rows_of(tmp_path / "out.jsonl")]
    assert kept == [n + 1 for n in range(200) if n % 3]
    assert [row["line"] for row in dropped_of(tmp_path / "out.jsonl")] == [n + 1 for n in range(200) if not n % 3]


TREE = {
    "message_tree_id": "t",
    "tree_state": "ready_for_export",
    "prompt": {
        "message_id": "t",
        "role": "prompter",
        "text": "Two?",
        "replies": [
            {"message_id": "u", "role": "assistant", "text": "Two.", "replies": []},
            {
                "message_id": "v",
                "role": "assistant",
                "text": "2.",
                "replies": [{"message_id": "w", "role": "prompter", "text": "Sure?", "replies": []}],
            },
        ],
    },
}


@pytest.mark.parametrize(
    ("rows", "kept"),
    [([*MESSAGES, b"{broken", *MESSAGES[:0]], 1), ([TREE, b"{broken", TREE], 2)],
    ids=["flat", "trees"],
)
def test_dropped_messages_of_a_tree_keep_the_upstream_row_they_stood_in(
    tmp_path: Path, rows: Sequence[Any], kept: int
) -> None:
    path = write(tmp_path / "in.jsonl", *rows)
    read_all(path, tmp_path / "out.jsonl", layout="oasst")
    manifest = check_sums(tmp_path / "out.jsonl", one_to_one=False)
    assert manifest.counts.read == len(rows)
    assert manifest.counts.kept == kept
    lines = path.read_bytes().splitlines()
    lost = dropped_of(tmp_path / "out.jsonl")
    assert "invalid_json" in manifest.counts.reasons
    for row in lost:
        upstream = lines[row["line"] - 1]
        assert row["row"] == ({"raw": "{broken"} if row["reason"] == "invalid_json" else json.loads(upstream))


# ---- phase0's own rows ----------------------------------------------------------------------------------------------


@given(made=st.lists(records, min_size=1, max_size=5))
def test_phase0s_own_rows_come_through_with_their_origin_and_scores(
    tmp_path_factory: pytest.TempPathFactory, made: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("own")
    path = write(folder / "in.jsonl", *(encode(record) for record in made))
    read_all(path, folder / "out.jsonl", layout="standard")
    again = [decode(line) for line in (folder / "out.jsonl").read_bytes().splitlines()]
    for old, new in zip(made, again, strict=True):
        category = new.meta.category
        assert category is not None
        assert new == msgspec.structs.replace(old, meta=msgspec.structs.replace(old.meta, category=category))
        assert old.meta.category in (None, category)


@pytest.mark.parametrize("together", [1, 7, 4096])
def test_rows_that_are_categorised_together_are_written_as_rows_alone_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    asked = [
        "Write a poem on tides.",
        "What is 3 + 4?",
        "Fix `x = [1`",
        "Hello!",
        "Which sea is salty?",
        "¿Quién eres?",
    ]
    made = [alpaca(n, instruction=f"{n}: {asked[n % 6]}", output="def f(x):\n    return 7") for n in range(40)]
    filed = [{**made[9], "output": None}, b"{broken", *made[:20], "[]", *made[20:]]
    path = write(tmp_path / "in.jsonl", *filed)
    manifest = read_all(path, tmp_path / "alone.jsonl", layout="alpaca")
    monkeypatch.setattr(acquire, "_FEW", 0)
    monkeypatch.setattr(acquire, "_TOGETHER", together)
    assert read_all(path, tmp_path / "together.jsonl", layout="alpaca").counts == manifest.counts
    assert (tmp_path / "together.jsonl").read_bytes() == (tmp_path / "alone.jsonl").read_bytes()
    assert len({row["meta"]["category"] for row in rows_of(tmp_path / "alone.jsonl")}) > 1
    take(tmp_path / "raw", path, limit=5)
    limited = rows_of(tmp_path / "raw" / "combined.jsonl")
    assert [row["instruction"] for row in limited] == [row["instruction"] for row in made[:5]]


def test_an_edited_row_of_phase0s_own_gets_the_id_of_what_it_says_now(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", alpaca(1))
    read_all(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    row = rows_of(tmp_path / "out.jsonl")[0] | {"response": "Edited by hand."}
    read_all(write(tmp_path / "edited.jsonl", row), tmp_path / "again.jsonl")
    made = rows_of(tmp_path / "again.jsonl")[0]
    assert made["id"] == identity(made["instruction"], "Edited by hand.", made["source"]) != row["id"]


def test_a_finished_dataset_of_four_fields_keeps_its_sources_and_scores(tmp_path: Path) -> None:
    path = write(
        tmp_path / "dataset.jsonl",
        {"instruction": "a", "response": "b", "source": "gpt-4o", "quality_score": 8.5},
        {"instruction": "c", "response": "d", "source": "llama-405b", "quality_score": 11},
    )
    made = take(tmp_path / "raw", path)
    assert made.rejected == ()
    (row,) = rows_of(tmp_path / "raw" / "dataset.jsonl")
    assert (row["source"], row["quality_score"]) == ("gpt-4o", 8.5)
    assert dropped_of(tmp_path / "raw" / "dataset.jsonl")[0]["reason"] == "score_out_of_range"


def test_other_peoples_meta_field_does_not_cost_a_row(tmp_path: Path) -> None:
    rows = [{"instruction": f"a{n}", "response": "b", "source": "x", "meta": {"lang": "en"}} for n in range(3)]
    read_all(write(tmp_path / "in.jsonl", *rows), tmp_path / "out.jsonl")
    assert check_sums(tmp_path / "out.jsonl").counts.kept == 3


def test_a_damaged_row_of_phase0s_own_is_dropped_with_the_field_at_fault(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", alpaca(1))
    read_all(tmp_path / "a.jsonl", tmp_path / "out.jsonl")
    good = rows_of(tmp_path / "out.jsonl")[0]
    bad = good | {"meta": good["meta"] | {"license": 5}}
    read_all(write(tmp_path / "in.jsonl", good, bad), tmp_path / "out.jsonl")
    (lost,) = dropped_of(tmp_path / "out.jsonl")
    assert (lost["reason"], lost["evidence"]["field"]) == ("bad_type", "meta")


def test_phase0s_own_rows_are_written_as_they_are_read(tmp_path: Path) -> None:
    """Memory must not grow with the file: a row is on its way out before the next one is read."""
    from phase0.dataset import Row
    from phase0.sources import layout
    from phase0.stages.acquire import _records

    write(tmp_path / "a.jsonl", alpaca(1))
    read_all(tmp_path / "a.jsonl", tmp_path / "out.jsonl")
    raw = (tmp_path / "out.jsonl").read_bytes().strip()
    taken = []

    def rows() -> Any:
        for line in range(1, 1000):
            taken.append(line)
            yield Row(line, raw, json.loads(raw))

    made = _records(Upstream(tmp_path, "a", "made"), layout("standard"), rows())
    for number in range(1, 4):
        next(made)
        assert len(taken) == number


@given(name=filled)
def test_any_text_can_stand_in_a_row(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.mktemp("text")
    read_all(write(folder / "a.jsonl", {"instruction": name, "output": name}), folder / "out.jsonl", layout="alpaca")
    assert [row["response"] for row in rows_of(folder / "out.jsonl")] == [name]
    assert manifest_of(folder / "out.jsonl") is not None
