"""Rows with equal sets: each partition of their digests says which rows have the set of an earlier one.

Shapes: R records.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from phase0.dedup.flat import I64
from phase0.dedup.sets import U64
from phase0.partitioned.arrays import growing
from phase0.partitioned.exchange import received, sent, slices, sources, together
from phase0.partitioned.layout import Flags, Job, unit_of
from phase0.partitioned.units import DIGEST

_COST = 10 * 8 * DIGEST  # bytes of a record while it is sorted


class Same(NamedTuple):
    """What a task found in a partition."""

    rows: int  # that have the set of an earlier one
    sent: int  # bytes


def find_same(job: Job, partition: int) -> Same:
    """Write which rows have the set of an earlier one, and tell their units. Of what was read so far only the first row
    of each set is held."""
    bases = job.bases()
    found = slices(job.sent_by_units("sets"), partition)
    firsts = np.empty((0, DIGEST), np.uint64)
    with (
        growing(job.layout.same(partition), np.int64, 2, turned=True) as write,
        sent(job.layout.box("later", partition), 1, job.units) as outbox,
    ):
        for group in together(found, max(1, job.room // _COST)):
            records = received(group, DIGEST)
            records[:, 0] += bases[sources(group)].astype(np.uint64)
            firsts, later = _apart(np.concatenate((firsts, records)))
            write(later)
            units = unit_of(bases, later[:, 0])
            outbox.add((later[:, :1] - bases[units, None]).astype(np.uint64), units)
    return Same(outbox.records, outbox.bytes)


def _apart(records: U64) -> tuple[U64, I64]:
    """The first record of each set, and of every other its row and that of the first. Records come in ascending order
    of rows."""
    order = np.lexsort((records[:, 1], records[:, 2]))  # stable: rows stay in order
    ordered = records[order]
    leads = np.ones(len(ordered), np.bool_)
    leads[1:] = (ordered[1:, 1:] != ordered[:-1, 1:]).any(axis=1)
    first = ordered[leads, 0][np.cumsum(leads) - 1]
    later = np.stack((ordered[~leads, 0], first[~leads]), axis=1).astype(np.int64)
    return records[np.sort(order[leads])], later


def later_rows(job: Job, unit: int, rows: int) -> Flags:
    """Which of the rows of a unit have the set of an earlier row. Shape (D,)."""
    later = np.zeros(rows, np.bool_)
    later[received(slices(job.sent_by_partitions("later"), unit), 1)[:, 0].astype(np.int64)] = True
    return later
