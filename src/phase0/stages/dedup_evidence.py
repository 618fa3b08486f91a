"""The lines of `dropped.jsonl` for near-duplicates: one form, in which the values of each row are filled in.

Shapes: R rows that go, B bytes, F values of a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from phase0.dataset.manifest import Dropped
from phase0.dedup.decide import Removals
from phase0.dedup.flat import I64, U8, marked
from phase0.dedup.kernels.lines import NUMBER, PADDING, ROW, STRING, filled
from phase0.stages.placed_rows import PlacedRows
from phase0.stages.row_ids import Ids

_BLANK = "%b"  # no part of the form holds a per cent sign

_encode = msgspec.json.encode


class Gone(NamedTuple):
    """Rows that go, ascending, and of each what is told of the row that stays for it."""

    rows_R: I64  # noqa: N815 - the suffix is the shape
    line_R: I64  # noqa: N815
    ids: Ids  # of the rows that stay
    kept_file_R: npt.NDArray[Any]  # noqa: N815
    kept_line_R: I64  # noqa: N815
    shared_R: I64  # noqa: N815
    union_R: I64  # noqa: N815


def told(files: PlacedRows, gone: Removals) -> Gone:
    """What is told of rows that go. Rows that stay for them are read again where nobody noted their ids."""
    rows = files.rows()
    witnesses = marked(len(rows.file_R), gone.kept_R)
    ids, of = files.ids(witnesses), np.searchsorted(witnesses, gone.kept_R)
    kept = gone.kept_R
    ids = Ids(ids.text_B, ids.begin_R[of], ids.end_R[of])
    return Gone(
        gone.rows_R, rows.line_R[gone.rows_R], ids, rows.file_R[kept], rows.line_R[kept], gone.shared_R, gone.union_R
    )


class _Value(NamedTuple):
    """A number, or the bytes of the text from one place to another, of each row."""

    first_R: I64  # noqa: N815 - the suffix is the shape
    end_R: I64  # noqa: N815
    kind: int = STRING


class Evidence:
    """What speaks against every row that goes. `names`: what files are called, by their numbers.

    What is known of all rows is laid out before any line is written: of some megabytes of lines little else is left to
    do than to copy them.
    """

    def __init__(self, stage: str, names: Sequence[str], gone: Gone) -> None:
        ids, own = gone.ids, _Text([_encode(name) for name in names])
        pairs, share_of = np.unique((gone.shared_R << 32) + gone.union_R, return_inverse=True)
        spelled = _Text([_encode(round((pair >> 32) / (pair & 0xFFFFFFFF), 6)) for pair in pairs.tolist()])
        shares = spelled.after(len(ids.text_B) + len(own.text_B))
        self._text = np.concatenate((ids.text_B, own.text_B, spelled.text_B, np.zeros(PADDING, np.uint8)))
        self._files = own.after(len(ids.text_B))
        evidence = {
            "kept_id": _Value(ids.begin_R, ids.end_R),
            "kept_file": _Value(self._files.first_R[gone.kept_file_R], self._files.end_R[gone.kept_file_R]),
            "kept_line": _number(gone.kept_line_R),
            "jaccard": _Value(shares.first_R[share_of], shares.end_R[share_of]),
            "shared": _number(gone.shared_R),
            "union": _number(gone.union_R),
        }
        later = np.zeros(len(gone.rows_R), np.int64)  # the caller of `lines` says what these are
        self._file, self._row = len(evidence), len(evidence) + 2
        values = [*evidence.values(), _Value(later, later), _number(gone.line_R), _Value(later, later, ROW)]
        self._kinds = np.array([value.kind for value in values])
        self._firsts_RF = np.stack([value.first_R for value in values], axis=1)
        self._ends_RF = np.stack([value.end_R for value in values], axis=1)
        blank: Any = msgspec.Raw(_BLANK)
        filled_in: Any = {"evidence": dict.fromkeys(evidence, blank), "file": blank, "line": blank, "row": blank}
        form = Dropped(stage=stage, reason="near_duplicate", **filled_in)
        self.reason = form.reason
        self._form = _Text((_encode(form) + b"\n").split(b"%b"))
        self._form_text = np.append(self._form.text_B, np.zeros(PADDING, np.uint8))
        known = np.where(self._kinds == NUMBER, _DIGITS, self._ends_RF - self._firsts_RF).sum(axis=1)
        longest = (self._files.end_R - self._files.first_R).max(initial=0)
        self._room_R1 = np.append(0, np.cumsum(known + longest + len(self._form.text_B)))

    def lines(self, first: int, file: int, rows_B: U8, begin_R: I64, end_R: I64) -> bytes:  # noqa: N803
        """Those of the rows from `first` on, of this file, which are JSON on one line and stand there in `rows_B`."""
        last = first + len(begin_R)
        firsts, ends = self._firsts_RF[first:last].copy(), self._ends_RF[first:last].copy()
        firsts[:, self._file], ends[:, self._file] = self._files.first_R[file], self._files.end_R[file]
        firsts[:, self._row], ends[:, self._row] = begin_R, end_R
        known = self._room_R1[last] - self._room_R1[first]
        out = np.empty(int(known + (end_R - begin_R).sum()) + PADDING, np.uint8)
        texts = (self._form_text, self._form.end_R, self._text)
        size = filled(*texts, self._kinds, firsts.reshape(-1), ends.reshape(-1), rows_B, out)
        return out[:size].tobytes()


_DIGITS = 19  # of the greatest number


class _Text:
    """Small texts, one behind the other."""

    def __init__(self, texts: Sequence[bytes]) -> None:
        lengths = np.array([len(text) for text in texts], np.int64)
        self.text_B = np.frombuffer(b"".join(texts), np.uint8)
        self.end_R = np.cumsum(lengths)
        self._first_R = self.end_R - lengths

    def after(self, size: int) -> _Value:
        """Where they are when so many bytes are before them."""
        return _Value(self._first_R + size, self.end_R + size)


def _number(values: I64) -> _Value:
    return _Value(values, values, NUMBER)
