"""Lines as rows: what de-duplication wants of each of them, out of a block of bytes.

Plain lines are read by a kernel; what it leaves in doubt is read one at a time, as a `Reading` says, and only that
decides whether a line is bad.

Shapes: R rows.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from phase0.dataset import BadRow
from phase0.dataset.rows import MAX_ROW
from phase0.dedup import On, text_of
from phase0.dedup.flat import I64, U8, Flat, joined
from phase0.dedup.kernels.json import PADDING, newlines
from phase0.dedup.kernels.rows import BOTH, INSTRUCTION, RESPONSE, first_alike, read_rows
from phase0.errors import RowError

UNKNOWN = "unknown"  # the source of a row that names none
PARTS: dict[On, int] = {"both": BOTH, "instruction": INSTRUCTION, "response": RESPONSE}  # as kernels name them

_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"


class Rows(NamedTuple):
    """Every row that could be read, in input order."""

    file_R: npt.NDArray[np.int32]  # noqa: N815 - the suffix is the shape
    begin_R: I64  # noqa: N815 - the row's JSON is these bytes of its file, without spaces around it
    end_R: I64  # noqa: N815
    line_R: I64  # noqa: N815 - from 1; in Parquet and CSV the number of the row, in an array of the element
    length_R: I64  # noqa: N815 - characters of the response
    quality_R: npt.NDArray[np.float64]  # noqa: N815 - -inf where there is none
    source_R: I64  # noqa: N815 - index into `sources`
    plain_R: npt.NDArray[np.bool_]  # noqa: N815 - whether every byte of it is beyond doubt JSON
    sources: list[str]
    bad: list[tuple[int, BadRow]]  # with the number of the file

    def where(self, chosen: Any) -> Rows:
        """Some of the rows."""
        return self._replace(**{name: getattr(self, name)[chosen] for name in COLUMNS})


COLUMNS = ("file_R", "begin_R", "end_R", "line_R", "length_R", "quality_R", "source_R", "plain_R")


def no_rows() -> Rows:
    """No rows at all."""
    none = np.empty(0, np.int64)
    return Rows(
        none.astype(np.int32), none, none, none, none, none.astype(np.float64), none, none.astype(np.bool_), [], []
    )


class RowTexts(msgspec.Struct, frozen=True):
    """What is compared and ranked. Other fields, known or not, are none of de-duplication's business."""

    instruction: str
    response: str | None
    source: Any = None
    quality_score: Any = None
    id: Any = None


class Reading(Protocol):
    """What a row is to those who compare it. Frozen; the same in every worker."""

    @property
    def on(self) -> On:
        """Which of the texts that `read` answers is compared."""
        ...

    @property
    def reads_all(self) -> bool:
        """Whether every row is read by `read`, and not only what a kernel leaves in doubt."""
        ...

    def read(self, raw: bytes) -> RowTexts:
        """A row of JSON. Raises RowError where it is none."""
        ...


class Read(NamedTuple):
    """What lines hold: texts, the rows they are of, and how many lines there are."""

    texts: Flat
    rows: Rows
    newlines: int


def read_lines(block: bytes | memoryview, size: int, reading: Reading, *, is_first: bool) -> Read:
    """The rows of whole lines, counted from the block's begin. There are PADDING bytes or more behind its `size`."""
    text = np.frombuffer(block, np.uint8)
    ends_of_lines = newlines(text, size)
    room = ends_of_lines + 1
    out, starts = np.empty(size + PADDING, np.uint8), np.empty(room + 1, np.int64)
    begins, ends, lines, lengths, source_begins, source_ends = np.empty((6, room), np.int64)
    quality = np.empty(room, np.float64)
    found = read_rows(
        text, size, PARTS[reading.on], out, starts, begins, ends, lines, lengths, quality, source_begins, source_ends
    )
    first = np.empty(found, np.int64)
    first_alike(text, source_begins[:found], source_ends[:found], first)
    named, source = _numbered(first)
    some = named[named >= 0]
    sources = [UNKNOWN] * (len(named) - len(some)) + _names(block, source_begins[some], source_ends[some])
    file = np.zeros(room, np.int32)
    padded = np.append(source, np.zeros(room - found, np.int64))
    made = Rows(file, begins, ends, lines, lengths, quality, padded, lengths >= 0, sources, []).where(slice(found))
    texts = Flat(out[: starts[found]], starts[: found + 1])
    doubtful = np.flatnonzero(~made.plain_R | reading.reads_all)
    if not len(doubtful):
        return Read(texts, made, ends_of_lines)
    return _with_doubtful(block, Read(texts, made, ends_of_lines), doubtful, reading, is_first=is_first)


