"""The remover from end to end: words, sets, pairs by one of two methods, a choice by rank, confirmation."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from phase0.dedup import Clusters, Method, exact
from phase0.dedup.bands import choose
from phase0.dedup.decide import Candidates, Removals, contested, removed_by_component, removed_greedily
from phase0.dedup.definition import checked_width, ratio
from phase0.dedup.flat import I64, Texts
from phase0.dedup.memory import BAND_KEY, BASE, ROW, SHARE_OF_FREE, WORTH_SAYING, Memory, Sample, free_memory, memory_size, plan
from phase0.dedup.results import Deduplicated, Removed
from phase0.dedup.search import NO_LIMIT, Looking, by_size
from phase0.dedup.sets import hashed, read_sets
from phase0.errors import UsageError
from phase0.progress import Progress

_MOST_A_BYTE = 4  # bytes of memory for each byte of text, in rows so short that they are not much else
_BYTES_A_ROW, _BYTES_A_SHINGLE = 1000, 6  # of English, where no sample can be had
_EXACT_FROM = Fraction(6, 10)  # below it prefixes are so long that the join takes longer than bands


class Asked(NamedTuple):
    """What near-duplicates are, and how they are looked for."""

    threshold: Fraction
    width: int
    method: Literal["exact", "minhash"]
    clusters: Clusters
    workers: int
    memory: Memory


def asked(
    threshold: str | float | Decimal | Fraction,
    shingle: int,
    *,
    method: Method,
    clusters: Clusters,
    workers: int,
    max_memory: str | int | None = None,
    folder: Path | None = None,
) -> Asked:
    """What a caller asks for, or UsageError. What does not fit into `max_memory`, or else into most of the memory that
    is free, goes to `folder`, or else to the system's place for temporary files."""
    for given, known in ((method, Method), (clusters, Clusters)):
        if given not in get_args(known):
            raise UsageError(f"{given!r} is none of {', '.join(get_args(known))}.")
    exactly = ratio(threshold)
    if method == "auto":
        method = "exact" if exactly >= _EXACT_FROM else "minhash"
    limit = memory_size(max_memory) or int(SHARE_OF_FREE * free_memory())
    by_method = (
        {"entries": float(1 - exactly)} if method == "exact" else {"row": ROW + BAND_KEY * choose(exactly).bands}
    )
    memory = Memory(limit, folder, **by_method)
    return Asked(exactly, checked_width(shingle), method, clusters, max(1, workers), memory)


def candidates(texts: Texts, asked: Asked, progress: Progress) -> Candidates:
    """Read every text, and find the pairs that reach the threshold."""
    on_disk = plan(asked.memory, _sample(texts, asked), progress)
    sets = read_sets(texts, asked.width, asked.workers, progress, asked.memory, on_disk=on_disk)
    same = exact.distinct(sets)
    looking = Looking(sets, asked.threshold, asked.workers, asked.memory)
    ordered = by_size(sets, np.flatnonzero(same == np.arange(len(same))))
    if asked.method == "exact":
        pairs = exact.find(looking, ordered, NO_LIMIT, progress)
        return Candidates(texts, asked.width, sets, same, pairs, "exact join", exact=True, missed_share=0.0)
    from phase0.dedup import minhash  # kernels that the join need not wait for

    banding = choose(asked.threshold)
    pairs = minhash.find(banding, looking, ordered, NO_LIMIT, progress)
    method = f"minhash, {banding.bands} bands of {banding.rows}, every candidate counted exactly"
    missed = banding.missed(float(asked.threshold))
    progress.say(f"{method}: of pairs at exactly the threshold {missed:.2%} are expected to be missed")
    return Candidates(texts, asked.width, sets, same, pairs, method, exact=False, missed_share=missed)


def _sample(texts: Texts, asked: Asked) -> Sample | None:
    """What there will be, from a part of it; None where nobody knows, or it is too little to matter."""
    size = texts.hint()
    if BASE + _MOST_A_BYTE * size < min(asked.memory.limit, BASE + WORTH_SAYING):
        return None
    part = texts.sample()
    if part is None:
        return Sample(size // _BYTES_A_ROW, size // _BYTES_A_SHINGLE, 1.0)
    hashes, counts = hashed(part.texts, asked.width)
    return Sample(len(counts), len(hashes), part.times)


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
