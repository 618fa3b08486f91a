"""JSON as bytes: where a string or a value ends, if it is beyond doubt valid. In doubt the answer is -1.

Strict in one direction: what is accepted here every JSON parser accepts. Bytes are looked at 64 at a time, so all text
must be followed by as many.

Shapes: B bytes.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.bits import below64, equal64, load64, ones, trailing_zeros
from phase0.dedup.kernels.compiling import TEXT, Array, count, flag, kernel

PADDING = 64  # bytes behind all text
_HIGH = np.uint64(0x8080808080808080)
_DEEPEST = 60  # brackets within brackets


@kernel(count, TEXT, count, count)
def line_end(text_B: Array, at: int, end: int) -> int:
    """Where the next newline stands, or `end`."""
    while at < end:
        found = equal64(text_B, at, 10)
        if found != 0:
            return min(end, at + trailing_zeros(found))
        at += 64
    return end


@kernel(count, TEXT, count)
def newlines(text_B: Array, end: int) -> int:
    """How many newlines stand before `end`."""
    total = 0
    for at in range(0, end, 64):
        found = equal64(text_B, at, 10)
        if end - at < 64:
            found &= (np.uint64(1) << np.uint64(end - at)) - np.uint64(1)
        total += ones(found)
    return total


@kernel(flag, TEXT, count, count)
def valid_utf8(text_B: Array, at: int, end: int) -> bool:
    """Whether these bytes are UTF-8: shortest forms alone, no surrogates, nothing above U+10FFFF."""
    while at < end:
        if at + 8 <= end and load64(text_B, at) & _HIGH == 0:
            at += 8
            continue
        first = text_B[at]
        if first < 0x80:
            at += 1
            continue
        more = 1 if 0xC2 <= first < 0xE0 else (2 if 0xE0 <= first < 0xF0 else (3 if 0xF0 <= first < 0xF5 else 0))
        if more == 0 or at + more >= end:
            return False
        second = text_B[at + 1]
        lowest = 0xA0 if first == 0xE0 else (0x90 if first == 0xF0 else 0x80)
        highest = 0x9F if first == 0xED else (0x8F if first == 0xF4 else 0xBF)
        if second < lowest or second > highest:
            return False
        for i in range(2, more + 1):
            if text_B[at + i] & 0xC0 != 0x80:
                return False
        at += more + 1
    return True


@kernel(count, TEXT, count, count)
def hex4(text_B: Array, at: int, end: int) -> int:
    """The number that four hexadecimal digits say, or -1."""
    if at + 4 > end:
        return -1
    value = 0
    for i in range(4):
        digit = np.int64(text_B[at + i])
        if 48 <= digit <= 57:
            digit -= 48
        else:
            digit = (digit | 32) - 87
            if digit < 10 or digit > 15:
                return -1
        value = value << 4 | digit
    return value


@kernel(count, TEXT, count, count)
def escape_end(text_B: Array, at: int, end: int) -> int:
    r"""Where the escape ends whose backslash stands at `at`, or -1. Both halves of a \u pair are one escape."""
    if at + 1 >= end:
        return -1
    mark = text_B[at + 1]
    if mark in (34, 92, 47, 98, 102, 110, 114, 116):  # " \ / b f n r t
        return at + 2
    if mark != 117:
        return -1
    code = hex4(text_B, at + 2, end)
    if code < 0 or 0xDC00 <= code < 0xE000:
        return -1
    if code < 0xD800 or code >= 0xE000:
        return at + 6
    if at + 7 >= end or text_B[at + 6] != 92 or text_B[at + 7] != 117:
        return -1
    low = hex4(text_B, at + 8, end)
    return at + 12 if 0xDC00 <= low < 0xE000 else -1


@kernel(count, TEXT, count, count)
def string_end(text_B: Array, at: int, end: int) -> int:
    """Where the quote stands that ends the string whose first character stands at `at`, or -1."""
    while at < end:
        marks = equal64(text_B, at, 34) | equal64(text_B, at, 92) | below64(text_B, at, 32)  # " \\ control
        if marks == 0:
            at += 64
            continue
        at += trailing_zeros(marks)
        if at >= end or text_B[at] < 32:
            return -1
        if text_B[at] == 34:
            return at
        at = escape_end(text_B, at, end)
        if at < 0:
            return -1
    return -1


@kernel(count, TEXT, count, count)
def digits_end(text_B: Array, at: int, end: int) -> int:
    """Where a run of decimal digits ends."""
    while at < end and 48 <= text_B[at] <= 57:
        at += 1
    return at


@kernel(count, TEXT, count, count)
def number_end(text_B: Array, at: int, end: int) -> int:
    """Where the number ends that begins at `at`, or -1."""
    if at < end and text_B[at] == 45:
        at += 1
    whole = digits_end(text_B, at, end)
    if whole == at or (text_B[at] == 48 and whole > at + 1):
        return -1
    at = whole
    if at < end and text_B[at] == 46:
        fraction = digits_end(text_B, at + 1, end)
        if fraction == at + 1:
            return -1
        at = fraction
    if at < end and text_B[at] | 32 == 101:
        at += 1
        if at < end and (text_B[at] == 43 or text_B[at] == 45):
            at += 1
        exponent = digits_end(text_B, at, end)
        if exponent == at:
            return -1
        at = exponent
    return at


@kernel(count, TEXT, count, count)
def literal_end(text_B: Array, at: int, end: int) -> int:
    """Where `true`, `false` or `null` ends, or -1."""
    first = load64(text_B, at) & np.uint64(0xFFFFFFFF)
    if first == 0x65757274 or first == 0x6C6C756E:  # true, null
        return at + 4 if at + 4 <= end else -1
    if first == 0x736C6166 and at + 5 <= end and text_B[at + 4] == 101:  # fals, e
        return at + 5
    return -1


@kernel(count, TEXT, count, count)
def spaces_end(text_B: Array, at: int, end: int) -> int:
    """Where spaces, tabs and carriage returns end."""
    while at < end and (text_B[at] == 32 or text_B[at] == 9 or text_B[at] == 13):
        at += 1
    return at


@kernel(count, TEXT, count, count)
def scalar_end(text_B: Array, at: int, end: int) -> int:
    """Where a string, number or literal ends, or -1."""
    if at >= end:
        return -1
    if text_B[at] == 34:
        closing = string_end(text_B, at + 1, end)
        return closing + 1 if closing >= 0 else -1
    if text_B[at] == 45 or 48 <= text_B[at] <= 57:
        return number_end(text_B, at, end)
    return literal_end(text_B, at, end)


@kernel(count, TEXT, count, count)
def key_end(text_B: Array, at: int, end: int) -> int:
    """Where the value begins of a member whose key begins at `at`, or -1."""
    if at >= end or text_B[at] != 34:
        return -1
    closing = string_end(text_B, at + 1, end)
    if closing < 0:
        return -1
    at = spaces_end(text_B, closing + 1, end)
    if at >= end or text_B[at] != 58:
        return -1
    return spaces_end(text_B, at + 1, end)


@kernel(count, TEXT, count, count)
def value_end(text_B: Array, at: int, end: int) -> int:
    """Where the value ends that begins at `at`, whatever is inside, or -1."""
    objects, depth = np.uint64(0), 0  # bit 0 of `objects`: whether the innermost open bracket is an object's
    while True:
        opened = False
        if at < end and (text_B[at] == 123 or text_B[at] == 91):  # { [
            if depth == _DEEPEST:
                return -1
            objects = objects << np.uint64(1) | np.uint64(text_B[at] == 123)
            depth += 1
            at = spaces_end(text_B, at + 1, end)
            opened = True
        else:
            at = scalar_end(text_B, at, end)
            if at < 0:
                return -1
        while depth > 0:  # behind a value, or an opening bracket
            if not opened:
                at = spaces_end(text_B, at, end)
            if at >= end:
                return -1
            inside_object = objects & np.uint64(1) != 0
            if text_B[at] == (125 if inside_object else 93):  # } ]
                at += 1
                depth -= 1
                objects >>= np.uint64(1)
                opened = False
                continue
            if not opened:
                if text_B[at] != 44:
                    return -1
                at = spaces_end(text_B, at + 1, end)
            if inside_object:
                at = key_end(text_B, at, end)
                if at < 0:
                    return -1
            break
        if depth == 0:
            return at
