"""The reading pass over finished rows, in units that any worker may read: every row is read and decoded once, for all
that is counted of it and for what is compared. Sums of units come to the sums of the whole however rows are cut."""

from __future__ import annotations

from array import array
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from phase0.dataset import BadRow, Span, meta_folder, raw_rows, split
from phase0.dataset.rows import NOT_JSON
from phase0.dedup import On, text_of
from phase0.errors import RowError
from phase0.partitioned.arrays import store
from phase0.partitioned.recounting import Recounted
from phase0.stages.publish import FULL
from phase0.stages.statistics import Examined, FullRow, Tally, ValidRow, score_of, valid_row
from phase0.stages.verification import VerifiedFile


class Compared(msgspec.Struct, frozen=True):
    """What is compared of a row. One that is not valid for another reason can still be a duplicate."""

    instruction: str
    response: str


_compared = msgspec.json.Decoder(Compared).decode
_full = msgspec.json.Decoder(FullRow).decode


class RowUnit(NamedTuple):
    """Some rows of a finished file; see `partitioned.recounted.Unit`."""

    file: int
    span: Span
    full: Span | None  # where the full row on its first line is, or a little before it
    extent: int
    on: On

    def open(self) -> UnitRows:
        return UnitRows(self)


def row_units(paths: Sequence[Path], on: On, size: int) -> list[RowUnit]:
    """Files cut into units of about so many bytes, each with the place of the full rows beside it."""
    units = []
    for file, path in enumerate(paths):
        full = meta_folder(path) / FULL
        beside = split(full, size) if full.exists() else []
        for span in split(path, size):
            before = [other for other in beside if other.line <= span.line]
            extent = path.stat().st_size if span.stop is None else span.stop - span.start
            units.append(RowUnit(file, span, before[-1]._replace(stop=None) if before else None, extent, on))
    return units


class UnitRows:
    """The rows of a unit while they are read. Mutable: what was found is known when the last text was drawn."""

    def __init__(self, unit: RowUnit) -> None:
        self._unit, self._tally = unit, Tally()
        self._lines = array("q")  # of the rows that are compared

    def texts(self) -> Iterator[str]:
        """The text of every row that has an instruction and a response. DataError for a file that is no data."""
        path, full = self._unit.span.path, _Beside(self._unit.full)
        for item in raw_rows(self._unit.span):
            row = _examined(path, item, full, self._tally)
            if row is not None and not isinstance(item, BadRow):
                self._lines.append(item[0])
                yield text_of(row.instruction, row.response, self._unit.on)

    def keep(self, folder: Path) -> Tally:
        """See `partitioned.recounted.Rows`: the sums; lines stay in the folder."""
        store(folder / "lines.npy", np.array(self._lines, np.int64))
        self._tally.count()
        return self._tally


class _Beside:
    """The full rows beside a published file, each found by its line. Lines are asked for in ascending order."""

    def __init__(self, span: Span | None) -> None:
        self._rows = iter(raw_rows(span)) if span is not None else iter(())
        self._next = next(self._rows, None)

    def at(self, line: int) -> FullRow | None:
        """The row on this line; None where there is none, or none that can be read."""
        while self._next is not None and _line(self._next) < line:
            self._next = next(self._rows, None)
        if self._next is None or isinstance(self._next, BadRow) or self._next[0] != line:
            return None
        try:
            return _full(self._next[1])
        except NOT_JSON:
            return None


def _line(item: tuple[int, bytes] | BadRow) -> int:
    return item.line if isinstance(item, BadRow) else item[0]


def _examined(path: Path, item: tuple[int, bytes] | BadRow, full: _Beside, tally: Tally) -> ValidRow | Compared | None:
    """Count a row. What is compared of it; None where that cannot be read."""
    tally.rows += 1
    if isinstance(item, BadRow):
        tally.fault(path, item.line, item.error)
        return None
    line, raw = item
    try:
        row = valid_row(raw)
    except RowError as error:
        tally.fault(path, line, error)
        if error.reason == "score_out_of_range" and error.field == "quality_score":
            tally.see(score_of(raw))
        try:
            return _compared(raw)
        except NOT_JSON:
            return None
    tally.add(row, full.at(line))
    return row


def examined(
    paths: Sequence[Path],
    digests: Sequence[str],
    units: Sequence[RowUnit],
    tallies: Sequence[Tally],
    wanted: Mapping[str, float],
) -> Examined:
    """What all rows come to, from the tallies of units. `wanted` are shares of categories in percent."""
    whole, rows = Tally(), [0] * len(paths)
    for unit, tally in zip(units, tallies, strict=True):
        whole.add_all(tally)
        rows[unit.file] += tally.rows
    files = (
        VerifiedFile(path=str(path), rows=count, bytes=path.stat().st_size, digest=digest)
        for path, count, digest in zip(paths, rows, digests, strict=True)
    )
    return Examined(
        files=tuple(files),
        rows=whole.rows,
        valid=whole.valid,
        faults=whole.faults(),
        quality=whole.quality(),
        tokens=whole.tokens(),
        sources=whole.source_shares(),
        categories=whole.category_shares(wanted),
        categories_from=whole.category_origins(),
    )


def place(row: int, units: Sequence[RowUnit], found: Recounted) -> str:
    """`file:line` of the row-th text that was compared."""
    number = bisect(found.bases, row) - 1
    lines = np.load(found.job.unit(number) / "lines.npy")
    return f"{units[number].span.path.name}:{lines[row - found.bases[number]]}"
