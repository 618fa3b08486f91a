"""Preference pairs, as DPO is trained on. The chosen answer is taken; the rejected one is not an example to learn from.

`chosen` is text beside a prompt, one message beside the dialogue that led to it, or a whole dialogue (UltraFeedback,
`chosen_messages`). A prompt may itself be a transcript in HH's manner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from phase0.errors import RowError
from phase0.sources import Example, Found, dialogue, hh
from phase0.sources.fields import author, each, kind

_PAIRS = (("chosen", "rejected"), ("chosen_messages", "rejected_messages"))
_PROMPTS = ("prompt", "conversations", "messages", "question", "instruction")


class Preference:
    """`{prompt, chosen, rejected}` and its relatives."""

    name = "preference"

    def recognises(self, row: Any) -> bool:
        """A chosen and a rejected answer, and a prompt or the whole dialogue."""
        if not isinstance(row, dict):
            return False
        chosen = next((row[better] for better, worse in _PAIRS if better in row and worse in row), None)
        prompted = any(row.get(field) is not None for field in _PROMPTS)
        return isinstance(chosen, list) or (isinstance(chosen, (str, dict)) and prompted)

    def read(self, rows: Iterable[tuple[int, Any]]) -> Iterator[Found]:
        """One example per row: the prompt and the chosen answer."""
        return each(rows, _examples)


def _examples(row: dict[str, Any]) -> Iterator[Example | RowError]:
    field = next((better for better, _ in _PAIRS if row.get(better) is not None), None)
    if field is None:
        raise RowError("missing_field", "the row has no chosen or chosen_messages", field="chosen")
    chosen = dialogue.read(_messages(row[field], field), field)
    if not any(turn.role == "user" for turn in chosen.turns):
        chosen = dialogue.read([*_asked(row), *_messages(row[field], field)], field)
    found = dialogue.example(chosen, system=dialogue.row_system(row), tools=row.get("tools"), source=author(row))
    if found.response is None:
        raise RowError("no_response", f"{field} holds no answer", field=field)
    yield found


def _messages(value: Any, field: str) -> list[Any]:
    if isinstance(value, str):
        return hh.turns(value, field) if hh.is_transcript(value) else [{"role": "assistant", "content": value}]
    if isinstance(value, dict):
        return [value]
    if isinstance(value, list):
        return value
    raise RowError("bad_type", f"{field} is {kind(value)}, not text, a message or a list of messages", field=field)


def _asked(row: dict[str, Any]) -> list[Any]:
    field = next((name for name in _PROMPTS if row.get(name) is not None), None)
    if field is None:
        raise RowError("missing_field", f"the row has no {' or '.join(_PROMPTS)}", field=_PROMPTS[0])
    prompt = row[field]
    if isinstance(prompt, str) and not hh.is_transcript(prompt):
        return [{"role": "user", "content": prompt}]
    turns = _messages(prompt, field)
    # A transcript that serves as a prompt ends with the mark of the turn to be written.
    return turns[:-1] if isinstance(prompt, str) and not turns[-1]["content"] else turns
