"""Alpaca and its many relatives: an instruction, perhaps an input, and the answer under one of several names.

Also Dolly (`context`), AlpacaEval outputs (`generator`), evolved instructions as `{input, output}`, and the
`system` and `history` (pairs of question and answer) that some trainers add.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from phase0.errors import RowError
from phase0.records import Turn
from phase0.sources import Example, Found
from phase0.sources.fields import author, each, has_text, optional, sequence, string, task, text

_ANSWERS = ("output", "response", "answer", "completion")


class Alpaca:
    """`{instruction, input, output}` and what has grown from it."""

    name = "alpaca"

    def recognises(self, row: Any) -> bool:
        """An instruction, or an input alone, with an answer field of whatever type."""
        return has_text(row, "instruction", "input") and not row.keys().isdisjoint(_ANSWERS)

    def read(self, rows: Iterable[tuple[int, Any]]) -> Iterator[Found]:
        """One example per row. An empty answer stays empty text, a missing one is a reason."""
        return each(rows, _examples)


def _examples(row: dict[str, Any]) -> Iterator[Example | RowError]:
    yield Example(
        instruction=task(row),
        response=text(row, *_ANSWERS),
        system=optional(row, "system") or None,
        history=_history(row.get("history")),
        source=author(row),
    )


def _history(value: Any) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    for number, pair in enumerate(sequence(value or [], "history")):
        field = f"history[{number}]"
        if len(sequence(pair, field)) != 2:
            raise RowError("bad_type", f"{field} is a list of {len(pair)}, not a question and its answer", field=field)
        turns += (Turn("user", string(pair[0], field)), Turn("assistant", string(pair[1], field)))
    return tuple(turns)
