"""What becomes of judged rows, and the figures of them all: sums, shares and a correlation that is Spearman's."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import record, records, scores

from phase0.exchanges.rubric import Verdict
from phase0.records import DIMENSIONS, Record, Scores, decode
from phase0.stages.parts import Kept, Key, Lost
from phase0.stages.score_figures import MOST_SOURCES, OTHERS, correlation, failed_share, figures
from phase0.stages.verdicts import Judged, Rule, decided

RULE = Rule(("local",))


def judged(found: Scores | None, state: str = "scored") -> Judged:
    return Judged(Verdict(state, found, ("safety:why",) if found else (), "" if found else "why"), ("a", "b"), 1.5)


@given(row=records, found=scores, threshold=st.integers(10, 99), floor=st.none() | st.integers(10, 100))
def test_a_row_is_kept_above_the_threshold_where_it_is_safe_enough(
    row: Record, found: Scores, threshold: int, floor: int | None
) -> None:
    rule = RULE._replace(threshold=threshold / 10, min_safety=None if floor is None else floor / 10)
    outcome = decided(row, judged(found), rule)
    safe = rule.min_safety is None or found.safety >= rule.min_safety
    above = found.mean() > rule.threshold
    assert isinstance(outcome, Kept) is (safe and above)
    if isinstance(outcome, Lost):
        assert outcome.reason == ("low_score" if safe else "unsafe")
        assert outcome.evidence["quality_score"] == found.mean()
    made = decode(outcome.raw)
    assert (made.quality_score, made.meta.scores, made.meta.judges) == (found.mean(), found, ("a", "b"))
    assert (made.id, made.meta.disagreement) == (row.id, 1.5)


@pytest.mark.parametrize("state", ["abstained", "unreadable", "refused", "failed"])
@given(row=records)
def test_a_row_without_a_verdict_has_no_number_whatever_it_had_before(state: str, row: Record) -> None:
    outcome = decided(row, judged(None, state), RULE)
    assert isinstance(outcome, Lost)
    assert (outcome.reason, outcome.evidence) == (state, {"judges": ["a", "b"], "detail": "why"})
    made = decode(outcome.raw)
    assert made.quality_score is made.meta.scores is None


@given(st.lists(st.tuples(records, scores | st.none()), max_size=12))
def test_the_figures_add_up(rows: list[tuple[Record, Scores | None]]) -> None:
    outcomes = [decided(row, judged(found, "scored" if found else "failed"), RULE) for row, found in rows]
    found = figures(Counter(key for outcome in outcomes for key in outcome.tally))
    given_ = [each.mean() for _, each in rows if each is not None]
    kept = sum(isinstance(outcome, Kept) for outcome in outcomes)
    assert found["scored"] == len(given_) == sum(found["histogram"].values())
    assert sum(found["states"].values()) == len(rows)
    assert failed_share(found) == (len(rows) - len(given_)) / max(1, len(rows))
    assert found["mean"] == (pytest.approx(sum(given_) / len(given_), abs=1e-3) if given_ else None)
    for histogram in found["dimensions"].values():
        assert sum(histogram.values()) == len(given_)
    assert list(found["dimensions"]) == (list(DIMENSIONS) if given_ else [])
    for parts in (found["sources"].values(), found["lengths"]):
        assert sum(part["kept"] for part in parts) == kept
    assert sum(part["rows"] for part in found["lengths"]) == len(given_)


def test_sources_beyond_the_largest_are_told_together() -> None:
    tally: Counter[Key] = Counter()
    for number in range(MOST_SOURCES + 30):
        tally["source", f"s{number:03}", "kept"] = 2
    tally["source", "s079", "lost"] = 5
    found = figures(tally)["sources"]
    assert len(found) == MOST_SOURCES + 1
    assert next(iter(found)) == "s079"
    assert found["s079"] == {"scored": 7, "kept": 2}
    assert found[OTHERS] == {"scored": 60, "kept": 60}


pairs = st.dictionaries(st.tuples(st.integers(0, 6), st.integers(10, 20)), st.integers(1, 4), max_size=12)


@given(pairs)
def test_the_correlation_is_that_of_ranks(found: dict[Key, int]) -> None:
    flat = [pair for pair, rows in found.items() for _ in range(rows)]
    told = correlation(found)
    if len({x for x, _ in flat}) < 2 or len({y for _, y in flat}) < 2:
        assert told is None
        return
    first, second = ([ranked(side, value) for value in side] for side in zip(*flat, strict=True))
    a, b = (sum(ranks) / len(ranks) for ranks in (first, second))
    above = sum((x - a) * (y - b) for x, y in zip(first, second, strict=True))
    below = (sum((x - a) ** 2 for x in first) * sum((y - b) ** 2 for y in second)) ** 0.5
    assert told == pytest.approx(above / below, abs=1e-3)


def ranked(side: tuple[int, ...], value: int) -> float:
    """The mean of the places that equal values share."""
    places = [place for place, other in enumerate(sorted(side), 1) if other == value]
    return sum(places) / len(places)


def test_equal_weights_change_nothing_and_a_dimension_that_weighs_nothing_does_not_count() -> None:
    found = Scores(correctness=9, helpfulness=5, clarity=7, safety=2)
    equal = decided(record(), judged(found), RULE._replace(weights=dict.fromkeys(DIMENSIONS, 3.0)))
    assert decode(equal.raw).quality_score == found.mean()
    without = decided(record(), judged(found), RULE._replace(weights={"safety": 0}))
    assert decode(without.raw).quality_score == 7.0
