"""Keys on disk: sets are written as they come, laid out segment by segment, and then read as if they were in memory.

Files are written by ordinary writes and without a name, so that a full disk is an error like any other and a killed
process leaves nothing behind. Sets lie in order of their length: those that are compared, which are of similar size,
lie together.

Shapes: D rows, S shingles.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt

from phase0.dedup.flat import I64
from phase0.dedup.memory import Memory, spelled
from phase0.errors import DataError

U64 = npt.NDArray[np.uint64]


class Shelf:
    """Sorted sets on disk. `keys_S` may be read like any array; `release` gives back the memory that reading took."""

    def __init__(self, file: IO[bytes], size: int, window: int) -> None:
        # Shared and never written through: pages are the file's own, and no swap space is promised for them.
        self._mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_WRITE)
        self.keys_S: U64 = np.frombuffer(self._mapped, np.uint64)
        self.window = window

    def release(self) -> None:
        """Forget the pages that were read, where the system can."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._mapped.madvise(mmap.MADV_DONTNEED)


class Segment(NamedTuple):
    """The sets of the rows first to last - 1, one behind the other."""

    keys_S: U64  # noqa: N815
    first: int
    last: int


class Spilled:
    """Sets on their way to a shelf."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._files: list[tuple[IO[bytes], int]] = []  # with the first row of each
        self._room = 0

    def append(self, keys_S: U64, first: int) -> None:  # noqa: N803
        """Write the sets of the rows from `first` on."""
        with self._writing():
            if self._room < keys_S.nbytes or not self._files:
                self._files.append((_nameless(self._memory), first))
                self._room = self._memory.segment()
            _write(self._files[-1][0], keys_S)
            self._room -= keys_S.nbytes

    def segments(self, rows: int) -> Iterator[Segment]:
        """Every segment. Its file is gone when it is read."""
        bounds = [*(first for _, first in self._files), rows]
        for (file, _), (first, last) in zip(self._files, pairwise(bounds), strict=True):
            with file:
                file.seek(0)
                yield Segment(np.fromfile(file, np.uint64), first, last)
        self._files.clear()

    def close(self) -> None:
        """Give up what was not read."""
        for file, _ in self._files:
            file.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise full(self._memory, error) from error


class Arranged:
    """The file in which sets are laid by length."""

    def __init__(self, memory: Memory, lengths_D: I64) -> None:  # noqa: N803
        self._memory, self._lengths_D = memory, lengths_D.copy()
        order = np.argsort(lengths_D, kind="stable")
        ends = np.cumsum(lengths_D[order])
        self.starts_D = np.empty_like(lengths_D)
        self.starts_D[order] = ends - lengths_D[order]
        self._size = int(ends[-1]) * 8 if len(ends) else 0
        self._file = _nameless(memory)

    def place(self, segment: Segment) -> None:
        """Write the sets of a segment where they belong."""
        from phase0.dedup.kernels.arranging import arrange  # compiled where keys go to disk, and nowhere else

        rows = slice(segment.first, segment.last)
        lengths, places = self._lengths_D[rows], self.starts_D[rows]
        order = np.argsort(lengths, kind="stable")
        out = np.empty_like(segment.keys_S)
        arrange(segment.keys_S, np.cumsum(lengths) - lengths, lengths, order, out)
        lengths, places = lengths[order], places[order]
        apart = np.flatnonzero(places[1:] != places[:-1] + lengths[:-1]) + 1
        ends = np.cumsum(lengths)
        begins = ends - lengths
        runs = np.concatenate(([0], apart))
        bounds = [*begins[runs].tolist(), len(out)]
        try:
            for place, (begin, end) in zip(places[runs].tolist(), pairwise(bounds), strict=True):
                self._file.seek(place * 8)
                _write(self._file, out[begin:end])
        except OSError as error:
            raise full(self._memory, error) from error

    def shelf(self) -> Shelf:
        """The sets, once every segment has its place."""
        return Shelf(self._file, self._size, self._memory.window())

    def close(self) -> None:
        """Close the file; what was mapped of it stays."""
        self._file.close()


def _nameless(memory: Memory) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=memory.folder, buffering=0)


def _write(file: IO[bytes], values: U64) -> None:
    left = memoryview(values.view(np.uint8).data)
    while left:
        left = left[file.write(left) :]


def full(memory: Memory, error: OSError) -> DataError:
    """The error of a disk that takes no more."""
    place = memory.folder or Path(tempfile.gettempdir())
    return DataError(
        f"{place}: keys that do not fit into {spelled(memory.limit)} of memory cannot be written "
        f"({error.strerror or os.strerror(error.errno or 0)}); make room, or allow more memory"
    )
