"""What `phase0.text.tokens` makes of each single character, as a table, and whether its neighbours can change that.

The table is read off `tokens` itself, once on a machine, and kept beside compiled kernels. Every character beyond ASCII
is odd as long as nobody has asked about any.

NFC changes characters for their neighbours in two ways (The Unicode Standard, 3.11). It sorts marks, characters with a
combining class other than 0: none is a part of a word, so words stay as they are. And it joins a character to one
before. Where no letter is among those that can be joined, nor comes of it, as with most vowel signs of two parts, words
stay as they are too; of the others the table says which are joined, and to which, and a kernel looks at the one before.
Lower case changes no character for its neighbours but Σ.

Shapes: C code points.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from phase0 import text
from phase0.dedup.kernels import canonical
from phase0.dedup.kernels.canonical import ALONE, BASE, DEPENDS, ENDS, ODD, SEPARATOR
from phase0.text import tokens

LIMIT = 0x32000  # what lies behind holds no letters today, and is odd
_BLOCK = 1 << 12  # code points of which it is asked together whether any has parts: most blocks have none
_NAME = "letters"  # of what is kept
_FINAL_SIGMA = "Σ"  # its lower case is ς at the end of a word, σ elsewhere

_Codes = npt.NDArray[np.uint32]


class _Table(NamedTuple):
    """A table that a thread may be reading is never written to, but replaced."""

    letters_C: _Codes  # noqa: N815 - the suffix is the shape
    settled_C: _Codes  # noqa: N815
    is_known: bool = True


_NOTHING = np.full(LIMIT, ODD, np.uint32)
_UNKNOWN = _Table(_NOTHING, _NOTHING, is_known=False)
_table = _UNKNOWN
_learning = Lock()  # of threads that meet a letter together one looks it up


def letters() -> _Codes:
    """Shape (C,): SEPARATOR or a lower-case code point, and flags; or ODD."""
    return _table.letters_C


def settled_letters() -> _Codes:
    """Shape (C,): the same for texts that are in NFC and lower case, where nothing depends on neighbours any more."""
    return _table.settled_C


def learn() -> None:
    """Replace a table that knows nothing by one that knows every character."""
    global _table  # noqa: PLW0603 - what Unicode says is the same for all of a process
    with _learning:
        if not _table.is_known:
            known = _kept()
            _table = _Table(known, np.where(known == ODD, known, known & ~np.uint32(DEPENDS)))


def _kept() -> _Codes:
    """The table as it was kept; made first, and kept where that can be, where it was not."""
    from phase0.dedup.kernels import keeping

    sources = map(Path, (__file__, text.__file__, canonical.__file__))
    made_from = keeping.digest_of(unicodedata.unidata_version, *(path.read_bytes() for path in sources))
    kept = keeping.kept(_NAME, made_from)
    if kept is not None:
        return np.frombuffer(kept, np.uint32).copy()
    table = np.full(LIMIT, ODD, np.uint32)
    codes, entries = _entries(range(LIMIT))
    table[codes] = entries
    keeping.keep(_NAME, table.tobytes(), made_from)
    return table


def _entries(codes: range) -> tuple[list[int], list[int]]:
    """Some code points without halves of surrogate pairs, and what the table says of them."""
    characters = [chr(code) for code in codes if not 0xD800 <= code < 0xE000]
    said = " ".join(tokens("q" + "zq".join(characters) + "z"))[1:-1].split("zq")  # nothing joins a q, nor a z to it
    flags = _flags()
    entries = [_entry(one) | flags.get(character, 0) for character, one in zip(characters, said, strict=True)]
    return list(map(ord, characters)), entries


def _entry(said: str) -> int:
    """What the table says of a character that became this between two letters, with a blank wherever a word ends."""
    if len(said) == 1:
        return ord(said) if said != " " else SEPARATOR
    letter = said.strip(" ")
    if len(letter) != 1:
        return ODD
    return ord(letter) | {f" {letter} ": ALONE, f"{letter} ": ENDS}.get(said, ODD)


def _flags() -> dict[str, int]:
    """The flags of characters that depend on their neighbours, or that others may depend on; 0 for all others."""
    marks, parted = list[str](), dict[str, str]()
    for block in range(0, LIMIT, _BLOCK):
        characters = list(map(chr, range(block, block + _BLOCK)))
        marks.extend(filter(unicodedata.combining, characters))
        if not unicodedata.is_normalized("NFD", "".join(characters)):
            parted.update((one, parts) for one in characters if (parts := unicodedata.normalize("NFD", one)) != one)
    heads, tails, letters = set[str](), set[str](), set[str]()
    for whole, parts in parted.items():
        if len(parts) > 1 and unicodedata.is_normalized("NFC", whole):
            heads.add(parts[0])
            tails.update(parts[1:])
            if not letters.issuperset(parts[1:]) and any(map(tokens, (whole, *parts))):
                letters.update(parts[1:])  # those of the tails that become or change a part of a word
    flags = {one: ODD if tokens(one) else BASE for one in marks}  # a letter might be sorted into another word
    for one in {*parted, *heads, *tails}:
        first = parted.get(one, one)[0]
        if first in heads or first in tails:
            flags[one] = flags.get(one, BASE) | (DEPENDS if first in letters else 0)
    return flags | {_FINAL_SIGMA: DEPENDS}
