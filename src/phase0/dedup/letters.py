"""What `phase0.text.tokens` makes of each single character, as a table, where its neighbours cannot change it.

The table is read off `tokens` itself, for the scripts that texts are written in: all of them would take as long as
reading fifty megabytes. A character is odd, and leaves its whole row to `tokens`, when NFC may join it to or part it
from another, when its lower case is more than one character or depends on where it stands, and as long as nobody has
asked about it.

Shapes: C code points.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from phase0.dedup.kernels.canonical import ALONE, ODD, SEPARATOR
from phase0.text import tokens

LIMIT = 0x32000  # what lies behind holds no letters today, and is odd
_BLOCK = 4096  # code points that are looked up together: texts of the web are of twenty blocks, at 4 ms each
_NEWLINE = 0x0A
_FINAL_SIGMA = ord("Σ")  # its lower case is ς at the end of a word, σ elsewhere

_Codes = npt.NDArray[np.uint32]


class _Learnt(NamedTuple):
    """What is known. A table that a thread may be reading is never written to, but replaced."""

    blocks: frozenset[int]
    table_C: _Codes  # noqa: N815 - the suffix is the shape


_learnt = _Learnt(frozenset(), np.full(LIMIT, ODD, np.uint32))
_learning = Lock()  # of threads that meet a script together one looks it up


def letters() -> _Codes:
    """Shape (C,): SEPARATOR, a lower-case code point, one with the flag ALONE, or ODD."""
    return _learnt.table_C


def learn(text: str) -> bool:
    """Look up the characters of a text; False where they are in the table already."""
    global _learnt  # noqa: PLW0603 - what Unicode says is the same for all of a process
    met = _codes(text)
    blocks = set(np.flatnonzero(np.bincount(met // _BLOCK)[: LIMIT // _BLOCK]).tolist())
    if blocks <= _learnt.blocks:
        return False
    with _learning:
        if new := sorted(blocks - _learnt.blocks):
            plain, kinds = _kinds(np.add.outer(np.array(new) * _BLOCK, np.arange(_BLOCK)).astype(np.uint32).reshape(-1))
            table = _learnt.table_C.copy()
            table[plain] = kinds
            _learnt = _Learnt(_learnt.blocks | blocks, table)
    return True


def _kinds(codes: _Codes) -> tuple[_Codes, _Codes]:
    """Those of some characters that are not odd, and what the table says of them."""
    plain = _plain(codes)
    lower = _text(plain).lower()
    words = tokens("\n".join(lower))
    alone = [token for token in tokens("aa".join(["", *words, ""])) if len(token) == 1]
    kinds = np.full(LIMIT, SEPARATOR, np.uint32)
    for found, flag in ((words, 0), (alone, ALONE)):
        said = _codes("".join(found))
        kinds[said] = said | np.uint32(flag)
    return plain, kinds[_codes(lower)]


def _plain(codes: _Codes) -> _Codes:
    """Those characters that NFC and lower case treat alike wherever they stand."""
    is_newline, is_half = codes == _NEWLINE, (codes >= 0xD800) & (codes < 0xE000)
    newline, codes = codes[is_newline], codes[~is_newline & ~is_half]
    lines = _text(_lines(codes))
    is_plain = _each(_codes(unicodedata.normalize("NFC", lines))) == codes
    is_plain &= _each(_codes(lines.lower())) != _NEWLINE
    is_plain &= np.fromiter(map(unicodedata.combining, _text(codes)), np.uint8, len(codes)) == 0
    is_plain &= ~np.isin(codes, _marks())
    return np.append(codes[is_plain], newline)


@cache
def _marks() -> _Codes:
    """What is part of another character, or changes as none other does."""
    codes = np.arange(LIMIT, dtype=np.uint32)
    parts = _codes(unicodedata.normalize("NFD", _text(_lines(codes[(codes < 0xD800) | (codes >= 0xE000)]))))
    behind = parts[1:][(parts[1:] != _NEWLINE) & (parts[:-1] != _NEWLINE)]  # the first of a character
    return np.append(np.unique(behind), np.uint32(_FINAL_SIGMA))


def _lines(codes: _Codes) -> _Codes:
    """Each character on a line of its own."""
    lines = np.full(max(0, 2 * len(codes) - 1), _NEWLINE, np.uint32)
    lines[::2] = codes
    return lines


def _each(lines: _Codes) -> _Codes:
    """The character of each line; a newline for a line that does not hold one character."""
    ends = np.append(np.flatnonzero(lines == _NEWLINE), len(lines))
    starts = np.append(0, ends[:-1] + 1)
    return np.where(ends - starts == 1, lines[np.minimum(starts, len(lines) - 1)], np.uint32(_NEWLINE))


def _text(codes: _Codes) -> str:
    return codes.astype("<u4").tobytes().decode("utf-32-le")


def _codes(text: str) -> _Codes:
    return np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.uint32)
