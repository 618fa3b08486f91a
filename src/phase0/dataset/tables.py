"""Rows of CSV and Parquet as JSON. A table of standard rows comes back as the very rows that were written to it.

CSV knows only text: an empty cell of a standard row reads as null, and as empty text in any other table. Parquet's
NaN is JSON's null, its bytes are base64, its times ISO 8601.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from phase0.dataset.containers import plain, suffix
from phase0.dataset.rows import (
    MAX_ROW,
    BadRow,
    Span,
    from_cells,
    is_standard,
    lone_surrogate,
    not_utf8,
    without_absent,
)
from phase0.errors import DataError, RowError

_ROWS = 1000  # of a Parquet file held at a time
_encode = msgspec.json.Encoder(decimal_format="number").encode


def csv_rows(span: Span) -> Iterator[tuple[int, bytes] | BadRow]:
    """Every row of a CSV or TSV file with a header. A row that is not valid CSV ends with its line."""
    csv.field_size_limit(MAX_ROW)  # the module's own limit is 128 KiB a field
    delimiter = "\t" if suffix(span.path) == ".tsv" else ","
    with plain(span.path) as stream:
        # What is not UTF-8 becomes surrogates here, so that it costs one row and not the file.
        text = io.TextIOWrapper(cast("IO[bytes]", stream), encoding="utf-8-sig", errors="surrogateescape", newline="")
        source = _Lines(text)
        rows = csv.reader(source, delimiter=delimiter, strict=True)
        header = _header(span.path, rows)
        for number, cells in enumerate(_tolerant(span.path, rows, source), 1):
            if isinstance(cells, RowError):
                yield BadRow(number, source.seen(), cells)
            elif cells:
                yield _csv_row(number, header, cells, source)


class _Lines:
    """Lines of text on their way into the CSV reader, which does not tell what it read where it fails."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._text, self._seen = text, []  # type: io.TextIOBase, list[str]
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline()
        self.ended = not line
        if self.ended:
            raise StopIteration
        self._seen.append(line)
        return line

    def forget(self) -> None:
        self._seen.clear()

    def seen(self) -> bytes:
        """The lines of the present row, as they stand in the file."""
        return "".join(self._seen).encode("utf-8", "surrogateescape")


def _header(path: Path, rows: Iterator[list[str]]) -> list[str]:
    try:
        names = next((cells for cells in rows if cells), [])
    except csv.Error as error:
        raise DataError(f"{path}: line 1: the header is not valid CSV ({error})") from error
    _check_names(path, names)
    return names


def _check_names(path: Path, names: Sequence[str]) -> None:
    """Two columns of one name would make one field, and the first of them would be lost."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{path}: has {names.count(twice[0])} columns called {twice[0]!r}; one would hide the other")
    if any("\udc80" <= char <= "\udcff" for name in names for char in name):
        raise DataError(f"{path}: line 1: the header is not UTF-8")


def _tolerant(path: Path, rows: Any, source: _Lines) -> Iterator[list[str] | RowError]:
    """The reader's rows; where it fails, the reason, and on with the next line."""
    while True:
        source.forget()
        first = rows.line_num + 1
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if source.ended:
                raise DataError(
                    f"{path}: line {first}: a quote is opened and never closed; no row can be told from there on"
                ) from error
            yield RowError("invalid_csv", f"line {rows.line_num}: not valid CSV: {error}")


def _csv_row(number: int, header: Sequence[str], cells: list[str], source: _Lines) -> tuple[int, bytes] | BadRow:
    if len(cells) != len(header):
        detail = f"{len(cells)} fields where the header names {len(header)}"
        return BadRow(number, source.seen(), RowError("wrong_field_count", detail))
    row = dict(zip(header, cells, strict=True))
    try:
        return number, _encode(from_cells(row) if is_standard(header) else row)
    except UnicodeEncodeError:
        raw = source.seen()
        return BadRow(number, raw, _why_not_utf8(raw))


def _why_not_utf8(raw: bytes) -> RowError:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return not_utf8(error)
    return lone_surrogate()


def parquet(span: Span) -> Iterator[tuple[int, bytes] | BadRow]:
    """Every row of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(span.path, page_checksum_verification=True) as table:
            _check_names(span.path, table.schema_arrow.names)
            tidy = without_absent if is_standard(table.schema_arrow.names) else dict[str, Any]
            first = 1
            for batch in table.iter_batches(batch_size=_ROWS):
                for number, value in enumerate(_values(batch), first):
                    yield value._replace(line=number) if isinstance(value, BadRow) else (number, _encode(tidy(value)))
                first += len(batch)
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{span.path}: is a damaged Parquet file ({reason})") from error


def _values(batch: Any) -> Iterator[Any]:
    """The rows of a batch as Python values; a BadRow for each one that Python or JSON has no value for."""
    import pyarrow as pa

    columns = []
    for column in batch.columns:
        kind = _mapped(column.type, _without_nanoseconds)
        columns.append(column if kind == column.type else column.cast(kind, safe=False))
    batch = pa.RecordBatch.from_arrays(columns, batch.schema.names)
    try:
        values = batch.to_pylist()
    except (ValueError, OverflowError):
        values = _one_by_one(batch)
    yield from values


def _one_by_one(batch: Any) -> Iterator[Any]:
    for row in (batch.slice(at, 1) for at in range(len(batch))):
        try:
            yield row.to_pylist()[0]
        except UnicodeDecodeError as error:
            yield BadRow(0, _salvaged(row), not_utf8(error))
        except (ValueError, OverflowError) as error:
            yield BadRow(0, _salvaged(row), RowError("not_json_value", str(error)))


def _mapped(kind: Any, change: Callable[[Any], Any]) -> Any:
    """A type with `change` made to every type in it."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_mapped(field.type, change)) for field in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        make = pa.list_ if pa.types.is_list(kind) else pa.large_list
        return make(kind.value_field.with_type(_mapped(kind.value_type, change)))
    return change(kind)


def _without_nanoseconds(kind: Any) -> Any:
    """Times as Python can hold them: it knows no nanoseconds, and not every zone."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return pa.timestamp("us" if kind.unit == "ns" else kind.unit, tz=kind.tz and "UTC")
    if pa.types.is_duration(kind) and kind.unit == "ns":
        return pa.duration("us")
    return pa.time64("us") if pa.types.is_time64(kind) else kind


def _salvaged(row: Any) -> bytes:
    """A row that has no JSON, as near to it as can be: what is not UTF-8 as `\\xNN`, times as numbers."""
    import pyarrow as pa

    def bare(kind: Any) -> Any:
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return pa.binary()
        return pa.int64() if pa.types.is_timestamp(kind) or pa.types.is_duration(kind) else kind

    try:
        columns = [column.cast(_mapped(column.type, bare)).to_pylist()[0] for column in row.columns]
    except (ValueError, OverflowError, NotImplementedError):
        return b""
    return _encode(_as_text(dict(zip(row.schema.names, columns, strict=True))))


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_text(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
