"""Which rows go, from pairs of sets: greedy by rank, each removal confirmed on the words before it counts.

Shapes: R rows, D sets (numbered by their first row), P pairs.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from phase0.dedup.canonical import canonical_rows
from phase0.dedup.flat import I64, Texts
from phase0.dedup.jaccard import Overlap
from phase0.dedup.keep import greedy
from phase0.dedup.kernels.choosing import adjacent, choose, connect
from phase0.dedup.kernels.confirming import confirm
from phase0.dedup.search import I32, Pairs
from phase0.dedup.sets import Sets
from phase0.dedup.threads import in_order
from phase0.progress import Progress

_CONFIRMED = 2048  # pairs whose texts are read again together: about 4 MB


class Removals(NamedTuple):
    """Rows that go, ascending, each with the row that stays for it and what the two share and have together."""

    rows_R: I64  # noqa: N815 - the suffix is the shape
    kept_R: I64  # noqa: N815
    shared_R: I64  # noqa: N815
    union_R: I64  # noqa: N815


class Candidates(NamedTuple):
    """What is known when rows are chosen: the sets, who has which, and which of them are near-duplicates."""

    texts: Texts
    width: int
    sets: Sets
    same: I32  # of each row, the first row with its set; -1 for none
    pairs: Pairs
    method: str
    exact: bool  # whether every pair was found
    missed_share: float  # expected share of pairs at the threshold that were never compared; above it, fewer


def contested(known: Candidates) -> I64:
    """Rows that share their set or are near another: those whose rank matters."""
    near = np.bincount(known.same[known.same >= 0], minlength=len(known.same)) > 1
    near[known.pairs.ones_P] = True
    near[known.pairs.others_P] = True
    rows: I64 = np.flatnonzero((known.same >= 0) & near[known.same])
    return rows


def roots(known: Candidates) -> I32:
    """Of each set, by its first row, the least set it is connected with."""
    found = np.arange(len(known.same), dtype=np.int32)
    connect(known.pairs.ones_P, known.pairs.others_P, found)
    return found


def removed_greedily(known: Candidates, ranked: I64, threshold: Fraction, workers: int, progress: Progress) -> Removals:
    """Every removed row reaches the threshold with the kept row it names; no two kept rows do."""
    chosen = _chosen(known, ranked)
    progress.start("choose what stays", len(chosen.rows_R))
    confirmed = _confirmed(known, chosen, workers, progress)
    if not all(np.array_equal(one, other) for one, other in zip(chosen, confirmed, strict=True)):
        confirmed = _carefully(known, ranked, threshold)  # two hashes were one: look at the words each time
    progress.finish(f"{len(confirmed.rows_R)} of {len(known.same)} rows removed")
    return confirmed


def removed_by_component(known: Candidates, ranked: I64, workers: int, progress: Progress) -> Removals:
    """Of rows that a chain of near-duplicates connects the best stays, also where the chain's ends are unlike."""
    component = roots(known)[known.same[ranked]]
    _, firsts, number = np.unique(component, return_index=True, return_inverse=True)
    kept = ranked[firsts[number]]
    gone = np.flatnonzero(kept != ranked)
    gone = gone[np.argsort(ranked[gone])]
    unknown = np.zeros(len(gone), np.int64)
    progress.start("choose what stays", len(gone))
    removals = _confirmed(known, Removals(ranked[gone], kept[gone], unknown, unknown), workers, progress)
    progress.finish(f"{len(gone)} of {len(known.same)} rows removed")
    return removals


def _chosen(known: Candidates, ranked: I64) -> Removals:
    rows, pairs = len(known.same), known.pairs
    degrees = np.bincount(pairs.ones_P, minlength=rows) + np.bincount(pairs.others_P, minlength=rows)
    starts = np.zeros(rows + 1, np.int64)
    np.cumsum(degrees, out=starts[1:])
    neighbours, counts = np.empty(2 * len(pairs.ones_P), np.int32), np.empty(2 * len(pairs.ones_P), np.int32)
    adjacent(pairs.ones_P, pairs.others_P, pairs.shared_P, starts[:-1].copy(), neighbours, counts)
    witness = np.full(rows, -1, np.int64)
    shared, union = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    choose(ranked, known.same, known.sets.sizes_D, starts, neighbours, counts, witness, shared, union)
    gone = np.flatnonzero(witness >= 0)
    return Removals(gone, witness[gone], shared[gone], union[gone])


def _confirmed(known: Candidates, claimed: Removals, workers: int, progress: Progress) -> Removals:
    """The same removals with what the words themselves say."""
    by_kept = np.argsort(claimed.kept_R, kind="stable")
    shared, union = np.empty_like(claimed.shared_R), np.empty_like(claimed.union_R)
    parts = [by_kept[at : at + _CONFIRMED] for at in range(0, len(by_kept), _CONFIRMED)]
    calls = ((_counted, known, claimed.rows_R[part], claimed.kept_R[part]) for part in parts)
    with ThreadPoolExecutor(workers) as pool:
        for part, counted in zip(parts, in_order(pool, workers, calls), strict=True):
            shared[part], union[part] = counted
            progress.advance(len(part))
    return claimed._replace(shared_R=shared, union_R=union)


def _counted(known: Candidates, ones: I64, others: I64) -> tuple[I64, I64]:
    rows, places = np.unique(np.concatenate((ones, others)), return_inverse=True)
    text, begins, ends = canonical_rows(known.texts.take(rows))
    shared, union = np.empty(len(ones), np.int64), np.empty(len(ones), np.int64)
    confirm(text, begins, ends, places[: len(ones)], places[len(ones) :], known.width, shared, union)
    return shared, union


def _carefully(known: Candidates, ranked: I64, threshold: Fraction) -> Removals:
    """The choice in Python, in which the words have the last word on every single removal."""

    def by_words(row: int, other: int) -> Overlap:
        shared, union = _counted(known, np.array([row]), np.array([other]))
        return Overlap(other, int(shared[0]), int(union[0]))

    set_of = {int(row): int(known.same[row]) for row in ranked}
    removed = greedy(ranked.tolist(), set_of, _PairIndex(known), by_words, threshold=threshold)
    columns = np.array(removed, np.int64).reshape(-1, 4).T
    return Removals(*(np.ascontiguousarray(column) for column in columns))


class _PairIndex:
    """The pairs as `keep.greedy` wants them."""

    def __init__(self, known: Candidates) -> None:
        self._near: dict[int, list[Overlap]] = {}
        self._kept: set[int] = set()
        sizes = known.sets.sizes_D
        for one, other, shared in zip(*(column.tolist() for column in known.pairs[:3]), strict=True):
            union = int(sizes[one] + sizes[other]) - shared
            self._near.setdefault(one, []).append(Overlap(other, shared, union))
            self._near.setdefault(other, []).append(Overlap(one, shared, union))

    def near(self, one: int) -> list[Overlap]:
        return [overlap for overlap in self._near.get(one, []) if overlap.other in self._kept]

    def keep(self, one: int) -> None:
        self._kept.add(one)
