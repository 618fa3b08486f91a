"""Hashes of shingles to sorted sets, rare shingles first, each with a sketch and a fingerprint.

A key is a shingle's hash without its two lowest bits, and above it, in bits 62 and 63, how common the shingle is. That
is estimated from a sample and may be wrong: all sets see the same key for the same shingle, so it costs time and
nothing else.

Shapes: D rows, S shingles, T counters.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.bits import (
    differing8,
    equal64,
    exchange64,
    exchange_mirrored64,
    merge64,
    ones,
    pack8,
    sort64,
    sort128,
)
from phase0.dedup.kernels.compiling import BYTES, I64, SKETCHES, U64, Array, count, kernel, nothing, word
from phase0.dedup.kernels.hashing import MULTIPLIER

KEY_BITS = 62
COUNTER_BITS = 24  # 16 MB of counters
CLASS_BITS = 21  # two bits for each of so many: 512 KB, which stays in a core's cache
SKETCH_WORDS = 8
_KEY_BITS = np.uint64(KEY_BITS)
_MULTIPLIER, _THREE = np.uint64(MULTIPLIER), np.uint64(3)
_HIGHEST, _GREATEST = np.uint64(1 << 63), np.uint64((1 << 63) - 1)  # as signed numbers the least and the greatest
_COUNTER_MASK, _CLASS_MASK = np.uint64((1 << COUNTER_BITS) - 1), np.uint64((1 << CLASS_BITS) - 1)
_PLACE_MASK, _TWO, _FIVE = np.uint64(31), np.uint64(2), np.uint64(5)


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
    """Keys of a row's hashes into `keys_S`, with their highest bit turned: so they are in order as signed numbers.
    AVX2 compares those too, and takes 9.6 ns a key for all of `sort_rows`; with unsigned ones it would take 10.8.

    Loops take 16 at once, and one by one what is left, which costs as much: so up to 15 of the next rows come too.
    """
    some = min((length + 15) & ~15, len(hashes_S) - start)
    hashes, keys = hashes_S[start : start + some], keys_S[:some]
    for i in range(len(hashes)):  # by itself: it keeps LLVM from doing the rest for many keys at once
        keys[i] = classes_T[((hashes[i] >> _TWO) & _CLASS_MASK) >> _FIVE]
    for i in range(len(hashes)):
        key = hashes[i] >> _TWO
        level = (keys[i] >> ((key & _PLACE_MASK) * _TWO)) & _THREE
        keys[i] = (key | level << _KEY_BITS) ^ _HIGHEST


@kernel(nothing, U64, count)
def ascending(keys_S: Array, length: int) -> None:
    """Sort the first keys as signed numbers, by blocks of 64. The 64 numbers behind them are overwritten.

    A bitonic mergesort, whose comparisons do not depend on the keys: no branch of the processor is guessed wrong. Of
    two runs, one behind the other, the latter is compared backwards, which leaves two bitonic ones; and halves of these
    are bitonic again once each number was compared with the one half a run ahead. Of a last run that is shorter the
    missing blocks would hold the greatest of numbers, which never move, so they need not be there.
    """
    keys_S[length : length + 64] = _GREATEST
    blocks = (length + 63) // 64
    for block in range(0, blocks - 1, 2):
        sort128(keys_S, 64 * block)
    if blocks & 1:
        sort64(keys_S, 64 * (blocks - 1))
    run = 2
    while run < blocks:
        for begin in range(0, blocks - run, 2 * run):
            end = min(begin + 2 * run, blocks)
            for block in range(begin + run, end):
                exchange_mirrored64(keys_S, 64 * (2 * (begin + run) - 1 - block), 64 * block)
            apart = run // 2
            while apart > 0:
                for block in range(begin, end - apart):
                    if block & apart == 0:
                        exchange64(keys_S, 64 * block, 64 * (block + apart))
                apart //= 2
            for block in range(begin, end):
                merge64(keys_S, 64 * block)
        run *= 2


@kernel(count, U64, count, U64, count)
def distinct(sorted_S: Array, length: int, keys_S: Array, start: int) -> int:
    """Write ascending keys, whose highest bit is turned, to `start` and behind, each once. Answers how many there are.

    Of equal ones the last is written. The eight behind them all are made equal, and unlike the last.
    """
    sorted_S[length : length + 8] = ~sorted_S[max(length - 1, 0)]
    to = start
    for at in range(0, length, 8):
        last = differing8(sorted_S, at, at + 1)
        pack8(sorted_S, at, last, _HIGHEST, keys_S, to)
        to += ones(last)
    return to - start


@kernel(word, U64, count, count, BYTES, U64)
def sketched(keys_S: Array, start: int, size: int, parities_512: Array, sketch_8: Array) -> int:
    """Write the sketch of a set. Answers its fingerprint."""
    parities_512[:] = 0
    fingerprint = np.uint64(0)
    keys = keys_S[start : start + size]
    for i in range(len(keys)):
        fingerprint += (keys[i] * _MULTIPLIER) ^ (keys[i] >> np.uint64(17))
        parities_512[(keys[i] >> np.uint64(32)) & np.uint64(511)] ^= 1  # bytes: bits would wait for their neighbours
    for i in range(SKETCH_WORDS):
        sketch_8[i] = ~equal64(parities_512, 64 * i, 0)
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
    keys_S, parities_512 = np.empty(longest + 64, np.uint64), np.empty(512, np.uint8)
    start, to = 0, 0
    for row in range(len(counts_D)):
        length = counts_D[row]
        keyed(hashes_S, start, length, classes_T, keys_S)
        ascending(keys_S, length)
        counts_D[row] = distinct(keys_S, length, hashes_S, to)
        prints_D[row] = sketched(hashes_S, to, counts_D[row], parities_512, sketches_D8[row])
        start += length
        to += counts_D[row]
    return to
