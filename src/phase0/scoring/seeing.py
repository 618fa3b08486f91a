"""What of a row tells its category: the parts that are read, and which cues and marks stand in them.

`seen` looks for one after another. `phase0.stages.category_scan` finds the same for many rows in one pass over their
bytes; tests hold the two equal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from phase0.records import CATEGORIES
from phase0.scoring.cues import CODE_MARKS, CUES, SUM_MARKS
from phase0.scoring.marks import (
    FENCE,
    MAY,
    OPENINGS,
    QUESTION,
    REFUSING,
    REFUSING_MARKS,
    SUM,
    TOOL,
    TOOL_MARKS,
    WORDS_OF_KIND,
    weights,
)

HEAD_CHARS, TAIL_CHARS, ASK_CHARS, RESPONSE_CHARS, OPENING_CHARS = 1000, 300, 450, 700, 200

PRIORS = (1400, 0, 0, 0, 0)  # of general: what the evidence for anything else must outweigh
MATTER = 35  # percent that a word counts in a text that is handed over with the request,
MATTER_MOST = 1300  # and what all of them count together for a category: less than the prior, so never enough alone

# A word is `\w+[+#]*` in lower case.
_WORD = re.compile(r"\w+[+#]*")
_LATIN_WORD = re.compile(r"[a-z]+[+#]*")
_ASCII = bytes(range(128))
_LETTERS = bytes(byte if chr(byte).isalnum() or chr(byte) == "_" else 32 for byte in range(128)).lower() + bytes(
    range(128, 256)
)
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
_ANNOUNCING, _ASKING = WORDS_OF_KIND["announcing"], WORDS_OF_KIND["asking"]


class Parts(NamedTuple):
    """What is read of a row."""

    text: str  # the instruction,
    ask: str  # the request in it
    matter: str  # and what is handed over with it
    answer: str
    opening: str  # of the answer, in lower case, without commas
    asked: list[str]  # the words of the request
    unspaced: bool  # whether the instruction has characters of a script that puts no spaces between words


class Seen(NamedTuple):
    """What stands in the parts."""

    cues: Sequence[int]  # the weight of each of CATEGORIES, PRIOR and what is handed over included
    text: int  # bits of marks, and so on
    answer: int
    opening: int


def parts_of(instruction: str, response: str | None) -> Parts:
    """The parts of a row that are read."""
    text = text_of(instruction)
    return parts_at(text, (response or "")[:RESPONSE_CHARS], *split_at(text))


def parts_at(text: str, answer: str, cut: int, last: int, unspaced: bool | None = None) -> Parts:
    """The parts of a row whose text is split so; whether that is in a script without spaces may be known."""
    ask = joined(text, cut, last)
    if unspaced is None:
        unspaced = is_unspaced(text)
    asked = words_of(ask) + (latin_words(ask) if unspaced else [])
    return Parts(text, ask, text[cut:last], answer, opening_of(answer), asked, unspaced)


def text_of(instruction: str) -> str:
    """What is read of an instruction."""
    text = instruction.strip()
    return text if len(text) <= HEAD_CHARS + TAIL_CHARS else f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"


def opening_of(answer: str) -> str:
    """The first words of an answer, in one spelling."""
    opening = answer[:OPENING_CHARS].lower().replace(",", "")
    return opening if opening.isascii() else opening.replace("’", "'")


def is_unspaced(text: str) -> bool:
    """Whether a text has characters of a script that puts no spaces between words."""
    return not text.isascii() and _UNSPACED.search(_beyond_ascii(text)) is not None


def latin_words(ask: str) -> list[str]:
    """The Latin words of a request in a script that puts no spaces about them."""
    return _LATIN_WORD.findall(ask.lower())


def _beyond_ascii(text: str) -> str:
    """The characters that are not ASCII. A pattern takes ten times as long to find them."""
    return text.encode("utf-8", "replace").translate(None, _ASCII).decode()


def words_of(text: str) -> list[str]:
    """The words of a text as cues are written."""
    if text.isascii() and "+" not in text and "#" not in text:
        return text.encode().translate(_LETTERS).decode().split()  # a third of what the pattern takes
    return _WORD.findall(text.lower())


def split_at(text: str) -> tuple[int, int]:
    """Where what is handed over with a request begins and ends: the request is all before it, which is the first line,
    and the last line where that asks too."""
    end, length = text.find("\n", 25), len(text)
    colon = text.find(": ", 10, 160)
    if 0 < colon < (end if end > 0 else length) and not _ANNOUNCING.isdisjoint(text[:colon].lower().split()):
        return colon + 1, length
    if end < 0 or end > ASK_CHARS:
        if length <= ASK_CHARS:
            return length, length
        end = ASK_CHARS
    cut = max(text.rfind("\n", end), length - 200, end)
    last = text[cut:]
    if "?" in last or last.strip().partition(" ")[0].lower() in _ASKING:
        return end, cut
    return end, length


def joined(text: str, cut: int, last: int) -> str:
    """The request of a text that is split so."""
    return f"{text[:cut]}\n{text[last:]}" if last < len(text) else text[:cut]


_Cue = tuple[str, str, int, int]  # its second word, all of it between spaces, the category, the weight


def _by_first_word() -> tuple[dict[str, list[tuple[int, int]]], dict[str, list[_Cue]]]:
    """Cues of one word, and those of several by their first. Categories are numbered."""
    words: dict[str, list[tuple[int, int]]] = {}
    phrases: dict[str, list[_Cue]] = {}
    for cue, category, weight in weights(CUES):
        first, *rest = cue.split(" ")
        if rest:
            phrases.setdefault(first, []).append((rest[0], f" {cue} ", CATEGORIES.index(category), weight))
        else:
            words.setdefault(first, []).append((CATEGORIES.index(category), weight))
    return words, phrases


_WORDS, _PHRASES = _by_first_word()
_SINGLE, _FIRSTS = frozenset(_WORDS), frozenset(_PHRASES)


def seen(parts: Parts) -> Seen:
    """What stands in the parts."""
    return Seen(
        cues=[
            own + min(MATTER * handed // 100, MATTER_MOST) + prior
            for own, handed, prior in zip(_cues(parts.asked), _cues(words_of(parts.matter)), PRIORS, strict=True)
        ],
        text=_marks(parts.text),
        answer=_marks(parts.answer),
        opening=opening_marks(parts.opening),
    )


def opening_marks(opening: str) -> int:
    """What an answer begins with, in bits."""
    found = sum(bit for bit, marks in OPENINGS.items() if bit != REFUSING and _any(marks, opening))
    return found | REFUSING if opening.startswith(REFUSING_MARKS) else found


def has_tool_mark(part: str) -> bool:
    """Whether this is of a tool-call protocol."""
    return _any(TOOL_MARKS, part)


def _any(marks: tuple[str, ...], text: str) -> bool:
    for mark in marks:  # noqa: SIM110  a generator costs as much as three of these look-ups
        if mark in text:
            return True
    return False


def _marks(part: str) -> int:
    found = MAY
    for bit, mark in enumerate(CODE_MARKS):
        if mark in part:
            found |= 1 << bit
    found |= ("?" in part and QUESTION) | ("```" in part and FENCE)
    return found | (has_tool_mark(part) and TOOL) | (_any(SUM_MARKS, part) and SUM)


def _cues(words: list[str]) -> list[int]:
    """The weights of the cues in these words, by category."""
    found = [0] * len(CATEGORIES)
    distinct = frozenset(words)
    for word in _SINGLE & distinct:
        for category, weight in _WORDS[word]:
            found[category] += weight
    spaced = ""
    for first in _FIRSTS & distinct:
        for second, phrase, category, weight in _PHRASES[first]:
            if second in distinct:
                spaced = spaced or f" {' '.join(words)} "
                if phrase in spaced:
                    found[category] += weight
    return found
