"""How easily the answer reads: paragraphs, lists, sentence lengths, capitals, end marks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from phase0.scoring.evidence.reading import Finding, Reading

# Patterns that begin with a character are searched for several times as fast as those that begin with a choice or `^`.
_ITEM = re.compile(r"\n[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]+\S")
_HEADING = re.compile(r"\n(?:#{1,4} \S|\*\*[^*\n]{2,80}\*\*:?[ \t]*(?=\n|\Z))")
_SENTENCE = re.compile(r"[.!?。！？\n](?:(?<!\n)(?=[\s\"')*]|\Z)|(?<=\n)[ \t]*[-*\d\n])")
_SAMPLE = 500  # characters
_NO_CAPITALS = bytes(byte for byte in range(256) if not 65 <= byte <= 90)
_SHOUTING = re.compile(r"[!?]{4,}")


def find(reading: Reading) -> Iterator[Finding]:
    """What helps a reader and what hinders."""
    words = len(reading.words)
    if words < 8:
        return
    yield from _layout(reading, words)
    yield from _sentences(reading)
    yield from _letters(reading)


def _layout(reading: Reading, words: int) -> Iterator[Finding]:
    text = reading.response
    newlines = text.count("\n")
    if words > 130 and newlines == 0:
        yield Finding("clarity", "wall_of_text", -min(1.5, words / 150), str(words))
    if newlines >= 2:
        lines = f"\n{text}"
        items = len(_ITEM.findall(lines))
        headings = len(_HEADING.findall(lines)) if "#" in text or "**" in text else 0
        paragraphs = text.count("\n\n")
        structure = 0.35 * min(3, items) + 0.2 * min(2, headings) + 0.25 * min(3, paragraphs)
        yield Finding("clarity", "structure", min(1.5, structure), f"{items} items {paragraphs + 1} paragraphs")


def _sentences(reading: Reading) -> Iterator[Finding]:
    prose = reading.prose
    if not prose or reading.blocks:
        return
    ends = len(_SENTENCE.findall(prose))
    mean = len(reading.words) / max(1, ends)
    if mean > 45 and len(reading.words) > 60:
        yield Finding("clarity", "long_sentences", -min(1.5, (mean - 45) / 40 + 0.4), f"{mean:.0f} words")
    elif 8 <= mean <= 26 and ends >= 2:
        yield Finding("clarity", "sentences", 0.3, f"{mean:.0f} words")


def _letters(reading: Reading) -> Iterator[Finding]:
    start = reading.response.lstrip()[:1]
    if start.islower() and not reading.blocks and len(reading.words) >= 12:
        yield Finding("clarity", "starts_lower", -0.3, start)
    elif start in ",.;:)]}!?" and start:
        yield Finding("clarity", "starts_odd", -0.5, start)
    sample = reading.response[:_SAMPLE]
    upper = len(sample.encode("ascii", "ignore").translate(None, _NO_CAPITALS))
    if upper > 40 and upper > 0.4 * len(sample):
        yield Finding("clarity", "capitals", -1.2)
    if sample.count("!") + sample.count("?") > 3 and _SHOUTING.search(sample):
        yield Finding("clarity", "shouting", -0.6)
