"""Signatures are what the slow twin says, agree as often as sets are similar, and find what bands promise."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searched import banded_pairs, joined_pairs

from phase0.dedup import dedup
from phase0.dedup.bands import Banding, choose
from phase0.dedup.kernels import minhashing, slow, sorting
from phase0.dedup.kernels.minhashing import SLOTS
from phase0.dedup.minhash import borrowing_order
from phase0.dedup.sets import Sets

T = Fraction(4, 5)
PAIRS = 20_000


def sets_of(rows):
    """Sets of these hashes."""
    counts = np.array([len(row) for row in rows], np.int64)
    hashes = np.array([value for row in rows for value in row], np.uint64)
    sketches, prints = np.empty((len(rows), 8), np.uint64), np.empty(len(rows), np.uint64)
    levels = np.zeros((1 << sorting.CLASS_BITS) // 32, np.uint64)
    total = sorting.sort_rows(hashes, counts, levels, sketches, prints)
    return Sets(hashes[:total], np.cumsum(counts) - counts, counts, sketches, prints)


def signed(row):
    slots = np.empty(SLOTS, np.uint64)
    keys = np.array(sorted(row), np.uint64)
    minhashing.sign(keys, 0, len(keys), borrowing_order(), slots)
    return slots


def pairs_of(pairs):
    columns = (column.tolist() for column in pairs[:3])
    return sorted((min(one, other), max(one, other), shared) for one, other, shared in zip(*columns, strict=True))


hashes = st.integers(0, 2**64 - 1)
crowded = st.integers(0, 2**59 - 1)  # all in a few of 128 bins
rows = st.sets(st.one_of(hashes, crowded), min_size=1, max_size=200)


@given(rows)
@settings(max_examples=50)
def test_every_signature_is_the_one_that_the_slow_twin_finds(row):
    assert signed(row).tolist() == slow.sign(row, borrowing_order().tolist())


@given(st.lists(rows, min_size=1, max_size=5), st.integers(1, 40), st.integers(1, 3))
@settings(max_examples=30)
def test_bands_are_folded_as_the_twin_folds_them(rows, bands, width):
    made = sets_of([sorted(row) for row in rows])
    keys = np.empty((bands, len(rows)), np.uint64)
    arrays = (made.keys_S, made.starts_D, made.sizes_D)
    minhashing.band_keys(*arrays, 0, len(rows), borrowing_order(), 0, width, keys)
    order = borrowing_order().tolist()
    for row in range(len(rows)):
        assert keys[:, row].tolist() == slow.band_keys(slow.sign(made.row(row).tolist(), order), bands, width)


def test_each_slot_borrows_from_every_other_in_an_order_of_its_own():
    order = borrowing_order()
    for slot, others in enumerate(order.tolist()):
        assert sorted([*others, slot]) == list(range(SLOTS))
    assert len({tuple(others[:5]) for others in order.tolist()}) == SLOTS


def test_slots_agree_as_often_as_sets_are_similar_for_short_and_long_rows():
    draw = random.Random(7)
    for size in (5, 50, 500):
        agreement = []
        for _ in range(300):
            shared = {draw.getrandbits(64) for _ in range(size * 4 // 5)}
            extra = [draw.getrandbits(64) for _ in range(size - len(shared))]
            agreement.append(float((signed(shared | set(extra[::2])) == signed(shared | set(extra[1::2]))).mean()))
        assert abs(np.mean(agreement) - 0.8) < 0.03, size  # 0.03: over five standard errors even at size 5


def test_pairs_at_exactly_the_threshold_are_found_nearly_always_and_each_once():
    for size in (5, 20, 100):
        draw = random.Random(size)
        rows = []
        for _ in range(2000):
            union = [draw.getrandbits(64) for _ in range(size)]
            apart = size // 10
            rows += [union[: size - apart], union[apart:]] if apart else [union[1:], union]
        made = sets_of(rows)
        found = pairs_of(banded_pairs(made, T, choose(T), 2))
        assert len({pair[:2] for pair in found}) == len(found)
        assert 1985 <= len(found) <= 2000  # the formula expects 1996.6; sets of 5 fill few slots and vary more


@pytest.mark.parametrize("threshold", [Fraction(3, 10), Fraction(1, 2), T, Fraction(9, 10)])
def test_few_pairs_at_the_threshold_are_missed_beyond_what_is_stated_and_none_beyond_of_longer_rows(threshold):
    """Four standard errors of 20,000 pairs, which is what a few in a hundred thousand such tests would fail by."""
    draw, banding, order = np.random.default_rng(5), choose(threshold), borrowing_order()
    for together in (2, 3, 4, 5, 6, 10, 50):
        shared = -(-together * threshold.numerator // threshold.denominator)
        alone = shared + (together - shared) // 2
        keys = draw.integers(0, 1 << sorting.KEY_BITS, (PAIRS, together), np.uint64)
        found = []
        for rows in (keys[:, :alone], np.delete(keys, np.s_[shared:alone], axis=1)):
            sizes = np.full(PAIRS, rows.shape[1])
            found.append(np.empty((banding.bands, PAIRS), np.uint64))
            arrays = (np.sort(rows, axis=1).reshape(-1), np.cumsum(sizes) - sizes, sizes)
            minhashing.band_keys(*arrays, 0, PAIRS, order, 0, banding.rows, found[-1])
        missed = (found[0] != found[1]).all(axis=0).mean()
        most = banding.missed(shared / together) + (0.008 if together < 50 else 0)
        assert missed <= most + 4 * (most * (1 - most) / PAIRS) ** 0.5 + 1 / PAIRS, together


def test_candidates_that_miss_the_threshold_are_not_answered():
    draw = random.Random(3)
    base = [draw.getrandbits(64) for _ in range(200)]
    rows = [base[: draw.randrange(60, 200)] + [draw.getrandbits(64) for _ in range(20)] for _ in range(100)]
    made = sets_of(rows)
    exactly = pairs_of(joined_pairs(made, T))
    assert pairs_of(banded_pairs(made, T, Banding(SLOTS, 1))) == exactly
    assert 0 < len(exactly) < 100 * 99 / 2


def test_minhash_says_that_it_is_not_exact_and_what_it_may_miss():
    result = dedup(["a b", "a b", "c d e f g h"], method="minhash")
    assert result.exact is False
    assert "21 bands of 6" in result.method
    assert result.missed_share == (1 - 0.8**6) ** 21
    assert result.removed == [(1, 0, 1, 1)]


def test_auto_is_exact_from_0_6_on_and_minhash_below():
    assert dedup(["a"], threshold="0.6").exact
    assert not dedup(["a"], threshold="0.59").exact
    assert dedup(["a"], threshold="0.1", method="exact").exact
