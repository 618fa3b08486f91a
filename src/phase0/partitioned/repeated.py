"""The second count of equal sets: each partition of what says them tells which rows are the first of theirs, and how
many rows have it.

Shapes: R records, L different sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from phase0.dedup.flat import I64, U64
from phase0.dedup.recount import lowest
from phase0.dedup.results import Pair
from phase0.partitioned.exchange import received, sent, slices, sources, together
from phase0.partitioned.recounted import DIGEST, SET, Count

LEAD = 2  # numbers of a record of the exchange "leads": the row in its unit, how many rows have its set
_COST = 10 * 8 * DIGEST  # bytes of a record while it is sorted
_NONE = -1


class Repeated(NamedTuple):
    """What a task found in a partition."""

    pairs: int  # of rows that have one set
    rows: int  # in such pairs
    examples: Sequence[Pair]


class _Leads(NamedTuple):
    """Different sets."""

    sets_L3: U64  # noqa: N815 - the suffix is the shape
    firsts_L: I64  # noqa: N815 - the first row that has it
    seconds_L: I64  # noqa: N815 - and the second, or _NONE
    copies_L: I64  # noqa: N815 - how many have it


def find_repeated(count: Count, partition: int) -> Repeated:
    """Count rows with equal sets, and tell units which of their rows are the first. Of what was read so far only the
    different sets are held."""
    bases = count.bases()
    leads = _Leads(np.empty((0, SET), np.uint64), *np.empty((3, 0), np.int64))
    for group in together(slices(count.boxes("sets"), partition), max(1, count.room // _COST)):
        records = received(group, DIGEST)
        rows = records[:, SET].astype(np.int64) + bases[sources(group)]
        fresh = _Leads(records[:, :SET], rows, np.full(len(rows), _NONE), np.ones(len(rows), np.int64))
        leads = _collapsed(_both(leads, fresh))
    units = np.searchsorted(bases, leads.firsts_L, side="right") - 1
    with sent(count.box("leads", partition), LEAD, count.units) as outbox:
        told = np.stack((leads.firsts_L - bases[units], leads.copies_L), axis=1)
        outbox.add(told.astype(np.uint64), units)
    copies, again = leads.copies_L, leads.copies_L > 1
    sizes = leads.sets_L3[again, 0].astype(np.int64)
    shown = lowest([], leads.firsts_L[again], leads.seconds_L[again], sizes, sizes)
    return Repeated(int((copies * (copies - 1) // 2).sum()), int(copies[again].sum()), shown)


def _both(some: _Leads, more: _Leads) -> _Leads:
    sets = np.concatenate((some.sets_L3, more.sets_L3))
    return _Leads(sets, *(np.concatenate(columns) for columns in zip(some[1:], more[1:], strict=True)))


def _collapsed(leads: _Leads) -> _Leads:
    """Equal sets become one. They come in the order of rows, those that were collapsed before first."""
    sets, firsts, seconds, copies = leads
    order = np.lexsort(sets.T)  # stable
    ordered = sets[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    at = np.flatnonzero(begins)
    if not len(at):
        return leads
    following = order[np.minimum(at + 1, len(order) - 1)]
    is_alone = np.diff(at, append=len(order)) == 1
    second = np.where((seconds[order[at]] != _NONE) | is_alone, seconds[order[at]], firsts[following])
    return _Leads(sets[order[at]], firsts[order[at]], second, np.add.reduceat(copies[order], at))
