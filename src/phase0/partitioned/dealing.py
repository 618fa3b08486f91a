"""Records on their way from the tasks of one step to those of the next: each task leaves one file in a folder.

Shapes: R records, W numbers of a record.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from phase0.dedup.flat import I64
from phase0.partitioned.exchange import received, sent, slices, together

BLOCK = 1 << 20  # records that are worked on together

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def slice_of(numbers: I64, count: int) -> I64:
    """Which of so many slices each number belongs to: Fibonacci hashing, so that runs of numbers spread evenly."""
    mixed = (numbers.astype(np.uint64) * _GOLDEN) >> np.uint64(32)
    return (mixed % np.uint64(count)).astype(np.int64)


class Dealt(NamedTuple):
    """What so many tasks of one step left in a folder."""

    folder: Path
    tasks: int
    width: int

    def paths(self) -> list[Path]:
        """The file of each task."""
        return [_place(self.folder, task) for task in range(self.tasks)]

    def blocks(self, number: int) -> Iterator[I64]:
        """The records of a slice, shape (R, W), some together, in the order of tasks and of writing."""
        for group in together(slices(self.paths(), number), BLOCK):
            yield received(group, self.width).view(np.int64)

    def table(self, number: int) -> I64:
        """All records of a slice, a column at a time: shape (W, R)."""
        return np.ascontiguousarray(received(slices(self.paths(), number), self.width).view(np.int64).T)

    def records(self, number: int) -> int:
        """How many records a slice has."""
        return sum(piece.records for piece in slices(self.paths(), number))

    def forget(self) -> None:
        """Remove what was read by everybody."""
        for path in self.paths():
            path.unlink(missing_ok=True)


class Deal:
    """Records that a task deals out. Made by `dealing`."""

    def __init__(self, outbox: Any) -> None:
        self._outbox = outbox

    def add(self, records_RW: npt.NDArray[Any], slice_R: I64) -> None:  # noqa: N803
        """Some records, each for a slice."""
        self._outbox.add(np.ascontiguousarray(records_RW, np.int64).view(np.uint64), slice_R)


@contextmanager
def dealing(folder: Path, task: int, width: int, count: int) -> Iterator[Deal]:
    """The file of a task, for so many slices; it is there when the block ends well."""
    folder.mkdir(parents=True, exist_ok=True)
    with sent(_place(folder, task), width, count) as outbox:
        yield Deal(outbox)


def columns(*given: npt.NDArray[Any]) -> I64:
    """Records out of columns."""
    return np.stack([np.asarray(column, np.int64) for column in given], axis=1)


def _place(folder: Path, task: int) -> Path:
    return folder / f"{task:06}.records"
