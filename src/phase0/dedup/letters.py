"""What `phase0.text.tokens` makes of each single character, as a table, where its neighbours cannot change it.

The table is read off `tokens` itself. A character is odd, and leaves its whole row to `tokens`, when NFC may join it to
or part it from another, or when its lower case is more than one character or depends on where it stands.

Shapes: C code points.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

from phase0.dedup.kernels.canonical import ALONE, ODD, SEPARATOR
from phase0.text import tokens

LIMIT = 0x32000  # what lies behind holds no letters today, and is odd
_FINAL_SIGMA = "Σ"  # its lower case is ς at the end of a word, σ elsewhere


@cache
def letters() -> npt.NDArray[np.uint32]:
    """Shape (C,): SEPARATOR, a lower-case code point, one with the flag ALONE, or ODD. Takes about 0.2 s."""
    table = np.full(LIMIT, ODD, np.uint32)
    plain = _plain()
    lower = [one.lower() for one in plain]
    found = set(tokens("\n".join(lower)))
    alone = {token for token in tokens("aa".join(["", *found, ""])) if len(token) == 1}
    kinds = [(ord(one) | (ALONE if one in alone else 0)) if one in found else SEPARATOR for one in lower]
    table[[ord(one) for one in plain]] = kinds
    return table


def _plain() -> list[str]:
    """Every character that NFC and lower case treat alike wherever it stands."""
    everything = [chr(code) for code in range(LIMIT) if not 0xD800 <= code < 0xE000]
    joins = {mark for one in everything for mark in unicodedata.normalize("NFD", one)[1:]}
    return [
        one
        for one in everything
        if one not in joins
        and len(one.lower()) == 1
        and one != _FINAL_SIGMA
        and not unicodedata.combining(one)
        and unicodedata.is_normalized("NFC", one)
    ]
