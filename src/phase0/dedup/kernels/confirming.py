"""Jaccard counted on the text of the shingles itself: hashes only find the place, bytes decide.

Of a pair, one row is laid out in a table of its shingles. The other is walked along it: where both read the same for a
while, their bytes are compared and no shingle is looked up.

Shapes: B bytes, D rows, P pairs, W words of two rows (those of the second row from the middle on), S shingles of two
rows (each at its first word), T slots of a table.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.bits import equal64, load64, trailing_zeros
from phase0.dedup.kernels.compiling import BYTES, I32, I64, U64, Array, count, flag, kernel, nothing, two_counts, word
from phase0.dedup.kernels.hashing import MULTIPLIER, hash_word
from phase0.dedup.kernels.joining import table_size

_ONE = np.uint64(1)
_BASE = np.uint64(MULTIPLIER)


@kernel(count, BYTES, count, count, count)
def same_bytes(text_B: Array, one: int, other: int, most: int) -> int:
    """How many bytes from two places on are the same, if not more than `most`."""
    at = 0
    while at < most:
        different = load64(text_B, one + at) ^ load64(text_B, other + at)
        if different != 0:
            return min(most, at + trailing_zeros(different) // 8)
        at += 8
    return most


@kernel(two_counts, BYTES, count, count)
def next_word(text_B: Array, at: int, end: int) -> tuple[int, int]:
    """Where the next word of a canonical row begins and ends; at the row's end where there is none."""
    letters = ~equal64(text_B, at, 0)
    while letters == 0:
        at += 64
        if at >= end:
            return end, end
        letters = ~equal64(text_B, at, 0)
    begin = at = at + trailing_zeros(letters)
    if begin >= end:
        return end, end
    zeros = equal64(text_B, at, 0)
    while zeros == 0:
        at += 64
        zeros = equal64(text_B, at, 0)
    return begin, at + trailing_zeros(zeros)


@kernel(count, BYTES, count, count, I64, I64, U64)
def spell(text_B: Array, begin: int, end: int, begins_W: Array, ends_W: Array, hashes_W: Array) -> int:
    """Where each word of a canonical row begins and ends, and its hash. Answers how many there are."""
    found, inside = 0, False
    for block in range(begin, end, 64):
        letters = ~equal64(text_B, block, 0)
        edges = letters ^ (letters << _ONE | np.uint64(inside))  # where a word begins, or has just ended
        inside = letters >> np.uint64(63) != 0
        while edges != 0:
            edge = block + trailing_zeros(edges)
            edges &= edges - _ONE
            if text_B[edge] != 0:
                begins_W[found] = edge
            else:
                ends_W[found] = edge
                found += 1
    if inside:
        ends_W[found] = end
        found += 1
    for i in range(found):
        hashes_W[i] = hash_word(text_B, begins_W[i], ends_W[i] - begins_W[i])
    return found


@kernel(two_counts, BYTES, count, count, I64, I64, U64, count, count)
def spell_on(
    text_B: Array, at: int, end: int, begins_W: Array, ends_W: Array, hashes_W: Array, found: int, wanted: int
) -> tuple[int, int]:
    """Spell the words of a row that end at byte `end` from byte `at` and word `found` on, up to word `wanted` - 1.
    Answers how many words are known then, and where the last of them ends."""
    while found < wanted:
        begin, at = next_word(text_B, at, end)
        if begin == end:
            break
        begins_W[found], ends_W[found] = begin, at
        hashes_W[found] = hash_word(text_B, begin, at - begin)
        found += 1
    return found, at


@kernel(flag, BYTES, I64, I64, count, count, count)
def same_words(text_B: Array, begins_W: Array, ends_W: Array, one: int, other: int, width: int) -> bool:
    """Whether `width` words from two places on are the same."""
    for k in range(width):
        here, there = begins_W[one + k], begins_W[other + k]
        length = ends_W[one + k] - here
        if ends_W[other + k] - there != length or same_bytes(text_B, here, there, length) != length:
            return False
    return True


