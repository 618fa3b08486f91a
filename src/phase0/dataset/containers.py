"""What kind of file this is, decided by its bytes before its name, and a stream of its plain bytes."""

from __future__ import annotations

import contextlib
import gzip
import io
import re
import zlib
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from phase0.dataset.rows import NOT_JSON
from phase0.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

_GZIP, _ZSTD, _PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
_BOM = b"\xef\xbb\xbf"
_MARKUP = (b"<!doctype", b"<!--", b"<html", b"<?xml", b"<head", b"<body", b"<error")
_FOREIGN = {
    b"PK\x03\x04": "a ZIP archive",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"ARROW1": "an Arrow IPC file",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF document",
}
_COMPRESSED = (".gz", ".zst")
_FORMATS = (".jsonl", ".ndjson", ".json", ".parquet", ".csv", ".tsv")
_ARRAY = re.compile(rb"\[\s*[\[\]{\"]")
_SPREAD = re.compile(rb"\{[ \t\r]*\n\s*\"")  # an object whose first line is its bracket alone
DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, DataError)
"""What a stream of `plain` raises where its bytes are damaged. Outside of `plain` it is always DataError."""

_HEAD = 65_536  # bytes looked at to tell one kind from another


class Kind(Enum):
    """How rows are laid out in the plain bytes."""

    LINES = "JSONL"
    ARRAY = "JSON array"
    CSV = "CSV"
    PARQUET = "Parquet"


def suffix(path: Path) -> str:
    """The suffix that names the row format: `.jsonl` of `x.jsonl.gz`; `.jsonl` where there is none."""
    parts = [part for part in path.suffixes if part.lower() not in _COMPRESSED]
    return parts[-1].lower() if parts else ".jsonl"


def stem(path: Path) -> str:
    """The name without the suffixes that name format and compression: `x.v2` of `x.v2.jsonl.gz`."""
    name = path.name
    for endings in (_COMPRESSED, _FORMATS):
        ending = next((end for end in endings if name.lower().endswith(end) and len(name) > len(end)), "")
        name = name[: len(name) - len(ending)]
    return name


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """The file's own bytes. What keeps them from being read is raised as DataError."""
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder, not a file") from None
    except PermissionError:
        raise DataError(f"{path}: no permission to read it") from None
    except EOFError:
        raise DataError(f"{path}: the gzip stream ends early; the file is truncated") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the gzip stream is damaged ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


@contextmanager
def plain(path: Path) -> Iterator[io.BufferedIOBase]:
    """The file's bytes, decompressed on the way. Damage is raised as DataError when it is reached.

    Use `read1`: it returns all bytes before the damage first, where `read` may lose the last of them.
    """
    with opened(path) as file:
        magic = file.peek(4)[:4]
        if magic.startswith(_GZIP):
            yield gzip.GzipFile(fileobj=file)
        elif magic.startswith(_ZSTD):
            yield io.BufferedReader(_Zstd(path, file), _Zstd.STEP)
        else:
            yield file


class LeftOpen(io.RawIOBase):
    """A file lent to pyarrow, which closes what it was given when its own stream ends."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return self._file.readable()

    def writable(self) -> bool:
        return self._file.writable()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        block = self._file.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def write(self, block: Any) -> int:
        return self._file.write(block)


class _Zstd(io.RawIOBase):
    """A zstd file as a raw stream, through pyarrow's codec, with its damage told as DataError."""

    STEP = 1 << 16

    def __init__(self, path: Path, file: io.BufferedReader) -> None:
        self._path, self._file, self._given = path, file, 0
        self._damage: DataError | None = None
        self._open()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._damage:
            raise self._damage
        try:
            block = self._stream.read(min(self.STEP, len(buffer)))
        except OSError as error:
            self._damage = DataError(f"{self._path}: the zstd stream is damaged or truncated ({error})")
            block = self._before_damage()
            if not block:
                raise self._damage from error
        buffer[: len(block)] = block
        self._given += len(block)
        return len(block)

    def _before_damage(self) -> bytes:
        """What a read that failed had decoded and forgot: read again, byte by byte."""
        found = bytearray()
        with contextlib.suppress(OSError):
            self._open()
            while byte := self._stream.read(1):
                found += byte
        return bytes(found)

    def _open(self) -> None:
        """Start again behind what was given already."""
        import pyarrow as pa

        self._file.seek(0)
        self._stream = pa.CompressedInputStream(pa.PythonFile(LeftOpen(self._file), mode="r"), "zstd")
        left = self._given
        while left:
            left -= len(self._stream.read(min(self.STEP, left)))


