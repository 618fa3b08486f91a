"""How many rows to ask for next, so that so many come out at the end. Pure.

The first round asks for what is wanted. Each later one asks for what is missing, and for as many more as were lost
before; rows that nobody asked about yet are the reserve. It ends when no share is short by more than a point.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

MOST = 5  # rounds
_MOST_A_ROW = 10  # asked for one that is missing: fewer than one in ten finished is a fault, not a yield


def in_round(name: str, number: int) -> str:
    """The name of a stage or of its folder in a round: from the second on it has a number."""
    return name if number == 1 else f"{name}.{number}"


def round_of(path: Path) -> int:
    """The round that an output belongs to, as the folder that it lies in says."""
    _, _, number = path.parent.name.rpartition(".")
    return int(number) if number in set(map(str, range(2, MOST + 1))) else 1


def next_round(
    wanted: Sequence[int], asked: Sequence[Sequence[int]], finished: Sequence[int], reserve: int
) -> tuple[int, ...] | None:
    """How many rows each seat is to take now, or None where that is the end.

    `wanted` and `finished` are rows by seat, `asked` those of each round that is done.
    """
    if not asked:
        return _within(reserve, wanted)
    short = [max(0, want - got) for want, got in zip(wanted, finished, strict=True)]
    if len(asked) == MOST or reserve == 0 or all(100 * missing <= sum(wanted) for missing in short):
        return None
    before = [sum(rows) for rows in zip(*asked, strict=True)]
    return _least_first(reserve, list(map(_to_ask, short, before, finished)))


def _to_ask(missing: int, asked: int, finished: int) -> int:
    """Rows to ask for, for so many to be finished: as many to each as it took before. Who has finished none so far is
    asked for what is missing and no more: nobody knows whether it ever will."""
    if not finished:
        return missing
    return -(-missing * asked // max(finished, -(-asked // _MOST_A_ROW)))


def _least_first(reserve: int, rows: Sequence[int]) -> tuple[int, ...]:
    """As many of these as the reserve has, alike for all until they have enough: who needs much starves nobody."""
    given = [0] * len(rows)
    order = sorted(range(len(rows)), key=rows.__getitem__)
    for place, seat in enumerate(order):
        given[seat] = min(rows[seat], reserve // (len(order) - place))
        reserve -= given[seat]
    return tuple(given)


def _within(reserve: int, rows: Sequence[int]) -> tuple[int, ...]:
    """As many of these as there are prompts, in proportion."""
    total = sum(rows)
    if total <= reserve:
        return tuple(rows)
    edges = [sum(rows[:at]) * reserve // total for at in range(len(rows) + 1)]
    return tuple(stop - start for start, stop in pairwise(edges))
