"""Hashes of shingles to sorted sets, rare shingles first, each with a sketch and a fingerprint.

A key is a shingle's hash without its two lowest bits, and above it, in bits 62 and 63, how common the shingle is. That
is estimated from a sample and may be wrong: all sets see the same key for the same shingle, so it costs time and
nothing else.

Shapes: D rows, S shingles, T counters.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.compiling import BYTES, I32, I64, SKETCHES, U64, Array, count, kernel, nothing, word
from phase0.dedup.kernels.hashing import MULTIPLIER

KEY_BITS = 62
COUNTER_BITS = 24  # 16 MB of counters
CLASS_BITS = 21  # two bits for each of so many: 512 KB, which stays in a core's cache
SKETCH_WORDS = 8
_KEY_BITS = np.uint64(KEY_BITS)
_MULTIPLIER, _THREE, _ONE = np.uint64(MULTIPLIER), np.uint64(3), np.uint64(1)
_COUNTER_MASK, _CLASS_MASK = np.uint64((1 << COUNTER_BITS) - 1), np.uint64((1 << CLASS_BITS) - 1)
_PLACES, _PLACE_MASK, _TWO, _FIVE = np.uint64(32), np.uint64(31), np.uint64(2), np.uint64(5)


@kernel(nothing, U64, BYTES)
def tally(hashes_S: Array, tally_T: Array) -> None:
    """Count keys by their lowest COUNTER_BITS bits, up to 255."""
    for i in range(len(hashes_S)):
        counter = (hashes_S[i] >> _TWO) & _COUNTER_MASK
        tally_T[counter] += tally_T[counter] < 255


@kernel(nothing, BYTES, I64, U64)
def classes(tally_T: Array, limits: Array, classes_T: Array) -> None:
    """The class of each counter (how many of three ascending limits it reaches), 32 to a number; where counters fall
    together the highest."""
    for slot in range(len(tally_T)):
        seen = np.int64(tally_T[slot])
        if seen >= limits[0]:
            level = np.uint64(1 + (seen >= limits[1]) + (seen >= limits[2]))
            place = np.uint64(slot) & _CLASS_MASK
            shift = (place & _PLACE_MASK) * _TWO
            old = (classes_T[place >> _FIVE] >> shift) & _THREE
            if level > old:
                classes_T[place >> _FIVE] += (level - old) << shift


@kernel(nothing, U64, count, count, U64, U64)
def keyed(hashes_S: Array, start: int, length: int, classes_T: Array, keys_S: Array) -> None:
    """Keys of a row's hashes into `keys_S`."""
    hashes, keys = hashes_S[start : start + length], keys_S[:length]
    for i in range(len(hashes)):
        key = hashes[i] >> _TWO
        place = key & _CLASS_MASK
        level = (classes_T[place >> _FIVE] >> ((place & _PLACE_MASK) * _TWO)) & _THREE
        keys[i] = key | level << _KEY_BITS


@kernel(count, U64, count, count)
def below(keys_S: Array, length: int, level: int) -> int:
    """How many keys are of a class less common than `level`."""
    limit, found = np.uint64(level) << _KEY_BITS, 0
    keys = keys_S[:length]
    for i in range(len(keys)):
        found += np.int64(keys[i] < limit)
    return found


@kernel(nothing, U64, count, I64, I32, I32, U64)
def bucketed(keys_S: Array, length: int, bases: Array, buckets_S: Array, fill_S: Array, sorted_S: Array) -> None:
    """Write keys to `sorted_S` by buckets: there are as many buckets as keys, and they are in the order of keys.

    Hashes are spread evenly, so of the n keys of a class, bases[c] to bases[c + 1] - 1, k belongs into bucket
    ((k >> 30) * n) >> 32.
    """
    keys, buckets, fill = keys_S[:length], buckets_S[:length], fill_S[:length]
    fill[:] = 0
    for i in range(len(keys)):
        level = keys[i] >> _KEY_BITS
        among = np.uint64(bases[level + _ONE] - bases[level])
        spread = ((keys[i] >> np.uint64(30)) & np.uint64(0xFFFFFFFF)) * among
        buckets[i] = bases[level] + np.int64(spread >> np.uint64(32))
    for i in range(length):
        fill[buckets[i]] += 1
    begin = 0
    for i in range(length):
        inside = fill[i]
        fill[i] = begin
        begin += inside
    for i in range(length):
        sorted_S[fill[buckets[i]]] = keys[i]
        fill[buckets[i]] += 1


