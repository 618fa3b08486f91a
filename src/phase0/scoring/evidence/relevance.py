"""Whether the answer is about what was asked: shared content words, copies of the input, prose without grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator

from phase0.scoring.evidence.constraints import items
from phase0.scoring.evidence.reading import Finding, Reading
from phase0.scoring.evidence.words import FUNCTION_WORDS, HOLLOW, SERVING
from phase0.text import terms

_HOLLOW = 0.35  # share of content words that fit any topic: in 99 of 100 answers by strong models it is below 0.33
_COUNTED = 30  # content words: the share of a hollow kind among fewer is off by a tenth through chance alone
_ENOUGH = 6  # shared content words: an answer need not say every word of the question again
_CREATIVE = re.compile(
    r"\b(?:poem|story|song|lyrics|haiku|riddle|joke|limerick|role-?play|pretend|dialogue|fiction|imagine|random"
    r"|lorem|code|function|program|script|translat\w*|solve|anagram|name)\b"
)
_LINE = 24  # words: so short an answer need not say any of the question's
_OPENING, _DOZEN = 200, 12  # characters and words in which the answer refers back, if it does
_END = re.compile(r"[.!?](?=\s|$)|\n")
_WORD = re.compile(r"[a-z]+")
# "Fill it with water" speaks of the kettle that was asked about, "Tomatoes like the sun. Plant them" does not
_BACK = terms("it its they them their theirs he him his she her this that these those")
_ENGLISH_STARTS = terms("list give name write tell explain describe suggest hi hello hey thanks")
_COPIES = re.compile(
    r"\b(?:extract|quote|find|repeat|copy|which|identify|select|choose|highlight|proofread|correct|spell|grammar"
    r"|edit|translate|sort|format|what|who|where|when|return|print|output)\b"
)


def find(reading: Reading) -> Iterator[Finding]:
    """Coverage of the instruction, words that fit any topic, copying, and grammar."""
    yield from _coverage(reading)
    yield from _hollow(reading)
    yield from _copy(reading)
    yield from _grammar(reading)


def coverage(reading: Reading) -> float:
    """Shared content words over how many could be expected, 0 to 1."""
    possible = min(_ENOUGH, len(reading.ask.content))
    return min(1.0, len(reading.content & reading.context) / possible) if possible else 0.5


def _coverage(reading: Reading) -> Iterator[Finding]:
    share = coverage(reading)
    if off_topic(reading):
        # no more than this: a list of dinners may never say "dinner"
        yield Finding("helpfulness", "off_topic", -2)
        yield Finding("correctness", "off_topic", -1.5)
        yield Finding("clarity", "off_topic", -0.5)
    elif share < 0.5 and (reading.ask.wish.enough is None or not _CREATIVE.search(reading.ask.text)):
        weight = min(1.0, len(reading.words) / 30)  # "Paris" need not repeat the question
        yield Finding("helpfulness", "coverage", 2 * (share - 0.5) * weight, f"{share:.2f}")
        yield Finding("correctness", "coverage", (share - 0.5) * weight, f"{share:.2f}")


def off_topic(reading: Reading, *, longer_than: int = _LINE, asked: int = 4) -> bool:
    """Whether no word of the question comes back, nor a word that stands for one.

    Between a question and its own answer that happens in 1 of 80 cases, between it and another's in a half.
    """
    if (
        len(reading.words) <= longer_than
        or len(reading.ask.content) < asked
        or not reading.content.isdisjoint(reading.context)
    ):
        return False
    return _comparable(reading) and _BACK.isdisjoint(_first_words(reading.low))


def _first_words(low: str) -> list[str]:
    """The first dozen words, no further than the first sentence goes."""
    opening = low[:_OPENING]
    end = _END.search(opening)
    return _WORD.findall(opening[: end.start()] if end else opening)[:_DOZEN]


def _hollow(reading: Reading) -> Iterator[Finding]:
    content = len(reading.vocabulary) - len(FUNCTION_WORDS & reading.vocabulary)
    if content < 20:
        return
    share = len(HOLLOW & reading.vocabulary) / content
    nothing = share > 2 * _HOLLOW
    if nothing or (share > _HOLLOW and content >= _COUNTED):
        detail = f"{share:.2f}"
        yield Finding("helpfulness", "hollow", -8 * (share - _HOLLOW), detail, ceiling=2 if nothing else 10)
        yield Finding("correctness", "hollow", -4 * (share - _HOLLOW), detail, ceiling=2 if nothing else 10)
        yield Finding("clarity", "hollow", -2 * (share - _HOLLOW), detail, ceiling=3 if nothing else 10)


def _comparable(reading: Reading) -> bool:
    listed = reading.ask.wish.items is not None and items(reading.lines, reading.ask.wish.items) is not None
    return not listed and _same_script(reading) and _CREATIVE.search(reading.ask.text) is None


def _same_script(reading: Reading) -> bool:
    """Words can only be compared where both texts write them with the same letters."""
    return reading.ask.text.isascii() and sum(word.isascii() for word in reading.words) > 0.7 * len(reading.words)


def _copy(reading: Reading) -> Iterator[Finding]:
    if len(reading.words) < 8:
        return
    said = reading.low.strip()
    if said in reading.ask.text and len(said) > 0.4 * len(reading.ask.text) and not _COPIES.search(reading.ask.text):
        yield Finding("helpfulness", "copies_input", -2.5, ceiling=4)
        yield Finding("correctness", "copies_input", -1.5, ceiling=5)
    elif len(reading.ask.words) >= 8 and said.startswith(reading.ask.text.strip()) and not reading.blocks:
        yield Finding("clarity", "repeats_question", -0.7)


def _grammar(reading: Reading) -> Iterator[Finding]:
    """Real prose is a third to a half function words, whatever the language; stuffed keywords have none."""
    words = reading.words
    if len(words) < 30 or reading.blocks or len(reading.lines) > len(words) / 12:
        return
    if len(SERVING & reading.vocabulary) >= 0.12 * len(words):
        return  # each of them stands there at least once
    serving = sum(map(SERVING.__contains__, words)) / len(words)
    if serving >= 0.12 or not reading.ask.words or not _is_prose(reading) or not _grammatical(reading.ask.words):
        return
    if reading.ask.wish.items and reading.response.count(",") > len(words) / 8:
        return
    detail = f"{serving:.2f}"
    hard = serving < 0.05
    yield Finding("clarity", "no_grammar", -3, detail, ceiling=3 if hard else 5)
    yield Finding("helpfulness", "no_grammar", -2, detail, ceiling=3 if hard else 6)
    yield Finding("correctness", "no_grammar", -1.5, detail, ceiling=3 if hard else 6)
    if hard:
        yield Finding("safety", "no_grammar", -3, detail, ceiling=5)


def _is_prose(reading: Reading) -> bool:
    """Words of Latin letters, and few signs: code and tables have a grammar of their own."""
    words = reading.words
    signs = sum(map(reading.response.count, "{}();=<>_|"))
    known = sum(word.isascii() and word.isalpha() for word in words)
    return signs <= 0.1 * len(words) and known >= 0.7 * len(words)


def _grammatical(words: list[str]) -> bool:
    """Whether the instruction is in a language whose function words are known here; "List three fruits" has none."""
    if words[0] in _ENGLISH_STARTS:
        return True
    first = words[:100]
    return sum(map(SERVING.__contains__, first)) > 0.15 * len(first)
