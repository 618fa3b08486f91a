"""Sorts a row into one of the five categories by weighing cues. Pure and deterministic; reads a bounded part of a row.

Where the borders are:

general    whatever the others do not claim: questions, advice, summaries, rewriting, translation, classification and
           extraction, and writing that informs or does business (emails, essays, articles, product texts, lists).
           Computing without programming ("what is RAM") and a task framed by a profession ("you are a nutritionist").
code       what is asked for, or handed over to be worked on, is code: programs, queries, shell, regular expressions,
           markup, spreadsheet formulas, configuration. Also the concepts and tools of programming.
reasoning  the answer is derived, not recalled: sums, word problems, puzzles, proofs, estimates, probability,
           quantitative science, deduction from stated facts; also what mathematics is about. By a program: code.
creative   invention is the point: stories, verse, lyrics, dialogue, scenes, jokes, slogans, invented names, speaking as
           a character. To sum up, judge or translate what another invented is general.
other      nothing is asked that would teach a skill: greetings and chit-chat, questions about the assistant itself,
           unsafe wishes and refusals of them, records of a tool-call protocol, gibberish.

Each cue that is found adds its weight to its category once; the heaviest category wins. Words of the request itself
count in full, words of what is handed over with it at about a third. Weights are whole thousandths, so that their sum
does not depend on the order in which cues are met. No pattern repeats within a repetition, so the time is linear, and
only the first 1000 and the last 300 characters of an instruction are read, and the first 700 of a response: what stands
beyond them is not seen.

Most patterns begin with a character, or one of few, for which `re` looks quickly: `^` would be tried at every place, so
a line begins with its "\n" here, and the text that is searched begins with one.
"""

from __future__ import annotations

import re

from phase0.records import CATEGORIES
from phase0.scoring.cues import THINGS, UNSPACED_CUES
from phase0.scoring.marks import (
    CALL,
    CODE,
    EQUATION,
    LATEX,
    LINE,
    NUMBER,
    OF_CODE,
    REFUSAL,
    REFUSING,
    SELF,
    SPEAKER,
    SUM,
    TALE,
    TICK,
    TOOL,
    VERSE,
    WORDS_OF_KIND,
    weights,
)
from phase0.scoring.seeing import Parts, Seen, parts_of, seen

_NUMBER, _ASCII_NUMBER = re.compile(r"\d[\d,.]*"), re.compile(r"[0-9][0-9,.]*")
_LATEX = re.compile(
    r"\\(?:d?frac|sqrt|int|sum|boxed|cdot|times|pi|le|ge|text|left|angle|sin|cos|log|overline|begin\{[abcp])"
    r"|\$[^$\n=^\\+<>]*[=^\\+<>][^$\n]*\$"
)
# The operator comes first, so that a search stops only where one stands; what is before it is looked back at.
_EQUATION = re.compile(
    r"[-=+*^×÷/−–<>%√²](?:(?<=[√²])|(?<=\d%) of|(?<=\d [-/−–<>]) \d|(?<=\d[-/*])\d+ ?="
    r"|(?:(?<=[\w)][=+*^×÷])|(?<=[\w)] [=+*^×÷])) ?(?:[($-]?\d|[a-z]\b|\\|\())"
)
_DEDUCTION = re.compile(
    r" (?:convert \d|(?:all|every|no|some|nobody) \w+ (?:are|is|has|have|who) |log base |what (?:is|s) \d"
    r"|how many \w+ (?:are|is) (?:there )?in an? )"
)
_EACH, _BEING = frozenset(["all", "every", "no", "some", "nobody"]), frozenset(["are", "is", "has", "have", "who"])
_CODE_LINE = re.compile(
    r"\n[ \t]*(?:(?:def|fn|func|fun) \w+\(|class \w+[:({]|import \w+|from [\w.]+ import|#include|#!/|public |private "
    r"|(?:const|let|var) \w+ ?=|function ?\w*\(|for ?\(|for \w+ in |if ?\(|while ?\(|return [\w(]|print\(|console\."
    r"|SELECT |INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE TABLE|FROM \w+|<!DOCTYPE|</?(?:html|div|body|head|style)\b"
    r"|(?:git|npm|pip|docker|sudo|curl|chmod|export|package|struct|enum|interface|impl) [\w.-]+|[.#@]?[\w:-]+ \{|@\w+\("
    r"|<(?:script|form|p|ul|table)\b|\}|using \w+;|\\begin\{(?:tab|doc|fig|item)|\\documentclass)"
)
_CODE_CALL = re.compile(
    r"[._\[(\n](?:(?<=[._])\w{1,40}\(|(?<=\[)\w{1,12}\](?<!\d\])|(?<=\w\()\w{1,30}, ?\w{1,30}[,)]"
    r"|(?<=\n)\w{1,30} ?= ?[\[{\"'])"
)
_VERSE = re.compile(r"\n[\w\"'][^\n.:;{}()=]{16,60},(?=\n[\w\"'])")
_SPEAKER = re.compile(r"\n[A-Z]{2,20}: ")
_MUDDLE = re.compile(r"(.)\1\1\1|[bcdfghjklmnpqrstvwxz]{5}")
_CHARACTER = re.compile(r"[Yy]ou(?: are|['’]re) (?:now )?(?:an? |the |my |[A-Z])|[Aa]ct as |[Ss]uppose you are ")
BRIEF = 40  # characters of an answer that is a bare result
_AS_A = re.compile(r"[Aa]s (?:an? (?!result|beginner|whole|student|group)|[A-Z])")


