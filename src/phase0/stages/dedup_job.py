"""What every task of a partitioned de-duplication knows: read from one file by each worker, once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import xxhash

from phase0.dataset import BadRow, whole
from phase0.dedup import Clusters, Keep, On
from phase0.dedup.flat import I64
from phase0.errors import RowError
from phase0.stages.row_lines import COLUMNS, Rows


class Unit(msgspec.Struct, frozen=True):
    """A part of a file: the rows `base` to `base + rows - 1` of all, and what is known of them, in a folder."""

    file: int
    base: int
    rows: int
    place: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What is de-duplicated, and how."""

    stage: str
    paths: tuple[str, ...]  # where the bytes of each file's rows are
    called: tuple[str, ...]  # what files are called
    units: tuple[Unit, ...]
    others: int  # so many files come first that are of another dataset
    fixed: int  # and so many rows
    threshold: tuple[int, int]
    width: int
    on: On
    clusters: Clusters
    keep: Keep
    room: int  # bytes that a worker may take beside the program

    def saved(self, folder: Path) -> Path:
        """The file that workers read it from, named by what it says."""
        body = msgspec.json.encode(self)
        path = folder / f"job-{xxhash.xxh3_64_hexdigest(body)}.json"
        with whole(path) as file:
            file.write(body)
        return path

    def places(self) -> list[Path]:
        """Where the bytes of each file's rows are."""
        return [Path(path) for path in self.paths]


@lru_cache(maxsize=1)
def job_at(path: Path) -> Job:
    """What was saved there."""
    return msgspec.json.decode(path.read_bytes(), type=Job)


class _Bad(msgspec.Struct, frozen=True):
    line: int
    raw: bytes
    reason: str
    detail: str
    field: str | None


class _Named(msgspec.Struct, frozen=True):
    """What of a unit is no number."""

    sources: list[str]
    bad: list[_Bad]


def keep_unit(place: Path, rows: Rows, sizes_R: I64) -> None:  # noqa: N803
    """Write what is known of the rows of a unit."""
    place.mkdir(parents=True, exist_ok=True)
    for name in (*COLUMNS, "size_R"):
        with whole(place / f"{name}.npy") as file:
            np.save(file, sizes_R if name == "size_R" else getattr(rows, name))
    bad = [_Bad(row.line, row.raw, row.error.reason, row.error.detail, row.error.field) for _, row in rows.bad]
    with whole(place / "named.json") as file:
        file.write(msgspec.json.encode(_Named(rows.sources, bad)))


def unreadable(unit: Unit) -> int:
    """How many lines of a unit are no rows."""
    return len(_named(unit).bad)


def columns_of(unit: Unit, names: Sequence[str]) -> list[Any]:
    """Some of what is known of a unit's rows, read as it is needed."""
    return [np.load(Path(unit.place) / f"{name}.npy", mmap_mode="r") for name in names]


def rows_of(unit: Unit) -> Rows:
    """All that is known of a unit's rows."""
    named = _named(unit)
    columns: dict[str, Any] = {name: np.load(Path(unit.place) / f"{name}.npy") for name in COLUMNS}
    bad = [
        (unit.file, BadRow(one.line, one.raw, RowError(one.reason, one.detail, field=one.field))) for one in named.bad
    ]
    return Rows(**columns, sources=named.sources, bad=bad)


def _named(unit: Unit) -> _Named:
    return msgspec.json.decode((Path(unit.place) / "named.json").read_bytes(), type=_Named)
