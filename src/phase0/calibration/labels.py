"""What people and strong judges said of answers: pairs of which one was found better, and answers with a score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from phase0.records import Turn


class Answer(NamedTuple):
    """An answer with all that was said before it: what a scorer is given."""

    instruction: str
    response: str
    system: str | None = None
    history: tuple[Turn, ...] = ()


class Group(NamedTuple):
    """A part of a file: `by` is what divides it (`annotator`, `model`, `subset`…), `name` is which part."""

    by: str
    name: str


class Pair(NamedTuple):
    """Two answers to one question. `preference` goes from -1 (`first` is better) to 1 (`second` is), and is never 0."""

    first: Answer
    second: Answer
    preference: float
    groups: tuple[Group, ...] = ()


class Point(NamedTuple):
    """An answer and the score it was given, on the file's scale; `nan` stands nowhere."""

    answer: Answer
    score: float
    groups: tuple[Group, ...] = ()


class Scale(NamedTuple):
    """The lowest and the highest score that could be given, and whether there is nothing between: good and bad."""

    low: float
    high: float
    marks: bool = False


class Labels(NamedTuple):
    """All labels of one file.

    `left_out` counts the rows that say nothing of which answer is better, by what they say instead.
    """

    layout: str
    pairs: Sequence[Pair]
    points: Sequence[Point]
    scale: Scale | None  # of the points
    left_out: Counter[str]
