"""Lines of JSONL to what de-duplication needs of them: text, rank and source, without a Python object per row.

A line that is not beyond doubt a plain row is left to a strict reader.

Shapes: B bytes, D lines.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.bits import below64, copy64, equal64, ones, trailing_zeros
from phase0.dedup.kernels.canonical import write_point
from phase0.dedup.kernels.compiling import (
    BYTES,
    F64,
    FLAGS,
    I64,
    TEXT,
    Array,
    count,
    flag,
    kernel,
    nothing,
    real,
    two_counts,
)
from phase0.dedup.kernels.json import (
    digits_end,
    escape_end,
    hex4,
    key_end,
    line_end,
    spaces_end,
    valid_utf8,
    value_end,
)

FIELDS = (b"instruction", b"response", b"source", b"quality_score", b"id")
_QUALITY, _ID = 3, 4
_NAMES = np.frombuffer(b"".join(field + b'"' for field in FIELDS), np.uint8)
_NAME_ENDS = np.cumsum([len(field) + 1 for field in FIELDS])
_EXACT_DIGITS, _EXACT_POWER = 15, 22  # so many digits, and 10 to the power of 22, are exact in a float
BOTH, INSTRUCTION, RESPONSE = 0, 1, 2
MISSING, NULL = -1, -2


@kernel(flag, TEXT, count, count)
def is_ascii(text_B: Array, begin: int, end: int) -> bool:
    """Whether all bytes are below 128."""
    while begin < end:
        other = ~below64(text_B, begin, 128)
        if other != 0:
            return begin + trailing_zeros(other) >= end
        begin += 64
    return True


@kernel(count, TEXT, count, count, BYTES, count)
def unescape(text_B: Array, at: int, end: int, out_B: Array, to: int) -> int:
    """Write a valid JSON string as UTF-8. Answers where it ended; up to 63 bytes behind it are overwritten."""
    while at < end:
        backslashes = equal64(text_B, at, 92)
        copy64(text_B, at, out_B, to)
        run = min(end - at, trailing_zeros(backslashes) if backslashes != 0 else 64)
        at += run
        to += run
        if at < end and backslashes != 0:
            mark = text_B[at + 1]
            if mark == 117:
                code = hex4(text_B, at + 2, end)
                if 0xD800 <= code < 0xDC00:
                    code = 0x10000 + ((code - 0xD800) << 10) + hex4(text_B, at + 8, end) - 0xDC00
            elif mark == 110:
                code = 10
            elif mark == 116:
                code = 9
            elif mark == 114:
                code = 13
            elif mark == 98:
                code = 8
            elif mark == 102:
                code = 12
            else:
                code = np.int64(mark)
            to = write_point(out_B, to, np.uint32(code))
            at = escape_end(text_B, at, end)
    return to


@kernel(count, BYTES, count, count)
def characters(text_B: Array, begin: int, end: int) -> int:
    """How many code points valid UTF-8 holds: its bytes that continue none."""
    total = 0
    while begin < end:
        leading = below64(text_B, begin, 0x80) | ~below64(text_B, begin, 0xC0)
        if end - begin < 64:
            leading &= (np.uint64(1) << np.uint64(end - begin)) - np.uint64(1)
        total += ones(leading)
        begin += 64
    return total


@kernel(real, TEXT, count, count)
def number(text_B: Array, at: int, end: int) -> float:
    """The float nearest to a valid JSON number, or NaN where that takes more than one exact division or multiplication
    (Clinger 1990: both sides are exact, so the result is rounded once)."""
    negative = text_B[at] == 45
    at += negative
    digits, scale, value = 0, 0, 0
    while at < end and (48 <= text_B[at] <= 57 or text_B[at] == 46):
        if text_B[at] == 46:
            scale = digits_end(text_B, at + 1, end) - at - 1
        else:
            digits += value > 0 or text_B[at] != 48
            if digits > _EXACT_DIGITS:
                return np.nan
            value = value * 10 + text_B[at] - 48
        at += 1
    if at < end or scale > _EXACT_POWER:  # exponents are left to others
        return np.nan
    power = 1.0
    for _ in range(scale):
        power *= 10.0
    result = value / power
    return -result if negative else result


@kernel(count, TEXT, count)
def field_of(text_B: Array, key: int) -> int:
    """Which of FIELDS is the valid key whose first character stands at `key`: -1 for none, -2 where an escape makes it
    hard to say."""
    begin = 0
    for field in range(len(_NAME_ENDS)):
        length, i = _NAME_ENDS[field] - begin, 0
        while i < length and text_B[key + i] == _NAMES[begin + i]:
            i += 1
        if i == length:
            return field
        begin += length
    while text_B[key] != 34:
        if text_B[key] == 92:
            return -2
        key += 1
    return -1


@kernel(flag, TEXT, count, count, count, I64)
def is_plain(text_B: Array, begin: int, end: int, field: int, spans: Array) -> bool:
    """Note where the value of a field stands. False for a value that a plain row does not have there."""
    is_string, is_null = text_B[begin] == 34, text_B[begin] == 110
    if field == _QUALITY:
        if not (is_null or text_B[begin] == 45 or 48 <= text_B[begin] <= 57):
            return False
    elif not (is_string or (is_null and field > 0)):
        return False
    spans[2 * field] = NULL if is_null else begin + is_string
    spans[2 * field + 1] = NULL if is_null else end - is_string
    return True


@kernel(count, TEXT, count, count, I64)
def members(text_B: Array, at: int, end: int, spans: Array) -> int:
    """Where the object ends that begins at `at`, or -1. The values of FIELDS are spans[2 * i] to spans[2 * i + 1],
    strings without their quotes; MISSING where there is no such field, NULL where it is null."""
    spans[:] = MISSING
    if at >= end or text_B[at] != 123:
        return -1
    at = spaces_end(text_B, at + 1, end)
    if at < end and text_B[at] == 125:
        return at + 1
    while True:
        key = at + 1
        at = key_end(text_B, at, end)
        if at < 0:
            return -1
        field = field_of(text_B, key)
        begin = at
        at = value_end(text_B, at, end)
        if field == -2 or at < 0 or (field >= 0 and not is_plain(text_B, begin, at, field, spans)):
            return -1
        at = spaces_end(text_B, at, end)
        if at >= end:
            return -1
        if text_B[at] == 125:
            return at + 1
        if text_B[at] != 44:
            return -1
        at = spaces_end(text_B, at + 1, end)


@kernel(two_counts, TEXT, I64, count, flag, BYTES, count)
def write_text(text_B: Array, spans: Array, on: int, ascii_only: bool, out_B: Array, to: int) -> tuple[int, int]:
    """Write what is compared of a row whose fields stand at `spans`. Answers where it ended, and how many characters
    the response has."""
    after = to
    if on != RESPONSE:
        after = unescape(text_B, spans[0], spans[1], out_B, after)
    if on == BOTH:
        out_B[after] = 10
        after += 1
    response = after
    if spans[2] >= 0:
        after = unescape(text_B, spans[2], spans[3], out_B, after)
    is_copy = after - response == spans[3] - spans[2]  # no escapes, as each gets shorter
    length = after - response if ascii_only and is_copy else characters(out_B, response, after)
    return response if on == INSTRUCTION else after, length


@kernel(count, TEXT, count, count, BYTES, I64, I64, I64, I64, I64, F64, I64, I64, allocates=True)
def read_rows(
    text_B: Array,
    end: int,
    on: int,
    out_B: Array,
    starts_D1: Array,
    begins_D: Array,
    ends_D: Array,
    lines_D: Array,
    lengths_D: Array,
    qualities_D: Array,
    source_begins_D: Array,
    source_ends_D: Array,
) -> int:
    """Read whole lines. Answers how many are not blank; of those line d is text_B[begins_D[d]:ends_D[d]] without spaces
    around it, the lines_D[d]-th from 0.

    Its text is out_B[starts_D1[d]:starts_D1[d + 1]] (`out_B` must hold PADDING more than all lines), its response has
    lengths_D[d] characters, its quality is -inf where there is none, its source begins below 0 where there is none. A
    line in doubt has the length -1, no text and no source.
    """
    spans = np.empty(10, np.int64)
    at, line, rows, to = 0, -1, 0, 0
    starts_D1[0] = 0
    while at < end:
        line += 1
        stop = line_end(text_B, at, end)
        begin, last = spaces_end(text_B, at, stop), stop
        while last > begin and (text_B[last - 1] == 32 or text_B[last - 1] == 9 or text_B[last - 1] == 13):
            last -= 1
        at = stop + 1
        if begin == last:
            continue
        begins_D[rows], ends_D[rows], lines_D[rows], lengths_D[rows] = begin, last, line, -1
        ascii_only = is_ascii(text_B, begin, last)
        plain = (ascii_only or valid_utf8(text_B, begin, last)) and (
            members(text_B, begin, last, spans) == last and spans[0] >= 0 and spans[2] != MISSING
        )
        quality = -np.inf
        if plain and spans[6] >= 0:
            quality = number(text_B, spans[6], spans[7])
            plain = quality == quality  # NaN is not itself
        if plain:
            to, lengths_D[rows] = write_text(text_B, spans, on, ascii_only, out_B, to)
        qualities_D[rows] = quality
        source_begins_D[rows] = spans[4] if plain else MISSING
        source_ends_D[rows] = spans[5] if plain else MISSING
        rows += 1
        starts_D1[rows] = to
    return rows


@kernel(nothing, TEXT, I64, I64, FLAGS, count, BYTES, I64, I64, I64, allocates=True)
def read_again(
    text_B: Array,
    begins_D: Array,
    ends_D: Array,
    plain_D: Array,
    on: int,
    out_B: Array,
    starts_D1: Array,
    id_begins_D: Array,
    id_ends_D: Array,
) -> None:
    """Read rows once more that were plain the first time, wherever they lie: their text is
    out_B[starts_D1[d]:starts_D1[d + 1]], their id with its quotes text_B[id_begins_D[d]:id_ends_D[d]]; it begins below
    0 where there is none. `out_B` must hold PADDING more than all of them.

    A row that is not plain, or no more, has neither and is noted in `plain_D`.
    """
    spans = np.empty(10, np.int64)
    starts_D1[0] = to = 0
    for row in range(len(begins_D)):
        begin, end = begins_D[row], ends_D[row]
        id_begins_D[row] = id_ends_D[row] = MISSING
        plain = plain_D[row] and members(text_B, begin, end, spans) == end and spans[0] >= 0 and spans[2] != MISSING
        if plain:
            if on != RESPONSE:
                to = unescape(text_B, spans[0], spans[1], out_B, to)
            if on == BOTH:
                out_B[to] = 10
                to += 1
            if on != INSTRUCTION and spans[2] >= 0:
                to = unescape(text_B, spans[2], spans[3], out_B, to)
            if spans[2 * _ID] >= 0:
                id_begins_D[row], id_ends_D[row] = spans[2 * _ID] - 1, spans[2 * _ID + 1] + 1
        plain_D[row] = plain
        starts_D1[row + 1] = to


@kernel(count, TEXT, I64, I64, I64, allocates=True)
def first_alike(text_B: Array, begins_D: Array, ends_D: Array, first_D: Array) -> int:
    """For each span the first one with the same bytes; -1 where it begins below 0. Answers how many there are."""
    distinct = 0
    slots = 16
    while slots < 2 * len(begins_D):
        slots *= 2
    table = np.full(slots, -1, np.int64)
    for row in range(len(begins_D)):
        first_D[row] = -1
        begin, length = begins_D[row], ends_D[row] - begins_D[row]
        if begin < 0:
            continue
        slot = length
        for i in range(length):
            slot = (slot * 31 + text_B[begin + i]) & 0xFFFFFFFFFF
        slot &= slots - 1
        while first_D[row] < 0:
            other = table[slot]
            if other < 0:
                table[slot] = other = row
                distinct += 1
            same = ends_D[other] - begins_D[other] == length
            i = 0
            while same and i < length:
                same = text_B[begin + i] == text_B[begins_D[other] + i]
                i += 1
            if same:
                first_D[row] = other
            slot = (slot + 1) & (slots - 1)
    return distinct
