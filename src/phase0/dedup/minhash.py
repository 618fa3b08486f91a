"""Nearly every pair of near-duplicates, by MinHash signatures and bands; every candidate is counted exactly.

Shapes: K slots, A bands, N sets in ascending order of size.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import cache, partial
from itertools import pairwise

import numpy as np

from phase0.dedup.bands import Banding
from phase0.dedup.exact import I32, Ordered, Pairs, by_size
from phase0.dedup.flat import I64
from phase0.dedup.kernels.minhashing import SLOTS, band_keys, band_pairs
from phase0.dedup.sets import U64, Sets
from phase0.progress import Progress

_SEED = 0x5048415345304D48
_BLOCK_SETS = 8192


def likely_pairs(
    sets: Sets, same: I32, threshold: Fraction, banding: Banding, *, workers: int, progress: Progress
) -> Pairs:
    """Every pair of different sets that agrees on a band and reaches the threshold, each once."""
    ordered = by_size(sets, same)
    keys = np.empty((banding.bands, len(ordered.rows_N)), np.uint64)
    blocks = pairwise([*range(0, len(ordered.rows_N), _BLOCK_SETS), len(ordered.rows_N)])
    progress.start("compare signatures", banding.bands, "bands")
    parts: list[Pairs] = []
    with ThreadPoolExecutor(workers) as pool:
        arrays = (sets.keys_S, ordered.starts_N, ordered.sizes_N)
        order = borrowing_order()
        for signed in [pool.submit(band_keys, *arrays, *block, order, *banding, keys) for block in blocks]:
            signed.result()
        agreeing = (partial(_agreeing, sets.keys_S, ordered, keys, band, threshold) for band in range(banding.bands))
        for joined in [pool.submit(work) for work in agreeing]:
            parts.append(joined.result())
            progress.advance(1)
    ones, others, shared = (np.concatenate([part[i] for part in parts]) for i in range(3))
    progress.finish(f"{len(ones)} pairs of different texts, {banding.bands} bands of {banding.rows}")
    return Pairs(ones, others, shared, sum(part.compared for part in parts))


@cache
def borrowing_order() -> I64:
    """Shape (K, K - 1): for each slot the others, sorted by splitmix64 of (seed + 128 * slot + other)."""
    mixed = _splitmix64(np.arange(SLOTS * SLOTS, dtype=np.uint64) + np.uint64(_SEED)).reshape(SLOTS, SLOTS)
    order = np.argsort(mixed, axis=1, kind="stable")
    others: I64 = order[order != np.arange(SLOTS)[:, None]].reshape(SLOTS, SLOTS - 1)
    return others


def _agreeing(keys_S: U64, ordered: Ordered, keys_AN: U64, band: int, threshold: Fraction) -> Pairs:  # noqa: N803
    room = 1 << 14
    while True:
        seen = np.zeros(1, np.int64)
        ones, others, shared = (np.empty(room, np.int32) for _ in range(3))
        found = band_pairs(
            keys_AN,
            band,
            keys_S,
            ordered.starts_N,
            ordered.sizes_N,
            ordered.sketches_N8,
            threshold.numerator,
            threshold.denominator,
            ones,
            others,
            shared,
            seen,
        )
        if found <= room:
            rows = ordered.rows_N
            return Pairs(rows[ones[:found]], rows[others[:found]], shared[:found].copy(), int(seen[0]))
        room = found


def _splitmix64(value: U64) -> U64:
    """Steele, Lea and Flood's mixer, in wrapping uint64 arithmetic."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
