"""What an audit states holds, whatever the student is like; and the sample it is held against covers the data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from phase0.errors import UsageError
from phase0.scoring.audit import (
    Draw,
    Terms,
    agreement,
    allowed,
    audit_rows,
    band,
    bearable,
    check_terms,
    compared,
    highest,
    interval,
    lowest,
    next_step,
    worthwhile,
)
from phase0.scoring.sampling import Frame, blind, covering


def frame(count: int, strata: int = 3, seed: int = 0) -> Frame:
    draw = np.random.default_rng(seed)
    keys = draw.choice(1 << 62, count, replace=False).astype(np.uint64)
    return Frame(keys, np.array([draw.integers(0, strata, count), draw.integers(0, 10, count)]))


@given(st.integers(1, 400), st.data())
def test_the_bounds_of_a_share_are_those_of_clopper_and_pearson(rows: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, rows))
    high = highest(count, rows, 0.05)
    assert high == 1 if count == rows else binom.cdf(count, rows, high) == pytest.approx(0.05, abs=1e-6)
    assert lowest(count, rows, 0.05) <= count / rows <= high
    seen, low, top = interval(count, rows, 0.1)
    assert (seen, low, top) == (count / rows, lowest(count, rows, 0.05), high)


def test_a_share_of_nothing_may_be_anything() -> None:
    assert interval(0, 0, 0.05) == (0.0, 0.0, 1.0)


def test_a_student_that_is_too_bad_is_accepted_no_more_often_than_was_agreed() -> None:
    terms, draw = Terms(), np.random.default_rng(0)
    rows, open_ = 5_000, 4_500
    audited = audit_rows(rows, terms)
    bad = int(rows * (1 - terms.agreement)) + audited  # so many that even with the audit's own mended it is too bad
    world = np.zeros(open_, np.bool_)
    world[:bad] = True
    accepted = 0
    for _ in range(2_000):
        looks = [int(draw.permutation(world)[:audited].sum()) for _ in range(terms.rounds)]
        accepted += any(agreement(k, Draw(rows, open_, audited), terms.risk) >= terms.agreement for k in looks)
    assert accepted / 2_000 <= 1 - terms.confidence


def test_what_an_audit_states_is_no_more_than_the_truth_in_all_but_a_few_draws() -> None:
    draw, terms = np.random.default_rng(1), Terms()
    rows, open_, audited = 4_000, 3_600, 400
    held = 0
    for _ in range(2_000):
        world = draw.random(open_) < 0.02
        left = world[audited:].sum()  # the first rows are as random as any
        stated = agreement(int(world[:audited].sum()), Draw(rows, open_, audited), terms.risk)
        held += stated <= 1 - left / rows
    assert held / 2_000 >= 1 - terms.risk


@given(st.floats(0.6, 0.99), st.integers(1, 5), st.integers(100, 10**6))
def test_an_audit_is_long_enough_to_pass_with_half_the_errors_that_are_allowed(
    wanted: float, rounds: int, rows: int
) -> None:
    terms = Terms(agreement=wanted, rounds=rounds)
    audited = audit_rows(rows, terms)
    if audited < 0.9 * rows:
        assert allowed(Draw(rows, int(0.9 * rows), audited), terms) >= int(audited * (1 - wanted) / 2)


def test_an_audit_that_is_too_short_allows_no_error() -> None:
    assert allowed(Draw(1000, 900, 20), Terms()) == -1
    assert bearable(-1, 20, 100) == 0.0
    doubts = np.full(900, 0.01)
    assert band(doubts, Draw(1000, 900, 20), 100, Terms()).all()


@given(st.integers(0, 2**32 - 1))
def test_the_band_is_the_most_doubtful_rows_and_no_more_than_need_be(seed: int) -> None:
    doubts = np.round(np.random.default_rng(seed).beta(1, 6, 2_000), 3)
    draw, terms = Draw(2_200, 2_000, 400), Terms()
    banded = band(doubts, draw, 200, terms)
    rate = bearable(allowed(draw, terms), 400, 200)
    if banded.any() and not banded.all():
        assert doubts[banded].min() > doubts[~banded].max()
        most = doubts == doubts[banded].min()
        assert doubts[~banded | most].sum() > rate * len(doubts)
    assert doubts[~banded].sum() <= rate * len(doubts)


def test_a_student_without_doubts_leaves_nothing_to_the_judge() -> None:
    assert not band(np.zeros(2_000), Draw(2_200, 2_000, 400), 200, Terms()).any()


def test_an_audit_counts_what_was_left_to_the_student_alone() -> None:
    keeps = np.array([1, 1, 0, 0, 1, 0], bool)
    judge = np.array([1, 0, 1, 0, 0, 1], bool)
    doubtful = np.array([0, 0, 0, 0, 1, 1], bool)
    found = compared(keeps, judge, doubtful, unread=1)
    assert found == (6, 2, 2, 1, 1, 1)
    assert found.wrong == 2


def test_an_audit_that_is_missed_buys_labels_until_the_rounds_are_over() -> None:
    terms = Terms(rounds=2)
    assert next_step(1, 0.96, 0.5, terms) == "accept"
    assert next_step(1, 0.94, 0.5, terms) == "more labels"
    assert next_step(2, 0.94, 0.5, terms) == "full judge"
    assert next_step(2, None, 0.5, terms) == "full judge"
    assert next_step(1, 0.99, 0.01, terms) == "more labels"  # it spares the judge next to nothing


def test_few_rows_are_not_worth_a_student() -> None:
    terms = Terms()
    assert not worthwhile(Draw(300, 270, audit_rows(300, terms)))
    assert worthwhile(Draw(3_000, 2_700, audit_rows(3_000, terms)))


@pytest.mark.parametrize("name", ["agreement", "confidence", "judge_share", "audit_share"])
@pytest.mark.parametrize("value", [-0.1, 1, 1.5, float("nan")])
def test_terms_that_mean_nothing_are_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"{name} is"):
        check_terms(Terms(**{name: value}))


def test_labels_are_spread_over_every_stratum_to_within_one_row() -> None:
    whole = frame(3_000, strata=4)
    chosen = covering(whole, np.ones(3_000, bool), 300)
    assert len(set(chosen.tolist())) == 300
    for level in range(4):
        share = (whole.strata_SN[0] == level).sum() / 10
        assert abs((whole.strata_SN[0][chosen] == level).sum() - share) <= 1


@given(st.integers(1, 300), st.integers(0, 350), st.integers(0, 9))
def test_samples_are_of_the_size_asked_for_and_of_free_rows_alone(count: int, wanted: int, seed: int) -> None:
    whole, free = frame(count), np.random.default_rng(seed).random(count) < 0.7
    for draw in (covering, blind):
        chosen = draw(whole, free, wanted, seed=seed)
        assert len(set(chosen.tolist())) == len(chosen) == min(wanted, free.sum())
        assert free[chosen].all()


def test_the_order_of_rows_does_not_change_who_is_chosen() -> None:
    whole, order = frame(2_000), np.random.default_rng(5).permutation(2_000)
    other = Frame(whole.keys_N[order], whole.strata_SN[:, order])
    free = np.ones(2_000, bool)
    for draw in (covering, blind):
        chosen = set(whole.keys_N[draw(whole, free, 200)].tolist())
        assert chosen == set(other.keys_N[draw(other, free, 200)].tolist())


def test_another_seed_chooses_other_rows_and_each_row_is_as_likely_as_any() -> None:
    whole, free = frame(500), np.ones(500, bool)
    for draw in (covering, blind):
        times = np.zeros(500)
        for seed in range(400):
            times[draw(whole, free, 50, seed=seed)] += 1
        assert times.sum() == 400 * 50
        assert times.min() > 15
        assert times.max() < 80
