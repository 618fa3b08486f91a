"""Which sets are near-duplicates: a prefix-filter join (Bayardo, Ma and Srikant 2007; Xiao et al. 2008), exact.

Two sets with J >= p/q share one of the first |x| - ceil(|x| p/q) + 1 keys of each. If y is the smaller, its first
|y| - ceil(2 p |y| / (p + q)) + 1 do, as they share at least (|x| + |y|) p / (p + q). So each key of a prefix becomes an
entry, sets meet at the first key they share, and what they share from there on is counted. All is in integers.

Sets are of one of two kinds, and a join answers pairs of equal kind or pairs of different kind (`apart`): the latter
join what is new with what was decided, without looking at pairs within either.

Shapes: D rows, S keys, N sets in ascending order of size, E entries by partition of keys, X partitions, P pairs, T
slots of a table, Z sizes, M meetings.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.bits import alike8, differing512
from phase0.dedup.kernels.compiling import (
    BYTES,
    ENTRIES,
    I32,
    I64,
    SKETCHES,
    U64,
    Array,
    count,
    flag,
    kernel,
    nothing,
    two_counts,
    word,
)

KEY, BEFORE, OWNED, ENTRY_WORDS = 0, 1, 2, 3  # an entry: in one place, so that it is fetched at once
REST_BITS = 32  # the owner of an entry stands above how many keys its set has from there on
FOUND_BY_LARGER, KIND, SHIFT = 1, 2, 2  # an owner is set << SHIFT, its kind, and who may find it there
NO_KEYS, WHOLE_SETS, PREFIXES = 0, 1, 2  # what may be looked up of sets that may be a pair
_ONE = np.uint64(1)
_REST_BITS, _REST = np.uint64(REST_BITS), np.uint64((1 << REST_BITS) - 1)
_TOGETHER = 1024  # meetings that are looked at together: they stay in a core's nearest cache


@kernel(nothing, U64, U64, I64, I64, count, count, I32, I32)
def collapse(
    prints_D: Array,
    keys_S: Array,
    starts_D: Array,
    sizes_D: Array,
    first: int,
    last: int,
    table_T: Array,
    same_D: Array,
) -> None:
    """The first row with the same set as each of the rows `first` to `last - 1`, -1 for the empty set.

    `table_T` comes as -1 to the first call, and as the last one left it to the next.
    """
    mask = np.uint64(len(table_T) - 1)
    for row in range(first, last):
        same_D[row] = -1
        size = sizes_D[row]
        slot = (prints_D[row] ^ prints_D[row] >> np.uint64(32)) & mask
        while size and same_D[row] < 0:
            other = table_T[slot]
            if other < 0:
                table_T[slot] = row
                same_D[row] = row
            elif prints_D[other] == prints_D[row] and sizes_D[other] == size:
                here, there, i = starts_D[row], starts_D[other], 0
                while i < size and keys_S[here + i] == keys_S[there + i]:
                    i += 1
                if i == size:
                    same_D[row] = other
            slot = (slot + _ONE) & mask


@kernel(count, count, count, count)
def at_least(size: int, part: int, whole: int) -> int:
    """ceil(size * part / whole)."""
    return -(-size * part // whole)


@kernel(count, count, count, count)
def prefix(size: int, p: int, q: int) -> int:
    """How many keys of a set of this size, which is not empty, are its prefix at p/q."""
    return size - at_least(size, p, q) + 1


@kernel(count, U64, I64, count, count, I64)
def cut_to_prefixes(keys_S: Array, sizes_D: Array, p: int, q: int, held_D: Array) -> int:
    """Keep the prefixes alone of sets that lie behind one another, in place and without gaps; `held_D` becomes their
    sizes. Answers how many keys there are."""
    start, to = 0, 0
    for row in range(len(sizes_D)):
        held_D[row] = prefix(sizes_D[row], p, q) if sizes_D[row] > 0 else 0
        for i in range(held_D[row]):
            keys_S[to + i] = keys_S[start + i]
        start += sizes_D[row]
        to += held_D[row]
    return to


@kernel(nothing, U64, I64, I64, count, count, count, count, count, I64)
def count_entries(
    keys_S: Array, starts_N: Array, sizes_N: Array, first: int, last: int, p: int, q: int, bits: int, counts_X: Array
) -> None:
    """How many entries of the sets `first` to `last - 1` fall into each partition: the lowest `bits` bits of a key."""
    mask = np.uint64((1 << bits) - 1)
    for one in range(first, last):
        for i in range(starts_N[one], starts_N[one] + prefix(sizes_N[one], p, q)):
            counts_X[keys_S[i] & mask] += 1


@kernel(nothing, U64, I64, I64, BYTES, count, count, count, count, count, I64, ENTRIES)
def place_entries(
    keys_S: Array,
    starts_N: Array,
    sizes_N: Array,
    kinds_N: Array,
    first: int,
    last: int,
    p: int,
    q: int,
    bits: int,
    next_X: Array,
    entries_E3: Array,
) -> None:
    """Write the entries of the sets `first` to `last - 1` from `next_X` on, except where that is -1: the key, the one
    before it (the key itself where it is the first), the set with its kind and whether larger sets may look for it
    there, and how many keys of it there are from this one on."""
    mask = np.uint64((1 << bits) - 1)
    for one in range(first, last):
        start, size = starts_N[one], sizes_N[one]
        found_by_larger = size - at_least(2 * size, p, p + q) + 1
        for i in range(prefix(size, p, q)):
            key = keys_S[start + i]
            entry = next_X[key & mask]
            if entry >= 0:
                entries_E3[entry, KEY] = key
                entries_E3[entry, BEFORE] = keys_S[start + max(i - 1, 0)]
                owned = one << SHIFT | np.int64(kinds_N[one]) * KIND | (i < found_by_larger)
                entries_E3[entry, OWNED] = np.uint64(owned) << _REST_BITS | np.uint64(size - i)
                next_X[key & mask] = entry + 1


@kernel(count, ENTRIES, count, inline=True)
def owner(entries_E3: Array, entry: int) -> int:
    """Whose an entry is."""
    return np.int64(entries_E3[entry, OWNED] >> _REST_BITS)


@kernel(count, ENTRIES, count, inline=True)
def rest(entries_E3: Array, entry: int) -> int:
    """How many keys its set has from an entry on."""
    return np.int64(entries_E3[entry, OWNED] & _REST)


@kernel(count, U64, count, count, count, count, count)
def shared_keys(keys_S: Array, here: int, here_end: int, there: int, there_end: int, needed: int) -> int:
    """How many keys two ascending runs share, or -1 as soon as it must be fewer than `needed`."""
    shared = 0
    while here < here_end and there < there_end:
        left = min(here_end - here, there_end - there)
        if shared + left < needed:
            return -1
        if left > 8:  # near-duplicates have some keys in a row in common: a step for each takes 2.5 times as long
            alike = alike8(keys_S, here, there)
            shared += alike
            here += alike
            there += alike
        mine, theirs = keys_S[here], keys_S[there]
        shared += mine == theirs
        here += mine <= theirs
        there += theirs <= mine
    return shared if shared >= needed else -1


@kernel(count, U64, count, count, count, count, word, count)
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
    return differing512(sketches_N8, one, other) <= most


@kernel(count, ENTRIES, I32, word, count, count)
def slot_of(entries_E3: Array, table_T: Array, key: int, kind: int, bits: int) -> int:
    """Where sets of this kind with this key are, or begin to be, in the table of a partition."""
    mask = np.uint64(len(table_T) - 1)
    slot = (key >> np.uint64(bits)) & mask
    while table_T[slot] >= 0:
        found = table_T[slot]
        if entries_E3[found, KEY] == key and owner(entries_E3, found) & KIND == kind:
            break
        slot = (slot + _ONE) & mask
    return slot


@kernel(two_counts, I64, I64, count, count, count, ENTRIES, I32, I32, count, count, I32, I32, I64, U64)
def meetings(
    sizes_N: Array,
    ends_Z: Array,
    p: int,
    q: int,
    bits: int,
    entries_E3: Array,
    table_T: Array,
    following_E: Array,
    apart: int,
    entry: int,
    ones_M: Array,
    others_M: Array,
    mosts_M: Array,
    keys_M: Array,
) -> tuple[int, int]:
    """Note sets that meet in a partition from `entry` on: both, in how many keys they may differ, and the key. Answers
    how many, and the entry to go on from. `table_T` comes as -1 to the first call; an entry may meet all before it."""
    size, larger, least, fewest, found = 0, 0, 0, 0, 0
    while entry < len(entries_E3) and found < _TOGETHER:
        key, before, owned = entries_E3[entry, KEY], entries_E3[entry, BEFORE], owner(entries_E3, entry)
        one, left, kind = owned >> SHIFT, rest(entries_E3, entry), owned & KIND
        if one >= larger:  # sizes come in ascending order: so each is looked up once, not for every entry
            size = sizes_N[one]
            larger, smallest = ends_Z[size], at_least(size, p, q)
            least, fewest = ends_Z[smallest - 1], (size + smallest) * p
        slot = slot_of(entries_E3, table_T, key, kind ^ apart, bits)
        earlier = table_T[slot]
        while earlier >= 0:  # from the largest down, as entries came in ascending order of size
            other, most = owner(entries_E3, earlier) >> SHIFT, min(left, rest(entries_E3, earlier)) * (p + q)
            if other < least:
                break
            met_before = entries_E3[earlier, BEFORE] == before != key
            earlier = following_E[earlier]
            # Nine of ten times that near-duplicates meet again, known without a look at their sets; and what would
            # share too few even with the smallest set, if this is the first key they share.
            if met_before or most < fewest:
                continue
            sizes = size + sizes_N[other]
            if most < sizes * p:  # said without a division, which took a tenth
                continue
            ones_M[found], others_M[found], keys_M[found] = one, other, key
            mosts_M[found] = sizes - 2 * at_least(sizes, p, p + q)
            found += 1
        if owned & FOUND_BY_LARGER:
            home = slot_of(entries_E3, table_T, key, kind, bits) if apart else slot
            following_E[entry] = table_T[home]
            table_T[home] = entry
        entry += 1
    return found, entry


@kernel(count, SKETCHES, count, I32, I32, I64, U64)
def possible(sketches_N8: Array, met: int, ones_M: Array, others_M: Array, mosts_M: Array, keys_M: Array) -> int:
    """Leave of the first `met` meetings those whose sketches allow it. Answers how many.

    Nothing here is waited for: a processor fetches the sketches of many meetings at once, where a loop that went on
    with each of them waited for every one.
    """
    left = 0
    for i in range(met):
        may = may_reach(sketches_N8, ones_M[i], others_M[i], mosts_M[i])
        ones_M[left], others_M[left], mosts_M[left], keys_M[left] = ones_M[i], others_M[i], mosts_M[i], keys_M[i]
        left += np.int64(may)
    return left


@kernel(count, U64, I64, I64, count, count, I32, I32, I64, U64, count, count, I32, I32, I32)
def verified(
    keys_S: Array,
    starts_N: Array,
    sizes_N: Array,
    known: int,
    left: int,
    ones_M: Array,
    others_M: Array,
    mosts_M: Array,
    keys_M: Array,
    most_pairs: int,
    found: int,
    ones_P: Array,
    others_P: Array,
    shared_P: Array,
) -> int:
    """Write those of the first `left` meetings that are pairs (see `join`). `found` pairs were found before; answers
    how many there are, or `most_pairs` + 1 as soon as they are more."""
    counted = np.int64(known == WHOLE_SETS)
    for i in range(left):
        one, other, shared = np.int64(ones_M[i]), np.int64(others_M[i]), np.int64(0)
        if known != NO_KEYS:  # of prefixes it is known where they meet, but not what they share from there on
            start, there = starts_N[one], starts_N[other]
            size, other_size = counted * sizes_N[one], counted * sizes_N[other]
            needed = (size + other_size - counted * mosts_M[i]) // 2
            shared = meet(keys_S, start, start + size, there, there + other_size, keys_M[i], needed)
        if shared >= 0:
            if found < len(ones_P):
                ones_P[found], others_P[found], shared_P[found] = one, other, shared
            found += 1
            if found > most_pairs:
                return found
    return found


@kernel(
    *(count, U64, I64, I64, I64, SKETCHES, count, count, count, ENTRIES, I64, count, count, flag, count),
    *(I64, I32, I32, I32, I64),
    allocates=True,
)
def join(
    keys_S: Array,
    starts_N: Array,
    sizes_N: Array,
    ends_Z: Array,
    sketches_N8: Array,
    p: int,
    q: int,
    bits: int,
    entries_E3: Array,
    starts_X1: Array,
    first: int,
    last: int,
    apart: bool,
    known: int,
    limits: Array,
    ones_P: Array,
    others_P: Array,
    shared_P: Array,
    seen: Array,
) -> int:
    """Every pair with J >= p/q, of different kind if `apart`, else of equal kind, that meets in the partitions first to
    last - 1. No set is empty, and ends_Z[z] have no more than z keys.

    Answers how many pairs, also where they are more than there is room for. It stops, and answers limits[0] + 1, where
    they are more than limits[0], or where more than limits[1] sketches would be compared.

    Unless WHOLE_SETS are known, pairs are those whose sketches allow it: some of them do not reach p/q. Where NO_KEYS
    are looked up they come once for each key they meet at. seen[0] grows by how many sketches were compared.
    """
    widest, other_kind, found = 0, KIND * apart, 0
    for part in range(first, last):
        widest = max(widest, starts_X1[part + 1] - starts_X1[part])
    table, following = np.empty(table_size(widest), np.int32), np.empty(widest, np.int32)
    room = widest + _TOGETHER
    ones_M, others_M = np.empty(room, np.int32), np.empty(room, np.int32)
    mosts_M, keys_M = np.empty(room, np.int64), np.empty(room, np.uint64)
    for part in range(first, last):
        begin, end, at = starts_X1[part], starts_X1[part + 1], 0
        slots = table_size(end - begin)
        table[:slots] = -1
        while at < end - begin:
            met, at = meetings(
                *(sizes_N, ends_Z, p, q, bits, entries_E3[begin:end], table[:slots], following, other_kind, at),
                *(ones_M, others_M, mosts_M, keys_M),
            )
            seen[0] += met
            if seen[0] > limits[1]:
                return int(limits[0] + 1)
            left = possible(sketches_N8, met, ones_M, others_M, mosts_M, keys_M)
            found = verified(
                *(keys_S, starts_N, sizes_N, known, left, ones_M, others_M, mosts_M, keys_M),
                *(limits[0], found, ones_P, others_P, shared_P),
            )
            if found > limits[0]:
                return found
    return found


@kernel(nothing, U64, I64, I64, count, count, I32, I32, I32)
def count_pairs(
    keys_S: Array, starts_N: Array, sizes_N: Array, p: int, q: int, ones_P: Array, others_P: Array, shared_P: Array
) -> None:
    """How many keys each pair of sets shares, or -1 if J < p/q."""
    for pair in range(len(ones_P)):
        one, other = ones_P[pair], others_P[pair]
        here, there, size, other_size = starts_N[one], starts_N[other], sizes_N[one], sizes_N[other]
        needed = at_least(size + other_size, p, p + q)
        shared_P[pair] = shared_keys(keys_S, here, here + size, there, there + other_size, needed)
