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

# A character that is not ASCII may be a letter or a digit: any of its bytes stands for all of it.
_WORD, _DIGIT = rb"[\w\x80-\xff]", rb"[\d\x80-\xff]"
_TERM = rb"[($\-\da-z\\\x80-\xff]"  # what an equation goes on with
_WIDE = {
    LINE: (rb" {",),
    CALL: (_WORD + rb"\(", rb"[A-Za-z_\x80-\xff]\]", rb"=[\[{\"']", rb"= [\[{\"']"),
    EQUATION: (
        *(rb"[\w)\x80-\xff]" + sign + _TERM for sign in (rb"[=+*^]", rb" [=+*^]", rb"[=+*^] ", rb" [=+*^] ")),
        *(_DIGIT + rb" [-/<>] " + _DIGIT, _DIGIT + rb"=", _DIGIT + rb" =", _DIGIT + rb"% of"),
        *("×".encode(), "÷".encode(), "√".encode(), "²".encode()),
        *(_DIGIT + " −".encode(), _DIGIT + " –".encode()),
    ),
    LATEX: (rb"\\", rb"\$"),
    TICK: (rb"`",),
    NUMBER: (rb"\d",),
    SPEAKER: (rb"[A-Z][A-Z]: ",),
    VERSE: (rb",\n",),
}
_FIRST = 4  # bytes of what tells a tool-call protocol that are looked for, and
_FIRSTS = 5  # of what an answer begins with
_PLACE = re.compile(rb"\[(?:\\.|[^\]\\])+\]|\\.|[^\\]", re.DOTALL)
_BYTES = bytes(range(256))

Place = frozenset[int]


@cache
def of_a_part() -> dict[tuple[Place, ...], int]:
    """Patterns of bytes, and the bits of a part in which one is found, if a newline is put before it. TOOL is to be
    confirmed. NUMBER may also be there where a part is not ASCII: other scripts have digits of their own."""
    found = dict[tuple[Place, ...], int]()
    exact = [(mark, 1 << bit) for bit, mark in enumerate(CODE_MARKS)]
    exact += (
        [(mark, SUM) for mark in SUM_MARKS]
        + [("?", QUESTION), ("```", FENCE)]
        + [(mark[:_FIRST], TOOL) for mark in TOOL_MARKS]
    )
    for text, bit in exact:
        places = tuple(frozenset([byte]) for byte in text.encode())
        found[places] = found.get(places, 0) | bit
    for bit, patterns in _WIDE.items():
        for pattern in patterns:
            places = tuple(frozenset(b"".join(re.findall(one, _BYTES))) for one in _PLACE.findall(pattern))
            found[places] = found.get(places, 0) | bit
    return found


@cache
def of_an_opening() -> dict[tuple[Place, ...], int]:
    """The same for the first characters of an answer, where it is ASCII, in either case, and commas are passed over:
    all is to be confirmed."""
    found = dict[tuple[Place, ...], int]()
    for bit, marks in OPENINGS.items():
        for mark in marks:
            if mark.isascii():
                places = tuple(frozenset((byte + byte.upper()).encode()) for byte in mark[:_FIRSTS])
                found[places] = found.get(places, 0) | bit
    return found
