"""verify over an engine: the same verification, byte for byte, however rows are cut and wherever they are read."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import record
from neardup import made_rows, spelled, written
from recounts import cut

from phase0.engine.local import Local
from phase0.errors import BusyError, DataError
from phase0.records import Meta, Origin, Record, encode
from phase0.stages import verify as stage
from phase0.stages.publish import publish
from phase0.stages.verification import Verification
from phase0.stages.verify import verify
from phase0.workspace import MARK, hold


def dataset(folder: Path, rows: int = 160, seed: int = 3) -> list[Path]:
    """A published file with its full rows, one with all kinds of faults, an empty one and a compressed one."""
    alike = spelled(made_rows(rows, seed=seed))
    full = [encode(categorised(number)) for number in range(rows)]
    publish([written(folder / "in.jsonl", full)], folder / "published.jsonl")
    lines = (folder / "published.jsonl").read_bytes().splitlines()
    lines[5:8] = [
        b"",
        b'{"instruction": "Asked by hand", "response": "Yes", "source": "me", "quality_score": 3.7}',
        b"{",
    ]
    written(folder / "published.jsonl", lines)
    bad = [
        b"{",
        b"",
        b"[1]",
        json.dumps({"instruction": "a", "response": "b", "source": "c", "quality_score": 11}).encode(),
    ]
    written(
        folder / "alike.jsonl", [line for at in range(0, rows, 4) for line in (*alike[at : at + 4], bad[at // 4 % 4])]
    )
    (folder / "empty.jsonl").touch()
    (folder / "packed.jsonl.gz").write_bytes(gzip.compress(b"\n".join(alike[: rows // 2]), mtime=0))
    return [folder / name for name in ("in.jsonl", "published.jsonl", "alike.jsonl", "empty.jsonl", "packed.jsonl.gz")]


def categorised(number: int) -> Record:
    meta = Meta(origin=Origin(dataset="made", revision=None, row=f"made:{number}"), category="code")
    return record(number, response=f"It is {number % 50}. " * 9, meta=meta)


def verified(paths: list[Path], engine: Local | None, size: int, bits: int = 2) -> Verification:
    """With inputs cut into units of so many bytes."""
    with pytest.MonkeyPatch.context() as patch, cut(bits):
        patch.setattr(stage, "SPAN", size)
        patch.setattr(stage, "UNIT", size)
        return verify(paths, engine=engine)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return dataset(tmp_path_factory.mktemp("verified"))


@pytest.fixture(scope="module")
def wanted(paths: list[Path]) -> bytes:
    checked = verify(paths)
    assert checked.categories_from.keys() == {"rows", "full rows", "computed"}
    assert checked.faults.rows > 20
    assert checked.duplicates.pairs > 50
    return msgspec.json.encode(checked)


@pytest.mark.parametrize("spread", [False, True])
def test_a_verification_is_the_same_in_a_pool(paths: list[Path], wanted: bytes, spread: bool) -> None:
    assert msgspec.json.encode(verified(paths, Local(2, spread=spread), 3000)) == wanted
    assert not list((paths[0].parent / MARK).glob("verify-*/work"))


@given(st.booleans(), st.sampled_from([977, 5000, 1 << 20]), st.integers(0, 3))
@settings(max_examples=6)
def test_a_verification_is_the_same_however_rows_are_cut(
    paths: list[Path], wanted: bytes, spread: bool, size: int, bits: int
) -> None:
    assert msgspec.json.encode(verified(paths, Local(1, spread=spread), size, bits)) == wanted


def test_examples_name_the_lines_of_the_first_pairs(tmp_path: Path) -> None:
    row = {"instruction": "one two three four five six", "response": "seven eight nine ten", "source": "a"}
    other = row | {"instruction": "eleven twelve thirteen fourteen fifteen sixteen", "response": "x y z"}
    lines = [json.dumps(one).encode() for one in (other, row, row)]
    one = written(tmp_path / "one.jsonl", [lines[0], b"", lines[1]])
    two = written(tmp_path / "two.jsonl", [b"{", lines[2], lines[0]])
    for spread in (False, True):
        found = verified([one, two], Local(1, spread=spread), 150).duplicates.examples
        assert [(pair.first, pair.second) for pair in found] == [
            ("one.jsonl:1", "two.jsonl:3"),
            ("one.jsonl:3", "two.jsonl:2"),
        ]


def test_a_category_comes_from_the_full_row_on_the_same_line(tmp_path: Path) -> None:
    rows = [encode(categorised(number)) for number in range(40)]
    publish([written(tmp_path / "in.jsonl", rows)], tmp_path / "out.jsonl")
    lines = (tmp_path / "out.jsonl").read_bytes().splitlines()
    written(tmp_path / "out.jsonl", [*lines[:20], b"", *lines[20:]])  # from here on full rows are a line above
    for size in (10, 1000, 1 << 20):
        found = verified([tmp_path / "out.jsonl"], None, size).categories_from
        assert found == {"full rows": 20, "computed": 20}


def test_what_a_killed_verification_left_is_removed_by_the_next(paths: list[Path], wanted: bytes) -> None:
    verified(paths, Local(1, spread=True), 5000)
    (folder,) = (paths[0].parent / MARK).glob("verify-*")
    (folder / "work" / "units" / "000000").mkdir(parents=True)
    (folder / "work" / "units" / "000000" / "keys.npy").write_bytes(b"half a file")
    assert msgspec.json.encode(verified(paths, Local(1, spread=True), 5000)) == wanted
    assert not (folder / "work").exists()


def test_two_verifications_of_the_same_files_on_a_cluster_do_not_mix(paths: list[Path]) -> None:
    verified(paths, Local(1, spread=True), 5000)
    (folder,) = (paths[0].parent / MARK).glob("verify-*")
    with hold(folder, "it"), pytest.raises(BusyError, match=f"process {os.getpid()}"):
        verified(paths, Local(1, spread=True), 5000)


@pytest.mark.parametrize("spread", [False, True])
def test_a_truncated_file_stops_a_verification_wherever_it_is_read(tmp_path: Path, spread: bool) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps({"instruction": "a", "response": "b"}).encode() * 1000)[:-20])
    with pytest.raises(DataError, match="truncated"):
        verify([path], engine=Local(2, spread=spread))