@kernel(count, BYTES, I64, I64, U64, count, count, I32)
def slot_of(
    text_B: Array, begins_W: Array, ends_W: Array, hashes_S: Array, shingle: int, width: int, table_T: Array
) -> int:
    """The slot of the shingle with the same words, or the free one where it belongs."""
    mask = np.uint64(len(table_T) - 1)
    slot = hashes_S[shingle] & mask
    while table_T[slot] >= 0:
        other = np.int64(table_T[slot])
        if hashes_S[other] == hashes_S[shingle] and same_words(text_B, begins_W, ends_W, shingle, other, width):
            break
        slot = (slot + _ONE) & mask
    return np.int64(slot)


@kernel(count, BYTES, I64, I64, U64, count, count, U64, I32, I64)
def lay_out(
    text_B: Array,
    begins_W: Array,
    ends_W: Array,
    hashes_W: Array,
    length: int,
    width: int,
    hashes_S: Array,
    table_T: Array,
    first_S: Array,
) -> int:
    """Put the shingles of a spelled row into an empty table, and note for each the first with the same words. Answers
    how many are different. A row that is shorter than a shingle is one, which no table holds."""
    table_T[:] = -1
    if length < width:
        return min(length, 1)
    folded, power = np.uint64(0), _ONE
    for k in range(width):
        folded = folded * _BASE + hashes_W[k]
        power *= _BASE
    different = 0
    for shingle in range(length - width + 1):
        if shingle > 0:
            folded = folded * _BASE + hashes_W[shingle + width - 1] - power * hashes_W[shingle - 1]
        hashes_S[shingle] = folded
        slot = slot_of(text_B, begins_W, ends_W, hashes_S, shingle, width, table_T)
        if table_T[slot] < 0:
            table_T[slot] = shingle
            different += 1
        first_S[shingle] = table_T[slot]
    return different


@kernel(word, U64, count, count, inline=True)
def fold(hashes_W: Array, at: int, width: int) -> int:
    """The hash of the shingle that begins at word `at`."""
    folded = np.uint64(0)
    for k in range(at, at + width):
        folded = folded * _BASE + hashes_W[k]
    return folded


@kernel(count, I64, I64, count, count, count)
def meet(first_S: Array, met_S: Array, begin: int, end: int, pair: int) -> int:
    """Mark the shingles `begin` to `end - 1` of the row that is laid out as met. Answers how many were not."""
    new = 0
    for shingle in range(begin, end):
        first = first_S[shingle]
        new += met_S[first] != pair
        met_S[first] = pair
    return new


