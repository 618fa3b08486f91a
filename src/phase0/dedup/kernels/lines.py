"""What de-duplication writes of rows that lie in memory: whole lines, and the names of rows.

Shapes: B bytes, D rows.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.bits import copy64
from phase0.dedup.kernels.compiling import BYTES, I64, TEXT, Array, count, kernel, nothing
from phase0.dedup.kernels.rows import members

_ID = 4  # of FIELDS
IN_DOUBT = -3


@kernel(count, TEXT, I64, I64, BYTES)
def lines(text_B: Array, begins_D: Array, ends_D: Array, out_B: Array) -> int:
    """Write rows as lines, each with its newline. Answers how many bytes they are; `text_B` and `out_B` must go on for
    64 behind all."""
    to = 0
    for row in range(len(begins_D)):
        begin, length = begins_D[row], ends_D[row] - begins_D[row]
        for at in range(0, length, 64):
            copy64(text_B, begin + at, out_B, to + at)
        to += length
        out_B[to] = 10
        to += 1
    return to


@kernel(nothing, TEXT, I64, I64, I64, I64, allocates=True)
def ids(text_B: Array, begins_D: Array, ends_D: Array, id_begins_D: Array, id_ends_D: Array) -> None:
    """Where the id of each row stands, with its quotes; it begins below 0 where there is none, and at IN_DOUBT where
    only a strict reader can tell."""
    spans = np.empty(10, np.int64)
    for row in range(len(begins_D)):
        plain = members(text_B, begins_D[row], ends_D[row], spans) == ends_D[row]
        id_begins_D[row] = IN_DOUBT if not plain else min(spans[2 * _ID], spans[2 * _ID] - 1)
        id_ends_D[row] = spans[2 * _ID + 1] + 1
