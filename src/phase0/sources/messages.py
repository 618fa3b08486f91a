"""OpenAI's messages: a list of `{role, content}`, where content is text or a list of parts.

Serves Tulu 3, UltraChat, LMSYS and whatever was written for a chat endpoint, tool calls included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from phase0.errors import RowError
from phase0.sources import Example, Found, dialogue
from phase0.sources.fields import author, each

_FIELDS = ("messages", "conversation", "conversations")


class Messages:
    """Dialogues under `messages` or `conversation`, each turn `{role, content}`."""

    name = "messages"

    def recognises(self, row: Any) -> bool:
        """The first message has a role; its content may be null, as where a tool is called."""
        return isinstance(row, dict) and any(dialogue.is_dialogue(row.get(field), "role") for field in _FIELDS)

    def read(self, rows: Iterable[tuple[int, Any]]) -> Iterator[Found]:
        """One example per row, by the rule for dialogues."""
        return each(rows, _examples)


def _examples(row: dict[str, Any]) -> Iterator[Example | RowError]:
    field = next((name for name in _FIELDS if row.get(name) is not None), None)
    if field is None:
        raise RowError("missing_field", f"the row has no {' or '.join(_FIELDS)}", field=_FIELDS[0])
    yield dialogue.example(
        dialogue.read(row[field], field),
        system=dialogue.row_system(row),
        tools=row.get("tools"),
        source=author(row),
    )
