"""The remover from end to end: words, sets, pairs by one of two methods, a choice by rank, confirmation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from phase0.dedup import Clusters, Method, exact
from phase0.dedup.bands import Banding, choose
from phase0.dedup.decide import Decided, Known, Rank, Removals, removed_by_component, removed_greedily
from phase0.dedup.definition import checked_width, ratio
from phase0.dedup.flat import I64, Both, Texts, texts_of
from phase0.dedup.keep import by_rank
from phase0.dedup.memory import (
    BAND_KEY,
    BASE,
    ROW,
    SHARE_OF_FREE,
    WORTH_SAYING,
    Memory,
    Sample,
    free_memory,
    memory_size,
    plan,
)
from phase0.dedup.pages import Reused
from phase0.dedup.results import Deduplicated, Removed
from phase0.dedup.search import Looking, Search
from phase0.dedup.sets import U64, hashed, rarity, read_sets
from phase0.dedup.threads import in_order
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
    if method == "exact":
        again = clusters == "greedy"  # chains of near-duplicates are followed over whole sets
        memory = Memory(limit, folder, row=ROW, entries=float(1 - exactly), prefixes=again)
    else:
        memory = Memory(limit, folder, row=ROW + BAND_KEY * choose(exactly).bands, entries=0.0)
    return Asked(exactly, checked_width(shingle), method, clusters, max(1, workers), memory)


def read(texts: Texts, asked: Asked, progress: Progress, fixed: Callable[[], int] = int) -> Known:
    """Read every text once; pairs are looked for when rows are chosen.

    `fixed` is asked when all are read: so many texts come first that are of another dataset.
    """
    sample, levels = _sampled(texts, asked)
    storage = plan(asked.memory, sample, progress)
    prefixes = asked.threshold if storage.prefixes else None
    memory = asked.memory if prefixes is None else asked.memory.of_prefixes()
    how = (texts, asked.width, asked.workers, progress, memory)
    sets = read_sets(*how, levels=levels, on_disk=storage.on_disk, prefixes=prefixes)
    looking = Looking(sets, asked.threshold, asked.workers, Reused(), asked.memory)
    search: Search = exact.Join(looking)
    banding, method, missed = how_found(asked, progress)
    if banding is not None:
        from phase0.dedup import minhash  # kernels that the join need not wait for

        search = minhash.Bands(looking, banding)
    with ThreadPoolExecutor(1) as beside:
        same = beside.submit(exact.distinct, sets)  # a kernel, while Python gathers where rows are
        of_others = fixed()
    return Known(
        texts=texts,
        width=asked.width,
        threshold=asked.threshold,
        sets=sets,
        same=same.result(),
        fixed=of_others,
        search=search,
        room=looking.room(),
        pages=looking.pages,
        workers=asked.workers,
        method=method,
        exact=asked.method == "exact",
        missed_share=missed,
    )


def how_found(asked: Asked, progress: Progress) -> tuple[Banding | None, str, float]:
    """The bands, if pairs are looked for in bands; the name of the method; and the share of pairs at exactly the
    threshold that it is expected to miss."""
    if asked.method == "exact":
        return None, "exact join", 0.0
    banding = choose(asked.threshold)
    method = f"minhash, {banding.bands} bands of {banding.rows}, every candidate counted exactly"
    missed = banding.missed(float(asked.threshold))
    progress.say(
        f"{method}: of pairs at exactly the threshold {missed:.2%} are expected to be missed, "
        "with fewer than 50 shingles up to 0.8 percentage points more"
    )
    return banding, method, missed


def _sampled(texts: Texts, asked: Asked) -> tuple[Sample | None, U64 | None]:
    """What there will be, and which shingles are common, from a part of it; None where nobody knows, or it is too
    little to matter."""
    size = texts.hint()
    if BASE + _MOST_A_BYTE * size < min(asked.memory.limit, BASE + WORTH_SAYING):
        return None, None
    part = texts.sample()
    if part is None:
        return Sample(size // _BYTES_A_ROW, size // _BYTES_A_SHINGLE, 1.0), None
    with ThreadPoolExecutor(asked.workers) as pool:
        drawn = list(in_order(pool, asked.workers, ((hashed, chunk, asked.width) for chunk in part.chunks)))
    rows, shingles = (sum(len(column[i]) for column in drawn) for i in (1, 0))
    return Sample(rows, shingles, part.times), rarity(hashes for hashes, _ in drawn)


def decided(known: Known, rank: Rank, asked: Asked, progress: Progress) -> Decided:
    """What goes, when rows rank like this."""
    by = removed_by_component if asked.clusters == "transitive" else removed_greedily
    return by(known, rank, progress)


def near_duplicates(
    texts: Iterable[str], against: Iterable[str] | None, rank: Sequence[Any] | None, asked: Asked, progress: Progress
) -> Deduplicated:
    """See `phase0.dedup.dedup`."""
    both = Both(texts_of(against if against is not None else ()), texts_of(texts))
    known = read(both, asked, progress, both.firsts)
    rows, fixed = len(known.same) - known.fixed, known.fixed
    if rank is not None and len(rank) != rows:
        raise UsageError(f"There are {rows} texts but {len(rank)} ranks. Every text needs one, in the same order.")
    gone, compared = decided(known, _Ranks(rank, rows, fixed), asked, progress)
    stays = np.ones(rows, np.bool_)
    stays[gone.rows_R - fixed] = False
    by_other = gone.kept_R < fixed
    own, other = (Removals(*(column[which] for column in gone)) for which in (~by_other, by_other))
    return Deduplicated(
        kept=np.flatnonzero(stays).tolist(),
        removed=_evidence(own.rows_R - fixed, own.kept_R - fixed, own.shared_R, own.union_R),
        wordless=int((known.same[fixed:] < 0).sum()),
        candidates=compared,
        missed_share=known.missed_share,
        exact=known.exact,
        method=known.method,
        against=_evidence(other.rows_R - fixed, *other[1:]),
    )


def _evidence(*columns: I64) -> list[Removed]:
    return [Removed(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


class _Ranks:
    """Ranks that the caller gave, of the rows behind those of another dataset."""

    def __init__(self, rank: Sequence[Any] | None, rows: int, fixed: int) -> None:
        self._rank, self._rows, self._fixed = rank, rows, fixed

    def classes(self) -> I64:
        places = np.arange(self._fixed + self._rows)
        places[self._fixed + np.array(by_rank(self._rank, self._rows), np.int64)] = places[self._fixed :].copy()
        return places

    def best_first(self, rows: I64, groups: I64) -> I64:  # noqa: ARG002 - all are told apart
        rank, fixed = self._rank, self._fixed
        if rank is None:
            return rows
        others, own = rows[rows < fixed], rows[rows >= fixed]
        ordered = sorted((own - fixed).tolist(), key=rank.__getitem__, reverse=True)
        return np.concatenate((others, np.array(ordered, np.int64) + fixed))
