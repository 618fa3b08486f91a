"""The shuffle: every task of one side writes one file of records grouped by partition, every task of the other side
reads its part of each. A file appears whole or not at all, so that a task may be repeated, also while another does it.

A record is a few numbers of 64 bits. A file is blocks of records, in each of them grouped by partition; behind them for
each block where its partitions begin, counted in records of the file; then four numbers: MAGIC, the width of a record,
how many partitions, how many blocks. Blocks are what bounds the memory of the writer.

Shapes: R records, W numbers of a record, X partitions.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from phase0.dedup.flat import I64, U64
from phase0.errors import DataError

MAGIC = 0x31656776_68637865
_NUMBER = 8  # bytes
_TRAILER = 4  # numbers
_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def published(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of `path` when it is complete, and leaves nothing where it is not. Raises
    DataError where the disk is full."""
    handle, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        Path(fresh).replace(path)
    except OSError as error:
        Path(fresh).unlink(missing_ok=True)
        if error.errno not in _FULL:
            raise
        raise DataError(f"{path}: there is no room for what workers tell each other ({error.strerror})") from error
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise


class Outbox:
    """Records on their way to partitions. Mutable: blocks are appended; `sent` makes one and completes it."""

    def __init__(self, file: IO[bytes], width: int, partitions: int) -> None:
        self._file, self._width, self._partitions = file, width, partitions
        self._starts: list[I64] = []
        self.records = 0

    @property
    def bytes(self) -> int:
        """What was written of records so far."""
        return self.records * self._width * _NUMBER

    def add(self, records_RW: U64, partition_R: npt.NDArray[Any]) -> None:  # noqa: N803
        """A block of records in any order, each for a partition; those for the same one stay in their order."""
        narrow = np.uint8 if self._partitions <= 1 << 8 else np.uint16 if self._partitions <= 1 << 16 else np.int64
        order = np.argsort(partition_R.astype(narrow), kind="stable")  # numpy sorts narrow numbers by their digits
        self.add_grouped(records_RW[order], np.bincount(partition_R, minlength=self._partitions))

    def add_grouped(self, records_RW: U64, counts_X: I64) -> None:  # noqa: N803
        """A block of records that are grouped by partition, so many for each."""
        if not len(records_RW):
            return
        starts = np.full(self._partitions + 1, self.records, np.int64)
        starts[1:] += np.cumsum(counts_X)
        self._starts.append(starts)
        self._file.write(np.ascontiguousarray(records_RW, np.uint64).data)
        self.records += len(records_RW)

    def complete(self) -> None:
        """Write what says where everything is."""
        for starts in self._starts:
            self._file.write(starts.data)
        self._file.write(np.array([MAGIC, self._width, self._partitions, len(self._starts)], np.int64).data)


@contextmanager
def sent(path: Path, width: int, partitions: int) -> Iterator[Outbox]:
    """A file of records to write, published when it is complete."""
    with published(path) as file:
        outbox = Outbox(file, width, partitions)
        yield outbox
        outbox.complete()


class Slice(NamedTuple):
    """Records of one file that lie together."""

    path: Path
    source: int  # the number of the file among those that were asked for
    first: int
    records: int
    width: int


def slices(paths: Sequence[Path], partition: int) -> list[Slice]:
    """Where the records of a partition are, in the order of the files and, in each, in which they were written."""
    return [found for source, path in enumerate(paths) for found in _of_partition(path, source, partition)]


def _of_partition(path: Path, source: int, partition: int) -> list[Slice]:
    with path.open("rb", buffering=0) as file:
        end = os.fstat(file.fileno()).st_size - _TRAILER * _NUMBER
        magic, width, partitions, blocks = _numbers(file, path, max(0, end), _TRAILER).tolist()
        table = (partitions + 1) * _NUMBER
        if magic != MAGIC or not 0 <= partition < partitions:
            raise DataError(f"{path} is no exchange of {partition + 1} partitions or more; was it cut short?")
        begins = [end - (blocks - block) * table + partition * _NUMBER for block in range(blocks)]
        bounds = [_numbers(file, path, begin, 2).tolist() for begin in begins]
    return [Slice(path, source, first, last - first, width) for first, last in bounds if last > first]


def together(found: Sequence[Slice], most: int) -> list[list[Slice]]:
    """Slices in groups of no more than so many records; one that is larger than a group is cut."""
    groups: list[list[Slice]] = [[]]
    room = most
    for piece in found:
        first, end = piece.first, piece.first + piece.records
        while first < end:
            if not room:
                groups.append([])
                room = most
            taken = min(end - first, room)
            groups[-1].append(piece._replace(first=first, records=taken))
            first, room = first + taken, room - taken
    return [group for group in groups if group]


def received(found: Sequence[Slice], width: int) -> U64:
    """The records of some slices, one behind the other. Shape (R, W)."""
    records = np.empty((sum(piece.records for piece in found), width), np.uint64)
    at = 0
    for piece in found:
        if piece.width != width:
            raise DataError(f"{piece.path} holds records of {piece.width} numbers, not of {width}")
        with piece.path.open("rb", buffering=0) as file:
            _fill(file, piece.path, piece.first * width * _NUMBER, records[at : at + piece.records])
        at += piece.records
    return records


def sources(found: Sequence[Slice]) -> I64:
    """From which file each record of these slices is. Shape (R,)."""
    return np.repeat([piece.source for piece in found], [piece.records for piece in found]).astype(np.int64)


def _numbers(file: IO[bytes], path: Path, begin: int, count: int) -> I64:
    found = np.empty(count, np.int64)
    _fill(file, path, begin, found)
    return found


def _fill(file: IO[bytes], path: Path, begin: int, room: npt.NDArray[Any]) -> None:
    """Read from byte `begin` on until there is no more room."""
    view, at = room.data.cast("B"), 0
    file.seek(begin)
    while at < len(view):
        read = file.readinto(view[at:])  # type: ignore[attr-defined]
        if not read:
            raise DataError(f"{path} ends at byte {begin + at:,}, before its records do; was it cut short?")
        at += read
