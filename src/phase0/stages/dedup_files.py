"""De-duplication over files: which of two rows ranks higher, and where each row goes. Loads the compiler, so it is
imported where it is used."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from phase0.dataset.containers import opened
from phase0.dedup import Keep
from phase0.dedup.decide import Known, Rank, Removals
from phase0.dedup.flat import I64
from phase0.dedup.near import Asked, decided, read
from phase0.progress import Progress
from phase0.stages.output import StageOutput, names
from phase0.stages.row_files import RowFiles, Rows

ALARM = 0.5  # a source that loses more than this share of its rows is named

_TIED = 20_000  # rows whose lines are read together
_LINES = 64 << 20  # bytes of their lines that are looked at together
_WINDOW = 1 << 20  # bytes of a file that are written together: they stay in a core's cache


def keep_distinct(out: StageOutput, files: RowFiles, how: Asked, keep: Keep, progress: Progress) -> dict[str, Any]:
    """Read the rows, choose, and send every one to where it belongs. What the manifest tells of it."""
    files.lay_out(progress)
    known = read(files, how, progress, files.firsts)
    gone = decided(known, rank_of(files, keep), how, progress).removals
    progress.start("write kept rows", len(known.same) - known.fixed)
    write(out, files, gone, progress)
    progress.finish()
    return figures(known, gone, files)


class FirstRank:
    """Of two rows the one that comes first is better."""

    def __init__(self, files: RowFiles) -> None:
        self._files = files

    def classes(self) -> I64:
        return np.arange(len(self._files.rows().file_R))

    def best_first(self, rows: I64, groups: I64) -> I64:
        return rows[np.argsort(groups, kind="stable")]


class FileRank:
    """Of two rows the one of higher quality is better, then the one of longer response (or these two the other way
    round), then the one whose line is greater as bytes, then the first. Lines are read where nothing else tells, and so
    many at once as fit."""

    def __init__(self, files: RowFiles, *, length_first: bool = False) -> None:
        self._files, self._length_first = files, length_first

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


def rank_of(files: RowFiles, keep: Keep) -> Rank:
    """Which of two rows is to be kept."""
    return FirstRank(files) if keep == "first" else FileRank(files, length_first=keep == "longest")


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


def write(out: StageOutput, files: RowFiles, gone: Removals, progress: Progress) -> None:
    """Send every row to where it belongs, some megabytes at a time."""
    rows = files.rows()
    lost = _Lost(out, files, gone)
    is_kept = np.ones(len(rows.file_R), np.bool_)
    is_kept[gone.rows_R] = False
    before = len(files.others)
    edges = np.searchsorted(rows.file_R, np.arange(before, before + len(out.sums) + 1))
    for file, (first, last) in enumerate(pairwise(edges.tolist())):
        out.sums[file].read += last - first
        windows = np.flatnonzero(np.diff(rows.begin_R[first:last] // _WINDOW, prepend=-1)) + first
        with opened(files.path(before + file)) as plain:
            for begin, end in pairwise([*windows.tolist(), last]):
                start = int(rows.begin_R[begin])
                block = memoryview(os.pread(plain.fileno(), int(rows.end_R[end - 1]) - start, start))
                runs = _runs(rows, begin + np.flatnonzero(is_kept[begin:end]))
                if runs:
                    lines = b"\n".join([block[first - start : last - start] for first, last in runs]) + b"\n"
                    out.keep_lines(lines, int(is_kept[begin:end].sum()), file)
                lost.drop(file, begin, end, block)
                progress.advance(end - begin)
        lost.drop_rest(file)


def _runs(rows: Rows, kept: I64) -> list[tuple[int, int]]:
    """Where the lines of these rows begin and end in their file, neighbours as one."""
    if not len(kept):
        return []
    begins, ends = rows.begin_R[kept], rows.end_R[kept]
    apart = np.flatnonzero(begins[1:] != ends[:-1] + 1)
    firsts, lasts = begins[np.append(0, apart + 1)], ends[np.append(apart, len(kept) - 1)]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


class _Id(msgspec.Struct, frozen=True):
    id: Any = None


_id_of = msgspec.json.Decoder(_Id).decode


class _Lost:
    """Writes what goes, in input order: near-duplicates with their evidence, and among them lines that are no rows."""

    def __init__(self, out: StageOutput, files: RowFiles, gone: Removals) -> None:
        self._out, self._rows, self._gone = out, files.rows(), gone
        self._names = [*names(files.others, out.path.parent), *out.names]
        self._bad = [(file - len(files.others), bad) for file, bad in self._rows.bad if file >= len(files.others)]
        witnesses = np.unique(gone.kept_R)
        self._ids: dict[int, str | None] = {}
        for at in range(0, len(witnesses), _TIED):
            some = witnesses[at : at + _TIED]
            ids = (_id_of(raw).id for raw in files.raw(some))
            self._ids |= {
                row: name if isinstance(name, str) else None for row, name in zip(some.tolist(), ids, strict=True)
            }
        self._next_bad = 0

    def drop(self, file: int, begin: int, end: int, block: memoryview) -> None:
        """Drop what goes of the rows `begin` to `end - 1`, whose lines are in `block`, and bad lines between them."""
        first, last = np.searchsorted(self._gone.rows_R, [begin, end]).tolist()
        rows, start = self._rows, int(self._rows.begin_R[begin])
        gone, kept, shared, union = (column[first:last] for column in self._gone)
        columns = (rows.line_R[gone], rows.plain_R[gone], rows.begin_R[gone] - start, rows.end_R[gone] - start)
        evidence = (kept, rows.file_R[kept], rows.line_R[kept], shared, union)
        for line, is_plain, opens, closes, witness, owner, place, both, either in zip(
            *(column.tolist() for column in (*columns, *evidence)), strict=True
        ):
            self._drop_bad(file, line)
            self._out.drop(
                bytes(block[opens:closes]),
                line=line,
                reason="near_duplicate",
                evidence={
                    "kept_id": self._ids[witness],
                    "kept_file": self._names[owner],
                    "kept_line": place,
                    "jaccard": round(both / either, 6),
                    "shared": both,
                    "union": either,
                },
                file=file,
                is_line=is_plain,
            )

    def drop_rest(self, file: int) -> None:
        """Drop the bad lines of a file that are left."""
        self._drop_bad(file, None)

    def _drop_bad(self, file: int, before: int | None) -> None:
        while self._next_bad < len(self._bad):
            owner, bad = self._bad[self._next_bad]
            if owner != file or (before is not None and bad.line > before):
                return
            self._out.sums[file].read += 1
            self._out.drop_bad(bad, file)
            self._next_bad += 1


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
        "clusters": len(np.unique(gone.kept_R)),
        "sources_over_half_removed": sorted(rows.sources[name] for name in np.flatnonzero(lost > ALARM * before)),
    }
    if files.others:
        unreadable = sum(file < len(files.others) for file, _ in rows.bad)
        told["against"] = {"rows": fixed, "unreadable": unreadable, "removed": int((gone.kept_R < fixed).sum())}
    return told
