"""Nearly every pair of near-duplicates, by MinHash signatures and bands; every candidate is counted exactly.

Shapes: K slots, A bands, N sets in ascending order of size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from phase0.dedup.bands import Banding
from phase0.dedup.flat import I64
from phase0.dedup.kernels.joining import FOUND_BY_LARGER, KIND, REST_BITS, SHIFT
from phase0.dedup.kernels.minhashing import SLOTS, band_keys, band_pairs
from phase0.dedup.search import (
    I32,
    TOO_MANY,
    Collected,
    Connected,
    Limits,
    Looking,
    Ordered,
    Pairs,
    counted,
    emitted,
    finished,
)
from phase0.dedup.sets import U64
from phase0.dedup.threads import in_order
from phase0.progress import Progress

_SEED = 0x5048415345304D48
_BLOCK_SETS = 8192


class Bands(NamedTuple):
    """Bands as a `search.Search`. If their keys do not fit into memory together they are compared in several passes."""

    looking: Looking
    banding: Banding

    def find(self, ordered: Ordered, limit: int, progress: Progress) -> Pairs | None:
        """See `search.Search`."""
        looking, (bands, rows) = self.looking, self.banding
        passes = len(_passes(looking, len(ordered.rows_N), bands))
        in_parts = looking.sets.shelf is not None or passes > 1  # then passes may meet a pair again
        limits = Limits.of(ordered, limit, passes if in_parts else 1)
        found = Collected(limits, possible=in_parts)
        work = partial(_agreeing, looking, ordered, limits, counted=not in_parts)
        for part in _worked(looking, ordered, self.banding, work, progress):
            if not found.add(part):
                progress.finish(TOO_MANY)
                return None
        pairs = counted(looking, ordered, found.pairs()) if in_parts else found.pairs()
        return finished(ordered, pairs, limit, progress, f", {bands} bands of {rows}")

    def connect(self, ordered: Ordered, progress: Progress) -> Pairs:
        """See `search.Search`."""
        found = Connected(ordered)
        work = partial(_connected, self.looking, ordered, found)
        return found.all(_worked(self.looking, ordered, self.banding, work, progress), progress)


def _worked(
    looking: Looking, ordered: Ordered, banding: Banding, work: Callable[[U64, int], Any], progress: Progress
) -> Iterator[Any]:
    """The answers of work(keys of some bands, one of these bands), one after another."""
    progress.start("compare signatures", banding.bands, "bands")
    with ThreadPoolExecutor(looking.workers) as pool:
        for first, last in _passes(looking, len(ordered.rows_N), banding.bands):
            keys = _band_keys(looking, ordered, banding, pool, (first, last))
            for answer in in_order(pool, looking.workers, [(work, keys, band) for band in range(last - first)]):
                yield answer
                progress.advance(1)
            del keys  # before the next are made


def _passes(looking: Looking, sets: int, bands: int) -> list[tuple[int, int]]:
    """Runs of bands whose keys fit into memory together, with a table for each thread."""
    room = looking.room() - looking.workers * 12 * sets
    at_once = max(1, min(bands, room // (8 * max(1, sets))))
    return list(pairwise([*range(0, bands, at_once), bands]))


def _band_keys(
    looking: Looking, ordered: Ordered, banding: Banding, pool: ThreadPoolExecutor, bands: tuple[int, int]
) -> U64:
    keys = np.empty((bands[1] - bands[0], len(ordered.rows_N)), np.uint64)
    arrays = (looking.sets.keys_S, ordered.starts_N, ordered.sizes_N)
    order = borrowing_order()

    def sign(first: int, last: int) -> None:
        band_keys(*arrays, first, last, order, bands[0], banding.rows, keys)
        looking.sets.release()

    for signed in [pool.submit(sign, *span) for span in looking.spans(ordered, -(-len(keys[0]) // _BLOCK_SETS))]:
        signed.result()
    return keys


@cache
def borrowing_order() -> I64:
    """Shape (K, K - 1): for each slot the others, sorted by splitmix64 of (seed + 128 * slot + other)."""
    mixed = _splitmix64(np.arange(SLOTS * SLOTS, dtype=np.uint64) + np.uint64(_SEED)).reshape(SLOTS, SLOTS)
    order = np.argsort(mixed, axis=1, kind="stable")
    others: I64 = order[order != np.arange(SLOTS)[:, None]].reshape(SLOTS, SLOTS - 1)
    return others


def _agreeing(
    looking: Looking,
    ordered: Ordered,
    limits: Limits,
    keys_AN: U64,  # noqa: N803
    band: int,
    *,
    counted: bool,
) -> Pairs | None:
    room = min(limits.pairs, (1 << 14) + len(ordered.rows_N) // 32)
    arrays = (looking.sets.keys_S, ordered.starts_N, ordered.sizes_N, ordered.kinds_N, ordered.sketches_N8)
    given = (keys_AN, band, *arrays, *looking.threshold.as_integer_ratio(), ordered.apart, counted)
    return emitted(partial(band_pairs, *given), room, limits)


def _connected(
    looking: Looking,
    ordered: Ordered,
    found: Connected,
    keys_AN: U64,  # noqa: N803
    band: int,
) -> tuple[I32, int]:
    """A band is one partition, in which every set has one entry and may be found by any."""
    from phase0.dedup.kernels.connecting import connect_sets  # compiled where pairs are too many, and nowhere else

    keys = keys_AN[band]
    owners = np.arange(len(keys), dtype=np.uint64) << np.uint64(SHIFT) | ordered.kinds_N * KIND | FOUND_BY_LARGER
    entries = np.stack((keys, keys, owners << np.uint64(REST_BITS) | ordered.sizes_N.astype(np.uint64)), axis=1)
    roots, seen = found.roots_N.copy(), np.zeros(1, np.int64)
    arrays = (looking.sets.keys_S, ordered.starts_N, ordered.sizes_N, ordered.sketches_N8)
    ratio, partitions = looking.threshold.as_integer_ratio(), np.array([0, len(keys)])
    connect_sets(*arrays, *ratio, 0, entries, partitions, 0, 1, ordered.apart, roots, seen)
    looking.sets.release()
    return roots, int(seen[0])


def _splitmix64(value: U64) -> U64:
    """Steele, Lea and Flood's mixer, in wrapping uint64 arithmetic."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
