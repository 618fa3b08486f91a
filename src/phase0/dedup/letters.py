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
_FINAL_SIGMA = "Σ"  # its lower case is ς at the end of a word, σ elsewhere


_being_made = Lock()  # guards the making of the table: ten threads that start together made ten


def letters() -> npt.NDArray[np.uint32]:
    """Shape (C,): SEPARATOR, a lower-case code point, one with the flag ALONE, or ODD. Takes about 0.2 s, once."""
    with _being_made:
        return _table()


@cache
def _table() -> npt.NDArray[np.uint32]:
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
    everything = [chr(code) for code in range(LIMIT) if not 0xD800 <= code < 0xE000 and code != _NEWLINE]
    text = "\n".join(everything)
    composed, parts = (unicodedata.normalize(form, text).split("\n") for form in ("NFC", "NFD"))
    lower = text.lower().split("\n")
    joins = {mark for one in parts for mark in one[1:]}
    known = zip(everything, composed, lower, strict=True)
    plain = [one for one, same, low in known if one == same and len(low) == 1 and not unicodedata.combining(one)]
    return [*(one for one in plain if one not in joins and one != _FINAL_SIGMA), "\n"]
