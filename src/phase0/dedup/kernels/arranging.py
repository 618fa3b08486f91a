"""Sets into another order, for files that are read in it.

Shapes: D rows, S shingles.
"""

from __future__ import annotations

from phase0.dedup.kernels.compiling import I64, U64, Array, kernel, nothing


@kernel(nothing, U64, I64, I64, I64, U64)
def arrange(keys_S: Array, starts_D: Array, lengths_D: Array, order_D: Array, out_S: Array) -> None:
    """Copy the spans of all rows behind one another, in this order."""
    at = 0
    for place in range(len(order_D)):
        row = order_D[place]
        for i in range(starts_D[row], starts_D[row] + lengths_D[row]):
            out_S[at] = keys_S[i]
            at += 1
