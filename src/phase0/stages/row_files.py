"""The rows of files as de-duplication wants them: their text flat, their rank and place in arrays.

Every row is a span of bytes of a JSONL file. Plain lines are read by a kernel; what it leaves in doubt is read
strictly, one line at a time, and only that decides whether a line is bad. Files that are not plain JSONL are first laid
out as such.

Shapes: R rows.
"""

from __future__ import annotations

import os
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from phase0.dataset import BadRow, raw_rows
from phase0.dataset.containers import Kind, is_compressed, kind_of, opened
from phase0.dataset.reading import not_json
from phase0.dataset.rows import MAX_ROW, NOT_JSON
from phase0.dedup import On, text_of
from phase0.dedup.flat import I64, U8, Chunk, Flat, Part, Piece, joined
from phase0.dedup.kernels.json import PADDING, newlines
from phase0.dedup.kernels.rows import BOTH, INSTRUCTION, RESPONSE, first_alike, read_again, read_rows
from phase0.errors import DataError, RowError
from phase0.progress import Progress
from phase0.stages.row_bytes import Spans, scratch_of_texts, spans, to_the_end
from phase0.stages.row_ids import Ids, NotedIds

UNKNOWN = "unknown"  # the source of a row that names none

_BLOCK = 1 << 21  # bytes of a file that are read together
_BEHIND = 1 << 13  # bytes behind a block that are read with it: they end its last line, mostly
_SAMPLE = 1 << 15  # bytes at each of some places that tell how much there will be, and what is common
_SAMPLES, _MOST_SAMPLES = 640, 3200  # places
_APART = 1300 << 10  # bytes from one place to the next: what is common among more rows takes more of them to see
_PADDING = bytes(PADDING)
_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
_ON: dict[On, int] = {"both": BOTH, "instruction": INSTRUCTION, "response": RESPONSE}


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
        return self._replace(**{name: getattr(self, name)[chosen] for name in _COLUMNS})


_COLUMNS = ("file_R", "begin_R", "end_R", "line_R", "length_R", "quality_R", "source_R", "plain_R")


class _Texts(msgspec.Struct, frozen=True):
    """What is compared and ranked. Other fields, known or not, are none of de-duplication's business."""

    instruction: str
    response: str | None
    source: Any = None
    quality_score: Any = None
    id: Any = None


_decode = msgspec.json.Decoder(_Texts).decode


