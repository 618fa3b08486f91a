"""The join in partitions that know nothing of each other: what they are sent says all that is compared there.

Each key of a prefix, or of a band, becomes a record of WIDTH numbers: the key; the one before it in its set (the key
itself where it is the first, and in bands); the row << ROW_SHIFT with its marks; the size of its set << 32, and added
to it how many keys of it there are from this one on (in bands, all); and its sketch, folded. Where two rows meet at a
key is what `joining.join` says; they may meet in several partitions, and count at the first key that both have.

Shapes: D rows, S keys, N sets, E records of a partition, X partitions, P pairs, T slots of a table, W numbers of a
record.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.bits import ones
from phase0.dedup.kernels.compiling import I32, I64, SKETCHES, U64, Array, count, flag, kernel, nothing, word
from phase0.dedup.kernels.hashing import SEED, stir
from phase0.dedup.kernels.joining import at_least, meet

FOLDED = 4  # numbers of a sketch in a record; with 8 a quarter fewer rows meet, with 2 more than twice as many
WIDTH = 4 + FOLDED
FOUND_BY_LARGER, AGAINST, LATER, ROW_SHIFT = 1, 2, 4, 3
_SEED, _ONE, _LOW = np.uint64(SEED), np.uint64(1), np.uint64(0xFFFFFFFF)
_FOUND, _AGAINST, _LATER = np.uint64(FOUND_BY_LARGER), np.uint64(AGAINST), np.uint64(LATER)
_SHIFT, _HALF = np.uint64(ROW_SHIFT), np.uint64(32)


@kernel(nothing, U64, I64, U64)
def chain(keys_S: Array, sizes_D: Array, chains_D: Array) -> None:
    """Of sets that lie behind one another the keys, stirred one after another into SEED ^ size."""
    at = 0
    for row in range(len(sizes_D)):
        hashed = _SEED ^ np.uint64(sizes_D[row])
        keys = keys_S[at : at + sizes_D[row]]
        for i in range(len(keys)):
            hashed = stir(hashed, keys[i])
        chains_D[row] = hashed
        at += sizes_D[row]


@kernel(nothing, SKETCHES, count, SKETCHES, count)
def fold(sketches_N8: Array, one: int, records_EW: Array, entry: int) -> None:
    """Write a sketch into a record: number j is its numbers j and j + FOLDED (and so on), added
    bit by bit. So two folded sketches differ in no more bits than the sketches do."""
    for j in range(FOLDED):
        records_EW[entry, 4 + j] = np.uint64(0)
    for i in range(8):
        records_EW[entry, 4 + i % FOLDED] ^= sketches_N8[one, i]


@kernel(nothing, U64, I64, I64, I64, SKETCHES, count, count, count, count, I64, SKETCHES)
def place_prefixes(
    keys_S: Array,
    starts_N: Array,
    sizes_N: Array,
    rows_N: Array,
    sketches_N8: Array,
    marks: int,
    p: int,
    q: int,
    bits: int,
    next_X: Array,
    records_EW: Array,
) -> None:
    """Write a record for each key of the prefixes of all sets, those of a partition (the lowest `bits` bits of a key)
    from `next_X` on."""
    mask = np.uint64((1 << bits) - 1)
    for one in range(len(sizes_N)):
        start, size = starts_N[one], sizes_N[one]
        found_by_larger = size - at_least(2 * size, p, p + q) + 1
        for i in range(size - at_least(size, p, q) + 1):
            part = keys_S[start + i] & mask
            entry = next_X[part]
            records_EW[entry, 0] = keys_S[start + i]
            records_EW[entry, 1] = keys_S[start + max(i - 1, 0)]
            records_EW[entry, 2] = np.uint64(rows_N[one] << ROW_SHIFT | marks | (i < found_by_larger))
            records_EW[entry, 3] = np.uint64(size << 32 | (size - i))
            fold(sketches_N8, one, records_EW, entry)
            next_X[part] = entry + 1


@kernel(flag, SKETCHES, count, count, count)
def may_reach_folded(records_EW: Array, one: int, other: int, most: int) -> bool:
    """Whether the sets of two records may differ in at most `most` keys: their sketches differ in at most as many
    bits."""
    differing = 0
    for i in range(4, WIDTH):
        differing += ones(records_EW[one, i] ^ records_EW[other, i])
    return differing <= most


@kernel(count, SKETCHES, I32, word, word, count)
def record_slot(records_EW: Array, table_T: Array, key: int, against: int, shift: int) -> int:
    """Where records with this key, of rows that are `against` others or not, are or begin to be in the table."""
    mask = np.uint64(len(table_T) - 1)
    slot = (key >> np.uint64(shift)) & mask
    while table_T[slot] >= 0:
        head = table_T[slot]
        if records_EW[head, 0] == key and (records_EW[head, 2] & _AGAINST) == against:
            break
        slot = (slot + _ONE) & mask
    return slot


@kernel(count, SKETCHES, I32, I32, count, count, count, count, flag, SKETCHES, I64)
def meet_records(
    records_EW: Array,
    table_T: Array,
    following_E: Array,
    first: int,
    p: int,
    q: int,
    shift: int,
    apart: bool,
    met_P3: Array,
    seen: Array,
) -> int:
    """Every two rows that meet at a key and may reach p/q: the lower row, the other, the key. Not both are `AGAINST`;
    with `apart`, one of them is LATER and the other is not.

    Records come in ascending order of size. It begins with the record `first`, and answers with which to go on when
    there may be too little room in `met_P3`, of which seen[0] are written; the room must be more than there are
    records. `table_T` comes as -1 to the first call, and as the last one left it to the next; `shift` are the bits in
    which all keys are equal. seen[1] grows by how many sketches were compared.
    """
    for entry in range(first, len(records_EW)):
        if len(met_P3) - seen[0] < entry:
            return entry
        key, before, marked = records_EW[entry, 0], records_EW[entry, 1], records_EW[entry, 2]
        size, rest = np.int64(records_EW[entry, 3] >> _HALF), np.int64(records_EW[entry, 3] & _LOW)
        smallest = at_least(size, p, q)
        for kind in range(2):
            if kind == 1 and marked & _AGAINST != 0:
                break
            earlier = np.int64(table_T[record_slot(records_EW, table_T, key, np.uint64(kind) * _AGAINST, shift)])
            while earlier >= 0:  # from the largest down
                other = earlier
                other_size = np.int64(records_EW[other, 3] >> _HALF)
                if other_size < smallest:
                    break
                earlier = np.int64(following_E[other])
                if apart and (marked ^ records_EW[other, 2]) & _LATER == 0:
                    continue
                if records_EW[other, 1] == before and before != key:  # they met there
                    continue
                sizes = size + other_size
                if min(rest, np.int64(records_EW[other, 3] & _LOW)) * (p + q) < sizes * p:
                    continue
                seen[1] += 1
                if may_reach_folded(records_EW, entry, other, sizes - 2 * at_least(sizes, p, p + q)):
                    mine, theirs = marked >> _SHIFT, records_EW[other, 2] >> _SHIFT
                    met_P3[seen[0], 0] = min(mine, theirs)
                    met_P3[seen[0], 1] = max(mine, theirs)
                    met_P3[seen[0], 2] = key
                    seen[0] += 1
        if marked & _FOUND != 0:
            home = record_slot(records_EW, table_T, key, marked & _AGAINST, shift)
            following_E[entry] = table_T[home]
            table_T[home] = entry
    return len(records_EW)


@kernel(nothing, U64, I64, I64, count, count, I64, I64, U64, I64)
def count_met(
    keys_S: Array,
    starts_N: Array,
    sizes_N: Array,
    p: int,
    q: int,
    ones_P: Array,
    others_P: Array,
    keys_P: Array,
    shared_P: Array,
) -> None:
    """How many keys each two sets share that met at a key; -1 if J < p/q or the key is not the first they share."""
    for pair in range(len(ones_P)):
        one, other = ones_P[pair], others_P[pair]
        here, there, size, other_size = starts_N[one], starts_N[other], sizes_N[one], sizes_N[other]
        needed = at_least(size + other_size, p, p + q)
        shared_P[pair] = meet(keys_S, here, here + size, there, there + other_size, keys_P[pair], needed)
