"""Texts cut into units, as a stage cuts files, and pairs as the local engine finds them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from phase0.dedup import exact, minhash
from phase0.dedup.bands import Banding
from phase0.dedup.flat import I64, Strings
from phase0.dedup.pages import Reused
from phase0.dedup.search import NO_LIMIT, Looking, by_size
from phase0.dedup.sets import read_sets
from phase0.engine import Engine
from phase0.partitioned.bounds import Bounds
from phase0.partitioned.layout import Rule
from phase0.partitioned.search import Found, search
from phase0.partitioned.site import Site
from phase0.progress import SILENT


class Told(Strings):
    """Texts in memory that tell their number."""

    def keep(self, folder: Path, sizes_D: I64) -> int:
        np.save(folder / "sizes.npy", sizes_D)
        return len(sizes_D)


class Some(NamedTuple):
    """Some of the texts."""

    texts: Sequence[str]

    @property
    def extent(self) -> int:
        return sum(map(len, self.texts))

    def open(self, folder: Path) -> Told:
        return Told(list(self.texts))


def cut(texts: Sequence[str], units: int) -> list[Some]:
    """So many runs of texts, of which some may be empty."""
    bounds = np.linspace(0, len(texts), units + 1).astype(int).tolist()
    return [Some(texts[first:last]) for first, last in pairwise(bounds)]


def found(
    engine: Engine, units: Sequence[Some], rule: Rule, folder: Path, *, bits: int, room: int = 1 << 22, others: int = 0
) -> Found:
    """Search, with so many partitions and so much room."""
    return search(Site(engine, folder, SILENT), units, rule, Bounds(bits, room, room), others)


def pairs_of(result: Found) -> list[tuple[int, int, int, int]]:
    """All pairs, in order, repeated ones too."""
    parts = [np.load(result.job.layout.pairs(unit)) for unit in range(result.job.units)]
    return sorted(map(tuple, np.concatenate(parts, axis=1).T.tolist()))


def same_of(result: Found) -> dict[int, int]:
    """Of each row that has the set of an earlier one the first that has it."""
    parts = [np.load(result.job.layout.same(part)) for part in range(result.job.partitions)]
    rows = np.concatenate(parts, axis=1).T.tolist()
    assert len({row for row, _ in rows}) == len(rows)
    return dict(map(tuple, rows))


def local(
    texts: Sequence[str], threshold: Fraction, width: int = 5, fixed: int = 0, banding: Banding | None = None
) -> tuple[list[tuple[int, int, int, int]], dict[int, int]]:
    """What the local engine finds: pairs of first rows, none of them between two of the first `fixed` rows; and which
    rows have the set of an earlier one."""
    sets = read_sets(Strings(texts), width, 1, SILENT)
    looking = Looking(sets, threshold, 1, Reused())
    method = exact.Join(looking) if banding is None else minhash.Bands(looking, banding)
    same = exact.distinct(sets)
    firsts = np.flatnonzero(same == np.arange(len(same)))
    own = firsts[firsts >= fixed]
    searched = [by_size(sets, own)] + ([by_size(sets, own, firsts[firsts < fixed])] if fixed else [])
    pairs = []
    for ordered in searched:
        for one, other, shared in zip(*(c.tolist() for c in method.find(ordered, NO_LIMIT, SILENT)[:3]), strict=True):
            union = int(sets.sizes_D[one] + sets.sizes_D[other]) - shared
            pairs.append((min(one, other), max(one, other), shared, union))
    later = np.flatnonzero((same >= 0) & (same != np.arange(len(same))))
    return sorted(pairs), {row: int(same[row]) for row in later.tolist()}
