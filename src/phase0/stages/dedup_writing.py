"""De-duplicated files: every row of the input as it came, into the output or, with its evidence, among what is dropped.

Windows of a file are made ready by threads and written in their order.

Shapes: R rows, B bytes.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from phase0.dataset import BadRow
from phase0.dataset.containers import opened
from phase0.dataset.manifest import Dropped, dropped, dropped_row
from phase0.dedup.decide import Removals
from phase0.dedup.flat import I64, U8
from phase0.dedup.kernels.json import PADDING
from phase0.dedup.kernels.lines import IN_DOUBT, ids, lines
from phase0.dedup.threads import in_order
from phase0.progress import Progress
from phase0.stages.output import StageOutput, evidence_of, names
from phase0.stages.row_bytes import Spans, fill, scratch_of_blocks
from phase0.stages.row_files import RowFiles

_WINDOW = 1 << 20  # bytes of a file that are made ready together: they stay in a core's cache
_DROPPED = "near_duplicate"

_encode = msgspec.json.encode


def write(out: StageOutput, files: RowFiles, gone: Removals, workers: int, progress: Progress) -> None:
    """Send every row to where it belongs."""
    rows, before = files.rows(), len(files.others)
    edges = np.searchsorted(rows.file_R, np.arange(before, before + len(out.sums) + 1))
    with ThreadPoolExecutor(workers) as pool:
        windows = _Windows(out, files, gone, ids_of(files, np.unique(gone.kept_R), pool, workers))
        for file, (first, last) in enumerate(pairwise(edges.tolist())):
            calls = ((windows.made, window) for window in windows.of(file, first, last))
            for made in in_order(pool, workers, calls):
                out.sums[file].read += made.rows + made.bad
                out.keep_lines(memoryview(made.room_B)[: made.size], made.kept, file)
                out.drop_lines(made.lost, made.reasons, file)
                windows.spare.append(made.room_B)
                progress.advance(made.rows)


class _Window(NamedTuple):
    """Rows `begin` to `end - 1` of one file, and its bad lines between them."""

    file: int
    begin: int
    end: int
    bad: Sequence[BadRow]


class _Made(NamedTuple):
    """What is to be written of a window."""

    rows: int
    bad: int
    room_B: U8  # noqa: N815 - the suffix is the shape
    size: int  # bytes of the kept lines, which stand at the begin of `room_B`
    kept: int
    lost: bytes
    reasons: Counter[str]


class _Windows:
    """The windows of the input files, made ready by any thread."""

    def __init__(self, out: StageOutput, files: RowFiles, gone: Removals, kept_ids: dict[int, bytes]) -> None:
        self._files, self._rows, self._gone, self._ids = files, files.rows(), gone, kept_ids
        self._stage = out.stage
        self._names = [*names(files.others, out.path.parent), *out.names]
        self._quoted = [_encode(name) for name in self._names]
        self._is_kept = np.ones(len(self._rows.file_R), np.bool_)
        self._is_kept[gone.rows_R] = False
        value: Any = msgspec.Raw(b"%b")
        evidence = dict.fromkeys(("kept_id", "kept_file", "kept_line", "jaccard", "shared", "union"), value)
        made = Dropped(stage=out.stage, reason=_DROPPED, evidence=evidence, file=value, line=value, row=value)
        self._line = _encode(made) + b"\n"
        self.spare: deque[U8] = deque()  # memory that was given before is had again at once

    def of(self, file: int, first: int, last: int) -> list[_Window]:
        """Those of the `file`-th input, whose rows are `first` to `last - 1`."""
        rows, owner = self._rows, file + len(self._files.others)
        bad = [row for other, row in rows.bad if other == owner]
        begins = np.flatnonzero(np.diff(rows.begin_R[first:last] // _WINDOW, prepend=-1)) + first
        if not len(begins):
            return [_Window(file, first, first, bad)] if bad else []
        cuts = np.searchsorted([row.line for row in bad], rows.line_R[begins[1:]]).tolist()
        spans = zip(pairwise([*begins.tolist(), last]), pairwise([0, *cuts, len(bad)]), strict=True)
        return [_Window(file, begin, end, bad[low:high]) for (begin, end), (low, high) in spans]

    def made(self, window: _Window) -> _Made:
        """What is to be written of it."""
        file, begin, end, bad = window
        rows = self._rows
        if begin == end:
            return _Made(0, len(bad), np.empty(0, np.uint8), 0, 0, *self._lost(window, b"", 0))
        start, stop = int(rows.begin_R[begin]), int(rows.end_R[end - 1])
        block = scratch_of_blocks.room(stop - start + PADDING)
        path = self._files.path(file + len(self._files.others))
        with opened(path) as plain:
            fill(plain.fileno(), path, block[: stop - start], start)
        kept = begin + np.flatnonzero(self._is_kept[begin:end])
        begins, ends = rows.begin_R[kept] - start, rows.end_R[kept] - start
        room = self._room(int((ends - begins).sum()) + len(kept) + PADDING)
        size = lines(block, begins, ends, room)
        return _Made(end - begin, len(bad), room, size, len(kept), *self._lost(window, memoryview(block), start))

    def _room(self, size: int) -> U8:
        try:
            room = self.spare.pop()
        except IndexError:
            room = np.empty(0, np.uint8)
        return room if len(room) >= size else np.empty(max(size, 2 * _WINDOW), np.uint8)

    def _lost(self, window: _Window, block: memoryview | bytes, start: int) -> tuple[bytes, Counter[str]]:
        """The lines of what goes, in the order of the input, and how many for which reason."""
        first, last = np.searchsorted(self._gone.rows_R, [window.begin, window.end]).tolist()
        if first == last and not window.bad:
            return b"", Counter()
        rows, quoted, own = self._rows, self._quoted, self._quoted[window.file + len(self._files.others)]
        gone, kept, shared, union = (column[first:last] for column in self._gone)
        shares = [round(both / either, 6) for both, either in zip(shared.tolist(), union.tolist(), strict=True)]
        columns = (rows.line_R[gone], rows.plain_R[gone], rows.begin_R[gone] - start, rows.end_R[gone] - start)
        evidence = (kept, rows.file_R[kept], rows.line_R[kept], shared, union)
        made = [
            (
                line,
                self._line
                % (
                    self._ids[witness],
                    quoted[owner],
                    b"%d" % place,
                    share,
                    b"%d" % both,
                    b"%d" % either,
                    own,
                    b"%d" % line,
                    block[opens:closes] if is_plain else dropped_row(bytes(block[opens:closes])),
                ),
            )
            for share, line, is_plain, opens, closes, witness, owner, place, both, either in zip(
                _encode(shares)[1:-1].split(b","),
                *(column.tolist() for column in (*columns, *evidence)),
                strict=True,
            )
        ] if shares else []
        reasons = Counter({_DROPPED: len(made)}) if made else Counter()
        for row in window.bad:
            name = self._names[window.file + len(self._files.others)]
            told = {"reason": row.error.reason, "evidence": evidence_of(row.error), "file": name}
            made.append((row.line, dropped(stage=self._stage, line=row.line, raw=row.raw, **told) + b"\n"))
            reasons[row.error.reason] += 1
        if window.bad:
            made.sort(key=lambda one: one[0])
        return b"".join([one for _, one in made]), reasons


class _Id(msgspec.Struct, frozen=True):
    id: Any = None


_id_of = msgspec.json.Decoder(_Id).decode


def ids_of(files: RowFiles, rows: I64, pool: ThreadPoolExecutor, workers: int) -> dict[int, bytes]:
    """The ids of these rows as JSON: a string, or null where there is none."""
    found: list[bytes] = []
    for some in in_order(pool, workers, ((_ids, spans) for spans in files.spans(rows))):
        found += some
    return dict(zip(rows.tolist(), found, strict=True))


def _ids(spans: Spans) -> list[bytes]:
    block, begins, ends = spans.read()
    id_begins, id_ends = np.empty_like(begins), np.empty_like(begins)
    ids(block, begins, ends, id_begins, id_ends)
    text = memoryview(block)
    made = [bytes(text[begin:end]) if begin >= 0 else b"null" for begin, end in _pairs(id_begins, id_ends)]
    for at, (begin, end) in enumerate(_pairs(begins, ends)):
        if id_begins[at] == IN_DOUBT or b"\\" in made[at]:
            name = _id_of(text[begin:end]).id
            made[at] = _encode(name) if isinstance(name, str) else b"null"
    return made


def _pairs(*columns: npt.NDArray[Any]) -> list[tuple[int, int]]:
    return list(zip(*(column.tolist() for column in columns), strict=True))
