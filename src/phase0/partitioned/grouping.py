"""Components put into groups: rows that may decide about each other, and their pairs, meet where one worker decides.

Vertices are the first rows of sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from phase0.dedup.flat import I64
from phase0.partitioned.components import labels, roots_of
from phase0.partitioned.dealing import Deal, Dealt, columns, dealing, slice_of
from phase0.partitioned.found import pairs, repeated
from phase0.partitioned.site import Site


class Given(NamedTuple):
    """What components are of, all in slices of a vertex."""

    labels: Dealt  # (vertex, least)
    pairs: Dealt  # (one, other, shared), by one
    repeated: Dealt  # (row, first), by first


class Grouped(NamedTuple):
    """Who belongs to which group."""

    members: Dealt  # (row, first, group) of every row that has a near-duplicate, in slices by the row's unit
    pairs: Dealt  # (one, other, shared) in slices by group
    rows: int


def by_vertex(
    site: Site, of_pairs: Sequence[Path], of_repeated: Sequence[Path], fixed: int, slices: int
) -> tuple[Dealt, Dealt]:
    """Files of pairs in slices of their lesser row, and of repeated rows in slices of the first of their set."""
    found = Dealt(site.folder / "pairs", len(of_pairs), 3)
    same = Dealt(site.folder / "repeated", len(of_repeated), 2)
    site.progress.start("deal rows out", len(of_pairs) + len(of_repeated), "parts")
    site.each(partial(_deal_pairs, found.folder, slices, fixed), enumerate(of_pairs))
    site.each(partial(_deal_repeated, same.folder, slices), enumerate(of_repeated))
    site.progress.finish()
    return found, same


def grouped(site: Site, given: Given, bases: Sequence[int], slices: int, groups: int) -> Grouped:
    """Every component in one of some groups. `bases`: the first row of each unit."""
    work = partial(_group, given, np.array(bases, np.int64), site.folder, groups)
    rows = sum(site.do("group components", work, range(slices)))
    for dealt in given:
        dealt.forget()
    return Grouped(Dealt(site.folder / "members", slices, 3), Dealt(site.folder / "pairs", slices, 3), rows)


def _deal_pairs(folder: Path, slices: int, fixed: int, item: tuple[int, Path]) -> None:
    task, path = item
    with dealing(folder, task, 3, slices) as out:
        for one, other, shared, _ in pairs(path, fixed):
            out.add(columns(one, other, shared), slice_of(one, slices))


def _deal_repeated(folder: Path, slices: int, item: tuple[int, Path]) -> None:
    task, path = item
    with dealing(folder, task, 2, slices) as out:
        for row, first in repeated(path):
            out.add(columns(row, first), slice_of(first, slices))


def _group(given: Given, bases: I64, folder: Path, groups: int, number: int) -> int:
    vertices, least = labels(given.labels, number)
    alone = np.empty(0, np.int64)  # the least rows of components, which have no label
    with dealing(folder / "pairs", number, 3, groups) as out:
        for block in given.pairs.blocks(number):
            roots = roots_of(block[:, 0], vertices, least)
            out.add(block, slice_of(roots, groups))
            alone = np.union1d(alone, roots[roots == block[:, 0]])
    with dealing(folder / "members", number, 3, len(bases)) as out:
        members = _Members(out, bases, groups)
        for block in given.repeated.blocks(number):
            row, first = block.T
            roots = roots_of(first, vertices, least)
            members.add(row, first, roots)
            alone = np.union1d(alone, roots[roots == first])
        members.add(vertices, vertices, least)
        members.add(alone, alone, alone)
    return members.rows


class _Members:
    """Rows of groups on their way to their units. Mutable."""

    def __init__(self, out: Deal, bases: I64, groups: int) -> None:
        self._out, self._bases, self._groups = out, bases, groups
        self.rows = 0

    def add(self, rows: I64, firsts: I64, roots: I64) -> None:
        unit = np.searchsorted(self._bases, rows, side="right") - 1
        self._out.add(columns(rows, firsts, slice_of(roots, self._groups)), unit)
        self.rows += len(rows)
