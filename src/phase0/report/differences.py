"""Two texts word by word: what both say, and what only one of them does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

_MOST = 700  # words and signs that are compared of each text; the time grows with their product
_PIECE = re.compile(r"\s+|\w+|[^\w\s]")


class Piece(NamedTuple):
    """A stretch of a text, and whether the other one lacks it."""

    text: str
    differs: bool


def differences(first: str, second: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces. What is beyond the words that are compared is shown without a mark."""
    words, others = _PIECE.findall(first), _PIECE.findall(second)
    blocks = SequenceMatcher(None, words[:_MOST], others[:_MOST], autojunk=False).get_matching_blocks()
    ours = _pieces(words, [(block.a, block.a + block.size) for block in blocks])
    theirs = _pieces(others, [(block.b, block.b + block.size) for block in blocks])
    return list(ours), list(theirs)


def _pieces(words: Sequence[str], shared: Sequence[tuple[int, int]]) -> Iterator[Piece]:
    at = 0
    for begin, end in shared:
        if at < begin:
            yield Piece("".join(words[at:begin]), differs=True)
        if begin < end:
            yield Piece("".join(words[begin:end]), differs=False)
        at = end
    if at < len(words):
        yield Piece("".join(words[at:]), differs=False)
