"""What the join leaves: files of pairs, int64 of shape (4, P) with one, other, shared and union, one less than other;
and files of repeated rows, int64 of shape (2, R) with each row and the first of its set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np

from phase0.dedup.flat import I64
from phase0.partitioned.dealing import BLOCK


def pairs(path: Path, fixed: int) -> Iterator[I64]:
    """The pairs of a file, shape (4, P), some together; without those of two rows of another dataset, which are less
    than `fixed`."""
    for block in _blocks(path):
        yield np.ascontiguousarray(block[:, np.maximum(block[0], block[1]) >= fixed])


def edges(path: Path, fixed: int) -> Iterator[tuple[I64, I64]]:
    """The two rows of each pair."""
    for block in pairs(path, fixed):
        yield block[0], block[1]


def repeated(path: Path) -> Iterator[I64]:
    """The repeated rows of a file, shape (2, R), some together."""
    for block in _blocks(path):
        yield np.ascontiguousarray(block)


def _blocks(path: Path) -> Iterator[I64]:
    found = cast("I64", np.load(path, mmap_mode="r"))
    for first in range(0, found.shape[1], BLOCK):
        yield found[:, first : first + BLOCK]
