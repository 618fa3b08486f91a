"""Tables and bars of a Markdown page. Cells are what they are: whoever makes them escapes what comes from data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

NONE = "–"
_BAR = 30  # characters of the longest bar

Lines = list[str]


def table(header: str, rows: Iterable[Sequence[str]]) -> Lines:
    """A table. In `header`, columns are parted by bars, and those that begin with `>` stand to the right."""
    columns = [column.strip() for column in header.split("|")]
    marks = ["---:" if column.startswith(">") else "---" for column in columns]
    lines = [_row(column.removeprefix(">") for column in columns), _row(marks)]
    return [*lines, *(_row(row) for row in rows), ""]


def bar(rows: int, most: int) -> str:
    """A bar for `rows`, where that of `most` is the longest."""
    return "█" * math.ceil(_BAR * rows / most)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
