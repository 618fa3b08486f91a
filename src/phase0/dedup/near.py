"""The remover from end to end: words, sets, pairs by one of two methods, a choice by rank, confirmation."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from phase0.dedup import Clusters, Method, exact
from phase0.dedup.bands import choose
from phase0.dedup.decide import Candidates, Removals, contested, removed_by_component, removed_greedily
from phase0.dedup.definition import checked_width, ratio
from phase0.dedup.flat import I64, Texts
from phase0.dedup.results import Deduplicated, Removed
from phase0.dedup.sets import read_sets
from phase0.errors import UsageError
from phase0.progress import Progress

_EXACT_FROM = Fraction(6, 10)  # below it prefixes are so long that the join takes longer than bands


class Asked(NamedTuple):
    """What near-duplicates are, and how they are looked for."""

    threshold: Fraction
    width: int
    method: Literal["exact", "minhash"]
    clusters: Clusters
    workers: int


def asked(
    threshold: str | float | Decimal | Fraction, shingle: int, *, method: Method, clusters: Clusters, workers: int
) -> Asked:
    """What a caller asks for, or UsageError."""
    for given, known in ((method, Method), (clusters, Clusters)):
        if given not in get_args(known):
            raise UsageError(f"{given!r} is none of {', '.join(get_args(known))}.")
    exactly = ratio(threshold)
    if method == "auto":
        method = "exact" if exactly >= _EXACT_FROM else "minhash"
    return Asked(exactly, checked_width(shingle), method, clusters, max(1, workers))


def candidates(texts: Texts, asked: Asked, progress: Progress) -> Candidates:
    """Read every text, and find the pairs that reach the threshold."""
    sets = read_sets(texts, asked.width, asked.workers, progress)
    same = exact.distinct(sets)
    if asked.method == "exact":
        pairs = exact.near_pairs(sets, same, asked.threshold, asked.workers, progress)
        return Candidates(texts, asked.width, sets, same, pairs, "exact join", exact=True, missed_share=0.0)
    from phase0.dedup.minhash import likely_pairs  # kernels that the join need not wait for

    banding = choose(asked.threshold)
    pairs = likely_pairs(sets, same, asked.threshold, banding, workers=asked.workers, progress=progress)
    method = f"minhash, {banding.bands} bands of {banding.rows}, every candidate counted exactly"
    missed = banding.missed(float(asked.threshold))
    progress.say(f"{method}: of pairs at exactly the threshold {missed:.2%} are expected to be missed")
    return Candidates(texts, asked.width, sets, same, pairs, method, exact=False, missed_share=missed)


def removals(known: Candidates, ranked: I64, asked: Asked, progress: Progress) -> Removals:
    """What goes, when the rows of `contested(known)` rank like this, best first."""
    if asked.clusters == "transitive":
        return removed_by_component(known, ranked, asked.workers, progress)
    return removed_greedily(known, ranked, asked.threshold, asked.workers, progress)


def near_duplicates(texts: Texts, rank: Sequence[Any] | None, asked: Asked, progress: Progress) -> Deduplicated:
    """See `phase0.dedup.dedup`."""
    known = candidates(texts, asked, progress)
    rows = len(known.same)
    if rank is not None and len(rank) != rows:
        raise UsageError(f"There are {rows} texts but {len(rank)} ranks. Every text needs one, in the same order.")
    ranked = contested(known)
    if rank is not None:
        ranked = np.array(sorted(ranked.tolist(), key=rank.__getitem__, reverse=True), np.int64)
    gone = removals(known, ranked, asked, progress)
    stays = np.ones(rows, np.bool_)
    stays[gone.rows_R] = False
    return Deduplicated(
        kept=np.flatnonzero(stays).tolist(),
        removed=[Removed(*row) for row in zip(*(column.tolist() for column in gone), strict=True)],
        wordless=int((known.same < 0).sum()),
        candidates=known.pairs.compared,
        missed_share=known.missed_share,
        exact=known.exact,
        method=known.method,
    )
