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
from phase0.dedup.pages import untouched
from phase0.dedup.sets import U64, Sets
from phase0.progress import Progress

I32 = npt.NDArray[np.int32]

_ENTRIES_A_PARTITION = 50_000  # 1.2 MB with its table: a core's cache
_SPANS = 16  # sets are laid out in so many pieces of work
_GROUPS = 64  # partitions are joined in so many


class Pairs(NamedTuple):
    """Pairs of sets, numbered by their first row, and how many keys each pair shares."""

    ones_P: I32  # noqa: N815 - the suffix is the shape
    others_P: I32  # noqa: N815
    shared_P: I32  # noqa: N815
    compared: int  # pairs that met at a key


class Ordered(NamedTuple):
    """Different sets in ascending order of size."""

    rows_N: I32  # noqa: N815 - the first row of each
    starts_N: I64  # noqa: N815
    sizes_N: I64  # noqa: N815
    sketches_N8: U64  # noqa: N815


class Entries(NamedTuple):
    """The prefixes of all sets by partition."""

    bits: int
    keys_E: U64  # noqa: N815
    befores_E: U64  # noqa: N815 - the key before each in its set
    sets_E: I32  # noqa: N815
    rests_E: I32  # noqa: N815
    starts_X1: I64  # noqa: N815


def distinct(sets: Sets) -> I32:
    """The first row with the same set as each row, -1 for a row without tokens."""
    same = np.empty(len(sets.sizes_D), np.int32)
    collapse(sets.prints_D, sets.keys_S, sets.starts_D, sets.sizes_D, same)
    return same


def by_size(sets: Sets, same: I32) -> Ordered:
    """The different sets that hold something, in ascending order of size."""
    firsts = np.flatnonzero(same == np.arange(len(same)))
    rows = firsts[np.argsort(sets.sizes_D[firsts], kind="stable")].astype(np.int32)
    return Ordered(rows, sets.starts_D[rows], sets.sizes_D[rows], sets.sketches_D8[rows])


def near_pairs(sets: Sets, same: I32, threshold: Fraction, workers: int, progress: Progress) -> Pairs:
    """Every pair of different sets that reaches the threshold, each once, in no order that means anything."""
    ordered = by_size(sets, same)
    with ThreadPoolExecutor(workers) as pool:
        entries = _entries(sets.keys_S, ordered, threshold, pool)
        groups = np.unique(np.linspace(0, len(entries.starts_X1) - 1, _GROUPS + 1).astype(np.int64))
        progress.start("join", len(groups) - 1, "parts")
        made = [
            pool.submit(_joined, sets.keys_S, ordered, entries, threshold, group) for group in pairwise(groups.tolist())
        ]
        parts = []
        for future in made:
            parts.append(future.result())
            progress.advance(1)
    ones, others, shared = (np.concatenate([part[i] for part in parts]) for i in range(3))
    compared = sum(part.compared for part in parts)
    progress.finish(f"{len(ones)} pairs of different texts")
    return Pairs(ones, others, shared, compared)


def _entries(keys_S: U64, ordered: Ordered, threshold: Fraction, pool: ThreadPoolExecutor) -> Entries:  # noqa: N803
    p, q = threshold.numerator, threshold.denominator
    prefixes = int((ordered.sizes_N - -(-ordered.sizes_N * p // q) + 1).sum())
    bits = max(0, (prefixes // _ENTRIES_A_PARTITION).bit_length())
    bounds = np.linspace(0, len(ordered.rows_N), _SPANS + 1).astype(np.int64)
    counts = np.zeros((_SPANS, 1 << bits), np.int64)

    def each(work: Callable[..., Any], *outputs: Any) -> None:
        spans = enumerate(pairwise(bounds.tolist()))
        arrays = (keys_S, ordered.starts_N, ordered.sizes_N)
        made = [pool.submit(work, *arrays, first, last, p, q, bits, counts[i], *outputs) for i, (first, last) in spans]
        for future in made:
            future.result()

    each(count_entries)
    starts = np.zeros((1 << bits) + 1, np.int64)
    np.cumsum(counts.sum(axis=0), out=starts[1:])
    counts[:] = starts[:-1] + np.cumsum(counts, axis=0) - counts  # where each span begins to write in each partition
    keys, befores = untouched(prefixes, np.uint64), untouched(prefixes, np.uint64)
    owners, rests = untouched(prefixes, np.int32), untouched(prefixes, np.int32)
    each(place_entries, keys, befores, owners, rests)
    return Entries(bits, keys, befores, owners, rests, starts)


def _joined(
    keys_S: U64,  # noqa: N803
    ordered: Ordered,
    entries: Entries,
    threshold: Fraction,
    group: tuple[int, int],
) -> Pairs:
    room = 1 << 14
    while True:
        seen = np.zeros(1, np.int64)
        ones, others, shared = (np.empty(room, np.int32) for _ in range(3))
        found = join(
            keys_S,
            ordered.starts_N,
            ordered.sizes_N,
            ordered.sketches_N8,
            threshold.numerator,
            threshold.denominator,
            entries.bits,
            entries.keys_E,
            entries.befores_E,
            entries.sets_E,
            entries.rests_E,
            entries.starts_X1,
            *group,
            ones,
            others,
            shared,
            seen,
        )
        if found <= room:
            rows = ordered.rows_N
            return Pairs(rows[ones[:found]], rows[others[:found]], shared[:found].copy(), int(seen[0]))
        room = found
