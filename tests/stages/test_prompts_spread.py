"""Prompts over an engine: the bytes of one machine, and the prompts that `phase0.dedup` keeps of the same texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from made import record
from neardup import written

from phase0.dataset import BadRow, Manifest, meta_folder, read_records
from phase0.dedup import dedup
from phase0.engine.local import Local
from phase0.records import Record, Turn, encode
from phase0.stages import dedup_spread
from phase0.stages.prompts import distinct_prompts
from phase0.stages.row_readings import prompt_of

MOON = "why does the moon look larger when it is near the horizon than overhead"
ASKED = [
    MOON,
    MOON.upper() + "?",
    f"{MOON} tonight",
    f"Say {MOON}",
    MOON.removesuffix(" near the horizon than overhead"),
    "Go on.",
    "go on",
    "?!",
    "日本語の文章を書く",
    "word " * 60,
]
TURNS = [(Turn(role="user", content=said), Turn(role="assistant", content="Yes?")) for said in ("Hello.", "Good day.")]
LINES = [
    b"",
    b" \t",
    b"{",
    b"[1]",
    b'{"instruction":4}',
    b'{"instruction":" ","response":null,"source":"a"}',
    b'{"instruction":"Go on.","response":"\xff","source":"a"}',
    b'{"instruction":"Go on.","response":"Yes.","source":"a","other":1}',
    b' {"response":"Yes, and \\u00e9.","source":"b","instruction":"Go\\u0020on."} \r',
    b'\xef\xbb\xbf{"instruction":"Go on.","response":"","source":"a"}',
]

made = st.builds(
    record,
    st.integers(0, 9),
    instruction=st.sampled_from(ASKED),
    response=st.sampled_from([None, "", "Yes.", "Ja.", "It seems so, and nobody knows why. " * 3]),
    source=st.sampled_from(["a", "b"]),
    system=st.sampled_from([None, None, None, "Be brief.", "be brief"]),
    history=st.sampled_from([(), (), (), *TURNS]),
)
files_of = st.lists(st.lists(made.map(encode) | st.sampled_from(LINES), max_size=14), min_size=1, max_size=3)


def asked_once(paths: list[Path], folder: Path, engine: Local | None = None, unit: int = 4000, **how: Any) -> Manifest:
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dedup_spread, "UNIT", unit)
        return distinct_prompts(paths, folder / "out.jsonl", engine=engine, **how)


def left(folder: Path, manifest: Manifest) -> tuple[bytes, bytes, dict[str, Any]]:
    """Everything but the time."""
    told = msgspec.to_builtins(manifest)
    lasting = {name: value for name, value in told.items() if name not in {"started", "seconds"}}
    output = folder / "out.jsonl"
    return output.read_bytes(), (meta_folder(output) / "dropped.jsonl").read_bytes(), lasting


def kept_of_texts(paths: list[Path], threshold: str) -> tuple[list[bytes], list[tuple[str, int, int]]]:
    """The rows that stay where their prompts are given to `dedup` as texts; what is told of each that goes."""
    rows: list[tuple[bytes, Record]] = []
    for path in paths:
        rows += [(item[1], item[2]) for item in read_records(path) if not isinstance(item, BadRow)]
    rank = [(len(row.response or ""), xxhash.xxh3_64_intdigest(row.id.encode()) >> 24) for _, row in rows]
    found = dedup([prompt_of(row) for _, row in rows], threshold=threshold, rank=rank)
    gone = [(rows[one.kept][1].id, one.shared, one.union) for one in found.removed]
    return [rows[row][0] for row in found.kept], gone


@settings(max_examples=25, deadline=None)
@given(
    files=files_of,
    unit=st.sampled_from([150, 700, 5000]),
    threshold=st.sampled_from(["0.5", "0.8", "1"]),
)
def test_any_rows_leave_what_one_machine_leaves_and_what_their_texts_alone_say(
    files: list[list[bytes]], unit: int, threshold: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("any")
    paths = [written(place / f"{number}.jsonl", lines) for number, lines in enumerate(files)]
    wanted = left(place / "here", asked_once(paths, place / "here", threshold=threshold))
    spread = asked_once(paths, place / "there", Local(1, spread=True), unit, threshold=threshold)
    assert left(place / "there", spread) == wanted
    kept, gone = kept_of_texts(paths, threshold)
    assert wanted[0].splitlines() == kept
    told = [json.loads(line) for line in wanted[1].splitlines()]
    of_pairs = [row["evidence"] for row in told if row["reason"] == "near_duplicate"]
    assert [(one["kept_id"], one["shared"], one["union"]) for one in of_pairs] == gone
    assert len(told) + len(kept) == spread.counts.rows_in


def test_two_processes_leave_the_same_of_files_of_every_form(tmp_path: Path) -> None:
    rows = [
        encode(record(number, instruction=f"{ASKED[number % 10]} {number % 4}", response="So. " * (number % 5)))
        for number in range(120)
    ]
    paths = [written(tmp_path / "a.jsonl", [*rows[:70], b"{"]), tmp_path / "b.json"]
    paths[1].write_bytes(b"[" + b",\n".join([*rows[50:], b'{"instruction":\n4}']) + b"]")
    wanted = asked_once(paths, tmp_path / "here")
    found = asked_once(paths, tmp_path / "there", Local(2, spread=True), 4000)
    assert left(tmp_path / "there", found) == left(tmp_path / "here", wanted)
    assert found.counts.reasons["near_duplicate"] > 60
    assert found.counts.dropped == found.counts.reasons["near_duplicate"] + 2


def test_a_row_that_stays_is_named_by_the_whole_of_its_id(tmp_path: Path) -> None:
    rows = [msgspec.structs.replace(record(response="x" * length), id=f"é{'7' * 60}-{length}") for length in (1, 2)]
    path = written(tmp_path / "in.jsonl", [encode(row) for row in rows])
    for name, engine in (("here", None), ("there", Local(1, spread=True))):
        asked_once([path], tmp_path / name, engine)
        (lost,) = (tmp_path / name / "out.meta" / "dropped.jsonl").read_bytes().splitlines()
        assert json.loads(lost)["evidence"]["kept_id"] == rows[1].id
