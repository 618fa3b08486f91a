"""Texts to sets of hashed shingles in flat arrays: 8 bytes a shingle, on all cores.

Shapes: B bytes, D rows, S shingles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from fractions import Fraction
from functools import partial
from itertools import chain, islice, pairwise
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from phase0.dedup.canonical import canonical_rows, room_for
from phase0.dedup.flat import I64, Chunk, Texts
from phase0.dedup.kernels.hashing import shingles
from phase0.dedup.kernels.joining import cut_to_prefixes
from phase0.dedup.kernels.sorting import CLASS_BITS, COUNTER_BITS, SKETCH_WORDS, classes, sort_rows, tally
from phase0.dedup.memory import UNLIMITED, Memory, check_rows
from phase0.dedup.pages import Scratch, untouched
from phase0.dedup.shelf import Arranged, Shelf, Spilled
from phase0.dedup.threads import in_order
from phase0.errors import DataError
from phase0.progress import Progress

U64 = npt.NDArray[np.uint64]

_BYTES_A_SHINGLE = 5  # of English; a guess that only decides how much address space is reserved
_COMMON = (3, 8, 32)  # rows of a sample that hold a shingle → its class, from rare to common
_PEEKED = 8  # chunks that stand for all, where texts can be drawn only once

_NO_KEYS = np.empty(0, np.uint64)
_scratch_of_words, _scratch_of_hashes = Scratch(), Scratch()


class Rest(NamedTuple):
    """How whole sets are had where prefixes alone are held: from their texts."""

    texts: Texts
    width: int
    levels: U64
    held_D: I64  # noqa: N815 - how many keys of each set are held


class Sets(NamedTuple):
    """One set per row: keys_S[starts_D[d]:starts_D[d] + held_D[d]], ascending."""

    keys_S: U64  # noqa: N815 - the suffix is the shape
    starts_D: I64  # noqa: N815
    sizes_D: I64  # noqa: N815
    sketches_D8: U64  # noqa: N815
    prints_D: U64  # noqa: N815
    shelf: Shelf | None = None  # where the keys are, if they are on disk
    rest: Rest | None = None  # how whole sets are had, if prefixes alone are held

    @property
    def held_D(self) -> I64:  # noqa: N802
        """How many keys of each set are held."""
        return self.sizes_D if self.rest is None else self.rest.held_D

    @property
    def at_hand(self) -> bool:
        """Whether whole sets are in memory."""
        return self.shelf is None and self.rest is None

    def row(self, row: int) -> U64:
        """The keys of one row that are held."""
        return self.keys_S[self.starts_D[row] : self.starts_D[row] + self.held_D[row]]

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
    levels: U64 | None = None,
    on_disk: bool = False,
    prefixes: Fraction | None = None,
) -> Sets:
    """Read every text once and make its set. Workers and memory change only the time.

    `levels` are the classes of shingles (see `rarity`); without them they are those of the first texts. Keys go to disk
    when they do not fit into memory, or at once where that is known. With a threshold as `prefixes` no others are held
    than sets that reach it must share one of.
    """
    collected = _Collected(texts.hint() // _BYTES_A_SHINGLE, memory)
    if on_disk:
        collected.spill()
    extent = texts.extent()
    progress.start("read the words", extent, "rows" if extent is None else "bytes")
    with closing(collected), ThreadPoolExecutor(workers) as pool:
        chunks: Iterable[tuple[Chunk, int]] = ((chunk, chunk.extent) for chunk in texts.chunks())
        if levels is None:
            levels, chunks = _peeked(chunks, width)
        made_of = partial(chunk_sets, width=width, levels=levels, threshold=prefixes, placed=collected.place)
        calls = ((made_of, chunk, share) for chunk, share in chunks)
        for made in in_order(pool, workers, calls):
            collected.append(made)
            progress.advance(len(made.sizes_D) if extent is None else made.extent)
        progress.finish()
        return collected.sets(progress, None if prefixes is None else (texts, width, levels))


def hashed(chunk: Chunk, width: int) -> tuple[U64, I64]:
    """The hashes of all shingles of some texts, repeated ones too, and how many each has."""
    hashes_S, counts_D = _hashed(chunk, width)  # noqa: N806
    return hashes_S.copy(), counts_D


def _hashed(chunk: Chunk, width: int) -> tuple[U64, I64]:
    """The same; they stay until this thread hashes others."""
    texts = chunk.read()
    rows = len(texts.starts_D1) - 1
    room_B = _scratch_of_words.room(room_for(int(texts.starts_D1[-1]), rows))  # noqa: N806
    text_B, begins_D, ends_D = canonical_rows(texts, room_B)  # noqa: N806
    counts_D = np.empty(rows, np.int64)  # noqa: N806
    hashes_S = _scratch_of_hashes.room(8 * (len(text_B) // 2 + rows)).view(np.uint64)  # noqa: N806
    return hashes_S[: shingles(text_B, begins_D, ends_D, width, hashes_S, counts_D)], counts_D


def rarity(sample: Iterable[U64]) -> U64:
    """How common shingles are, from the hashes of some texts."""
    seen = np.zeros(1 << COUNTER_BITS, np.uint8)
    for hashes in sample:
        tally(hashes, seen)
    levels = alike_rare()
    classes(seen, np.array(_COMMON, np.int64), levels)
    return levels


def alike_rare() -> U64:
    """Where nothing is known of how common shingles are."""
    return np.zeros((1 << CLASS_BITS) // 32, np.uint64)


def _peeked(chunks: Iterable[tuple[Chunk, int]], width: int) -> tuple[U64, Iterable[tuple[Chunk, int]]]:
    """How common shingles are in the first chunks, and all chunks. Few texts are joined sooner than counted."""
    rest = iter(chunks)
    first = [(chunk.read(), share) for chunk, share in islice(rest, _PEEKED)]
    levels = rarity(hashed(chunk, width)[0] for chunk, _ in first) if len(first) == _PEEKED else alike_rare()
    return levels, chain(first, rest)


class Made(NamedTuple):
    """The sets of some rows, one behind the other."""

    keys_S: U64  # noqa: N815
    sizes_D: I64  # noqa: N815
    held_D: I64  # noqa: N815 - how many keys of each there are
    sketches_D8: U64  # noqa: N815
    prints_D: U64  # noqa: N815
    extent: int  # of the chunk they were read from
    place: int  # of its first key among those of all rows; below 0 where keys are not there yet


def _copied(keys_S: U64) -> tuple[U64, int]:  # noqa: N803
    return keys_S.copy(), -1


def chunk_sets(
    chunk: Chunk,
    extent: int,
    width: int,
    levels: U64,
    threshold: Fraction | None = None,
    *,
    placed: Callable[[U64], tuple[U64, int]] = _copied,
) -> Made:
    """Read some texts and make their sets, or with a threshold their prefixes; `extent` is the chunk's share of all.

    `placed` moves keys to where they stay, and answers them and their place there.
    """
    hashes, sizes = _hashed(chunk, width)
    sketches, prints = np.empty((len(sizes), SKETCH_WORDS), np.uint64), np.empty(len(sizes), np.uint64)
    total, held = sort_rows(hashes, sizes, levels, sketches, prints), sizes
    if threshold is not None:
        held = np.empty_like(sizes)
        total = cut_to_prefixes(hashes, sizes, *threshold.as_integer_ratio(), held)
    keys, place = placed(hashes[:total])
    return Made(keys, sizes, held, sketches, prints, extent, place)


class _Collected:
    """The sets of all rows so far: keys in an array that grows at its end, or on disk once that array would be too
    large. Threads that make sets move their keys there, in the order in which they are done.

    Reserved memory costs nothing until it is written.
    """

    def __init__(self, expected: int, memory: Memory) -> None:
        self._keys = untouched(max(expected, 1 << 16), np.uint64)
        self._used, self._rows = 0, 0
        self._placing = Lock()
        self._parts: list[Made] = []  # without their keys
        self._memory = memory
        self._spilled: Spilled | None = None

    def place(self, keys_S: U64) -> tuple[U64, int]:  # noqa: N803
        """Move keys to the array, if they fit; else they wait for `append`."""
        with self._placing:
            if self._spilled is not None or self._used + len(keys_S) > len(self._keys):
                return keys_S.copy(), -1
            first = self._put(keys_S)
            return self._keys[first : self._used], first

    def append(self, made: Made) -> None:
        """The sets of the next rows."""
        rows, waiting = self._rows + len(made.sizes_D), len(made.keys_S) if made.place < 0 else 0
        if self._spilled is None:
            grown = self._used + waiting if self._used + waiting > len(self._keys) else 0
            if self._memory.keys(rows, self._used + waiting + grown) > self._memory.limit:
                self.spill()
        if self._spilled is not None:
            check_rows(self._memory, rows)
            self._spilled.append(made.keys_S, self._rows)
        elif waiting:
            made = made._replace(place=self._add(made.keys_S))
        self._rows = rows
        self._parts.append(made._replace(keys_S=_NO_KEYS))

    def _add(self, keys_S: U64) -> int:  # noqa: N803
        """Let the array grow, and answer where keys are in it."""
        with self._placing:
            end = self._used + len(keys_S)
            if end > len(self._keys):
                grown = untouched(max(end, len(self._keys) * 3 // 2), np.uint64)
                grown[: self._used] = self._keys[: self._used]
                self._keys = grown
            return self._put(keys_S)

    def _put(self, keys_S: U64) -> int:  # noqa: N803
        first = self._used
        self._used += len(keys_S)
        self._keys[first : self._used] = keys_S
        return first

    def spill(self) -> None:
        """Move what was collected to disk; what follows goes there too."""
        with self._placing:
            self._spilled = Spilled(self._memory)
        row = 0
        for part in self._parts:
            self._spilled.append(self._keys[part.place : part.place + int(part.held_D.sum())], row)
            row += len(part.sizes_D)
        self._keys = np.empty(0, np.uint64)

    def close(self) -> None:
        """Give up what is on disk and was not laid out."""
        if self._spilled is not None:
            self._spilled.close()

    def sets(self, progress: Progress, source: tuple[Texts, int, U64] | None) -> Sets:
        """All of them; with where whole sets are had if these are none."""
        parts = self._parts or [Made(*_none(), 0, 0)]
        sizes, held, prints = (np.concatenate([part[i] for part in parts]) for i in (1, 2, 4))
        sketches = untouched(SKETCH_WORDS * len(sizes), np.uint64).reshape(len(sizes), SKETCH_WORDS)
        np.concatenate([part.sketches_D8 for part in parts], out=sketches)
        starts = np.concatenate([np.cumsum(part.held_D) - part.held_D + part.place for part in parts])
        self._parts.clear()
        rest = None if source is None else Rest(*source, held)
        if self._spilled is None or not held.any():
            return Sets(self._keys[: self._used], starts, sizes, sketches, prints, None, rest)
        progress.start("lay out the sets", len(sizes))
        with closing(Arranged(self._memory, held)) as arranged:
            for segment in self._spilled.segments(len(sizes)):
                arranged.place(segment)
                progress.advance(segment.last - segment.first)
            shelf = arranged.shelf()
        progress.finish()
        return Sets(shelf.keys_S, arranged.starts_D, sizes, sketches, prints, shelf, rest)


def _none() -> tuple[U64, I64, I64, U64, U64]:
    sizes = np.empty(0, np.int64)
    return _NO_KEYS, sizes, sizes, np.empty((0, SKETCH_WORDS), np.uint64), _NO_KEYS


def whole_sets(sets: Sets, rows: I64, workers: int, pool: ThreadPoolExecutor) -> tuple[U64, I64, I64]:
    """The whole sets of some rows, ascending, where prefixes alone are held: keys, and the start and size of each.

    Raises DataError where their texts are others than before.
    """
    if sets.rest is None:
        raise RuntimeError("these sets are whole")
    texts, width, levels, _ = sets.rest
    sizes = sets.sizes_D[rows]
    ends = np.cumsum(sizes)
    keys, starts = untouched(int(sizes.sum()), np.uint64), ends - sizes

    def read(piece: Chunk, first: int, last: int) -> bool:
        made = chunk_sets(piece, piece.extent, width, levels)
        same = np.array_equal(made.sizes_D, sizes[first:last])
        if same:
            keys[starts[first] : ends[last - 1]] = made.keys_S
        return same

    pieces = texts.again(rows)
    bounds = np.cumsum([0, *(piece.rows for piece in pieces)]).tolist()
    calls = ((read, piece, *bound) for piece, bound in zip(pieces, pairwise(bounds), strict=True))
    if not all(in_order(pool, workers, calls)):
        raise DataError("the texts were changed while they were being read; run the same again")
    return keys, starts, sizes
