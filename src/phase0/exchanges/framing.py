"""A row as a judge sees it: each part between lines that no text of the row can write, and never more than a limit.

The marks carry a nonce that is in none of the texts: it is the digest of them, drawn again in the one case in 2⁶⁴ where
a text has it. So texts stand there verbatim, line breaks and all, which JSON strings would hide from a judge of
clarity; and the same row is always the same question, which a random nonce would not be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from phase0.catalog.rubrics import Ends, Shown
from phase0.records import Record, digest

_DIGITS = 16


class Part(NamedTuple):
    """A part of a row: its name, the beginning and the end that are shown of it, and the characters between them."""

    name: str
    head: str
    tail: str
    left_out: int


def parts_of(record: Record, shown: Shown) -> list[Part]:
    """What is shown of a row: what it says. Who said it, where it is from and what is thought of it are not."""
    kept = record.history[max(len(record.history) - shown.turns, 0) :]
    before = len(record.history) - len(kept)
    found = [_part("system prompt", record.system, shown.system)] if record.system else []
    found += [
        _part(f"turn {number}, {turn.role}", turn.content, shown.turn) for number, turn in enumerate(kept, before + 1)
    ]
    found.append(_part("instruction", record.instruction, shown.instruction))
    found.append(_part("response", record.response or "", shown.response))
    return found


def framed(parts: Sequence[Part]) -> str:
    """The parts as one text. Each begins behind the line that opens it and ends before the line that closes it."""
    mark = nonce([text for part in parts for text in (part.head, part.tail)])
    return "\n".join([f"The mark of this row is {mark}.", *(line for part in parts for line in _lines(part, mark))])


def nonce(texts: Sequence[str]) -> str:
    """Hex digits that stand in none of the texts, whatever the case; decided by the texts alone."""
    low = [text.lower() for text in texts]
    drawn = digest(texts)[:_DIGITS]
    while any(drawn in text for text in low):
        drawn = digest((drawn, texts))[:_DIGITS]
    return drawn


def _lines(part: Part, mark: str) -> Iterator[str]:
    yield f"[{mark} {part.name}]"
    yield part.head
    if part.left_out:
        yield f"[{mark} {part.left_out} characters are left out here]"
        yield part.tail
    yield f"[{mark} end of {part.name}]"


def _part(name: str, text: str, ends: Ends) -> Part:
    left_out = len(text) - ends.head - ends.tail
    if left_out <= 0:
        return Part(name, text, "", 0)
    return Part(name, text[: ends.head], text[-ends.tail :], left_out)
