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
from collections.abc import Iterator

from phase0.scoring.cues import CODE_MARKS, CUES, KINDS, MARKS, SUM_MARKS, THINGS, UNSPACED_CUES

HEAD_CHARS, TAIL_CHARS, ASK_CHARS, RESPONSE_CHARS = 1000, 300, 450, 700

PRIOR = 1400  # of general: what the evidence for anything else must outweigh
MATTER = 35  # percent that a word counts in a text that is handed over with the request,
MATTER_MOST = 1300  # and what all of them count together for a category: less than PRIOR, so never enough by themselves

# A word is `\w+[+#]*` in lower case.
_WORD = re.compile(r"\w+[+#]*")
_LATIN_WORD = re.compile(r"[a-z]+[+#]*")
_NUMBER, _ASCII_NUMBER = re.compile(r"\d[\d,.]*"), re.compile(r"[0-9][0-9,.]*")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
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
_DEDUCING = frozenset(("convert", "all", "every", "no", "some", "nobody", "log", "what", "how"))  # with which it begins
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
_AS_A = re.compile(r"[Aa]s (?:an? (?!result|beginner|whole|student|group)|[A-Z])")


def categorise(instruction: str, response: str | None = None, *, system: str | None = None) -> str:
    """The category of a row, one of `phase0.records.CATEGORIES`. Never raises for what the texts hold.

    `system` counts only where it asks for role-play; most system prompts say nothing of the task.
    """
    text = instruction.strip()
    if len(text) > HEAD_CHARS + TAIL_CHARS:
        text = f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"
    answer = (response or "")[:RESPONSE_CHARS]
    ask, matter = _split(text)
    asked = _WORD.findall(ask.lower())
    scores = {"general": PRIOR, "code": 0, "reasoning": 0, "creative": 0, "other": 0}
    if not text.isascii() and _UNSPACED.search(text):
        asked += _LATIN_WORD.findall(ask.lower())
        _weigh_unspaced(text, scores)
    words = frozenset(asked)
    _weigh_words(asked, words, scores)
    if matter:
        _weigh_matter(_WORD.findall(matter.lower()), scores)
    _weigh_thing(asked, words, scores)
    _weigh_character(ask, asked, (system or "")[:300].lower(), scores)
    _weigh_code(text, answer, scores)
    _weigh_sums(ask, asked, words, answer, bool(matter), scores)
    _weigh_answer(answer, asked, words, text, scores)
    if _any(_TOOL_MARKS, text) or _any(_TOOL_MARKS, answer):
        scores["other"] += 8000
    if not matter and len(asked) <= 30:
        _weigh_chat(text, asked, words, scores)
    return max(scores, key=scores.__getitem__)


def _split(text: str) -> tuple[str, str]:
    """(the request, what is handed over with it): the first line, with the last if that asks too, and the rest."""
    end = text.find("\n", 25)
    colon = text.find(": ", 10, 160)
    if 0 < colon < (end if end > 0 else len(text)) and not _ANNOUNCING.isdisjoint(text[:colon].lower().split()):
        return text[: colon + 1], text[colon + 1 :]
    if end < 0 or end > ASK_CHARS:
        if len(text) <= ASK_CHARS:
            return text, ""
        end = ASK_CHARS
    ask, matter = text[:end], text[end:]
    cut = max(matter.rfind("\n"), len(matter) - 200, 0)
    last = matter[cut:]
    if "?" in last or last.strip().partition(" ")[0].lower() in _ASKING:
        return f"{ask}\n{last}", matter[:cut]
    return ask, matter


def _blocks(table: str) -> Iterator[tuple[str, list[str]]]:
    """(what stands in brackets, the entries after it) for each block of a table."""
    for block in table.split("[")[1:]:
        head, _, entries = block.partition("]")
        yield head, " ".join(entries.split()).split(", ")


def _weights(table: str) -> Iterator[tuple[str, str, int]]:
    """(entry, category, weight) for each entry of a table."""
    for head, entries in _blocks(table):
        category, weight = head.split()
        for entry in entries:
            yield entry, category, round(1000 * float(weight))


_Cue = tuple[str, str, str, int]  # its second word, all of it between spaces, the category, the weight


def _by_first_word() -> tuple[dict[str, list[tuple[str, int]]], dict[str, list[_Cue]]]:
    """Cues of one word, and those of several by their first."""
    words: dict[str, list[tuple[str, int]]] = {}
    phrases: dict[str, list[_Cue]] = {}
    for cue, category, weight in _weights(CUES):
        first, *rest = cue.split(" ")
        if rest:
            phrases.setdefault(first, []).append((rest[0], f" {cue} ", category, weight))
        else:
            words.setdefault(first, []).append((category, weight))
    return words, phrases


