"""De-duplication over files: which of two rows ranks higher, and where each row goes. Loads the compiler, so it is
imported where it is used."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from phase0.dataset.containers import opened
from phase0.dedup.decide import Candidates, Removals, contested, roots
from phase0.dedup.flat import I64
from phase0.progress import Progress
from phase0.stages.output import StageOutput
from phase0.stages.row_files import RowFiles, Rows

ALARM = 0.5  # a source that loses more than this share of its rows is named

_WINDOW = 1 << 20  # bytes of a file that are written together: they stay in a core's cache


def ranked(known: Candidates, files: RowFiles) -> I64:
    """Rows that resemble others, best first among those that are connected.

    Only connected rows compete, so only among them must lines be compared where quality and length are equal.
    """
    rows = files.rows()
    competing = contested(known)
    group = roots(known)[known.same[competing]]
    quality, length = rows.quality_R[competing], rows.length_R[competing]
    order = np.lexsort((-length, -quality, group))
    best_first = competing[order]
    columns = (group[order], quality[order], length[order])
    fresh = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    edges = [0, *(np.flatnonzero(fresh) + 1).tolist(), len(best_first)]
    tied = [(first, last) for first, last in pairwise(edges) if last - first > 1]
    places = np.concatenate([np.arange(first, last) for first, last in tied] or [np.empty(0, np.int64)])
    lines = dict(zip(best_first[places].tolist(), files.raw(best_first[places]), strict=True))
    for first, last in tied:
        best_first[first:last] = sorted(sorted(best_first[first:last].tolist()), key=lines.__getitem__, reverse=True)
    return best_first


def write(out: StageOutput, files: RowFiles, gone: Removals, progress: Progress) -> None:
    """Send every row to where it belongs, some megabytes at a time."""
    rows = files.rows()
    lost = _Lost(out, files, gone)
    is_kept = np.ones(len(rows.file_R), np.bool_)
    is_kept[gone.rows_R] = False
    edges = np.searchsorted(rows.file_R, np.arange(len(out.sums) + 1))
    for file, (first, last) in enumerate(pairwise(edges.tolist())):
        out.sums[file].read += last - first
        windows = np.flatnonzero(np.diff(rows.begin_R[first:last] // _WINDOW, prepend=-1)) + first
        with opened(files.path(file)) as plain:
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
        self._bad = self._rows.bad
        witnesses = np.unique(gone.kept_R)
        ids = (_id_of(raw).id for raw in files.raw(witnesses))
        self._ids = {
            row: name if isinstance(name, str) else None for row, name in zip(witnesses.tolist(), ids, strict=True)
        }
        self._next_bad = 0

    def drop(self, file: int, begin: int, end: int, block: memoryview) -> None:
        """Drop what goes of the rows `begin` to `end - 1`, whose lines are in `block`, and bad lines between them."""
        first, last = np.searchsorted(self._gone.rows_R, [begin, end]).tolist()
        rows, start, names = self._rows, int(self._rows.begin_R[begin]), self._out.names
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
                    "kept_file": names[owner],
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


def figures(known: Candidates, gone: Removals, rows: Rows) -> dict[str, Any]:
    """What the manifest tells of it."""
    before = np.bincount(rows.source_R, minlength=len(rows.sources))
    lost = np.bincount(rows.source_R[gone.rows_R], minlength=len(rows.sources))
    return {
        "before": len(rows.file_R),
        "removed": len(gone.rows_R),
        "after": len(rows.file_R) - len(gone.rows_R),
        "method": known.method,
        "exact": known.exact,
        "missed_share": known.missed_share,
        "wordless": int((known.same < 0).sum()),
        "clusters": len(np.unique(gone.kept_R)),
        "sources_over_half_removed": sorted(rows.sources[name] for name in np.flatnonzero(lost > ALARM * before)),
    }
