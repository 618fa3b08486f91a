"""De-duplicated files: every row of the input as it came, into the output or, with its evidence, among what is dropped.

Windows of a file are made ready by threads and written in their order.

Shapes: R rows, B bytes.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from phase0.dataset import BadRow
from phase0.dataset.containers import opened
from phase0.dataset.manifest import dropped, dropped_row
from phase0.dedup.decide import Removals
from phase0.dedup.flat import U8
from phase0.dedup.kernels.lines import PADDING, lines
from phase0.dedup.threads import in_order
from phase0.progress import Progress
from phase0.stages.dedup_evidence import Evidence, Gone, told
from phase0.stages.output import StageOutput, evidence_of, names
from phase0.stages.placed_rows import PlacedRows
from phase0.stages.row_bytes import fill, scratch_of_blocks
from phase0.stages.row_files import RowFiles

_WINDOW = 1 << 20  # bytes of a file that are made ready together: they stay in a core's cache


def write(out: StageOutput, files: RowFiles, gone: Removals, workers: int, progress: Progress) -> None:
    """Send every row to where it belongs."""
    rows, before = files.rows(), len(files.others)
    edges = np.searchsorted(rows.file_R, np.arange(before, before + len(out.sums) + 1))
    called = [*names(files.others, out.path.parent), *out.names]
    windows = Windows(out.stage, called, files, told(files, gone))
    with ThreadPoolExecutor(workers) as pool, ThreadPoolExecutor(1) as beside:
        for file, (first, last) in enumerate(pairwise(edges.tolist())):
            calls = ((windows.made, window) for window in windows.of(before + file, first, last))
            for made in in_order(pool, workers, calls):
                out.sums[file].read += made.kept + made.reasons.total()
                dropping = beside.submit(out.drop_lines, made.lost, made.reasons, file)
                out.keep_lines(memoryview(made.room_B)[: made.size], made.kept, file)
                dropping.result()
                windows.spare.append(made.room_B)
                progress.advance(made.rows)


class _Window(NamedTuple):
    """Rows `begin` to `end - 1` of one file, and its bad lines between them."""

    file: int
    begin: int
    end: int
    bad: Sequence[BadRow]


class Made(NamedTuple):
    """What is to be written of a window."""

    rows: int
    room_B: U8  # noqa: N815 - the suffix is the shape
    size: int  # bytes of the kept lines, which stand at the begin of `room_B`
    kept: int
    lost: bytes  # the lines of what goes
    reasons: Counter[str]  # how many of them for which reason


class Windows:
    """The windows of files, made ready by any thread. `called`: what files are called, by their numbers."""

    def __init__(self, stage: str, called: Sequence[str], files: PlacedRows, gone: Gone) -> None:
        self._stage, self._called = stage, called
        self._files, self._rows, self._gone_R = files, files.rows(), gone.rows_R
        self._evidence = Evidence(stage, called, gone)
        self._is_kept = np.ones(len(self._rows.file_R), np.bool_)
        self._is_kept[gone.rows_R] = False
        self.spare: deque[U8] = deque()  # rooms whose lines are written

    def of(self, file: int, first: int, last: int) -> list[_Window]:
        """Those of the file of this number, whose rows are `first` to `last - 1`."""
        rows = self._rows
        bad = [row for other, row in rows.bad if other == file]
        begins = np.flatnonzero(np.diff(rows.begin_R[first:last] // _WINDOW, prepend=-1)) + first
        if not len(begins):
            return [_Window(file, first, first, bad)] if bad else []
        cuts = np.searchsorted([row.line for row in bad], rows.line_R[begins[1:]]).tolist()
        spans = zip(pairwise([*begins.tolist(), last]), pairwise([0, *cuts, len(bad)]), strict=True)
        return [_Window(file, begin, end, bad[low:high]) for (begin, end), (low, high) in spans]

    def made(self, window: _Window) -> Made:
        """What is to be written of it."""
        rows, chosen = self._rows, slice(window.begin, window.end)
        size = int(rows.end_R[window.end - 1] - rows.begin_R[window.begin]) if window.begin < window.end else 0
        start = int(rows.begin_R[window.begin]) if size else 0
        block = scratch_of_blocks.room(size + PADDING)
        if size:
            path = self._files.path(window.file)
            with opened(path) as plain:
                fill(plain.fileno(), path, block[:size], start)
        is_kept = self._is_kept[chosen]
        room, kept = self._room(size + len(is_kept) + PADDING), int(is_kept.sum())
        used = lines(block, rows.begin_R[chosen][is_kept] - start, rows.end_R[chosen][is_kept] - start, room)
        return Made(len(is_kept), room, used, kept, *self._lost(window, block, start))

    def _room(self, size: int) -> U8:
        """Memory that was given before is had again at once."""
        room = self.spare.pop() if self.spare else np.empty(0, np.uint8)
        return room if len(room) >= size else np.empty(max(size, 2 * _WINDOW), np.uint8)

    def _lost(self, window: _Window, block: U8, start: int) -> tuple[bytes, Counter[str]]:
        """The lines of what goes, in the order of the input, and how many for which reason."""
        rows, first = self._rows, int(np.searchsorted(self._gone_R, window.begin))
        gone = self._gone_R[first : np.searchsorted(self._gone_R, window.end)]
        begins, ends = rows.begin_R[gone] - start, rows.end_R[gone] - start
        reasons = Counter({self._evidence.reason: len(gone)} if len(gone) else {})
        if not window.bad and rows.plain_R[gone].all():
            return self._evidence.lines(first, window.file, block, begins, ends), reasons
        made = []
        for at, row in enumerate(gone.tolist()):
            raw = np.frombuffer(_as_row(block[begins[at] : ends[at]].tobytes()) + bytes(PADDING), np.uint8)
            size = np.array([len(raw) - PADDING])
            made.append((int(rows.line_R[row]), self._evidence.lines(first + at, window.file, raw, size - size, size)))
        for bad in window.bad:
            line = dropped(
                stage=self._stage,
                reason=bad.error.reason,
                evidence=evidence_of(bad.error),
                file=self._called[window.file],
                line=bad.line,
                raw=bad.raw,
            )
            made.append((bad.line, line + b"\n"))
            reasons[bad.error.reason] += 1
        return b"".join([line for _, line in sorted(made, key=itemgetter(0))]), reasons


def _as_row(raw: bytes) -> bytes:
    return bytes(dropped_row(raw))
