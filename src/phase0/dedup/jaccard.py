"""Exact Jaccard of one set with many, counted in integers, and two bounds that dismiss most sets without counting.

Shapes: D sets, N of them compared with one.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from phase0.dedup.shingles import I64, Sets, Tokenised, edges, runs

_SKETCH_BITS = 512
_SKETCH_ROWS = 4096  # sets sketched together: 16 MB of counts
_GATHERED = 4_000_000  # elements looked up together, about


class Overlap(NamedTuple):
    """What a set shares with `other`, and what they have together."""

    other: int
    shared: int
    union: int

    def reaches(self, threshold: Fraction) -> bool:
        """Whether shared / union is at least the threshold."""
        return self.shared * threshold.denominator >= self.union * threshold.numerator


class Jaccard:
    """Compares sets at one threshold. No set may be empty.

    Two bounds come first, and never dismiss a pair that reaches the threshold. By size: J <= |A| / |B|. By parity: bit
    i of a sketch says whether an odd number of hashes is i modulo 512, so two sketches differ in at most as many bits
    as the sets differ in elements.
    """

    def __init__(self, sets: Sets, threshold: Fraction) -> None:
        self._sets = sets
        self._sizes = sets.sizes()
        self._sketches = parity_sketches(sets)
        self._threshold = threshold

    def possible(self, one: int, others: I64) -> I64:
        """Those of `others` that may reach the threshold with `one`."""
        p, q = self._threshold.numerator, self._threshold.denominator
        size, sizes = self._sizes[one], self._sizes[others]
        near = np.minimum(size, sizes) * q >= np.maximum(size, sizes) * p
        others, sizes = others[near], sizes[near]
        differing = np.bitwise_count(self._sketches[one] ^ self._sketches[others]).sum(axis=1, dtype=np.int64)
        # J = (s - d) / (s + d) for s = |A| + |B| and d differing elements, so J >= p/q is d * (q + p) <= s * (q - p)
        hopeful: I64 = others[differing * (q + p) <= (size + sizes) * (q - p)]
        return hopeful

    def reaching(self, one: int, others: I64) -> list[Overlap]:
        """Those of `others` whose Jaccard with `one` is at least the threshold."""
        shared = shared_counts(self._sets, one, others)
        union = self._sizes[one] + self._sizes[others] - shared
        overlaps = map(Overlap._make, zip(others.tolist(), shared.tolist(), union.tolist(), strict=True))
        return [overlap for overlap in overlaps if overlap.reaches(self._threshold)]


def parity_sketches(sets: Sets) -> npt.NDArray[np.uint64]:
    """Shape (D, 8): 512 parities per set."""
    rows = len(sets.starts_D1) - 1
    result = np.empty((rows, _SKETCH_BITS // 64), np.uint64)
    for first in range(0, rows, _SKETCH_ROWS):
        bounds = sets.starts_D1[first : first + _SKETCH_ROWS + 1]
        bits = (sets.hashes_S[bounds[0] : bounds[-1]] % np.uint64(_SKETCH_BITS)).astype(np.int64)
        cells = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds)) * _SKETCH_BITS + bits
        odd = np.bincount(cells, minlength=(len(bounds) - 1) * _SKETCH_BITS) & 1
        result[first : first + _SKETCH_ROWS] = np.packbits(odd.astype(np.bool_)).view(np.uint64).reshape(-1, 8)
    return result


def shared_counts(sets: Sets, one: int, others: I64) -> I64:
    """How many elements each of `others` has in common with `one`: all are looked up in it together."""
    shared = np.empty(len(others), np.int64)
    own = sets.row(one)
    counts = sets.starts_D1[others + 1] - sets.starts_D1[others]
    step = max(1, _GATHERED // int(counts.max(initial=1)))
    for start in range(0, len(others), step):
        part = slice(start, start + step)
        theirs = sets.hashes_S[runs(sets.starts_D1[others[part]], counts[part])]
        places = np.minimum(np.searchsorted(own, theirs), len(own) - 1)
        hits = (own[places] == theirs).astype(np.int64)
        shared[part] = np.add.reduceat(hits, edges(counts[part])[:-1])
    return shared


class Confirmation:
    """Counts Jaccard on the tokens themselves, so that a collision of hashes cannot remove a row."""

    def __init__(self, tokenised: Tokenised, width: int) -> None:
        self._tokenised = tokenised
        self._width = width
        self._grams = lru_cache(maxsize=256)(self._read)

    def __call__(self, row: int, other: int) -> Overlap:
        """The overlap of two rows that have tokens."""
        own, theirs = self._grams(row), self._grams(other)
        shared = len(own & theirs)
        return Overlap(other, shared, len(own) + len(theirs) - shared)

    def _read(self, row: int) -> frozenset[bytes]:
        ids = self._tokenised.row(row)
        raw, step = ids.tobytes(), ids.itemsize
        span = self._width * step
        return frozenset(raw[start : start + span] for start in range(0, max(1, len(raw) - span + step), step))
