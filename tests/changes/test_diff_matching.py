"""Rows of two files are matched over digests: each row once, and as often as both sides have it."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from phase0.changes.matching import Digests, found_in, match


class Row(NamedTuple):
    question: int
    answer: int
    source: int
    own: int
    score: float | None


rows = st.lists(
    st.builds(
        Row,
        question=st.integers(1, 3),
        answer=st.integers(1, 3),
        source=st.integers(1, 2),
        own=st.integers(0, 3),
        score=st.sampled_from([None, 7.0, 8.0]),
    ),
    max_size=12,
)


def digests(of: list[Row]) -> Digests:
    columns = [np.array([row[part] for row in of], np.uint64) for part in range(4)]
    scores = np.array([np.nan if row.score is None else row.score for row in of], np.float64)
    return Digests(*columns, scores, np.arange(1, len(of) + 1))


@given(rows, rows)
def test_every_row_of_both_sides_is_told_once(old: list[Row], new: list[Row]) -> None:
    found = match(digests(old), digests(new))
    pairs = (found.same, found.rescored, found.answered)
    assert sorted([*found.went_O, *(place for pair in pairs for place in pair.old_P)]) == list(range(len(old)))
    assert sorted([*found.came_N, *(place for pair in pairs for place in pair.new_P)]) == list(range(len(new)))


@given(rows, rows)
def test_pairs_have_in_common_what_they_are_matched_by(old: list[Row], new: list[Row]) -> None:
    found = match(digests(old), digests(new))
    for before, after in zip(*found.same, strict=True):
        assert (old[before][:3], old[before].score) == (new[after][:3], new[after].score)
    for before, after in zip(*found.rescored, strict=True):
        assert old[before][:3] == new[after][:3]
        assert old[before].score != new[after].score
    for before, after in zip(*found.answered, strict=True):
        assert old[before][:3] != new[after][:3]
        same_id = old[before].own == new[after].own != 0
        assert same_id or old[before].question == new[after].question


@given(rows, rows)
def test_rows_are_the_same_as_often_as_both_sides_have_them(old: list[Row], new: list[Row]) -> None:
    found = match(digests(old), digests(new))
    ours, theirs = (Counter((row[:3], row.score) for row in side) for side in (old, new))
    assert len(found.same.old_P) == (ours & theirs).total()
    ours, theirs = (Counter(row[:3] for row in side) for side in (old, new))
    assert len(found.same.old_P) + len(found.rescored.old_P) == (ours & theirs).total()


@given(rows, rows)
def test_what_is_left_over_has_no_question_and_no_id_in_common(old: list[Row], new: list[Row]) -> None:
    found = match(digests(old), digests(new))
    gone, arrived = [old[place] for place in found.went_O], [new[place] for place in found.came_N]
    assert not {row.question for row in gone} & {row.question for row in arrived}
    assert not ({row.own for row in gone} & {row.own for row in arrived}) - {0}


@given(rows)
def test_a_file_beside_itself_is_the_same(of: list[Row]) -> None:
    found = match(digests(of), digests(of))
    assert len(found.same.old_P) == len(of)
    assert not len(found.went_O) + len(found.came_N) + len(found.rescored.old_P) + len(found.answered.old_P)


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))
def test_keys_are_found_at_their_first_place(wanted: list[int], among: list[int]) -> None:
    places = found_in(np.array(wanted, np.uint64), np.array(among, np.uint64))
    assert places.tolist() == [among.index(key) if key in among else -1 for key in wanted]
