"""Reading rows from JSONL, JSON arrays, Parquet and CSV, compressed or not, in bounded memory.

A bad row is handed on as a `BadRow` and reading goes on; a bad file raises DataError, once, with one line, after the
rows before the damage.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from phase0.dataset.arrays import array
from phase0.dataset.containers import Kind, is_compressed, kind_of, opened, stem
from phase0.dataset.lines import lines, newlines
from phase0.dataset.rows import NOT_JSON, BadRow, Row, Span, not_json, standard_record
from phase0.dataset.tables import csv_rows, parquet
from phase0.errors import RowError, UsageError
from phase0.records import Record, check, decode

__all__ = ["expand", "not_json", "raw_rows", "read", "read_records", "record_from", "split"]

_READERS = {Kind.LINES: lines, Kind.ARRAY: array, Kind.CSV: csv_rows, Kind.PARQUET: parquet}


def expand(inputs: Iterable[str | Path]) -> list[Path]:
    """Files named by paths and glob patterns, each once, in the order given; a folder stands for the files in it."""
    given, found = list(inputs), list[Path]()
    for item in given:
        path = Path(item)
        if path.is_dir():
            found += sorted(child for child in path.iterdir() if child.is_file() and not child.name.startswith("."))
        elif path.exists():
            found.append(path)
        else:
            # Path.glob takes no pattern that starts at the root.
            matches = sorted(glob.glob(str(item), recursive=True)) if glob.has_magic(str(item)) else []  # noqa: PTH207
            if not matches:
                raise UsageError(f"{item}: there is no such file")
            found += [Path(match) for match in matches if Path(match).is_file()]
    if not found:
        raise UsageError(f"{', '.join(str(item) for item in given) or 'no inputs'}: there are no files there")
    once = {path.resolve(): path for path in reversed(found)}
    return [path for path in dict.fromkeys(found) if once[path.resolve()] == path]


def split(path: Path, size: int = 8 << 20) -> list[Span]:
    """Spans of about `size` bytes that together cover a file; one span for what cannot be cut (compressed, Parquet…).

    The cuts depend on the file alone, so results cannot depend on how many workers share them.
    """
    with opened(path) as file:
        if not file.peek(1):
            return []
    if is_compressed(path) or kind_of(path) is not Kind.LINES:
        return [Span(path)]
    spans, start, line = [], 0, 1
    with opened(path) as file:
        while block := file.read(size):
            block += file.readline()
            rows = newlines(block) + (not block.endswith(b"\n"))
            spans.append(Span(path, start, start + len(block), line, rows))
            start, line = start + len(block), line + rows
    return spans


def raw_rows(source: Path | Span) -> Iterator[tuple[int, bytes] | BadRow]:
    """Every row as (line, bytes of JSON, not yet decoded). Blank lines are no rows."""
    span = source if isinstance(source, Span) else Span(source)
    if span.stop is not None:
        yield from lines(span)
        return
    with opened(span.path) as file:
        if not file.peek(1):
            return
    yield from _READERS[kind_of(span.path)](span)


def read(source: Path | Span) -> Iterator[Row | BadRow]:
    """Every row, decoded."""
    for item in raw_rows(source):
        if isinstance(item, BadRow):
            yield item
            continue
        line, raw = item
        try:
            yield Row(line, raw, msgspec.json.decode(raw))
        except NOT_JSON as error:
            yield BadRow(line, raw, not_json(raw, error))


def read_records(source: Path | Span) -> Iterator[tuple[int, bytes, Record] | BadRow]:
    """Every row as a checked Record. Rows with the standard fields alone are given their id and an origin here."""
    path = source.path if isinstance(source, Span) else source
    dataset = stem(path)
    for item in raw_rows(source):
        if isinstance(item, BadRow):
            yield item
            continue
        line, raw = item
        try:
            yield line, raw, record_from(raw, dataset=dataset, row=f"{path.name}:{line}")
        except RowError as error:
            yield BadRow(line, raw, error)


def record_from(raw: bytes, *, dataset: str, row: str) -> Record:
    """The record that a row of JSON holds. Raises RowError that names the field and the reason."""
    try:
        record = decode(raw)
    except NOT_JSON:
        try:
            data = msgspec.json.decode(raw)
        except NOT_JSON as error:
            raise not_json(raw, error) from None
        return standard_record(data, dataset=dataset, row=row)
    check(record)
    return record
