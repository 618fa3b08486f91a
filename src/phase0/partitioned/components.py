"""Connected components of pairs that no worker holds all at once: alternating large-star and small-star, as Kiveris,
Lattanzi, Mirrokni, Rastogi and Vassilvitskii say it (Connected Components in MapReduce and Beyond, 2014).

Large-star connects the larger neighbours of every vertex with the least of its neighbourhood, small-star its smaller
neighbours and itself. Once neither changes an edge every component is a star around its least vertex. Edges never
become more. A task holds the vertices of its slice and a block of edges, however many edges a vertex has.

Where all edges fit into one worker, it finds the components alone.

Shapes: E edges, V vertices.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np

from phase0.dedup.flat import I64
from phase0.partitioned.dealing import BLOCK, Deal, Dealt, columns, dealing, slice_of
from phase0.partitioned.found import edges
from phase0.partitioned.site import Site

EDGE = 80  # bytes of an edge while one worker finds the components of all
VERTEX = 64  # bytes of a vertex while its slice is worked on


def components(site: Site, pairs: Sequence[Path], fixed: int, slices: int, *, together: bool) -> Dealt:
    """The least vertex that is connected with each, for every vertex but the least ones: see `labels`.

    Pairs of two rows below `fixed` do not count. `together`: one worker holds all edges.
    """
    folder, progress = site.folder, site.progress
    if together:
        site.do("find components", partial(_united, pairs, fixed, slices), [folder / "united"])
        return Dealt(folder / "united", 1, 2)
    given = Dealt(folder / "edges", len(pairs), 2)
    site.do("deal pairs out", partial(_dealt, given.folder, slices, fixed), enumerate(pairs))
    for turn in count(1):
        progress.start(f"find components, turn {turn}", 2 * slices, "parts")
        changed = 0
        for name, star in (("large", _large_star), ("small", _small_star)):
            made = Dealt(folder / f"{name}-{turn:03}", slices, 2)
            changed += sum(site.each(partial(star, given, made.folder, slices), range(slices)))
            given.forget()
            given = made
        progress.finish(f"{changed:,} edges changed")
        if not changed:
            break
    return given


def labels(given: Dealt, number: int) -> tuple[I64, I64]:
    """The vertices of a slice that are not the least of their component, ascending, and the least of each."""
    vertices, least = given.table(number)
    chosen = np.flatnonzero(vertices > least)  # the edges of a star lie there from both ends
    order = chosen[np.argsort(vertices[chosen])]
    return vertices[order], least[order]


def roots_of(numbers: I64, vertices: I64, least: I64) -> I64:
    """The least vertex that each is connected with: itself where it has no label."""
    if not len(vertices):
        return numbers
    at = np.minimum(np.searchsorted(vertices, numbers), len(vertices) - 1)
    return np.where(vertices[at] == numbers, least[at], numbers)


def _dealt(folder: Path, slices: int, fixed: int, item: tuple[int, Path]) -> None:
    """Deal the edges of a file of pairs out, each to both of its ends."""
    number, path = item
    with dealing(folder, number, 2, slices) as out:
        for ones, others in edges(path, fixed):
            _both_ends(out, ones, others, slices)


def _large_star(given: Dealt, folder: Path, slices: int, number: int) -> int:
    keys, least = _least(given.blocks(number))
    least, changed = np.minimum(keys, least), 0
    with dealing(folder, number, 2, slices) as out:
        for block in given.blocks(number):
            key, larger = block[block[:, 1] > block[:, 0]].T
            root = least[np.searchsorted(keys, key)]
            changed += int((root != key).sum())
            found = _once(larger, root)
            out.add(found, slice_of(found[:, 0], slices))  # small-star asks for smaller neighbours alone
    return changed


def _small_star(given: Dealt, folder: Path, slices: int, number: int) -> int:
    keys, least = _least(given.blocks(number))
    changed = 0
    with dealing(folder, number, 2, slices) as out:
        for first in range(0, len(keys), BLOCK):
            _both_ends(out, keys[first : first + BLOCK], least[first : first + BLOCK], slices)
        for block in given.blocks(number):
            key, smaller = block.T
            root = least[np.searchsorted(keys, key)]
            moved = smaller != root
            changed += int(moved.sum())
            ones, others = _once(smaller[moved], root[moved]).T
            _both_ends(out, ones, others, slices)
    return changed


def _least(blocks: Iterable[I64]) -> tuple[I64, I64]:
    """Every first vertex once, ascending, and the least of the vertices that it has an edge with."""
    keys, least = np.empty(0, np.int64), np.empty(0, np.int64)
    for block in blocks:
        both = np.concatenate((keys, block[:, 0]))
        order = np.argsort(both, kind="stable")
        both, values = both[order], np.concatenate((least, block[:, 1]))[order]
        starts = np.flatnonzero(np.diff(both, prepend=-1))
        keys, least = both[starts], np.minimum.reduceat(values, starts)
    return keys, least


def _both_ends(out: Deal, ones: I64, others: I64, slices: int) -> None:
    """Edges, in the slices of both of their vertices."""
    for first, second in ((ones, others), (others, ones)):
        out.add(columns(first, second), slice_of(first, slices))


def _once(ones: I64, others: I64) -> I64:
    """Edges of a block, each once. Shape (E, 2)."""
    order = np.lexsort((others, ones))
    found = columns(ones[order], others[order])
    fresh = np.ones(len(found), np.bool_)
    fresh[1:] = (found[1:] != found[:-1]).any(axis=1)
    return found[fresh]


def _united(pairs: Sequence[Path], fixed: int, slices: int, folder: Path) -> None:
    """The same by union-find, of all edges at once."""
    from phase0.dedup.kernels.choosing import connect

    blocks = [columns(*block).T for path in pairs for block in edges(path, fixed)]
    ends = np.concatenate([np.empty((2, 0), np.int64), *blocks], axis=1)
    blocks.clear()
    vertices = np.unique(ends)
    roots = np.arange(len(vertices), dtype=np.int32)
    ones, others = (np.searchsorted(vertices, end).astype(np.int32) for end in ends)
    connect(ones, others, roots)
    apart = np.flatnonzero(roots != np.arange(len(roots)))
    with dealing(folder, 0, 2, slices) as out:
        out.add(columns(vertices[apart], vertices[roots[apart]]), slice_of(vertices[apart], slices))
