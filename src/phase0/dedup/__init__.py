"""De-duplication: which rows say nearly the same, which of them stay, and how many are left.

`dedup` removes and shows its evidence; `remaining` counts again by another algorithm and shares nothing with it but the
words. Rows are compared by Jaccard similarity of their sets of word 5-grams (`shingle`), in integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from phase0.dedup.definition import On, checked_width, ratio, text_of
from phase0.dedup.results import Deduplicated, Pair, Remaining, Removed
from phase0.errors import DataError
from phase0.progress import SILENT, Progress

Method = Literal["auto", "exact", "minhash"]
Clusters = Literal["greedy", "transitive"]
Keep = Literal["best", "first", "longest"]

REMOVER = ("canonical", "hashing", "sorting", "joining", "confirming", "choosing")  # files of kernels, of the remover
COUNTER = ("canonical", "recounting")  # and of the second count

__all__ = [
    "COUNTER",
    "REMOVER",
    "Clusters",
    "Deduplicated",
    "Keep",
    "Method",
    "On",
    "Pair",
    "Remaining",
    "Removed",
    "dedup",
    "load_kernels",
    "ratio",
    "remaining",
    "text_of",
]


def dedup(
    texts: Iterable[str],
    *,
    against: Iterable[str] | None = None,
    threshold: str | float | Decimal | Fraction = "0.8",
    shingle: int = 5,
    rank: Sequence[Any] | None = None,
    method: Method = "auto",
    clusters: Clusters = "greedy",
    workers: int = 1,
    max_memory: str | int | None = None,
    progress: Progress = SILENT,
) -> Deduplicated:
    """Remove near-duplicates, keeping of any two the one of higher rank; equal ranks and no ranks keep the earlier.

    `texts` are strings, or an Arrow array of them. They are read once, and what is about to be removed once more, so
    that strings which can be drawn only once are held until the end. With ranks that are all different the same rows
    stay in whatever order they come. `rank` is looked at only after the last text, so that one pass over a file can
    yield texts and append ranks. `workers` are threads. With `clusters="transitive"` rows that a chain of
    near-duplicates connects leave one of them, also where its ends are unlike.

    Texts that are near-duplicates of one of `against` go, however they rank; those of `against` are neither removed nor
    compared with each other. What does not fit into `max_memory` ("8GiB", or bytes; else most of what is free) is done
    on disk and in parts, with the same answer.
    """
    load_kernels(progress)
    from phase0.dedup.memory import bounded
    from phase0.dedup.near import asked, near_duplicates

    how = asked(threshold, shingle, method=method, clusters=clusters, workers=workers, max_memory=max_memory)
    with bounded(how.memory):
        return near_duplicates(texts, against, rank, how, progress)


def remaining(
    texts: Iterable[str],
    *,
    threshold: str | float | Decimal | Fraction = "0.8",
    shingle: int = 5,
    expected: int | None = None,
    workers: int = 1,
    progress: Progress = SILENT,
) -> Remaining:
    """Count every pair of near-duplicates: exactly, by an inverted index with its own hashes.

    `texts` are strings, drawn once and in order, or an Arrow array of them; `expected` is how many there will be, for
    the progress bar alone.
    """
    least, width = ratio(threshold), checked_width(shingle)
    load_kernels(progress, COUNTER)
    from phase0.dedup.flat import texts_of
    from phase0.dedup.recount import recount

    known = texts_of(texts, once=True)
    return recount(
        known.chunks(),
        least,
        width,
        extent=known.hint(),
        expected=expected,
        workers=workers,
        progress=progress,
    )


def load_kernels(progress: Progress = SILENT, files: Sequence[str] = REMOVER) -> None:
    """Load the kernels of these files of `kernels`; where they must be compiled first, say so.

    They are kept beside their source, or else where NUMBA_CACHE_DIR or the user's cache is.
    """
    try:
        from phase0.dedup.kernels import compiling, keeping

        missing = [file for file in files if not compiling.is_loaded(file) and keeping.kept(file) is None]
    except (OSError, MemoryError) as error:
        raise DataError(f"LLVM, which loads kernels, cannot be loaded, likely for want of memory: {error}") from error
    if missing and not keeping.can_keep():
        progress.warn(
            "compiling the kernels of de-duplication, about ten seconds each time: there is no folder to keep them in. "
            "Let NUMBA_CACHE_DIR name one that can be written."
        )
    elif missing:
        progress.say("compiling the kernels of de-duplication, once on this machine: about ten seconds")
    for file in files:
        compiling.load(file)
