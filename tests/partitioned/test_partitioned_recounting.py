"""The second count in partitions: what it counts at once, however rows are cut; and its kernels beside their twins."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neardup import made_rows, text_of
from recounts import recounted

from phase0.dedup import remaining
from phase0.dedup.kernels import recounting, recounting_parts, slow
from phase0.engine.local import Local
from phase0.partitioned import remeeting

KEYS = 1 << recounting.KEY_BITS
keys = st.one_of(st.integers(0, 40).map(lambda number: number * (KEYS // 41)), st.integers(0, 300))
rows_of_keys = st.lists(st.lists(keys, max_size=40), max_size=12)
thresholds = st.sampled_from([Fraction(3, 10), Fraction(1, 2), Fraction(4, 5), Fraction(1)])
words = st.lists(st.sampled_from("abcdefgh"), max_size=7).map(" ".join)


def texts_of(count, seed):
    return [text_of(row) for row in made_rows(count, seed)]


@given(st.integers(0, 10**6), thresholds, st.sampled_from([1, 2, 5]), st.sampled_from([1, 3, 7]), st.integers(0, 4))
@settings(max_examples=12)
def test_partitions_count_what_is_counted_at_once(tmp_path_factory, seed, threshold, width, units, bits):
    texts = [*texts_of(80, seed), "", "..."]
    folder = tmp_path_factory.mktemp("counted") / "work"
    found = recounted(texts, folder, threshold, width, units=units, bits=bits)
    assert found == remaining(texts, threshold=threshold, shingle=width)


@given(st.lists(words, max_size=40), thresholds, st.sampled_from([1, 2]), st.integers(1, 9), st.integers(0, 3))
@settings(max_examples=30)
def test_short_rows_that_are_often_equal_are_counted_alike(tmp_path_factory, texts, threshold, width, units, bits):
    folder = tmp_path_factory.mktemp("counted") / "work"
    found = recounted(texts, folder, threshold, width, units=units, bits=bits)
    assert found == remaining(texts, threshold=threshold, shingle=width)


@pytest.mark.parametrize("room", [2000, 40_000])
def test_what_does_not_fit_into_the_room_is_counted_in_parts(tmp_path, room, monkeypatch):
    texts = texts_of(120, 5) * 2
    monkeypatch.setattr(remeeting, "_AT_ONCE", 64)
    found = recounted(texts, tmp_path / "work", Fraction(1, 2), room=room, bits=1)
    assert found == remaining(texts, threshold="0.5")
    assert found.pairs > 120


def test_a_pool_counts_what_one_process_counts(tmp_path):
    texts = texts_of(200, 8)
    wanted = remaining(texts)
    for spread in (False, True):
        found = recounted(texts, tmp_path / str(spread), units=5, engine=Local(2, spread=spread))
        assert found == wanted


def by_size(rows):
    sets = sorted({tuple(sorted(set(row))) for row in rows if row}, key=len)
    flat = np.array([key for one in sets for key in one], np.uint64)
    sizes = np.array([len(one) for one in sets], np.int64)
    return sets, flat, np.cumsum(sizes) - sizes, sizes


def tally_of(keys_S, starts, sizes):
    tally = np.zeros(1 << recounting.COUNTER_BITS, np.uint8)
    recounting.sample(keys_S, starts, sizes, 1, tally)
    return tally


def slow_records(sets, threshold):
    """A record for each of the first keys of every set."""
    found = []
    for number, one in enumerate(sets):
        keys = slow.rare_first(sets, one)[: slow.prefix_length(len(one), threshold)]
        for at, (before, key) in enumerate(zip([recounting_parts.NONE, *keys], keys, strict=False)):
            sizes = len(one) << recounting_parts.SIZE_SHIFT | len(one) - at - 1
            found.append((key, number, sizes, before))
    return found


@given(rows_of_keys, thresholds)
def test_records_are_those_of_the_first_keys_and_tell_what_is_before_and_behind_them(rows, threshold):
    sets, keys_S, starts, sizes = by_size(rows)
    lengths = np.array([slow.prefix_length(len(one), threshold) for one in sets], np.int64)
    made = np.empty((int(lengths.sum()), recounting_parts.WIDTH), np.uint64)
    numbers = np.arange(len(sets)) + 100
    tally, room = tally_of(keys_S, starts, sizes), np.empty(len(keys_S) + 1, np.uint64)
    recounting_parts.records(keys_S, starts, sizes, numbers, lengths, tally, room, made)
    expected = [(key, number + 100, *more) for key, number, *more in slow_records(sets, threshold)]
    assert [tuple(record) for record in made.tolist()] == expected


@given(rows_of_keys, thresholds, st.sampled_from([1, 2, 1000]))
def test_every_pair_meets_on_the_first_key_that_it_shares(rows, threshold, room):
    sets, keys_S, starts, sizes = by_size(rows)
    table = np.array(sorted(slow_records(sets, threshold)), np.uint64).reshape(-1, recounting_parts.WIDTH)
    table = table[np.lexsort((table[:, 2], table[:, 0]))]
    met, reached, found = np.empty((room, recounting_parts.MET), np.uint64), np.zeros(3, np.int64), []
    while reached[1] < len(table):
        count = recounting_parts.meet(table, *threshold.as_integer_ratio(), reached, met)
        found += [tuple(one) for one in met[:count].tolist()]
    assert len(found) == len(set(found))
    shared = slow.join([set(one) for one in sets], threshold)
    order = {key: at for at, key in enumerate(slow.rare_first(sets, {key for one in sets for key in one}))}
    for one, other, _ in shared:
        first = min(set(sets[one]) & set(sets[other]), key=order.__getitem__)
        assert (min(one, other), max(one, other), first) in found
    wanted = {(min(one, other), max(one, other)): count for one, other, count in shared}
    ones, others = (np.array([meeting[at] for meeting in found], np.int64) for at in range(2))
    counts, firsts = np.empty(len(found), np.int64), np.empty(len(found), np.uint64)
    tally, ratio = tally_of(keys_S, starts, sizes), threshold.as_integer_ratio()
    recounting_parts.counted(keys_S, starts, sizes, *ratio, ones, others, tally, counts, firsts)
    for (one, other, _), count, first in zip(found, counts.tolist(), firsts.tolist(), strict=True):
        assert count == wanted.get((one, other), -1)
        assert first == (0 if count < 0 else min(set(sets[one]) & set(sets[other]), key=order.__getitem__))
