"""How much the answer says: distinct content words against what the instruction asks for, reasons given, examples.

Repeating adds nothing here, for a word counts once; and beyond what was asked for more words add little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from phase0.scoring.evidence.reading import Finding, Reading
from phase0.scoring.evidence.words import terms

_REASONS = terms(
    """
    because therefore since thus hence so however although while if due result example instance such specifically
    first second third finally next then additionally moreover furthermore overall including means reason
    """
)
_NUMBERS = 15  # distinct numbers that count as something said: counting up says nothing
_BRIEF = 0.35  # a question for a word may be answered in a word
_BEYOND = 0.8  # how much of the gain goes on beyond saturation


def find(reading: Reading) -> Iterator[Finding]:
    """The amount said, and the words that tie it together."""
    numbers = sum(map(str.isdigit, reading.content))
    said = len(reading.content) - max(0, numbers - _NUMBERS)
    wanted = reading.ask.wish.words
    level = math.log1p(said) / math.log1p(wanted)
    if level > 1:
        level = 1 + _BEYOND * (level - 1)
    if reading.ask.wish.brief:
        level = max(level, _BRIEF)
    detail = f"{said} of {wanted}"
    yield Finding("helpfulness", "substance", 9.0 * (level - 0.5), detail)
    yield Finding("correctness", "substance", 5.0 * (level - 0.5), detail)
    yield Finding("clarity", "substance", 2.0 * (level - 0.5), detail)
    ties = len(_REASONS & reading.vocabulary)
    if ties:
        yield Finding("correctness", "reasons", min(0.3, 0.06 * ties), str(ties))
        yield Finding("helpfulness", "reasons", min(0.2, 0.04 * ties), str(ties))