_WORDS, _PHRASES = _by_first_word()
_SINGLE, _FIRSTS = frozenset(_WORDS), frozenset(_PHRASES)
_THINGS = {noun: (category, weight) for noun, category, weight in _weights(THINGS)}
_UNSPACED_CUES = tuple((re.compile(cue), category, weight) for cue, category, weight in _weights(UNSPACED_CUES))
_KINDS = {kind: frozenset(words[0].split()) for kind, words in _blocks(KINDS)}
_MARKS = {name: tuple(marks) for name, marks in _blocks(MARKS)}
_TOOL_MARKS, _REFUSALS, _REFUSING = _MARKS["tool"], _MARKS["refusal"], _MARKS["refusing"]
_SELF, _TALES = _MARKS["self"], _MARKS["tale"]
_MAKE, _ABOUT, _PROFESSIONS = _KINDS["make"], _KINDS["about"], _KINDS["professions"]
_NUMBERS, _ASKING, _ANNOUNCING = _KINDS["numbers"], _KINDS["asking"], _KINDS["announcing"]
_I, _YOU, _ASSISTANT, _HARMS = _KINDS["i"], _KINDS["you"], _KINDS["assistant"], _KINDS["harms"]
_GREETINGS, _SMALL_TALK, _STATEMENT = _KINDS["greetings"], _KINDS["small talk"], _KINDS["statement"]


def _any(marks: tuple[str, ...], text: str) -> bool:
    for mark in marks:  # noqa: SIM110  a generator costs as much as three of these look-ups
        if mark in text:
            return True
    return False


def _weigh_words(words: list[str], distinct: frozenset[str], scores: dict[str, int]) -> None:
    for word in _SINGLE & distinct:
        for category, weight in _WORDS[word]:
            scores[category] += weight
    spaced = ""
    for first in _FIRSTS & distinct:
        for second, phrase, category, weight in _PHRASES[first]:
            if second in distinct:
                spaced = spaced or f" {' '.join(words)} "
                if phrase in spaced:
                    scores[category] += weight


def _weigh_matter(words: list[str], scores: dict[str, int]) -> None:
    handed = dict.fromkeys(scores, 0)
    _weigh_words(words, frozenset(words), handed)
    for category, weight in handed.items():
        scores[category] += min(MATTER * weight // 100, MATTER_MOST)


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


def _weigh_character(ask: str, asked: list[str], system: str, scores: dict[str, int]) -> None:
    """Who is to speak: "You are a grumpy dragon", "As a pirate, ..."."""
    if _CHARACTER.match(ask) or (_AS_A.match(ask) and _I.isdisjoint(asked[:20])):
        scores["creative"] += 500 if _PROFESSIONS.intersection(asked[2:12]) else 2200
    if "roleplay" in system or "role-play" in system or "in character" in system:
        scores["creative"] += 2500


def _weigh_code(text: str, answer: str, scores: dict[str, int]) -> None:
    latex = ("\\" in text or "$" in text) and bool(_LATEX.search(text))
    for part, percent in ((text, 30 if latex else 100), (answer, 100)):
        marks = 0
        for mark in CODE_MARKS:
            if mark in part:
                marks += 1
        lines = f"\n{part}"
        evidence = 500 * min(marks, 4) + 1600 * min(len(_CODE_LINE.findall(lines)), 3)
        if "`" in part:
            evidence += 500 * min(part.count("`"), 2) + (3000 if "```" in part else 0)
        if "(" in part or "[" in part:
            evidence += 500 * min(len(_CODE_CALL.findall(lines)), 3)
        scores["code"] += min(evidence, 6000) * percent // 100
    if latex:
        scores["reasoning"] += 2500


def _weigh_sums(
    ask: str, asked: list[str], words: frozenset[str], answer: str, more: bool, scores: dict[str, int]
) -> None:
    """Equations, quantities, and facts that lead up to a question."""
    numbers = len((_ASCII_NUMBER if ask.isascii() else _NUMBER).findall(ask))
    if scores["code"] < 3000:
        if _any(SUM_MARKS, answer):
            scores["reasoning"] += 900 * min(len(_EQUATION.findall(answer)), 3)
        scores["reasoning"] += 1200 * min(len(_EQUATION.findall(ask)), 2)
        if not _DEDUCING.isdisjoint(words):
            scores["reasoning"] += 1200 * min(len(_DEDUCTION.findall(f" {' '.join(asked)} ")), 2)
    if not more and ask.endswith("?") and ask.count(". ") >= 2 and len(asked) <= 90 and _I.isdisjoint(words):
        scores["reasoning"] += 1500
    if numbers >= 2 and len(answer) <= 40 and _NUMBER.search(answer):
        scores["reasoning"] += 1200
    numbers += len(_NUMBERS & words)
    if numbers >= 2 and scores["reasoning"] > 1000:
        scores["reasoning"] += 500 * min(numbers, 5)


def _weigh_answer(answer: str, asked: list[str], words: frozenset[str], text: str, scores: dict[str, int]) -> None:
    opening = answer[:200].lower().replace("’", "'").replace(",", "")
    if opening.startswith(_REFUSING) or _any(_REFUSALS, opening):
        scores["other"] += 2000
    if _any(_SELF, opening):
        of_itself = len(asked) <= 14 and (not _YOU.isdisjoint(words) or "你" in text or "您" in text)
        scores["other"] += 2500 if of_itself else 800
    if _any(_TALES, opening):
        scores["creative"] += 2500
    if answer.count(": ") >= 2 and len(_SPEAKER.findall(f"\n{answer}")) >= 2:
        scores["creative"] += 1000
    if answer.count(",\n") >= 2 and len(_VERSE.findall(f"\n{answer}")) >= 2:
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
