"""UTF-8 to canonical text: the tokens of a row as runs of bytes that are not zero, with zeros between them.

No token holds a zero byte, so this loses nothing. What `phase0.text.tokens` says of each character comes in a table
(see `phase0.dedup.letters`); rows with a character that its neighbours may change are left to Python.

Shapes: B bytes, D rows, C code points.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.bits import load64
from phase0.dedup.kernels.compiling import BYTES, I64, TEXT, U32, Array, count, flag, kernel, nothing, point

PADDING = 64  # zeros behind each row, so that as many bytes can be looked at from its last on
SEPARATOR = 0
ODD = 0xFFFFFFFF  # nobody knows what becomes of this character; it has all flags
ALONE = 1 << 31  # flag: this character is a token by itself
ENDS = 1 << 30  # flag: a token ends with this character
DEPENDS = 1 << 29  # flag: it may become one with a BASE before it; or it is a Σ, which is ς where a word ends
BASE = 1 << 28  # flag: what follows may become one with it, or with what it stands behind
_HIGH = np.uint64(0x8080808080808080)
_ODD, _ALONE, _DEPENDS, _BASE = np.uint32(ODD), np.uint32(ALONE), np.uint32(DEPENDS), np.uint32(BASE)
_APART, _POINT = np.uint32(ALONE | ENDS), np.uint32((1 << 21) - 1)
_FINAL_SIGMA = 0x3A3


@kernel(count, TEXT, count, count, BYTES, count)
def lower_ascii(text_B: Array, begin: int, end: int, out_B: Array, at: int) -> int:
    """Write letters in lower case, digits and `_` as they are, zeros for the rest. Answers the greatest byte: from 128
    on the row is not ASCII, and what was written is worthless."""
    greatest = np.uint8(0)
    source, target = text_B[begin:end], out_B[at : at + end - begin]
    for i in range(len(source)):
        byte = source[i]
        greatest = max(greatest, byte)  # any arithmetic would make it a number of 64 bits
        lower = np.uint8(byte | np.uint8(32))
        is_letter = np.uint8(lower - np.uint8(97)) < np.uint8(26)
        is_other = (np.uint8(byte - np.uint8(48)) < np.uint8(10)) | (byte == np.uint8(95))
        target[i] = lower if is_letter else (byte if is_other else np.uint8(0))
    return np.int64(greatest)


@kernel(count, BYTES, count, point)
def write_point(out_B: Array, at: int, code: int) -> int:
    """Write one code point as UTF-8 (zero as one zero byte). Answers where the next goes."""
    if code < 0x80:
        out_B[at] = code
        return at + 1
    if code < 0x800:
        out_B[at] = 0xC0 | code >> 6
        out_B[at + 1] = 0x80 | code & 0x3F
        return at + 2
    if code < 0x10000:
        out_B[at] = 0xE0 | code >> 12
        out_B[at + 1] = 0x80 | code >> 6 & 0x3F
        out_B[at + 2] = 0x80 | code & 0x3F
        return at + 3
    out_B[at] = 0xF0 | code >> 18
    out_B[at + 1] = 0x80 | code >> 12 & 0x3F
    out_B[at + 2] = 0x80 | code >> 6 & 0x3F
    out_B[at + 3] = 0x80 | code & 0x3F
    return at + 4


@kernel(flag, point, count, point, TEXT, count, count)
def is_settled(letter: int, code: int, before: int, text_B: Array, behind: int, end: int) -> bool:
    """Whether a character that depends on its neighbours is what the table says: a Σ before ά to ώ, which are all
    letters; any other behind what is no BASE. The next character begins at `behind`."""
    if letter == _ODD:
        return False
    if code == _FINAL_SIGMA:
        after = np.int64(text_B[behind]) << 8 | np.int64(text_B[behind + 1]) if behind + 2 <= end else 0
        return bool(0xCEAC <= after <= 0xCF8E)
    return bool(before & _BASE == 0)


@kernel(count, TEXT, count, count, U32, BYTES, count)
def lower_unicode(text_B: Array, begin: int, end: int, letters_C: Array, out_B: Array, at: int) -> int:
    """Write each character as the table says. Answers where it ended, or -1 at an odd character and at one that its
    neighbours may change. Needs valid UTF-8."""
    i, before = begin, _BASE
    while i < end:
        if text_B[i] < 0x80:
            run = i
            while run + 8 <= end and load64(text_B, run) & _HIGH == 0:
                run += 8
            while run < end and text_B[run] < 0x80:
                run += 1
            lower_ascii(text_B, i, run, out_B, at)
            at, i, before = at + run - i, run, _BASE
            if i == end:
                break
        first = np.int64(text_B[i])
        if first < 0xE0:
            code = (first & 0x1F) << 6 | text_B[i + 1] & 0x3F
            i += 2
        elif first < 0xF0:
            code = (first & 0x0F) << 12 | np.int64(text_B[i + 1] & 0x3F) << 6 | text_B[i + 2] & 0x3F
            i += 3
        else:
            code = (first & 0x07) << 18 | np.int64(text_B[i + 1] & 0x3F) << 12
            code |= np.int64(text_B[i + 2] & 0x3F) << 6 | text_B[i + 3] & 0x3F
            i += 4
        letter = letters_C[code] if code < len(letters_C) else _ODD
        if letter & _DEPENDS and not is_settled(letter, code, before, text_B, i, end):
            return -1
        before = letter
        if letter & _APART:
            if letter & _ALONE:
                out_B[at] = 0
                at += 1
            at = write_point(out_B, at, letter & _POINT)
            out_B[at] = 0
            at += 1
        else:
            at = write_point(out_B, at, letter & _POINT)
    return at


@kernel(nothing, TEXT, I64, U32, BYTES, I64, I64)
def canonical(text_B: Array, starts_D1: Array, letters_C: Array, out_B: Array, begins_D: Array, ends_D: Array) -> None:
    """The canonical text of every row; that of row d is out_B[begins_D[d]:ends_D[d]], with PADDING zeros behind it.

    An odd row has its end before its begin. `out_B` must hold twice the text and PADDING for each row.
    """
    at = 0
    for row in range(len(begins_D)):
        begin, end = starts_D1[row], starts_D1[row + 1]
        begins_D[row] = at
        stop = at + end - begin
        if lower_ascii(text_B, begin, end, out_B, at) >= 128:
            stop = lower_unicode(text_B, begin, end, letters_C, out_B, at)
        ends_D[row] = stop
        at = max(at, stop)
        for _ in range(PADDING):
            out_B[at] = 0
            at += 1
