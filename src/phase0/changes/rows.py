"""Which rows came, went or changed between two files, with the first of each to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from phase0.changes.found import RowChanges, RowPair, ShownRow
from phase0.changes.matching import I64, Digests, Pairs, match
from phase0.changes.reading import ReadRows, shown
from phase0.changes.sides import Compared
from phase0.changes.whereabouts import Fates, fates
from phase0.progress import Progress


def row_changes(
    old: Compared, new: Compared, before: ReadRows, after: ReadRows, *, whole: bool, show: int, progress: Progress
) -> RowChanges:
    """Match the rows of both sides, and ask each side's stages for what it has not."""
    found = match(before.digests, after.digests)
    went = fates(before.digests.taken(found.went_O), new.known.made, progress, whole=whole)
    came = fates(after.digests.taken(found.came_N), old.known.made, progress, whole=whole)
    gone, arrived = found.went_O[:show], found.came_N[:show]
    rescored, answered = (Pairs(*(side[:show] for side in pairs)) for pairs in (found.rescored, found.answered))
    ours = _Shown(old, before.digests, (gone, rescored.old_P, answered.old_P))
    theirs = _Shown(new, after.digests, (arrived, rescored.new_P, answered.new_P))
    return RowChanges(
        same=len(found.same.old_P),
        rescored=len(found.rescored.old_P),
        answered=len(found.answered.old_P),
        went=len(found.went_O),
        came=len(found.came_N),
        went_to=went.counted(),
        came_from=came.counted(),
        first_went=ours.ended(gone, went),
        first_came=theirs.ended(arrived, came),
        first_rescored=_pairs(ours, theirs, rescored),
        first_answered=_pairs(ours, theirs, answered),
    )


class _Shown:
    """The rows of one side that are shown, by their places among its rows."""

    def __init__(self, side: Compared, digests: Digests, chosen: Sequence[I64]) -> None:
        self._lines = digests.line_R
        places = {int(place) for some in chosen for place in some}
        path: Path = side.full or side.dataset
        self._rows = shown(path, {int(self._lines[place]) for place in places})

    def at(self, place: int) -> ShownRow:
        return self._rows[int(self._lines[place])]

    def ended(self, places: I64, where: Fates) -> tuple[ShownRow, ...]:
        """Rows that the other side has not, with where it lost them."""
        found = []
        for number, place in enumerate(places):
            fate = where.of(number)
            found.append(msgspec.structs.replace(self.at(place), stage=fate.stage, reason=fate.reason))
        return tuple(found)


def _pairs(ours: _Shown, theirs: _Shown, pairs: Pairs) -> tuple[RowPair, ...]:
    return tuple(RowPair(old=ours.at(before), new=theirs.at(after)) for before, after in zip(*pairs, strict=True))
