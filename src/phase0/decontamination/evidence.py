"""A second look at a text that may hold a question, word by word: whether it does, and which words say so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from phase0.decontamination.index import CLOSE, numberless
from phase0.text import tokens

_SHOWN = 40  # matching words that are told
_ROOM = 1.5  # times a question's words: where a question with other names is looked for in a text


class Words(NamedTuple):
    """A text as words, and as words without its numbers."""

    plain: list[str]
    close: list[str]


class Match(NamedTuple):
    """How a text holds a question."""

    rule: str  # overlap, whole or variant
    share: float  # of the question's n-grams; of a variant, of its words in their order
    ngrams: int  # of the question that the text holds
    of: int
    words: str  # the longest run of them

    def told(self) -> dict[str, Any]:
        """As evidence of a dropped row."""
        return {
            "rule": self.rule,
            "overlap": self.words,
            "ngrams": self.ngrams,
            "of": self.of,
            "share": round(self.share, 4),
        }


def words_of(text: str) -> Words:
    """The words of a text."""
    return Words(tokens(text), tokens(numberless(text)))


def overlap(question: Words, own: int, text: Words, width: int, least: float) -> Match | None:
    """Whether a text holds the share `least` of a question's n-grams of `width` words, those in its choices aside."""
    width = min(width, len(question.plain))
    asked, held = _runs(question.plain, width), set(_runs(text.plain, width))
    asked = asked[: max(1, own)]
    found = [gram in held for gram in asked]
    different = set(asked)
    share = len(different & held) / len(different)
    if share < least:
        return None
    rule = "whole" if all(found) and len(asked) == len(question.plain) - width + 1 else "overlap"
    return Match(rule, share, len(different & held), len(different), _shown(question.plain, found, width))


def variant(question: Words, text: Words, least: float) -> Match | None:
    """Whether somewhere in a text the share `least` of a question's words stand in their order, numbers aside.

    Somewhere is the stretch, half as long again as the question, that holds the most of its n-grams.
    """
    asked, width = question.close, min(CLOSE, len(question.close))
    grams = set(_runs(asked, width))
    at = [place for place, gram in enumerate(_runs(text.close, width)) if gram in grams]
    if not at:
        return None
    room = int(_ROOM * len(asked)) + width
    first = _densest(at, room)
    begin = max(0, first - room // 3)
    share = _in_order(asked, text.close[begin : begin + room + room // 3]) / len(asked)
    if share < least:
        return None
    held = grams.intersection(_runs(text.close[begin : begin + room + room // 3], width))
    found = [gram in held for gram in _runs(asked, width)]
    return Match("variant", share, len(held), len(grams), _shown(asked, found, width))


def _runs(words: Sequence[str], width: int) -> list[tuple[str, ...]]:
    return [tuple(words[at : at + width]) for at in range(len(words) - width + 1)]


def _densest(at: Sequence[int], room: int) -> int:
    """The first of the places that begin a stretch of `room` words with the most of them."""
    best = most = last = 0
    for first, place in enumerate(at):
        while last < len(at) and at[last] < place + room:
            last += 1
        if last - first > most:
            best, most = place, last - first
    return best


def _in_order(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence, a bit for each word of `first` (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for at, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << at
    everything = (1 << len(first)) - 1
    rest = everything
    for word in second:
        met = rest & places.get(word, 0)
        rest = (rest + met | rest - met) & everything
    return len(first) - rest.bit_count()


def _shown(words: Sequence[str], found: Sequence[bool], width: int) -> str:
    """The longest run of words whose n-grams were found, or its beginning."""
    best = (0, 0)
    start = None
    for at, is_found in enumerate([*found, False]):
        if is_found and start is None:
            start = at
        elif not is_found and start is not None:
            best = max(best, (at - start, -start))
            start = None
    length, begin = best[0], -best[1]
    run = words[begin : begin + length + width - 1] if length else []
    return " ".join(run[:_SHOWN]) + (" …" if len(run) > _SHOWN else "")
