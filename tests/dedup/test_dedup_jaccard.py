"""Overlaps are compared with a threshold in integers."""

from __future__ import annotations

from fractions import Fraction

from phase0.dedup.jaccard import Overlap


def test_exactly_four_fifths_reaches_0_8_and_the_next_smaller_share_does_not():
    assert Overlap(0, 4, 5).reaches(Fraction(4, 5))
    assert Overlap(0, 8_000_000, 10_000_000).reaches(Fraction(4, 5))
    assert not Overlap(0, 7_999_999, 10_000_000).reaches(Fraction(4, 5))
    assert not Overlap(0, 7999, 10_000).reaches(Fraction(4, 5))