def kind_of(path: Path) -> Kind:
    """How the rows of a file are laid out. Raises DataError for what cannot hold rows, naming what it is."""
    with plain(path) as stream:
        head = _head(stream)
    if head.startswith(_PARQUET):
        if is_compressed(path):
            raise DataError(f"{path}: is a compressed Parquet file; decompress it (Parquet compresses its own columns)")
        return Kind.PARQUET
    text = head.removeprefix(_BOM).lstrip()
    _refuse_impostors(path, head, text)
    ending = suffix(path)
    if ending == ".parquet" and head:
        raise DataError(f"{path}: is named .parquet but is not a Parquet file")
    if ending in {".csv", ".tsv"}:
        return Kind.CSV
    whole = len(head) >= _HEAD and b"\n" not in text  # an array would be broken into lines, or end within reach
    whole = whole or _is_json(text.partition(b"\n")[0])
    if text.startswith(b"[") and (ending == ".json" or (not whole and _ARRAY.match(text))):
        return Kind.ARRAY
    if _SPREAD.match(text) or (ending == ".json" and text.startswith(b"{") and not whole):
        raise DataError(
            f"{path}: holds a JSON object over several lines; phase0 reads a JSON array or one object per line"
        )
    return Kind.LINES


def is_compressed(path: Path) -> bool:
    """Whether the file's bytes are gzip's or zstd's, whatever its name says."""
    with opened(path) as file:
        return file.read(4).startswith((_GZIP, _ZSTD))


def _head(stream: io.BufferedIOBase) -> bytes:
    """The first bytes, as many as can be had: damage behind them is for the reader of the rows to meet."""
    head = b""
    try:
        while len(head) < _HEAD and (block := stream.read1(_HEAD - len(head))):
            head += block
    except DAMAGE:
        if not head:
            raise
    return head


def _refuse_impostors(path: Path, head: bytes, text: bytes) -> None:
    if text.startswith(b"version https://git-lfs"):
        raise DataError(f"{path}: is a Git LFS pointer, not the data; fetch the file itself (`git lfs pull`)")
    if text[:16].lower().startswith(_MARKUP):
        raise DataError(f"{path}: is a web page or XML, not data; the download probably answered with an error page")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or (head[:4].count(0) == 2 and head[:4].strip(b"\0")):
        raise DataError(f"{path}: is UTF-16; phase0 reads UTF-8 (convert it with `iconv -f UTF-16 -t UTF-8`)")
    for magic, name in _FOREIGN.items():
        if head.startswith(magic):
            raise DataError(f"{path}: is {name}; phase0 reads JSONL, JSON, CSV and Parquet, plain or in gzip or zstd")
    if head[257:262] == b"ustar":
        raise DataError(f"{path}: is a tar archive; unpack it first")
    if path.suffix.lower() in _COMPRESSED and head and not _is_as_named(path):
        raise DataError(f"{path}: is named {path.suffix} but is not compressed that way")


def _is_as_named(path: Path) -> bool:
    with opened(path) as file:
        return file.read(4).startswith(_GZIP if path.suffix.lower() == ".gz" else _ZSTD)


def _is_json(line: bytes) -> bool:
    import msgspec

    try:
        msgspec.json.decode(line)
    except NOT_JSON:
        return False
    return True
