"""Every figure of one set of labels, with its interval.

Intervals are bootstraps over questions, not over rows: what is said of two answers to one question goes together. The
same resamples serve all figures, so that a difference of two is paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from phase0.calibration import agreement
from phase0.calibration.agreement import Contest, Floats, Whole
from phase0.calibration.labels import Scale
from phase0.calibration.results import Baseline, Baselines, Estimate

LEVEL = 0.95
_LOW, _HIGH = 1.0, 10.0  # the scale of scorers
_Statistic = Callable[[Floats], float]


class Rows(NamedTuple):
    """Labelled pairs, or labelled answers, in columns. Of a pair each figure is the second's less the first's."""

    score: Floats
    length: Floats  # in characters
    label: Floats
    question: Whole  # numbers from 0 on, without gaps

    def only(self, places: Whole) -> Rows:
        """These rows alone, with their questions numbered anew."""
        score, length, label = (column[places] for column in self[:3])
        return Rows(score, length, label, np.unique(self.question[places], return_inverse=True)[1])

    @property
    def questions(self) -> int:
        return int(self.question.max()) + 1 if len(self.question) else 0


class Resampling(NamedTuple):
    """How many resamples are drawn, and from which seed."""

    times: int
    seed: int


def figures(
    pairs: Rows, points: Rows, scale: Scale | None, *, all_with_all: bool, threshold: float, draws: Resampling
) -> dict[str, Any]:
    """The figures of a `Calibration`, by field.

    Which answer is better is asked of the pairs, or, with `all_with_all`, of points with different labels.
    """
    versus = _all_with_all(points) if all_with_all else _in_pairs(pairs)
    won = _estimates(versus.statistics, versus.questions, draws)
    rows = points if len(points.label) else pairs
    finer = _of_points(points, scale, threshold) if scale and len(points.label) else _of_pairs(pairs)
    by_question = {name: _weighing(statistic, rows.question) for name, statistic in finer.items()}
    chance = Baseline(0.5, (0.5, 0.5)) if versus.pairs else Baseline(None, None)
    return {
        "pairs": versus.pairs,
        "ties": versus.ties,
        "pairwise_accuracy": won["scorer"].value,
        "interval": won["scorer"].interval,
        "baselines": Baselines(Baseline(won["longer"].value, won["longer"].interval), chance),
        "difference_to_longer": won["difference"],
        "compared": "all" if all_with_all else "pairs",
        "points": len(points.label),
        "scale": (scale.low, scale.high) if scale and len(points.label) else None,
    } | _estimates(by_question, rows.questions, draws)


class _Versus(NamedTuple):
    """The scorer's answers to which of two is better, and those of length."""

    pairs: int
    ties: int
    questions: int
    scorer: Contest
    longer: Contest

    @property
    def statistics(self) -> dict[str, _Statistic]:
        return {
            "scorer": lambda weights: agreement.share(self.scorer, weights),
            "longer": lambda weights: agreement.share(self.longer, weights),
            "difference": lambda weights: agreement.share(self.scorer, weights) - agreement.share(self.longer, weights),
        }


def _in_pairs(pairs: Rows) -> _Versus:
    compared = agreement.by_cluster(np.ones(len(pairs.label)), pairs.question, pairs.questions)
    scorer, longer = (
        Contest(agreement.by_cluster(agreement.won(gap, pairs.label), pairs.question, pairs.questions), compared, 1)
        for gap in (pairs.score, pairs.length)
    )
    return _Versus(len(pairs.label), int((pairs.score == 0).sum()), pairs.questions, scorer, longer)


def _all_with_all(points: Rows) -> _Versus:
    of_score, of_length = (agreement.against_all(values, points.label) for values in (points.score, points.length))
    scorer, longer = (
        Contest(
            agreement.by_cluster(rounds.won, points.question, points.questions),
            agreement.by_cluster(rounds.played, points.question, points.questions),
            2,
        )
        for rounds in (of_score, of_length)
    )
    pairs, ties = (round(each.sum() / 2) for each in (of_score.played, of_score.tied))  # each is in two rows' sums
    return _Versus(pairs, ties, points.questions, scorer, longer)


def _of_pairs(pairs: Rows) -> dict[str, _Statistic]:
    """Of pairs: whether the gap grows with the preference, and how sure it is of its verdict."""
    right = agreement.won(pairs.score, pairs.label)
    said = agreement.certainty(pairs.score, right)
    return {
        "spearman": agreement.spearman(pairs.score, pairs.label),
        "kappa": agreement.kappa(np.sign(pairs.score), np.sign(pairs.label)),
        "calibration_error": agreement.calibration_error(said, right, agreement.bins(np.abs(pairs.score))),
    }


def _of_points(points: Rows, scale: Scale, threshold: float) -> dict[str, _Statistic]:
    """Of points: scores are laid on the scale of the labels, end on end.

    Kappa compares whole numbers of that scale; of good and bad, good is what a threshold would keep.
    """
    said = scale.low + (points.score - _LOW) / (_HIGH - _LOW) * (scale.high - scale.low)
    ours = (points.score > threshold).astype(float) if scale.marks else np.floor(said + 0.5)
    return {
        "spearman": agreement.spearman(points.score, points.label),
        "kappa": agreement.kappa(ours, np.floor(points.label + 0.5)),
        "calibration_error": agreement.calibration_error(said, points.label, agreement.bins(points.score)),
    }


def _weighing(statistic: _Statistic, question: Whole) -> _Statistic:
    """A statistic of rows as one of questions: each row weighs what its question does."""
    return lambda weights: statistic(weights[question])


def _estimates(statistics: Mapping[str, _Statistic], questions: int, draws: Resampling) -> dict[str, Estimate]:
    """Each statistic on the whole, and the interval of what it is on the resamples."""
    if not questions:
        return dict.fromkeys(statistics, Estimate(None, None))
    resampled: dict[str, list[float]] = {name: [] for name in statistics}
    for weights in agreement.resamples(questions, draws.times, draws.seed):
        for name, statistic in statistics.items():
            resampled[name].append(statistic(weights))
    whole = np.ones(questions)
    return {name: _estimate(statistic(whole), resampled[name]) for name, statistic in statistics.items()}


def _estimate(value: float, resampled: Sequence[float]) -> Estimate:
    known = [each for each in resampled if not math.isnan(each)]
    if math.isnan(value) or not known:
        return Estimate(None, None)
    tail = (1 - LEVEL) / 2
    low, high = (float(edge) for edge in np.quantile(known, (tail, 1 - tail)))
    return Estimate(round(value, 6), (round(low, 6), round(high, 6)))
