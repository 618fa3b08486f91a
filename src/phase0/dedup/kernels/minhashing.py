"""MinHash by one permutation: which sets agree on all slots of a band, and which of those reach the threshold.

The range of keys is cut into 128 bins and each slot takes the least of its bin, so one pass makes a whole signature
where k permutations would take k. A slot whose bin is empty borrows (Shrivastava, "Optimal densification for fast and
accurate minwise hashing", 2017): it takes the first filled slot in an order of the slots that is its own.

Shapes: N sets in ascending order of size, S keys, K slots, A bands, P pairs.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.compiling import BYTES, I32, I64, SKETCHES, TABLE, U64, Array, count, flag, kernel, nothing
from phase0.dedup.kernels.hashing import stir
from phase0.dedup.kernels.joining import at_least, may_reach, shared_keys, table_size

SLOTS = 128
BIN_SHIFT, VALUE_SHIFT, VALUE_MASK = 55, 23, 0xFFFFFFFF  # of a key's 62 bits, 7 are its bin and 32 its value
_BIN, _VALUE, _MASK = np.uint64(BIN_SHIFT), np.uint64(VALUE_SHIFT), np.uint64(VALUE_MASK)
_BIN_MASK, _ONE = np.uint64(SLOTS - 1), np.uint64(1)
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)


@kernel(nothing, U64, count, count, TABLE, U64)
def sign(keys_S: Array, start: int, size: int, order_KK: Array, slots_K: Array) -> None:
    """Slot k is the least value of the keys in bin k, or that of the first filled slot in order_KK[k]. Bits 55 to 61 of
    a key are its bin, bits 23 to 54 its value. The set must hold something."""
    slots_K[:] = _EMPTY
    for i in range(start, start + size):
        slot = (keys_S[i] >> _BIN) & _BIN_MASK
        slots_K[slot] = min(slots_K[slot], (keys_S[i] >> _VALUE) & _MASK)
    for slot in range(SLOTS):
        if slots_K[slot] == _EMPTY:
            look = 0
            while slots_K[order_KK[slot, look]] >> np.uint64(33) != 0:  # empty, or borrowed itself
                look += 1
            slots_K[slot] = slots_K[order_KK[slot, look]] | _ONE << np.uint64(33)
    for slot in range(SLOTS):
        slots_K[slot] &= _MASK


@kernel(nothing, U64, I64, I64, count, count, TABLE, count, count, SKETCHES, allocates=True)
def band_keys(
    keys_S: Array,
    starts_N: Array,
    sizes_N: Array,
    first: int,
    last: int,
    order_KK: Array,
    before: int,
    rows: int,
    keys_AN: Array,
) -> None:
    """For each band of the sets `first` to `last - 1` its `rows` slots, stirred one after another into their number.

    The first band of `keys_AN` is the one that has `before` others before it.
    """
    slots_K = np.empty(SLOTS, np.uint64)
    for one in range(first, last):
        sign(keys_S, starts_N[one], sizes_N[one], order_KK, slots_K)
        for band in range(len(keys_AN)):
            key = np.uint64(rows)
            for slot in range((before + band) * rows, (before + band + 1) * rows):
                key = stir(key, slots_K[slot])
            keys_AN[band, one] = key


@kernel(count, U64, BYTES, I32, count, count)
def band_slot(keys_N: Array, kinds_N: Array, table_T: Array, one: int, kind: int) -> int:
    """Where sets of this kind with the key of `one` are, or begin to be, in the table of a band."""
    mask = np.uint64(len(table_T) - 1)
    slot: int = keys_N[one] & mask
    while table_T[slot] >= 0 and (keys_N[table_T[slot]] != keys_N[one] or kinds_N[table_T[slot]] != kind):
        slot = (slot + _ONE) & mask
    return slot


@kernel(
    *(count, SKETCHES, count, U64, I64, I64, BYTES, SKETCHES, count, count, flag, flag, I64),
    *(I32, I32, I32, I64),
    allocates=True,
)
def band_pairs(
    keys_AN: Array,
    band: int,
    keys_S: Array,
    starts_N: Array,
    sizes_N: Array,
    kinds_N: Array,
    sketches_N8: Array,
    p: int,
    q: int,
    apart: bool,
    counted: bool,
    limits: Array,
    ones_P: Array,
    others_P: Array,
    shared_P: Array,
    seen: Array,
) -> int:
    """Every pair with J >= p/q, of different kind if `apart`, else of equal kind, that agrees on this band and on none
    before it. Answers how many, also where they are more than there is room for. It stops, and answers limits[0] + 1,
    where they are more than limits[0], or where more than limits[1] sketches would be compared.

    Unless they are to be `counted`, no key is looked up, and pairs are those whose sketches allow it. seen[0] grows by
    the pairs whose sketches were compared.
    """
    keys = keys_AN[band]
    table, following = np.full(table_size(len(keys)), -1, np.int32), np.empty(len(keys), np.int32)
    found = 0
    for one in range(len(keys)):
        slot = band_slot(keys, kinds_N, table, one, kinds_N[one] ^ apart)
        size, start = sizes_N[one], starts_N[one]
        smallest = at_least(size, p, q)
        other = np.int64(table[slot])
        while other >= 0 and sizes_N[other] >= smallest:  # from the largest down
            sizes = size + sizes_N[other]
            needed = at_least(sizes, p, p + q)
            met = False
            for before in range(band):
                met |= keys_AN[before, one] == keys_AN[before, other]
            if not met:
                seen[0] += 1
                if seen[0] > limits[1]:
                    return int(limits[0] + 1)
                if may_reach(sketches_N8, one, other, sizes - 2 * needed):
                    there, shared = starts_N[other], np.int64(0)
                    if counted:
                        shared = shared_keys(keys_S, start, start + size, there, there + sizes_N[other], needed)
                    if shared >= 0:
                        if found < len(ones_P):
                            ones_P[found], others_P[found], shared_P[found] = one, other, shared
                        found += 1
                        if found > limits[0]:
                            return found
            other = np.int64(following[other])
        home = band_slot(keys, kinds_N, table, one, kinds_N[one]) if apart else slot
        following[one] = table[home]
        table[home] = one
    return found
