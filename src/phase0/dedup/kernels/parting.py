"""Rows to the parts of them that are looked at, one byte to a character, so that places in them are places in the text.

ASCII stands for itself; every other character for its kind, a byte from 128 on that a table tells. Kinds are what the
rules about equations and marks tell apart (see `counting`). The words of texts with such characters are written once
more, in lower case, as UTF-8.

Shapes: B bytes, D rows, C code points, L words of a list.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.bits import equal64, trailing_zeros
from phase0.dedup.kernels.canonical import write_point
from phase0.dedup.kernels.compiling import BYTES, I64, TABLE, TEXT, U32, Array, count, flag, kernel, nothing, two_counts
from phase0.dedup.kernels.counting import ODD, SPACE
from phase0.dedup.kernels.rows import is_ascii

KIND = 24  # in a table's entry the lower case of a letter, 0 of what is part of no word, and from this bit on the kind
_KIND, _POINT = np.uint32(KIND), np.uint32((1 << KIND) - 1)
_NEWLINE, _BLANK, _QUESTION, _COLON = map(ord, "\n ?:")


@kernel(count, TEXT, count, inline=True)
def code_at(text_B: Array, at: int) -> int:
    """The code point of the character that begins there. Needs valid UTF-8; halves of surrogate pairs may stand in
    it."""
    first = np.int64(text_B[at])
    if first < 0x80:
        return first
    if first < 0xE0:
        return (first & 0x1F) << 6 | np.int64(text_B[at + 1] & 0x3F)
    if first < 0xF0:
        return (first & 0x0F) << 12 | np.int64(text_B[at + 1] & 0x3F) << 6 | np.int64(text_B[at + 2] & 0x3F)
    code = (first & 0x07) << 18 | np.int64(text_B[at + 1] & 0x3F) << 12
    return code | np.int64(text_B[at + 2] & 0x3F) << 6 | np.int64(text_B[at + 3] & 0x3F)


@kernel(count, count, U32, inline=True)
def kind_of(code: int, letters_C: Array) -> int:
    """What stands for a character."""
    if code < 128:
        return code
    return np.int64(letters_C[code] >> _KIND) if code < len(letters_C) else ODD


@kernel(flag, count)
def is_space(kind: int) -> bool:
    """Whether `str.isspace` is true of such a character."""
    return kind in (_BLANK, SPACE) or 9 <= kind <= 13 or 28 <= kind <= 31


@kernel(count, TEXT, count, count)
def back(text_B: Array, at: int, characters: int) -> int:
    """Where the character begins that stands so many before `at`."""
    for _ in range(characters):
        at -= 1
        while text_B[at] & 0xC0 == 0x80:
            at -= 1
    return at


@kernel(count, TEXT, count, count)
def ahead(text_B: Array, at: int, end: int) -> int:
    """Where the next character begins."""
    at += 1
    while at < end and text_B[at] & 0xC0 == 0x80:
        at += 1
    return at


@kernel(two_counts, TEXT, count, count, U32)
def stripped(text_B: Array, begin: int, end: int, letters_C: Array) -> tuple[int, int]:
    """Where a text begins and ends without the spaces around it."""
    while begin < end and is_space(kind_of(code_at(text_B, begin), letters_C)):
        begin = ahead(text_B, begin, end)
    while end > begin:
        before = back(text_B, end, 1)
        if not is_space(kind_of(code_at(text_B, before), letters_C)):
            break
        end = before
    return begin, end


@kernel(two_counts, TEXT, count, count, I64, count, count)
def decoded(text_B: Array, at: int, end: int, codes: Array, to: int, most: int) -> tuple[int, int]:
    """Write code points from `to` on, before `most`. Answers which byte was reached, and where the next would go."""
    while at < end and to < most:
        code = code_at(text_B, at)
        codes[to] = code
        to += 1
        at += 1 if code < 0x80 else (2 if code < 0x800 else (3 if code < 0x10000 else 4))
    return at, to


@kernel(count, TEXT, count, count, count, count, I64)
def shortened(text_B: Array, begin: int, end: int, head: int, tail: int, codes: Array) -> int:
    """The code points of a text, or where these are more than `head` and `tail` its first ones, a newline, and its last
    ones. Answers how many there are."""
    at, found = decoded(text_B, begin, end, codes, 0, head + tail)
    if at < end:
        codes[head] = _NEWLINE
        at, found = decoded(text_B, back(text_B, end, tail), end, codes, head + 1, head + 1 + tail)
    return found


@kernel(count, I64, count, U32, BYTES, count)
def stood_for(codes: Array, length: int, letters_C: Array, out_B: Array, to: int) -> int:
    """Write what stands for each of these code points. Answers where it ended."""
    for i in range(length):
        out_B[to + i] = kind_of(codes[i], letters_C)
    return to + length


@kernel(count, TEXT, count, count, count, count, BYTES, count)
def copied(text_B: Array, begin: int, end: int, head: int, tail: int, out_B: Array, to: int) -> int:
    """Write an ASCII text as `shortened` does. Answers where it ended."""
    first = end if end - begin <= head + tail else begin + head
    source, target = text_B[begin:first], out_B[to : to + first - begin]
    for i in range(len(source)):
        target[i] = source[i]
    to += first - begin
    if first < end:
        out_B[to] = _NEWLINE
        source, target = text_B[end - tail : end], out_B[to + 1 : to + 1 + tail]
        for i in range(len(source)):
            target[i] = source[i]
        to += 1 + tail
    return to


@kernel(count, BYTES, count, count)
def newline_at(out_B: Array, at: int, end: int) -> int:
    """Where the next newline stands, or -1. 64 bytes or more stand behind `end`."""
    while at < end:
        found = equal64(out_B, at, 10)
        if found != 0:
            at += trailing_zeros(found)
            return at if at < end else -1
        at += 64
    return -1


@kernel(count, BYTES, count, count, count, inline=True)
def find(out_B: Array, at: int, end: int, byte: int) -> int:
    """Where the next such byte stands, or -1."""
    while at < end:
        if out_B[at] == byte:
            return at
        at += 1
    return -1


@kernel(flag, BYTES, count, count, TEXT, I64)
def is_listed(out_B: Array, begin: int, end: int, words_B: Array, words_L1: Array) -> bool:
    """Whether this is a word of a list, in either case."""
    for word in range(len(words_L1) - 1):
        first, length = words_L1[word], words_L1[word + 1] - words_L1[word]
        if length != end - begin:
            continue
        i = 0
        while i < length:
            byte = np.int64(out_B[begin + i])
            if 65 <= byte <= 90:
                byte |= 32
            if byte != words_B[first + i]:
                break
            i += 1
        if i == length:
            return True
    return False


@kernel(flag, BYTES, count, count, TEXT, I64)
def has_listed(out_B: Array, begin: int, end: int, words_B: Array, words_L1: Array) -> bool:
    """Whether any word between spaces is one of a list."""
    while begin < end:
        while begin < end and is_space(np.int64(out_B[begin])):
            begin += 1
        stop = begin
        while stop < end and not is_space(np.int64(out_B[stop])):
            stop += 1
        if stop > begin and is_listed(out_B, begin, stop, words_B, words_L1):
            return True
        begin = stop
    return False


@kernel(two_counts, BYTES, count, count, count, TEXT, I64, TEXT, I64)
def split(
    out_B: Array,
    begin: int,
    end: int,
    longest: int,
    announcing_B: Array,
    announcing_L1: Array,
    asking_B: Array,
    asking_L1: Array,
) -> tuple[int, int]:
    """Where what is handed over begins and ends, from the text's begin on: see `scoring.seeing.split_at`."""
    length, line = end - begin, newline_at(out_B, min(end, begin + 25), end)
    line = line - begin if line >= 0 else -1
    colon = min(end, begin + 10)
    while colon < min(end, begin + 160) - 1 and not (out_B[colon] == _COLON and out_B[colon + 1] == _BLANK):
        colon += 1
    is_before = colon < min(end, begin + 160) - 1 and colon - begin < (line if line > 0 else length)
    if is_before and has_listed(out_B, begin, colon, announcing_B, announcing_L1):
        return colon - begin + 1, length
    if line < 0 or line > longest:
        if length <= longest:
            return length, length
        line = longest
    cut = length - 1
    while cut >= line and out_B[begin + cut] != _NEWLINE:
        cut -= 1
    cut = max(cut, length - 200)
    cut = max(cut, line)
    if find(out_B, begin + cut, end, _QUESTION) >= 0:
        return line, cut
    first, last = begin + cut, end
    while first < last and is_space(np.int64(out_B[first])):
        first += 1
    while last > first and is_space(np.int64(out_B[last - 1])):
        last -= 1
    blank = find(out_B, first, last, _BLANK)
    if is_listed(out_B, first, blank if blank >= 0 else last, asking_B, asking_L1):
        return line, cut
    return line, length


