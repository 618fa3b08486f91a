"""The remover from end to end: words, sets, signatures, bands, exact counts, greedy choice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import xxhash

from phase0.dedup import bands, minhash
from phase0.dedup.jaccard import Confirmation, Jaccard
from phase0.dedup.keep import by_rank, greedy
from phase0.dedup.results import Deduplicated
from phase0.dedup.shingles import I64, Sets, shingle_sets, tokenise
from phase0.errors import UsageError
from phase0.progress import Progress


class Distinct(NamedTuple):
    """Rows with equal sets, collapsed."""

    sets: Sets
    set_of: list[int]  # of each row; -1 for a row without tokens


def near_duplicates(
    texts: Iterable[str],
    *,
    threshold: Fraction,
    width: int,
    rank: Sequence[Any] | None,
    workers: int,
    progress: Progress,
) -> Deduplicated:
    """See `phase0.dedup.dedup`."""
    tokenised = tokenise(texts, workers=workers, progress=progress)
    rows = len(tokenised.starts_D1) - 1
    if rank is not None and len(rank) != rows:
        raise UsageError(f"There are {rows} texts but {len(rank)} ranks. Every text needs one, in the same order.")
    progress.start("compare signatures", None)
    distinct = collapse(shingle_sets(tokenised, width))
    banding = bands.choose(threshold)
    buckets = bands.shared_buckets(minhash.signatures(distinct.sets), banding)
    index = bands.BandIndex(buckets, Jaccard(distinct.sets, threshold))
    progress.finish(f"{len(distinct.sets.sizes())} different texts, {banding.bands} bands of {banding.rows}")
    confirm = Confirmation(tokenised, width)
    order = by_rank(rank, rows)
    removed = greedy(order, distinct.set_of, index, confirm, threshold=threshold, progress=progress)
    gone = {removal.row for removal in removed}
    return Deduplicated(
        kept=[row for row in range(rows) if row not in gone],
        removed=removed,
        wordless=distinct.set_of.count(-1),
        candidates=index.counted,
        missed_share=banding.missed(float(threshold)),
        exact=False,
        method=f"minhash, {banding.bands} bands of {banding.rows}, every candidate counted exactly",
    )


def collapse(sets: Sets) -> Distinct:
    """Equal sets become one, numbered by first appearance. Equal means the same 128-bit xxh3 of the hashes."""
    known: dict[bytes, int] = {}
    firsts: list[int] = []
    set_of: list[int] = []
    for row, size in enumerate(sets.sizes().tolist()):
        if not size:
            set_of.append(-1)
            continue
        number = known.setdefault(xxhash.xxh3_128_digest(sets.row(row).data), len(known))
        if number == len(firsts):
            firsts.append(row)
        set_of.append(number)
    chosen: I64 = np.array(firsts, np.int64)
    return Distinct(sets.take(chosen), set_of)
