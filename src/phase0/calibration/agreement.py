"""Agreement of scores with labels, as pure functions of arrays; each takes a weight for every row.

Weights are what a bootstrap draws: a row drawn twice weighs 2, one not drawn 0. So a resample copies and sorts nothing,
and statistics that are given the same weights are paired. A statistic that is not defined (no rows, no spread) is nan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

BINS = 10
_STEEPEST = 50.0  # of a slope: at a gap of one point the odds are then e⁵⁰, which nobody tells from certainty
_HALVINGS = 60


class Contest(NamedTuple):
    """Who won, by cluster: `won` holds the pairs that were decided rightly (a tie is a half), `compared` all of them.

    `order` is 2 where every pair lies in the sums of both its rows, 1 where it lies in those of one cluster.
    """

    won: Floats
    compared: Floats
    order: int


def share(contest: Contest, weights: Floats) -> float:
    """The share of pairs decided rightly.

    Of order 2 it is a U-statistic, whose resamples are taken to first order: moving the weight of a row moves the
    pairs of that row, and each pair has two rows, so that the step is doubled (Hájek's projection).
    """
    whole = _ratio(float(contest.won.sum()), float(contest.compared.sum()))
    drawn = _ratio(float(weights @ contest.won), float(weights @ contest.compared))
    return whole + contest.order * (drawn - whole)


def won(gap: Floats, preference: Floats) -> Floats:
    """For each pair 1 where the gap of scores points where the preference does, 0 where it does not, 0.5 for a tie."""
    return 0.5 + 0.5 * np.sign(gap) * np.sign(preference)


def by_cluster(values: Floats, cluster: Whole, clusters: int) -> Floats:
    """The sum of values in each cluster."""
    return np.bincount(cluster, weights=values, minlength=clusters).astype(np.float64, copy=False)


class Rounds(NamedTuple):
    """Every row against every row with another label: how many were won, tied and played, by row."""

    won: Floats
    tied: Floats
    played: Floats


def against_all(scores: Floats, labels: Floats) -> Rounds:
    """Compare every row with all rows that have another label, in n log n for each distinct label."""
    won, tied, played = (np.zeros(len(scores)) for _ in range(3))
    for label in np.unique(labels):
        mine = labels == label
        for others, sign in ((labels < label, 1), (labels > label, -1)):
            ranked = np.sort(sign * scores[others])
            under = np.searchsorted(ranked, sign * scores[mine], side="left")
            up_to = np.searchsorted(ranked, sign * scores[mine], side="right")
            won[mine] += under + 0.5 * (up_to - under)
            tied[mine] += up_to - under
            played[mine] += len(ranked)
    return Rounds(won, tied, played)


def spearman(x: Floats, y: Floats) -> Callable[[Floats], float]:
    """Spearman's rank correlation: Pearson's of mid-ranks, which ties share."""
    levels = [np.unique(values, return_inverse=True)[1] for values in (x, y)]

    def of(weights: Floats) -> float:
        return _pearson(_midranks(levels[0], weights), _midranks(levels[1], weights), weights)

    return of


def _midranks(level: Whole, weights: Floats) -> Floats:
    counts = np.bincount(level, weights=weights)
    ranks: Floats = (np.cumsum(counts) - 0.5 * counts)[level]
    return ranks


def _pearson(x: Floats, y: Floats, weights: Floats) -> float:
    moments = _moments(x, y, weights)
    return _ratio(moments.xy, (moments.xx * moments.yy) ** 0.5)


def kappa(x: Floats, y: Floats) -> Callable[[Floats], float]:
    """Cohen's kappa with quadratic weights, of categories that are equally spaced numbers.

    With these weights the sums over the table of counts are moments: observed disagreement is the mean of (x - y)²,
    expected disagreement var x + var y + (mean x - mean y)², so kappa is 2 cov over the latter (Fleiss and Cohen 1973).
    """

    def of(weights: Floats) -> float:
        moments = _moments(x, y, weights)
        return _ratio(2 * moments.xy, moments.xx + moments.yy + moments.apart**2)

    return of


class _Moments(NamedTuple):
    xx: float
    yy: float
    xy: float
    apart: float  # mean of x less mean of y


def _moments(x: Floats, y: Floats, weights: Floats) -> _Moments:
    total = weights.sum()
    if not total:
        return _Moments(0.0, 0.0, 0.0, 0.0)
    mean_x, mean_y = weights @ x / total, weights @ y / total
    dx, dy = x - mean_x, y - mean_y
    return _Moments(
        float(weights @ (dx * dx) / total),
        float(weights @ (dy * dy) / total),
        float(weights @ (dx * dy) / total),
        float(mean_x - mean_y),
    )


def calibration_error(said: Floats, found: Floats, bin_of: Whole) -> Callable[[Floats], float]:
    """The expected calibration error: how far apart in a bin the means of what was said and found are, on average."""

    def of(weights: Floats) -> float:
        apart = np.bincount(bin_of, weights=weights * (said - found))
        return _ratio(np.abs(apart).sum(), weights.sum())

    return of


def bins(values: Floats) -> Whole:
    """Ten bins of about as many rows each, by rank; equal values share a bin."""
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    ranked = np.sort(values)
    edges = np.unique(ranked[[len(ranked) * place // BINS for place in range(1, BINS)]])
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def certainty(gap: Floats, right: Floats) -> Floats:
    """How likely each pair is decided rightly, by the size of its gap: a logistic curve through one half.

    Its slope is the likeliest one (Bradley and Terry 1952). The likelihood is concave, so that halving finds it.
    """
    size = np.abs(gap)
    low, high = -_STEEPEST, _STEEPEST
    for _ in range(_HALVINGS):
        slope = (low + high) / 2
        rising = size @ (right - _logistic(slope * size)) > 0
        low, high = (slope, high) if rising else (low, slope)
    return _logistic((low + high) / 2 * size)


def _logistic(values: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(0.5 * values))


def resamples(clusters: int, count: int, seed: int) -> Iterator[Floats]:
    """How often each cluster is drawn in a sample with replacement, `count` times: the bootstrap (Efron 1979)."""
    draw = np.random.default_rng(seed)
    for _ in range(count):
        yield np.bincount(draw.integers(0, clusters, clusters), minlength=clusters).astype(float)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
