"""Which sets a chain of near-duplicates connects, without a list of pairs: sets that are connected are not compared.

Shapes: S keys, N sets in ascending order of size, E entries by partition of keys, X partitions, T slots of a table.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.compiling import ENTRIES, FLAGS, I32, I64, SKETCHES, U64, Array, count, flag, kernel, nothing
from phase0.dedup.kernels.joining import (
    FOUND_BY_LARGER,
    KEY,
    KIND,
    SHIFT,
    at_least,
    may_reach,
    owner,
    rest,
    shared_keys,
    slot_of,
    table_size,
)


@kernel(count, I32, count)
def root(roots_N: Array, one: int) -> int:
    """The set that stands for all that this one is connected with. Ways to it are halved in passing."""
    while roots_N[one] != one:
        roots_N[one] = roots_N[roots_N[one]]
        one = roots_N[one]
    return one


@kernel(
    *(nothing, U64, I64, I64, SKETCHES, count, count, count, ENTRIES),
    *(I32, I32, FLAGS, count, I32, I64),
)
def connect_partition(
    keys_S: Array,
    starts_N: Array,
    sizes_N: Array,
    sketches_N8: Array,
    p: int,
    q: int,
    bits: int,
    entries_E3: Array,
    table_T: Array,
    following_E: Array,
    alike_E: Array,
    other_kind: int,
    roots_N: Array,
    seen: Array,
) -> None:
    """See `connect_sets`. `table_T` comes as -1.

    `alike_E` becomes true where an entry and all that stand behind it under its key are connected: then one of them is
    enough to know that there is nothing to compare.
    """
    for entry in range(len(entries_E3)):
        key, owned = entries_E3[entry, KEY], owner(entries_E3, entry)
        one, kind = owned >> SHIFT, owned & KIND
        size, start, mine = sizes_N[one], starts_N[one], root(roots_N, one)
        earlier = table_T[slot_of(entries_E3, table_T, key, kind ^ other_kind, bits)]
        while earlier >= 0 and sizes_N[owner(entries_E3, earlier) >> SHIFT] >= at_least(size, p, q):
            other, met = owner(entries_E3, earlier) >> SHIFT, earlier
            earlier = following_E[earlier]
            needed = at_least(size + sizes_N[other], p, p + q)
            if root(roots_N, other) != mine:
                if min(rest(entries_E3, entry), rest(entries_E3, met)) < needed:
                    continue
                seen[0] += 1
                if not may_reach(sketches_N8, one, other, size + sizes_N[other] - 2 * needed):
                    continue
                there = starts_N[other]
                if shared_keys(keys_S, start, start + size, there, there + sizes_N[other], needed) < 0:
                    continue
                theirs = root(roots_N, other)
                roots_N[max(mine, theirs)] = min(mine, theirs)
                mine = min(mine, theirs)
            if alike_E[met]:
                break
        if owned & FOUND_BY_LARGER:
            home = slot_of(entries_E3, table_T, key, kind, bits)
            behind = table_T[home]
            next_one = owner(entries_E3, max(behind, 0)) >> SHIFT
            alike_E[entry] = behind < 0 or (alike_E[behind] and root(roots_N, next_one) == mine)
            following_E[entry], table_T[home] = behind, entry


@kernel(
    *(nothing, U64, I64, I64, SKETCHES, count, count, count, ENTRIES, I64, count, count, flag, I32, I64),
    allocates=True,
)
def connect_sets(
    keys_S: Array,
    starts_N: Array,
    sizes_N: Array,
    sketches_N8: Array,
    p: int,
    q: int,
    bits: int,
    entries_E3: Array,
    starts_X1: Array,
    first: int,
    last: int,
    apart: bool,
    roots_N: Array,
    seen: Array,
) -> None:
    """Give the same root in `roots_N` to all sets with J >= p/q, of different kind if `apart`, else of equal kind, that
    meet in the partitions first to last - 1, and to those they connect. seen[0] grows by the pairs whose sketches were
    compared."""
    widest = 0
    for part in range(first, last):
        widest = max(widest, starts_X1[part + 1] - starts_X1[part])
    tables, following = np.empty(table_size(widest), np.int32), np.empty(widest, np.int32)
    alike, other_kind = np.empty(widest, np.bool_), KIND * apart
    for part in range(first, last):
        begin, end = starts_X1[part], starts_X1[part + 1]
        table = tables[: table_size(end - begin)]
        table[:] = -1
        connect_partition(
            *(keys_S, starts_N, sizes_N, sketches_N8, p, q, bits, entries_E3[begin:end], table, following),
            *(alike, other_kind, roots_N, seen),
        )
