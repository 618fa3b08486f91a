"""Every kernel of the join in partitions says what its slow twin says."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from phase0.dedup.kernels import partitioning, slow
from phase0.dedup.kernels.joining import count_entries, table_size
from phase0.dedup.kernels.partitioning import FOLDED, WIDTH

thresholds = st.sampled_from([Fraction(1, 2), Fraction(2, 3), Fraction(4, 5), Fraction(1)])
keys = st.integers(0, 2**64 - 1)
few = st.integers(0, 40)  # so that sets have much in common
sets = st.lists(st.sets(few | keys, min_size=1, max_size=12).map(sorted), min_size=1, max_size=12)


def laid_out(rows):
    """Keys behind one another, where each row begins, and how many each has."""
    sizes = np.array([len(row) for row in rows], np.int64)
    return np.array([key for row in rows for key in row], np.uint64), np.cumsum(sizes) - sizes, sizes


def sketches_of(rows):
    return np.array([slow.sketch(row) for row in rows], np.uint64).reshape(-1, 8)


def records_of(rows, threshold, bits, marks):
    """The records of rows, by partition."""
    (flat, starts, sizes), ratio = laid_out(rows), threshold.as_integer_ratio()
    counts = np.zeros(1 << bits, np.int64)
    count_entries(flat, starts, sizes, 0, len(rows), *ratio, bits, counts)
    records = np.empty((int(counts.sum()), WIDTH), np.uint64)
    places = np.cumsum(counts) - counts
    numbers = np.arange(len(rows)) + 5
    partitioning.place_prefixes(
        *(flat, starts, sizes, numbers, sketches_of(rows), marks, *ratio, bits, places, records)
    )
    return records, counts


@given(sets)
def test_sets_are_chained_as_the_twin_chains_them(rows):
    flat, _, sizes = laid_out([*rows, []])
    chains = np.empty(len(sizes), np.uint64)
    partitioning.chain(flat, sizes, chains)
    assert chains.tolist() == [slow.chain(row) for row in [*rows, []]]


@given(sets, thresholds, st.integers(0, 3), st.sampled_from([0, partitioning.AGAINST]))
def test_each_key_of_a_prefix_becomes_a_record_in_its_partition(rows, threshold, bits, marks):
    records, counts = records_of(rows, threshold, bits, marks)
    expected = [
        [*record, *slow.folded(slow.sketch(row), FOLDED)]
        for number, row in enumerate(rows)
        for record in slow.prefix_records(row, number + 5, marks, threshold)
    ]
    expected.sort(key=lambda record: record[0] % (1 << bits))  # stable
    assert records.tolist() == expected
    assert counts.tolist() == [sum(record[0] % (1 << bits) == part for record in expected) for part in range(1 << bits)]


@given(sets, thresholds, st.data())
@settings(max_examples=200)
def test_records_meet_where_the_twin_says_also_with_little_room(rows, threshold, data):
    records, _ = records_of(rows, threshold, 0, 0)
    for record in records:  # others, and blocks: whichever
        record[2] |= np.uint64(data.draw(st.sampled_from([0, 2, 4, 6])))
    records = records[np.argsort(records[:, 3] >> np.uint64(32), kind="stable")]
    apart = data.draw(st.booleans())
    table, following = np.full(table_size(len(records)), -1, np.int32), np.empty(len(records), np.int32)
    room = data.draw(st.integers(len(records), len(records) + 9))
    met, seen, found, at = np.empty((room, 3), np.uint64), np.zeros(2, np.int64), [], 0
    while at < len(records):
        at = partitioning.meet_records(
            *(records, table, following, at, *threshold.as_integer_ratio(), 0, apart, met, seen)
        )
        found += met[: seen[0]].tolist()
        seen[0] = 0
    expected = slow.meetings(records.tolist(), threshold, apart=apart)
    assert sorted(found) == sorted(map(list, expected))


@given(sets, thresholds)
def test_what_two_sets_share_counts_at_the_first_key_that_both_have(rows, threshold):
    flat, starts, sizes = laid_out(rows)
    meetings = [(i, j, key) for j in range(len(rows)) for i in range(j) for key in set(rows[i]) & set(rows[j])]
    ones, others = (np.array([met[side] for met in meetings], np.int64) for side in (0, 1))
    shared = np.empty(len(meetings), np.int64)
    partitioning.count_met(
        *(flat, starts, sizes, *threshold.as_integer_ratio(), ones, others),
        *(np.array([key for _, _, key in meetings], np.uint64), shared),
    )
    assert shared.tolist() == [slow.met_first(rows[i], rows[j], key, threshold) for i, j, key in meetings]
