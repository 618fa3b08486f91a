"""What two sets share and have together, compared with a threshold in integers."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple


class Overlap(NamedTuple):
    """What a set shares with `other`, and what they have together."""

    other: int
    shared: int
    union: int

    def reaches(self, threshold: Fraction) -> bool:
        """Whether shared / union is at least the threshold."""
        return self.shared * threshold.denominator >= self.union * threshold.numerator
