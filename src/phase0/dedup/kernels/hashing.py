"""Canonical text to hashes of shingles. All arithmetic is on unsigned 64-bit numbers and wraps around.

Shapes: B bytes, D rows, W words of a row, S shingles.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.bits import load64, trailing_zeros
from phase0.dedup.kernels.compiling import BYTES, I64, U64, Array, count, kernel, word

SEED = 0x165667B19E3779F9
MULTIPLIER = 0x9FB21C651E98DF25  # odd, so that multiplying is one-to-one modulo 2**64; from Pelle Evensen's rrmxmx
_SEED, _MULTIPLIER = np.uint64(SEED), np.uint64(MULTIPLIER)
_LOW, _HIGH = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_ONE, _EIGHT, _HALF = np.uint64(1), np.uint64(8), np.uint64(32)


@kernel(word, word, word)
def stir(hashed: int, more: int) -> int:
    """(hashed ^ more) * MULTIPLIER, then x ^= x >> 32. One-to-one in each argument where the other is fixed."""
    hashed = (hashed ^ more) * _MULTIPLIER
    return hashed ^ (hashed >> _HALF)


@kernel(count, BYTES, count, count, U64)
def words(text_B: Array, begin: int, end: int, hashes_W: Array) -> int:
    """Hash every word of a canonical row. Answers how many there are.

    A word is its bytes eight at a time, little-endian, the last eight filled with zeros, stirred one after another into
    SEED. So words of up to eight bytes never collide. The first zero byte of x is the lowest bit of
    (x - 0x01…01) & ~x & 0x80…80.
    """
    found = 0
    i = begin
    while i < end:
        block = load64(text_B, i)
        zeros = (block - _LOW) & ~block & _HIGH
        hashed = _SEED
        while zeros == 0:
            hashed = stir(hashed, block)
            i += 8
            block = load64(text_B, i)
            zeros = (block - _LOW) & ~block & _HIGH
        length = trailing_zeros(zeros) >> 3
        if length > 0:
            block &= (_ONE << np.uint64(length * 8)) - _ONE
            hashed = stir(hashed, block)
        hashes_W[found] = hashed
        found += np.int64(hashed != _SEED)
        i += length + 1
    return found


@kernel(count, U64, count, count, U64, count)
def shingle_row(hashes_W: Array, length: int, width: int, hashes_S: Array, at: int) -> int:
    """Hash every run of `width` words: they are stirred one after another into their number. Answers how many there
    are. A shorter row is one run, a row without words none."""
    width = min(width, length)
    if width == 0:
        return 0
    runs = length - width + 1
    folded = hashes_S[at : at + runs]
    folded[:] = np.uint64(width)
    for k in range(width):
        ahead = hashes_W[k : k + runs]
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
    hashes_W = np.empty(longest // 2 + 2, np.uint64)
    total = 0
    for row in range(len(begins_D)):
        length = words(text_B, begins_D[row], ends_D[row], hashes_W)
        counts_D[row] = shingle_row(hashes_W, length, width, hashes_S, total)
        total += counts_D[row]
    return total
