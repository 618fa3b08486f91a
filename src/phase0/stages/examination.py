"""The reading pass over finished rows, in units that any worker may read: every row is read and decoded once, for all
that is counted of it and for what is compared. Sums of units come to the sums of the whole however rows are cut."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from phase0.dataset import BadRow, Span, meta_folder, raw_rows, split
from phase0.dedup import On
from phase0.partitioned.arrays import store
from phase0.partitioned.recounting import Recounted
from phase0.stages.publish import FULL
from phase0.stages.row_batches import Batch, cut, line_of
from phase0.stages.statistics import Examined, Tally
from phase0.stages.verification import VerifiedFile


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
    """The rows of a unit while they are read. Mutable: what was found is known when the last of them was."""

    def __init__(self, unit: RowUnit) -> None:
        self._unit, self._batches = unit, list[Batch]()

    def chunks(self) -> Iterator[Batch]:
        """Every row that has an instruction and a response, some together; see `partitioned.recounted.Rows`. DataError
        for a file that is no data."""
        beside = _Beside(self._unit.full)
        for some in cut(self._unit.span):
            self._batches.append(
                Batch(self._unit.span.path, some, beside.between(some.first, some.last), self._unit.on)
            )
            yield self._batches[-1]

    def keep(self, folder: Path) -> Tally:
        """See `partitioned.recounted.Rows`: the sums; lines stay in the folder."""
        lines = [np.empty(0, np.int64), *(batch.lines_D for batch in self._batches)]
        store(folder / "lines.npy", np.concatenate(lines))
        tally = Tally()
        for batch in self._batches:
            tally.add_all(batch.tally)
        return tally


class _Beside:
    """The full rows beside a published file, by their lines, which are asked for in ascending order."""

    def __init__(self, span: Span | None) -> None:
        self._rows = iter(raw_rows(span)) if span is not None else iter(())
        self._next = next(self._rows, None)

    def between(self, first: int, last: int) -> dict[int, bytes]:
        """What stands on these lines."""
        found = dict[int, bytes]()
        while self._next is not None and (line := line_of(self._next)) <= last:
            if line >= first and not isinstance(self._next, BadRow):
                found[line] = self._next[1]
            self._next = next(self._rows, None)
        return found


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
