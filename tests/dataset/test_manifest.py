"""The manifest: beside its file, true of its file, and absent rather than wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.dataset import (
    Counts,
    InputFile,
    Manifest,
    OutputFile,
    file_digest,
    lineage,
    manifest_of,
    meta_folder,
    write_json,
)
from phase0.dataset.manifest import Dropped, dropped, is_whole
from phase0.errors import DataError


def finish(path: Path, content: bytes, inputs: tuple[Path, ...] = ()) -> Manifest:
    """Write a file and its manifest, as a stage does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    manifest = Manifest(
        stage="made",
        recipe="0" * 32,
        settings={"threshold": 7.0},
        inputs=tuple(
            InputFile(path=str(item), bytes=item.stat().st_size, digest=file_digest(item), read=1, rows_in=1, kept=1)
            for item in inputs
        ),
        output=OutputFile(path=path.name, rows=1, bytes=len(content), digest=file_digest(path)),
        counts=Counts(read=1, rows_in=1, kept=1, dropped=0),
        versions={},
        started="2024-01-01T00:00:00+00:00",
        seconds=0.5,
    )
    write_json(meta_folder(path) / "manifest.json", manifest)
    return manifest


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    manifest = finish(tmp_path / "x.jsonl", b"{}\n")
    assert manifest_of(tmp_path / "x.jsonl") == manifest
    assert '"in": 1' in (tmp_path / "x.meta" / "manifest.json").read_text()


@pytest.mark.parametrize(
    ("name", "folder"),
    [("x.jsonl", "x.meta"), ("x.jsonl.gz", "x.meta"), ("x.v2.parquet", "x.v2.meta"), ("x", "x.meta")],
)
def test_the_meta_folder_is_beside_the_file_and_no_jsonl(name: str, folder: str) -> None:
    assert meta_folder(Path("a") / name) == Path("a") / folder


def test_a_file_without_a_manifest_has_none(tmp_path: Path) -> None:
    assert manifest_of(tmp_path / "x.jsonl") is None
    (tmp_path / "x.meta").write_bytes(b"a file, not a folder")
    assert manifest_of(tmp_path / "x.jsonl") is None


def test_the_manifest_of_another_format_of_the_file_is_not_this_ones(tmp_path: Path) -> None:
    finish(tmp_path / "x.jsonl", b"{}\n")
    assert manifest_of(tmp_path / "x.parquet") is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": 1}', b'{"format": 1, "surprise": 2}', b"\xff", b'{"stage": "\xff"}']
)
def test_a_manifest_that_cannot_be_read_is_an_error_with_a_way_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.meta").mkdir()
    (tmp_path / "x.meta" / "manifest.json").write_bytes(content)
    with pytest.raises(DataError, match=r"manifest\.json: .* delete .*x\.meta and make .*x\.jsonl again") as caught:
        manifest_of(tmp_path / "x.jsonl")
    assert "\n" not in str(caught.value)


def test_a_file_is_whole_while_it_holds_the_very_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    manifest = finish(path, b'{"a":1}\n')
    assert is_whole(path, manifest)
    path.write_bytes(b'{"a":2}\n')
    assert not is_whole(path, manifest)
    path.write_bytes(b'{"a":1}\n\n')
    assert not is_whole(path, manifest)
    path.unlink()
    assert not is_whole(path, manifest)


def test_lineage_names_every_step_once_upstream_first(tmp_path: Path) -> None:
    raw, left, right, last = (tmp_path / f"{name}.jsonl" for name in ("raw", "left", "right", "last"))
    raw.write_bytes(b"{}\n")
    finish(left, b"1", (raw,))
    finish(right, b"2", (raw, left))
    finish(last, b"3", (left, right))
    assert [made.path for made in lineage(last)] == [left, right, last]
    assert lineage(raw) == []


def test_lineage_ends_where_files_name_each_other(tmp_path: Path) -> None:
    one, two = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    two.write_bytes(b"")
    finish(one, b"1", (two,))
    finish(two, b"2", (one,))
    assert [made.path for made in lineage(two)] == [one, two]


def drop(raw: bytes) -> Dropped:
    line = dropped(stage="made", reason="bad", evidence={"detail": "x"}, file="x.jsonl", line=3, raw=raw)
    assert b"\n" not in line
    return msgspec.json.decode(line, type=Dropped)


def row_of(entry: Dropped) -> Any:
    return msgspec.json.decode(entry.row)


@pytest.mark.parametrize("raw", [b'{"a": 1.50, "a":2}', b"[1]", b'"\\u0000"', b"null"])
def test_a_dropped_row_is_kept_as_the_bytes_it_was(raw: bytes) -> None:
    assert bytes(drop(raw).row) == raw


@pytest.mark.parametrize(
    ("raw", "kept"),
    [(b"{broken", "{broken"), (b'"\xff"', '"\\xff"'), (b"", ""), (b"a\nb", "a\nb"), (rb'"\ud800"', r'"\ud800"')],
)
def test_a_dropped_row_that_is_no_json_is_kept_as_text(raw: bytes, kept: str) -> None:
    assert row_of(drop(raw)) == {"raw": kept}


def test_a_dropped_row_over_several_lines_is_put_on_one() -> None:
    assert row_of(drop(b'{\n "a": 1\n}')) == {"a": 1}


def test_a_dropped_row_may_be_nested_as_deep_as_it_likes() -> None:
    assert row_of(drop(b"[" * 100_000)) == {"raw": "[" * 100_000}


@given(st.binary())
def test_any_bytes_can_be_dropped(raw: bytes) -> None:
    entry = drop(raw)
    assert (entry.stage, entry.reason, entry.file, entry.line) == ("made", "bad", "x.jsonl", 3)
