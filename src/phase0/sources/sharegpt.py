"""ShareGPT: `conversations` of `{from, value}`, with tools where the row offers any.

Serves SlimOrca, OpenHermes, Magpie and Glaive's tool calls: a function call is an assistant turn, an observation a
tool turn, and the tools themselves stand in the system text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from phase0.errors import RowError
from phase0.sources import Example, Found, dialogue
from phase0.sources.fields import author, each


class ShareGPT:
    """Dialogues under `conversations`, each turn `{from, value}`."""

    name = "sharegpt"

    def recognises(self, row: Any) -> bool:
        """The first turn has a speaker and words."""
        return isinstance(row, dict) and dialogue.is_dialogue(row.get("conversations"), "from", "value")

    def read(self, rows: Iterable[tuple[int, Any]]) -> Iterator[Found]:
        """One example per row, by the rule for dialogues."""
        return each(rows, _examples)


def _examples(row: dict[str, Any]) -> Iterator[Example | RowError]:
    yield dialogue.example(
        dialogue.read(row.get("conversations"), "conversations"),
        system=dialogue.row_system(row),
        tools=row.get("tools"),
        source=author(row),
    )
