"""Which rows stay: greedy by rank, so that every removal has a witness.

The best row is kept; each next one is removed when it reaches the threshold with a row that is already kept. So every
removed row is a near-duplicate of the kept row it names, and no two kept rows are near-duplicates of each other, among
the pairs an index finds. (Connected components would also remove rows that resemble no row that stays: a like b, b like
c, a unlike c.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Protocol

from phase0.dedup.jaccard import Overlap
from phase0.dedup.results import Removed
from phase0.progress import SILENT, Progress, many


class KeptIndex(Protocol):
    """Answers which of the kept sets reach the threshold with a set, by MinHash or by an exact join."""

    def near(self, one: int) -> list[Overlap]:
        """The sets kept so far that reach the threshold with this one, in any order, each once."""
        ...

    def keep(self, one: int) -> None:
        """This set is kept from now on."""
        ...


def by_rank(rank: Sequence[Any] | None, rows: int) -> Sequence[int]:
    """Row numbers, best first. Equal ranks, and no ranks at all, prefer the earlier row."""
    if rank is None:
        return range(rows)
    return sorted(range(rows), key=rank.__getitem__, reverse=True)  # stable: equal ranks stay in input order


def greedy(
    order: Sequence[int],
    set_of: Sequence[int] | Mapping[int, int],
    index: KeptIndex,
    confirm: Callable[[int, int], Overlap],
    *,
    threshold: Fraction,
    progress: Progress = SILENT,
) -> list[Removed]:
    """What goes, by row number. `set_of[row]` is the row's set in the index (rows may have one set), -1 for none.

    A removed row names the kept row of highest Jaccard, of equals the one of best rank. `confirm` counts two rows once
    more before one of them goes, and has the last word.
    """
    kept: dict[int, int] = {}  # of each kept set, the place in `order` of its row
    removed = []
    progress.start("choose what stays", len(order))
    for place, row in enumerate(order):
        progress.advance(1)
        own = set_of[row]
        if own < 0:
            continue
        witnesses = [kept[own]] if own in kept else _best_first(index.near(own), kept)
        overlaps = (confirm(row, order[witness]) for witness in witnesses)
        confirmed = next((overlap for overlap in overlaps if overlap.reaches(threshold)), None)
        if confirmed is not None:
            removed.append(Removed(row, confirmed.other, confirmed.shared, confirmed.union))
        elif own not in kept:
            kept[own] = place
            index.keep(own)
    progress.finish(f"{len(removed):,} of {many(len(order), 'row')} removed")
    return sorted(removed)


def _best_first(overlaps: Sequence[Overlap], kept: dict[int, int]) -> list[int]:
    """Places of the rows kept for these sets: highest Jaccard first, then best rank."""
    keyed = sorted((Fraction(-overlap.shared, overlap.union), kept[overlap.other]) for overlap in overlaps)
    return [place for _, place in keyed]
