"""The words of the rubric, as data: what a judge is told, and how much of a row it is shown."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import NamedTuple

import msgspec

from phase0.errors import DataError
from phase0.records import DIMENSIONS

ANCHORS = (1, 4, 7, 10)


class Ends(NamedTuple):
    """Characters of a text that are shown where it is longer than both together."""

    head: int
    tail: int


class Shown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of each part of a row is shown, and how many of the earlier turns."""

    response: Ends
    instruction: Ends
    system: Ends
    turn: Ends
    turns: int


class Anchored(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dimension: the question that it asks, and what four of its ten scores mean."""

    name: str
    about: str
    lowest: str = msgspec.field(name="1")
    low: str = msgspec.field(name="4")
    high: str = msgspec.field(name="7")
    highest: str = msgspec.field(name="10")

    @property
    def anchors(self) -> tuple[tuple[int, str], ...]:
        return tuple(zip(ANCHORS, (self.lowest, self.low, self.high, self.highest), strict=True))


class Wording(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that a judge is told besides the row."""

    instruction: str
    scale: str
    data: str
    form: str
    dimensions: tuple[Anchored, ...]
    shown: Shown

    @property
    def system(self) -> str:
        """The system prompt: the same for every row, so that servers which keep prompts keep it."""
        parts = (self.instruction, *map(_described, self.dimensions), self.scale, self.data, self.form)
        return "\n\n".join(part.strip() for part in parts)


def _described(dimension: Anchored) -> str:
    lines = [f"{dimension.name}: {dimension.about}"]
    return "\n".join([*lines, *(f"  {score} = {text}" for score, text in dimension.anchors)])


@cache
def wording() -> Wording:
    """The rubric that the package brings."""
    return parse_wording(resources.files("phase0.catalog").joinpath("rubric.toml").read_text(encoding="utf-8"))


def parse_wording(text: str, *, where: str = "catalog/rubric.toml") -> Wording:
    """A rubric from TOML. Raises DataError where it is not one of the four dimensions, in their order."""
    try:
        found = msgspec.convert(tomllib.loads(text), Wording)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise DataError(f"{where}: {error}.") from None
    named = tuple(dimension.name for dimension in found.dimensions)
    if named != DIMENSIONS:
        raise DataError(f"{where} describes {', '.join(named)}; it must be {', '.join(DIMENSIONS)}, in this order.")
    return found
