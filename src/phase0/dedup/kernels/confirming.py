"""Jaccard counted on the text of the shingles itself: hashes only find the place, bytes decide.

Shapes: B bytes, D rows, P pairs, W words, S shingles of two rows, T slots of a table.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.compiling import BYTES, I32, I64, U64, Array, count, kernel, nothing
from phase0.dedup.kernels.hashing import shingle_row, words

_ONE = np.uint64(1)


@kernel(count, BYTES, count, count, BYTES, count, I64)
def squeeze(text_B: Array, begin: int, end: int, out_B: Array, at: int, starts_W1: Array) -> int:
    """The words of a canonical row with one zero behind each, and where each starts. Answers how many there are."""
    found = 0
    starts_W1[0] = at
    for i in range(begin, end + 1):
        byte = text_B[i] if i < end else np.uint8(0)
        if byte != 0 or at > starts_W1[found]:
            out_B[at] = byte
            at += 1
            if byte == 0:
                found += 1
                starts_W1[found] = at
    return found


@kernel(count, BYTES, count, count, count, U64, I64, BYTES, I64, I64, U64, count)
def spell(
    text_B: Array,
    begin: int,
    end: int,
    width: int,
    hashes_W: Array,
    starts_W1: Array,
    out_B: Array,
    begins_S: Array,
    ends_S: Array,
    hashes_S: Array,
    at: int,
) -> int:
    """The shingles of a row as spans of `out_B`, from shingle `at` on. Answers how many there are."""
    length = squeeze(text_B, begin, end, out_B, ends_S[at - 1] if at else 0, starts_W1)
    words(text_B, begin, end, hashes_W)
    runs = shingle_row(hashes_W, length, width, hashes_S, at)
    for i in range(runs):
        begins_S[at + i] = starts_W1[i]
        ends_S[at + i] = starts_W1[i + min(width, length)]
    return runs


@kernel(count, BYTES, I64, I64, U64, I32, count)
def find(text_B: Array, begins_S: Array, ends_S: Array, hashes_S: Array, table_T: Array, shingle: int) -> int:
    """The slot that holds these bytes, or the free one where they belong."""
    mask = np.uint64(len(table_T) - 1)
    slot = hashes_S[shingle] & mask
    begin, length = begins_S[shingle], ends_S[shingle] - begins_S[shingle]
    while table_T[slot] >= 0:
        other = table_T[slot]
        there, i = begins_S[other], 0
        if hashes_S[other] == hashes_S[shingle] and ends_S[other] - there == length:
            while i < length and text_B[begin + i] == text_B[there + i]:
                i += 1
            if i == length:
                break
        slot = (slot + _ONE) & mask
    return np.int64(slot)


@kernel(nothing, BYTES, I64, I64, I64, I64, count, I64, I64)
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
    hashes_W, starts_W1 = np.empty(room, np.uint64), np.empty(room, np.int64)
    both_B, hashes_S = np.empty(2 * longest + 4, np.uint8), np.empty(2 * room, np.uint64)
    begins_S, ends_S = np.empty(2 * room, np.int64), np.empty(2 * room, np.int64)
    slots = 16
    while slots < 4 * room:
        slots *= 2
    tables = np.empty(slots, np.int32)
    before, known = np.int64(-1), np.int64(0)
    for pair in range(len(ones_P)):
        one, other = ones_P[pair], others_P[pair]
        if other != before:
            begin, end = begins_D[other], ends_D[other]
            known = spell(text_B, begin, end, width, hashes_W, starts_W1, both_B, begins_S, ends_S, hashes_S, 0)
            before = other
        begin, end = begins_D[one], ends_D[one]
        own = spell(text_B, begin, end, width, hashes_W, starts_W1, both_B, begins_S, ends_S, hashes_S, known)
        slots = 16
        while slots < 2 * (known + own):
            slots *= 2
        table_T = tables[:slots]
        table_T[:] = -1
        shared, union = 0, 0
        for shingle in range(known + own):
            slot = find(both_B, begins_S, ends_S, hashes_S, table_T, shingle)
            earlier = table_T[slot]
            union += earlier < 0
            shared += shingle >= known and 0 <= earlier < known
            if earlier < 0 or (shingle >= known and earlier < known):
                table_T[slot] = shingle
        shared_P[pair], union_P[pair] = shared, union