@kernel(count, I64, count, count, U32, BYTES, count)
def spelled(codes: Array, begin: int, end: int, letters_C: Array, out_B: Array, to: int) -> int:
    """Write these characters in lower case, zeros for those beyond ASCII that are part of no word. Answers where it
    ended."""
    for i in range(begin, end):
        code = codes[i]
        if code < 128:
            out_B[to] = code
            to += 1
        else:
            to = write_point(out_B, to, letters_C[code] & _POINT if code < len(letters_C) else np.uint32(0))
    return to


@kernel(nothing, BYTES, count, count, I64, count)
def note_kinds(out_B: Array, begin: int, end: int, kinds_D: Array, row: int) -> None:
    """Note the kinds beyond ASCII in a part of a row, as bits."""
    for i in range(begin, end):
        kind = np.int64(out_B[i])
        if kind >= 128:
            kinds_D[row] |= 1 << (kind - 128)


@kernel(two_counts, TEXT, count, count, I64, U32, I64, BYTES, count)
def write_text(
    text_B: Array, begin: int, end: int, limits: Array, letters_C: Array, codes: Array, out_B: Array, to: int
) -> tuple[int, int]:
    """Write what stands for an instruction. Answers where that ended, and how many of `codes` are its characters: none
    where it is ASCII."""
    is_plain = is_ascii(text_B, begin, end)
    begin, end = stripped(text_B, begin, end, letters_C)
    if is_plain:
        return copied(text_B, begin, end, limits[0], limits[1], out_B, to), 0
    length = shortened(text_B, begin, end, limits[0], limits[1], codes)
    return stood_for(codes, length, letters_C, out_B, to), length


