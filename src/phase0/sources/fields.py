"""Reads fields of upstream rows. A field that is not what it should be is a RowError that names it, never a guess."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from phase0.errors import RowError
from phase0.sources import Example, Found

AUTHORS = ("generator", "model", "model_name", "chosen_model", "chosen-model")
"""Where upstream rows name the model that wrote the response."""

# Alpaca's generator was told to write "<noinput>" where a task needs none; some of these were published.
_NO_INPUT = re.compile(r"\W*(?:no ?inputs?|n/a)\W*", re.IGNORECASE)


def each(
    rows: Iterable[tuple[int, Any]], examples: Callable[[dict[str, Any]], Iterator[Example | RowError]]
) -> Iterator[Found]:
    """What `examples` finds in every row by itself; what it raises is the last outcome of that row."""
    for line, row in rows:
        part = 0
        try:
            for outcome in examples(mapping(row)):
                yield Found(line, part, outcome)
                part += 1
        except RowError as error:
            yield Found(line, part, error)
        else:
            if part == 0:
                yield Found(line, 0, RowError("no_examples", "the row's list of examples is empty"))


def mapping(value: Any, field: str | None = None) -> dict[str, Any]:
    """The value, if it is a JSON object."""
    if not isinstance(value, dict):
        where = field or "the row"
        raise RowError("not_an_object", f"{where} is {kind(value)}, not an object with fields", field=field)
    return value


def sequence(value: Any, field: str) -> list[Any]:
    """The value, if it is a JSON list."""
    if not isinstance(value, list):
        raise RowError("bad_type", f"{field} is {kind(value)}, not a list", field=field)
    return value


def text(row: dict[str, Any], *names: str) -> str:
    """The first of these fields that is there and not null. Only text will do, but it may be empty."""
    value = optional(row, *names)
    if value is None:
        raise RowError("missing_field", f"the row has no {' or '.join(names)}", field=names[0])
    return value


def optional(row: dict[str, Any], *names: str) -> str | None:
    """Like `text`, but None where all of the fields are absent or null."""
    for name in names:
        value = row.get(name)
        if value is not None:
            return string(value, name)
    return None


def string(value: Any, field: str) -> str:
    """The value, if it is text."""
    if not isinstance(value, str):
        raise RowError("bad_type", f"{field} is {kind(value)}, not text", field=field)
    return value


def author(row: dict[str, Any]) -> str | None:
    """The model that the row names as the writer of its response. Anything but a name is no name."""
    names = (row.get(key) for key in AUTHORS)
    return next((name for name in names if isinstance(name, str) and name.strip()), None)


def paragraphs(*pieces: str) -> str:
    """The pieces with one blank line between them; blank pieces do not count."""
    said = [piece for piece in pieces if piece.strip()]
    return "\n\n".join([piece.rstrip("\n") for piece in said[:-1]] + said[-1:])


def task(row: dict[str, Any]) -> str:
    """The instruction of a row in Alpaca's manner: `instruction`, and `input` or `context` where the task has one.

    Where there is no `instruction`, `input` is all there is.
    """
    given = optional(row, "input", "context") or ""
    if optional(row, "instruction") is None:
        return text(row, "input", "instruction")
    return paragraphs(text(row, "instruction"), "" if _NO_INPUT.fullmatch(given) else given)


def has_text(row: Any, *names: str) -> bool:
    """Whether the row is an object and one of these fields is text."""
    return isinstance(row, dict) and any(isinstance(row.get(name), str) for name in names)


def kind(value: Any) -> str:
    """What a JSON value is, in the words of an error message."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)
