"""How a signature is cut into bands, so that pairs at the threshold agree on all slots of at least one.

Recall is chosen, precision is not: every candidate is counted exactly, so a false one costs time and nothing else.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

RECALL = 0.995
SLOTS = 128


class Banding(NamedTuple):
    """So many bands of so many rows (slots) each."""

    bands: int
    rows: int

    def missed(self, jaccard: float) -> float:
        """The expected share of pairs of this Jaccard that agree on no band: (1 - J**rows) ** bands.

        That takes slots for independent, each agreeing with probability J. Of a few shingles some fall into one bin and
        hide each other: pairs with fewer than 50 in all are missed more often, by up to 0.8 percentage points at
        thresholds of 0.3 to 0.9 (benchmarks/dedup/missed.py).
        """
        return float((1 - jaccard**self.rows) ** self.bands)


def choose(threshold: Fraction, *, slots: int = SLOTS, recall: float = RECALL) -> Banding:
    """The most selective banding that finds this share of the pairs at exactly the threshold: 21 bands of 6 at 0.8.

    At very low thresholds none does (below 0.041 with 128 slots): then bands of one row, and `missed` says the truth.
    """
    for rows in range(slots, 0, -1):
        banding = Banding(slots // rows, rows)
        if 1 - banding.missed(float(threshold)) >= recall:
            return banding
    return Banding(slots, 1)