def _numbered(first_R: I64) -> tuple[I64, I64]:  # noqa: N803
    """The first rows that `first_alike` names, ascending, and of each row which of them is its own: what `np.unique`
    would sort for."""
    is_new = first_R == np.arange(len(first_R))
    is_none = first_R < 0
    named, numbers = np.flatnonzero(is_new), np.cumsum(is_new) - 1
    if not is_none.any():
        return named, numbers[first_R]
    return np.append(-1, named), np.where(is_none, 0, numbers[first_R] + 1)


def _with_doubtful(block: bytes | memoryview, made: Read, doubtful: I64, reading: Reading, *, is_first: bool) -> Read:
    """Read one at a time what the kernel would not, or was not asked for."""
    rows, texts = made.rows, made.texts
    parts = [texts.text_B[start:end] for start, end in pairwise(texts.starts_D1.tolist())]
    stays = np.ones(len(parts), np.bool_)
    for at in doubtful.tolist():
        raw = bytes(block[rows.begin_R[at] : rows.end_R[at]])
        if is_first and rows.begin_R[at] == 0 and raw.startswith(_BOM):
            rows.begin_R[at] += len(raw) - len(raw[len(_BOM) :].lstrip(_SPACE))
            raw = bytes(block[rows.begin_R[at] : rows.end_R[at]])
        if not raw:
            stays[at] = False
            continue
        row = strictly(int(rows.line_R[at]), raw, reading)
        if isinstance(row, BadRow):
            stays[at] = False
            rows.bad.append((0, row))
            continue
        parts[at] = text_compared(row, reading.on)
        rows.length_R[at] = len(row.response or "")
        rows.quality_R[at] = _quality(row.quality_score)
        rows.source_R[at] = len(rows.sources)
        rows.sources.append(row.source if isinstance(row.source, str) else UNKNOWN)
    texts = joined([part for part, stay in zip(parts, stays.tolist(), strict=True) if stay])
    return made._replace(texts=texts, rows=rows.where(stays))


def strictly(line: int, raw: bytes, reading: Reading) -> RowTexts | BadRow:
    """The row, or why it is none."""
    if len(raw) > MAX_ROW:
        return BadRow(line, raw[:1000], RowError("row_too_long", f"the line is longer than {MAX_ROW:,} bytes"))
    try:
        return reading.read(raw)
    except RowError as error:  # told anew: its traceback would hold the whole block for as long as the row is
        return BadRow(line, raw, RowError(error.reason, error.detail, field=error.field))


def text_compared(row: RowTexts, on: On) -> U8:
    """The text of a row that is compared, in UTF-8."""
    return np.frombuffer(text_of(row.instruction, row.response, on).encode("utf-8", "replace"), np.uint8)


def _quality(value: Any) -> float:
    try:
        return float(value) if isinstance(value, (int, float)) else float("-inf")
    except OverflowError:  # an integer beyond all floats
        return float("inf") if value > 0 else float("-inf")


def _names(block: bytes | memoryview, begins: I64, ends: I64) -> list[str]:
    """The strings of JSON whose insides are there, read as one array."""
    insides = [block[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
    return _decode_names(b'["' + b'","'.join(insides) + b'"]') if insides else []


_decode_names = msgspec.json.Decoder(list[str]).decode
