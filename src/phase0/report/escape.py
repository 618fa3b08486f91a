"""Text from data, made safe to show. Names of sources, datasets and files are whatever somebody put into a file."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 200  # characters of one name; what is cut off is told by an ellipsis

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}  # control characters, direction marks, line and paragraph separators
_MARKS = re.compile(r"([\\`*_{}\[\]<>!|~&$@^]|^[#+=-])")  # the last four mean something only where a line begins
_LIST = re.compile(r"^(\d+)([.)])(?=\s|$)")
_LINK = re.compile(r"(?i):(?=//)|(?<=\bwww)\.")  # GitHub makes links of bare addresses


def visible(text: str, longest: int = LONGEST) -> str:
    r"""The text on one line, with what a screen does not show as `\xNN` or `\uNNNN`, cut after `longest` characters."""
    shown = "".join(_escaped(char) if _unseen(char) else char for char in text[:longest])
    return f"{shown}…" if len(text) > longest else shown


def lines(text: str) -> str:
    """The same for a text of several lines and of any length: line ends and tabs stay."""
    return "".join(_escaped(char) if _unseen(char) and char not in "\n\t" else char for char in text)


def _unseen(char: str) -> bool:
    """What a screen does not show, and the code points that no XML may hold."""
    return unicodedata.category(char) in _UNSEEN or ord(char) & 0xFFFE == 0xFFFE


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode() if ord(char) < 0xD800 else f"\\u{ord(char):04x}"


def code(text: str) -> str:
    """A name as a Markdown code span that can stand in a table: there only a pipe or a backtick has a meaning."""
    shown = visible(text).replace("|", "\\|") or " "
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def prose(text: str) -> str:
    """A sentence as Markdown that means nothing but its letters: no markup, no HTML, no link."""
    shown = _MARKS.sub(r"\\\1", visible(" ".join(text.split()), 2000))
    return _LINK.sub(r"\\\g<0>", _LIST.sub(r"\1\\\2", shown))
