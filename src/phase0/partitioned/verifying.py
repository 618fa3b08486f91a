"""Which of the rows that met are near-duplicates: every unit counts what its rows share with those they met.

Two rows may meet in several partitions; a meeting counts where it is at the first key that both have, or in the first
band in which they agree. So every pair is found once, and nobody remembers pairs. Shapes: P pairs, N sets, A bands.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from phase0.dedup.bands import Banding
from phase0.dedup.flat import I64
from phase0.dedup.kernels.arranging import arrange
from phase0.dedup.kernels.joining import count_pairs
from phase0.dedup.kernels.partitioning import count_met
from phase0.dedup.sets import U64
from phase0.partitioned.arrays import growing, mapped
from phase0.partitioned.entries import numbered_bands, signed_bands
from phase0.partitioned.exchange import received, slices, together
from phase0.partitioned.layout import Flags, Job, Layout, unit_of
from phase0.partitioned.meeting import MET

_PAIR, _BAND = 200, 16  # bytes of a pair while it is counted, beside the sets, and of each band in which it may agree
_AT_ONCE = 1 << 20  # pairs


class Sets(NamedTuple):
    """Sets of some rows."""

    keys_S: U64  # noqa: N815 - the suffix is the shape
    starts_N: I64  # noqa: N815
    sizes_N: I64  # noqa: N815


class Verified(NamedTuple):
    """What a task found in a unit."""

    met: int
    pairs: int


def find_pairs(job: Job, unit: int) -> Verified:
    """Write which of the rows that met are near-duplicates, for those whose earlier row is in this unit."""
    bases, met, pairs = job.bases(), 0, 0
    cost = _PAIR + _BAND * (job.rule.banding.bands if job.rule.banding else 0)
    found = slices(job.sent_by_partitions("met"), unit)
    with growing(job.layout.pairs(unit), np.int64, 4, turned=True) as write:
        for group in together(found, max(1, min(_AT_ONCE, job.room // (2 * cost)))):
            records = received(group, MET)
            met += len(records)
            for part in _that_fit(job, bases, records):
                true = _counted(job, bases, part)
                write(true)
                pairs += len(true)
    return Verified(met, pairs)


def _that_fit(job: Job, bases: I64, records: U64) -> Iterator[U64]:
    """Records in parts whose sets fit into memory."""
    waiting = [records]
    while waiting:
        part = waiting.pop()
        rows = _rows_of(part)
        if len(part) > 1 and 8 * int(_spans(job.layout, bases, rows).sizes_N.sum()) > job.room // 2:
            waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
        elif len(part):
            yield part


def _rows_of(records: U64) -> I64:
    rows: I64 = np.unique(records[:, :2]).astype(np.int64)
    return rows


def _counted(job: Job, bases: I64, records: U64) -> I64:
    """Shape (P, 4): the pairs among these meetings; columns as `layout.Layout.pairs` says."""
    rows = _rows_of(records)
    sets = _gathered(job.layout, bases, rows)
    ones, others = (np.searchsorted(rows, records[:, side].astype(np.int64)) for side in (0, 1))
    shared = np.full(len(records), -1, np.int64)
    ratio = job.rule.threshold.as_integer_ratio()
    if job.rule.banding is None:
        count_met(*sets, *ratio, ones, others, records[:, 2].copy(), shared)
    else:
        first = np.flatnonzero(_met_first(sets, job.rule.banding, ones, others, records[:, 2]))
        counted = np.empty(len(first), np.int32)
        count_pairs(*sets, *ratio, ones[first].astype(np.int32), others[first].astype(np.int32), counted)
        shared[first] = counted
    true = np.flatnonzero(shared >= 0)
    union = sets.sizes_N[ones[true]] + sets.sizes_N[others[true]] - shared[true]
    return np.stack((rows[ones[true]], rows[others[true]], shared[true], union), axis=1)


def _met_first(sets: Sets, banding: Banding, ones: I64, others: I64, keys: U64) -> Flags:
    """Of each meeting whether it is in the first band in which both agree. Shape (P,)."""
    bands = signed_bands(*sets, banding)
    first = np.full(len(ones), -1, np.int64)
    for band in range(banding.bands - 1, -1, -1):
        first[bands[band, ones] == bands[band, others]] = band
    mixed = numbered_bands(bands[first, ones], first)
    is_first: Flags = (first >= 0) & (mixed == keys)
    return is_first


def _spans(layout: Layout, bases: I64, rows: I64) -> Sets:
    """Where the sets of some rows, which ascend, are in the files of their units; no keys."""
    starts, sizes = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    for unit, first, last in _by_unit(bases, rows):
        places = mapped(layout.unit(unit) / "starts.npy")
        local = rows[first:last] - bases[unit]
        starts[first:last] = places[local]
        sizes[first:last] = places[local + 1] - starts[first:last]
    return Sets(np.empty(0, np.uint64), starts, sizes)


def _gathered(layout: Layout, bases: I64, rows: I64) -> Sets:
    """The sets of some rows, which ascend, one behind the other. Of one unit at a time pages are in memory."""
    _, begins, sizes = _spans(layout, bases, rows)
    starts = np.cumsum(sizes) - sizes
    keys = np.empty(int(sizes.sum()), np.uint64)
    for unit, first, last in _by_unit(bases, rows):
        end = int(starts[last - 1] + sizes[last - 1])
        order = np.arange(last - first)
        arrange(
            *(mapped(layout.unit(unit) / "keys.npy"), begins[first:last], sizes[first:last]),
            *(order, keys[int(starts[first]) : end]),
        )
    return Sets(keys, starts, sizes)


def _by_unit(bases: I64, rows: I64) -> Iterator[tuple[int, int, int]]:
    """Each unit with rows among these, which ascend, and which of them are its."""
    units = unit_of(bases, rows)
    cuts = np.flatnonzero(np.diff(units, prepend=-1))
    for first, last in pairwise([*cuts.tolist(), len(rows)]):
        yield int(units[first]), first, last
