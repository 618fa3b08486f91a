"""A student learns what a judge likes, knows where it may be wrong, and is the same however it is asked."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import text
from taught import exchanges, keys, seen, verdicts

from phase0.errors import UsageError
from phase0.records import DIMENSIONS, Scores
from phase0.scoring.features import Exchange, features, stacked
from phase0.scoring.student import Cut, fit, joined

CUT = Cut(6.5)
COUNT, TAUGHT = 1200, 400


def taught(labels: np.ndarray | None = None) -> Any:
    given = verdicts(COUNT)[:TAUGHT] if labels is None else labels
    return fit(seen(COUNT).at(np.arange(TAUGHT)), given, keys(COUNT)[:TAUGHT], CUT)


def test_a_student_decides_most_rows_as_its_judge_does() -> None:
    predicted = taught().predict(seen(COUNT).at(np.arange(TAUGHT, COUNT)))
    judge = CUT.keeps(verdicts(COUNT)[TAUGHT:])
    assert 0.2 < judge.mean() < 0.8
    assert (predicted.keeps_R == judge).mean() > 0.9


def test_the_doubts_of_a_student_are_the_errors_to_be_expected() -> None:
    predicted = taught().predict(seen(COUNT).at(np.arange(TAUGHT, COUNT)))
    wrong = predicted.keeps_R != CUT.keeps(verdicts(COUNT)[TAUGHT:])
    assert predicted.doubts_R.sum() == pytest.approx(wrong.sum(), abs=3 * np.sqrt(wrong.sum()))
    sure = predicted.doubts_R < np.median(predicted.doubts_R)
    assert wrong[sure].mean() < 0.2 * wrong[~sure].mean()


def test_scores_are_tenths_from_1_to_10_and_decide_what_is_kept() -> None:
    predicted = taught().predict(seen(COUNT))
    assert np.array_equal(predicted.scores_R4, np.round(predicted.scores_R4, 1))
    assert predicted.scores_R4.min() >= 1
    assert predicted.scores_R4.max() <= 10
    means = [Scores(**dict(zip(DIMENSIONS, row, strict=True))).mean() for row in predicted.scores_R4.tolist()]
    assert np.array_equal(predicted.keeps_R, np.array(means) > CUT.threshold)


def test_the_order_of_rows_and_the_blocks_they_come_in_change_nothing() -> None:
    labels, order = verdicts(COUNT)[:TAUGHT], np.random.default_rng(1).permutation(TAUGHT)
    whole = taught().predict(seen(COUNT))
    shuffled = fit(seen(COUNT).at(order), labels[order], keys(COUNT)[order], CUT)
    pieces = [seen(COUNT).at(np.arange(start, min(start + 77, COUNT))) for start in range(0, COUNT, 77)]
    other = joined([shuffled.predict(piece) for piece in pieces])
    for one, two in zip(whole, other, strict=True):
        assert np.array_equal(one, two)


def test_the_number_of_threads_changes_nothing() -> None:
    program = (
        "import numpy as np; from taught import *; from phase0.scoring.student import Cut, fit;"
        "s = fit(seen(300), verdicts(300), keys(300), Cut(6.5)); print(s.weights.tobytes().hex()[:4000], s.slope)"
    )
    told = set()
    for threads in ("1", "2"):
        environment = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "PYTHONPATH": ":".join(sys.path)}
        told.add(
            subprocess.run(
                [sys.executable, "-c", program], env=environment, capture_output=True, check=True, text=True
            ).stdout
        )
    assert len(told) == 1


def test_rows_without_a_number_teach_only_that_the_judge_does_not_keep_them() -> None:
    labels = verdicts(COUNT)[:TAUGHT].copy()
    labels[::3] = np.nan
    predicted = taught(labels).predict(seen(COUNT).at(np.arange(TAUGHT, COUNT)))
    assert not np.isnan(predicted.scores_R4).any()
    full = taught().predict(seen(COUNT).at(np.arange(TAUGHT, COUNT)))
    kept = full.keeps_R & predicted.keeps_R
    assert predicted.doubts_R[kept].mean() > full.doubts_R[kept].mean() + 0.2


@pytest.mark.parametrize("value", [3.0, 9.0])
def test_a_judge_that_always_says_the_same_leaves_little_doubt_but_some(value: float) -> None:
    predicted = taught(np.full((TAUGHT, 4), value)).predict(seen(COUNT))
    assert (predicted.keeps_R == (value > CUT.threshold)).all()
    assert predicted.doubts_R.min() > 0
    assert predicted.doubts_R.max() < 0.05


@given(text, st.none() | text, text)
def test_any_text_has_features_and_those_of_a_row_do_not_depend_on_its_neighbours(
    instruction: str, response: str | None, other: str
) -> None:
    row, beside = Exchange(instruction, response or ""), Exchange("Say something else.", other)
    alone, together = features([row]), features([beside, row])
    assert (alone.words_RW != together.words_RW[[1]]).nnz == 0
    assert (alone.evidence_RE != together.evidence_RE[[1]]).nnz == 0
    assert np.isfinite(alone.words_RW.data).all()
    lengths = np.sqrt((together.words_RW.multiply(together.words_RW)).sum(axis=1))
    assert all(length == 0 or length == pytest.approx(1, abs=1e-5) for length in lengths)


@pytest.mark.parametrize("size", [1, 2, 7, 60])
def test_the_features_of_a_row_have_the_same_bits_wherever_it_stands(size: int) -> None:
    some = exchanges(240)
    whole = features(some)
    blocks = stacked([features(some[start : start + size]) for start in range(0, len(some), size)])
    assert (whole.words_RW != blocks.words_RW).nnz == 0
    assert (whole.evidence_RE != blocks.evidence_RE).nnz == 0
    assert np.array_equal(whole.local_R, blocks.local_R)


def test_a_student_sees_no_source() -> None:
    assert "source" not in Exchange._fields


tenths = st.integers(10, 100).map(lambda value: value / 10)


@given(st.tuples(tenths, tenths, tenths, tenths), st.integers(100, 999).map(lambda value: value / 100))
def test_a_cut_keeps_what_the_rounded_mean_of_a_row_is_above(values: tuple[float, ...], threshold: float) -> None:
    scores = Scores(**dict(zip(DIMENSIONS, values, strict=True)))
    assert bool(Cut(threshold).keeps(np.array([values]))[0]) == (scores.mean() > threshold)


@given(st.tuples(tenths, tenths, tenths, tenths), tenths)
def test_a_cut_drops_what_is_less_safe_than_it_must_be(values: tuple[float, ...], least: float) -> None:
    kept = bool(Cut(1.0, least).keeps(np.array([values]))[0])
    assert kept == (values[DIMENSIONS.index("safety")] >= least and sum(values) > 4.15)


def test_without_the_extra_one_line_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    with pytest.raises(UsageError, match=r"needs scipy, which is not installed: pip install 'phase0\[student\]'"):
        features([Exchange("a", "b")])
