"""Each statistic against its textbook definition said slowly, and against published worked examples."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.calibration import agreement
from phase0.calibration.agreement import Contest

few = st.integers(0, 4).map(float)
columns = st.lists(st.tuples(few, few, st.integers(0, 3)), min_size=2, max_size=30)


def arrays(rows):
    return tuple(np.array(column, dtype=float) for column in zip(*rows, strict=True))


def drawn(rows):
    """The rows as a resample has them: each as often as its weight says."""
    return [(x, y) for x, y, weight in rows for _ in range(weight)]


def same(one: float, other: float) -> bool:
    return (math.isnan(one) and math.isnan(other)) or one == pytest.approx(other, abs=1e-9)


def slow_ranks(values):
    return [sum(other < value for other in values) + (values.count(value) + 1) / 2 for value in values]


def slow_pearson(x, y):
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    xx = sum((a - mean_x) ** 2 for a in x)
    yy = sum((b - mean_y) ** 2 for b in y)
    xy = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return xy / math.sqrt(xx * yy) if xx * yy else math.nan


def slow_kappa(pairs):
    """Cohen's weighted kappa by its table of counts, with weights (i - j)²."""
    labels = range(5)
    total = len(pairs)
    seen = sum((a - b) ** 2 for a, b in pairs) / total
    of_a = [sum(a == label for a, _ in pairs) / total for label in labels]
    of_b = [sum(b == label for _, b in pairs) / total for label in labels]
    expected = sum(of_a[i] * of_b[j] * (i - j) ** 2 for i in labels for j in labels)
    return 1 - seen / expected if expected else math.nan


@given(columns)
def test_spearman_with_weights_is_that_of_the_rows_drawn(rows) -> None:
    x, y, weights = arrays(rows)
    taken = drawn(rows)
    expected = slow_pearson(*(slow_ranks(list(each)) for each in zip(*taken, strict=True))) if taken else math.nan
    assert same(agreement.spearman(x, y)(weights), expected)


def test_spearman_of_the_textbook_example_of_iq_and_television() -> None:
    iq = np.array([106, 100, 86, 101, 99, 103, 97, 113, 112, 110], dtype=float)
    hours = np.array([7, 27, 2, 50, 28, 29, 20, 12, 6, 17], dtype=float)
    assert agreement.spearman(iq, hours)(np.ones(10)) == pytest.approx(-29 / 165)


@given(columns)
def test_kappa_with_weights_is_that_of_the_table_of_the_rows_drawn(rows) -> None:
    x, y, weights = arrays(rows)
    taken = drawn(rows)
    assert same(agreement.kappa(x, y)(weights), slow_kappa(taken) if taken else math.nan)


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [([0, 1, 2, 3], 1.0), ([3, 2, 1, 0], -1.0), ([1, 2, 3, 4], 1 - 1 / 3.5), ([2, 2, 2, 2], 0.0)],
)
def test_kappa_counts_a_shift_against_a_scorer_that_correlation_forgives(theirs, expected) -> None:
    found = agreement.kappa(np.arange(4.0), np.array(theirs, dtype=float))(np.ones(4))
    assert found == pytest.approx(expected)


@given(st.lists(st.tuples(few, few, st.integers(0, 2)), min_size=1, max_size=25))
def test_calibration_error_is_the_weighted_mean_of_the_distances_in_bins(rows) -> None:
    said, found, weights = arrays(rows)
    bin_of = agreement.bins(said)
    total = weights.sum()
    expected = math.nan
    if total:
        expected = 0.0
        for place in set(bin_of.tolist()):
            inside = [row for row, where in zip(rows, bin_of, strict=True) if where == place]
            count = sum(weight for *_, weight in inside)
            if count:
                apart = sum(weight * (a - b) for a, b, weight in inside) / count
                expected += count / total * abs(apart)
    assert same(agreement.calibration_error(said, found, bin_of)(weights), expected)


@given(st.lists(few, min_size=1, max_size=60))
def test_equal_values_share_a_bin_and_bins_keep_the_order(values) -> None:
    bin_of = agreement.bins(np.array(values)).tolist()
    for (a, i), (b, j) in combinations(zip(values, bin_of, strict=True), 2):
        assert i == j if a == b else (i <= j) == (a < b) or i == j
    assert max(bin_of) < agreement.BINS


