"""The report on judging: shares with intervals, scores that pile up or follow length, and rows without a score."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import write_records

from phase0.dataset import Made
from phase0.report.judging import ScoreNumbers, score_numbers, wilson
from phase0.report.markdown_scores import scores_page
from phase0.stages.parts import Key
from phase0.stages.score import score
from phase0.stages.score_figures import figures


@given(st.integers(0, 500), st.integers(0, 500))
def test_an_interval_holds_its_share_and_stays_within_nought_and_one(some: int, more: int) -> None:
    low, high = wilson(some, some + more)
    assert 0 <= low <= high <= 1
    if some + more:
        assert low - 1e-9 <= some / (some + more) <= high + 1e-9


@pytest.mark.parametrize(
    ("some", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (0, 0, 0, 1)],
)
def test_intervals_are_those_of_the_literature(some: int, of: int, low: float, high: float) -> None:
    assert wilson(some, of) == pytest.approx((low, high), abs=5e-5)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    path = tmp_path / "out.jsonl"
    return Made(path, score([write_records(tmp_path / "in.jsonl", 3)], path, threshold=1))


def told(made: Made, found: dict[str, Any], **settings: Any) -> ScoreNumbers:
    """What a report gathers of a stage with these figures."""
    changed = msgspec.structs.replace(made.manifest, figures=found, settings=made.manifest.settings | settings)
    return score_numbers(made._replace(manifest=changed), made.path.parent)


def page(numbers: ScoreNumbers) -> str:
    return "\n".join(scores_page(numbers))


TALLY: Counter[Key] = Counter(
    {
        ("state", "scored"): 100,
        ("state", "unreadable"): 3,
        ("score", 60): 40,
        ("score", 90): 60,
        ("dimension", "safety", 90): 100,
        **{("dimension", "correctness", 85 + n): 10 for n in range(10)},
        **{("dimension", "helpfulness", 10 * n): 10 for n in range(1, 11)},
        ("dimension", "clarity", 70): 60,
        ("dimension", "clarity", 80): 40,
        ("length", 5, 60): 40,
        ("length", 9, 90): 60,
        ("kept", 9): 60,
        ("source", "one|`x`", "kept"): 60,
        ("source", "one|`x`", "lost"): 20,
        ("source", "two", "lost"): 20,
    }
)


def test_acceptance_is_told_by_source_with_its_interval_and_without_markup_of_the_data(made: Made) -> None:
    numbers = told(made, figures(TALLY))
    assert [(each.source, each.scored, each.kept) for each in numbers.acceptance] == [
        ("one|`x`", 80, 60),
        ("two", 20, 0),
    ]
    assert (numbers.acceptance[0].low, numbers.acceptance[0].high) == pytest.approx(wilson(60, 80), abs=1e-4)
    text = page(numbers)
    assert "| 80 | 60 | 75.0% | 64.5% to 83.2% |" in text
    assert "| `two` | 20 | 0 | 0.0% | 0.0% to 16.1% |" in text
    assert "one|" not in text.replace("one\\|", "")


def test_a_dimension_whose_scores_pile_up_is_named_but_safety_may(made: Made) -> None:
    numbers = told(made, figures(TALLY))
    piled = {each.dimension: (each.commonest, each.share, each.piled) for each in numbers.dimensions}
    assert piled == {
        "correctness": (9, 1.0, True),  # in tenths they are spread, as expectations are
        "helpfulness": (10, 0.1, False),
        "clarity": (7, 0.6, False),
        "safety": (9, 1.0, False),
    }
    assert "**correctness says little**: 100% of the rows have a 9, rounded." in page(numbers)
    assert page(numbers).count("says little") == 1


def test_scores_are_told_by_length_and_that_they_follow_it(made: Made) -> None:
    text = page(told(made, figures(TALLY)))
    assert "| 16 or more | 40 | 6.00 | 0.0% |" in text
    assert "| 256 or more | 60 | 9.00 | 100.0% |" in text
    assert "Rank correlation of score and length: +1.00. **Scores follow length.**" in text


def test_rows_without_a_score_are_told_by_state_and_a_panel_by_judge(made: Made) -> None:
    text = page(told(made, figures(TALLY)))
    assert "3 of 103 judged rows (2.9%) have no score and were dropped for that." in text
    panel = {"judges": {"a": {"scored": 100, "unreadable": 3}, "b": {"scored": 103}}}
    numbers = told(made, figures(TALLY) | panel, judges=["a", "b"])
    assert numbers.judge == "a, b"
    assert "| `b` | 103 | 0 |" in page(numbers)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {
            "histogram": 3,
            "states": [1],
            "sources": {"a": 1},
            "lengths": [{"rows": "many"}],
            "dimensions": {"clarity": 1},
        },
        {"histogram": {"x": 1, "9.0": "many"}, "sources": {"a": {"scored": 1, "kept": 2}}, "judges": 4, "mean": []},
    ],
)
def test_figures_of_another_version_are_left_out(made: Made, broken: dict[str, Any]) -> None:
    assert page(told(made, broken)) == ""