@kernel(nothing, U64, count)
def settle(keys_S: Array, length: int) -> None:
    """Sort keys that are nearly sorted, by exchanging neighbours (even pairs, odd pairs) until none is out of order.

    Each pass is a minimum and a maximum of many pairs at once, which is why it beats insertion here.
    """
    while True:
        for i in range(length // 2):
            low, high = keys_S[2 * i], keys_S[2 * i + 1]
            keys_S[2 * i] = min(low, high)
            keys_S[2 * i + 1] = max(low, high)
        for i in range((length - 1) // 2):
            low, high = keys_S[2 * i + 1], keys_S[2 * i + 2]
            keys_S[2 * i + 1] = min(low, high)
            keys_S[2 * i + 2] = max(low, high)
        wrong = 0
        for i in range(length - 1):
            wrong += np.int64(keys_S[i] > keys_S[i + 1])
        if wrong == 0:
            return


@kernel(count, U64, count, U64, count)
def distinct(sorted_S: Array, length: int, keys_S: Array, start: int) -> int:
    """Write ascending keys to `start` and behind, each once. Answers how many there are."""
    repeated = 0
    for i in range(length - 1):
        repeated += np.int64(sorted_S[i] == sorted_S[i + 1])
    if repeated == 0:  # as in three of four rows
        copy = keys_S[start : start + length]
        for i in range(length):
            copy[i] = sorted_S[i]
        return length
    size, before = 0, np.uint64(0)
    for i in range(length):
        key = sorted_S[i]
        keys_S[start + size] = key  # a repeated one is overwritten by the next
        size += np.int64((key != before) | (i == 0))
        before = key
    return size


@kernel(word, U64, count, count, U64)
def sketched(keys_S: Array, start: int, size: int, sketch_8: Array) -> int:
    """Write the sketch of a set. Answers its fingerprint."""
    sketch_8[:] = 0
    fingerprint = np.uint64(0)
    keys = keys_S[start : start + size]
    for i in range(len(keys)):
        bit = (keys[i] >> np.uint64(32)) & np.uint64(511)
        sketch_8[bit >> np.uint64(6)] ^= _ONE << (bit & np.uint64(63))
    for i in range(len(keys)):
        fingerprint += (keys[i] * _MULTIPLIER) ^ (keys[i] >> np.uint64(17))
    return fingerprint


@kernel(count, U64, I64, U64, SKETCHES, U64, allocates=True)
def sort_rows(hashes_S: Array, counts_D: Array, classes_T: Array, sketches_D8: Array, prints_D: Array) -> int:
    """Turn the hashes of rows, which lie behind one another, into ascending sets, in place and without gaps; `counts_D`
    becomes their sizes. Answers how many keys there are.

    Bit (key >> 32) % 512 of a sketch is the parity of how many keys of the set fall on it. A fingerprint is the sum of
    (key * MULTIPLIER) ^ (key >> 17) over the set.
    """
    longest = 0
    for row in range(len(counts_D)):
        longest = max(longest, counts_D[row])
    keys_S, sorted_S = np.empty(longest, np.uint64), np.empty(longest, np.uint64)
    buckets_S, fill_S = np.empty(longest, np.int32), np.empty(longest, np.int32)
    bases = np.zeros(5, np.int64)
    start, to = 0, 0
    for row in range(len(counts_D)):
        length = counts_D[row]
        keyed(hashes_S, start, length, classes_T, keys_S)
        for level in range(1, 4):
            bases[level] = below(keys_S, length, level)
        bases[4] = length
        bucketed(keys_S, length, bases, buckets_S, fill_S, sorted_S)
        settle(sorted_S, length)
        counts_D[row] = distinct(sorted_S, length, hashes_S, to)
        prints_D[row] = sketched(hashes_S, to, counts_D[row], sketches_D8[row])
        start += length
        to += counts_D[row]
    return to
