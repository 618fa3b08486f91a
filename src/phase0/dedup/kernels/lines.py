"""What de-duplication writes of rows that lie in memory: kept lines, and dropped rows between their evidence.

Shapes: B bytes, D rows, F values of a line.
"""

from __future__ import annotations

from phase0.dedup.kernels.bits import copy64
from phase0.dedup.kernels.compiling import BYTES, I64, TEXT, Array, count, kernel

NUMBER, STRING, ROW = 0, 1, 2  # kinds of values
PADDING = 64  # bytes behind all that is read here, and behind all that is written


@kernel(count, TEXT, count, count, BYTES, count)
def put(text_B: Array, begin: int, end: int, out_B: Array, to: int) -> int:
    """Write text_B[begin:end]. Answers where it ended; up to 63 bytes behind it are overwritten."""
    for at in range(0, end - begin, 64):
        copy64(text_B, begin + at, out_B, to + at)
    return to + end - begin


@kernel(count, count, BYTES, count)
def put_number(value: int, out_B: Array, to: int) -> int:
    """Write a number that is not negative. Answers where it ended."""
    digits, rest = 1, value
    while rest > 9:
        rest //= 10
        digits += 1
    for at in range(to + digits - 1, to - 1, -1):
        out_B[at] = 48 + value % 10
        value //= 10
    return to + digits


@kernel(count, TEXT, I64, I64, BYTES)
def lines(text_B: Array, begins_D: Array, ends_D: Array, out_B: Array) -> int:
    """Write rows as lines, each with its newline. Answers how many bytes they are."""
    to = 0
    for row in range(len(begins_D)):
        to = put(text_B, begins_D[row], ends_D[row], out_B, to)
        out_B[to] = 10
        to += 1
    return to


@kernel(count, TEXT, I64, TEXT, I64, I64, I64, TEXT, BYTES)
def filled(
    form_B: Array,
    form_ends_F1: Array,
    text_B: Array,
    kinds_F: Array,
    firsts_DF: Array,
    ends_DF: Array,
    rows_B: Array,
    out_B: Array,
) -> int:
    """Write a form once for each row, with values between its parts. Answers how many bytes all are.

    Value f of row d is what stands at `first` = firsts_DF[d * F + f] and behind: of a NUMBER the number `first` itself,
    else the bytes up to ends_DF[d * F + f], of a STRING in `text_B` and of a ROW in `rows_B`.
    """
    to, values = 0, len(kinds_F)
    for at in range(len(firsts_DF)):
        value = at % values
        to = put(form_B, form_ends_F1[value - 1] if value > 0 else 0, form_ends_F1[value], out_B, to)
        if kinds_F[value] == NUMBER:
            to = put_number(firsts_DF[at], out_B, to)
        elif kinds_F[value] == STRING:
            to = put(text_B, firsts_DF[at], ends_DF[at], out_B, to)
        else:
            to = put(rows_B, firsts_DF[at], ends_DF[at], out_B, to)
        if value == values - 1:
            to = put(form_B, form_ends_F1[value], form_ends_F1[values], out_B, to)
    return to
