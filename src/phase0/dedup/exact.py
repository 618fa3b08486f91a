"""Every pair of near-duplicates and no other: the prefix-filter join of `kernels.joining` on all cores.

Shapes: D rows, N sets in ascending order of size, X partitions, E entries, P pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from phase0.dedup.flat import I64
from phase0.dedup.kernels.joining import collapse, count_entries, join, place_entries
from phase0.dedup.sets import U64, Sets
from phase0.progress import Progress

I32 = npt.NDArray[np.int32]

_ENTRIES_A_PARTITION = 50_000  # 1.2 MB with its table: a core's cache
_GROUPS = 64  # partitions are joined in so many pieces of work


class Pairs(NamedTuple):
    """Pairs of sets, numbered by their first row, and how many keys each pair shares."""

    ones_P: I32  # noqa: N815 - the suffix is the shape
    others_P: I32  # noqa: N815
    shared_P: I32  # noqa: N815
    compared: int  # pairs that met at a key


class Entries(NamedTuple):
    """The prefixes of all sets by partition."""

    keys_E: U64  # noqa: N815
    sets_E: I32  # noqa: N815
    starts_X1: I64  # noqa: N815
    bits: int


def distinct(sets: Sets) -> I32:
    """The first row with the same set as each row, -1 for a row without tokens."""
    same = np.empty(len(sets.sizes_D), np.int32)
    collapse(sets.prints_D, sets.keys_S, sets.starts_D, sets.sizes_D, same)
    return same


def near_pairs(sets: Sets, same: I32, threshold: Fraction, workers: int, progress: Progress) -> Pairs:
    """Every pair of different sets that reaches the threshold, each once, in no order that means anything."""
    firsts = np.flatnonzero(same == np.arange(len(same)))
    order = firsts[np.argsort(sets.sizes_D[firsts], kind="stable")].astype(np.int32)
    with ThreadPoolExecutor(workers) as pool:
        entries = _entries(sets, order, threshold, pool)
        groups = np.unique(np.linspace(0, len(entries.starts_X1) - 1, _GROUPS + 1).astype(np.int64))
        progress.start("join", len(groups) - 1, "parts")
        made = [pool.submit(_joined, sets, order, entries, threshold, group) for group in pairwise(groups.tolist())]
        parts = []
        for future in made:
            parts.append(future.result())
            progress.advance(1)
    ones, others, shared = (np.concatenate([part[i] for part in parts]) for i in range(3))
    compared = sum(part.compared for part in parts)
    progress.finish(f"{len(ones)} pairs of different texts")
    return Pairs(ones, others, shared, compared)


def _entries(sets: Sets, order: I32, threshold: Fraction, pool: ThreadPoolExecutor) -> Entries:
    p, q = threshold.numerator, threshold.denominator
    prefixes = int((sets.sizes_D[order] - -(-sets.sizes_D[order] * p // q) + 1).sum())
    bits = max(0, (prefixes // _ENTRIES_A_PARTITION).bit_length())
    bounds = np.linspace(0, len(order), 17).astype(np.int64)
    counts = np.zeros((16, 1 << bits), np.int64)
    arrays = (sets.keys_S, sets.starts_D, sets.sizes_D, order)

    def each(work: Callable[..., Any], *outputs: Any) -> None:
        spans = enumerate(pairwise(bounds.tolist()))
        made = [pool.submit(work, *arrays, first, last, p, q, bits, counts[i], *outputs) for i, (first, last) in spans]
        for future in made:
            future.result()

    each(count_entries)
    starts = np.zeros((1 << bits) + 1, np.int64)
    np.cumsum(counts.sum(axis=0), out=starts[1:])
    counts[:] = starts[:-1] + np.cumsum(counts, axis=0) - counts  # where each span begins to write in each partition
    keys, owners = np.empty(prefixes, np.uint64), np.empty(prefixes, np.int32)
    each(place_entries, keys, owners)
    return Entries(keys, owners, starts, bits)


def _joined(sets: Sets, order: I32, entries: Entries, threshold: Fraction, group: tuple[int, int]) -> Pairs:
    side = np.ones(len(sets.sizes_D), np.int32)
    room = 1 << 14
    while True:
        seen = np.zeros(1, np.int64)
        ones, others, shared = (np.empty(room, np.int32) for _ in range(3))
        found = join(
            sets.keys_S,
            sets.starts_D,
            sets.sizes_D,
            sets.sketches_D8,
            order,
            threshold.numerator,
            threshold.denominator,
            entries.bits,
            entries.keys_E,
            entries.sets_E,
            entries.starts_X1,
            group[0],
            group[1],
            side,
            True,
            ones,
            others,
            shared,
            seen,
        )
        if found <= room:
            return Pairs(ones[:found].copy(), others[:found].copy(), shared[:found].copy(), int(seen[0]))
        room = found
