"""What a report says of judging: who judged, in which states rows ended, and what speaks for bias or for scores that
say nothing. Gathered from the figures of a manifest; what those do not tell is left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from phase0.dataset import Made, Manifest
from phase0.records import DIMENSIONS
from phase0.report.student import StudentNumbers, student_numbers
from phase0.stages.output import relative
from phase0.stages.provenance import who
from phase0.stages.statistics import share

PILED = 0.6
"""The share of rows with one and the same whole point from which a dimension says little. Safety is left out: most
answers are safe, and get one value for it."""

_Z = 1.959964  # two-sided 95 %


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """Of one source, the rows with a score, those that were kept, and the 95 % interval (Wilson) of their share."""

    source: str
    scored: int
    kept: int
    low: float
    high: float


class LengthBin(msgspec.Struct, frozen=True, kw_only=True):
    """Rows whose answers have at least so many characters, up to the next bin."""

    least: int
    rows: int
    kept: int
    mean: float | None  # of their scores


class DimensionNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """The scores of one dimension. `commonest` is the whole point, rounded half up, that most rows have, and `share` is
    theirs of all: scores that are expectations differ in tenths where the judge says the same."""

    dimension: str
    mean: float
    histogram: dict[str, int]
    commonest: int
    share: float
    piled: bool  # so many have it that the dimension says little


class ScoreNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """The scores that one stage gave, to kept rows and dropped ones."""

    judge: str | None
    output: str
    threshold: float | None
    scored: int
    mean: float | None
    histogram: dict[str, int]  # rows by score
    states: dict[str, int]  # judged rows by how that ended
    judges: dict[str, dict[str, int]]  # of a panel: the same by judge
    student: StudentNumbers | None  # that scored what the judges were not asked about
    acceptance: tuple[Acceptance, ...]  # most rows first
    lengths: tuple[LengthBin, ...]
    length_correlation: float | None  # Spearman's, of score and length
    dimensions: tuple[DimensionNumbers, ...]


def score_numbers(made: Made, root: Path) -> ScoreNumbers:
    """What the manifest of a score stage tells."""
    manifest = made.manifest
    counts = _histogram(manifest.figures.get("histogram"))
    return ScoreNumbers(
        judge=who(manifest),
        output=relative(made.path, root),
        threshold=number(manifest.settings.get("threshold")),
        scored=sum(counts.values()),
        mean=number(manifest.figures.get("mean")),
        histogram=counts,
        states=_counts(manifest.figures.get("states")),
        judges={name: _counts(states) for name, states in _table(manifest, "judges").items()},
        student=student_numbers(manifest),
        acceptance=tuple(_acceptance(manifest)),
        lengths=_lengths(manifest),
        length_correlation=number(manifest.figures.get("length_correlation")),
        dimensions=tuple(_dimensions(manifest)),
    )


def number(value: object) -> float | None:
    """A number from a manifest; None where there is none."""
    try:
        return float(value) if isinstance(value, (str, int, float)) else None
    except ValueError:
        return None


def wilson(some: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927): honest where rows are few and where the share is near 0 or 1."""
    if not of:
        return 0.0, 1.0
    rate, more = some / of, _Z * _Z / of
    middle = (rate + more / 2) / (1 + more)
    half = _Z / (1 + more) * ((rate * (1 - rate) + more / 4) / of) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def _table(manifest: Manifest, name: str) -> Mapping[str, Any]:
    found = manifest.figures.get(name)
    return found if isinstance(found, dict) else {}


def _counts(found: object) -> dict[str, int]:
    return {name: rows for name, rows in found.items() if isinstance(rows, int)} if isinstance(found, dict) else {}


def _histogram(found: object) -> dict[str, int]:
    return {score: rows for score, rows in _counts(found).items() if number(score) is not None}


def _acceptance(manifest: Manifest) -> Iterator[Acceptance]:
    for source, counts in _table(manifest, "sources").items():
        found = _counts(counts)
        scored, kept = found.get("scored", 0), found.get("kept", 0)
        if 0 <= kept <= scored > 0:
            low, high = wilson(kept, scored)
            yield Acceptance(source=source, scored=scored, kept=kept, low=round(low, 4), high=round(high, 4))


def _lengths(manifest: Manifest) -> tuple[LengthBin, ...]:
    try:
        return msgspec.convert(manifest.figures.get("lengths", ()), tuple[LengthBin, ...])
    except msgspec.ValidationError:
        return ()  # of a version that told it otherwise


def _dimensions(manifest: Manifest) -> Iterator[DimensionNumbers]:
    for name in DIMENSIONS:
        counts = _histogram(_table(manifest, "dimensions").get(name))
        rows = sum(counts.values())
        if rows:
            points = Counter[int]()
            for score, count in counts.items():
                points[math.floor(float(score) + 0.5)] += count
            commonest = max(points, key=lambda point: (points[point], point))
            at_one = share(points[commonest], rows)
            yield DimensionNumbers(
                dimension=name,
                mean=round(sum(float(score) * count for score, count in counts.items()) / rows, 3),
                histogram=counts,
                commonest=commonest,
                share=round(at_one, 4),
                piled=at_one > PILED and name != "safety",
            )