@kernel(count, TEXT, count, count, count, U32, I64, BYTES, count)
def write_answer(
    text_B: Array, begin: int, end: int, most: int, letters_C: Array, codes: Array, out_B: Array, to: int
) -> int:
    """Write what stands for the first characters of a response. Answers where that ended."""
    stop = min(end, begin + most)
    if is_ascii(text_B, begin, stop):
        return copied(text_B, begin, stop, most, 0, out_B, to)
    _, length = decoded(text_B, begin, end, codes, 0, most)
    return stood_for(codes, length, letters_C, out_B, to)


@kernel(nothing, TEXT, TABLE, I64, U32, TEXT, I64, TEXT, I64, BYTES, TABLE, TABLE, TABLE, TABLE, I64, allocates=True)
def parts(
    text_B: Array,
    spans_D4: Array,
    limits: Array,
    letters_C: Array,
    announcing_B: Array,
    announcing_L1: Array,
    asking_B: Array,
    asking_L1: Array,
    out_B: Array,
    texts_D2: Array,
    answers_D2: Array,
    cuts_D2: Array,
    words_D6: Array,
    kinds_D: Array,
) -> None:
    """Write the parts of rows whose instruction and response are at begin, end, begin, end of valid UTF-8. 64 bytes
    or more stand behind it, and behind what is written.

    `limits` are how many first and last characters are read of an instruction, how many of a response, and how long a
    request may be. Of each row it is answered where in `out_B` its text is, and its answer; in its text where what is
    handed over begins and ends; where the words are of the request, in two spans, and of what is handed over; and which
    kinds beyond ASCII were met, with bit 0 for 128. Words of rows with odd ones are worthless.
    """
    codes, to = np.empty(max(limits[0] + 1 + limits[1], limits[2]), np.int64), 0
    for row in range(len(spans_D4)):
        start = to
        to, length = write_text(text_B, spans_D4[row, 0], spans_D4[row, 1], limits, letters_C, codes, out_B, to)
        cut, last = split(out_B, start, to, limits[3], announcing_B, announcing_L1, asking_B, asking_L1)
        texts_D2[row, 0], texts_D2[row, 1] = start, to
        cuts_D2[row, 0], cuts_D2[row, 1] = cut, last
        words_D6[row, 0], words_D6[row, 1] = start, start + cut
        words_D6[row, 2], words_D6[row, 3] = start + last, to
        words_D6[row, 4], words_D6[row, 5] = start + cut, start + last
        kinds_D[row] = 0
        if length > 0:
            note_kinds(out_B, start, to, kinds_D, row)
            words_D6[row, 0] = to
            to = words_D6[row, 1] = words_D6[row, 2] = spelled(codes, 0, cut, letters_C, out_B, to)
            to = words_D6[row, 3] = words_D6[row, 4] = spelled(codes, last, length, letters_C, out_B, to)
            to = words_D6[row, 5] = spelled(codes, cut, last, letters_C, out_B, to)
        start = to
        to = write_answer(text_B, spans_D4[row, 2], spans_D4[row, 3], limits[2], letters_C, codes, out_B, to)
        note_kinds(out_B, start, to, kinds_D, row)
        answers_D2[row, 0], answers_D2[row, 1] = start, to
