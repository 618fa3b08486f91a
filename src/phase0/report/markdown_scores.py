"""The part of the report about judging, as Markdown. Pure: numbers in, lines out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from phase0.report.escape import code, prose
from phase0.report.judging import DimensionNumbers, ScoreNumbers
from phase0.report.student import told
from phase0.report.tables import NONE, Lines, bar, table
from phase0.stages.statistics import share

_LONGER = 0.5  # rank correlation from which scores are said to follow length


def scores_page(scores: ScoreNumbers) -> Lines:
    """Everything about one scoring: of dropped rows too."""
    return [
        *_student(scores),
        *_states(scores),
        *_histogram(scores),
        *_dimensions(scores),
        *_acceptance(scores),
        *_lengths(scores),
    ]


def _student(scores: ScoreNumbers) -> Lines:
    """Who scored what, where that was not the judge alone."""
    if scores.student is None:
        return []
    return [*(f"- {prose(line[:1].upper() + line[1:])}." for line in told(scores.student)), ""]


def _states(scores: ScoreNumbers) -> Lines:
    """How judging ended, where it did not end with a score for every row; and of a panel by judge."""
    total = sum(scores.states.values())
    if total == scores.states.get("scored", 0) and not scores.judges:
        return []
    by_judge = {"all": scores.states} | {code(name): states for name, states in scores.judges.items()}
    names = list(dict.fromkeys(state for states in by_judge.values() for state in states))
    rows = [(who, *(f"{states.get(name, 0):,}" for name in names)) for who, states in by_judge.items()]
    lost = total - scores.states.get("scored", 0)
    told = f"{lost:,} of {total:,} judged rows ({share(lost, total):.1%}) have no score and were dropped for that."
    return [told, "", *table(" | ".join(["judge", *(f">{prose(name)}" for name in names)]), rows)]


def _histogram(scores: ScoreNumbers) -> Lines:
    """All scores that were given, in steps of a whole point."""
    if not scores.scored:
        return []
    bins = _by_point(scores.histogram)
    most = max(bins.values())
    rows = [
        (f"{low}–{low + 1}", f"{bins[low]:,}", f"{share(bins[low], scores.scored):.1%}", bar(bins[low], most))
        for low in range(min(bins), 10)
    ]
    mean = "" if scores.mean is None else f"; their mean is {scores.mean:.2f}"
    above = "" if scores.threshold is None else f"; rows above {scores.threshold:g} were kept"
    judge = f" by {code(scores.judge)}" if scores.judge else ""
    lines = [f"Scores given{judge} to {scores.scored:,} rows before any was dropped{mean}{above}.", ""]
    return [*lines, *table("score | >rows | >share | ", rows)]


def _by_point(histogram: dict[str, int]) -> Counter[int]:
    bins = Counter[int]()
    for score, count in histogram.items():
        bins[min(9, math.floor(float(score)))] += count
    return bins


def _dimensions(scores: ScoreNumbers) -> Lines:
    if not scores.dimensions:
        return []
    bins = [_by_point(each.histogram) for each in scores.dimensions]
    rows = [
        (
            each.dimension,
            f"{each.mean:.2f}",
            *(f"{counts[low]:,}" for low in range(1, 10)),
            f"{each.commonest} ({each.share:.0%})",
        )
        for each, counts in zip(scores.dimensions, bins, strict=True)
    ]
    points = " | ".join(f">{low}–{low + 1}" for low in range(1, 10))
    return [*table(f"dimension | >mean | {points} | >commonest, rounded", rows), *_piled(scores.dimensions)]


def _piled(dimensions: tuple[DimensionNumbers, ...]) -> Iterator[str]:
    for each in dimensions:
        if each.piled:
            yield (
                f"**{each.dimension} says little**: {each.share:.0%} of the rows have a {each.commonest}, rounded. "
                "Look at some of them, or take another judge."
            )
            yield ""


def _acceptance(scores: ScoreNumbers) -> Lines:
    rows = [
        (
            code(each.source),
            f"{each.scored:,}",
            f"{each.kept:,}",
            f"{share(each.kept, each.scored):.1%}",
            f"{each.low:.1%} to {each.high:.1%}",
        )
        for each in scores.acceptance
    ]
    return table("source of the answer | >scored | >kept | >share | >95 % interval", rows) if rows else []


def _lengths(scores: ScoreNumbers) -> Lines:
    if not scores.lengths:
        return []
    rows = [
        (
            f"{each.least:,} or more",
            f"{each.rows:,}",
            NONE if each.mean is None else f"{each.mean:.2f}",
            f"{share(each.kept, each.rows):.1%}",
        )
        for each in scores.lengths
    ]
    lines = table("characters of the answer | >rows | >mean score | >kept", rows)
    if scores.length_correlation is None:
        return lines
    follows = " **Scores follow length.**" if scores.length_correlation > _LONGER else ""
    return [*lines, f"Rank correlation of score and length: {scores.length_correlation:+.2f}.{follows}", ""]
