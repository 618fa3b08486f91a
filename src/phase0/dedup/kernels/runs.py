"""Runs of bytes that are not zero, which is how words are written: where they are, and their bytes eight at a time.

Shapes: B bytes, E edges.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.bits import equal64, load64, trailing_zeros
from phase0.dedup.kernels.compiling import BYTES, I64, Array, count, kernel, word

PADDING = 64  # zeros behind the last run
_ONE, _LAST = np.uint64(1), np.uint64(63)


@kernel(count, BYTES, count, count, I64)
def edges(text_B: Array, begin: int, end: int, edges_E: Array) -> int:
    """Where runs begin and end, in turn; answers how many runs there are. From `end` on stand PADDING zeros."""
    found, before = 0, _ONE
    for base in range(begin, end + 1, 64):
        gaps = equal64(text_B, base, 0)
        turns = gaps ^ (gaps << _ONE | before)
        before = gaps >> _LAST
        while turns != 0:
            edges_E[found] = base + trailing_zeros(turns)
            turns &= turns - _ONE
            found += 1
    return found // 2


@kernel(word, BYTES, count, count, inline=True)
def eight(text_B: Array, at: int, end: int) -> int:
    """The bytes from `at` on, at most 8 of them, as a little-endian number, with zeros for those from `end` on. `at` is
    before that."""
    unread = np.uint64(64 - 8 * min(end - at, 8))
    return load64(text_B, at) << unread >> unread
