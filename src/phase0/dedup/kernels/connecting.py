"""Which sets a chain of near-duplicates connects, without a list of pairs: sets that are connected are not compared.

Shapes: S keys, N sets in ascending order of size, E entries by partition of keys, X partitions, T slots of a table.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.compiling import I32, I64, SKETCHES, U64, Array, count, flag, kernel, nothing
from phase0.dedup.kernels.joining import (
    FOUND_BY_LARGER,
    KIND,
    SHIFT,
    at_least,
    may_reach,
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
    *(nothing, U64, I64, I64, SKETCHES, count, count, count, U64, I32, I32, I64, count, count, flag, I32, I64),
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
    keys_E: Array,
    sets_E: Array,
    rests_E: Array,
    starts_X1: Array,
    first: int,
    last: int,
    apart: bool,
    roots_N: Array,
    seen: Array,
) -> None:
    """Give the same root in `roots_N` to all sets with J >= p/q that meet in the partitions first to last - 1, and to
    those they connect. seen[0] grows by the pairs whose sketches were compared.

    `alike_E` says of an entry that it and all that stand behind it under its key are connected: then one of them is
    enough to know that there is nothing to compare.
    """
    widest = 0
    for part in range(first, last):
        widest = max(widest, starts_X1[part + 1] - starts_X1[part])
    tables, following, alike = (
        np.empty(table_size(widest), np.int32),
        np.empty(widest, np.int32),
        np.empty(widest, np.bool_),
    )
    other_kind = KIND * apart
    for part in range(first, last):
        begin, end = starts_X1[part], starts_X1[part + 1]
        keys, sets, rests = keys_E[begin:end], sets_E[begin:end], rests_E[begin:end]
        table = tables[: table_size(end - begin)]
        table[:] = -1
        for entry in range(len(keys)):
            key, one, kind = keys[entry], np.int64(sets[entry] >> SHIFT), sets[entry] & KIND
            size, start, mine = sizes_N[one], starts_N[one], root(roots_N, one)
            earlier = table[slot_of(keys, sets, table, key, kind ^ other_kind, bits)]
            while earlier >= 0 and sizes_N[sets[earlier] >> SHIFT] >= at_least(size, p, q):
                other, met = np.int64(sets[earlier] >> SHIFT), earlier
                earlier = following[earlier]
                if root(roots_N, other) == mine:
                    earlier = -1 if alike[met] else earlier
                    continue
                needed = at_least(size + sizes_N[other], p, p + q)
                if min(rests[entry], rests[met]) < needed:
                    continue
                seen[0] += 1
                if may_reach(sketches_N8, one, other, size + sizes_N[other] - 2 * needed):
                    there = starts_N[other]
                    if shared_keys(keys_S, start, start + size, there, there + sizes_N[other], needed) >= 0:
                        theirs = root(roots_N, other)
                        roots_N[max(mine, theirs)] = min(mine, theirs)
                        mine = min(mine, theirs)
                        earlier = -1 if alike[met] else earlier
            if sets[entry] & FOUND_BY_LARGER:
                home = slot_of(keys, sets, table, key, kind, bits)
                behind = table[home]
                alike[entry] = behind < 0 or (alike[behind] and root(roots_N, sets[behind] >> SHIFT) == mine)
                following[entry], table[home] = behind, entry
