"""Remove near-duplicate rows. Kept rows leave as the bytes they came in; every dropped one names the row that stays."""

from __future__ import annotations

import os
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from phase0.dataset import Manifest, expand
from phase0.dataset.containers import opened
from phase0.dedup import Clusters, Method, On, text_of
from phase0.dedup.decide import Candidates, Removals, contested, roots
from phase0.dedup.flat import I64
from phase0.dedup.near import asked, candidates, removals
from phase0.progress import SILENT, Progress
from phase0.stages.output import StageOutput, stage_output
from phase0.stages.parts import finished, parts_folder
from phase0.stages.row_files import RowFiles, Rows

ALARM = 0.5  # a source that loses more than this share of its rows is named

_WINDOW = 1 << 20  # bytes of a file that are written together: they stay in a core's cache


def deduplicate(
    inputs: Iterable[str | Path],
    output: str | Path,
    *,
    threshold: str | float | Decimal = "0.8",
    on: On = "both",
    shingle: int = 5,
    method: Method = "auto",
    clusters: Clusters = "greedy",
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Keep one row of any rows whose word sets reach a Jaccard similarity of `threshold`.

    Words and Jaccard are as `phase0.dedup` defines them. Of two rows the one with the higher quality_score stays, then
    the one with the longer response, then the one whose line is greater as bytes; so what stays does not depend on the
    order of rows or files. Kept rows leave in input order, byte for byte.
    """
    how = asked(threshold, shingle, method=method, clusters=clusters, workers=workers or 1)
    text_of("", "", on)  # refuses what cannot be compared
    paths = expand(inputs)
    settings = dedup_settings(threshold, on, shingle)
    with stage_output("dedup", Path(output), paths, settings) as out, parts_folder(out) as folder:
        files = RowFiles(paths, on, folder)
        known = candidates(files, how, progress)
        gone = removals(known, _ranked(known, files), how, progress)
        rows = files.rows()
        progress.start("write kept rows", len(rows.file_R))
        _write(out, files, gone, progress)
        out.figures = _figures(known, gone, rows, settings)
        for name in out.figures["sources_over_half_removed"]:
            progress.warn(f"{name} loses more than half of its rows as near-duplicates")
        progress.finish()
    return finished(Path(output))


def dedup_settings(threshold: str | float | Decimal, on: On, shingle: int) -> dict[str, Any]:
    """What a manifest says of how rows were compared."""
    return {"threshold": str(Decimal(str(threshold)).normalize()), "on": on, "shingle": shingle}


def _ranked(known: Candidates, files: RowFiles) -> I64:
    """Rows that resemble others, best first among those that are connected.

    Only connected rows compete, so only among them must lines be compared where quality and length are equal.
    """
    rows = files.rows()
    competing = contested(known)
    group = roots(known)[known.same[competing]]
    quality, length = rows.quality_R[competing], rows.length_R[competing]
    order = np.lexsort((-length, -quality, group))
    ranked = competing[order]
    columns = (group[order], quality[order], length[order])
    fresh = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    edges = [0, *(np.flatnonzero(fresh) + 1).tolist(), len(ranked)]
    tied = [(first, last) for first, last in pairwise(edges) if last - first > 1]
    places = np.concatenate([np.arange(first, last) for first, last in tied] or [np.empty(0, np.int64)])
    lines = dict(zip(ranked[places].tolist(), files.raw(ranked[places]), strict=True))
    for first, last in tied:
        ranked[first:last] = sorted(sorted(ranked[first:last].tolist()), key=lines.__getitem__, reverse=True)
    return ranked


def _write(out: StageOutput, files: RowFiles, gone: Removals, progress: Progress) -> None:
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
        rows, start = self._rows, int(self._rows.begin_R[begin])
        columns = [column[first:last].tolist() for column in self._gone]
        for row, kept, shared, union in zip(*columns, strict=True):
            line = int(rows.line_R[row])
            self._drop_bad(file, line)
            raw = bytes(block[rows.begin_R[row] - start : rows.end_R[row] - start])
            evidence = {
                "kept_id": self._ids[kept],
                "kept_file": self._out.names[rows.file_R[kept]],
                "kept_line": int(rows.line_R[kept]),
                "jaccard": round(shared / union, 6),
                "shared": shared,
                "union": union,
            }
            drop = self._out.drop_line if rows.plain_R[row] else self._out.drop
            drop(raw, line=line, reason="near_duplicate", evidence=evidence, file=file)

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


def _figures(known: Candidates, gone: Removals, rows: Rows, settings: dict[str, Any]) -> dict[str, Any]:
    before = np.bincount(rows.source_R, minlength=len(rows.sources))
    lost = np.bincount(rows.source_R[gone.rows_R], minlength=len(rows.sources))
    return {
        "before": len(rows.file_R),
        "removed": len(gone.rows_R),
        "after": len(rows.file_R) - len(gone.rows_R),
        "threshold": settings["threshold"],
        "method": known.method,
        "exact": known.exact,
        "missed_share": known.missed_share,
        "wordless": int((known.same < 0).sum()),
        "clusters": len(np.unique(gone.kept_R)),
        "sources_over_half_removed": sorted(rows.sources[name] for name in np.flatnonzero(lost > ALARM * before)),
    }
