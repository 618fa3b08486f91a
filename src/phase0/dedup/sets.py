"""Texts to sets of hashed shingles in flat arrays: 8 bytes a shingle, on all cores.

Shapes: B bytes, D rows, S shingles.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from phase0.dedup.canonical import canonical_rows
from phase0.dedup.flat import I64, Chunk, Texts
from phase0.dedup.kernels.hashing import shingles
from phase0.dedup.kernels.sorting import CLASS_BITS, COUNTER_BITS, SKETCH_WORDS, classes, sort_rows, tally
from phase0.dedup.memory import UNLIMITED, Memory, check_rows
from phase0.dedup.pages import untouched
from phase0.dedup.shelf import Arranged, Shelf, Spilled
from phase0.dedup.threads import in_order
from phase0.progress import Progress

U64 = npt.NDArray[np.uint64]

_BYTES_A_SHINGLE = 5  # of English; a guess that only decides how much address space is reserved
_SAMPLED = 20_000  # rows that are enough to tell rare shingles from common ones
_COMMON = (3, 8, 32)  # rows of the sample that hold a shingle → its class, from rare to common
_STEP = 32  # at most one row in so many is sampled
_BLOCK_ROWS = 8192


class Sets(NamedTuple):
    """One set per row: keys_S[starts_D[d]:starts_D[d] + sizes_D[d]], ascending. There are gaps between the sets."""

    keys_S: U64  # noqa: N815 - the suffix is the shape
    starts_D: I64  # noqa: N815
    sizes_D: I64  # noqa: N815
    sketches_D8: U64  # noqa: N815
    prints_D: U64  # noqa: N815
    shelf: Shelf | None = None  # where the keys are, if they are on disk

    def row(self, row: int) -> U64:
        """The keys of one row."""
        return self.keys_S[self.starts_D[row] : self.starts_D[row] + self.sizes_D[row]]

    def release(self) -> None:
        """Give back the memory of keys that are on disk."""
        if self.shelf is not None:
            self.shelf.release()


def read_sets(
    texts: Texts,
    width: int,
    workers: int,
    progress: Progress,
    memory: Memory = UNLIMITED,
    *,
    on_disk: bool = False,
) -> Sets:
    """Read every text once and make its set. Workers and memory change only the time.

    Keys go to disk when they do not fit into memory, or at once where that is known.
    """
    collected = _Collected(texts.hint() // _BYTES_A_SHINGLE, memory)
    if on_disk:
        collected.spill()
    extent = texts.extent()
    progress.start("read the words", extent, "rows" if extent is None else "bytes")
    with closing(collected), ThreadPoolExecutor(workers) as pool:
        calls = ((_chunk_hashed, chunk, width, chunk.extent) for chunk in texts.chunks())
        for made, made_counts, read in in_order(pool, workers, calls):
            collected.append(made, made_counts)
            progress.advance(len(made_counts) if extent is None else read)
        progress.finish()
        counts_D = collected.counts()  # noqa: N806
        if collected.spilled is not None and counts_D.any():
            return _sorted_on_disk(collected.spilled, counts_D, memory, pool, progress)
        return _sorted(collected.values(), counts_D, pool, progress)


def _chunk_hashed(chunk: Chunk, width: int, extent: int) -> tuple[U64, I64, int]:
    return *hashed(chunk, width), extent


def hashed(chunk: Chunk, width: int) -> tuple[U64, I64]:
    """The hashes of all shingles of some texts, repeated ones too, and how many each has."""
    text_B, begins_D, ends_D = canonical_rows(chunk.read())  # noqa: N806
    counts_D = np.empty(len(begins_D), np.int64)  # noqa: N806
    hashes_S = np.empty(len(text_B) // 2 + len(begins_D), np.uint64)  # noqa: N806
    return hashes_S[: shingles(text_B, begins_D, ends_D, width, hashes_S, counts_D)], counts_D


class _Spilling:
    """Hashes that go to disk, of which a sample is counted as they pass."""

    def __init__(self, memory: Memory) -> None:
        self.hashes = Spilled(memory)
        self._seen = np.zeros(1 << COUNTER_BITS, np.uint8)

    def append(self, hashes_S: U64, counts_D: I64, first: int) -> None:  # noqa: N803
        """The hashes of the rows from `first` on."""
        sampled = -first % _STEP
        starts = np.cumsum(counts_D) - counts_D
        tally(hashes_S, starts[sampled:], counts_D[sampled:], _STEP, self._seen)
        self.hashes.append(hashes_S, first)

    def classes(self) -> U64:
        """The classes of common shingles."""
        return _levels(self._seen)


def _sorted(hashes_S: U64, counts_D: I64, pool: ThreadPoolExecutor, progress: Progress) -> Sets:  # noqa: N803
    starts = np.cumsum(counts_D) - counts_D
    rows = len(counts_D)
    progress.start("sort the shingles", rows)
    made = Sets(hashes_S, starts, counts_D, np.empty((rows, SKETCH_WORDS), np.uint64), np.empty(rows, np.uint64))
    _sort(made, _classes(hashes_S, starts, counts_D), pool, progress)
    progress.finish()
    return made


def _sorted_on_disk(
    spilled: _Spilling,
    counts_D: I64,  # noqa: N803
    memory: Memory,
    pool: ThreadPoolExecutor,
    progress: Progress,
) -> Sets:
    rows = len(counts_D)
    progress.start("sort the shingles", rows)
    levels = spilled.classes()
    sketches, prints = np.empty((rows, SKETCH_WORDS), np.uint64), np.empty(rows, np.uint64)
    with closing(Arranged(memory, counts_D)) as arranged:
        for segment in spilled.hashes.segments(rows):
            part = slice(segment.first, segment.last)
            starts = np.cumsum(counts_D[part]) - counts_D[part]
            _sort(Sets(segment.hashes_S, starts, counts_D[part], sketches[part], prints[part]), levels, pool, progress)
            arranged.place(segment, starts)
        shelf = arranged.shelf()
    progress.finish()
    return Sets(shelf.keys_S, arranged.starts_D, counts_D, sketches, prints, shelf)


def _sort(sets: Sets, levels: U64, pool: ThreadPoolExecutor, progress: Progress) -> None:
    """Turn hashes into sets, in place; their counts become sizes."""
    rows = len(sets.sizes_D)
    blocks = list(pairwise([*range(0, rows, _BLOCK_ROWS), rows]))
    keys, starts, sizes, sketches, prints = sets[:5]
    made = [
        pool.submit(sort_rows, keys, starts, sizes, first, last, levels, sketches, prints) for first, last in blocks
    ]
    for (first, last), future in zip(blocks, made, strict=True):
        future.result()
        progress.advance(last - first)


def _classes(hashes_S: U64, starts: I64, counts_D: I64) -> U64:  # noqa: N803
    step = min(_STEP, len(counts_D) // _SAMPLED)
    if step <= 1:  # fewer rows are joined sooner than sampled
        return np.zeros((1 << CLASS_BITS) // 32, np.uint64)
    seen = np.zeros(1 << COUNTER_BITS, np.uint8)
    tally(hashes_S, starts, counts_D, step, seen)
    return _levels(seen)


def _levels(seen: npt.NDArray[np.uint8]) -> U64:
    levels = np.zeros((1 << CLASS_BITS) // 32, np.uint64)
    classes(seen, np.array(_COMMON, np.int64), levels)
    return levels


class _Collected:
    """The hashes of all rows so far: in an array that grows at its end, or on disk once that array would be too large.

    Reserved memory costs nothing until it is written.
    """

    def __init__(self, expected: int, memory: Memory) -> None:
        self._values = untouched(max(expected, 1 << 16), np.uint64)
        self._used, self._rows = 0, 0
        self._counts: list[I64] = []
        self._memory = memory
        self.spilled: _Spilling | None = None

    def append(self, hashes_S: U64, counts_D: I64) -> None:  # noqa: N803
        """The hashes of the next rows."""
        end, rows = self._used + len(hashes_S), self._rows + len(counts_D)
        grows = end > len(self._values)
        if self.spilled is None and self._memory.keys(rows, end + (end if grows else 0)) > self._memory.limit:
            self.spill()
        if self.spilled is not None:
            check_rows(self._memory, rows)
            self.spilled.append(hashes_S, counts_D, self._rows)
        else:
            if grows:
                grown = untouched(max(end, len(self._values) * 3 // 2), np.uint64)
                grown[: self._used] = self._values[: self._used]
                self._values = grown
            self._values[self._used : end] = hashes_S
        self._used, self._rows = end, rows
        self._counts.append(counts_D)

    def spill(self) -> None:
        """Move what was collected to disk; what follows goes there too."""
        self.spilled = _Spilling(self._memory)
        at, row = 0, 0
        for counts in self._counts:
            end = at + int(counts.sum())
            self.spilled.append(self._values[at:end], counts, row)
            at, row = end, row + len(counts)
        self._values = np.empty(0, np.uint64)

    def close(self) -> None:
        """Give up what is on disk and was not sorted."""
        if self.spilled is not None:
            self.spilled.hashes.close()

    def counts(self) -> I64:
        """How many hashes each row has."""
        return np.concatenate(self._counts) if self._counts else np.empty(0, np.int64)

    def values(self) -> U64:
        """The hashes in memory."""
        return self._values[: self._used]
