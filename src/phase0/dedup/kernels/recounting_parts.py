"""The second count where no machine holds all sets: what each tells of itself at the first of its keys, who meets on
them, and which of those who met reach the threshold.

Two sets may meet on several keys; a meeting counts on the first key that both have, in the order of all keys. So every
pair is counted once, and nobody remembers pairs. Shapes: N sets, S shingles, R records, P meetings, T counters.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.compiling import BYTES, I64, SKETCHES, U64, Array, count, kernel, nothing, word
from phase0.dedup.kernels.recounting import LEVELS, common, level_of, rare_first

WIDTH = 4
"""Numbers of a record: a key; the row that has it; how many keys the row has, and how many behind this one; the key
before this one, or NONE."""
NONE = (1 << 64) - 1  # keys have 62 bits
MET = 3  # numbers of a meeting: the earlier row, the later one, the key
SIZE_SHIFT = 32
_SIZE_SHIFT, _BEHIND = np.uint64(SIZE_SHIFT), np.uint64((1 << SIZE_SHIFT) - 1)
_NO_LEVEL, _NONE = len(LEVELS) + 1, np.uint64(NONE)


@kernel(nothing, U64, I64, I64, I64, I64, BYTES, U64, SKETCHES)
def records(
    keys_S: Array,
    starts_N: Array,
    sizes_N: Array,
    rows_N: Array,
    lengths_N: Array,
    tally_T: Array,
    room_S: Array,
    records_R: Array,
) -> None:
    """A record for each of the first keys of every set, as many as `lengths_N` says, rare ones first. `room_S` has room
    for the keys of the largest set."""
    at = 0
    for number in range(len(starts_N)):
        size, wanted = sizes_N[number], lengths_N[number]
        rare_first(keys_S, starts_N[number], size, wanted, tally_T, room_S, 0)
        for i in range(wanted):
            records_R[at, 0] = room_S[i]
            records_R[at, 1] = np.uint64(rows_N[number])
            records_R[at, 2] = np.uint64(size) << _SIZE_SHIFT | np.uint64(size - i - 1)
            records_R[at, 3] = room_S[i - 1] if i > 0 else _NONE
            at += 1


@kernel(count, SKETCHES, count, count, I64, SKETCHES)
def meet(records_R: Array, p: int, q: int, reached: Array, met_P: Array) -> int:
    """Every two records of one key that may be of a pair: the sizes are near enough, and so much is behind the key in
    both sets that p/q can be reached if this is the first key that they share. It is not where the keys before it are
    equal, as those of rows that are nearly one mostly are. Answers how many there are.

    Records are in the order of keys and within them of sizes. It ends where there is no more room; `reached`, of three
    numbers that are 0 before the first call, becomes where to go on, and its second number is that of records when all
    were looked at.
    """
    begin, at, other, found = reached[0], reached[1], reached[2], 0
    while at < len(records_R):
        if records_R[begin, 0] != records_R[at, 0]:
            begin = at
        size, behind = np.int64(records_R[at, 2] >> _SIZE_SHIFT), np.int64(records_R[at, 2] & _BEHIND)
        while np.int64(records_R[begin, 2] >> _SIZE_SHIFT) * q < size * p:
            begin += 1
        other = max(begin, other)
        while other < at and found < len(met_P):
            smaller, left = np.int64(records_R[other, 2] >> _SIZE_SHIFT), np.int64(records_R[other, 2] & _BEHIND)
            is_later = records_R[at, 3] == records_R[other, 3] and records_R[at, 3] != _NONE
            if not is_later and 1 + min(behind, left) >= ((size + smaller) * p + p + q - 1) // (p + q):
                met_P[found, 0] = min(records_R[at, 1], records_R[other, 1])
                met_P[found, 1] = max(records_R[at, 1], records_R[other, 1])
                met_P[found, 2] = records_R[at, 0]
                found += 1
            other += 1
        if other < at:
            break
        at += 1
        other = begin
    reached[0], reached[1], reached[2] = begin, at, other
    return found


@kernel(word, U64, count, count, count, count, BYTES)
def first_shared(keys_S: Array, one: int, ones: int, other: int, others: int, tally_T: Array) -> int:
    """The first key that two sets of `ones` and `others` keys both have, in the order of classes and within them of
    keys. They share one."""
    one_end, other_end, least, first = one + ones, other + others, _NO_LEVEL, np.uint64(0)
    while one < one_end and other < other_end:
        a, b = keys_S[one], keys_S[other]
        if a == b:
            level = level_of(a, tally_T)
            if level < least:
                least, first = level, a
        one += np.int64(a <= b)
        other += np.int64(b <= a)
    return first


@kernel(nothing, U64, I64, I64, count, count, I64, I64, BYTES, I64, U64)
def counted(
    keys_S: Array,
    starts_N: Array,
    sizes_N: Array,
    p: int,
    q: int,
    ones_P: Array,
    others_P: Array,
    tally_T: Array,
    shared_P: Array,
    firsts_P: Array,
) -> None:
    """How many keys the sets of each pair share, and the first of these; -1 and 0 where they are too few for p/q."""
    for i in range(len(ones_P)):
        one, other = ones_P[i], others_P[i]
        ones, others = sizes_N[one], sizes_N[other]
        least = ((ones + others) * p + p + q - 1) // (p + q)
        shared_P[i] = common(keys_S, starts_N[one], ones, starts_N[other], others, least)
        firsts_P[i] = 0
        if shared_P[i] < least:
            shared_P[i] = -1
        else:
            firsts_P[i] = first_shared(keys_S, starts_N[one], ones, starts_N[other], others, tally_T)
