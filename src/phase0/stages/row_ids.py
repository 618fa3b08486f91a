"""The ids of rows as JSON, noted whenever rows are read a second time: a row that stays is read to confirm what goes
for it, and then named by what goes.

Shapes: R rows, B bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from phase0.dedup.flat import I64, U8
from phase0.dedup.kernels.lines import PADDING, lines

_NULL = b"null"
_BACKSLASH = 92


class Ids(NamedTuple):
    """The id of row r is text_B[begin_R[r]:end_R[r]]: a string in its quotes, or null."""

    text_B: U8  # noqa: N815 - the suffix is the shape
    begin_R: I64  # noqa: N815
    end_R: I64  # noqa: N815


class _Noted(NamedTuple):
    rows_R: I64  # noqa: N815
    ids: Ids


class NotedIds:
    """Ids that were seen. Mutable; `note` may be called by several threads."""

    def __init__(self) -> None:
        self._noted: list[_Noted] = []

    def note(self, rows: I64, block_B: U8, begin_R: I64, end_R: I64) -> None:  # noqa: N803
        """The ids of these rows are these bytes; none where one begins below 0. `block_B` goes on for 64 bytes."""
        if not len(rows):
            return
        lengths = np.where(begin_R < 0, 0, end_R - begin_R)
        text = np.empty(int(lengths.sum()) + len(rows) + PADDING, np.uint8)
        lines(block_B, np.maximum(begin_R, 0), np.maximum(begin_R, 0) + lengths, text)
        starts = np.cumsum(lengths + 1) - (lengths + 1)
        text = text[: len(text) - PADDING]
        odd = np.unique(np.searchsorted(starts, np.flatnonzero(text == _BACKSLASH), side="right") - 1)
        self._noted.append(_Noted(rows, Ids(text, starts, starts + lengths)))
        spelled = [text[starts[at] : starts[at] + lengths[at]].tobytes() for at in odd.tolist()]
        self.note_values(rows[odd], [msgspec.json.decode(one) for one in spelled])  # an id may be spelled in many ways

    def note_values(self, rows: I64, values: Sequence[Any]) -> None:
        """The ids of these rows are these, as far as they are strings."""
        if not len(rows):
            return
        made = [msgspec.json.encode(value) if isinstance(value, str) else b"" for value in values]
        lengths = np.array([len(one) for one in made], np.int64)
        ends = np.cumsum(lengths)
        self._noted.append(_Noted(rows, Ids(np.frombuffer(b"".join(made), np.uint8), ends - lengths, ends)))

    def missing(self, rows: I64) -> I64:
        """Those of the rows whose id nobody noted."""
        is_missing = np.zeros(int(rows.max(initial=-1)) + 1, np.bool_)
        is_missing[rows] = True
        for one in self._noted:
            is_missing[one.rows_R[one.rows_R < len(is_missing)]] = False
        return np.flatnonzero(is_missing)

    def of(self, rows: I64) -> Ids:
        """The ids of rows, all of which were noted; what was noted last counts."""
        if not len(rows):
            return Ids(np.empty(0, np.uint8), rows, rows)
        shifts = np.cumsum([len(_NULL), *(len(one.ids.text_B) for one in self._noted)])
        text = np.concatenate((np.frombuffer(_NULL, np.uint8), *(one.ids.text_B for one in self._noted)))
        numbers = np.concatenate([one.rows_R for one in self._noted])
        pairs = list(zip(self._noted, shifts.tolist(), strict=False))
        begins = np.concatenate([one.ids.begin_R + shift for one, shift in pairs])
        ends = np.concatenate([one.ids.end_R + shift for one, shift in pairs])
        order = np.argsort(numbers, kind="stable")
        at = order[np.searchsorted(numbers[order], rows, side="right") - 1]
        is_null = begins[at] == ends[at]
        return Ids(text, np.where(is_null, 0, begins[at]), np.where(is_null, len(_NULL), ends[at]))
