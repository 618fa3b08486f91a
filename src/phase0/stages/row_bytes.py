"""The bytes of chosen rows, read in the order in which they lie in their files: near ones together, what lies between
them too where that is less than another read would cost.

Shapes: R rows, B bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from phase0.dataset.containers import opened
from phase0.dedup.flat import I64, U8
from phase0.dedup.kernels.json import PADDING
from phase0.dedup.pages import Scratch
from phase0.errors import DataError

_NEAR = 1 << 15  # bytes between two rows that are copied in less time than another call of the system takes
_TOGETHER = 1 << 22  # bytes of rows that are read for one piece of work: with fewer, Python is a third of it


scratch_of_blocks, scratch_of_texts = Scratch(), Scratch()


class Spans(NamedTuple):
    """Rows of one file, in its order, with what the file has at begin_R[r] to end_R[r] - 1 for each."""

    path: Path
    first: int  # which of all rows that were asked for is the first of these
    begin_R: I64  # noqa: N815 - the suffix is the shape
    end_R: I64  # noqa: N815

    def read(self) -> Found:
        """The bytes of all of them, which stay until this thread reads others."""
        apart = np.flatnonzero(self.begin_R[1:] - self.end_R[:-1] > _NEAR) + 1
        begins, ends = self.begin_R[np.append(0, apart)], self.end_R[np.append(apart, len(self.end_R)) - 1]
        starts = np.cumsum(ends - begins) - (ends - begins)  # in the block
        shifts = np.repeat(begins - starts, np.diff(np.append(apart, len(self.end_R)), prepend=0))
        block = scratch_of_blocks.room(int((ends - begins).sum()) + PADDING)
        with opened(self.path) as file:
            runs = list(zip(*(column.tolist() for column in (begins, ends, starts)), strict=True))
            if len(runs) > 1:
                _expect(file.fileno(), runs)
            for begin, end, start in runs:
                fill(file.fileno(), self.path, block[start : start + end - begin], begin)
        return Found(block, self.begin_R - shifts, self.end_R - shifts)


class Found(NamedTuple):
    """Rows in memory: row r is block_B[begin_R[r]:end_R[r]]; PADDING bytes of no meaning follow the last."""

    block_B: U8  # noqa: N815
    begin_R: I64  # noqa: N815
    end_R: I64  # noqa: N815


def spans(paths: list[Path], file_R: npt.NDArray[np.int32], begin_R: I64, end_R: I64) -> Iterator[Spans]:  # noqa: N803
    """Rows, in the order of files and within them, cut into pieces of work."""
    covered = end_R - begin_R
    covered[1:] += np.clip(begin_R[1:] - end_R[:-1], 0, _NEAR)
    number = np.cumsum(covered) // _TOGETHER
    cuts = np.flatnonzero((np.diff(file_R, prepend=-1) != 0) | (np.diff(number, prepend=-1) != 0))
    for first, last in pairwise([*cuts.tolist(), len(begin_R)]):
        yield Spans(paths[int(file_R[first])], first, begin_R[first:last], end_R[first:last])


def fill(handle: int, path: Path, room_B: U8, begin: int) -> None:  # noqa: N803
    """Read a file from byte `begin` on until there is no more room. Raises DataError where it ends before."""
    at, room = 0, room_B.data
    while at < len(room):
        read = os.preadv(handle, [room[at:]], begin + at)
        if not read:
            raise DataError(f"{path} was cut short while it was being read; run the same again")
        at += read


def _expect(handle: int, runs: list[tuple[int, int, int]]) -> None:
    """Have the system fetch all of these from the disk at once, where it can."""
    if hasattr(os, "posix_fadvise"):
        for begin, end, _ in runs:
            os.posix_fadvise(handle, begin, end - begin, os.POSIX_FADV_WILLNEED)


def to_the_end(file: int, block: bytes, at: int, *, most: int, step: int) -> tuple[bytes, int]:
    """A block that begins at byte `at`, with the rest of its last line, of which no more than `most` bytes; and its
    size then. The rest is read `step` bytes at a time."""
    parts, size, looked_at = [block], len(block), len(block)
    while more := os.pread(file, step, at + looked_at):
        found = more.find(b"\n") + 1
        looked_at += len(more)
        kept = more[: min(found or len(more), max(0, most + len(block) - size))]
        parts.append(kept)
        size += len(kept)
        if found:
            if not kept.endswith(b"\n"):
                parts.append(b"\n")  # the line ends, whatever is not looked at
                size += 1
            break
    return b"".join(parts), size
