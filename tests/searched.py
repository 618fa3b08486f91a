"""All pairs of some sets by each search, for tests that look at pairs alone."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from phase0.dedup.bands import Banding
from phase0.dedup.exact import Join, distinct
from phase0.dedup.minhash import Bands
from phase0.dedup.pages import Reused
from phase0.dedup.search import NO_LIMIT, Looking, Ordered, Pairs, by_size
from phase0.dedup.sets import Sets
from phase0.progress import SILENT


def joined_pairs(sets: Sets, threshold: Fraction, workers: int = 1) -> Pairs:
    found = Join(Looking(sets, threshold, workers, Reused())).find(different(sets), NO_LIMIT, SILENT)
    assert found is not None
    return found


def banded_pairs(sets: Sets, threshold: Fraction, banding: Banding, workers: int = 1) -> Pairs:
    found = Bands(Looking(sets, threshold, workers, Reused()), banding).find(different(sets), NO_LIMIT, SILENT)
    assert found is not None
    return found


def different(sets: Sets) -> Ordered:
    same = distinct(sets)
    return by_size(sets, np.flatnonzero(same == np.arange(len(same))))
