"""Jaccard counted on the text of the shingles itself: hashes only find the place, bytes decide.

Shapes: B bytes, D rows, P pairs, W words of two rows, S shingles of two rows, T slots of a table.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.bits import equal64, load64, trailing_zeros
from phase0.dedup.kernels.compiling import BYTES, I32, I64, U64, Array, count, flag, kernel, nothing
from phase0.dedup.kernels.hashing import shingle_row, words
from phase0.dedup.kernels.joining import table_size

_ONE = np.uint64(1)


@kernel(flag, BYTES, count, count, count)
def same_bytes(text_B: Array, one: int, other: int, length: int) -> bool:
    """Whether two spans of canonical text hold the same bytes."""
    while length > 8:
        if load64(text_B, one) != load64(text_B, other):
            return False
        one, other, length = one + 8, other + 8, length - 8
    return length == 0 or (load64(text_B, one) ^ load64(text_B, other)) << np.uint64(64 - 8 * length) == 0


@kernel(count, BYTES, count, count, I64, I64, count)
def spell(text_B: Array, begin: int, end: int, begins_W: Array, ends_W: Array, at: int) -> int:
    """Where each word of a canonical row begins and ends, from word `at` on. Answers how many there are."""
    found, inside = at, False
    while begin < end:
        letters = ~equal64(text_B, begin, 0)
        edges = letters ^ (letters << _ONE | np.uint64(inside))  # where a word begins, or has just ended
        inside = letters >> np.uint64(63) != 0
        while edges != 0:
            edge = begin + trailing_zeros(edges)
            edges &= edges - _ONE
            if text_B[edge] != 0:
                begins_W[found] = edge
            else:
                ends_W[found] = edge
                found += 1
        begin += 64
    if inside:
        ends_W[found] = end
        found += 1
    return found - at


@kernel(flag, BYTES, I64, I64, count, count, count)
def same_words(text_B: Array, begins_W: Array, ends_W: Array, one: int, other: int, width: int) -> bool:
    """Whether `width` words from two places on are the same."""
    for k in range(width):
        here, there = begins_W[one + k], begins_W[other + k]
        length = ends_W[one + k] - here
        if ends_W[other + k] - there != length or not same_bytes(text_B, here, there, length):
            return False
    return True


@kernel(count, BYTES, I64, I64, U64, count, count, count, count, I32)
def insert(
    text_B: Array,
    begins_W: Array,
    ends_W: Array,
    hashes_S: Array,
    first: int,
    last: int,
    known: int,
    width: int,
    table_T: Array,
) -> int:
    """Put the shingles `first` to `last - 1` into the table; shingle s begins at word s. Answers how many are new to
    it, plus 2**32 for each that was there among the first `known`; all are counted once."""
    mask = np.uint64(len(table_T) - 1)
    new, met = 0, 0
    before = np.int64(-2)  # what the last shingle was found to be
    for shingle in range(first, last):
        slot = hashes_S[shingle] & mask
        while table_T[slot] >= 0:
            other = np.int64(table_T[slot])
            if hashes_S[other] == hashes_S[shingle]:
                seen = width - 1 if other == before + 1 else 0  # so many words were just compared
                if same_words(text_B, begins_W, ends_W, shingle + seen, other + seen, width - seen):
                    break
            slot = (slot + _ONE) & mask
        before = np.int64(table_T[slot])
        if before < 0:
            before = np.int64(-2)
            new += 1
            table_T[slot] = shingle
        elif before < known <= shingle:
            met += 1
            table_T[slot] = shingle
    return new + (met << 32)


@kernel(nothing, BYTES, I64, I64, I64, I64, count, I64, I64, allocates=True)
def confirm(
    text_B: Array,
    begins_D: Array,
    ends_D: Array,
    ones_P: Array,
    others_P: Array,
    width: int,
    shared_P: Array,
    union_P: Array,
) -> None:
    """How many shingles the canonical rows of each pair share, and have together.

    Pairs with the same `other` should stand together: it is then read once.
    """
    longest = 0
    for row in range(len(begins_D)):
        longest = max(longest, ends_D[row] - begins_D[row])
    room = longest // 2 + 2  # words of a row; shingles are no more
    hashes_W, hashes_S = np.empty(room, np.uint64), np.empty(2 * room, np.uint64)
    begins_W, ends_W = np.empty(2 * room, np.int64), np.empty(2 * room, np.int64)
    tables = np.empty(table_size(2 * room), np.int32)
    before, length, known = np.int64(-1), np.int64(0), np.int64(0)
    for pair in range(len(ones_P)):
        one, other = ones_P[pair], others_P[pair]
        if other != before:
            length = spell(text_B, begins_D[other], ends_D[other], begins_W, ends_W, 0)
            words(text_B, begins_D[other], ends_D[other], hashes_W)
            known = shingle_row(hashes_W, length, width, hashes_S, 0)
            before = other
        size = ends_D[one] - begins_D[one]
        is_same = size == ends_D[other] - begins_D[other] and same_bytes(text_B, begins_D[one], begins_D[other], size)
        own_length, own = np.int64(0), np.int64(0)
        if not is_same:
            own_length = spell(text_B, begins_D[one], ends_D[one], begins_W, ends_W, length)
            words(text_B, begins_D[one], ends_D[one], hashes_W)
            own = shingle_row(hashes_W, own_length, width, hashes_S, length)
        table_T = tables[: table_size(known + own)]
        table_T[:] = -1
        first = insert(text_B, begins_W, ends_W, hashes_S, 0, known, length, min(width, length), table_T)
        if is_same:
            shared_P[pair] = union_P[pair] = first
            continue
        if min(width, own_length) != min(width, length):
            table_T[:] = -1  # shingles of different widths are different, whatever their hashes are
        last = length + own
        second = insert(text_B, begins_W, ends_W, hashes_S, length, last, length, min(width, own_length), table_T)
        shared_P[pair] = second >> 32
        union_P[pair] = first + (second & 0xFFFFFFFF)
