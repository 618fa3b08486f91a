"""Rows whose places in files are known, to be read again: some of them, in the order in which they lie there.

Shapes: R rows.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from phase0.dataset import BadRow
from phase0.dataset.containers import opened
from phase0.dataset.rows import MAX_ROW
from phase0.dedup.flat import I64, Flat, Piece, joined
from phase0.dedup.kernels.json import PADDING
from phase0.dedup.kernels.rows import read_again
from phase0.errors import DataError
from phase0.stages.row_bytes import Spans, scratch_of_texts, spans
from phase0.stages.row_ids import Ids, NotedIds
from phase0.stages.row_lines import PARTS, Reading, Rows, read_lines, strictly, text_compared


class PlacedRows:
    """Rows at known places of files of lines. Mutable: ids are noted as rows are read."""

    def __init__(self, paths: Sequence[Path], reading: Reading, rows: Rows | None = None) -> None:
        self._plain = list(paths)  # where the bytes of each file's rows are
        self._reading, self._rows = reading, rows
        self._ids = NotedIds()

    def rows(self) -> Rows:
        """What is known of them."""
        if self._rows is None:
            raise RuntimeError("rows are known once they were read")
        return self._rows

    def take(self, rows: I64) -> Flat:
        block = b"\n".join(self.raw(rows))
        return read_lines(block + bytes(PADDING), len(block), self._reading, is_first=False).texts

    def again(self, rows: I64) -> list[Piece]:
        known = self.rows()
        plain = known.plain_R[rows] & (not self._reading.reads_all)
        found = spans(self._plain, known.file_R[rows], known.begin_R[rows], known.end_R[rows])
        return [_Again(piece, rows[piece.first :], plain[piece.first :], self._reading, self._ids) for piece in found]

    def ids(self, rows: I64) -> Ids:
        """The ids of these rows, which come in ascending order."""
        for piece in self.again(self._ids.missing(rows)):
            piece.read()
        return self._ids.of(rows)

    def raw(self, rows: I64, begin: int = 0, length: int = MAX_ROW) -> list[bytes]:
        """The JSON of these rows, or what it has from byte `begin` on."""
        known = self.rows()
        by_file = defaultdict[int, list[int]](list)
        for at, file in enumerate(known.file_R[rows].tolist()):
            by_file[file].append(at)
        found = [b""] * len(rows)
        lasts = known.end_R[rows]
        starts = np.minimum(known.begin_R[rows] + begin, lasts)
        begins, ends = starts.tolist(), np.minimum(starts + length, lasts).tolist()
        for file, places in by_file.items():
            with opened(self._plain[file]) as opened_file:
                for at in places:
                    found[at] = os.pread(opened_file.fileno(), ends[at] - begins[at], begins[at])
        return found

    def path(self, file: int) -> Path:
        """Where the bytes of a file's rows are."""
        return self._plain[file]


class _Again:
    """Rows that were read before, to be read once more by any thread."""

    def __init__(
        self,
        where: Spans,
        numbers_R: I64,  # noqa: N803
        plain_R: npt.NDArray[np.bool_],  # noqa: N803
        reading: Reading,
        ids: NotedIds,
    ) -> None:
        self._where, self._reading, self._ids = where, reading, ids
        self.rows = len(where.begin_R)
        self.extent = self.room = int((where.end_R - where.begin_R).sum())
        self._numbers_R, self._plain_R = numbers_R[: self.rows], plain_R[: self.rows]

    def read(self) -> Flat:
        """The texts, which stay until this thread reads others. The ids are noted."""
        found, plain = self._where.read(), self._plain_R
        out, starts = scratch_of_texts.room(self.room + PADDING), np.empty(self.rows + 1, np.int64)
        id_begins, id_ends = np.empty((2, self.rows), np.int64)
        read_again(*found, plain, PARTS[self._reading.on], out, starts, id_begins, id_ends)
        self._ids.note(self._numbers_R[plain], found.block_B, id_begins[plain], id_ends[plain])
        if plain.all():
            return Flat(out[: starts[-1]], starts)
        parts = [out[begin:end] for begin, end in pairwise(starts.tolist())]
        ids = list[Any]()
        for at in np.flatnonzero(~plain).tolist():
            row = strictly(0, found.block_B[found.begin_R[at] : found.end_R[at]].tobytes(), self._reading)
            if isinstance(row, BadRow):
                raise DataError(f"{self._where.path} was changed while it was being read; run the same again")
            parts[at] = text_compared(row, self._reading.on)
            ids.append(row.id)
        self._ids.note_values(self._numbers_R[~plain], ids)
        return joined(parts)
