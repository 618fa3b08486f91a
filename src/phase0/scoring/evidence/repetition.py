"""Loops: the same words, lines or characters over and over. Graded by the share of the text that only repeats."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from phase0.scoring.evidence.reading import Finding, Reading

_MARKS = b"0123456789.#*-|:"
_SUM = re.compile(r"\d ?[=+×÷*/<>−:%] ?-?\d")  # where numbers are what a line says
_SHORT, _MANY = 5, 8  # a line of this many characters counts only where there are this many, as in a list of names
_FIRST = 100  # words in which one that is a quarter of the text stands out
_RUN = 40  # equal characters in a row: more than a word, a number or an exclamation needs
_RULES = "-=_*#.~+─━ \n\t"  # and what lines are drawn with
_NORMAL = 0.33  # share of repeated trigrams: of answers by strong models 95 in 100 stay under 0.19 and 99 under this


def find(reading: Reading) -> Iterator[Finding]:
    """The share of word trigrams that were there before, of lines that were there before, and runs of one character."""
    words = reading.words
    count = len(words) - 2
    share = 0.0
    # Each word but the first two ends a trigram of its own: so many distinct words leave no room for loops.
    if count >= 12 and len(reading.vocabulary) - 2 < (1 - _NORMAL) * count:
        share = 1 - len(set(zip(words, words[1:], words[2:]))) / count  # noqa: B905
        if share > _NORMAL:
            share = _of_words(words)
    lines = _bare_lines(reading) if len(reading.lines) > 5 else []
    if lines:
        repeated = len(lines) - len(set(lines))
        if repeated >= 3:
            share = max(share, repeated / len(lines))
    if share > _NORMAL * (2 if reading.blocks else 1):
        yield from _loops(share)
    if len(words) >= 20 and len(reading.vocabulary) < 0.8 * len(words):
        first = words[:_FIRST]
        counts = Counter(first)
        times = max(counts.values())
        word = counts.most_common(1)[0][0] if times > 0.25 * len(first) else ""
        if word and not word.isdigit():
            yield Finding("clarity", "one_word", -2.5, word, ceiling=4)
            yield Finding("helpfulness", "one_word", -2, word, ceiling=4)
    run = _character_run(reading.response)
    if run:
        yield Finding("clarity", "character_run", -4, run, ceiling=3)
        yield Finding("helpfulness", "character_run", -2, run, ceiling=4)
        yield Finding("correctness", "character_run", -1, run, ceiling=5)


def _character_run(text: str) -> str:
    """A character that fills a half of `_RUN` places at a stride of that half, so any run of `_RUN` is met."""
    half = _RUN // 2
    for at in range(0, len(text) - half + 1, half):
        if text[at] == text[at + 1] and text[at] not in _RULES and text[at : at + half] == text[at] * half:
            return text[at]
    return ""


def _of_words(words: list[str]) -> float:
    """The share among trigrams that are not mostly numbers: sums repeat theirs, `6 + 6 + 10` and `6 + 6 + 6`."""
    said = [
        (first, second, third)
        for first, second, third in zip(words, words[1:], words[2:])  # noqa: B905
        if first.isdigit() + second.isdigit() + third.isdigit() < 2
    ]
    return 1 - len(set(said)) / len(said) if len(said) >= 12 else 0.0


def _bare_lines(reading: Reading) -> list[str]:
    """Lines without their numbers and marks: `1. Point 1` and `2. Point 2` say the same, two sums do not."""
    if _SUM.search(reading.response):
        bare = [line if _SUM.search(line) else _without_marks(line) for line in reading.lines]
    else:
        bare = _without_marks(reading.response).splitlines()
    longer = [line for line in map(str.strip, bare) if len(line) > _SHORT]
    if longer or len(bare) < _MANY:
        return longer
    return [line for line in map(str.strip, bare) if len(line) > 1]


def _without_marks(text: str) -> str:
    """In bytes, which is several times as fast: no other character of UTF-8 holds one of theirs."""
    return text.encode("utf-8", "surrogatepass").translate(None, _MARKS).decode("utf-8", "surrogatepass")


def _loops(share: float) -> Iterator[Finding]:
    detail = f"{share:.2f}"
    weight = share - _NORMAL
    yield Finding("clarity", "repetition", -9 * weight, detail, ceiling=3 if share > 0.5 else 10)
    yield Finding("helpfulness", "repetition", -8 * weight, detail, ceiling=2.5 if share > 0.5 else 10)
    yield Finding("correctness", "repetition", -5 * weight, detail, ceiling=3.5 if share > 0.5 else 10)
    if share > 0.7:
        yield Finding("safety", "repetition", -3, detail, ceiling=6)
