"""De-duplication: which rows say nearly the same, which of them stay, and how many are left.

`dedup` removes and shows its evidence; `remaining` counts again by another algorithm and shares nothing with it but the
words. Rows are compared by Jaccard similarity of their sets of word 5-grams (`shingle`), in integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from phase0.dedup.definition import On, checked_width, ratio, text_of
from phase0.dedup.results import Deduplicated, Pair, Remaining, Removed
from phase0.progress import SILENT, Progress

__all__ = ["Deduplicated", "On", "Pair", "Remaining", "Removed", "dedup", "ratio", "remaining", "text_of"]


def dedup(
    texts: Iterable[str],
    *,
    threshold: str | float | Decimal | Fraction = "0.8",
    shingle: int = 5,
    rank: Sequence[Any] | None = None,
    workers: int = 1,
    progress: Progress = SILENT,
) -> Deduplicated:
    """Remove near-duplicates, keeping of any two the one of higher rank; equal ranks and no ranks keep the earlier.

    With ranks that are all different the same rows stay in whatever order they come. `texts` is read once and not
    kept; `rank` is looked at only after the last text, so that one pass over a file can yield texts and append ranks.
    `workers` processes read the words (a script that asks for several needs the usual `if __name__ == "__main__"`).
    """
    from phase0.dedup.near import near_duplicates

    return near_duplicates(
        texts,
        threshold=ratio(threshold),
        width=checked_width(shingle),
        rank=rank,
        workers=workers,
        progress=progress,
    )


def remaining(
    texts: Iterable[str],
    *,
    threshold: str | float | Decimal | Fraction = "0.8",
    shingle: int = 5,
    progress: Progress = SILENT,
) -> Remaining:
    """Count every pair of near-duplicates: exactly, by an inverted index with its own hashes."""
    from phase0.dedup.recount import recount

    return recount(texts, ratio(threshold), checked_width(shingle), progress)
