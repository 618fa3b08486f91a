"""What stands for a character beyond ASCII where categories are scanned for, and its lower case, as a table that is
learnt as scripts are met.

Shapes: C code points.
"""

from __future__ import annotations

from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from phase0.dedup.kernels.counting import (
    DASH,
    DIGIT,
    DIVIDED,
    LETTER,
    MULTIPLIED,
    ODD,
    OTHER,
    QUOTE,
    ROOT,
    SPACE,
    SQUARE,
    UNKNOWN,
    UNSPACED,
)
from phase0.dedup.kernels.parting import KIND
from phase0.scoring.seeing import is_unspaced

LIMIT = 0x32000  # what lies behind holds no letters today, and is odd
_BLOCK = 4096  # code points that are looked up together, in 4 ms
_FINAL_SIGMA = "Σ"  # its lower case is ς at the end of a word, σ elsewhere
_OWN = {"×": MULTIPLIED, "÷": DIVIDED, "−": DASH, "–": DASH, "√": ROOT, "²": SQUARE, "’": QUOTE}

_Codes = npt.NDArray[np.uint32]


class _Learnt(NamedTuple):
    """What is known. A table that a thread may be reading is never written to, but replaced."""

    blocks: frozenset[int]
    table_C: _Codes  # noqa: N815 - the suffix is the shape


_learnt = _Learnt(frozenset(), np.full(LIMIT, UNKNOWN << KIND, np.uint32))
_learning = Lock()


def letters() -> _Codes:
    """Shape (C,): the kind of a character, from bit KIND on, and below it its lower case, or 0 where it is part of no
    word."""
    return _learnt.table_C


def learn(text: str) -> None:
    """Look up the characters of a text."""
    global _learnt  # noqa: PLW0603 - what Unicode says is the same for all of a process
    met = {ord(character) // _BLOCK for character in set(text)}
    with _learning:
        if new := sorted(block for block in met - _learnt.blocks if block * _BLOCK < LIMIT):
            table = _learnt.table_C.copy()
            for block in new:
                codes = range(block * _BLOCK, min(LIMIT, (block + 1) * _BLOCK))
                table[codes.start : codes.stop] = [entry(chr(code)) for code in codes]
            _learnt = _Learnt(_learnt.blocks.union(new), table)


def entry(character: str) -> int:
    """What the table says of a character beyond ASCII."""
    lower = character.lower()
    if len(lower) != 1 or lower.isascii() or character == _FINAL_SIGMA or lower.isalnum() != character.isalnum():
        return ODD << KIND
    return _kind(character) << KIND | (ord(lower) if lower.isalnum() else 0)


def _kind(character: str) -> int:
    if character in _OWN:
        return _OWN[character]
    if "\ud800" <= character < "\ue000":
        return OTHER
    if is_unspaced(character):
        return UNSPACED
    if character.isspace():
        return SPACE
    if character.isdecimal():
        return DIGIT
    return LETTER if character.isalnum() else OTHER
