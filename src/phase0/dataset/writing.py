"""Writing files once: to a temporary name, synced, renamed. A reader sees the old file or the new one, never a part."""

from __future__ import annotations

import contextlib
import csv
import glob
import gzip
import io
import os
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec
import xxhash

from phase0.dataset.columns import columns_of
from phase0.dataset.containers import LeftOpen, opened, suffix
from phase0.dataset.rows import FIELDS, STANDARD
from phase0.errors import DataError, UsageError

_SYNCED = 64 << 20  # bytes after which the disk is asked to take what was written
_BATCH = 4096  # rows to a Parquet row group


class Writer(Protocol):
    """Takes rows as JSON bytes and lays them out as the file's suffix asks."""

    digest: str = ""  # of the file, as `file_digest` finds it; once it is published

    def write(self, row: bytes) -> None: ...

    def write_lines(self, block: bytes | memoryview) -> None:
        """Write rows that stand in lines, each with its end."""
        for row in bytes(block).split(b"\n")[:-1]:
            self.write(row)

    def close(self) -> None:
        """Write what ends the file."""

    def abandon(self) -> None:
        """Write nothing more, whatever was left open."""


@contextmanager
def atomic(path: Path) -> Iterator[NewFile]:
    """A binary file that takes its name only when the block ends well. Raises DataError where it cannot be written."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a device or a pipe"
        raise DataError(f"{path}: is {what}, which a finished file cannot replace")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = NewFile(partial)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        try:
            yield file
            file.flush()
            file.sync()
            file.close()
        finally:
            file.abandon()
        partial.replace(path)
    except OSError as error:
        if error.filename not in {None, str(partial)}:
            raise  # about another file: the block's own
        raise _unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    _sync_folder(path.parent)


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A file of work under way that takes its name when the block ends well.

    Any number of processes on any machines may write the same one at once: none sees another's, and the last of them
    counts. It is not synced: who finds it missing after a crash makes it again.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")  # pids are not unique across machines
    try:
        with fresh.open("xb") as file:
            yield file
        fresh.replace(path)
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()


class NewFile(io.BufferedWriter):
    """A file that is written once, from its first byte to its last. Its digest is known without reading it again."""

    def __init__(self, path: Path) -> None:
        self._bytes = _Bytes(path)
        super().__init__(self._bytes)

    def sync(self) -> None:
        """Return when everything that was flushed is on the disk."""
        self._bytes.settle()
        os.fsync(self._bytes.fileno())

    def abandon(self) -> None:
        """Close without writing what is still in memory."""
        self._bytes.close()

    def digest(self) -> str:
        """What `file_digest` finds in everything that was flushed."""
        return self._bytes.state.hexdigest()


class _Bytes(io.FileIO):
    """Where the bytes go: counted into the digest, and brought to the disk while others are still being made, so that
    the end need not wait for all of them. Errors name the file."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), "wb")
        self.state = xxhash.xxh3_128()
        self._ahead = 0  # bytes since the disk was last asked
        self._syncing: _Syncing | None = None

    def write(self, block: Any) -> int:
        try:
            written: int = super().write(block)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.name) from error
        self.state.update(memoryview(block)[:written])
        self._ahead += written
        if self._ahead >= _SYNCED and not (self._syncing and self._syncing.is_alive()):
            self.settle()
            self._ahead = 0
            self._syncing = _Syncing(self.fileno())
            self._syncing.start()
        return written

    def seek(self, *_where: int) -> int:
        raise io.UnsupportedOperation("a new file is written from its first byte to its last")

    def settle(self) -> None:
        """Wait until the disk has answered. It tells an error once, so that nobody else would hear of it."""
        syncing, self._syncing = self._syncing, None
        if syncing is not None:
            syncing.join()
            if syncing.error is not None:
                raise OSError(syncing.error.errno, syncing.error.strerror, self.name)

    def close(self) -> None:
        """Close the file when nobody uses it any more."""
        if self._syncing is not None:
            self._syncing.join()
        super().close()


class _Syncing(threading.Thread):
    """Has the disk take what was written to a file so far."""

    def __init__(self, handle: int) -> None:
        super().__init__(daemon=True)
        self._handle = handle
        self.error: OSError | None = None

    def run(self) -> None:
        try:
            getattr(os, "fdatasync", os.fsync)(self._handle)  # macOS has but one of them
        except OSError as error:
            self.error = error


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: cannot be written ({error.strerror or error})")


