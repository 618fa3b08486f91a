"""Bands are chosen for recall, and find the share of pairs that the formula promises."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

from phase0.dedup.bands import BandIndex, Banding, choose, shared_buckets
from phase0.dedup.jaccard import Jaccard
from phase0.dedup.minhash import SLOTS, signatures
from phase0.dedup.shingles import Sets, edges

T = Fraction(4, 5)


def sets_of(rows):
    flat = [value for row in rows for value in sorted(row)]
    return Sets(np.array(flat, np.uint64), edges(np.array([len(row) for row in rows], np.int64)))


def index_of(rows, banding=None, threshold=T):
    sets = sets_of(rows)
    return BandIndex(shared_buckets(signatures(sets), banding or choose(threshold)), Jaccard(sets, threshold))


def test_the_banding_at_0_8_is_25_bands_of_5_and_misses_one_pair_in_20_000():
    assert choose(T) == (25, 5)
    assert choose(T).missed(0.8) == pytest.approx((1 - 0.8**5) ** 25)
    assert choose(T).missed(0.8) < 1 / 20_000


@pytest.mark.parametrize("threshold", ["0.06", "0.1", "0.3", "0.5", "0.7", "0.8", "0.9", "0.95", "0.99", "1"])
def test_recall_at_the_threshold_is_at_least_0_999_and_bands_fit_the_signature(threshold):
    banding = choose(Fraction(threshold))
    assert banding.missed(float(Fraction(threshold))) <= 0.001
    assert banding.bands * banding.rows <= SLOTS


def test_where_no_banding_suffices_the_missed_share_says_so():
    banding = choose(Fraction(1, 100))
    assert banding == (SLOTS, 1)
    assert banding.missed(0.01) == pytest.approx(0.99**128)


@pytest.mark.parametrize("size", [5, 20, 100])
def test_pairs_at_exactly_the_threshold_are_found_nearly_always(size):
    draw = random.Random(size)
    rows = []
    for _ in range(2000):
        union = [draw.getrandbits(64) for _ in range(size)]
        apart = size // 10
        rows += [set(union[: size - apart]), set(union[apart:])] if apart else [set(union[1:]), set(union)]
    index = index_of(rows)
    found = 0
    for number in range(0, len(rows), 2):
        index.keep(number)
        found += any(overlap.other == number for overlap in index.near(number + 1))
    assert len(rows[0] & rows[1]) * 5 == len(rows[0] | rows[1]) * 4
    assert found >= 1990  # 0.995; the formula expects 1999.9


def test_an_index_answers_with_kept_sets_alone_and_with_exact_counts():
    base = set(range(0, 2**64, 2**56))
    rows = [base, base | {1}, base | {2, 3}]
    index = index_of(rows)
    assert index.near(1) == []
    index.keep(0)
    assert index.near(1) == [(0, 256, 257)]
    assert index.near(2) == [(0, 256, 258)]
    assert index.counted == 2


def test_sets_that_share_a_bucket_but_miss_the_threshold_are_not_answered():
    rows = [set(range(0, 2**64, 2**58)), set(range(0, 2**63, 2**58))]
    index = index_of(rows, Banding(64, 2))
    index.keep(0)
    assert index.near(1) == []


def test_no_sets_have_no_buckets():
    buckets = shared_buckets(signatures(sets_of([])), choose(T))
    assert buckets.total == 0


def test_a_bucket_of_rows_that_all_resemble_each_other_costs_one_comparison_per_row():
    base = set(range(0, 2**64, 2**56))
    rows = [base | {number} for number in range(1, 1001)]
    index = index_of(rows)
    index.keep(0)
    assert all(index.near(number) for number in range(1, 1000))
    assert index.counted == 999
