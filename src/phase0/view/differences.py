"""Two texts side by side: which words of each the other has not. Pure."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import NamedTuple

_MOST_WORDS = 3000  # of each text: the time that matching takes grows with the product of both
_WORD = re.compile(r"\s+|[^\W_]+|[\W_]")


class Piece(NamedTuple):
    """Some characters of a text, and whether the other text has others there."""

    text: str
    differs: bool


class Compared(NamedTuple):
    """Both texts in pieces. `whole` is False where they are too long to be compared to their ends."""

    left: list[Piece]
    right: list[Piece]
    whole: bool


def compare(left: str, right: str) -> Compared:
    """The words that the texts do not share. Beyond 3,000 words of what is between their common beginning and their
    common end, the rest is one difference."""
    a, b = _WORD.findall(left), _WORD.findall(right)
    head = _shared(a, b)
    tail = _shared(a[head:][::-1], b[head:][::-1])
    middle_a, middle_b = a[head : len(a) - tail], b[head : len(b) - tail]
    whole = max(len(middle_a), len(middle_b)) <= _MOST_WORDS
    begin, end = "".join(a[:head]), "".join(a[len(a) - tail :])
    first, second = [Piece(begin, differs=False)], [Piece(begin, differs=False)]
    matcher = SequenceMatcher(None, middle_a[:_MOST_WORDS], middle_b[:_MOST_WORDS])
    for kind, a0, a1, b0, b1 in matcher.get_opcodes():
        first.append(Piece("".join(middle_a[a0:a1]), kind != "equal"))
        second.append(Piece("".join(middle_b[b0:b1]), kind != "equal"))
    first += [Piece("".join(middle_a[_MOST_WORDS:]), differs=True), Piece(end, differs=False)]
    second += [Piece("".join(middle_b[_MOST_WORDS:]), differs=True), Piece(end, differs=False)]
    return Compared([piece for piece in first if piece.text], [piece for piece in second if piece.text], whole)


def _shared(a: list[str], b: list[str]) -> int:
    """How many words both begin with."""
    return next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
