"""How little is enough: questions for one fact, texts to be turned into others, short forms, greetings.

For these a few words are a whole answer, and `enough` says how many; for everything else it knows nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from phase0.text import terms

_FACT, _REASONED, _WORKED, _DEFINED = (
    1,
    10,
    8,
    10,
)  # content words: a bare fact, one with its reason, a sum, a definition
_SMALL_TALK = terms(
    "hi hello hey there thanks thank you good morning evening afternoon bye goodbye how are doing today"
)
_SHORT_FORMS = {
    "haiku": 6, "limerick": 12, "slogan": 4, "tagline": 4, "motto": 4, "headline": 4, "title": 3, "subject": 4,
    "caption": 5, "pun": 5, "oneliner": 6, "twister": 6, "tweet": 8, "couplet": 7, "joke": 8, "riddle": 8,
    "quatrain": 12,
}  # fmt: skip
_LINES = re.compile(r"\b(two|three|four|five|six|[2-6])[ -]lines?\b")
_LINE_WORDS = 3  # content words in a line of verse
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
_VERSE = terms("poem poems verse rhyme lines line")

# What is done to a text that stands in the instruction: the answer is as long as it, or shorter, or a label.
_TURNS = terms(
    """
    translate rewrite rephrase paraphrase reword correct edit proofread fix convert change transform replace reorder
    rearrange sort order arrange unscramble transcribe plural plurals tense opposite opposites conjugate decode
    encode capitalize punctuate complete fill
    """
)
_SHORTENS = terms("shorten condense reduce summarize summarise summary tldr simplify")
_LABELS = terms(
    """
    classify categorize categorise label mark sentiment identify extract detect tag guess pick choose select odd rate
    """
)
_PASSAGE = re.compile(r"[\n:\"\u201c\u00ab]")
_FIRST, _EARLY = 8, 20  # words of the instruction in which its verb stands, and what it asks for beside
_SHORTEST = 0.2  # of a text's content words, what is left of it when it is summed up
_LONGEST_SUMMARY = 25

# A question begins a sentence or a clause. Instructions are searched with a line break before them.
_START = r"[.!?,:;\n\])] *(?:(?:and|so|then|in|on|at|to|of|for|from) )?"
_QUESTION = re.compile(
    rf"{_START}(?:"
    r"how (?:many|much|old|tall|far|long|often|big|high|deep|fast|heavy|wide|large)\b"
    r"|(?:which|whose|whom) \w"
    r"|who (?!am\b|are you|should|would|(?:is|was|were|are) (?!the\b))\w"
    r"|(?:when|where) (?:is|was|were|are|did|does|do|will)\b"
    r"|what (?:year|day|date|month|time|colou?r|number|country|city|state|language|animal|planet|word|letter|percentage"
    r"|percent|fraction|shape|size|age|type|kind|part|element|continent|ocean|sea|river|team|nationality|currency)\b"
    r"|what(?:'s| is| was| are| were| will be) (?:the|its|his|her|their) (?:\w+ ){0,3}?(?:name|capital|plural|opposite"
    r"|antonym|synonym|tense|root|sum|product|result|area|perimeter|volume|population|currency|symbol|largest|smallest"
    r"|longest|shortest|highest|lowest|tallest|deepest|fastest|biggest|oldest|first|last|next|probability|value|point"
    r"|language|colou?r|date|year|number|time|speed|average|mean|median|mode|abbreviation|formula|unit|distance"
    r"|derivative|angle|remainder|percentage|total|cost|price|height|length|weight|age|radius|sentiment|correct|answer"
    r"|missing)\b"
    r"|what(?:'s| is) [\d($-]"
    r"|name (?:the|a|an|one|any)\b|guess the"
    r"|(?:calculate|compute|solve|evaluate|simplify"
    r"|find the (?:\w+ ){0,2}?(?:value|sum|area|root|average|mean|median))\b"
    r")"
)
_CLOSED = re.compile(
    r"\b(?:yes or no|true or false|true/false|multiple[- ]choice|which of the following|(?:choose|select) (?:the"
    r"|one|from|between)|pick (?:one|from|between)|one word|single word|in a word|fill in the blank|answer:)"
)
_MEANS = re.compile(r"\bwhat (?:does|do|did) [^.?!\n]{1,60} (?:mean|stand for)\b|\bhow (?:do|would) (?:you|i) say\b")
_YES_OR_NO = re.compile(
    r"[.!?,:;\n] *(?:is|are|was|were|does|did|do|has|have|had|will|can|could) (?!you (?!a\b|an\b))\w"
)
_TRIGGERS = terms(
    """
    how which whose whom who when where what name guess calculate compute solve evaluate simplify find true choose
    select pick word blank answer multiple
    """
)
_POLAR = terms("is are was were does did do has have had will can could")
_OPEN = terms(
    """
    write describe discuss compare elaborate essay create design compose outline detailed recommend advice tips story
    paragraph paragraphs article ways pros cons
    """
)
_GIVE_REASONS = terms("why explain show reason reasons prove steps justify reasoning explanation")


def enough(
    ask: str, words: Sequence[str], vocabulary: frozenset[str], content: frozenset[str], items: int | None
) -> int | None:
    """How many distinct content words are a whole answer, None where that cannot be told.

    `ask` is in lower case, `content` are the stems of its content words, `items` is how many things it wants listed.
    """
    if len(words) <= 6 and vocabulary <= _SMALL_TALK:
        return _FACT
    short = _short_form(ask, vocabulary)
    if short is not None:
        return short * (items or 1)
    turned = _turned(ask, words, content)
    if turned is not None:
        return turned
    if items is not None:
        return 3 * items
    return _question(ask, words, vocabulary)


def _short_form(ask: str, vocabulary: frozenset[str]) -> int | None:
    forms = vocabulary & _SHORT_FORMS.keys()
    if forms:
        return (
            max(_SHORT_FORMS[form] for form in forms) if _OPEN & vocabulary <= {"write", "create", "compose"} else None
        )
    if not _VERSE.isdisjoint(vocabulary):
        lines = _LINES.search(ask)
        if lines:
            return _LINE_WORDS * (_COUNTS.get(lines[1]) or int(lines[1]))
    return None


def _turned(ask: str, words: Sequence[str], content: frozenset[str]) -> int | None:
    """For a text to be rewritten, half of its content words; for one to be labelled, a word."""
    verbs = frozenset(words[:_FIRST])
    shortens = not _SHORTENS.isdisjoint(verbs)
    if not shortens and _TURNS.isdisjoint(verbs) and _LABELS.isdisjoint(verbs):
        return None
    passage = _PASSAGE.search(ask)
    if passage is None:
        return None
    given = round(len(content) * (1 - passage.start() / len(ask)))
    if given < 2:
        return None
    if shortens:
        return min(_LONGEST_SUMMARY, max(4, round(_SHORTEST * given)))
    if not _TURNS.isdisjoint(verbs):
        return max(1, given // 2)
    return _FACT if _GIVE_REASONS.isdisjoint(words[:_EARLY]) else _REASONED


def _question(ask: str, words: Sequence[str], vocabulary: frozenset[str]) -> int | None:
    if not _OPEN.isdisjoint(vocabulary):
        return None
    if not _TRIGGERS.isdisjoint(vocabulary):
        if _QUESTION.search(f"\n{ask}") or _CLOSED.search(ask):
            if not _GIVE_REASONS.isdisjoint(vocabulary):
                return _REASONED
            return _WORKED if len(words) > 12 and sum(map(str.isdigit, words)) > 1 else _FACT
        if _MEANS.search(ask):
            return _DEFINED
    if not _POLAR.isdisjoint(vocabulary) and _YES_OR_NO.search(f"\n{ask}"):
        return _REASONED
    return None
