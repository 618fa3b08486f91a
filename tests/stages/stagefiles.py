"""What tests of stages ask of the files that a stage leaves."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from phase0.dataset import Manifest, manifest_of, meta_folder
from phase0.dataset.manifest import is_whole


def write(path: Path, *rows: Any) -> Path:
    """A file with these rows: objects as JSON, bytes as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows))
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def dropped_of(path: Path) -> list[dict[str, Any]]:
    return rows_of(meta_folder(path) / "dropped.jsonl")


def check_sums(path: Path, *, one_to_one: bool = True) -> Manifest:
    """The manifest of a stage's output, after checking it against every file on the disk.

    `one_to_one`: every row of the inputs is a row in, as in every stage but acquisition of nested layouts.
    """
    manifest = manifest_of(path)
    assert manifest is not None
    counts, lost = manifest.counts, dropped_of(path)
    assert is_whole(path, manifest)
    assert counts.rows_in == counts.kept + counts.dropped
    assert counts.kept == manifest.output.rows == path.read_bytes().count(b"\n")
    assert counts.dropped == len(lost)
    assert counts.reasons == dict(Counter(row["reason"] for row in lost))
    assert {row["stage"] for row in lost} <= {manifest.stage}
    for field in ("read", "rows_in", "kept", "dropped"):
        assert sum(getattr(item, field) for item in manifest.inputs) == getattr(counts, field), field
    for item in manifest.inputs:
        assert item.rows_in == item.kept + item.dropped
        if one_to_one:
            assert item.rows_in == item.read
    assert sorted(item.dropped for item in manifest.inputs if item.dropped) == sorted(
        Counter(row["file"] for row in lost).values()
    )
    return manifest


def leftovers(folder: Path) -> list[str]:
    """Temporary files and folders that should be gone."""
    return [path.name for path in folder.rglob("*") if path.name.endswith(".partial") or path.name.startswith(".parts")]
