"""What a student is taught for calibration: labelled answers, each with four scores from 1 to 10.

Scores that rows carry are taken as they are. Labels are laid from 1 to 10 by a rule that looks at no answer, so that a
student of pairs or marks learns no more than they say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

from phase0.calibration.labels import Answer, Labels
from phase0.calibration.layouts import load
from phase0.calibration.scorers import carries_scores, scores_in
from phase0.dataset import expand
from phase0.records import DIMENSIONS, Scores

Lessons = dict[Answer, tuple[float, ...]]
"""Scores by answer, in the order of DIMENSIONS."""

_LOW, _HIGH = 1.0, 10.0
_APART = 2.0  # points: a mark says on which side of the threshold an answer is, and leaves a student room beyond


def lessons_in(files: Iterable[str | Path], threshold: float) -> Lessons:
    """What files teach: rows that `phase0 score` wrote, or labels in any layout. An answer in several of them has the
    mean. Raises DataError for a file that holds neither."""
    found: defaultdict[Answer, list[tuple[float, ...]]] = defaultdict(list)
    for path in expand(files):
        lessons = _carried(path) if carries_scores(path) else lessons_of(load(path), threshold)
        for answer, scores in lessons.items():
            found[answer].append(scores)
    return {answer: tuple(map(fmean, zip(*every, strict=True))) for answer, every in found.items()}


def lessons_of(labels: Labels, threshold: float) -> Lessons:
    """What labels teach: scores laid end on end on 1 to 10; marks as two points above or below the threshold; and of
    pairs alone the mean share of its comparisons that an answer wins, 1 for none and 10 for all."""
    found: defaultdict[Answer, list[float]] = defaultdict(list)
    for point in labels.points:
        found[point.answer].append(_laid(point.score, labels, threshold))
    for pair in () if labels.points else labels.pairs:
        for answer, share in ((pair.first, (1 - pair.preference) / 2), (pair.second, (1 + pair.preference) / 2)):
            found[answer].append(_LOW + share * (_HIGH - _LOW))
    return {answer: (fmean(scores),) * len(DIMENSIONS) for answer, scores in found.items()}


def _laid(score: float, labels: Labels, threshold: float) -> float:
    scale = labels.scale
    if scale is None or scale.high == scale.low:
        return (_LOW + _HIGH) / 2
    if scale.marks:
        return threshold + (_APART if score == scale.high else -_APART)
    return _LOW + (score - scale.low) / (scale.high - scale.low) * (_HIGH - _LOW)


def _carried(path: Path) -> Lessons:
    return {answer: _four(score) for answer, score in scores_in([path]).items()}


def _four(score: Scores | float) -> tuple[float, ...]:
    if isinstance(score, Scores):
        return tuple(getattr(score, dimension) for dimension in DIMENSIONS)
    return (score,) * len(DIMENSIONS)
