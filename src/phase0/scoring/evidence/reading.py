"""What every check needs to know about an exchange, read once: words, lines, code blocks, the size of answer asked for.

Long texts are clipped first (head and tail), so the cost of a row is bounded whatever its length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from phase0.records import Turn
from phase0.scoring.evidence.demand import Demand, demand
from phase0.scoring.evidence.words import content_stems
from phase0.text import tokens

HEAD, TAIL = 20_000, 5_000  # characters of a response that are looked at: 0.1 % of real answers are longer
ASK_HEAD, ASK_TAIL = 2_000, 1_000  # of an instruction: the question stands before or after the passage it is about
WISH = 400  # characters at either end of an instruction: between them stands the passage it is about
MAX_BLOCKS = 20


class Finding(NamedTuple):
    """One piece of evidence: it moves a dimension by `points` and holds it at or under `ceiling`."""

    dimension: str
    code: str
    points: float
    detail: str = ""
    ceiling: float = 10.0


class Block(NamedTuple):
    """A fenced block of code."""

    language: str
    code: str


class Ask(NamedTuple):
    """An instruction, taken apart. `text` is clipped and in lower case; `wish_text` is where it says what it wants."""

    text: str
    wish_text: str
    words: list[str]
    vocabulary: frozenset[str]  # distinct words
    content: frozenset[str]  # stems of the words that carry meaning
    wish: Demand


class Reading(NamedTuple):
    """An exchange, taken apart. `response` is clipped, `low` is the same in lower case."""

    ask: Ask
    context: frozenset[str]  # the instruction's content, with that of what came before it in the conversation
    response: str
    low: str
    words: list[str]
    vocabulary: frozenset[str]  # distinct words of the response
    content: frozenset[str]  # stems of its content words
    lines: list[str]
    blocks: list[Block]
    prose: str  # the response without its fenced code
    open_fence: bool
    clipped: bool
    length: int  # characters of the whole response


def read(instruction: str, response: str, system: str | None, history: Sequence[Turn]) -> Reading:
    """Take an exchange apart."""
    shown = clip(response, HEAD, TAIL)
    ask = _ask(instruction)
    context = ask.content
    if system or history:
        earlier = "\n".join([system or "", *(turn.content[:2_000] for turn in history[-4:])])
        context |= content_stems(frozenset(tokens(clip(earlier, ASK_HEAD, ASK_TAIL))))
    low = shown.lower()
    words = tokens(shown, low)
    vocabulary = frozenset(words)
    lines = shown.splitlines()
    blocks, prose, open_fence = _fences(shown, lines)
    return Reading(
        ask=ask,
        context=context,
        response=shown,
        low=low,
        words=words,
        vocabulary=vocabulary,
        content=content_stems(vocabulary),
        lines=lines,
        blocks=blocks,
        prose=prose,
        open_fence=open_fence,
        clipped=len(shown) < len(response),
        length=len(response),
    )


@lru_cache(maxsize=1024)  # a pool of models answers one instruction many times in a row
def _ask(instruction: str) -> Ask:
    shown = clip(instruction, ASK_HEAD, ASK_TAIL)
    text = shown.lower()
    words = tokens(shown, text)
    vocabulary = frozenset(words)
    wish_text = clip(text, WISH, WISH)
    content = content_stems(vocabulary)
    return Ask(text, wish_text, words, vocabulary, content, demand(wish_text, words, vocabulary, content))


def clip(text: str, head: int, tail: int) -> str:
    """The head and the tail of a text that is longer than both."""
    return text if len(text) <= head + tail else f"{text[:head]}\n{text[-tail:]}"


_FENCE = re.compile(r"[ \t]{0,8}(?:```+|~~~+)[ \t]*([\w+#.-]{0,20})")


def _fences(text: str, lines: list[str]) -> tuple[list[Block], str, bool]:
    """Fenced blocks, the text around them, and whether the last fence is never closed."""
    if "```" not in text and "~~~" not in text:
        return [], text, False
    blocks: list[Block] = []
    prose: list[str] = []
    inside: list[str] | None = None
    language = ""
    for line in lines:
        fence = _FENCE.match(line)
        if fence is None or line.count("```") > 1:  # ```two on one line``` is inline code
            (prose if inside is None else inside).append(line)
        elif inside is None:
            inside, language = [], fence[1].lower()
        else:
            blocks.append(Block(language, "\n".join(inside)))
            inside = None
    if inside is not None:
        blocks.append(Block(language, "\n".join(inside)))
    return blocks[:MAX_BLOCKS], "\n".join(prose), inside is not None
