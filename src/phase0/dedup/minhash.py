"""Signatures: 128 numbers per set, of which two sets share about as large a part as their Jaccard similarity.

One-permutation hashing: the range of the hashes is cut into 128 equal bins and each slot takes the least of its bin.
The sets arrive sorted, so a slot is simply the first hash of its bin and one pass makes a whole signature, where k
permutations would take 128. A slot whose bin is empty borrows (densification after Shrivastava, "Optimal densification
for fast and accurate minwise hashing", 2017): it takes the first filled slot in an order of the slots that is its own,
fixed and pseudo-random, so that short rows get slots nearly as independent as long ones.

Shapes: D sets, K slots.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
import numpy.typing as npt

from phase0.dedup.shingles import I64, U64, Sets

SLOTS = 128
_BIN_BITS = 7
_VALUE_BITS = 32
_SEED = 0x5048415345304D48
_WORD = (1 << 64) - 1
_BLOCK_ROWS = 8192

U32 = npt.NDArray[np.uint32]


def signatures(sets: Sets) -> U32:
    """Shape (D, K). The top 7 bits of a hash are its bin, the next 32 its value; slot k is the least value of bin k.

    An empty bin takes the slot of the first non-empty one in `borrowing_order()[k]`. Every set must hold something.
    """
    result = np.empty((len(sets.starts_D1) - 1, SLOTS), np.uint32)
    order = borrowing_order()
    for first in range(0, len(result), _BLOCK_ROWS):
        bounds = sets.starts_D1[first : first + _BLOCK_ROWS + 1]
        block = result[first : first + _BLOCK_ROWS]
        filled = _first_of_each_bin(sets.hashes_S[bounds[0] : bounds[-1]], bounds - bounds[0], block)
        _borrow(block, filled, order)
    return result


def borrowing_order() -> I64:
    """Shape (K, K - 1): for each slot the others, sorted by splitmix64 of (seed + 128 * slot + other)."""
    mixed = _splitmix64(np.arange(SLOTS * SLOTS, dtype=np.uint64) + np.uint64(_SEED)).reshape(SLOTS, SLOTS)
    order = np.argsort(mixed, axis=1, kind="stable")
    others: I64 = order[order != np.arange(SLOTS)[:, None]].reshape(SLOTS, SLOTS - 1)
    return others


def signature_of(hashes: Iterable[int]) -> list[int]:
    """What `signatures` holds for one set, said slowly: its twin for tests."""
    least: dict[int, int] = {}
    for value in hashes:
        slot, rest = value >> (64 - _BIN_BITS), value >> (64 - _BIN_BITS - _VALUE_BITS) & (1 << _VALUE_BITS) - 1
        least[slot] = min(rest, least.get(slot, rest))
    return [
        least[slot] if slot in least else least[next(other for other in _order_of(slot) if other in least)]
        for slot in range(SLOTS)
    ]


def _first_of_each_bin(hashes: U64, bounds: I64, out: U32) -> npt.NDArray[np.bool_]:
    rows = np.repeat(np.arange(len(out)), np.diff(bounds))
    bins = (hashes >> np.uint64(64 - _BIN_BITS)).astype(np.int64)
    cells = rows * SLOTS + bins
    leads = np.flatnonzero(np.diff(cells, prepend=-1))  # sorted within a row, so the first of a bin is its least
    values = hashes[leads] >> np.uint64(64 - _BIN_BITS - _VALUE_BITS)
    out.reshape(-1)[cells[leads]] = (values & np.uint64((1 << _VALUE_BITS) - 1)).astype(np.uint32)
    filled = np.zeros(out.size, np.bool_)
    filled[cells[leads]] = True
    return filled.reshape(out.shape)


def _borrow(block: U32, filled: npt.NDArray[np.bool_], order: I64) -> None:
    rows, slots = np.nonzero(~filled)
    for look in range(SLOTS - 1):
        if not len(rows):
            return
        donors = order[slots, look]
        found = filled[rows, donors]
        block[rows[found], slots[found]] = block[rows[found], donors[found]]
        rows, slots = rows[~found], slots[~found]


def _splitmix64(value: U64) -> U64:
    """Steele, Lea and Flood's mixer, in wrapping uint64 arithmetic."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@cache
def _order_of(slot: int) -> list[int]:
    def mixed(other: int) -> int:
        value = (_SEED + SLOTS * slot + other + 0x9E3779B97F4A7C15) & _WORD
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _WORD
        value = (value ^ value >> 27) * 0x94D049BB133111EB & _WORD
        return value ^ value >> 31

    return sorted((other for other in range(SLOTS) if other != slot), key=mixed)
