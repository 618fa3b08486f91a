"""Who answers which rows, by what rows say and never by where they stand: every row is owned once, shares are exact.

Rows stand on a line, in the order of a hash of their content. Each seat owns its share of them, and takes its own from
the front; who has none left takes what nobody took from the far end of the line, where its owners come last.

Shapes: N rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import msgspec

from phase0.catalog.models import teachers
from phase0.records import CATEGORIES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Keys: TypeAlias = npt.NDArray[np.uint64]
    Numbers: TypeAlias = npt.NDArray[np.int64]
    Mask: TypeAlias = npt.NDArray[np.bool_]

Parts: TypeAlias = Sequence[tuple[Decimal, Decimal]]
Allocation: TypeAlias = Literal["share", "route", "best-of"]
WHOLE: Parts = ((Decimal(0), Decimal(100)),)
BEST_OF = "best-of"


class Lines(NamedTuple):
    """What decides who answers a row: a hash of what it says, and its category as an index into CATEGORIES."""

    keys_N: Keys  # noqa: N815 - the suffix is the shape
    categories_N: npt.NDArray[np.int8]  # noqa: N815 - -1 where there is none


class Share(NamedTuple):
    """Parts of the line from 0 to 100."""

    parts: Parts
    allocation: Allocation = "share"

    def rows(self, lines: Lines) -> Mask:
        """Which rows these parts hold."""
        return selected(lines.keys_N, self.parts)

    def settings(self) -> dict[str, Any]:
        """What a manifest says of it."""
        told: dict[str, Any] = {"parts": [[str(start), str(stop)] for start, stop in self.parts]}
        return told if self.allocation == "share" else told | {"allocation": self.allocation}

    def figures(self) -> dict[str, Any]:
        """What a report says of it: its percentage."""
        return {"share": str(sum((stop - start for start, stop in self.parts), Decimal(0)))}


class Seat(msgspec.Struct, frozen=True):
    """Who answers a share of the rows. More than one teacher: all of them answer each, and the best answer stays."""

    name: str
    teachers: tuple[str, ...]
    percent: Decimal
    strengths: tuple[str, ...] = ()


class Taken(NamedTuple):
    """What one seat takes of the line in the last of some rounds. `asked` says how many rows each seat is to take in
    each round; no rounds: everything, at once."""

    seats: tuple[Seat, ...]
    seat: int
    allocation: Allocation
    asked: tuple[tuple[int, ...], ...] = ()

    def rows(self, lines: Lines) -> Mask:
        """Which rows this seat takes in the last round."""
        import numpy as np

        order = np.argsort(lines.keys_N, kind="stable")
        owned = owned_rows(lines.categories_N, order, self.seats)
        mine = np.zeros(len(order), np.bool_)
        mine[taken_rows(owned, order, self.asked)[-1][self.seat] if self.asked else owned[self.seat]] = True
        return mine

    def settings(self) -> dict[str, Any]:
        """What a manifest says of it: all that decides which rows they are."""
        seats = [msgspec.to_builtins(seat) for seat in self.seats]
        return {"allocation": self.allocation, "seats": seats, "seat": self.seat, "asked": list(map(list, self.asked))}

    def figures(self) -> dict[str, Any]:
        """What a report says of it: the percentage, where all rows are taken, or the number of the round."""
        return {"round": len(self.asked)} if self.asked else {"share": str(self.seats[self.seat].percent)}


def seats_of(mix: Mapping[str, Decimal], allocation: Allocation) -> tuple[Seat, ...]:
    """The seats of a plan's mix, in its order."""
    if allocation == "best-of":
        return (Seat(BEST_OF, tuple(mix), Decimal(100)),)
    strengths = {name: teacher.strengths for name, teacher in teachers().items()} if allocation == "route" else {}
    return tuple(Seat(name, (name,), percent, strengths.get(name, ())) for name, percent in mix.items())


def shares(mix: Mapping[str, Decimal]) -> dict[str, Parts]:
    """Each teacher's part of the line from 0 to 100, one after the other."""
    parts: dict[str, Parts] = {}
    at = Decimal(0)
    for teacher, share in mix.items():
        parts[teacher] = ((at, at + share),)
        at += share
    return parts


def quotas(rows: int, percents: Sequence[Decimal]) -> tuple[int, ...]:
    """So many rows as percentages that sum to 100, each exact to one row, together all of them."""
    edges = [Fraction(0)]
    for percent in percents:
        edges.append(edges[-1] + Fraction(percent))
    stops = [int(rows * edge / 100) for edge in edges]
    return tuple(stop - start for start, stop in pairwise(stops))


def selected(keys: Keys, parts: Parts) -> Mask:
    """Which rows fall into `parts` of the line from 0 to 100, by rank of their keys.

    keys: (N,) one per row; equal keys rank in the order of the rows. Ranks from floor(N·start/100) up to
    floor(N·stop/100) are taken: parts that cover the line cover every row once, whatever N is. A part's count is exact
    to one row.
    """
    import numpy as np

    order = np.argsort(keys, kind="stable")
    chosen = np.zeros(len(keys), dtype=np.bool_)
    for start, stop in parts:
        first, last = (int(len(keys) * Fraction(edge) / 100) for edge in (start, stop))
        chosen[order[first:last]] = True
    return chosen


def owned_rows(categories: npt.NDArray[np.int8], order: Numbers, seats: Sequence[Seat]) -> list[Numbers]:
    """The rows of each seat, first come first on the line. Seats own as many as `quotas` says.

    Rows of a category go to the seats that are strong at it, as far as there is room: seats of few strengths choose
    before those of many, and each fills itself in the order of its strengths. The rest is dealt in the order of the
    line, so that without strengths every seat owns one piece of it.
    """
    import numpy as np

    room = list(quotas(len(order), [seat.percent for seat in seats]))
    owner = np.full(len(order), -1, np.int16)  # by place on the line
    on_line = categories[order]
    for number in sorted(range(len(seats)), key=lambda at: (len(seats[at].strengths), at)):
        for strength in seats[number].strengths:
            places = np.flatnonzero((on_line == CATEGORIES.index(strength)) & (owner < 0))[: room[number]]
            owner[places] = number
            room[number] -= len(places)
    owner[owner < 0] = np.repeat(np.arange(len(seats), dtype=np.int16), room)
    return [order[owner == number] for number in range(len(seats))]


def taken_rows(owned: Sequence[Numbers], order: Numbers, asked: Sequence[Sequence[int]]) -> list[list[Numbers]]:
    """The rows that each seat takes in each round, none of them twice. Where nothing is left a seat gets fewer."""
    import numpy as np

    free = np.ones(len(order), np.bool_)
    rounds = []
    for wanted in asked:
        got = []
        for mine, rows in zip(owned, wanted, strict=True):
            got.append(mine[free[mine]][:rows])
            free[got[-1]] = False
        for seat, rows in enumerate(wanted):
            if (missing := rows - len(got[seat])) > 0:
                others = order[free[order]][::-1][:missing]
                free[others] = False
                got[seat] = np.concatenate([got[seat], others])
        rounds.append(got)
    return rounds
