"""Which sets are near-duplicates: a prefix-filter join (Bayardo, Ma and Srikant 2007; Xiao et al. 2008), exact.

Two sets with J >= p/q share one of the first |x| - ceil(|x| p/q) + 1 keys of each. If y is the smaller, its first
|y| - ceil(2 p |y| / (p + q)) + 1 do, as they share at least (|x| + |y|) p / (p + q). So each key of a prefix becomes an
entry, sets meet at the first key they share, and what they share from there on is counted. All is in integers.

Shapes: D rows, S keys, N sets in ascending order of size, E entries by partition of keys, X partitions, P pairs.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.bits import ones
from phase0.dedup.kernels.compiling import I32, I64, SKETCHES, U64, Array, count, flag, kernel, nothing

_ONE = np.uint64(1)


@kernel(count, U64, U64, I64, I64, I32, allocates=True)
def collapse(prints_D: Array, keys_S: Array, starts_D: Array, sizes_D: Array, same_D: Array) -> int:
    """The first row with the same set as each, -1 for the empty set. Answers how many different sets there are."""
    slots = 16
    while slots < 2 * len(prints_D):
        slots *= 2
    table = np.full(slots, -1, np.int32)
    mask = np.uint64(slots - 1)
    distinct = 0
    for row in range(len(prints_D)):
        same_D[row] = -1
        size = sizes_D[row]
        slot = (prints_D[row] ^ prints_D[row] >> np.uint64(32)) & mask
        while size and same_D[row] < 0:
            other = table[slot]
            if other < 0:
                table[slot] = row
                same_D[row] = row
                distinct += 1
            elif prints_D[other] == prints_D[row] and sizes_D[other] == size:
                here, there, i = starts_D[row], starts_D[other], 0
                while i < size and keys_S[here + i] == keys_S[there + i]:
                    i += 1
                if i == size:
                    same_D[row] = other
            slot = (slot + _ONE) & mask
    return distinct


@kernel(count, count, count, count)
def at_least(size: int, part: int, whole: int) -> int:
    """ceil(size * part / whole)."""
    return -(-size * part // whole)


@kernel(nothing, U64, I64, I64, count, count, count, count, count, I64)
def count_entries(
    keys_S: Array,
    starts_N: Array,
    sizes_N: Array,
    first: int,
    last: int,
    p: int,
    q: int,
    bits: int,
    counts_X: Array,
) -> None:
    """How many entries of the sets `first` to `last - 1` fall into each partition: the lowest `bits` bits of a key."""
    mask = np.uint64((1 << bits) - 1)
    for one in range(first, last):
        for i in range(starts_N[one], starts_N[one] + sizes_N[one] - at_least(sizes_N[one], p, q) + 1):
            counts_X[keys_S[i] & mask] += 1


@kernel(nothing, U64, I64, I64, count, count, count, count, count, I64, U64, U64, I32, I32)
def place_entries(
    keys_S: Array,
    starts_N: Array,
    sizes_N: Array,
    first: int,
    last: int,
    p: int,
    q: int,
    bits: int,
    next_X: Array,
    keys_E: Array,
    befores_E: Array,
    sets_E: Array,
    rests_E: Array,
) -> None:
    """Write the entries of the sets `first` to `last - 1` from `next_X` on: the key, the one before it (the key
    itself where it is the first), the set * 2 + whether larger sets may look for it there, and how many keys of the set
    there are from this one on."""
    mask = np.uint64((1 << bits) - 1)
    for one in range(first, last):
        start, size = starts_N[one], sizes_N[one]
        found_by_larger = size - at_least(2 * size, p, p + q) + 1
        for i in range(size - at_least(size, p, q) + 1):
            entry = next_X[keys_S[start + i] & mask]
            keys_E[entry] = keys_S[start + i]
            befores_E[entry] = keys_S[start + max(i - 1, 0)]
            sets_E[entry] = 2 * one + (i < found_by_larger)
            rests_E[entry] = size - i
            next_X[keys_S[start + i] & mask] = entry + 1


@kernel(count, U64, count, count, count, count, count)
def shared_keys(keys_S: Array, here: int, here_end: int, there: int, there_end: int, needed: int) -> int:
    """How many keys two ascending runs share, or -1 as soon as it must be fewer than `needed`."""
    shared = 0
    while here < here_end and there < there_end:
        if shared + min(here_end - here, there_end - there) < needed:
            return -1
        mine, theirs = keys_S[here], keys_S[there]
        shared += mine == theirs
        here += mine <= theirs
        there += theirs <= mine
    return shared if shared >= needed else -1


@kernel(count, U64, count, count, count, count, U64.dtype, count)
def meet(keys_S: Array, here: int, here_end: int, there: int, there_end: int, key: int, needed: int) -> int:
    """How many keys two sets share, or -1 if they are fewer than `needed` or `key` is not the first of them (then the
    sets meet elsewhere)."""
    while keys_S[here] != keys_S[there]:
        if keys_S[here] < keys_S[there]:
            here += 1
        else:
            there += 1
    if keys_S[here] != key:
        return -1
    return shared_keys(keys_S, here, here_end, there, there_end, needed)


@kernel(count, count)
def table_size(entries: int) -> int:
    """A power of two, at least 16, that leaves half of a hash table free."""
    slots = 16
    while slots < 2 * entries:
        slots *= 2
    return slots


@kernel(flag, SKETCHES, count, count, count)
def may_reach(sketches_N8: Array, one: int, other: int, most: int) -> bool:
    """Whether two sets may differ in at most `most` keys: their sketches differ in at most as many bits."""
    differing = 0
    for i in range(8):
        differing += ones(sketches_N8[one, i] ^ sketches_N8[other, i])
    return differing <= most


@kernel(
    *(count, U64, I64, I64, SKETCHES, count, count, count, U64, U64, I32, I32, I64, count, count),
    *(I32, I32, I32, I64),
    allocates=True,
)
def join(
    keys_S: Array,
    starts_N: Array,
    sizes_N: Array,
    sketches_N8: Array,
    p: int,
    q: int,
    bits: int,
    keys_E: Array,
    befores_E: Array,
    sets_E: Array,
    rests_E: Array,
    starts_X1: Array,
    first: int,
    last: int,
    ones_P: Array,
    others_P: Array,
    shared_P: Array,
    seen: Array,
) -> int:
    """Every pair with J >= p/q that meets in the partitions first to last - 1. Answers how many, also where they are
    more than there is room for. seen[0] grows by the pairs whose sketches were compared."""
    widest = 0
    for part in range(first, last):
        widest = max(widest, starts_X1[part + 1] - starts_X1[part])
    table, following = np.empty(table_size(widest), np.int32), np.empty(widest, np.int32)
    found = 0
    for part in range(first, last):
        begin, end = starts_X1[part], starts_X1[part + 1]
        keys, befores, sets, rests = keys_E[begin:end], befores_E[begin:end], sets_E[begin:end], rests_E[begin:end]
        slots = table_size(len(keys))
        mask = np.uint64(slots - 1)
        table[:slots] = -1
        for entry in range(len(keys)):
            key, one, rest = keys[entry], np.int64(sets[entry] >> 1), rests[entry]
            slot = (key >> np.uint64(bits)) & mask
            while table[slot] >= 0 and keys[table[slot]] != key:
                slot = (slot + _ONE) & mask
            size, start = sizes_N[one], starts_N[one]
            smallest = at_least(size, p, q)
            earlier = table[slot]
            while earlier >= 0:  # from the largest down, as entries came in ascending order of size
                other, other_rest = np.int64(sets[earlier] >> 1), rests[earlier]
                met_before = befores[earlier] == befores[entry] != key
                if sizes_N[other] < smallest:
                    break
                earlier = following[earlier]
                if met_before:  # nine of ten times that near-duplicates meet again, known without a look at their sets
                    continue
                sizes = size + sizes_N[other]
                # If this is the first key they share, they share too few. Said without a division, which took a tenth.
                if min(rest, other_rest) * (p + q) < sizes * p:
                    continue
                needed = at_least(sizes, p, p + q)
                seen[0] += 1
                if may_reach(sketches_N8, one, other, sizes - 2 * needed):
                    there = starts_N[other]
                    shared = meet(keys_S, start, start + size, there, there + sizes_N[other], key, needed)
                    if shared >= 0:
                        if found < len(ones_P):
                            ones_P[found], others_P[found], shared_P[found] = one, other, shared
                        found += 1
            if sets[entry] & 1:
                following[entry] = table[slot]
                table[slot] = entry
    return found
