r"""Anthropic's HH transcripts: `{chosen, rejected}`, each a text of turns marked "\n\nHuman: " and "\n\nAssistant: ".

The chosen transcript is taken. Only a marker after a blank line (or at the very start) begins a turn: "Human:" inside
a turn is what the model wrote, and in a response it earns the flag `speaks_for_human`. A role twice in a row is
joined: upstream, one message was cut in two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import structs

from phase0.errors import RowError
from phase0.sources import Example, Found, dialogue
from phase0.sources.fields import author, each, text

_MARKER = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant):(?=\s|\Z)")
_HUMAN = re.compile(r"(?<!\w)Human:")


class HH:
    """Transcripts in pairs, the better one under `chosen`."""

    name = "hh"

    def recognises(self, row: Any) -> bool:
        """`chosen` and `rejected` are transcripts, and no prompt stands apart from them."""
        return (
            isinstance(row, dict)
            and "prompt" not in row
            and is_transcript(row.get("chosen"))
            and is_transcript(row.get("rejected"))
        )

    def read(self, rows: Iterable[tuple[int, Any]]) -> Iterator[Found]:
        """One example per row; a chosen transcript without a last answer is a reason."""
        return each(rows, _examples)


def is_transcript(value: Any) -> bool:
    """Whether this is a text that begins with a marked turn."""
    return isinstance(value, str) and _MARKER.match(value) is not None


def turns(transcript: str, field: str) -> list[dict[str, str]]:
    """The turns of a transcript, as messages."""
    return dialogue.split(transcript, _MARKER, field)


def _examples(row: dict[str, Any]) -> Iterator[Example | RowError]:
    found = dialogue.example(dialogue.read(turns(text(row, "chosen"), "chosen"), "chosen"), source=author(row))
    if found.response is None:
        raise RowError("no_response", "the chosen transcript has no assistant turn", field="chosen")
    if not found.response:
        raise RowError("empty_response", "the last assistant turn of the chosen transcript is empty", field="chosen")
    speaks = _HUMAN.search(found.response) is not None
    yield structs.replace(found, flags=(*found.flags, "speaks_for_human")) if speaks else found
