"""Prompts with completions: `{prompt, completion}`, HelpSteer2, and one prompt with the completions of many models.

The end mark that completion models were trained on is removed; all other text stays as it is, the space that
completions used to begin with included.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from phase0.errors import RowError
from phase0.sources import Example, Found, dialogue
from phase0.sources.fields import author, each, has_text, mapping, sequence, text

_ANSWERS = ("completion", "response", "output", "answer")
_END = "<|endoftext|>"
# HelpSteer2 writes earlier turns into the prompt, and marks all but the first.
_TURN = re.compile(r"\n?<extra_id_1>(User|Assistant)\n")


class PromptCompletion:
    """`{prompt, completion}`, or `{prompt, completions: [{model, completion}]}`."""

    name = "prompt_completion"

    def recognises(self, row: Any) -> bool:
        """A prompt (text or messages) with an answer field, or a list of completions."""
        if not isinstance(row, dict):
            return False
        if isinstance(row.get("completions"), list) and has_text(row, "prompt", "instruction"):
            return True
        asked = has_text(row, "prompt") or dialogue.is_dialogue(row.get("prompt"), "role")
        return asked and not row.keys().isdisjoint(_ANSWERS)

    def read(self, rows: Iterable[tuple[int, Any]]) -> Iterator[Found]:
        """One example per completion; a bad completion does not cost the others."""
        return each(rows, _examples)


def _examples(row: dict[str, Any]) -> Iterator[Example | RowError]:
    asked = _asked(row)
    if row.get("completions") is None:
        yield _example(asked, row, dialogue.row_system(row))
        return
    for number, completion in enumerate(sequence(row["completions"], "completions")):
        item = {"completion": completion} if isinstance(completion, str) else completion
        try:
            yield _example(asked, mapping(item, f"completions[{number}]"), dialogue.row_system(row))
        except RowError as error:
            yield error


def _asked(row: dict[str, Any]) -> list[Any]:
    prompt = row.get("prompt")
    if isinstance(prompt, list):
        return prompt
    return dialogue.split(text(row, "prompt", "instruction"), _TURN, "prompt", opening="user")


def _example(asked: list[Any], answer: dict[str, Any], system: str | None) -> Example:
    given = next((answer[name] for name in _ANSWERS if isinstance(answer.get(name), list)), None)
    if given is None:
        given = [{"role": "assistant", "content": _without_end(text(answer, *_ANSWERS))}]
    return dialogue.example(dialogue.read([*asked, *given], "prompt"), system=system, source=author(answer))


def _without_end(completion: str) -> str:
    pieces = completion.split(_END)
    while len(pieces) > 1 and not pieces[-1].strip():
        pieces.pop()
    return _END.join(pieces)
