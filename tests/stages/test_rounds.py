"""Rounds: what is asked for next is what is missing, until the mix is within a point or there is nobody left to ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from phase0.stages.rounds import MOST, in_round, next_round, round_of


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=5), st.integers(0, 30_000), st.data())
def test_rounds_end_within_a_point_or_with_nothing_left_and_never_ask_for_more_than_there_is(
    wanted: list[int], reserve: int, data: Any
) -> None:
    asked: list[tuple[int, ...]] = []
    finished, left = [0] * len(wanted), reserve
    while (ask := next_round(wanted, asked, finished, left)) is not None:
        assert len(ask) == len(wanted)
        assert min(ask) >= 0
        assert sum(ask) <= left
        assert sum(ask) > 0 or not asked
        asked.append(ask)
        left -= sum(ask)
        finished = [got + data.draw(st.integers(0, rows)) for got, rows in zip(finished, ask, strict=True)]
    short = [max(0, want - got) for want, got in zip(wanted, finished, strict=True)]
    assert 1 <= len(asked) <= MOST
    assert len(asked) == MOST or left == 0 or 100 * max(short) <= sum(wanted)
    assert asked[0] == tuple(wanted) or (sum(wanted) > reserve == sum(asked[0]))


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=5), st.integers(20, 100))
def test_a_steady_yield_is_within_a_point_after_two_rounds(wanted: list[int], percent: int) -> None:
    first = next_round(wanted, [], [0] * len(wanted), 10**6)
    assert first is not None
    finished = [-(-rows * percent // 100) for rows in first]
    second = next_round(wanted, [first], finished, 10**6)
    if second is not None:
        finished = [got + rows * percent // 100 for got, rows in zip(finished, second, strict=True)]
        assert next_round(wanted, [first, second], finished, 10**6) is None or sum(wanted) < 1000


def test_what_is_lost_is_asked_for_again_in_proportion_to_what_came() -> None:
    assert next_round([400, 350], [(400, 350)], [300, 350], 1000) == (134, 0)  # 100 more, three of four come
    assert next_round([400, 350], [(400, 350)], [1, 350], 10_000) == (3990, 0)  # never more than ten to one
    assert next_round([400, 350], [(400, 350)], [0, 350], 10_000) == (400, 0)  # nobody knows whether any will come
    assert next_round([400, 350], [(400, 350)], [0, 320], 117) == (84, 33)  # who needs much starves nobody
    assert next_round([40, 60], [], [0, 0], 50) == (20, 30)  # fewer prompts than rows: in proportion
    assert next_round([400, 350], [(400, 350)], [393, 350], 1000) is None  # 7 of 750 are less than a point
    assert next_round([400, 350], [(400, 350)], [392, 350], 1000) is not None


def test_an_output_tells_its_round_by_its_folder() -> None:
    assert [in_round("scored", number) for number in (1, 2)] == ["scored", "scored.2"]
    assert round_of(Path("run.7/scored.2/all_scored.jsonl")) == 2
    assert [round_of(Path(f"{name}/x.jsonl")) for name in ("scored", "v1.5", "a.9", "a.05", "a.x")] == [1, 5, 1, 1, 1]
