"""Canonical text to hashes of shingles. All arithmetic is on unsigned 64-bit numbers and wraps around.

Shapes: B bytes, D rows, W words of a row, S shingles.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.bits import equal64, load64, trailing_zeros
from phase0.dedup.kernels.compiling import BYTES, I64, U64, Array, count, kernel, word

SEED = 0x165667B19E3779F9
MULTIPLIER = 0x9FB21C651E98DF25  # odd, so that multiplying is one-to-one modulo 2**64; from Pelle Evensen's rrmxmx
_SEED, _MULTIPLIER = np.uint64(SEED), np.uint64(MULTIPLIER)
_ONE, _HALF = np.uint64(1), np.uint64(32)


@kernel(word, word, word, inline=True)
def stir(hashed: int, more: int) -> int:
    """(hashed ^ more) * MULTIPLIER, then x ^= x >> 32. One-to-one in each argument where the other is fixed."""
    hashed = (hashed ^ more) * _MULTIPLIER
    return hashed ^ (hashed >> _HALF)


@kernel(word, BYTES, count, count, inline=True)
def hash_word(text_B: Array, at: int, length: int) -> int:
    """The hash of the word of `length` bytes, at least one, that begins at `at`."""
    unread, rest = np.uint64(64 - 8 * min(length, 8)), length - 8
    hashed = stir(_SEED, load64(text_B, at) << unread >> unread)
    while rest > 8:
        at += 8
        hashed = stir(hashed, load64(text_B, at))
        rest -= 8
    # Both are worked out: which of them is the hash no processor could foresee.
    unread = np.uint64((64 - 8 * rest) & 63)
    longer = stir(hashed, load64(text_B, at + 8) << unread >> unread)
    return longer if rest > 0 else hashed


@kernel(count, BYTES, count, count, U64)
def words(text_B: Array, begin: int, end: int, hashes_W: Array) -> int:
    """Hash every word of a canonical row. Answers how many there are.

    A word is its bytes eight at a time, little-endian, the last eight filled with zeros, stirred one after another into
    SEED. So words of up to eight bytes never collide.
    """
    found, at = 0, begin
    while at < end:
        unread = ~equal64(text_B, at, 0)  # bit i: byte `at + i` is of a word
        step = 64
        while unread != 0:
            start = trailing_zeros(unread)
            # The word's bits become one, behind its last. Added is the lowest bit, without waiting for its number.
            carried = unread + (unread & (~unread + _ONE))
            if carried == 0:  # it goes on behind these 64 bytes
                step = start
                break
            hashes_W[found] = hash_word(text_B, at + start, trailing_zeros(carried) - start)
            found += 1
            unread &= carried
        if step == 0:
            while text_B[at + step] != 0:
                step += 1
            hashes_W[found] = hash_word(text_B, at, step)
            found += 1
        at += step
    return found


@kernel(count, U64, count, count, U64, count)
def shingle_row(hashes_W: Array, length: int, width: int, hashes_S: Array, at: int) -> int:
    """Hash every run of `width` words: they are stirred one after another into their number. Answers how many there
    are. A shorter row is one run, a row without words none.

    Loops take 16 at once, and one by one what is left, which costs as much: so up to 15 of no words are written behind
    the last as far as there is room. `hashes_W` has as much behind its words.
    """
    width = min(width, length)
    if width == 0:
        return 0
    runs = length - width + 1
    folded = hashes_S[at : min(at + ((runs + 15) & ~15), len(hashes_S))]
    for i in range(len(folded)):
        folded[i] = stir(np.uint64(width), hashes_W[i])
    for k in range(1, width):
        ahead = hashes_W[k : k + len(folded)]
        for i in range(len(folded)):
            folded[i] = stir(folded[i], ahead[i])
    return runs


@kernel(count, BYTES, I64, I64, count, U64, I64, allocates=True)
def shingles(text_B: Array, begins_D: Array, ends_D: Array, width: int, hashes_S: Array, counts_D: Array) -> int:
    """Hash the shingles of every canonical row, one row after another. Answers how many there are.

    `hashes_S` must hold one for every two bytes of a row and one more for each row.
    """
    longest = 0
    for row in range(len(begins_D)):
        longest = max(longest, ends_D[row] - begins_D[row])
    hashes_W = np.empty(longest // 2 + 2 + 15, np.uint64)
    total = 0
    for row in range(len(begins_D)):
        length = words(text_B, begins_D[row], ends_D[row], hashes_W)
        counts_D[row] = shingle_row(hashes_W, length, width, hashes_S, total)
        total += counts_D[row]
    return total