def categorise(instruction: str, response: str | None = None, *, system: str | None = None) -> str:
    """The category of a row, one of `phase0.records.CATEGORIES`. Never raises for what the texts hold.

    `system` counts only where it asks for role-play; most system prompts say nothing of the task.
    """
    parts = parts_of(instruction, response)
    return decided(parts, seen(parts), system)


def decided(parts: Parts, found: Seen, system: str | None = None) -> str:
    """The category of a row in whose parts that was found."""
    scores = weighed(parts, found, system)
    return max(scores, key=scores.__getitem__)


def weighed(parts: Parts, found: Seen, system: str | None = None) -> dict[str, int]:
    """What the rules come to for each category. Each of them adds to what the cues weigh; none takes away."""
    asked, words = parts.asked, frozenset(parts.asked)
    scores = dict(zip(CATEGORIES, found.cues, strict=True))
    if parts.unspaced:
        _weigh_unspaced(parts.text, scores)
    _weigh_thing(asked, words, scores)
    _weigh_character(parts.ask, asked, scores)
    scores["creative"] += weight_of_system(system)
    if (found.text | found.answer) & OF_CODE or found.text & LATEX:
        _weigh_code(parts, found, scores)
    _weigh_sums(parts, found, words, scores)
    if found.opening or found.answer & (SPEAKER | VERSE):
        _weigh_answer(parts, found, words, scores)
    if (found.text | found.answer) & TOOL:
        scores["other"] += 8000
    if not parts.matter and len(asked) <= 30:
        _weigh_chat(parts.text, asked, words, scores)
    return scores


def weight_of_system(system: str | None) -> int:
    """What a system prompt adds to creative: it counts where it asks for role-play."""
    opening = (system or "")[:300].lower()
    return 2500 if "roleplay" in opening or "role-play" in opening or "in character" in opening else 0


def equations_in(text: str) -> int:
    """How many equations, or parts of such, a text has."""
    return len(_EQUATION.findall(text))


def numbers_in(text: str) -> int:
    """How many numbers in digits a text has."""
    return len((_ASCII_NUMBER if text.isascii() else _NUMBER).findall(text))


def has_latex(text: str) -> bool:
    """Whether a text has formulas."""
    return _LATEX.search(text) is not None


def states_and_asks(ask: str) -> bool:
    """Whether a request is some sentences and then a question."""
    return ask.endswith("?") and ask.count(". ") >= 2


def may_be_addressed(ask: str) -> bool:
    """Whether a request may begin with who is to speak."""
    return _CHARACTER.match(ask) is not None or _AS_A.match(ask) is not None


def may_be_muddled(ask: str) -> bool:
    """Whether a word of a request may be none."""
    return _MUDDLE.search(ask.lower()) is not None


_THINGS = {noun: (category, weight) for noun, category, weight in weights(THINGS)}
_UNSPACED_CUES = tuple((re.compile(cue), category, weight) for cue, category, weight in weights(UNSPACED_CUES))
_MAKE, _ABOUT, _PROFESSIONS, _NUMBERS, _ASKING, _I, _YOU = (
    WORDS_OF_KIND[kind] for kind in ("make", "about", "professions", "numbers", "asking", "i", "you")
)
_ASSISTANT, _HARMS, _GREETINGS, _SMALL_TALK, _STATEMENT = (
    WORDS_OF_KIND[kind] for kind in ("assistant", "harms", "greetings", "small talk", "statement")
)


def _weigh_unspaced(text: str, scores: dict[str, int]) -> None:
    for pattern, category, weight in _UNSPACED_CUES:
        if pattern.search(text):
            scores[category] += weight


def _weigh_thing(asked: list[str], words: frozenset[str], scores: dict[str, int]) -> None:
    """What is to be made: the first such noun among the first words, or after a verb of making."""
    for at, word in enumerate(asked[:1] if _MAKE.isdisjoint(words) else asked[:60]):
        if at and word not in _MAKE:
            continue
        for noun in asked[at : at + 9] if word in _MAKE else asked[:3]:
            if noun in _THINGS:
                category, weight = _THINGS[noun]
                scores[category] += weight
                return
            if noun in _ABOUT:
                break


def _weigh_character(ask: str, asked: list[str], scores: dict[str, int]) -> None:
    """Who is to speak: "You are a grumpy dragon", "As a pirate, ..."."""
    if _CHARACTER.match(ask) or (_AS_A.match(ask) and _I.isdisjoint(asked[:20])):
        scores["creative"] += 500 if _PROFESSIONS.intersection(asked[2:12]) else 2200


