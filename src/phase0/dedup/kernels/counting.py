r"""Equations and numbers in texts, counted: matches that do not overlap, from the left, as `re.findall` does it.

In texts one byte is one character: ASCII, or a kind of other characters from 128 on. The patterns are those of
`phase0.scoring.category`:

    equation   [-=+*^×÷/−–<>%√²](?:(?<=[√²])|(?<=\d%) of|(?<=\d [-/−–<>]) \d|(?<=\d[-/*])\d+ ?=
               |(?:(?<=[\w)][=+*^×÷])|(?<=[\w)] [=+*^×÷])) ?(?:[($-]?\d|[a-z]\b|\\|\())
    number     \d[\d,.]*

Shapes: B bytes, D texts.
"""

from __future__ import annotations

import numpy as np

from phase0.dedup.kernels.compiling import I64, TABLE, TEXT, Array, count, flag, kernel, nothing

_SPACE, _DOLLAR, _PERCENT, _OPEN, _CLOSE, _TIMES, _PLUS, _COMMA, _MINUS, _DOT, _SLASH = map(ord, " $%()*+,-./")
_LESS, _EQUALS, _GREATER, _BACKSLASH, _POWER, _O, _F = map(ord, "<=>\\^of")

# Kinds of characters that are not ASCII. The first are of words; what `str.lower` makes of an odd one is ASCII, or more
# than one character, or depends on its neighbours.
LETTER, DIGIT, SQUARE, UNSPACED, ODD, UNKNOWN, MULTIPLIED, DIVIDED, DASH, ROOT, QUOTE, SPACE, OTHER = range(128, 141)


_OPERATORS = np.uint64(sum(1 << sign for sign in b"-=+*/<>%"))  # as bits, but for `^`
_ONE = np.uint64(1)


@kernel(flag, count)
def is_digit(byte: int) -> bool:
    """Whether this is a digit of any script."""
    return 48 <= byte <= 57 or byte == DIGIT


@kernel(flag, count)
def is_word(byte: int) -> bool:
    """Whether this is a letter, a digit or `_`."""
    return 48 <= byte <= 57 or 97 <= (byte | 32) <= 122 or byte == 95 or LETTER <= byte <= UNSPACED


@kernel(count, TEXT, count, count, count, inline=True)
def byte_at(text_B: Array, begin: int, end: int, at: int) -> int:
    """The byte that stands there; 0 before the beginning and from the end on."""
    return np.int64(text_B[at]) if begin <= at < end else 0


@kernel(count, TEXT, count, count, count)
def term_end(text_B: Array, begin: int, end: int, at: int) -> int:
    """Where what may stand behind an operator ends, if it begins here, or -1."""
    byte, after = byte_at(text_B, begin, end, at), byte_at(text_B, begin, end, at + 1)
    if byte in (_OPEN, _DOLLAR, _MINUS) and is_digit(after):
        return at + 2
    if is_digit(byte) or byte in (_BACKSLASH, _OPEN) or (97 <= byte <= 122 and not is_word(after)):
        return at + 1
    return -1


@kernel(count, TEXT, count, count, count)
def equation_end(text_B: Array, begin: int, end: int, at: int) -> int:
    """Where the equation ends whose operator stands here, or -1."""
    sign, after = byte_at(text_B, begin, end, at), byte_at(text_B, begin, end, at + 1)
    before, ahead = byte_at(text_B, begin, end, at - 1), byte_at(text_B, begin, end, at - 2)
    if sign in (ROOT, SQUARE):
        return at + 1
    is_slight = sign in (_MINUS, _SLASH)
    next_but_one = byte_at(text_B, begin, end, at + 2)
    is_of = after == _SPACE and next_but_one == _O and byte_at(text_B, begin, end, at + 3) == _F
    if sign == _PERCENT and is_digit(before) and is_of:
        return at + 4
    is_spaced = before == _SPACE and after == _SPACE
    if (is_slight or sign in (_LESS, _GREATER, DASH)) and is_spaced and is_digit(ahead) and is_digit(next_but_one):
        return at + 3
    if (is_slight or sign == _TIMES) and is_digit(before) and is_digit(after):
        stop = at + 2
        while is_digit(byte_at(text_B, begin, end, stop)):
            stop += 1
        stop += byte_at(text_B, begin, end, stop) == _SPACE
        if byte_at(text_B, begin, end, stop) == _EQUALS:
            return stop + 1
    if sign in (_EQUALS, _PLUS, _TIMES, _POWER, MULTIPLIED, DIVIDED):
        term = ahead if before == _SPACE else before
        if is_word(term) or term == _CLOSE:
            return term_end(text_B, begin, end, at + 2 if after == _SPACE else at + 1)
    return -1


@kernel(nothing, TEXT, TABLE, I64)
def equations(text_B: Array, spans_D2: Array, found_D: Array) -> None:
    """How many equations each text has."""
    for row in range(len(spans_D2)):
        at, end, found = spans_D2[row, 0], spans_D2[row, 1], 0
        while at < end:
            stop = -1
            byte = np.uint64(text_B[at])
            if (byte < 64 and _OPERATORS >> byte & _ONE != 0) or byte == _POWER or byte > DIGIT:
                stop = equation_end(text_B, spans_D2[row, 0], end, at)
            found += stop > 0
            at = stop if stop > 0 else at + 1
        found_D[row] = found


@kernel(nothing, TEXT, TABLE, I64)
def numbers(text_B: Array, spans_D2: Array, found_D: Array) -> None:
    """How many numbers each text has."""
    for row in range(len(spans_D2)):
        found, is_inside = 0, False
        for at in range(spans_D2[row, 0], spans_D2[row, 1]):
            byte = np.int64(text_B[at])
            found += is_digit(byte) and not is_inside
            is_inside = is_digit(byte) or (is_inside and byte in (_COMMA, _DOT))
        found_D[row] = found
