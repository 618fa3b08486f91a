"""The second count of unlike sets: units send their first keys, sets that have one in common meet there, and the unit
of the earlier row counts what they share.

Shapes: D rows of a unit, N sets, S shingles, R records, P meetings, T counters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from phase0.dedup.flat import I64, U8, U64
from phase0.dedup.kernels.recounting_parts import MET, WIDTH, counted, meet, records
from phase0.dedup.recount import lowest, prefix_lengths
from phase0.dedup.results import Pair
from phase0.partitioned.arrays import mapped, store
from phase0.partitioned.exchange import Outbox, Slice, received, sent, slices, together
from phase0.partitioned.recounted import Count
from phase0.partitioned.repeated import LEAD

_AT_ONCE = 1 << 22  # keys, or meetings, that are looked at together
_RECORD = 4 * 8 * WIDTH  # bytes of a record while it is sorted
_MEETING = 200  # bytes of a meeting while it is counted, beside the sets
_MOST_PASSES = 10  # bits: the passes over a partition that does not fit are not more than two to this


class Near(NamedTuple):
    """What a task found in a unit."""

    pairs: int  # of rows
    examples: Sequence[Pair]


def send_firsts(count: Count, unit: int) -> int:
    """Send the first keys of all sets of which this unit has the first row. Answers how many records that were."""
    place, base = count.unit(unit), int(count.bases()[unit])
    starts: I64 = np.load(place / "starts.npy")
    leads = received(slices(count.boxes("leads", of_units=False), unit), LEAD).astype(np.int64)
    copies = np.zeros(len(starts) - 1, np.int64)
    copies[leads[:, 0]] = leads[:, 1]
    store(place / "copies.npy", copies)
    tally, sizes = np.load(count.levels()), np.diff(starts)
    with sent(count.box("firsts", unit), WIDTH, count.partitions) as outbox:
        for first, last in _runs(starts):
            local = np.flatnonzero(copies[first:last]) + first
            keys = np.array(mapped(place / "keys.npy")[starts[first] : starts[last]])
            lengths = prefix_lengths(sizes[local], count.threshold)
            made, room = np.empty((int(lengths.sum()), WIDTH), np.uint64), np.empty(len(keys), np.uint64)
            places = starts[local] - starts[first]
            records(keys, places, sizes[local], local + base, lengths, tally, room, made)
            outbox.add(made, (made[:, 0] & np.uint64(count.partitions - 1)).astype(np.int64))
    return outbox.records


def _runs(starts_D1: I64) -> Iterator[tuple[int, int]]:  # noqa: N803
    """Runs of rows with no more than _AT_ONCE keys, or of one row."""
    first, rows = 0, len(starts_D1) - 1
    while first < rows:
        last = max(first + 1, int(np.searchsorted(starts_D1, starts_D1[first] + _AT_ONCE, side="right")) - 1)
        yield first, last
        first = last


def find_meetings(count: Count, partition: int) -> int:
    """Send every two rows that meet in this partition to the unit of the earlier one. Answers how many that were."""
    found, bases = slices(count.boxes("firsts"), partition), count.bases()
    with sent(count.box("met", partition), MET, count.units) as outbox:
        for some in _passes(count, found):
            _meet(count, some, outbox, bases)
    return outbox.records


def _passes(count: Count, found: Sequence[Slice]) -> Iterator[U64]:
    """The records of a partition, at once where they fit, else those of some keys at a time. Records of one key are
    held together however many they are."""
    total, most = sum(piece.records for piece in found), max(1, count.room // _RECORD)
    bits = min(_MOST_PASSES, (total // most).bit_length())
    for part in range(1 << bits):
        chosen = [np.empty((0, WIDTH), np.uint64)]
        for group in together(found, most):
            some = received(group, WIDTH)
            chosen.append(some[some[:, 0] >> np.uint64(count.bits) & np.uint64((1 << bits) - 1) == part])
        yield np.concatenate(chosen)


def _meet(count: Count, some: U64, outbox: Outbox, bases: I64) -> None:
    ordered = some[np.lexsort((some[:, 2], some[:, 0]))]  # sizes are the upper half of the last number
    met, reached = np.empty((_AT_ONCE // 4, MET), np.uint64), np.zeros(3, np.int64)
    ratio = count.threshold.as_integer_ratio()
    while reached[1] < len(ordered):
        made = met[: meet(ordered, *ratio, reached, met)]
        outbox.add(made, np.searchsorted(bases, made[:, 0].astype(np.int64), side="right") - 1)


def count_near(count: Count, unit: int) -> Near:
    """Count the pairs among the meetings of rows of which the earlier is in this unit, and tell units which of their
    rows are in one, as far as that is news: rows that others equal are known to be."""
    found, pairs, examples = slices(count.boxes("met", of_units=False), unit), 0, list[Pair]()
    tally, bases = np.load(count.levels()), count.bases()
    with sent(count.box("near", unit), 1, count.units) as outbox:
        for group in together(found, max(1, min(_AT_ONCE // 4, count.room // (2 * _MEETING)))):
            met = _by_pair(received(group, MET))
            for first, last in _that_fit(count, bases, met):
                near = _near(count, bases, met[first:last], tally)
                pairs += int((near.copies_2P[0] * near.copies_2P[1]).sum())
                examples = lowest(examples, near.rows_2P[0], near.rows_2P[1], near.shared_P, near.union_P)
                news = np.unique(near.rows_2P[near.copies_2P == 1])
                units = np.searchsorted(bases, news, side="right") - 1
                outbox.add((news - bases[units])[:, None].astype(np.uint64), units)
    return Near(pairs, examples)


def count_rows(count: Count, unit: int) -> int:
    """How many rows of this unit are in a pair, of those that no other row equals."""
    is_near = np.zeros(int(np.diff(count.bases())[unit]), np.bool_)
    for group in together(slices(count.boxes("near"), unit), _AT_ONCE):
        is_near[received(group, 1)[:, 0].astype(np.int64)] = True
    return int(is_near.sum())


class _Pairs(NamedTuple):
    """Pairs that reach the threshold, each met on the first key that both have."""

    rows_2P: I64  # noqa: N815
    copies_2P: I64  # noqa: N815 - how many rows equal each
    shared_P: I64  # noqa: N815
    union_P: I64  # noqa: N815


class _Sets(NamedTuple):
    """Sets of some rows, which ascend."""

    rows_N: I64  # noqa: N815
    starts_N: I64  # noqa: N815
    sizes_N: I64  # noqa: N815
    copies_N: I64  # noqa: N815


def _by_pair(met: U64) -> U64:
    """Meetings in the order of their rows: two that meet on many keys are looked at once."""
    return met[np.lexsort((met[:, 1], met[:, 0]))]


def _starts(met: U64) -> I64:
    """Where those of another pair begin."""
    fresh = np.ones(len(met), np.bool_)
    fresh[1:] = (met[1:, :2] != met[:-1, :2]).any(axis=1)
    return np.flatnonzero(fresh)


def _that_fit(count: Count, bases: I64, met: U64) -> Iterator[tuple[int, int]]:
    """Runs of meetings whose sets fit into the room, or that are of one pair."""
    starts = _starts(met)
    ends, waiting = np.append(starts, len(met)), [(0, len(starts))]
    while waiting:
        low, high = waiting.pop()
        size = 8 * int(_sets(count, bases, met[ends[low] : ends[high]]).sizes_N.sum())
        if high - low > 1 and size > count.room // 2:
            cuts = np.unique(np.linspace(low, high, 2 + 2 * size // count.room).astype(np.int64)).tolist()
            waiting += reversed(list(pairwise(cuts)))
        elif high > low:
            yield int(ends[low]), int(ends[high])


def _near(count: Count, bases: I64, met: U64, tally: U8) -> _Pairs:
    """The pairs among some meetings."""
    sets, starts = _sets(count, bases, met), _starts(met)
    one, other = (np.searchsorted(sets.rows_N, met[starts, side].astype(np.int64)) for side in (0, 1))
    shared, firsts = np.empty(len(starts), np.int64), np.empty(len(starts), np.uint64)
    keys, begins = _keys(count, bases, sets), np.cumsum(sets.sizes_N) - sets.sizes_N
    counted(keys, begins, sets.sizes_N, *count.threshold.as_integer_ratio(), one, other, tally, shared, firsts)
    on_first = met[:, 2] == np.repeat(firsts, np.diff(starts, append=len(met)))
    near = np.flatnonzero((shared >= 0) & np.logical_or.reduceat(on_first, starts))
    both, common = np.stack((one[near], other[near])), shared[near]
    return _Pairs(sets.rows_N[both], sets.copies_N[both], common, sets.sizes_N[both].sum(axis=0) - common)


def _sets(count: Count, bases: I64, met: U64) -> _Sets:
    """Where the sets of rows that met are in their units, and how many rows have each."""
    rows: I64 = np.unique(met[:, :2]).astype(np.int64)
    starts, sizes, copies = np.empty((3, len(rows)), np.int64)
    for unit, first, last in _by_unit(bases, rows):
        place, local = count.unit(unit), rows[first:last] - bases[unit]
        places = mapped(place / "starts.npy")
        starts[first:last], sizes[first:last] = places[local], places[local + 1] - places[local]
        copies[first:last] = mapped(place / "copies.npy")[local]
    return _Sets(rows, starts, sizes, copies)


def _keys(count: Count, bases: I64, sets: _Sets) -> U64:
    """The keys of these sets, one behind the other. Of one unit at a time pages are in memory."""
    found = [np.empty(0, np.uint64)]
    for unit, first, last in _by_unit(bases, sets.rows_N):
        keys = mapped(count.unit(unit) / "keys.npy").view(np.ndarray)  # whose slices cost half as much
        spans = zip(sets.starts_N[first:last].tolist(), sets.sizes_N[first:last].tolist(), strict=True)
        found.append(np.concatenate([keys[start : start + size] for start, size in spans]))
    return np.concatenate(found)


def _by_unit(bases: I64, rows: I64) -> Iterator[tuple[int, int, int]]:
    """Each unit with rows among these, which ascend, and which of them are its."""
    units = np.searchsorted(bases, rows, side="right") - 1
    cuts = np.flatnonzero(np.diff(units, prepend=-1))
    for first, last in pairwise([*cuts.tolist(), len(rows)]):
        yield int(units[first]), first, last
