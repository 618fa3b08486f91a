"""A judge and its student: who scores what, that the audit's word holds, and what follows when the student is bad."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from taught import keys, rows, seen, verdicts

from phase0.errors import UsageError
from phase0.scoring.audit import Terms
from phase0.scoring.distilling import (
    AS_LABEL,
    BY_STUDENT,
    FALLEN_BACK,
    IN_AUDIT,
    IN_DOUBT,
    Distilled,
    Held,
    distil,
)
from phase0.scoring.sampling import Frame
from phase0.scoring.student import Cut

CUT = Cut(6.5)
COUNT = 3_000
USUAL = Terms()


class Asked:
    """A judge that remembers what it was asked."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels
        self.times = np.zeros(len(labels), int)
        self.calls = 0

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        self.times[numbers] += 1
        self.calls += 1
        return self.labels[numbers]


def run(labels: np.ndarray, terms: Terms = USUAL, seed: int = 0, count: int = COUNT) -> tuple[Distilled, Asked]:
    judge = Asked(labels)
    done = distil(rows(count), judge, CUT, terms, seed=seed)
    by_judge = done.who_N != BY_STUDENT
    assert np.array_equal(judge.times, by_judge.astype(int)), "a row was asked about twice, or in vain, or not at all"
    assert np.array_equal(done.scores_N4[by_judge], labels[by_judge], equal_nan=True)
    return done, judge


def agrees(done: Distilled, labels: np.ndarray) -> float:
    return float((CUT.keeps(done.scores_N4) == CUT.keeps(labels)).mean())


@pytest.mark.parametrize("seed", range(5))
def test_the_kept_set_agrees_with_the_judges_own_as_well_as_the_audit_states(seed: int) -> None:
    labels = verdicts(COUNT)
    done, _ = run(labels, seed=seed)
    assert done.accepted is not None
    assert Terms().agreement <= done.accepted.stated <= agrees(done, labels)  # type: ignore[operator]
    assert (done.who_N == AS_LABEL).sum() == COUNT // 10
    assert (done.who_N == BY_STUDENT).mean() > 0.4


def test_a_judge_whose_word_is_chance_is_asked_about_every_row() -> None:
    labels = verdicts(COUNT)
    done, judge = run(np.random.default_rng(0).permutation(labels))
    assert [each.step for each in done.rounds] == ["more labels", "more labels", "full judge"]
    assert [each.labels for each in done.rounds] == [300, 600, 1200]
    assert done.accepted is None
    assert (done.who_N != BY_STUDENT).all()
    assert (done.who_N == FALLEN_BACK).any()
    assert judge.calls == 4


def deceived(labels: np.ndarray) -> np.ndarray:
    """Labels that mislead: of the rows of the first sample alone the judge says the opposite."""
    done, _ = run(labels)
    turned = labels.copy()
    first = np.flatnonzero(done.who_N == AS_LABEL)
    turned[first] = 11 - turned[first]
    return turned


def test_an_audit_that_is_missed_buys_more_labels_and_then_may_pass() -> None:
    labels = deceived(verdicts(COUNT, noise=0.1))
    done, _ = run(labels, Terms(agreement=0.8, rounds=4))
    assert done.rounds[0].step == "more labels"
    assert done.accepted is not None
    assert done.accepted.labels > done.rounds[0].labels
    assert agrees(done, labels) >= done.accepted.stated  # type: ignore[operator]


def test_a_judge_that_is_unreadable_now_and_then_teaches_with_the_rest() -> None:
    labels = verdicts(COUNT)
    labels[np.random.default_rng(2).random(COUNT) < 0.03] = np.nan
    done, _ = run(labels, Terms(agreement=0.93))
    assert done.accepted is not None
    assert done.rounds[0].unread > 0
    assert done.accepted.findings is not None
    assert done.accepted.findings.unread > 0
    assert not np.isnan(done.scores_N4[done.who_N == BY_STUDENT]).any()
    assert agrees(done, labels) >= done.accepted.stated  # type: ignore[operator]


def test_a_judge_that_nobody_can_read_teaches_nothing() -> None:
    done, _ = run(np.full((COUNT, 4), np.nan))
    assert [each.findings for each in done.rounds] == [None, None, None]
    assert (done.who_N != BY_STUDENT).all()


@pytest.mark.parametrize("value", [2.0, 9.0])
def test_labels_of_one_class_alone_are_enough_where_the_audit_agrees(value: float) -> None:
    labels = np.full((COUNT, 4), value)
    done, _ = run(labels)
    assert done.accepted is not None
    assert (done.who_N == IN_DOUBT).sum() == 0
    assert agrees(done, labels) == 1


def test_fewer_rows_than_an_audit_needs_are_all_judged() -> None:
    labels = verdicts(300)
    done, judge = run(labels, count=300)
    assert (done.who_N == FALLEN_BACK).all()
    assert (done.rounds, done.accepted, judge.calls) == ((), None, 1)


def test_no_rows_need_no_judge() -> None:
    none = np.arange(0)
    empty = Held(Frame(keys(COUNT)[none], rows(COUNT).frame.strata_SN[:, none]), seen(COUNT).at(none))
    done = distil(empty, Asked(np.empty((0, 4))), CUT, Terms())
    assert len(done.who_N) == 0


def shuffled(order: np.ndarray) -> Held:
    whole = rows(COUNT)
    return Held(Frame(whole.frame.keys_N[order], whole.frame.strata_SN[:, order]), whole.features.at(order))


def test_neither_the_order_of_rows_nor_a_second_run_changes_who_scores_what() -> None:
    labels, order = verdicts(COUNT), np.random.default_rng(3).permutation(COUNT)
    one, _ = run(labels)
    two = distil(shuffled(order), Asked(labels[order]), CUT, Terms())
    assert np.array_equal(one.who_N[order], two.who_N)
    assert np.array_equal(one.scores_N4[order], two.scores_N4)
    assert one.rounds == two.rounds


def test_the_audit_is_never_taught() -> None:
    labels = verdicts(COUNT)
    first, _ = run(labels)
    audit = first.who_N == IN_AUDIT
    other = labels.copy()
    other[audit] = 11 - other[audit]  # whatever the audit says, the student it examines is the same
    again, _ = run(other)
    assert again.rounds[0].doubtful == first.rounds[0].doubtful
    assert again.rounds[0].stated < first.rounds[0].stated  # type: ignore[operator]


def test_terms_are_checked_before_anybody_is_asked() -> None:
    def nobody(numbers: np.ndarray) -> np.ndarray:
        raise AssertionError(f"asked about {len(numbers)} rows")

    judge: Callable[[np.ndarray], np.ndarray] = nobody
    with pytest.raises(UsageError, match="agreement is 1"):
        distil(rows(COUNT), judge, CUT, Terms(agreement=1))