def sweep(path: Path) -> None:
    """Remove what killed processes left of a file that was never finished. Only for who holds the file's lock."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        if re.fullmatch(r"\d+", left.name.removeprefix(f".{path.name}.").removesuffix(".partial")):
            with contextlib.suppress(OSError):  # what cannot be removed is in nobody's way
                left.unlink()


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # Windows cannot open folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Publish one value as indented JSON."""
    with atomic(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def file_digest(path: Path, halt: threading.Event | None = None) -> str:
    """XXH3-128 of a file's bytes, as 32 hex digits: to notice change, not to resist forgery. Of no worth once `halt` is
    set: it then ends at once."""
    state = xxhash.xxh3_128()
    with opened(path) as file:
        while (block := file.read(1 << 20)) and not (halt and halt.is_set()):
            state.update(block)
    return state.hexdigest()


@contextmanager
def writer(path: Path) -> Iterator[Writer]:
    """A row writer for `path`, published when the block ends well. The suffix decides the format; none means JSONL."""
    packing = path.suffix.lower() if path.suffix.lower() in {".gz", ".zst"} else ""
    if packing and suffix(path) == ".parquet":
        raise UsageError(f"{path}: Parquet compresses its own columns; leave out {packing}")
    with atomic(path) as file, _compressed(packing, file) as plain:
        out = _laid_out(path, plain)
        try:
            yield out
            out.close()
        finally:
            out.abandon()
    out.digest = file.digest()


@contextmanager
def _compressed(packing: str, file: IO[bytes]) -> Iterator[IO[bytes]]:
    if packing == ".gz":
        # No name and no time inside: the same rows must give the same bytes.
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed:
            yield packed  # type: ignore[misc]
    elif packing == ".zst":
        import pyarrow as pa

        with pa.CompressedOutputStream(pa.PythonFile(LeftOpen(file), mode="w"), "zstd") as packed:
            yield packed
    else:
        yield file


def _laid_out(path: Path, file: IO[bytes]) -> Writer:
    match suffix(path):
        case ".json":
            return _Array(file)
        case ".parquet":
            return _Parquet(path, file)
        case ".csv":
            return _Csv(path, file, ",")
        case ".tsv":
            return _Csv(path, file, "\t")
    return _Lines(file)


class _Lines(Writer):
    """One JSON value to a line."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, row: bytes) -> None:
        self._file.write(row + b"\n")

    def write_lines(self, block: bytes | memoryview) -> None:
        self._file.write(block)

    def close(self) -> None: ...

    def abandon(self) -> None: ...


class _Array(Writer):
    """One JSON array, an element to a line."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._mark = file, b"[\n"

    def write(self, row: bytes) -> None:
        self._file.write(self._mark + row)
        self._mark = b",\n"

    def close(self) -> None:
        self._file.write(b"[\n]\n" if self._mark == b"[\n" else b"\n]\n")

    def abandon(self) -> None: ...


class _Csv(Writer):
    """The columns of the first row, or of every full record; null as an empty cell, what is not text as JSON.

    Lines end in CRLF as RFC 4180 has it, which also makes the module quote a cell with a lone CR in it.
    """

    def __init__(self, path: Path, file: IO[bytes], delimiter: str) -> None:
        self._path, self._file = path, file
        self._line = io.StringIO(newline="")
        self._csv = csv.writer(self._line, delimiter=delimiter)
        self._header: list[str] = []

    def write(self, row: bytes) -> None:
        data = _object(self._path, row)
        if not self._header:
            self._header = list(FIELDS if "meta" in data else data)
            self._put(self._header)
        _check_columns(self._path, data, self._header)
        self._put([_cell(data.get(field)) for field in self._header])

    def _put(self, cells: list[str]) -> None:
        self._csv.writerow(cells)
        self._file.write(self._line.getvalue().encode())
        self._line.seek(0)
        self._line.truncate()

    def close(self) -> None:
        if not self._header:
            self._put(list(STANDARD))

    def abandon(self) -> None: ...


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


class _Parquet(Writer):
    """Row groups of `_BATCH` rows. The first batch settles the columns, unless its rows are full records."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path, self._file = path, file
        self._rows: list[dict[str, Any]] = []
        self._table: Any = None

    def write(self, row: bytes) -> None:
        self._rows.append(_object(self._path, row))
        if len(self._rows) == _BATCH:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            schema = columns_of(self._rows) if self._table is None else self._table.schema
            for row in self._rows:
                _check_columns(self._path, row, schema.names)
            batch = pa.RecordBatch.from_pylist(self._rows, schema=schema)
        except (pa.ArrowException, OverflowError) as error:
            reason = str(error).partition("\n")[0]
            raise DataError(f"{self._path}: Parquet has one type to a column, but {reason}; use .jsonl") from error
        if self._table is None:
            self._table = pq.ParquetWriter(self._file, schema, compression="zstd")
        self._table.write_batch(batch)
        self._rows = []

    def close(self) -> None:
        if self._rows or self._table is None:
            self._flush()
        self._table.close()

    def abandon(self) -> None:
        if self._table is not None:
            self._table.is_open = False  # else it closes itself later, into a file that is gone


def _object(path: Path, row: bytes) -> dict[str, Any]:
    data = msgspec.json.decode(row)
    if not isinstance(data, dict):
        raise DataError(f"{path}: a table has named columns, but a row is {row[:40]!r}; use .jsonl")
    return data


def _check_columns(path: Path, row: dict[str, Any], columns: list[str]) -> None:
    for field in row:
        if field not in columns:
            raise DataError(
                f"{path}: a table has one set of columns, but a row has {field!r}, which those before it have not; "
                "use .jsonl"
            )
