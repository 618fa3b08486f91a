"""Texts to sets of hashed shingles in flat arrays: 8 bytes a shingle, on all cores.

Shapes: B bytes, D rows, S shingles.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from phase0.dedup.canonical import canonical_rows
from phase0.dedup.flat import I64, Chunk, Texts
from phase0.dedup.kernels.hashing import shingles
from phase0.dedup.kernels.sorting import CLASS_BITS, COUNTER_BITS, SKETCH_WORDS, classes, sort_rows, tally
from phase0.dedup.pages import untouched
from phase0.dedup.threads import in_order
from phase0.progress import Progress

U64 = npt.NDArray[np.uint64]

_BYTES_A_SHINGLE = 5  # of English; a guess that only decides how much address space is reserved
_SAMPLED = 20_000  # rows that are enough to tell rare shingles from common ones
_COMMON = (3, 8, 32)  # rows of the sample that hold a shingle → its class, from rare to common
_BLOCK_ROWS = 8192


class Sets(NamedTuple):
    """One set per row: keys_S[starts_D[d]:starts_D[d] + sizes_D[d]], ascending. There are gaps between the sets."""

    keys_S: U64  # noqa: N815 - the suffix is the shape
    starts_D: I64  # noqa: N815
    sizes_D: I64  # noqa: N815
    sketches_D8: U64  # noqa: N815
    prints_D: U64  # noqa: N815

    def row(self, row: int) -> U64:
        """The keys of one row."""
        return self.keys_S[self.starts_D[row] : self.starts_D[row] + self.sizes_D[row]]


def read_sets(texts: Texts, width: int, workers: int, progress: Progress) -> Sets:
    """Read every text once and make its set. Workers change only the time."""
    hashes = _Growing(texts.hint() // _BYTES_A_SHINGLE)
    counts: list[I64] = []
    progress.start("read the words", None)
    with ThreadPoolExecutor(workers) as pool:
        for made, made_counts in in_order(pool, workers, ((hashed, chunk, width) for chunk in texts.chunks())):
            hashes.append(made)
            counts.append(made_counts)
            progress.advance(len(made_counts))
        progress.finish()
        counts_D = np.concatenate(counts) if counts else np.empty(0, np.int64)  # noqa: N806
        return _sorted(hashes.values(), counts_D, pool, progress)


def hashed(chunk: Chunk, width: int) -> tuple[U64, I64]:
    """The hashes of all shingles of some texts, repeated ones too, and how many each has."""
    text_B, begins_D, ends_D = canonical_rows(chunk.read())  # noqa: N806
    counts_D = np.empty(len(begins_D), np.int64)  # noqa: N806
    hashes_S = np.empty(len(text_B) // 2 + len(begins_D), np.uint64)  # noqa: N806
    return hashes_S[: shingles(text_B, begins_D, ends_D, width, hashes_S, counts_D)], counts_D


def _sorted(hashes_S: U64, counts_D: I64, pool: ThreadPoolExecutor, progress: Progress) -> Sets:  # noqa: N803
    starts = np.cumsum(counts_D) - counts_D
    rows = len(counts_D)
    progress.start("sort the shingles", rows)
    levels = _classes(hashes_S, starts, counts_D)
    sketches, prints = np.empty((rows, SKETCH_WORDS), np.uint64), np.empty(rows, np.uint64)
    blocks = list(pairwise([*range(0, rows, _BLOCK_ROWS), rows]))
    made = [
        pool.submit(sort_rows, hashes_S, starts, counts_D, first, last, levels, sketches, prints)
        for first, last in blocks
    ]
    for (first, last), future in zip(blocks, made, strict=True):
        future.result()
        progress.advance(last - first)
    progress.finish()
    return Sets(hashes_S, starts, counts_D, sketches, prints)


def _classes(hashes_S: U64, starts: I64, counts_D: I64) -> U64:  # noqa: N803
    levels = np.zeros((1 << CLASS_BITS) // 32, np.uint64)
    step = min(32, len(counts_D) // _SAMPLED)
    if step > 1:  # fewer rows are joined sooner than sampled
        seen = np.zeros(1 << COUNTER_BITS, np.uint8)
        tally(hashes_S, starts, counts_D, step, seen)
        classes(seen, np.array(_COMMON, np.int64), levels)
    return levels


class _Growing:
    """An array that grows at its end. Reserved memory costs nothing until it is written."""

    def __init__(self, expected: int) -> None:
        self._values = untouched(max(expected, 1 << 16), np.uint64)
        self._used = 0

    def append(self, values: U64) -> None:
        end = self._used + len(values)
        if end > len(self._values):
            grown = untouched(max(end, len(self._values) * 3 // 2), np.uint64)
            grown[: self._used] = self._values[: self._used]
            self._values = grown
        self._values[self._used : end] = values
        self._used = end

    def values(self) -> U64:
        return self._values[: self._used]
