"""Which pairs are worth counting: those whose signatures agree on all slots of at least one band.

Recall is chosen, precision is not: every candidate is counted exactly, so a false one costs time and nothing else. Rows
are compared in the order of their rank, and only with rows that were kept: a bucket full of rows that resemble each
other costs one comparison per row, not one per pair. Nothing is capped, so nothing is lost. (A bucket full of kept
rows, which share a band and are no near-duplicates, still costs a look at each pair, though bounds dismiss most.)
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from phase0.dedup.jaccard import Jaccard, Overlap
from phase0.dedup.minhash import SLOTS, U32
from phase0.dedup.shingles import I64, fold

RECALL = 0.999


class Banding(NamedTuple):
    """So many bands of so many rows (slots) each."""

    bands: int
    rows: int

    def missed(self, jaccard: float) -> float:
        """The expected share of pairs of this Jaccard that agree on no band: (1 - J**rows) ** bands."""
        return float((1 - jaccard**self.rows) ** self.bands)


def choose(threshold: Fraction, *, slots: int = SLOTS, recall: float = RECALL) -> Banding:
    """The most selective banding that finds this share of the pairs at exactly the threshold: 25 bands of 5 at 0.8.

    At very low thresholds none does (below 0.053 with 128 slots): then bands of one row, and `missed` says the truth.
    """
    for rows in range(slots, 0, -1):
        banding = Banding(slots // rows, rows)
        if 1 - banding.missed(float(threshold)) >= recall:
            return banding
    return Banding(slots, 1)


class Buckets(NamedTuple):
    """The buckets that more than one set falls into; those of set d are numbers[starts[d]:starts[d + 1]]."""

    numbers: I64
    starts: I64
    total: int


def shared_buckets(signatures: U32, banding: Banding) -> Buckets:
    """Sets that agree on all slots of a band fall into one bucket of it."""
    owners, numbers, total = [], [], 0
    for band in range(banding.bands):
        slots = signatures[:, band * banding.rows : (band + 1) * banding.rows]
        keys = fold([column.astype(np.uint64) for column in slots.T])
        _, bucket, members = np.unique(keys, return_inverse=True, return_counts=True)
        met = np.flatnonzero(members[bucket] > 1)
        owners.append(met)
        numbers.append(bucket[met] + total)
        total += len(members)
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    starts = np.searchsorted(owner[order], np.arange(len(signatures) + 1))
    kinds, dense = np.unique(np.concatenate(numbers)[order], return_inverse=True)
    return Buckets(dense, starts, len(kinds))


class BandIndex:
    """The kept sets by their buckets. Mutable: `keep` adds a set, `near` looks among those added so far."""

    def __init__(self, buckets: Buckets, jaccard: Jaccard) -> None:
        self._numbers = buckets.numbers
        self._starts = buckets.starts.tolist()
        self._jaccard = jaccard
        self._kept: list[list[int]] = [[] for _ in range(buckets.total)]
        self.counted = 0  # pairs that passed the bounds

    def near(self, one: int) -> list[Overlap]:
        """The kept sets that share a bucket with this one and reach the threshold with it."""
        met = set().union(*(self._kept[bucket] for bucket in self._of(one)))
        if not met:
            return []
        possible = self._jaccard.possible(one, np.fromiter(met, np.int64, len(met)))
        self.counted += len(possible)
        return self._jaccard.reaching(one, possible)

    def keep(self, one: int) -> None:
        """This set stays: later ones are compared with it."""
        for bucket in self._of(one):
            self._kept[bucket].append(one)

    def _of(self, one: int) -> list[int]:
        buckets: list[int] = self._numbers[self._starts[one] : self._starts[one + 1]].tolist()
        return buckets
