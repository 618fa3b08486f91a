"""Words of a machine that are no part of an answer: chat templates, stock phrases, placeholders, lost characters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from phase0.scoring.evidence.reading import Finding, Reading
from phase0.text import terms

_RESIDUE = re.compile(
    r"</?s>|\[/?INST\]|<\|[a-zA-Z_]{2,30}\|>|<</?SYS>>|<(?:unk|pad|bos|eos|noinput|nooutput)>|\[PAD\]"
    r"|<start_of_turn>|<end_of_turn>|<br ?/?>"
    r"|#{2,4} ?(?:Human|Assistant|Instruction|Response|Input|User|System)s? ?:"
)
_DIALOGUE = re.compile(  # searched for in the text with a line break before it
    r"\n[ \t]*(?:\*\*)?(?:Human|User|USER|Assistant|ASSISTANT|AI|Bot|Question|Q|Instruction)(?:\*\*)?[ \t]?:"
)
_SPEAKERS = terms(
    """
    dialogue dialog conversation script chat interview role roleplay question questions quiz q faq user human
    assistant instruction bot trivia example examples
    """
)
_TEMPLATE = re.compile(r"\{\{ ?\w{1,40} ?\}\}")
_STOCK = re.compile(
    r"\bas an? (?:ai|artificial intelligence|large language|language)\b[^.\n,]{0,30}|\bmy (?:knowledge cutoff"
    r"|training data)\b|\bi am (?:just )?an? (?:ai|language model)\b|\bas of my (?:last|latest) (?:update"
    r"|knowledge)\b"
)
_STOCK_STARTS = ("as a", "i am ", "my ")
_SUMMARY_OF_SELF = terms("ai artificial language cutoff training update")

_LOREM = frozenset(["lorem", "ipsum"])


def find(reading: Reading) -> Iterator[Finding]:
    """Template residue, a dialogue with itself, stock phrases, characters that were lost."""
    text = reading.response
    if "<" in text or "[" in text or "##" in text:
        residue = _RESIDUE.search(text)
        if (
            residue
            and residue[0].lower() not in reading.ask.text
            and not (residue[0].startswith("<br") and "html" in reading.ask.text)
        ):
            yield Finding("clarity", "template_residue", -2, residue[0], ceiling=6.5)
            yield Finding("helpfulness", "template_residue", -1, residue[0], ceiling=7)
    if ":" in text and _SPEAKERS.isdisjoint(reading.ask.vocabulary):
        spoken = _DIALOGUE.search(f"\n{text}")
        if spoken:
            yield Finding("clarity", "self_dialogue", -1.5, spoken[0], ceiling=6)
            yield Finding("helpfulness", "self_dialogue", -1.2, spoken[0], ceiling=6.5)
    if "{{" in text and not reading.blocks and "template" not in reading.ask.text:
        left = _TEMPLATE.search(text)
        if left:
            yield Finding("clarity", "placeholder", -1, left[0])
            yield Finding("helpfulness", "placeholder", -0.6, left[0])
    if not _SUMMARY_OF_SELF.isdisjoint(reading.vocabulary) and any(said in reading.low for said in _STOCK_STARTS):
        stock = _STOCK.search(reading.low)
        if stock:
            yield Finding("helpfulness", "boilerplate", -0.4, stock[0])
            yield Finding("clarity", "boilerplate", -0.4, stock[0])
    if reading.vocabulary >= _LOREM and _LOREM.isdisjoint(reading.ask.vocabulary) and not reading.blocks:
        yield from _filler()
    lost = text.count("\ufffd")
    if lost:
        yield Finding("clarity", "lost_characters", -min(3.0, 0.5 + 0.25 * lost), str(lost))


def _filler() -> Iterator[Finding]:
    for dimension in ("correctness", "helpfulness", "clarity"):
        yield Finding(dimension, "lorem_ipsum", -4, ceiling=2)
