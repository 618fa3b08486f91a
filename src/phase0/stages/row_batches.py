"""Rows of a finished file that are read, counted and laid out for comparison together, by any thread: some megabytes.
Where all of a batch are plain published rows they are decoded at once, else one at a time; both find the same.

Shapes: D rows that are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np

from phase0.dataset import BadRow, Span, raw_rows
from phase0.dataset.containers import opened
from phase0.dataset.rows import MAX_ROW, NOT_JSON
from phase0.dedup import On, text_of
from phase0.dedup.flat import I64, Flat, flat, joined
from phase0.errors import RowError
from phase0.stages.category_scan import Laid, laid_out
from phase0.stages.statistics import FullRow, PublishedRow, Tally, ValidRow, is_published, score_of, valid_row

BLOCK = 4 << 20  # bytes of rows that are read together; with fewer, calls of numpy for each take a tenth of the time
_NEWLINE, _BRACE = b"\n{"

Item: TypeAlias = tuple[int, bytes] | BadRow  # as `raw_rows` has them


class Compared(msgspec.Struct, frozen=True, gc=False):
    """What is compared of a row. One that is not valid for another reason can still be a duplicate."""

    instruction: str
    response: str


_compared = msgspec.json.Decoder(Compared).decode
_full = msgspec.json.Decoder(FullRow).decode
_published = msgspec.json.Decoder(PublishedRow).decode_lines


class Lines(NamedTuple):
    """Whole lines of plain JSONL."""

    span: Span
    raw: bytes
    ends: I64  # where newlines stand

    @property
    def lines(self) -> int:
        """How many."""
        return len(self.ends) + (not self.raw.endswith(b"\n"))

    @property
    def extent(self) -> int:
        return len(self.raw)

    @property
    def first(self) -> int:
        """The number of the first line."""
        return self.span.line

    @property
    def last(self) -> int:
        """The number of the last line."""
        return self.span.line + self.lines - 1

    def published(self) -> list[PublishedRow] | None:
        """The rows, where every line is a valid published row and nothing else.

        msgspec takes two values on a line, and one on several. Where every line begins with a brace, none of these rows
        goes on there: they hold no objects. So as many rows as lines are one on each.
        """
        begins = np.append(0, self.ends[: self.lines - 1] + 1)
        if len(self.raw) > MAX_ROW or (np.frombuffer(self.raw, np.uint8)[begins] != _BRACE).any():
            return None
        try:
            rows = _published(self.raw)
        except NOT_JSON:
            return None
        return rows if len(rows) == self.lines and all(map(is_published, rows)) else None

    def items(self) -> Iterator[Item]:
        """Every line that is not blank."""
        return raw_rows(self.span)


class Drawn(NamedTuple):
    """Rows of a file that cannot be cut."""

    rows: Sequence[Item]

    @property
    def extent(self) -> int:
        return sum(len(raw_of(item)) for item in self.rows)

    @property
    def first(self) -> int:
        """The number of the first row."""
        return line_of(self.rows[0])

    @property
    def last(self) -> int:
        """The number of the last row."""
        return line_of(self.rows[-1])

    def published(self) -> None:
        """They are not looked at together."""

    def items(self) -> Iterator[Item]:
        """Every row."""
        return iter(self.rows)


def line_of(item: Item) -> int:
    """The number of a row, from 1."""
    return item.line if isinstance(item, BadRow) else item[0]


def raw_of(item: Item) -> bytes:
    """What is held of a row."""
    return item.raw if isinstance(item, BadRow) else item[1]


def cut(span: Span) -> Iterator[Lines | Drawn]:
    """The rows of a span, some together. DataError for a file that is no data."""
    return _drawn(span) if span.stop is None else _lines(span, span.stop)


def _lines(span: Span, stop: int) -> Iterator[Lines]:
    with opened(span.path) as file:
        file.seek(span.start)
        at, line = span.start, span.line
        while raw := file.read(min(BLOCK, stop - at)):
            raw += file.readline() if at + len(raw) < stop and not raw.endswith(b"\n") else b""
            some = Lines(
                Span(span.path, at, at + len(raw), line), raw, np.flatnonzero(np.frombuffer(raw, np.uint8) == _NEWLINE)
            )
            yield some
            at, line = at + len(raw), line + some.lines


def _drawn(span: Span) -> Iterator[Drawn]:
    held, size = list[Item](), 0
    for item in raw_rows(span):
        held.append(item)
        size += len(raw_of(item))
        if size >= BLOCK:
            yield Drawn(held)
            held, size = [], 0
    if held:
        yield Drawn(held)


class Batch:
    """Some rows, to be read once by any thread (see `dedup.flat.Chunk`). Mutable: what was found is known then.

    `beside` has the JSON of full rows by line.
    """

    def __init__(self, path: Path, source: Lines | Drawn, beside: dict[int, bytes], on: On) -> None:
        self.extent = source.extent
        self.tally = Tally()
        self.lines_D = np.empty(0, np.int64)  # of the rows that are compared
        self._path, self._source, self._beside, self._on = path, source, beside, on

    def read(self) -> Flat:
        """The texts that are compared. The rows are counted."""
        source, beside = self._source, self._beside
        self._source, self._beside = Drawn([]), {}  # what was read is not held any longer
        published = source.published()
        if published is None:
            return self._one_by_one(source, beside)
        lines, laid = range(source.first, source.last + 1), laid_out(published)
        self.tally.rows = len(published)
        self.tally.count(published, _twins(lines, beside), laid)
        self.lines_D = np.array(lines, np.int64)
        return _compared_of(laid, self._on)

    def _one_by_one(self, source: Lines | Drawn, beside: dict[int, bytes]) -> Flat:
        valid, lines_of_valid = list[ValidRow](), list[int]()
        compared, lines = list[ValidRow | Compared](), list[int]()
        for item in source.items():
            self.tally.rows += 1
            row = self._examined(item)
            if row is None:
                continue
            line = line_of(item)
            compared.append(row)
            lines.append(line)
            if not isinstance(row, Compared):
                valid.append(row)
                lines_of_valid.append(line)
        self.tally.count(valid, _twins(lines_of_valid, beside))
        self.lines_D = np.array(lines, np.int64)
        return compared_texts(compared, self._on)

    def _examined(self, item: Item) -> ValidRow | Compared | None:
        """What is compared of a row, where that can be read. What is wrong with it is noted."""
        if isinstance(item, BadRow):
            self.tally.fault(self._path, item.line, item.error)
            return None
        line, raw = item
        try:
            return valid_row(raw)
        except RowError as error:
            self.tally.fault(self._path, line, error)
            if error.reason == "score_out_of_range" and error.field == "quality_score":
                self.tally.see(score_of(raw))
        try:
            return _compared(raw)
        except NOT_JSON:
            return None


def _twins(lines: Sequence[int], beside: dict[int, bytes]) -> list[FullRow | None]:
    """The full rows on these lines; None where there is none, or none that can be read."""
    return [_full_row(beside.get(line)) for line in lines] if beside else []


def _full_row(raw: bytes | None) -> FullRow | None:
    try:
        return None if raw is None else _full(raw)
    except NOT_JSON:
        return None


def compared_texts(rows: Sequence[ValidRow | Compared], on: On) -> Flat:
    """What `dedup.text_of` says of each row, one behind the other."""
    return flat([text_of(row.instruction, row.response, on) for row in rows])


def _compared_of(laid: Laid, on: On) -> Flat:
    """The same of rows that are laid out."""
    spans = laid.spans_D4
    if on == "both":
        end = spans[-1, 3] if len(spans) else 0
        return Flat(laid.text_B[:end], np.append(spans[:, 0], end))
    begins, ends = (spans[:, :2] if on == "instruction" else spans[:, 2:]).T.tolist()
    return joined([laid.text_B[begin:end] for begin, end in zip(begins, ends, strict=True)])
