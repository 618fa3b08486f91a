"""What of a row tells its category: the parts that are read, and which cues and marks stand in them.

`seen` looks for one after another. `phase0.stages.categories` finds the same for many rows in one pass over their
bytes; tests hold the two equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from phase0.records import CATEGORIES
from phase0.scoring.cues import CODE_MARKS, CUES, KINDS, MARKS, SUM_MARKS

HEAD_CHARS, TAIL_CHARS, ASK_CHARS, RESPONSE_CHARS = 1000, 300, 450, 700

PRIORS = (1400, 0, 0, 0, 0)  # of general: what the evidence for anything else must outweigh
MATTER = 35  # percent that a word counts in a text that is handed over with the request,
MATTER_MOST = 1300  # and what all of them count together for a category: less than the prior, so never enough alone

# What is said of a part, as bits. The lowest are CODE_MARKS, one each; those of MAY tell only whether a pattern is
# worth trying: where one of them is missing there is nothing for it to match.
CODE = (1 << len(CODE_MARKS)) - 1
TOOL, SUM, REFUSAL, SELF, TALE, LINE, CALL, EQUATION, LATEX, TICK, NUMBER, SPEAKER, VERSE = (
    1 << bit for bit in range(len(CODE_MARKS), len(CODE_MARKS) + 13)
)
MAY = LINE | CALL | EQUATION | LATEX | TICK | NUMBER | SPEAKER | VERSE
OF_CODE = CODE | LINE | CALL | TICK

# A word is `\w+[+#]*` in lower case.
_WORD = re.compile(r"\w+[+#]*")
_LATIN_WORD = re.compile(r"[a-z]+[+#]*")
LETTERS = bytes(byte if chr(byte).isalnum() or chr(byte) == "_" else 32 for byte in range(128)).lower() + bytes(
    range(128, 256)
)
"""What each byte of UTF-8 is in a word: a letter in lower case, or a space where no word goes on."""
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


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
    text = instruction.strip()
    if len(text) > HEAD_CHARS + TAIL_CHARS:
        text = f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"
    answer = (response or "")[:RESPONSE_CHARS]
    ask, matter = _split(text)
    asked = words_of(ask)
    unspaced = not text.isascii() and _UNSPACED.search(text) is not None
    if unspaced:
        asked += _LATIN_WORD.findall(ask.lower())
    opening = answer[:200].lower().replace(",", "")
    if not opening.isascii():
        opening = opening.replace("’", "'")
    return Parts(text, ask, matter, answer, opening, asked, unspaced)


def words_of(text: str) -> list[str]:
    """The words of a text as cues are written."""
    if text.isascii() and "+" not in text and "#" not in text:
        return text.encode().translate(LETTERS).decode().split()  # a third of what the pattern takes
    return _WORD.findall(text.lower())


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


def blocks(table: str) -> Iterator[tuple[str, list[str]]]:
    """(what stands in brackets, the entries after it) for each block of a table."""
    for block in table.split("[")[1:]:
        head, _, entries = block.partition("]")
        yield head, " ".join(entries.split()).split(", ")


def weights(table: str) -> Iterator[tuple[str, str, int]]:
    """(entry, category, weight) for each entry of a table."""
    for head, entries in blocks(table):
        category, weight = head.split()
        for entry in entries:
            yield entry, category, round(1000 * float(weight))


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
_MARKS = {name: tuple(marks) for name, marks in blocks(MARKS)}
_ANNOUNCING, _ASKING = (frozenset(dict(blocks(KINDS))[kind][0].split()) for kind in ("announcing", "asking"))
_EXACT = {
    TOOL: _MARKS["tool"],
    SUM: SUM_MARKS,
    REFUSAL: _MARKS["refusal"],
    SELF: _MARKS["self"],
    TALE: _MARKS["tale"],
}


def seen(parts: Parts) -> Seen:
    """What stands in the parts."""
    exact = {bit: _any(_EXACT[bit], parts.opening) for bit in (REFUSAL, SELF, TALE)}
    return Seen(
        cues=[
            own + min(MATTER * handed // 100, MATTER_MOST) + prior
            for own, handed, prior in zip(_cues(parts.asked), _cues(words_of(parts.matter)), PRIORS, strict=True)
        ],
        text=_marks(parts.text),
        answer=_marks(parts.answer),
        opening=sum(bit for bit, is_there in exact.items() if is_there),
    )


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
    return found | (_any(_EXACT[TOOL], part) and TOOL) | (_any(_EXACT[SUM], part) and SUM)


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


_LINE_WORDS = (
    *("def ", "fn ", "func ", "fun ", "class ", "import ", "from ", "#include", "#!/", "public ", "private ", "const "),
    *("let ", "var ", "function", "for", "if", "while", "return ", "print(", "console.", "SELECT ", "INSERT INTO"),
    *("UPDATE ", "DELETE FROM", "CREATE TABLE", "FROM ", "<", "git ", "npm ", "pip ", "docker ", "sudo ", "curl "),
    *("chmod ", "export ", "package ", "struct ", "enum ", "interface ", "impl ", "@", "}", "using ", "\\begin{"),
    "\\documentclass",
)
"""What a line of code begins with; it may also have " {" in it."""
_DIGITS = [b"%d" % digit for digit in range(10)]
_LETTERS = [character.encode() for character in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"]
_BEYOND = [bytes([byte]) for byte in range(0x80, 0xC0)]  # what a character that is not ASCII ends with: any may be \w


def sought() -> Iterator[tuple[bytes, int]]:
    """Every mark, and the bit that a part has which holds it, if a newline is put before it. NUMBER may also be there
    where a part is not ASCII: other scripts have digits of their own."""
    yield from ((mark.encode(), 1 << bit) for bit, mark in enumerate(CODE_MARKS))
    yield from ((mark.encode(), bit) for bit, marks in _EXACT.items() for mark in marks)
    begins = (b"\n", b"\n ", b"  ", b"\t", b"\t ")
    yield from ((before + word.encode(), LINE) for before, word in product(begins, _LINE_WORDS))
    yield b" {", LINE
    yield from ((before + after, CALL) for before, after in product([*_LETTERS, *_DIGITS, *_BEYOND], (b"(", b"]")))
    yield from ((b"=" + space + after, CALL) for space, after in product((b"", b" "), (b"[", b"{", b'"', b"'")))
    yield from ((sign.encode(), EQUATION) for sign in ("=", "+", "*", "^", "×", "÷", "√", "²", "% of"))
    signs = [f" {sign} ".encode() for sign in "-/−–<>"]
    yield from ((before + sign, EQUATION) for before, sign in product([*_DIGITS, *_BEYOND], signs))
    yield from ((digit, NUMBER) for digit in _DIGITS)
    yield from ((b"\\", LATEX), (b"$", LATEX), (b"`", TICK), (b",\n", VERSE))
    yield from ((b"%c: " % letter, SPEAKER) for letter in range(ord("A"), ord("Z") + 1))
