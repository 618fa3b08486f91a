"""Self-Instruct tasks: one instruction with a list of instances, each an input and its output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from phase0.errors import RowError
from phase0.sources import Example, Found
from phase0.sources.fields import author, each, has_text, mapping, optional, sequence, task, text


class SelfInstruct:
    """`{instruction, instances: [{input, output}]}`."""

    name = "self_instruct"

    def recognises(self, row: Any) -> bool:
        """An instruction beside a list of instances."""
        return has_text(row, "instruction") and isinstance(row.get("instances"), list)

    def read(self, rows: Iterable[tuple[int, Any]]) -> Iterator[Found]:
        """One example per instance; a bad instance does not cost the others."""
        return each(rows, _examples)


def _examples(row: dict[str, Any]) -> Iterator[Example | RowError]:
    instruction = text(row, "instruction")
    for number, instance in enumerate(sequence(row.get("instances"), "instances")):
        try:
            yield _example(instruction, mapping(instance, f"instances[{number}]"), author(row))
        except RowError as error:
            yield error


def _example(instruction: str, instance: dict[str, Any], source: str | None) -> Example:
    asked = task({"instruction": instruction, "input": optional(instance, "input")})
    return Example(instruction=asked, response=text(instance, "output"), source=source)
