"""What may stand in a part of a row, as bits, and the patterns of bytes by which a scan finds it.

Some bits say what is there, others (MAY) only that a pattern of `category` is worth trying: without them it cannot
match. So the patterns of these are wider, never narrower. A pattern is a row of places, each a byte or a class.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from phase0.scoring.cues import CODE_MARKS, KINDS, MARKS, SUM_MARKS

CODE = (1 << len(CODE_MARKS)) - 1  # one each
TOOL, SUM, QUESTION, FENCE, REFUSAL, REFUSING, SELF, TALE = (
    1 << bit for bit in range(len(CODE_MARKS), len(CODE_MARKS) + 8)
)
LINE, CALL, EQUATION, LATEX, TICK, NUMBER, SPEAKER, VERSE = (
    1 << bit for bit in range(len(CODE_MARKS) + 8, len(CODE_MARKS) + 16)
)
MAY = LINE | CALL | EQUATION | LATEX | TICK | NUMBER | SPEAKER | VERSE
OF_CODE = CODE | LINE | CALL | TICK


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


_OF_KIND = {name: tuple(marks) for name, marks in blocks(MARKS)}
WORDS_OF_KIND = {kind: frozenset(words[0].split()) for kind, words in blocks(KINDS)}
TOOL_MARKS, REFUSING_MARKS = _OF_KIND["tool"], _OF_KIND["refusing"]
OPENINGS = {REFUSAL: _OF_KIND["refusal"], REFUSING: REFUSING_MARKS, SELF: _OF_KIND["self"], TALE: _OF_KIND["tale"]}
"""What the first words of an answer may hold, by its bit."""

LINES = (
    *("def ", "fn ", "func ", "fun ", "class ", "import ", "from ", "#include", "#!/", "public ", "private ", "const "),
    *("let ", "var ", "function", "for", "if", "while", "return ", "print(", "console.", "SELECT ", "INSERT INTO"),
    *("UPDATE ", "DELETE FROM", "CREATE TABLE", "FROM ", "<", "git ", "npm ", "pip ", "docker ", "sudo ", "curl "),
    *("chmod ", "export ", "package ", "struct ", "enum ", "interface ", "impl ", "@", "}", "using ", "\\begin{"),
    "\\documentclass",
)
"""What a line of code begins with, behind spaces and tabs; it may also have " {" in it."""

KINDS_OF = {"×": 134, "÷": 135, "−": 136, "–": 136, "√": 137, "²": 130, "’": 138}
"""What stands for these characters in a scan, where one byte is one character (see `kernels.counting`)."""

_WORDLIKE = frozenset([128, 131])  # letters of other scripts, with spaces about their words and without
_WORD, _DIGIT = rb"[\w\x80-\x83]", rb"[\d\x81]"
_TERM = rb"[($\-\da-z\\\x81]"  # what an equation goes on with
_WIDE = {
    LINE: (rb" {",),
    CALL: (_WORD + rb"\(", rb"[A-Za-z_\x80-\xff]\]", rb"=[\[{\"']", rb"= [\[{\"']"),
    EQUATION: (
        *(rb"[\w)\x80-\xff]" + sign + _TERM for sign in (rb"[=+*^]", rb" [=+*^]", rb"[=+*^] ", rb" [=+*^] ")),
        *(_DIGIT + rb" [-/<>] " + _DIGIT, _DIGIT + rb"=", _DIGIT + rb" =", _DIGIT + rb"% of"),
        *(b"\x86", b"\x87", b"\x89", b"\x82", _DIGIT + b" \x88"),
    ),
    LATEX: (rb"\\", rb"\$"),
    TICK: (rb"`",),
    NUMBER: (_DIGIT,),
    SPEAKER: (rb"[A-Z][A-Z]: ",),
    VERSE: (rb",\n",),
}
_FIRST = 4  # bytes of what tells a tool-call protocol that are looked for, and
_FIRSTS = 5  # characters of what an answer begins with, as many as there is room for; fewer where they are no ASCII
_PLACE = re.compile(rb"\[(?:\\.|[^\]\\])+\]|\\.|[^\\]", re.DOTALL)
_BYTES = bytes(range(256))

Place = frozenset[int]


@cache
def of_a_part() -> dict[tuple[Place, ...], int]:
    """Patterns of bytes, and the bits of a part in which one is found, if a newline is put before it. TOOL is to be
    confirmed."""
    found = dict[tuple[Place, ...], int]()
    exact = [(mark, 1 << bit) for bit, mark in enumerate(CODE_MARKS)]
    exact += (
        [(mark, SUM) for mark in SUM_MARKS]
        + [("?", QUESTION), ("```", FENCE)]
        + [(mark[:_FIRST], TOOL) for mark in TOOL_MARKS]
    )
    for text, bit in exact:
        places = tuple(frozenset([KINDS_OF[one] if one in KINDS_OF else ord(one)]) for one in text)
        found[places] = found.get(places, 0) | bit
    for bit, patterns in _WIDE.items():
        for pattern in patterns:
            places = tuple(frozenset(b"".join(re.findall(one, _BYTES))) for one in _PLACE.findall(pattern))
            found[places] = found.get(places, 0) | bit
    return found


@cache
def of_an_opening() -> dict[tuple[Place, ...], int]:
    """The same for the first characters of an answer, in either case, where commas are passed over: all is to be
    confirmed."""
    found = dict[tuple[Place, ...], int]()
    for bit, marks in OPENINGS.items():
        for mark in marks:
            most = _FIRSTS if mark.isascii() else 3 if mark[0].isascii() else 2
            places = tuple(map(_in_either_case, mark[:most]))
            found[places] = found.get(places, 0) | bit
    return found


def _in_either_case(character: str) -> Place:
    if not character.isascii():
        return _WORDLIKE
    return frozenset([*(character + character.upper()).encode(), *([KINDS_OF["’"]] if character == "'" else [])])
