"""The second, independent count: other arithmetic and another way than the remover's, so that they cannot be wrong
together.

All arithmetic of hashes is on unsigned 64-bit numbers and wraps around. Shapes: B bytes, D sets (or rows), W words of a
row, S shingles, E entries of the index, T counters, P pairs.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.compiling import BYTES, I64, U64, Array, count, kernel, nothing, word
from phase0.dedup.kernels.runs import edges, eight

SEED = 0x84222325CBF29CE4
BASE, SPREAD = 0xD6E8FEB86659FD93, 0xFF51AFD7ED558CCD
KEY_SHIFT = 2  # keys have 62 bits
KEY_BITS = 64 - KEY_SHIFT
COUNTER_BITS = 23  # 8 MB of counters
LEVELS = (3, 8, 32)  # rows of the sample that hold a shingle → its class, from rare to common
_SEED, _BASE, _SPREAD = np.uint64(SEED), np.uint64(BASE), np.uint64(SPREAD)
_COUNTER_SHIFT = np.uint64(KEY_BITS - COUNTER_BITS)
_LOW, _HIGH, _HIGHEST = LEVELS


@kernel(word, word)
def spread(value: int) -> int:
    """(value ^ value >> 32) * SPREAD."""
    return (value ^ value >> np.uint64(32)) * _SPREAD


@kernel(count, BYTES, I64, I64, count, U64, I64, allocates=True)
def row_keys(text_B: Array, begins_D: Array, ends_D: Array, width: int, keys_S: Array, counts_D: Array) -> int:
    """The keys of all shingles of every canonical row, repeated ones too. Answers how many there are.

    A word is its bytes eight at a time, little-endian, the last eight filled with zeros: from SEED on, what there is
    times BASE and eight bytes added is spread. The words of a shingle are the digits of a number in base BASE after a
    first digit that says how many they are; that number, spread, without its two lowest bits, is the key.
    """
    longest = 0
    for row in range(len(begins_D)):
        longest = max(longest, ends_D[row] - begins_D[row])
    words_W, edges_E = np.empty(longest // 2 + 2, np.uint64), np.empty(longest + 2, np.int64)
    total = 0
    for row in range(len(begins_D)):
        found = edges(text_B, begins_D[row], ends_D[row], edges_E)
        for i in range(found):
            hashed, at, end = _SEED, edges_E[2 * i], edges_E[2 * i + 1]
            while at < end:
                hashed = spread(hashed * _BASE + eight(text_B, at, end))
                at += 8
            words_W[i] = hashed
        taken = min(width, found)
        counts_D[row] = found - taken + 1 if taken else 0
        for i in range(counts_D[row]):
            key = np.uint64(taken)
            for k in range(taken):
                key = key * _BASE + words_W[i + k]
            keys_S[total] = spread(key) >> np.uint64(KEY_SHIFT)
            total += 1
    return total


@kernel(nothing, U64, count, count, I64, U64)
def ascending(keys_S: Array, begin: int, length: int, heads_S: Array, room_S: Array) -> None:
    """Sort keys: dealt out by their upper bits, at most one to a place on average, and then each moved before those
    that are greater. `heads_S` has room for twice as many, `room_S` for as many."""
    bits = 0
    while 1 << bits < length:
        bits += 1
    shift = np.uint64(KEY_BITS - bits)
    heads, keys = heads_S[: 1 << bits], keys_S[begin : begin + length]
    heads[:] = 0
    for i in range(length):
        heads[keys[i] >> shift] += 1
    ahead = 0
    for place in range(len(heads)):
        here = heads[place]
        heads[place] = ahead
        ahead += here
    for i in range(length):
        place = keys[i] >> shift
        room_S[heads[place]] = keys[i]
        heads[place] += 1
    for i in range(length):
        key, at = room_S[i], i
        while at > 0 and keys[at - 1] > key:
            keys[at] = keys[at - 1]
            at -= 1
        keys[at] = key


@kernel(count, U64, I64, U64, U64, allocates=True)
def row_sets(keys_S: Array, sizes_D: Array, prints_D: Array, checks_D: Array) -> int:
    """Turn the keys of rows, which lie behind one another, into ascending sets, in place and without gaps; `sizes_D`
    becomes their sizes. Answers how many keys there are.

    A print is the sum of the keys, each spread; a check is that of key * BASE + 1, spread.
    """
    longest = 0
    for row in range(len(sizes_D)):
        longest = max(longest, sizes_D[row])
    heads_S, room_S = np.empty(2 * longest + 1, np.int64), np.empty(longest, np.uint64)
    begin, to = 0, 0
    for row in range(len(sizes_D)):
        length, start = sizes_D[row], to
        ascending(keys_S, begin, length, heads_S, room_S)
        printed, checked = np.uint64(0), np.uint64(0)
        for i in range(begin, begin + length):
            key = keys_S[i]
            if to == start or keys_S[to - 1] != key:
                keys_S[to] = key
                to += 1
                printed += spread(key)
                checked += spread(key * _BASE + np.uint64(1))
        prints_D[row], checks_D[row] = printed, checked
        sizes_D[row] = to - start
        begin += length
    return to


@kernel(nothing, U64, I64, I64, count, BYTES)
def sample(keys_S: Array, starts_D: Array, sizes_D: Array, step: int, tally_T: Array) -> None:
    """Count the keys of every `step`-th set by their upper COUNTER_BITS bits, up to 255."""
    for at in range(0, len(starts_D), step):
        for i in range(starts_D[at], starts_D[at] + sizes_D[at]):
            counter = keys_S[i] >> _COUNTER_SHIFT
            tally_T[counter] += tally_T[counter] < 255


@kernel(count, word, BYTES, inline=True)
def level_of(key: int, tally_T: Array) -> int:
    """The class of a key: how many of LEVELS its counter reaches. It may be too high, which costs time and nothing
    else, for every set sees the same order."""
    seen = np.int64(tally_T[key >> _COUNTER_SHIFT])
    return (seen >= _LOW) + (seen >= _HIGH) + (seen >= _HIGHEST)


@kernel(nothing, U64, count, count, count, BYTES, U64, count)
def rare_first(keys_S: Array, begin: int, size: int, wanted: int, tally_T: Array, entries_E: Array, at: int) -> None:
    """Write so many of the first keys of a set from `at` on, in the order of classes and within them of keys."""
    end = at + wanted
    for level in range(len(LEVELS) + 1):
        for i in range(begin, begin + size):
            if at == end:
                return
            if level_of(keys_S[i], tally_T) == level:
                entries_E[at] = keys_S[i]
                at += 1


@kernel(count, U64, I64, I64, I64, BYTES, count, U64)
def prefixes(
    keys_S: Array, starts_D: Array, sizes_D: Array, lengths_D: Array, tally_T: Array, set_bits: int, entries_E: Array
) -> int:
    """The first keys of every set, as many as `lengths_D` says, rare ones first. Answers how many entries there are.

    An entry is the upper bits of the key, and below them, `set_bits` wide, the number of the set.
    """
    shift = np.uint64(KEY_BITS + set_bits - 64)
    left, found = np.uint64(set_bits), 0
    for at in range(len(starts_D)):
        rare_first(keys_S, starts_D[at], sizes_D[at], lengths_D[at], tally_T, entries_E, found)
        for i in range(found, found + lengths_D[at]):
            entries_E[i] = entries_E[i] >> shift << left | np.uint64(at)
        found += lengths_D[at]
    return found


@kernel(count, U64, count, I64, count, count, I64, I64, I64)
def meetings(
    entries_E: Array, set_bits: int, sizes_D: Array, p: int, q: int, owners_E: Array, begins_E: Array, counts_D: Array
) -> int:
    """Of ascending entries those whose key several sets hold: their sets, and for each where its partners begin. These
    go on up to the entry itself: sets that are not larger, yet have at least p/q of its size. `counts_D` becomes how
    many entries of each set have a partner. Answers how many entries there are."""
    low = np.uint64(set_bits)
    mask, found, first = (np.uint64(1) << low) - np.uint64(1), 0, 0
    while first < len(entries_E):
        end = first + 1
        while end < len(entries_E) and entries_E[end] >> low == entries_E[first] >> low:
            end += 1
        if end - first > 1:
            begin = found
            for i in range(first, end):
                owner = np.int64(entries_E[i] & mask)
                owners_E[found] = owner
                while sizes_D[owners_E[begin]] * q < sizes_D[owner] * p:
                    begin += 1
                begins_E[found] = begin
                counts_D[owner] += begin < found
                found += 1
        first = end
    return found


@kernel(nothing, I64, I64, I64, I64)
def by_owner(owners_E: Array, begins_E: Array, nexts_D: Array, places_E: Array) -> None:
    """The entries with partners, in the order of their sets. `nexts_D` says where those of a set begin, and then where
    they end."""
    for i in range(len(owners_E)):
        if begins_E[i] < i:
            places_E[nexts_D[owners_E[i]]] = i
            nexts_D[owners_E[i]] += 1


@kernel(count, U64, count, count, count, count, count)
def common(keys_S: Array, one: int, ones: int, other: int, others: int, least: int) -> int:
    """How many keys two ascending sets share, of `ones` and `others` keys; any number below `least` where these are
    fewer than that."""
    one_end, other_end, shared = one + ones, other + others, 0
    while True:
        together = min(one_end - one, other_end - other)
        if together == 0 or shared + together < least:
            return shared
        for _ in range(min(together, 16)):
            a, b = keys_S[one], keys_S[other]
            shared += np.int64(a == b)
            one += np.int64(a <= b)
            other += np.int64(b <= a)


@kernel(count, U64, I64, I64, count, count, count, count, I64, I64, I64, I64, I64, I64, I64, I64, I64)
def near_pairs(
    keys_S: Array,
    starts_D: Array,
    sizes_D: Array,
    p: int,
    q: int,
    first: int,
    last: int,
    owners_E: Array,
    begins_E: Array,
    places_E: Array,
    ends_D: Array,
    seen_D: Array,
    larger_P: Array,
    smaller_P: Array,
    shared_P: Array,
    reached: Array,
) -> int:
    """Every pair whose larger set is one of `first` to `last - 1` and that reaches p/q. Answers how many there are.

    Each partner of a set is looked at when it is first met: `seen_D` says of which set it was one last. Before the
    first call it is -1 throughout. Where there may be too little room for the pairs of a set, it ends before that;
    `reached` becomes the set it ended at. There must be room for as many pairs as there are sets.
    """
    found, larger = 0, first
    while larger < last and found + larger <= len(larger_P):
        for at in range(ends_D[larger - 1] if larger > 0 else 0, ends_D[larger]):
            place = places_E[at]
            for i in range(begins_E[place], place):
                smaller = owners_E[i]
                if smaller == larger or seen_D[smaller] == larger:
                    continue
                seen_D[smaller] = larger
                size, other = sizes_D[larger], sizes_D[smaller]
                least = ((size + other) * p + p + q - 1) // (p + q)
                shared = common(keys_S, starts_D[larger], size, starts_D[smaller], other, least)
                if shared >= least:
                    larger_P[found], smaller_P[found], shared_P[found] = larger, smaller, shared
                    found += 1
        larger += 1
    reached[0] = larger
    return found
