"""Guanaco's transcripts: turns marked "### Human:" and "### Assistant:", in one `text` or as `{input, output}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from phase0.errors import RowError
from phase0.sources import Example, Found, dialogue
from phase0.sources.fields import author, each, text

_MARKER = re.compile(r"### (Human|Assistant):")


class Guanaco:
    """A transcript under `text`, or one under `input` whose last turn is `output`."""

    name = "guanaco"

    def recognises(self, row: Any) -> bool:
        """A transcript that begins with a marked turn."""
        return isinstance(row, dict) and any(_is_transcript(row.get(field)) for field in ("text", "input"))

    def read(self, rows: Iterable[tuple[int, Any]]) -> Iterator[Found]:
        """One example per row, by the rule for dialogues."""
        return each(rows, _examples)


def _is_transcript(value: Any) -> bool:
    return isinstance(value, str) and _MARKER.match(value.lstrip()) is not None


def _examples(row: dict[str, Any]) -> Iterator[Example | RowError]:
    field = "input" if "output" in row else "text"
    turns = dialogue.split(text(row, field), _MARKER, field)
    if field == "input":
        if not turns[-1]["content"]:
            turns.pop()  # the mark of the turn to be written
        # The output goes in uncut: a heading "### Human:" in it is part of the answer.
        turns.append({"role": "assistant", "content": text(row, "output")})
    yield dialogue.example(dialogue.read(turns, field), source=author(row))
