"""De-duplication over files: which of two rows ranks higher, and where each row goes. Loads the compiler, so it is
imported where it is used."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from phase0.dedup.decide import Known, Rank, Removals
from phase0.dedup.flat import I64, marked
from phase0.dedup.near import Asked, decided, read
from phase0.progress import Progress
from phase0.stages.dedup_writing import write
from phase0.stages.output import StageOutput
from phase0.stages.placed_rows import PlacedRows
from phase0.stages.row_files import RowFiles

ALARM = 0.5  # a source that loses more than this share of its rows is named

_TIED = 20_000  # rows whose lines are read together
_LINES = 64 << 20  # bytes of their lines that are looked at together


def keep_distinct(out: StageOutput, files: RowFiles, how: Asked, rank: Rank, progress: Progress) -> dict[str, Any]:
    """Read the rows, choose, and send every one to where it belongs. What the manifest tells of it."""
    files.lay_out(progress)
    gone, told = _chosen(files, how, rank, progress)
    progress.start("write kept rows", told["before"])
    write(out, files, gone, how.workers, progress)
    progress.finish()
    return told


def _chosen(files: RowFiles, how: Asked, rank: Rank, progress: Progress) -> tuple[Removals, dict[str, Any]]:
    """What goes, and what the manifest tells of it.

    All that only choosing needs is let go before rows are written: so the system has pages at hand for what it is given
    to write, which a virtual machine would have to ask its host for.
    """
    known = read(files, how, progress, files.firsts)
    gone = decided(known, rank, how, progress).removals
    return gone, figures(known, gone, files)


class FirstRank:
    """Of two rows the one that comes first is better."""

    def __init__(self, files: PlacedRows) -> None:
        self._files = files

    def classes(self) -> I64:
        return np.arange(len(self._files.rows().file_R))

    def best_first(self, rows: I64, groups: I64) -> I64:
        return rows[np.argsort(groups, kind="stable")]


class FileRank:
    """Of two rows the one of higher quality is better, then the one of longer response (or these two the other way
    round), then the one whose line is greater as bytes, unless lines do not tell, then the first. Lines are read where
    nothing else tells, and so many at once as fit."""

    def __init__(self, files: PlacedRows, *, length_first: bool = False, lines_tell: bool = True) -> None:
        self._files, self._length_first, self._lines_tell = files, length_first, lines_tell

    def classes(self) -> I64:
        first, second = self._columns(slice(None))
        order = np.lexsort((-second, -first))
        numbers = np.empty(len(order), np.int64)
        numbers[order] = np.cumsum(_fresh(first[order], second[order]))
        return numbers

    def _columns(self, rows: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        known = self._files.rows()
        quality, length = known.quality_R[rows], known.length_R[rows]
        return (length, quality) if self._length_first else (quality, length)

    def best_first(self, rows: I64, groups: I64) -> I64:
        first, second = self._columns(rows)
        order = np.lexsort((-second, -first, groups))
        best_first = rows[order]
        if not self._lines_tell:
            return best_first
        leads = np.flatnonzero(_fresh(groups[order], first[order], second[order]))
        counts = np.diff(leads, append=len(best_first))
        tied = np.flatnonzero(counts > 1)
        for begin, end in _together(counts[tied]):
            spans = [np.arange(leads[i], leads[i] + counts[i]) for i in tied[begin:end]]
            places = np.concatenate(spans)
            numbers = np.repeat(np.arange(len(spans)), [len(span) for span in spans])
            best_first[places] = self._greatest_first(best_first[places], numbers)
        return best_first

    def _greatest_first(self, rows: I64, groups: I64, begin: int = 0) -> I64:
        """Rows in ascending groups, each group by its lines from byte `begin` on."""
        width = max(16, _LINES // len(rows))
        lines = self._files.raw(rows, begin, width)
        numbers = groups.tolist()
        order = sorted(range(len(rows)), key=lines.__getitem__, reverse=True)  # stable: of equal lines the first
        order.sort(key=numbers.__getitem__)
        ordered = rows[order]
        first = 0
        for last in range(1, len(order) + 1):
            if last < len(order) and (numbers[order[last]], lines[order[last]]) == (
                numbers[order[first]],
                lines[order[first]],
            ):
                continue
            if last - first > 1 and len(lines[order[first]]) == width:  # there is more to read
                alike = ordered[first:last]
                ordered[first:last] = self._greatest_first(alike, np.zeros(len(alike), np.int64), begin + width)
            first = last
        return ordered


def _fresh(*columns: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where a row differs from the one before in any column."""
    fresh = np.ones(len(columns[0]), np.bool_)
    fresh[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return fresh


def _together(counts: I64) -> list[tuple[int, int]]:
    """Runs of groups whose lines are read together: some thousand rows, or one group."""
    number = (np.cumsum(counts) - counts) // _TIED
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    return list(pairwise([*starts.tolist(), len(counts)]))


def figures(known: Known, gone: Removals, files: RowFiles) -> dict[str, Any]:
    """What the manifest tells of it."""
    rows, fixed = files.rows(), known.fixed
    before = np.bincount(rows.source_R[fixed:], minlength=len(rows.sources))
    lost = np.bincount(rows.source_R[gone.rows_R], minlength=len(rows.sources))
    told = {
        "before": len(rows.file_R) - fixed,
        "removed": len(gone.rows_R),
        "after": len(rows.file_R) - fixed - len(gone.rows_R),
        "method": known.method,
        "exact": known.exact,
        "missed_share": known.missed_share,
        "wordless": int((known.same[fixed:] < 0).sum()),
        "clusters": len(marked(len(rows.file_R), gone.kept_R)),
        "sources_over_half_removed": sorted(rows.sources[name] for name in np.flatnonzero(lost > ALARM * before)),
    }
    if files.others:
        unreadable = sum(file < len(files.others) for file, _ in rows.bad)
        told["against"] = {"rows": fixed, "unreadable": unreadable, "removed": int((gone.kept_R < fixed).sum())}
    return told
