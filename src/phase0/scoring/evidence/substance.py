"""How much the answer says: distinct content words against what the instruction asks for, reasons given, examples.

Repeating adds nothing here, for a word counts once; and on the scale of logarithms each further word adds less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from phase0.scoring.evidence.reading import Finding, Reading
from phase0.scoring.evidence.relevance import off_topic
from phase0.scoring.evidence.words import FUNCTION_WORDS
from phase0.text import terms

_REASONS = terms(
    """
    because therefore since thus hence so however although while if due result example instance such specifically
    first second third finally next then additionally moreover furthermore overall including means reason
    """
)
_NUMBERS = 15  # distinct numbers that count as something said: counting up says nothing
_BRIEF = 0.35  # a question for a word may be answered in a word
_ENOUGH, _FULL = 0.8, 1.2  # the levels of enough and of a full answer, where little is asked for
_BARE = 5  # words: in so short an answer function words may be the content: "No", "A", "to be"
_INTERJECTIONS = terms("sure ok okay certainly absolutely course great hmm oh wow yeah well alright")
_LONGEST = 40  # characters of a word
_LINE = 15  # words: what is longer says more than the fact


def find(reading: Reading) -> Iterator[Finding]:
    """The amount said, and the words that tie it together."""
    wish = reading.ask.wish
    enough = None if _handed_back(reading) or _elsewhere(reading) else wish.enough
    said = _said(reading)
    level = _level(said, wish.words, enough)
    if wish.brief:
        level = max(level, _BRIEF)
    detail = f"{said} of {wish.words if enough is None else min(enough, wish.words)}"
    yield Finding("helpfulness", "substance", 9.0 * (level - 0.5), detail)
    yield Finding("correctness", "substance", 5.0 * (level - 0.5), detail)
    yield Finding("clarity", "substance", 4.0 * (level - 0.5), detail)
    ties = len(_REASONS & reading.vocabulary)
    if ties:
        yield Finding("correctness", "reasons", min(0.3, 0.06 * ties), str(ties))
        yield Finding("helpfulness", "reasons", min(0.2, 0.04 * ties), str(ties))


def _handed_back(reading: Reading) -> bool:
    """Whether the answer is a piece of the instruction: that may name a fact, but does nothing with a text."""
    return (reading.ask.wish.enough or 0) > 1 and reading.low.strip() in reading.ask.text


def _elsewhere(reading: Reading) -> bool:
    """Whether the answer goes on without a word of the question: a fact may do without, what is said beside it not."""
    return reading.ask.wish.enough is not None and off_topic(reading, longer_than=_LINE, asked=2)


def _said(reading: Reading) -> int:
    """Distinct content words; in a bare answer that has none, any words."""
    if len(reading.words) <= _BARE and reading.ask.wish.enough is not None:
        said = reading.vocabulary - FUNCTION_WORDS - _INTERJECTIONS
        if not said and _INTERJECTIONS.isdisjoint(reading.vocabulary):
            said = reading.vocabulary
        return sum(len(word) < _LONGEST for word in said)
    numbers = sum(map(str.isdigit, reading.content))
    return len(reading.content) - max(0, numbers - _NUMBERS)


def _level(said: int, full: int, enough: int | None) -> float:
    """0 for nothing said, 1 for all there is to say, on the scale of logarithms; more where little is enough."""
    much, whole = math.log1p(said), math.log1p(full)
    little = whole if enough is None else math.log1p(enough)
    if little >= _ENOUGH * whole:  # it takes about all there is
        return much / whole
    if much < little:
        return _ENOUGH * much / little
    if much < whole:
        return _ENOUGH + (_FULL - _ENOUGH) * (much - little) / (whole - little)
    return _FULL + much / whole - 1
