"""Questions with answers: GSM8K, Camel, NuminaMath, OpenOrca, and questions that several models have solved.

GSM8K's calculator marks (`<<48/2=24>>`) are removed: they drove a calculator while the answer was being written, and
the number that follows repeats the result. Its last line `#### 72` is kept. Where a row has both a `solution`
and an `answer`, the solution is the response: the answer beside it is its result alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from phase0.errors import RowError
from phase0.sources import Example, Found
from phase0.sources.fields import author, each, has_text, optional, string, text

_QUESTIONS = ("question", "problem", "query")
_ANSWERS = ("solution", "answer", "response", "output", "ground_truth")

# A sum and its result, or a number alone, close to the brackets: the shifts of C++ stand apart from what they shift.
_CALCULATOR = re.compile(r"<<(?! )(?:[^<>\n\"';&|=]+=[^<>\n\"';&|]*|[\d.]+)(?<! )>>")


class QuestionAnswer:
    """`{question, answer}` or `{problem, solution}`, or solutions by model under their names."""

    name = "question_answer"

    def recognises(self, row: Any) -> bool:
        """A question with an answer of its own, or with a solution by some model."""
        if not has_text(row, *_QUESTIONS):
            return False
        return not row.keys().isdisjoint(_ANSWERS) or any(_is_solution(value) for value in row.values())

    def read(self, rows: Iterable[tuple[int, Any]]) -> Iterator[Found]:
        """One example per answer: the row's own first, then each model's, with its name as the source."""
        return each(rows, _examples)


def _examples(row: dict[str, Any]) -> Iterator[Example | RowError]:
    question = text(row, *_QUESTIONS)
    system = optional(row, "system_prompt", "system")
    by_model = {name: value for name, value in row.items() if _is_solution(value)}
    if not by_model or any(row.get(name) is not None for name in _ANSWERS):
        yield Example(
            instruction=question, response=_answer(text(row, *_ANSWERS)), system=system or None, source=author(row)
        )
    for name, value in by_model.items():
        try:
            answer = _answer(string(value["solution"], f"{name}.solution"))
        except RowError as error:
            yield error
        else:
            wrong = ("marked_incorrect",) if value.get("is_correct") is False else ()
            yield Example(instruction=question, response=answer, system=system or None, source=name, flags=wrong)


def _is_solution(value: Any) -> bool:
    return isinstance(value, dict) and "solution" in value


def _answer(written: str) -> str:
    return _CALCULATOR.sub("", written)