def _weigh_code(parts: Parts, found: Seen, scores: dict[str, int]) -> None:
    latex = bool(found.text & LATEX and has_latex(parts.text))
    if found.text & OF_CODE:
        scores["code"] += code_evidence(parts.text, found.text) * (30 if latex else 100) // 100
    if found.answer & OF_CODE:
        scores["code"] += code_evidence(parts.answer, found.answer)
    if latex:
        scores["reasoning"] += 2500


def code_evidence(part: str, marks: int) -> int:
    """How much a text or an answer with these marks looks like code."""
    evidence = 500 * min((marks & CODE).bit_count(), 4)
    if marks & LINE:
        evidence += 1600 * min(len(_CODE_LINE.findall(f"\n{part}")), 3)
    if marks & TICK and "`" in part:
        evidence += 500 * min(part.count("`"), 2) + (3000 if "```" in part else 0)
    if marks & CALL and ("(" in part or "[" in part):
        evidence += 500 * min(len(_CODE_CALL.findall(f"\n{part}")), 3)
    return min(evidence, 6000)


def _weigh_sums(parts: Parts, found: Seen, words: frozenset[str], scores: dict[str, int]) -> None:
    """Equations, quantities, and facts that lead up to a question."""
    ask, answer, asked = parts.ask, parts.answer, parts.asked
    if scores["code"] < 3000:
        if found.answer & SUM and found.answer & EQUATION:
            scores["reasoning"] += 900 * min(equations_in(answer), 3)
        if found.text & EQUATION:
            scores["reasoning"] += 1200 * min(equations_in(ask), 2)
        if _may_deduce(words, found):
            scores["reasoning"] += 1200 * min(len(_DEDUCTION.findall(f" {' '.join(asked)} ")), 2)
    if not parts.matter and states_and_asks(ask) and len(asked) <= 90 and _I.isdisjoint(words):
        scores["reasoning"] += 1500
    is_short = len(answer) <= BRIEF
    if not is_short and scores["reasoning"] <= 1000:
        return
    numbers = numbers_in(ask) if found.text & NUMBER else 0
    if numbers >= 2 and is_short and _NUMBER.search(answer):
        scores["reasoning"] += 1200
    numbers += len(_NUMBERS & words)
    if numbers >= 2 and scores["reasoning"] > 1000:
        scores["reasoning"] += 500 * min(numbers, 5)


def _may_deduce(words: frozenset[str], found: Seen) -> bool:
    """Whether these words can be in _DEDUCTION's order: most requests have an "all" or a "what"."""
    if found.text & NUMBER and ("what" in words or "convert" in words):
        return True
    if "many" in words or "base" in words:
        return True
    return not (_EACH.isdisjoint(words) or _BEING.isdisjoint(words))


def _weigh_answer(parts: Parts, found: Seen, words: frozenset[str], scores: dict[str, int]) -> None:
    answer, text, asked = parts.answer, parts.text, parts.asked
    if found.opening & (REFUSAL | REFUSING):
        scores["other"] += 2000
    if found.opening & SELF:
        of_itself = len(asked) <= 14 and (not _YOU.isdisjoint(words) or "你" in text or "您" in text)
        scores["other"] += 2500 if of_itself else 800
    if found.opening & TALE:
        scores["creative"] += 2500
    if found.answer & SPEAKER and answer.count(": ") >= 2 and len(_SPEAKER.findall(f"\n{answer}")) >= 2:
        scores["creative"] += 1000
    if found.answer & VERSE and answer.count(",\n") >= 2 and len(_VERSE.findall(f"\n{answer}")) >= 2:
        scores["creative"] += 1500


def _weigh_chat(text: str, asked: list[str], words: frozenset[str], scores: dict[str, int]) -> None:
    """Small talk, talk about the assistant, harm, and text without a request."""
    if not asked:
        scores["other"] += 3000
        return
    greeting = asked[0] in _GREETINGS and _ASKING.isdisjoint(words) and "?" not in text
    if len(asked) <= 9 and (greeting or _SMALL_TALK.issuperset(words)):
        scores["other"] += 5000
    if len(asked) <= 14 and ("you" in words or "your" in words) and not _ASSISTANT.isdisjoint(words):
        scores["other"] += 2000
    to_it = asked[:2] in (["are", "you"], ["do", "you"]) and asked[2:3] not in (["know"], ["have"], ["think"])
    if to_it and len(asked) <= 12:
        scores["other"] += 2500
    if not _HARMS.isdisjoint(words):
        scores["other"] += 800 if _I.isdisjoint(words) and "to" not in words else 1600
    if "?" not in text and asked[0] in _STATEMENT and _ASKING.isdisjoint(words):
        scores["other"] += 2000
    if len(asked) <= 12 and 2 * sum(bool(_MUDDLE.search(word)) for word in asked) >= len(asked):
        scores["other"] += 3000
