"""Hashes of shingles to sorted sets, rare shingles first, each with a sketch and a fingerprint.

A key is a shingle's hash without its two lowest bits, and above it, in bits 62 and 63, how common the shingle is. That
is estimated from a sample and may be wrong: all sets see the same key for the same shingle, so it costs time and
nothing else.

Shapes: D rows, S shingles, T counters.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.compiling import BYTES, I64, SKETCHES, U64, Array, count, kernel, nothing
from phase0.dedup.kernels.hashing import MULTIPLIER

KEY_BITS = 62
COUNTER_BITS = 24  # 16 MB of counters
CLASS_BITS = 21  # two bits for each of so many: 512 KB, which stays in a core's cache
SKETCH_WORDS = 8
_MULTIPLIER, _THREE, _ONE = np.uint64(MULTIPLIER), np.uint64(3), np.uint64(1)
_COUNTER_MASK, _CLASS_MASK = np.uint64((1 << COUNTER_BITS) - 1), np.uint64((1 << CLASS_BITS) - 1)
_PLACES, _PLACE_MASK, _TWO, _FIVE = np.uint64(32), np.uint64(31), np.uint64(2), np.uint64(5)


@kernel(nothing, U64, I64, I64, count, BYTES)
def tally(hashes_S: Array, starts_D: Array, counts_D: Array, step: int, tally_T: Array) -> None:
    """Count the keys of every `step`-th row by their lowest COUNTER_BITS bits, up to 255."""
    for row in range(0, len(starts_D), step):
        for i in range(starts_D[row], starts_D[row] + counts_D[row]):
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


@kernel(nothing, U64, count, count, U64, U64, I64, I64, allocates=True)
def keyed(
    hashes_S: Array, start: int, length: int, classes_T: Array, keys_S: Array, buckets_S: Array, fill_S: Array
) -> None:
    """Keys of a row's hashes into `keys_S`, and for each its bucket: as many buckets as keys, in the order of keys.

    Hashes are spread evenly, so of a class with n keys, k falls into bucket ((k >> 30) * n) >> 32 of its class.
    """
    sizes = np.zeros(4, np.int64)
    hashes = hashes_S[start : start + length]
    for i in range(len(hashes)):
        key = hashes[i] >> _TWO
        place = key & _CLASS_MASK
        level = (classes_T[place >> _FIVE] >> ((place & _PLACE_MASK) * _TWO)) & _THREE
        keys_S[i] = key | level << np.uint64(KEY_BITS)
        sizes[level] += 1
    bases = np.zeros(4, np.int64)
    for level in range(1, 4):
        bases[level] = bases[level - 1] + sizes[level - 1]
    fill_S[: length + 1] = 0
    for i in range(length):
        level = keys_S[i] >> np.uint64(KEY_BITS)
        spread = ((keys_S[i] >> np.uint64(30)) & np.uint64(0xFFFFFFFF)) * np.uint64(sizes[level])
        bucket = bases[level] + np.int64(spread >> np.uint64(32))
        buckets_S[i] = bucket
        fill_S[bucket + 1] += 1


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


@kernel(nothing, U64, I64, I64, count, count, U64, SKETCHES, U64, allocates=True)
def sort_rows(
    hashes_S: Array,
    starts_D: Array,
    counts_D: Array,
    first: int,
    last: int,
    classes_T: Array,
    sketches_D8: Array,
    prints_D: Array,
) -> None:
    """Turn the hashes of rows `first` to `last - 1` into ascending sets, in place; `counts_D` becomes their sizes.

    Bit (key >> 32) % 512 of a sketch is the parity of how many keys of the set fall on it. A fingerprint is the sum of
    (key * MULTIPLIER) ^ (key >> 17) over the set.
    """
    longest = 0
    for row in range(first, last):
        longest = max(longest, counts_D[row])
    keys_S, sorted_S = np.empty(longest, np.uint64), np.empty(longest, np.uint64)
    buckets_S, fill_S = np.empty(longest, np.int64), np.empty(longest + 1, np.int64)
    for row in range(first, last):
        start, length = starts_D[row], counts_D[row]
        keyed(hashes_S, start, length, classes_T, keys_S, buckets_S, fill_S)
        for i in range(1, length):
            fill_S[i] += fill_S[i - 1]
        for i in range(length):
            sorted_S[fill_S[buckets_S[i]]] = keys_S[i]
            fill_S[buckets_S[i]] += 1
        settle(sorted_S, length)
        size = 0
        sketches_D8[row, :] = 0
        fingerprint = np.uint64(0)
        for i in range(length):
            key = sorted_S[i]
            if i == 0 or key != sorted_S[i - 1]:
                hashes_S[start + size] = key
                size += 1
                bit = (key >> np.uint64(32)) & np.uint64(511)
                sketches_D8[row, bit >> np.uint64(6)] ^= _ONE << (bit & np.uint64(63))
                fingerprint += (key * _MULTIPLIER) ^ (key >> np.uint64(17))
        counts_D[row] = size
        prints_D[row] = fingerprint
