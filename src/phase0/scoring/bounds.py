"""What the rules of `category` may add to what the cues weigh, told from bits alone: never less than they do add.

Where even so much cannot overtake the heaviest category, the rules need not be asked. Arrays hold whole thousandths for
each row (D) and category (C).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from phase0.records import CATEGORIES
from phase0.scoring.cues import THINGS
from phase0.scoring.marks import (
    CALL,
    CODE,
    FENCE,
    LATEX,
    LINE,
    NUMBER,
    QUESTION,
    REFUSAL,
    REFUSING,
    SELF,
    SPEAKER,
    SUM,
    TALE,
    TICK,
    TOOL,
    VERSE,
    WORDS_OF_KIND,
    weights,
)

_I64 = npt.NDArray[np.int64]
_FLAGS = npt.NDArray[np.bool_]

_GENERAL, _CODE, _REASONING, _CREATIVE, _OTHER = range(len(CATEGORIES))

_OF_KINDS = {
    kind: WORDS_OF_KIND[kind]
    for kind in (
        "make",
        "about",
        "numbers",
        "greetings",
        "small talk",
        "assistant",
        "harms",
        "asking",
        "statement",
        "i",
    )
} | {
    "address": frozenset(["you", "act", "suppose", "as"]),  # "You are a …", "As a …"
    "of you": frozenset(["you", "your"]),
    "to you": frozenset(["are", "do"]),  # "are you", "do you"
    # The words of a deduction, as they stand behind one another
    "convert": frozenset(["convert"]),
    "what": frozenset(["what"]),
    "is": frozenset(["is", "s"]),
    "log": frozenset(["log"]),
    "base": frozenset(["base"]),
    "each": frozenset(["all", "every", "no", "some", "nobody"]),
    "being": frozenset(["are", "is", "has", "have", "who"]),
    "many": frozenset(["many"]),
    "are": frozenset(["are", "is"]),
}
_KIND = {kind: 1 << bit for bit, kind in enumerate(_OF_KINDS)}
_THING_OF = {noun: (category, weight) for noun, category, weight in weights(THINGS)}
_THING = {category: 1 << bit for bit, category in enumerate(CATEGORIES, len(_KIND))}
MAKING = (_KIND["make"], sum(_THING.values()), _KIND["about"])
"""The kinds of words that tell what is to be made: verbs of making, things, and what else may follow such a verb."""


@cache
def kinds() -> dict[str, int]:
    """The kinds of words, as bits. Every other word is of none."""
    found = dict[str, int]()
    for kind, words in _OF_KINDS.items():
        for word in words:
            found[word] = found.get(word, 0) | _KIND[kind]
    for noun, (category, _) in _THING_OF.items():
        found[noun] = found.get(noun, 0) | _THING[category]
    return found


class Scanned(NamedTuple):
    """What a scan has found in rows: bits of `marks`, and of `kinds` in the words of the request."""

    weights_DC: _I64  # noqa: N815 - the suffix is the shape; of the cues, with the prior
    text_D: _I64  # noqa: N815
    answer_D: _I64  # noqa: N815
    opening_D: _I64  # noqa: N815
    some_D: _I64  # noqa: N815 - kinds of any word,
    every_D: _I64  # noqa: N815 - of all words,
    first_D: _I64  # noqa: N815 - of the first,
    behind_D: _I64  # noqa: N815 - of those that follow one of the kind before theirs,
    beyond_D: _I64  # noqa: N815 - of those that do so with a word between,
    thing_D: _I64  # noqa: N815 - of what is to be made
    words_D: _I64  # noqa: N815 - how many
    asked_equations_D: _I64  # noqa: N815 - how many the request has,
    equations_D: _I64  # noqa: N815 - and the answer
    numbers_D: _I64  # noqa: N815 - how many the request has
    of_system_D: _I64  # noqa: N815 - what a system prompt adds to creative
    is_alone_D: _FLAGS  # noqa: N815 - nothing is handed over with the request
    is_odd_D: _FLAGS  # noqa: N815 - a script that puts no spaces between words, or a letter as no other: nothing is bounded
    is_asked_D: _FLAGS  # noqa: N815 - the request states something, and then asks
    is_brief_D: _FLAGS  # noqa: N815 - the answer is a bare result
    is_addressed_D: _FLAGS  # noqa: N815 - it may be said who is to speak
    is_muddled_D: _FLAGS  # noqa: N815 - some word may be none

    def of(self, rows: _I64) -> Scanned:
        """What was found in these rows."""
        return Scanned._make(column[rows] for column in self)


class Bounds(NamedTuple):
    """What each category weighs at least, and at most."""

    least_DC: _I64  # noqa: N815
    most_DC: _I64  # noqa: N815


def bounds(found: Scanned, evidence_D2: _I64 | None = None) -> Bounds:  # noqa: N803
    """Between which weights the rules come to for rows whose words stand between spaces. `evidence_D2` is how much the
    texts and the answers look like code, where that is known (`category.code_evidence`)."""
    least, most = found.weights_DC.copy(), found.weights_DC.copy()
    for bounded in (least, most):
        for category, weight in set(_THING_OF.values()):
            bounded[:, CATEGORIES.index(category)] += weight * _has(found.thing_D, _THING[category])
        bounded[:, _CREATIVE] += found.of_system_D + 2500 * _has(found.opening_D, TALE)
        bounded[:, _REASONING] += 2500 * _has(found.text_D, LATEX)
        bounded[:, _OTHER] += 8000 * _has(found.text_D | found.answer_D, TOOL)
        bounded[:, _OTHER] += 2000 * _has(found.opening_D, REFUSAL | REFUSING)
    latex = np.where(_has(found.text_D, LATEX), 30, 100)
    for number, (bits, percent) in enumerate(((found.text_D, latex), (found.answer_D, np.array([100])))):
        known = _code_bounds(bits) if evidence_D2 is None else (evidence_D2[:, number],) * 2
        for bounded, evidence in zip((least, most), known, strict=True):
            bounded[:, _CODE] += evidence * percent // 100
    _add_sums(found, least, most)
    most[:, _CREATIVE] += 2200 * found.is_addressed_D
    most[:, _CREATIVE] += 1000 * _has(found.answer_D, SPEAKER) + 1500 * _has(found.answer_D, VERSE)
    least[:, _OTHER] += 800 * _has(found.opening_D, SELF)
    most[:, _OTHER] += 2500 * _has(found.opening_D, SELF) + _most_of_chat(found)
    return Bounds(least, most)


def _code_bounds(bits: _I64) -> tuple[_I64, _I64]:
    """How much a part with these marks looks like code, at least and at most."""
    marks = sum(((bits >> bit) & 1 for bit in range(CODE.bit_length())), np.zeros_like(bits))
    least = 500 * np.minimum(marks, 4) + 500 * _has(bits, TICK) + 3500 * _has(bits, FENCE)
    most = least + 4800 * _has(bits, LINE) + 500 * _has(bits, TICK) + 1500 * _has(bits, CALL)
    return np.minimum(least, 6000), np.minimum(most, 6000)


def _add_sums(found: Scanned, least_DC: _I64, most_DC: _I64) -> None:  # noqa: N803
    answered = np.where(_has(found.answer_D, SUM), 900 * np.minimum(found.equations_D, 3), 0)
    equations = answered + 1200 * np.minimum(found.asked_equations_D, 2)
    stated = 1500 * (found.is_asked_D & (found.words_D <= 90) & ~_has(found.some_D, _KIND["i"]))
    is_result = found.is_brief_D & (found.numbers_D >= 2) & _has(found.answer_D, NUMBER)
    more = _has(found.some_D, _KIND["numbers"])  # words for numbers: one at least
    for bounded, code, deductions, words in (
        (least_DC, most_DC, 0, 1),
        (most_DC, least_DC, 2400 * _may_deduce(found), len(WORDS_OF_KIND["numbers"])),
    ):
        reasoning = bounded[:, _REASONING]  # a view
        reasoning += np.where(code[:, _CODE] < 3000, equations + deductions, 0) + stated
        counts = found.is_brief_D | (reasoning > 1000)
        reasoning += 1200 * is_result
        numbers = found.numbers_D + words * more
        reasoning += np.where(counts & (numbers >= 2) & (reasoning > 1000), 500 * np.minimum(numbers, 5), 0)


def _may_deduce(found: Scanned) -> _FLAGS:
    follows = _has(found.behind_D, _KIND["is"]) | _has(found.some_D, _KIND["convert"])
    return (
        (follows & _has(found.text_D, NUMBER))
        | _has(found.behind_D, _KIND["base"])
        | _has(found.beyond_D, _KIND["being"] | _KIND["are"])
    )


def _most_of_chat(found: Scanned) -> _I64:
    words, some = found.words_D, found.some_D
    asks = _has(some, _KIND["asking"]) | _has(found.text_D, QUESTION)
    chat = 3000 * (words == 0) + 1600 * _has(some, _KIND["harms"])
    chatty = (_has(found.first_D, _KIND["greetings"]) & ~asks) | _has(found.every_D, _KIND["small talk"])
    chat += 5000 * ((words <= 9) & chatty)
    chat += 2000 * ((words <= 14) & _has(some, _KIND["of you"]) & _has(some, _KIND["assistant"]))
    chat += 2500 * ((words <= 12) & _has(found.first_D, _KIND["to you"]) & _has(some, _KIND["of you"]))
    chat += 2000 * (_has(found.first_D, _KIND["statement"]) & ~asks)
    chat += 3000 * ((words <= 12) & found.is_muddled_D)
    return np.where(found.is_alone_D & (words <= 30), chat, 0)


def heaviest(found: Scanned, known: Bounds) -> _I64:
    """The number of the category that no other can overtake, or -1."""
    rows, most = np.arange(len(known.least_DC)), known.most_DC.copy()
    best = known.least_DC.argmax(axis=1)
    most[rows, best] = -1
    return np.where(found.is_odd_D | (most.max(axis=1) >= known.least_DC[rows, best]), -1, best)


def is_addressed(first_D: _I64) -> _FLAGS:  # noqa: N803
    """Whether words of these kinds may begin to say who is to speak."""
    return _has(first_D, _KIND["address"])


def _has(bits_D: _I64, wanted: int) -> _FLAGS:  # noqa: N803
    """Whether any of the bits wanted is there."""
    found: _FLAGS = (bits_D & wanted) != 0
    return found
