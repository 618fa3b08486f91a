"""Instructions without answers: prompt collections, test sets, and files of bare strings. The response is unknown.

Where a row holds the turns of a user (MT-Bench), the first is the instruction; the later ones build on an answer that
is not there (flag `followups_dropped`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from phase0.errors import RowError
from phase0.sources import Example, Found, dialogue
from phase0.sources.fields import each, kind, optional, string, task

_PROMPTS = ("instruction", "Instruction", "prompt", "question", "query", "input", "turns")
# With one of these the row has an answer, and leaving it out would be a loss.
_ANSWERS = {"output", "response", "completion", "completions", "answer", "solution", "chosen", "instances", "choices"}


class InstructionOnly:
    """A prompt, under any of its usual names or as bare text."""

    name = "instruction_only"

    def recognises(self, row: Any) -> bool:
        """Bare text, or a row with a prompt and no field that could be its answer."""
        if not isinstance(row, dict):
            return isinstance(row, str)
        return row.keys().isdisjoint(_ANSWERS) and any(isinstance(row.get(name), (str, list)) for name in _PROMPTS)

    def read(self, rows: Iterable[tuple[int, Any]]) -> Iterator[Found]:
        """One example per row."""
        return each(((line, {"prompt": row} if isinstance(row, str) else row) for line, row in rows), _examples)


def _examples(row: dict[str, Any]) -> Iterator[Example | RowError]:
    field = next((name for name in _PROMPTS if row.get(name) is not None), None)
    if field is None:
        raise RowError("missing_field", f"the row has no {' or '.join(_PROMPTS)}", field=_PROMPTS[0])
    prompt, system = row[field], dialogue.row_system(row)
    if field in ("instruction", "input"):
        yield Example(instruction=task(row), system=system)
    elif field == "turns":
        yield _opening(prompt)
    elif isinstance(prompt, list):
        yield dialogue.example(dialogue.read(prompt, field), system=system)
    else:
        yield Example(instruction=optional(row, field) or "", system=system)


def _opening(turns: Any) -> Example:
    if not isinstance(turns, list) or not turns:
        raise RowError("bad_type", f"turns is {kind(turns)}, not a list with a first turn", field="turns")
    return Example(instruction=string(turns[0], "turns[0]"), flags=("followups_dropped",) if len(turns) > 1 else ())
