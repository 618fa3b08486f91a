"""Jaccard counted on the text of the shingles itself: hashes only find the place, bytes decide.

Shapes: B bytes, D rows, P pairs, W words, S shingles of two rows, T slots of a table.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.bits import load64
from phase0.dedup.kernels.compiling import BYTES, I32, I64, U64, Array, count, kernel, nothing
from phase0.dedup.kernels.hashing import shingle_row, words

_ONE = np.uint64(1)


@kernel(count, BYTES, count, count, BYTES, count, I64)
def squeeze(text_B: Array, begin: int, end: int, out_B: Array, at: int, starts_W1: Array) -> int:
    """The words of a canonical row with one zero behind each, and where each starts. Answers how many there are."""
    found, before = 0, np.uint8(0)
    starts_W1[0] = at
    span = text_B[begin : end + 1]  # with one zero of the padding
    for i in range(len(span)):  # without branches, which no processor could foresee
        byte = span[i]
        ends_word = np.int64((byte == 0) & (before != 0))
        out_B[at] = byte
        at += np.int64(byte != 0) + ends_word
        starts_W1[found + 1] = at
        found += ends_word
        before = byte
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


@kernel(count, BYTES, I64, I64, U64, count, count, count, I32)
def meeting(
    text_B: Array, begins_S: Array, ends_S: Array, hashes_S: Array, known: int, first: int, last: int, table_T: Array
) -> int:
    """Put the shingles `first` to `last - 1` into the table. Answers how many different ones are new to it, plus 2**32
    for each that was there among the first `known` (and is counted once)."""
    mask = np.uint64(len(table_T) - 1)
    new, met = 0, 0
    for shingle in range(first, last):
        slot = hashes_S[shingle] & mask
        begin, length = begins_S[shingle], ends_S[shingle] - begins_S[shingle]
        while table_T[slot] >= 0:
            other = table_T[slot]
            there, i = begins_S[other], 0
            if hashes_S[other] == hashes_S[shingle] and ends_S[other] - there == length:
                while i + 8 <= length and load64(text_B, begin + i) == load64(text_B, there + i):
                    i += 8
                left = length - i
                if left < 8 and (
                    left == 0
                    or (load64(text_B, begin + i) ^ load64(text_B, there + i)) << np.uint64(64 - 8 * left) == 0
                ):
                    break
            slot = (slot + _ONE) & mask
        earlier = table_T[slot]
        if earlier < 0:
            new += 1
            table_T[slot] = shingle
        elif earlier < known <= shingle:
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
    hashes_W, starts_W1 = np.empty(room, np.uint64), np.empty(room, np.int64)
    both_B, hashes_S = np.empty(2 * longest + 12, np.uint8), np.empty(2 * room, np.uint64)
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
        first = meeting(both_B, begins_S, ends_S, hashes_S, known, 0, known, table_T)
        second = meeting(both_B, begins_S, ends_S, hashes_S, known, known, known + own, table_T)
        shared_P[pair] = second >> 32
        union_P[pair] = first + (second & 0xFFFFFFFF)
