"""Hashes for the second, independent count: other arithmetic than the remover's, so that they cannot be wrong together.

All arithmetic is on unsigned 64-bit numbers and wraps around. Shapes: B bytes, D rows, W words of a row, S shingles.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.compiling import BYTES, I64, U64, Array, count, kernel, word

SEED, PRIME = 0x84222325CBF29CE4, 0x00000100000001B3  # FNV-1a's prime, with a seed of our own
BASE, SPREAD = 0xD6E8FEB86659FD93, 0xFF51AFD7ED558CCD
KEY_SHIFT = 2  # keys have 62 bits
_SEED, _PRIME, _BASE, _SPREAD = np.uint64(SEED), np.uint64(PRIME), np.uint64(BASE), np.uint64(SPREAD)


@kernel(word, word)
def spread(value: int) -> int:
    """(value ^ value >> 32) * SPREAD."""
    return (value ^ value >> np.uint64(32)) * _SPREAD


@kernel(count, BYTES, I64, I64, count, U64, I64, allocates=True)
def row_keys(text_B: Array, begins_D: Array, ends_D: Array, width: int, keys_S: Array, counts_D: Array) -> int:
    """The keys of all shingles of every canonical row, repeated ones too. Answers how many there are.

    A word is FNV-1a over its bytes from SEED, spread. The words of a shingle are the digits of a number in base BASE
    after a first digit that says how many they are; that number, spread, without its two lowest bits, is the key.
    """
    longest = 0
    for row in range(len(begins_D)):
        longest = max(longest, ends_D[row] - begins_D[row])
    words_W = np.empty(longest // 2 + 2, np.uint64)
    total = 0
    for row in range(len(begins_D)):
        found, hashed, inside = 0, _SEED, False
        for i in range(begins_D[row], ends_D[row] + 1):
            byte = text_B[i] if i < ends_D[row] else np.uint8(0)
            if byte != 0:
                hashed = (hashed ^ np.uint64(byte)) * _PRIME
                inside = True
            elif inside:
                words_W[found] = spread(hashed)
                found += 1
                hashed, inside = _SEED, False
        taken = min(width, found)
        counts_D[row] = found - taken + 1 if taken else 0
        for i in range(counts_D[row]):
            key = np.uint64(taken)
            for k in range(taken):
                key = key * _BASE + words_W[i + k]
            keys_S[total] = spread(key) >> np.uint64(KEY_SHIFT)
            total += 1
    return total
