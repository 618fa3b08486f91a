"""Where records of a partition meet: rows that may be near-duplicates go to the unit of the earlier one, which counts
what they share.

Records are held a block at a time, and joined within each block and between any two, so that a key that very many rows
have takes time and no more memory. Shapes: R records, P pairs of rows that met.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from phase0.dedup.flat import I64
from phase0.dedup.kernels.joining import table_size
from phase0.dedup.kernels.partitioning import LATER, WIDTH, meet_records
from phase0.dedup.sets import U64
from phase0.partitioned.exchange import Outbox, Slice, received, sent, slices, together
from phase0.partitioned.layout import Job, unit_of

MET = 3  # numbers of a record of two rows that met: the earlier row, the later one, the key
_COST = 2 * 8 * WIDTH + 32  # bytes of a record while its block is sorted
_CACHED = 16_384  # records that are joined at once, as long as their keys differ: with their table in a core's cache
_ROOM = 1 << 16  # pairs that are sent together, or more where there are more records at once


class Met(NamedTuple):
    """What a task found in a partition."""

    records: int
    compared: int  # sketches
    met: int
    sent: int  # bytes


def find_meetings(job: Job, partition: int) -> Met:
    """Send every two rows that meet in this partition and may reach the threshold to the unit of the earlier one."""
    found = slices(job.sent_by_units("entries"), partition)
    bases, compared = job.bases(), 0
    with sent(job.layout.box("met", partition), MET, job.units) as outbox:
        for records, apart in _blocks(found, max(1, job.room // _COST)):
            compared += _join(job, records, outbox, bases, apart=apart)
    return Met(sum(piece.records for piece in found), compared, outbox.records, outbox.bytes)


def _blocks(found: list[Slice], most: int) -> Iterator[tuple[U64, bool]]:
    """Records that are joined together, and whether only those are that are LATER with those that are not."""
    groups = together(found, most)
    if len(groups) > 1:  # two of them are held at once
        groups = together(found, max(1, most // 2))
    for at, group in enumerate(groups):
        yield received(group, WIDTH), False
        for other in groups[at + 1 :]:
            records = received([*group, *other], WIDTH)
            records[sum(piece.records for piece in group) :, 2] |= np.uint64(LATER)
            yield records, True


def _join(job: Job, records: U64, outbox: Outbox, bases: I64, *, apart: bool) -> int:
    """Answers how many sketches were compared."""
    bits = max(0, (len(records) // _CACHED).bit_length())
    records, starts = _by_key_and_size(records, job.bits, bits)
    widest = int(np.diff(starts).max(initial=0))
    table, following = np.empty(table_size(widest), np.int32), np.empty(widest, np.int32)
    met, seen = np.empty((max(_ROOM, 2 * widest), MET), np.uint64), np.zeros(2, np.int64)
    ratio = job.rule.threshold.as_integer_ratio()
    for first, last in pairwise(starts.tolist()):
        part, slots = records[first:last], table[: table_size(last - first)]
        slots[:] = -1
        at = 0
        while at < last - first:
            at = meet_records(part, slots, following, at, *ratio, job.bits + bits, apart, met, seen)
            if at < last - first:
                _send(met[: seen[0]], outbox, bases)
                seen[0] = 0
    _send(met[: seen[0]], outbox, bases)
    return int(seen[1])


def _send(met: U64, outbox: Outbox, bases: I64) -> None:
    outbox.add(met, unit_of(bases, met[:, 0].astype(np.int64)))


def _by_key_and_size(records: U64, shift: int, bits: int) -> tuple[U64, I64]:
    """Records grouped by `bits` bits of their keys, in each group the smaller sets first; and where groups begin."""
    sizes = records[:, 3] >> np.uint64(32)
    narrow = sizes.astype(np.uint16) if sizes.max(initial=np.uint64(0)) < 1 << 16 else sizes
    order = np.argsort(narrow, kind="stable")  # numpy sorts narrow numbers by their digits
    group = ((records[:, 0] >> np.uint64(shift)) & np.uint64((1 << bits) - 1)).astype(np.uint16 if bits <= 16 else int)
    order = order[np.argsort(group[order], kind="stable")]
    starts = np.concatenate(([0], np.cumsum(np.bincount(group, minlength=1 << bits))))
    return records[order], starts
