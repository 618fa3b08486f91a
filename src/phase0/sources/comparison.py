"""Two answers to one instruction side by side, as judges and people are shown them: PandaLM, AlpacaEval, FastChat.

Both answers are examples: which one is better is for the scores to say. Where the row does not say outright who wrote
an answer, its source stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from phase0.errors import RowError
from phase0.sources import Example, Found
from phase0.sources.fields import each, has_text, optional, task, text


class _Pair(NamedTuple):
    answers: tuple[str, str]
    authors: tuple[str, str] | None


_PAIRS = (
    _Pair(("response1", "response2"), None),  # PandaLM's cmp_key names two models, but not which of them wrote which
    _Pair(("output_1", "output_2"), ("generator_1", "generator_2")),
    _Pair(("response_a", "response_b"), ("model_a", "model_b")),
)


class Comparison:
    """`{instruction, response1, response2}` and the like."""

    name = "comparison"

    def recognises(self, row: Any) -> bool:
        """An instruction or a prompt beside both answers of a known pair."""
        return has_text(row, "instruction", "prompt") and _pair(row) is not None

    def read(self, rows: Iterable[tuple[int, Any]]) -> Iterator[Found]:
        """Two examples per row; a bad answer does not cost the other."""
        return each(rows, _examples)


def _pair(row: dict[str, Any]) -> _Pair | None:
    return next((pair for pair in _PAIRS if set(pair.answers) <= row.keys()), None)


def _examples(row: dict[str, Any]) -> Iterator[Example | RowError]:
    pair = _pair(row)
    if pair is None:
        raise RowError("missing_field", "the row has no two answers", field=_PAIRS[0].answers[0])
    instruction = optional(row, "prompt") if row.get("instruction") is None else task(row)
    if instruction is None:
        raise RowError("missing_field", "the row has no instruction or prompt", field="instruction")
    authors = pair.authors or (None, None)
    for answer, author in zip(pair.answers, authors, strict=True):
        try:
            source = optional(row, author) if author else None
            yield Example(instruction=instruction, response=text(row, answer), source=source)
        except RowError as error:
            yield error