class RowFiles:
    """Files of rows as `Texts`, behind those of another dataset with which they are compared.

    Mutable: `chunks` learns where the rows are, then `rows` and `take` can tell.
    """

    def __init__(self, paths: Sequence[Path], on: On, folder: Path, others: Sequence[Path] = ()) -> None:
        self.others = list(others)
        self._paths = paths = [*others, *paths]
        self._plain = list(paths)  # where the bytes of each file's rows are
        self._on, self._folder = on, folder
        self._chunks: list[_Lines] = []
        self._numbers: dict[int, array[int]] = {}
        self._bad: list[tuple[int, BadRow]] = []
        self._rows: Rows | None = None
        self._ids = NotedIds()

    def lay_out(self, progress: Progress) -> None:
        """Lay files that are not plain JSONL out as such. To be asked first, once."""
        packed = [file for file, path in enumerate(self._paths) if not _are_lines(path)]
        if packed:
            progress.start("lay rows out", sum(self._paths[file].stat().st_size for file in packed), "bytes")
            for file in packed:
                self._plain[file] = self._laid_out(file, self._paths[file])
                progress.advance(self._paths[file].stat().st_size)
            progress.finish()

    def hint(self) -> int:
        return sum(path.stat().st_size for path in self._plain)

    def extent(self) -> int | None:
        return self.hint()

    def sample(self) -> Part | None:
        sizes = [path.stat().st_size for path in self._plain]
        step = max(_SAMPLE, sum(sizes) // min(max(_SAMPLES, sum(sizes) // _APART), _MOST_SAMPLES))
        drawn = [
            _Lines(file, path, begin, begin + _SAMPLE, self._on)
            for file, (path, size) in enumerate(zip(self._plain, sizes, strict=True))
            for begin in range(0, size, step)
        ]
        return Part(drawn, sum(sizes) / (_SAMPLE * len(drawn))) if drawn else None

    def chunks(self) -> Iterator[Chunk]:
        for file, path in enumerate(self._plain):
            size = path.stat().st_size
            for begin in range(0, size, _BLOCK):
                chunk = _Lines(file, path, begin, min(begin + _BLOCK, size), self._on)
                self._chunks.append(chunk)
                yield chunk

    def take(self, rows: I64) -> Flat:
        block = b"\n".join(self.raw(rows))
        return _read(block + _PADDING, len(block), self._on, is_first=False).texts

    def again(self, rows: I64) -> list[Piece]:
        known = self.rows()
        plain = known.plain_R[rows]
        found = spans(self._plain, known.file_R[rows], known.begin_R[rows], known.end_R[rows])
        return [_Again(piece, rows[piece.first :], plain[piece.first :], self._on, self._ids) for piece in found]

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

    def firsts(self) -> int:
        """How many rows are of the other dataset. To be asked once every chunk was read."""
        return int(np.searchsorted(self.rows().file_R, len(self.others))) if self.others else 0

    def rows(self) -> Rows:
        """What was read. To be asked once every chunk was."""
        if self._rows is None:
            self._rows = self._gathered()
            self._chunks.clear()
        return self._rows

    def _gathered(self) -> Rows:
        sources: dict[str, int] = {}
        parts = [_empty()]
        before, file = 0, -1
        for chunk in self._chunks:
            before, file = before if chunk.file == file else 1, chunk.file
            part = chunk.lines
            renamed = np.array([sources.setdefault(name, len(sources)) for name in part.sources], np.int64)
            numbers = self._numbers.get(chunk.file)
            line = part.line_R + before
            if numbers is not None:
                line = np.frombuffer(numbers, np.int64)[line - 1]
            for _, bad in part.bad:
                at = bad.line + before
                self._bad.append((chunk.file, bad._replace(line=at if numbers is None else numbers[at - 1])))
            before += chunk.newlines
            parts.append(
                part._replace(
                    file_R=np.full(len(line), chunk.file, np.int32),
                    begin_R=part.begin_R + chunk.begin,
                    end_R=part.end_R + chunk.begin,
                    line_R=line,
                    source_R=renamed[part.source_R],
                )
            )
        columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
        self._bad.sort(key=lambda item: (item[0], item[1].line))
        return Rows(**columns, sources=list(sources), bad=self._bad)

    def _laid_out(self, file: int, path: Path) -> Path:
        """The rows of a compressed file, a table or an array as lines of plain JSONL."""
        plain = self._folder / f"{file}.lines"  # what a killed run leaves is not to be taken for rows
        numbers = self._numbers[file] = array("q")
        try:
            with plain.open("wb") as out:
                for item in raw_rows(path):
                    # An element of an array that could not be laid on one line is not JSON.
                    row = item if isinstance(item, BadRow) or b"\n" not in item[1] else _strictly(*item)
                    if isinstance(row, BadRow):
                        self._bad.append((file, row))
                    elif isinstance(row, tuple):
                        numbers.append(row[0])
                        out.write(row[1] + b"\n")
        except OSError as error:
            raise DataError(f"{plain}: the rows of {path} cannot be laid out there ({error.strerror})") from error
        return plain


def _are_lines(path: Path) -> bool:
    return path.stat().st_size == 0 or (kind_of(path) is Kind.LINES and not is_compressed(path))


class _Lines:
    """The lines of a file that begin between two bytes of it, to be read once by any thread."""

    def __init__(self, file: int, path: Path, begin: int, end: int, on: On) -> None:
        self.extent = end - begin
        self.file = file
        self._path, self._begin, self._end, self._on = path, begin, end, on
        self.begin, self.newlines = 0, 0
        self.lines: Rows

    def read(self) -> Flat:
        with opened(self._path) as file:
            self.begin, block, size = _whole_lines(file.fileno(), self._begin, self._end)
        made = _read(block, size, self._on, is_first=self.begin == 0)
        self.lines, self.newlines = made.rows, made.newlines
        return made.texts


def _whole_lines(file: int, begin: int, end: int) -> tuple[int, memoryview, int]:
    """The lines that begin at byte `begin` or behind it and before `end`: where the first begins, their bytes with as
    many as PADDING behind them, and their length. Of a line that is too long only its begin."""
    before = 1 if begin else 0  # the byte that tells whether a line begins at `begin`
    block = os.pread(file, end - begin + before + _BEHIND, begin - before)
    first = block.find(b"\n") + 1 if before else 0
    if before and not 0 < first <= end - begin:
        return end, memoryview(_PADDING), 0  # no line begins here
    last = block.find(b"\n", end - begin + before - 1) + 1
    if last == 0:
        block, last = to_the_end(file, block, begin - before, most=MAX_ROW + 2, step=_BLOCK)
    if last + PADDING > len(block):
        block = block[:last] + _PADDING
    return begin - before + first, memoryview(block)[first:], last - first


class _Again:
    """Rows that were read before, to be read once more by any thread."""

    def __init__(
        self,
        where: Spans,
        numbers_R: I64,  # noqa: N803
        plain_R: npt.NDArray[np.bool_],  # noqa: N803
        on: On,
        ids: NotedIds,
    ) -> None:
        self._where, self._on, self._ids = where, on, ids
        self.rows = len(where.begin_R)
        self.extent = self.room = int((where.end_R - where.begin_R).sum())
        self._numbers_R, self._plain_R = numbers_R[: self.rows], plain_R[: self.rows]

    def read(self) -> Flat:
        """The texts, which stay until this thread reads others. The ids are noted."""
        found, plain = self._where.read(), self._plain_R
        out, starts = scratch_of_texts.room(self.room + PADDING), np.empty(self.rows + 1, np.int64)
        id_begins, id_ends = np.empty((2, self.rows), np.int64)
        read_again(*found, plain, _ON[self._on], out, starts, id_begins, id_ends)
        self._ids.note(self._numbers_R[plain], found.block_B, id_begins[plain], id_ends[plain])
        if plain.all():
            return Flat(out[: starts[-1]], starts)
        parts = [out[begin:end] for begin, end in pairwise(starts.tolist())]
        for at in np.flatnonzero(~plain).tolist():
            row = _strictly(0, found.block_B[found.begin_R[at] : found.end_R[at]].tobytes())
            if isinstance(row, BadRow):
                raise DataError(f"{self._where.path} was changed while it was being read; run the same again")
            parts[at] = _text(row, self._on)
            self._ids.note_value(self._numbers_R[at : at + 1], row.id)
        return joined(parts)


class _Read(NamedTuple):
    texts: Flat
    rows: Rows
    newlines: int


def _read(block: bytes | memoryview, size: int, on: On, *, is_first: bool) -> _Read:
    """The rows of whole lines, counted from the block's begin. There are PADDING bytes or more behind its `size`."""
    text = np.frombuffer(block, np.uint8)
    ends_of_lines = newlines(text, size)
    room = ends_of_lines + 1
    out, starts = np.empty(size + PADDING, np.uint8), np.empty(room + 1, np.int64)
    begins, ends, lines, lengths, source_begins, source_ends = np.empty((6, room), np.int64)
    quality = np.empty(room, np.float64)
    found = read_rows(
        text, size, _ON[on], out, starts, begins, ends, lines, lengths, quality, source_begins, source_ends
    )
    first = np.empty(found, np.int64)
    first_alike(text, source_begins[:found], source_ends[:found], first)
    named, source = np.unique(first, return_inverse=True)
    sources = [_name(block, source_begins[row], source_ends[row]) if row >= 0 else UNKNOWN for row in named.tolist()]
    file = np.zeros(room, np.int32)
    padded = np.append(source.reshape(-1), np.zeros(room - found, np.int64))
    made = Rows(file, begins, ends, lines, lengths, quality, padded, lengths >= 0, sources, []).where(slice(found))
    texts = Flat(out[: starts[found]], starts[: found + 1])
    doubtful = np.flatnonzero(~made.plain_R)
    if not len(doubtful):
        return _Read(texts, made, ends_of_lines)
    return _with_doubtful(block, _Read(texts, made, ends_of_lines), doubtful, on, is_first=is_first)


def _with_doubtful(block: bytes | memoryview, made: _Read, doubtful: I64, on: On, *, is_first: bool) -> _Read:
    """Read strictly what the kernel would not."""
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
        row = _strictly(int(rows.line_R[at]), raw)
        if isinstance(row, BadRow):
            stays[at] = False
            rows.bad.append((0, row))
            continue
        parts[at] = _text(row, on)
        rows.length_R[at] = len(row.response or "")
        rows.quality_R[at] = _quality(row.quality_score)
        rows.source_R[at] = len(rows.sources)
        rows.sources.append(row.source if isinstance(row.source, str) else UNKNOWN)
    texts = joined([part for part, stay in zip(parts, stays.tolist(), strict=True) if stay])
    return made._replace(texts=texts, rows=rows.where(stays))


def _strictly(line: int, raw: bytes) -> _Texts | BadRow:
    """The row, or why it is none."""
    if len(raw) > MAX_ROW:
        return BadRow(line, raw[:1000], RowError("row_too_long", f"the line is longer than {MAX_ROW:,} bytes"))
    try:
        row = _decode(raw)
        raw.decode()  # nobody has looked into fields that are not known
    except msgspec.ValidationError as error:
        return BadRow(line, raw, RowError("bad_row", str(error)))
    except NOT_JSON as error:
        return BadRow(line, raw, not_json(raw, error))
    return row


def _text(row: _Texts, on: On) -> U8:
    return np.frombuffer(text_of(row.instruction, row.response, on).encode("utf-8", "replace"), np.uint8)


def _quality(value: Any) -> float:
    try:
        return float(value) if isinstance(value, (int, float)) else float("-inf")
    except OverflowError:  # an integer beyond all floats
        return float("inf") if value > 0 else float("-inf")


def _name(block: bytes | memoryview, begin: int, end: int) -> str:
    name: str = msgspec.json.decode(b'"' + bytes(block[begin:end]) + b'"')
    return name


def _empty() -> Rows:
    none = np.empty(0, np.int64)
    return Rows(
        none.astype(np.int32), none, none, none, none, none.astype(np.float64), none, none.astype(np.bool_), [], []
    )
