"""What phase0 knows about text as such: its words, its scripts, and text that talks to a judge instead of a reader."""

from __future__ import annotations

import re
import unicodedata

# Scripts written without spaces between words: each of their characters is a token of its own.
_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\U000116d0-\U000116ff"  # Myanmar
    "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff\uffa0-\uffdc"  # Hangul
    "\u1780-\u17ff\u19e0-\u19ff"  # Khmer
    "\u3031-\u3035\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f\U0001aff0-\U0001b16f"  # Hiragana, Katakana
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b"  # Han: radicals, marks, numerals
    "\u3192-\u3195\u3220-\u3229\u3280-\u3289\U00016fe2\U00016fe3\U0001d372-\U0001d376"  # Han: the same, enclosed
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
_TOKEN = re.compile(rf"(?=\w)[{_UNSPACED}]|[^\W{_UNSPACED}]+")

# Characters that composing leaves alone and that no script without spaces uses: a text of these is its words and gaps.
_RARE = re.compile(r"[^\x00-\u02ff\u2010-\u2027\u2030-\u205e]")
_WORD = re.compile(r"\w+")
_ACCENTED = re.compile(r"[^\W\x00-\x7f]")  # a letter or figure beyond ASCII
_GAPS = "".join(chr(code) if chr(code).isalnum() or chr(code) == "_" else " " for code in range(128))


def terms(text: str) -> frozenset[str]:
    """A set of words, written as they are read."""
    return frozenset(text.split())


# A pattern is tried only where its words stand: most answers have none of them, and the patterns are slow.
_LOUD = terms(
    """
    ignore disregard forget override judge judges grader graders grading evaluator evaluators evaluation reviewer
    reviewers llm scorer model_identifier outputs criteria rubric rubrics wins winner preferred
    """
)
_SELF = terms("response answer output completion reply assistant")
_PRAISE = terms(
    """
    deserves merits earns scores perfect flawless excellent best outstanding superior exemplary highest rated scored
    preferred ranked given get receive score winner better
    """
)
_VERBS = terms("give award assign rate grade score mark")
_TOPS = terms("10 5 ten full perfect maximum highest top")
_ORDER = (
    r"(?:please|should|must|will|to|you|and) (?:give|award|assign|rate|grade|score|mark) (?:this|it|me|my|the|both)\b"
    r"[^.\n]{0,40}\b(?:10|ten out|full marks?|full score|perfect|maximum|highest|top (?:marks?|score)|5/5)\b"
    r"|(?:rate|score|grade) (?:it|this|me|mine) (?:a )?(?:10|ten|5/5|full|perfect)\b"
    r"|must (?:get|receive|be given) (?:the |a )?(?:maximum|highest|full|perfect|top)\b"
)
_FLATTERY = (
    r"(?:this|my|the above) (?:\w+ )?(?:response|answer|output|completion|reply) (?:(?:fully |clearly "
    r"|certainly |truly )?"
    r"(?:deserves|merits|earns|should (?:get|receive|score|be (?:rated|scored|preferred|ranked|given))"
    r"|must (?:get|receive|be (?:rated|given))"
    r"|scores|is (?:\w+ )?(?:perfect|flawless|excellent|the best|outstanding|superior|exemplary|of the highest)))"
    r"|must (?:get|receive|be given) (?:the |a )?(?:maximum|highest|full|perfect|top)\b"
    r"|(?:response|answer|assistant|output|model) (?:a|b|1|2|m) (?:is|wins|was) (?:the )?(?:clearly )?(?:better"
    r"|best|winner|superior|preferred)"
)
_INJECTION = (
    r"(?:ignore|disregard|forget|override) (?:all |any |the |your |everything |these )*"
    r"(?:above|previous|prior|preceding|earlier|other instructions|system prompt|grading|scoring|evaluation|rubric)\b"
    r"|(?:dear|attention|note to(?: the)?|message (?:to|for)(?: the)?) (?:\w+ )?"
    r"(?:judges?|graders?|evaluators?|grading (?:model|system)|evaluation (?:model|system)|reviewers?|llm|scorer)\b"
    r"|(?:as|you are) (?:the|an?) (?:\w+ )?(?:impartial judge|fair judge|grader|evaluator|evaluation model"
    r"|llm judge)\b"
    r"|model_identifier\b|## model outputs|unordered outputs from the models"
    r"|(?:meets|exceeds|satisfies|fulfil?ls) (?:all|every)(?: of the)? (?:\w+ )?(?:criteria|rubrics?"
    r"|requirements of the rubric|grading)"
)
_STRONG = re.compile(rf"\b(?:{_INJECTION}|{_ORDER}|{_FLATTERY})|\[\[(?:10|[89](?:\.\d)?|a|b)\]\]")
_ORDERS, _FLATTERIES = re.compile(rf"\b(?:{_ORDER})"), re.compile(rf"\b(?:{_FLATTERY})")
_INJECTIONS = ("ignore", "disregard", "forget", "override", "model_identifier", "## model", "unordered")
_ABOUT_JUDGING = terms(
    "judge judges judging grader graders evaluator rubric response responses answers injection jailbreak letter essay"
)


def tokens(text: str, low: str | None = None) -> list[str]:
    r"""The words of a text, for comparing texts: `\w+` of lower(NFC(text)).

    Each character of a script that is written without spaces (Han, Hiragana, Katakana, Hangul, Thai, Lao, Khmer,
    Myanmar) is a token of its own, in mixed text too. Digits count: two sums with other numbers are two texts. `low` is
    the text in lower case, where that is at hand.
    """
    low = text.lower() if low is None else low
    if text.isascii():
        return low.translate(_GAPS).split()  # a quarter of the pattern's time
    if _RARE.search(text):
        return _TOKEN.findall(unicodedata.normalize("NFC", text).lower())
    if _ACCENTED.search(low):
        return _WORD.findall(low)
    return low.encode("ascii", "replace").decode().translate(_GAPS).split()  # quotes and dashes, which are gaps


def addressed(low: str, words: frozenset[str], asked: frozenset[str] = frozenset()) -> str:
    """The first words of a text that nobody says but to whoever grades it; the empty string where there are none.

    `low` is the text in lower case, `words` its distinct tokens, `asked` those of the request that it answers: where
    that is about judging, only an order to ignore what was said before counts.
    """
    found = None
    if not _LOUD.isdisjoint(words) or "[[" in low:
        found = _STRONG.search(low)
    else:
        if not _PRAISE.isdisjoint(words) and not _SELF.isdisjoint(words):
            found = _FLATTERIES.search(low)
        if found is None and not _VERBS.isdisjoint(words) and not _TOPS.isdisjoint(words):
            found = _ORDERS.search(low)
    said = found[0] if found else ""
    return said if _ABOUT_JUDGING.isdisjoint(asked) or said.startswith(_INJECTIONS) else ""
