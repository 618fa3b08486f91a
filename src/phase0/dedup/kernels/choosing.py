"""Which rows stay, once all pairs are known: greedy by rank, as `phase0.dedup.keep` says it in Python.

Shapes: R rows, D sets (numbered by their first row), P pairs.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.compiling import I32, I64, Array, kernel, nothing


@kernel(nothing, I32, I32, I32, I64, I32, I32)
def adjacent(
    ones_P: Array, others_P: Array, shared_P: Array, next_D: Array, neighbours_2P: Array, counts_2P: Array
) -> None:
    """Write both directions of every pair from `next_D` of its set on."""
    for pair in range(len(ones_P)):
        for turn in range(2):
            here = ones_P[pair] if turn == 0 else others_P[pair]
            there = others_P[pair] if turn == 0 else ones_P[pair]
            neighbours_2P[next_D[here]] = there
            counts_2P[next_D[here]] = shared_P[pair]
            next_D[here] += 1


@kernel(nothing, I64, I32, I64, I64, I32, I32, I64, I64, I64, allocates=True)
def choose(
    order_R: Array,
    set_R: Array,
    sizes_D: Array,
    starts_D1: Array,
    neighbours_2P: Array,
    counts_2P: Array,
    witness_R: Array,
    shared_R: Array,
    union_R: Array,
) -> None:
    """For each row in order: -1 as its witness where it stays, else the kept row of highest Jaccard and the counts.

    Of equal Jaccard the witness of best rank; a row whose own set was kept has that as its witness. Rows without a set
    (-1) stay.
    """
    kept_D = np.full(len(sizes_D), -1, np.int64)  # of each kept set, the place in the order of its row
    for place in range(len(order_R)):
        row = order_R[place]
        own = set_R[row]
        witness_R[row] = -1
        if own < 0:
            continue
        if kept_D[own] >= 0:
            witness_R[row] = order_R[kept_D[own]]
            shared_R[row] = union_R[row] = sizes_D[own]
            continue
        best, shared, union = np.int64(-1), np.int64(0), np.int64(1)
        for i in range(starts_D1[own], starts_D1[own + 1]):
            other = kept_D[neighbours_2P[i]]
            if other < 0:
                continue
            mine = np.int64(counts_2P[i])
            together = sizes_D[own] + sizes_D[neighbours_2P[i]] - mine
            gain = mine * union - shared * together
            if gain > 0 or (gain == 0 and other < best):
                best, shared, union = other, mine, together
        if best < 0:
            kept_D[own] = place
        else:
            witness_R[row] = order_R[best]
            shared_R[row], union_R[row] = shared, union


@kernel(nothing, I32, I32, I32)
def connect(ones_P: Array, others_P: Array, roots_D: Array) -> None:
    """Give all sets that pairs connect, directly or not, the same root: the least of their numbers.

    `roots_D` comes as each set's own number, or as a call with other pairs left it.
    """
    for pair in range(len(ones_P)):
        one, other = ones_P[pair], others_P[pair]
        while roots_D[one] != one:
            roots_D[one] = roots_D[roots_D[one]]
            one = roots_D[one]
        while roots_D[other] != other:
            roots_D[other] = roots_D[roots_D[other]]
            other = roots_D[other]
        roots_D[max(one, other)] = min(one, other)
    for row in range(len(roots_D)):
        roots_D[row] = roots_D[roots_D[row]]
