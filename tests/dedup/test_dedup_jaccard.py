"""Overlaps are counted exactly, bounds never dismiss a pair that counts, and tokens have the last word."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phase0.dedup import jaccard
from phase0.dedup.jaccard import Confirmation, Jaccard, Overlap, parity_sketches, shared_counts
from phase0.dedup.shingles import Sets, edges, tokenise


def sets_of(rows):
    flat = [value for row in rows for value in sorted(row)]
    return Sets(np.array(flat, np.uint64), edges(np.array([len(row) for row in rows], np.int64)))


small = st.sets(st.integers(0, 40), min_size=1, max_size=40)
wide = st.sets(st.integers(0, 2**64 - 1), min_size=1, max_size=40)
many = st.lists(st.one_of(small, wide), min_size=1, max_size=12)
thresholds = st.fractions(Fraction(1, 100), 1, max_denominator=100)


@given(many, st.integers(1, 60))
@settings(deadline=None)
def test_shared_counts_are_those_of_python_sets_in_parts_of_any_size(rows, gathered):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jaccard, "_GATHERED", gathered)
        counts = shared_counts(sets_of(rows), 0, np.arange(len(rows)))
    assert counts.tolist() == [len(rows[0] & other) for other in rows]


@given(many, thresholds)
@settings(deadline=None)
def test_bounds_never_dismiss_a_pair_that_reaches_the_threshold(rows, threshold):
    compare = Jaccard(sets_of(rows), threshold)
    reach = {i for i, row in enumerate(rows) if Fraction(len(rows[0] & row), len(rows[0] | row)) >= threshold}
    everyone = np.arange(len(rows))
    assert reach <= set(compare.possible(0, everyone).tolist())
    assert reach == {overlap.other for overlap in compare.reaching(0, everyone)}


@given(st.lists(st.sets(st.integers(0, 2**64 - 1), max_size=80), max_size=6))
@settings(deadline=None)
def test_a_sketch_is_the_parity_of_512_counts(rows):
    sketches = parity_sketches(sets_of(rows))
    for row, sketch in zip(rows, sketches, strict=True):
        odd = [sum(value % 512 == bit for value in row) % 2 for bit in range(512)]
        assert np.unpackbits(sketch.view(np.uint8)).tolist() == odd


def test_bounds_dismiss_sets_of_another_size_and_sets_with_other_elements():
    rows = [set(range(100)), set(range(50)), set(range(100, 200)), set(range(99))]
    assert Jaccard(sets_of(rows), Fraction(4, 5)).possible(0, np.arange(1, 4)).tolist() == [3]


def test_exactly_four_fifths_reaches_0_8_and_the_next_smaller_share_does_not():
    assert Overlap(0, 4, 5).reaches(Fraction(4, 5))
    assert Overlap(0, 8_000_000, 10_000_000).reaches(Fraction(4, 5))
    assert not Overlap(0, 7_999_999, 10_000_000).reaches(Fraction(4, 5))
    assert not Overlap(0, 7999, 10_000).reaches(Fraction(4, 5))


words = st.lists(st.sampled_from("abcd"), min_size=1, max_size=30)


@given(words, words, st.integers(1, 6))
@settings(deadline=None)
def test_confirmation_counts_word_tuples(one, other, width):
    def grams(row):
        return {tuple(row[i : i + width]) for i in range(max(1, len(row) - width + 1))}

    confirm = Confirmation(tokenise([" ".join(one), " ".join(other)]), width)
    a, b = grams(one), grams(other)
    assert confirm(0, 1) == (1, len(a & b), len(a | b))
