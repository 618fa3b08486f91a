"""phase0's own rows, and plain `{instruction, response}` rows with or without a `source` or `model`.

A null response means "not known yet", as everywhere in phase0; `id` and `meta` are made anew from what is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, get_args

from phase0.errors import RowError
from phase0.records import Role, Turn
from phase0.sources import Example, Found
from phase0.sources.fields import author, each, has_text, kind, mapping, optional, sequence, text

# A row with one of these says more than instruction and response do: it is another layout's.
_ELSEWHERE = {"input", "context", "output", "instances", "conversations", "messages", "chosen"}


class Standard:
    """Rows that are laid out as phase0 writes them."""

    name = "standard"

    def recognises(self, row: Any) -> bool:
        """`instruction` and `response`, and no field that would be lost."""
        return has_text(row, "instruction") and "response" in row and row.keys().isdisjoint(_ELSEWHERE)

    def read(self, rows: Iterable[tuple[int, Any]]) -> Iterator[Found]:
        """One example per row."""
        return each(rows, _examples)


def _examples(row: dict[str, Any]) -> Iterator[Example | RowError]:
    if "response" not in row:
        raise RowError("missing_field", "the row has no response, not even a null one", field="response")
    yield Example(
        instruction=text(row, "instruction"),
        response=optional(row, "response"),
        system=optional(row, "system") or None,
        history=_history(row.get("history")),
        source=optional(row, "source") or author(row),
        quality_score=_score(row.get("quality_score")),
    )


def _history(value: Any) -> tuple[Turn, ...]:
    turns = []
    for number, item in enumerate(sequence(value or [], "history")):
        field = f"history[{number}]"
        turn = mapping(item, field)
        if turn.get("role") not in get_args(Role):
            raise RowError("unknown_role", f"{field} is said by {turn.get('role')!r}", field=field)
        turns.append(Turn(turn["role"], text(turn, "content")))
    return tuple(turns)


def _score(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RowError("bad_type", f"quality_score is {kind(value)}, not a number", field="quality_score")
    if not 1 <= value <= 10:
        raise RowError("score_out_of_range", f"quality_score is {value}, not between 1 and 10", field="quality_score")
    return float(value)
