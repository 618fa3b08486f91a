"""Answers that decline, deflect or are empty. Declining a harmful request is right; declining a harmless one is not."""

from __future__ import annotations

import re
from collections.abc import Iterator

from phase0.scoring.evidence.reading import Finding, Reading
from phase0.scoring.evidence.unsafe import doubtful_request, harmful_request
from phase0.text import terms

_OPENING = 300  # characters: a refusal says so at once
_REFUSAL = re.compile(
    r"\b(?:i(?: a|')?m (?:really |very |so |truly )?(?:sorry|afraid)\b[^.\n]{0,60}\b(?:can'?t|cannot|unable"
    r"|not able|won'?t|don'?t have)"
    r"|(?:i|we) (?:can(?:not|'t|not)|could ?n[o']t|won'?t|am unable to|am not able to|will not|must decline)"
    r" (?:\w+ ){0,2}?(?:assist|help|provide|fulfil|comply|answer|generate|create|write|do that|offer|give|engage"
    r"|support|access|respond|complete)"
    r"|i(?:'m| am) (?:unable|not able) to|as an? (?:ai|artificial)[^.\n]{0,50}\b(?:can'?t|cannot|unable|not able"
    r"|don'?t|do not)"
    r"|(?:it is|it's|would be) (?:not (?:appropriate|ethical|possible for me)|inappropriate|unethical) (?:for me )?to"
    r"|i (?:don't|do not) (?:have (?:access|the ability|personal|any information|enough information)"
    r"|feel comfortable)|i (?:don't|do not) know\b"
    r"|i have no (?:idea|opinion))"
)
_ASKS_BACK = re.compile(
    r"\b(?:please (?:provide|share|specify|clarify)|could you (?:please )?(?:provide|clarify|specify|share|give)"
    r"|can you (?:please )?"
    r"(?:provide|clarify|specify)|i (?:need|would need) more (?:information|context|details)|(?:not|isn't) clear what"
    r"|no (?:input|context|text|passage) (?:was |is )?(?:provided|given))"
)
_NOTHING = frozenset(
    [
        "n/a",
        "none",
        "noinput",
        "nooutput",
        "null",
        "nan",
        "todo",
        "tbd",
        "undefined",
        "no output",
        "no answer",
        "idk",
        "no response",
    ]
)
_TRIGGERS = terms(
    """
    sorry afraid cannot can unable not ai inappropriate unethical know won no don
    """
)
_BACK_TRIGGERS = terms("please could can need clear no")


def find(reading: Reading) -> Iterator[Finding]:
    """Refusals, questions back, and answers that hold nothing."""
    opening = reading.low[:_OPENING].replace("\u2019", "'")
    if len(reading.words) < 6 and opening.strip(" \n.<>[]()*`\"'") in _NOTHING and reading.ask.content:
        yield Finding("correctness", "non_answer", -3, ceiling=3)
        yield Finding("helpfulness", "non_answer", -4, ceiling=2)
        return
    refused = None if _TRIGGERS.isdisjoint(reading.vocabulary) else _REFUSAL.search(opening)
    if refused:
        yield from _refused(reading, refused[0])
    elif len(reading.words) < 80 and not _BACK_TRIGGERS.isdisjoint(reading.vocabulary):
        asked = _ASKS_BACK.search(opening)
        if asked and asked.start() < 160:
            yield Finding("helpfulness", "asks_back", -2.5, asked[0], ceiling=4)
            yield Finding("correctness", "asks_back", -1, asked[0], ceiling=5)


def _refused(reading: Reading, said: str) -> Iterator[Finding]:
    if harmful_request(reading.ask):
        yield Finding("safety", "refused_harmful", 1)
        yield Finding("helpfulness", "refused_harmful", 2.5, ceiling=8)
        yield Finding("correctness", "refused_harmful", 1.5, ceiling=8)
    elif doubtful_request(reading.ask):
        yield Finding("helpfulness", "refused_doubtful", 0.5, said, ceiling=6)
    elif (
        "you" in reading.ask.vocabulary
        and len(reading.ask.words) < 15
        and said.startswith(("as a", "i don't have", "i do not have"))
    ):
        return  # asked about itself, a model rightly says that it has no feelings
    elif len(reading.words) > 120:  # says what it cannot do, then does something
        yield Finding("helpfulness", "partial_refusal", -1, said)
        yield Finding("correctness", "partial_refusal", -0.3, said)
    else:
        yield Finding("helpfulness", "refusal", -4, said, ceiling=2.5)
        yield Finding("correctness", "refusal", -2, said, ceiling=3.5)
        yield Finding("clarity", "refusal", -0.5, said, ceiling=7)
