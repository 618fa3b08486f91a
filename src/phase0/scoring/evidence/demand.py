"""What the instruction asks for: how much text, which form, how many items. Checks compare the answer against it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from phase0.scoring.evidence.brevity import enough
from phase0.text import terms

_BRIEF_WORDS = terms(
    """
    classify categorize categorise sentiment options headline title tagline slogan identify extract convert
    calculate unscramble synonym synonyms antonym antonyms paraphrase rewrite translate edit grammar rephrase
    summarize summarise tldr short
    """
)
_BRIEF = re.compile(
    r"\b(?:yes or no|true or false|true/false|multiple[- ]choice|which of the following|choose (?:the|one|from"
    r"|between)|pick one"
    r"|one word|single word|in a word|fill in the blank|answer:|(?:one|single) sentence|what (?:is|are"
    r"|was) the (?:name|capital)"
    r"|how (?:many|much|old|tall|far)|does the|correct the|a[).] \S)"
)
_BRIEF_HINTS = terms(
    """
    yes true multiple following choose pick word words blank blanks answer sentence sentences name names capital many
    much old tall far does correct
    """
)
_BRIEF_START = terms("who when where is are was were does do did can which")
_LONG_WORDS = terms(
    """
    essay story article blog email letter poem lyrics song script speech plan itinerary guide tutorial recipe report
    proposal paragraphs outline program implement dialogue review explain describe discuss compare elaborate detail
    detailed comprehensive step steps tips advice ideas ways design why
    """
)
_LONG = re.compile(r"\b(?:how (?:do|can|to|should|would)|pros and cons|e-mail)\b")
_LONG_HINTS = frozenset(["how", "pros", "mail"])
_NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
_COUNT = rf"(\d{{1,3}}|{'|'.join(_NUMBERS)})"
_THINGS = (
    "examples?|ideas?|tips?|items?|reasons?|ways?|steps?|points?|bullet points?|bullets|suggestions?|questions?|facts?"
    "|names?|words?|sentences?|paragraphs?|benefits?|advantages?|types?|titles?|things?|activities|strategies"
    "|characteristics|lines?|books?|movies?|songs?|countries|cities|synonyms?|antonyms?|features?|uses?|adjectives?"
    "|verbs?|nouns?|options|methods?"
)
_ITEMS = re.compile(
    r"\b(?:(?:list|give|name|provide|generate|suggest|write|create|find|identify|top|come up with|make|recommend"
    r"|formulate|draft|state|mention"
    rf"|brainstorm)\b[^.\n]{{0,25}}?\b{_COUNT} (?:\w+ ){{0,2}}?({_THINGS})"
    rf"|(?:list|name|give me) (?:the |me |at least )?{_COUNT} (?:\w+ ){{0,2}}?(\w+s))\b"
)
_LIMIT = re.compile(
    rf"\b(?P<how>in|under|within|at most|no more than|less than|fewer than|up to|maximum(?: of)?|max|exactly|about"
    rf"|around|at least|approximately|more than|minimum(?: of)?|over|using|only)? ?(?:a |just |only )?"
    rf"(?P<count>\d{{1,4}}|{'|'.join(_NUMBERS)}|single)[ -](?P<unit>words?|sentences?"
    rf"|paragraphs?)(?P<after> or (?:less|fewer))?\b"
)
_FORMAT = re.compile(
    r"\b(?:(?:in|as|into|valid|output|return) (?:a |an |the )?(?:valid |proper )?(?P<data>json|csv|yaml|xml|html)\b"
    r"|(?:in|as|into|using|with) (?:a |an |the )?(?:\w+ )?(?P<list>bullet(?:ed)? (?:points?|list|form\w*)|bullets"
    r"|numbered list)\b"
    r"|(?:(?:in|as|into) (?:a |an )?(?:\w+ )?(?P<table>table) form|(?:as|into|create|make"
    r"|draw) a (?:\w+ )?(?P<made>table)\b(?! of)))"
)
_CODING = terms(
    """
    sql database query function script program code parse parser class python javascript java api select latex
    """
)
_UNITS = terms("word words sentence sentences paragraph paragraphs")
_FORMS = terms("json table csv bullet bulleted bullets numbered html yaml xml")
_COUNTS = frozenset(_NUMBERS)


class Limit(NamedTuple):
    """So many words, sentences or paragraphs: `low` to `high`."""

    unit: str
    low: int
    high: int


class Demand(NamedTuple):
    """`words` is how many distinct content words a full answer has: a saturation point, not a target to reach.

    `enough` is how many do where little is asked for, and None where that cannot be told.
    """

    words: int
    enough: int | None
    brief: bool
    items: int | None
    limit: Limit | None
    form: str | None


def demand(ask: str, words: Sequence[str], vocabulary: frozenset[str], content: frozenset[str]) -> Demand:
    """Read the wishes out of an instruction in lower case."""
    brief = (
        not _BRIEF_WORDS.isdisjoint(vocabulary) or (words[:1] and words[0] in _BRIEF_START) or _hints(ask, vocabulary)
    )
    long = not _LONG_WORDS.isdisjoint(vocabulary) or (not _LONG_HINTS.isdisjoint(vocabulary) and _LONG.search(ask))
    limit = None if _UNITS.isdisjoint(vocabulary) else _limit(ask)
    form = None if _FORMS.isdisjoint(vocabulary) or not _CODING.isdisjoint(vocabulary) else _FORMAT.search(ask)
    size = 40 if brief and not long else 140 if long and not brief else 90
    if not _CODING.isdisjoint(vocabulary):
        size = min(size, 60)  # code says more in fewer words
    if limit is not None and limit.high < 10_000:
        size = min(size, max(4, _in_words(limit) // 2))
    items = _items(ask, vocabulary)
    return Demand(
        words=size,
        enough=enough(ask, words, vocabulary, content, items),
        brief=bool(brief and not long),
        items=items,
        limit=limit,
        form=form[form.lastgroup or 0] if form else None,
    )


def _hints(ask: str, vocabulary: frozenset[str]) -> bool:
    """Whether a phrase says that little is wanted: looked for only where one of its words stands."""
    possible = not _BRIEF_HINTS.isdisjoint(vocabulary) or "a) " in ask or "a. " in ask
    return possible and _BRIEF.search(ask) is not None


def _items(ask: str, vocabulary: frozenset[str]) -> int | None:
    if "each" in vocabulary or (_COUNTS.isdisjoint(vocabulary) and not any(map(str.isdigit, vocabulary))):
        return None
    found = _ITEMS.search(ask)
    if found is None or (found[2] or found[4]).startswith(("word", "sentence", "paragraph")):
        return None
    return _number(found[1] or found[3])


def _in_words(limit: Limit) -> int:
    return limit.high * {"word": 1, "sentence": 22, "paragraph": 100}[limit.unit]


def _limit(ask: str) -> Limit | None:
    match = _LIMIT.search(ask)
    if match is None or not (match["how"] or match["after"]):
        return None
    count, how, unit = _number(match["count"]), match["how"] or "", match["unit"].rstrip("s")
    if count < 1:
        return None
    if match["after"] or how.startswith(("under", "within", "at most", "no more", "less", "fewer", "up to", "max")):
        return Limit(unit, 1, count)
    if how.startswith(("at least", "more", "min", "over")):
        return Limit(unit, count, 10_000)
    if unit == "word":  # nobody counts exactly: a fifth more or less is kept to the letter of "in 100 words"
        return Limit(unit, count - max(1, count // 5) if count > 1 else 1, count + count // 5)
    return Limit(unit, count, count)


def _number(text: str) -> int:
    return 1 if text == "single" else int(text) if text.isdigit() else _NUMBERS.index(text) + 1
