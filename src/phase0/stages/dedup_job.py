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
from phase0.dedup import Clusters
from phase0.dedup.flat import I64
from phase0.errors import RowError
from phase0.partitioned.arrays import store
from phase0.stages.row_lines import COLUMNS, Rows
from phase0.stages.row_readings import Compared

KEPT = tuple(name for name in COLUMNS if name != "file_R")  # arrays of a unit's folder


class Part(msgspec.Struct, frozen=True):
    """A unit that was read: the rows `base` to `base + rows - 1` of all, and what is known of them, in a folder."""

    file: int
    base: int
    rows: int
    before: int  # lines of its file before its own
    place: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What is de-duplicated, and how."""

    stage: str
    paths: tuple[str, ...]  # where the bytes of each file's rows are
    called: tuple[str, ...]  # what files are called
    units: tuple[Part, ...]
    others: int  # so many files come first that are of another dataset
    fixed: int  # and so many rows
    threshold: tuple[int, int]
    width: int
    clusters: Clusters
    reading: Compared
    room: int  # bytes that a worker should take beside the program
    most: int  # bytes that it may take where work cannot be cut

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


class Bad(msgspec.Struct, frozen=True):
    """A line that is no row, as a file keeps it."""

    line: int
    raw: bytes
    reason: str
    detail: str
    field: str | None


def as_bad(row: BadRow) -> Bad:
    """A line that is no row, to be written."""
    return Bad(row.line, row.raw, row.error.reason, row.error.detail, row.error.field)


def as_row(bad: Bad, before: int = 0) -> BadRow:
    """The same again, with so many lines before those that it was counted among."""
    return BadRow(bad.line + before, bad.raw, RowError(bad.reason, bad.detail, field=bad.field))


class _Named(msgspec.Struct, frozen=True):
    """What of a unit is no number."""

    sources: list[str]
    bad: list[Bad]


def keep_unit(place: Path, rows: Rows, sizes_R: I64) -> None:  # noqa: N803
    """Write what is known of the rows of a unit."""
    place.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        store(place / f"{name}.npy", getattr(rows, name))
    store(place / "size_R.npy", sizes_R)
    with whole(place / "named.json") as file:
        file.write(msgspec.json.encode(_Named(rows.sources, [as_bad(row) for _, row in rows.bad])))


def unreadable(unit: Part) -> int:
    """How many lines of a unit are no rows."""
    return len(_named(unit).bad)


def columns_of(unit: Part, names: Sequence[str]) -> list[Any]:
    """Some of what is known of a unit's rows, read as it is needed."""
    return [np.load(Path(unit.place) / f"{name}.npy", mmap_mode="r") for name in names]


def rows_of(unit: Part) -> Rows:
    """All that is known of a unit's rows."""
    named = _named(unit)
    columns: dict[str, Any] = {name: np.load(Path(unit.place) / f"{name}.npy") for name in KEPT}
    columns |= {"file_R": np.full(unit.rows, unit.file, np.int32), "line_R": columns["line_R"] + unit.before}
    bad = [(unit.file, as_row(one, unit.before)) for one in named.bad]
    return Rows(**columns, sources=named.sources, bad=bad)


def _named(unit: Part) -> _Named:
    return msgspec.json.decode((Path(unit.place) / "named.json").read_bytes(), type=_Named)
