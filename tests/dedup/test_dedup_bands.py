"""Bands are chosen for recall."""

from __future__ import annotations

from fractions import Fraction

import pytest

from phase0.dedup.bands import SLOTS, choose

T = Fraction(4, 5)


def test_the_banding_at_0_8_is_21_bands_of_6_and_misses_one_pair_in_592():
    assert choose(T) == (21, 6)
    assert choose(T).missed(0.8) == pytest.approx((1 - 0.8**6) ** 21) == pytest.approx(1 / 592, rel=0.01)


@pytest.mark.parametrize("threshold", ["0.06", "0.1", "0.3", "0.5", "0.7", "0.8", "0.9", "0.95", "0.99", "1"])
def test_recall_at_the_threshold_is_at_least_0_995_and_bands_fit_the_signature(threshold):
    banding = choose(Fraction(threshold))
    assert banding.missed(float(Fraction(threshold))) <= 0.005
    assert banding.bands * banding.rows <= SLOTS


def test_where_no_banding_suffices_the_missed_share_says_so():
    banding = choose(Fraction(1, 100))
    assert banding == (SLOTS, 1)
    assert banding.missed(0.01) == pytest.approx(0.99**128)