@kernel(two_counts, BYTES, count, count, I64, I64, U64, count, count, count, U64, I32, I64, I64, count, I32, I64)
def walk(
    text_B: Array,
    begin: int,
    end: int,
    begins_W: Array,
    ends_W: Array,
    hashes_W: Array,
    length: int,
    last: int,
    width: int,
    hashes_S: Array,
    table_T: Array,
    first_S: Array,
    met_S: Array,
    pair: int,
    own_T: Array,
    own_slots_S: Array,
) -> tuple[int, int]:
    """How many different shingles a row shares with the one that is laid out (`length` words, up to byte `last`), and
    how many it has beside them; (-1, words) for a row that is shorter than a shingle. `own_T` comes and goes empty."""
    middle, shared, fresh = len(begins_W) // 2, 0, 0
    at, spelled, past = middle, middle, begin  # the shingle in question, the first word and byte not looked at
    here, _ = next_word(text_B, begin, end)
    place, known, there = 0, 0, begins_W[0]  # `known` words from `at` and `place` on are the same; here each goes on
    if length == 0:
        there = last
    while True:
        if place >= 0:
            stop = there + same_bytes(text_B, here, there, min(end - here, last - there) + 1)  # a zero ends each row
            alike = place + known
            while alike < length and ends_W[alike] < stop:
                alike += 1
            if alike > place + known:
                past = ends_W[alike - 1] + here - there
            done = max(0, alike - place - width + 1)
            shared += meet(first_S, met_S, place, place + done, pair)
            for i in range(place + max(done, known), alike):  # shingles begin here that end behind what is the same
                copy = at + i - place
                begins_W[copy], ends_W[copy] = begins_W[i] + here - there, ends_W[i] + here - there
                hashes_W[copy] = hashes_W[i]
            spelled = at + alike - place
            at, place = at + done, -1
        spelled, past = spell_on(text_B, past, end, begins_W, ends_W, hashes_W, spelled, at + width)
        if spelled < at + width:
            break
        hashes_S[at] = fold(hashes_W, at, width)
        slot = slot_of(text_B, begins_W, ends_W, hashes_S, at, width, table_T)
        if table_T[slot] >= 0:
            place, known = np.int64(table_T[slot]), width
            here, there = ends_W[at + width - 1], ends_W[place + width - 1]
            continue
        slot = slot_of(text_B, begins_W, ends_W, hashes_S, at, width, own_T)
        if own_T[slot] < 0:
            own_T[slot] = at
            own_slots_S[fresh] = slot
            fresh += 1
        at += 1
    for i in range(fresh):
        own_T[own_slots_S[i]] = -1
    return (shared, fresh) if spelled - middle >= width else (-1, spelled - middle)


@kernel(count, I64, I64, I64, I64)
def longest_of(begins_D: Array, ends_D: Array, ones_P: Array, others_P: Array) -> int:
    """Bytes of the longest row of any pair."""
    longest = 0
    for pair in range(len(ones_P)):
        one, other = ones_P[pair], others_P[pair]
        longest = max(longest, ends_D[one] - begins_D[one])
        longest = max(longest, ends_D[other] - begins_D[other])
    return longest


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

    Pairs with the same `other` should stand together: it is then laid out once.
    """
    room = longest_of(begins_D, ends_D, ones_P, others_P) // 2 + 2  # words of a row; shingles are no more
    begins_W, ends_W, hashes_W = (
        np.empty(2 * room, np.int64),
        np.empty(2 * room, np.int64),
        np.empty(2 * room, np.uint64),
    )
    hashes_S, own_slots_S = np.empty(2 * room, np.uint64), np.empty(room, np.int64)
    first_S, met_S = np.empty(room, np.int64), np.empty(room, np.int64)
    tables, own_tables = np.empty(table_size(room), np.int32), np.full(table_size(room), -1, np.int32)
    before, length, different, table_T = np.int64(-1), np.int64(0), np.int64(0), tables
    for pair in range(len(ones_P)):
        one, other = ones_P[pair], others_P[pair]
        begin, end, last = begins_D[one], ends_D[one], ends_D[other]
        if other != before:
            length = spell(text_B, begins_D[other], last, begins_W, ends_W, hashes_W)
            table_T = tables[: table_size(length)]
            different = lay_out(text_B, begins_W, ends_W, hashes_W, length, width, hashes_S, table_T, first_S)
            met_S[:length] = -1
            before = other
        size = end - begin
        if size == last - begins_D[other] and same_bytes(text_B, begin, begins_D[other], size) == size:
            shared_P[pair] = union_P[pair] = different
            continue
        own_T = own_tables[: table_size(size // 2 + 1)]
        shared, fresh = walk(
            text_B, begin, end, begins_W, ends_W, hashes_W, length, last, width, hashes_S, table_T, first_S, met_S,
            pair, own_T, own_slots_S,
        )  # fmt: skip
        if shared < 0:  # one shingle: all of its words
            is_same = np.int64(fresh == length and same_words(text_B, begins_W, ends_W, 0, room, length))
            shared, fresh = min(fresh, is_same), min(fresh, 1 - is_same)
        shared_P[pair] = shared
        union_P[pair] = different + fresh
