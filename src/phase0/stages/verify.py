"""Is a finished dataset what it should be? Nothing is taken on trust: rows are read, scores checked, duplicates counted
again by another method than the one that removed them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from phase0.dataset import expand
from phase0.dedup import On, Pair, Remaining, remaining, text_of
from phase0.errors import UsageError, near_miss
from phase0.progress import SILENT, Progress
from phase0.records import CATEGORIES
from phase0.stages.certificate import certificates
from phase0.stages.criteria import checked_limits, criteria
from phase0.stages.provenance import chain, cost, dedup_impacts, rehearsed
from phase0.stages.statistics import Examination
from phase0.stages.verification import Duplicates, Example, Verification

__all__ = ["Verification", "verify"]


def verify(
    inputs: Iterable[str | Path],
    *,
    target_rows: int | None = None,
    min_quality: float | None = None,
    budget_usd: Decimal | str | None = None,
    min_teachers: int | None = None,
    max_duplicate_rate: float = 0.01,
    categories: Mapping[str, float] | None = None,
    threshold: str | float | Decimal = "0.8",
    shingle: int = 5,
    on: On = "both",
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Verification:
    """Check finished rows, count what they hold, and decide the criteria.

    Format, score range and duplicates are always checked, the rest where a limit is given. `categories` are wanted
    shares in percent; they are reported, not checked. Any file of rows with the standard fields can be verified; what
    only a manifest can tell (cost, what de-duplication removed) is unknown for files that phase0 did not make. Raises
    DataError for a file that cannot be read as rows, UsageError for a limit that no dataset can meet.
    """
    limits = checked_limits(target_rows, min_quality, budget_usd, min_teachers, max_duplicate_rate)
    wanted = _checked_categories(categories or {})
    text_of("", "", on)  # what is wrong is told before the first row is read
    paths = expand(inputs)
    rows = Examination(paths)
    left = remaining(
        rows.texts(on),
        threshold=threshold,
        shingle=shingle,
        expected=rows.promised(),
        workers=workers or 1,
        progress=progress,
    )
    found = rows.found(wanted)
    duplicates = _duplicates(left, paths, rows.lines, threshold=threshold, shingle=shingle)
    known = chain(paths)
    spent = cost(known)
    decided = criteria(found, duplicates, spent, limits)
    return Verification(
        passed=not any(criterion.failed for criterion in decided),
        **found._asdict(),
        duplicates=duplicates,
        contamination=certificates(known.made),
        dedup=dedup_impacts(known.made),
        cost=spent,
        criteria=decided,
        notes=known.gaps,
        rehearsal=rehearsed(known),
    )


def _checked_categories(wanted: Mapping[str, float]) -> Mapping[str, float]:
    for name, percent in wanted.items():
        if name not in CATEGORIES:
            raise UsageError(
                f"there is no category {name!r}.{near_miss(name, CATEGORIES)} Known: {', '.join(CATEGORIES)}."
            )
        if not 0 <= percent <= 100:
            raise UsageError(f"the wanted share of {name} is {percent:g}, not a percentage from 0 to 100")
    total = sum(wanted.values())
    if wanted and abs(total - 100) > 0.01:
        raise UsageError(f"the wanted shares of categories sum to {total:g}, not to 100 percent")
    return wanted


def _duplicates(
    left: Remaining,
    paths: Sequence[Path],
    places: Sequence[array[int]],
    *,
    threshold: str | float | Decimal,
    shingle: int,
) -> Duplicates:
    compared = sum(map(len, places))
    return Duplicates(
        threshold=str(threshold),
        shingle=shingle,
        compared=compared,
        pairs=left.pairs,
        rows=left.rows,
        rate=left.rows / compared if compared else None,
        wordless=left.wordless,
        examples=tuple(_example(pair, paths, places) for pair in left.examples),
    )


def _example(pair: Pair, paths: Sequence[Path], places: Sequence[array[int]]) -> Example:
    return Example(
        first=_place(pair.first, paths, places),
        second=_place(pair.second, paths, places),
        jaccard=round(pair.jaccard, 6),
    )


def _place(row: int, paths: Sequence[Path], places: Sequence[array[int]]) -> str:
    """`file:line` of the row-th text that was compared."""
    for path, lines in zip(paths, places, strict=True):
        if row < len(lines):
            return f"{path.name}:{lines[row]}"
        row -= len(lines)
    raise IndexError(row)
