"""What `phase0.text.tokens` makes of each single character, as a table, where its neighbours cannot change it.

The table is read off `tokens` itself. A character is odd, and leaves its whole row to `tokens`, when NFC may join it to
or part it from another, or when its lower case is more than one character or depends on where it stands.

Shapes: C code points.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from threading import Lock

import numpy as np
import numpy.typing as npt

from phase0.dedup.kernels.canonical import ALONE, ODD, SEPARATOR
from phase0.text import tokens

LIMIT = 0x32000  # what lies behind holds no letters today, and is odd
_NEWLINE = 0x0A
_FINAL_SIGMA = ord("Σ")  # its lower case is ς at the end of a word, σ elsewhere

_Codes = npt.NDArray[np.uint32]


_being_made = Lock()  # guards the making of the table: ten threads that start together made ten


def letters() -> _Codes:
    """Shape (C,): SEPARATOR, a lower-case code point, one with the flag ALONE, or ODD. Takes about 0.1 s, once."""
    with _being_made:
        return _table()


@cache
def _table() -> _Codes:
    plain = _plain()
    lower = _text(plain).lower()
    words = tokens("\n".join(lower))
    alone = [token for token in tokens("aa".join(["", *words, ""])) if len(token) == 1]
    kinds = np.full(LIMIT, SEPARATOR, np.uint32)
    for found, flag in ((words, 0), (alone, ALONE)):
        codes = _codes("".join(found))
        kinds[codes] = codes | np.uint32(flag)
    table = np.full(LIMIT, ODD, np.uint32)
    table[plain] = kinds[_codes(lower)]
    return table


def _plain() -> _Codes:
    """Every character that NFC and lower case treat alike wherever it stands."""
    codes = np.arange(LIMIT, dtype=np.uint32)
    codes = codes[(codes != _NEWLINE) & ~((codes >= 0xD800) & (codes < 0xE000))]
    text = _text(codes)
    lines = "\n".join(text)
    composed, parts = (_codes(unicodedata.normalize(form, lines)) for form in ("NFC", "NFD"))
    marks = parts[1:][(parts[1:] != _NEWLINE) & (parts[:-1] != _NEWLINE)]  # behind the first of a character
    is_plain = np.fromiter(map(unicodedata.combining, text), np.uint8, len(text)) == 0
    is_plain &= _each(composed) == codes
    is_plain &= _each(_codes(lines.lower())) != _NEWLINE
    is_plain &= ~np.isin(codes, np.append(marks, _FINAL_SIGMA))
    return np.append(codes[is_plain], np.uint32(_NEWLINE))


def _each(lines: _Codes) -> _Codes:
    """The character of each line; a newline for a line that does not hold one character."""
    ends = np.append(np.flatnonzero(lines == _NEWLINE), len(lines))
    starts = np.append(0, ends[:-1] + 1)
    return np.where(ends - starts == 1, lines[np.minimum(starts, len(lines) - 1)], np.uint32(_NEWLINE))


def _text(codes: _Codes) -> str:
    return codes.astype("<u4").tobytes().decode("utf-32-le")


def _codes(text: str) -> _Codes:
    return np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.uint32)