def test_bins_of_distinct_values_hold_equally_many() -> None:
    assert set(np.bincount(agreement.bins(np.arange(1000.0))).tolist()) == {100}


@given(st.lists(st.tuples(few, few), min_size=2, max_size=30))
def test_every_row_against_all_others_is_counted_as_two_loops_count(rows) -> None:
    scores, labels = arrays(rows)
    rounds = agreement.against_all(scores, labels)
    won, tied, played = ([0.0] * len(rows) for _ in range(3))
    for i, j in combinations(range(len(rows)), 2):
        if labels[i] == labels[j]:
            continue
        right = 0.5 if scores[i] == scores[j] else float((scores[i] > scores[j]) == (labels[i] > labels[j]))
        for place in (i, j):
            won[place] += right
            tied[place] += right == 0.5
            played[place] += 1
    assert rounds.won.tolist() == won
    assert rounds.tied.tolist() == tied
    assert rounds.played.tolist() == played


@given(st.lists(st.tuples(few, st.sampled_from([-1.0, -0.3, 0.5, 1.0])), min_size=1, max_size=30))
def test_a_pair_is_won_by_the_sign_of_its_gap_and_a_tie_is_a_half(rows) -> None:
    gap, preference = arrays(rows)
    gap = gap - 2
    expected = [0.5 if g == 0 else float((g > 0) == (p > 0)) for g, p in zip(gap, preference, strict=True)]
    assert agreement.won(gap, preference).tolist() == expected


def test_the_share_of_pairs_in_a_resample_is_that_of_the_clusters_drawn() -> None:
    contest = Contest(np.array([2.0, 0.5, 3.0]), np.array([2.0, 1.0, 4.0]), 1)
    assert agreement.share(contest, np.ones(3)) == pytest.approx(5.5 / 7)
    assert agreement.share(contest, np.array([0.0, 2.0, 1.0])) == pytest.approx(4 / 6)


def test_the_interval_of_all_with_all_is_that_of_recounting_every_resample() -> None:
    draw = np.random.default_rng(3)
    labels = (draw.random(300) < 0.4).astype(float)
    scores = np.round(labels + draw.normal(0, 1.5, 300), 1)
    rounds = agreement.against_all(scores, labels)
    contest = Contest(rounds.won, rounds.played, 2)
    fast, slow = [], []
    for weights in agreement.resamples(300, 300, seed=0):
        fast.append(agreement.share(contest, weights))
        rows = np.repeat(np.arange(300), weights.astype(int))
        again = agreement.against_all(scores[rows], labels[rows])
        slow.append(again.won.sum() / again.played.sum())
    assert np.quantile(fast, [0.025, 0.975]) == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.004)
    assert np.corrcoef(fast, slow)[0, 1] > 0.99


def test_the_slope_of_certainty_is_the_likeliest_one() -> None:
    draw = np.random.default_rng(1)
    gap = draw.normal(0, 2, 4000)
    right = (draw.random(4000) < 1 / (1 + np.exp(-0.8 * np.abs(gap)))).astype(float)
    said = agreement.certainty(gap, right)
    slope = np.median(np.log(said / (1 - said)) / np.abs(gap))
    assert slope == pytest.approx(0.8, abs=0.1)

    def likelihood(k: float) -> float:
        p = 1 / (1 + np.exp(-k * np.abs(gap)))
        return float((right * np.log(p) + (1 - right) * np.log(1 - p)).sum())

    assert all(likelihood(slope) >= likelihood(slope + step) for step in (-0.01, 0.01))


def test_a_scorer_that_is_mostly_wrong_is_certain_of_less_than_a_half() -> None:
    said = agreement.certainty(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 0.0, 1.0, 0.0]))
    assert (said < 0.5).all()


def test_resamples_draw_as_many_clusters_as_there_are_and_the_same_from_one_seed() -> None:
    first = list(agreement.resamples(7, 20, seed=5))
    assert all(weights.sum() == 7 for weights in first)
    assert [weights.tolist() for weights in first] == [w.tolist() for w in agreement.resamples(7, 20, seed=5)]
    assert [weights.tolist() for weights in first] != [w.tolist() for w in agreement.resamples(7, 20, seed=6)]
