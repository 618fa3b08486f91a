"""The kernels of the second count, each beside its slow twin: sets, prefixes, who meets on them, what is shared."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.dedup import recount, remaining
from phase0.dedup.kernels import recounting, slow
from phase0.progress import SILENT

KEYS = 1 << recounting.KEY_BITS
few = st.integers(0, 40).map(lambda number: number * (KEYS // 41))  # spread over all that a key can be, often equal
keys = st.one_of(few, st.integers(0, KEYS - 1), st.integers(0, 300))
rows_of_keys = st.lists(st.lists(keys, max_size=40), max_size=12)
thresholds = st.sampled_from([Fraction(3, 10), Fraction(1, 2), Fraction(4, 5), Fraction(1)])


def flat(rows):
    return np.array([key for row in rows for key in row], np.uint64), np.array([len(row) for row in rows], np.int64)


def by_size(rows):
    """The different sets of rows, smallest first, and the arrays that kernels take."""
    sets = sorted({tuple(sorted(set(row))) for row in rows if row}, key=len)
    keys_S, sizes = flat(sets)
    return sets, keys_S, np.cumsum(sizes) - sizes, sizes


@given(rows_of_keys)
def test_rows_become_ascending_sets_with_sums_that_tell_them_apart(rows):
    keys_S, sizes = flat(rows)
    prints, checks = np.empty((2, len(rows)), np.uint64)
    total = recounting.row_sets(keys_S, sizes, prints, checks)
    expected = [sorted(set(row)) for row in rows]
    assert sizes.tolist() == [len(row) for row in expected]
    assert keys_S[:total].tolist() == [key for row in expected for key in row]
    assert list(zip(prints.tolist(), checks.tolist(), strict=True)) == [slow.recounted_sums(row) for row in expected]


@given(st.lists(st.integers(0, 9).map(lambda number: number << 1), max_size=300))
def test_keys_that_all_fall_on_one_place_are_sorted_all_the_same(row):
    keys_S, sizes = flat([row])
    total = recounting.row_sets(keys_S, sizes, *np.empty((2, 1), np.uint64))
    assert keys_S[:total].tolist() == sorted(set(row))


@given(rows_of_keys, thresholds, st.integers(1, 3))
def test_a_prefix_holds_the_rarest_keys_of_a_set_in_one_order_of_all_keys(rows, threshold, step):
    sets, keys_S, starts, sizes = by_size(rows)
    tally = np.zeros(1 << recounting.COUNTER_BITS, np.uint8)
    recounting.sample(keys_S, starts, sizes, step, tally)
    lengths = [len(one) - -(-len(one) * threshold.numerator // threshold.denominator) + 1 for one in sets]
    entries = np.empty(sum(lengths), np.uint64)
    bits = max(2, len(sets).bit_length())
    found = recounting.prefixes(keys_S, starts, sizes, np.array(lengths, np.int64), tally, bits, entries)
    assert entries[:found].tolist() == slow.prefixes(sets, lengths, step, bits)


@given(rows_of_keys, thresholds)
def test_sets_that_reach_the_threshold_are_found_once_each_with_what_they_share(rows, threshold):
    sets, keys_S, starts, sizes = by_size(rows)
    distinct = recount._Distinct(keys_S, starts, sizes, *np.ones((3, len(sets)), np.int64), 0)
    index = recount._index(distinct, threshold)
    found = [
        (int(smaller), int(larger), int(shared))
        for near in recount._near(distinct, index, threshold, SILENT)
        for larger, smaller, shared in zip(*near, strict=True)
    ]
    assert len(found) == len(set(found))
    assert set(found) == slow.join([set(one) for one in sets], threshold)


@given(st.sets(keys, max_size=60), st.sets(keys, max_size=60), st.integers(0, 60))
def test_what_two_sets_share_is_counted_or_known_to_be_too_little(one, other, least):
    keys_S, sizes = flat([sorted(one), sorted(other)])
    shared = recounting.common(keys_S, 0, int(sizes[0]), int(sizes[0]), int(sizes[1]), least)
    true = len(one & other)
    assert shared == true if true >= least else shared < least


def test_the_partners_of_an_entry_are_the_sets_that_are_large_enough_and_not_larger():
    sizes = np.array([4, 8, 9, 10, 10], np.int64)
    bits = 3
    entries = np.array(sorted((key << bits | one) for key, one in [(5, 0), (5, 1), (5, 3), (7, 2), (9, 3), (9, 4)]))
    owners, begins, counts = np.empty(6, np.int64), np.empty(6, np.int64), np.zeros(5, np.int64)
    met = recounting.meetings(entries.astype(np.uint64), bits, sizes, 4, 5, owners, begins, counts)
    assert owners[:met].tolist() == [0, 1, 3, 3, 4]  # 7 is held by set 2 alone
    assert begins[:met].tolist() == [0, 1, 1, 3, 3]  # set 0 is too small for the others of 5
    assert counts.tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("room", [1, 7])
def test_the_count_does_not_depend_on_how_many_pairs_or_sets_are_looked_at_at_once(room, monkeypatch):
    draw = random.Random(room)
    words = [f"w{number}" for number in range(12)]
    texts = [" ".join(draw.choices(words, k=draw.randrange(9))) for _ in range(150)]
    whole = remaining(texts, threshold="0.3", shingle=1)
    assert whole.pairs > 1000
    monkeypatch.setattr(recount, "_PAIRS_AT_ONCE", room)
    monkeypatch.setattr(recount, "_SETS_AT_ONCE", room)
    assert remaining(texts, threshold="0.3", shingle=1) == whole


def test_a_shingle_that_only_the_sample_calls_common_changes_no_count(monkeypatch):
    texts = [f"the same few words begin every row and then comes number {number} of them" for number in range(60)]
    whole = remaining(texts, threshold="0.5")
    monkeypatch.setattr(recount, "SAMPLED", 1)  # every set but the first few is left out of the sample
    assert remaining(texts, threshold="0.5") == whole
    assert whole.pairs == 60 * 59 // 2
