"""Allocation: whatever the rows, their categories and their order, every row is owned once and shares are exact."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from phase0.records import CATEGORIES
from phase0.stages.allocation import (
    Lines,
    Seat,
    Share,
    Taken,
    owned_rows,
    quotas,
    seats_of,
    shares,
    taken_rows,
)

kinds = st.integers(-1, len(CATEGORIES) - 1)
rows = st.lists(st.tuples(st.integers(0, 2**64 - 1), kinds), max_size=120, unique_by=lambda row: row[0])
strengths = st.lists(st.sampled_from(CATEGORIES), unique=True, max_size=3).map(tuple)


@st.composite
def seats(draw: Any, most: int = 6) -> tuple[Seat, ...]:
    cuts = draw(st.lists(st.decimals("0.01", "99.99", places=2), unique=True, max_size=most - 1))
    edges = [Decimal(0), *sorted(cuts), Decimal(100)]
    return tuple(
        Seat(f"t{at}", (f"t{at}",), stop - start, draw(strengths)) for at, (start, stop) in enumerate(pairwise(edges))
    )


def lines(found: list[tuple[int, int]]) -> Lines:
    return Lines(np.array([key for key, _ in found], np.uint64), np.array([kind for _, kind in found], np.int8))


def owned(found: list[tuple[int, int]], sitting: tuple[Seat, ...]) -> list[list[int]]:
    line = lines(found)
    return [mine.tolist() for mine in owned_rows(line.categories_N, np.argsort(line.keys_N, kind="stable"), sitting)]


@given(rows, seats())
def test_every_row_is_owned_once_and_every_share_is_exact_to_one_row(
    found: list[tuple[int, int]], sitting: tuple[Seat, ...]
) -> None:
    mine = owned(found, sitting)
    assert sorted(row for some in mine for row in some) == list(range(len(found)))
    for seat, some in zip(sitting, mine, strict=True):
        assert abs(len(some) - len(found) * seat.percent / 100) < 1


@given(rows, seats(), st.randoms(use_true_random=False))
def test_who_owns_a_row_does_not_depend_on_the_order_of_rows(
    found: list[tuple[int, int]], sitting: tuple[Seat, ...], chance: Any
) -> None:
    mixed = list(found)
    chance.shuffle(mixed)
    keys = [[{some[row][0] for row in mine} for mine in owned(some, sitting)] for some in (found, mixed)]
    assert keys[0] == keys[1]


@given(rows, seats())
def test_no_row_of_a_category_is_elsewhere_while_a_seat_that_is_strong_at_it_alone_has_others(
    found: list[tuple[int, int]], sitting: tuple[Seat, ...]
) -> None:
    mine = owned(found, sitting)
    for seat, some in zip(sitting, mine, strict=True):
        for strength in seat.strengths:
            rivals = {other.name for other in sitting if strength in other.strengths}
            number = CATEGORIES.index(strength)
            foreign = [row for row in some if found[row][1] not in {CATEGORIES.index(one) for one in seat.strengths}]
            elsewhere = [
                row
                for other, rows_of in zip(sitting, mine, strict=True)
                for row in rows_of
                if other.name not in rivals and found[row][1] == number
            ]
            assert not (foreign and elsewhere)


@given(rows, seats())
def test_without_strengths_routing_is_sharing(found: list[tuple[int, int]], sitting: tuple[Seat, ...]) -> None:
    plain = tuple(Seat(seat.name, seat.teachers, seat.percent) for seat in sitting)
    parts = shares({seat.name: seat.percent for seat in plain})
    for number, seat in enumerate(plain):
        by_line = Share(parts[seat.name]).rows(lines(found))
        assert (Taken(plain, number, "route").rows(lines(found)) == by_line).all()


def test_code_goes_to_the_teacher_that_is_strong_at_it_until_its_share_is_full() -> None:
    mix = {"llama-405b": Decimal(40), "gpt-4o": Decimal(35), "qwen-coder-480b": Decimal(25)}
    sitting = seats_of(mix, "route")
    assert [seat.strengths for seat in sitting] == [(), (), ("code",)]
    code, general = CATEGORIES.index("code"), CATEGORIES.index("general")
    few = [(key * 7919 % 1000, code if key < 20 else general) for key in range(100)]
    assert {few[row][1] for row in owned(few, sitting)[0] + owned(few, sitting)[1]} == {general}
    assert [len(mine) for mine in owned(few, sitting)] == [40, 35, 25]
    many = [(key * 7919 % 1000, code if key < 60 else general) for key in range(100)]
    assert {many[row][1] for row in owned(many, sitting)[2]} == {code}
    assert [len(mine) for mine in owned(many, sitting)] == [40, 35, 25]


@st.composite
def rounds(draw: Any) -> tuple[list[tuple[int, int]], tuple[Seat, ...], list[list[int]]]:
    """Rows, seats, and what seats ask for by round: never more than there is."""
    found, sitting = draw(rows), draw(seats(4))
    left, asked = len(found), []
    for _ in range(draw(st.integers(1, 5))):
        asked.append([])
        for _ in sitting:
            asked[-1].append(draw(st.integers(0, left)))
            left -= asked[-1][-1]
    return found, sitting, asked


@given(rounds())
def test_rounds_take_what_they_ask_for_and_no_row_twice(
    made: tuple[list[tuple[int, int]], tuple[Seat, ...], list[list[int]]],
) -> None:
    found, sitting, asked = made
    line = lines(found)
    order = np.argsort(line.keys_N, kind="stable")
    taken = taken_rows(owned_rows(line.categories_N, order, sitting), order, asked)
    assert [[len(mine) for mine in got] for got in taken] == asked
    every = [row for got in taken for mine in got for row in mine.tolist()]
    assert len(set(every)) == len(every)
    for number in range(len(asked)):  # a round is the same whatever comes after it
        for seat in range(len(sitting)):
            mask = Taken(sitting, seat, "share", tuple(map(tuple, asked[: number + 1]))).rows(line)
            assert set(np.flatnonzero(mask).tolist()) == set(taken[number][seat].tolist())


@given(rows.filter(lambda found: len(found) > 10), seats(4), st.integers(1, 10))
def test_asking_for_more_rows_keeps_those_that_fewer_would_have_taken(
    found: list[tuple[int, int]], sitting: tuple[Seat, ...], fewer: int
) -> None:
    line, percents = lines(found), [seat.percent for seat in sitting]
    for seat in range(len(sitting)):
        some, more = (
            Taken(sitting, seat, "share", (quotas(number, percents),)).rows(line) for number in (fewer // 2, fewer)
        )
        owners = quotas(len(found), percents)[seat]
        if (
            quotas(fewer, percents)[seat] <= owners
            and quotas(fewer // 2, percents)[seat] <= quotas(fewer, percents)[seat]
        ):
            assert (more | ~some).all()


@given(st.integers(0, 10**6), seats())
def test_quotas_sum_to_the_rows_and_are_exact_to_one(count: int, sitting: tuple[Seat, ...]) -> None:
    percents = [seat.percent for seat in sitting]
    parts = quotas(count, percents)
    assert sum(parts) == count
    assert all(abs(part - count * percent / 100) < 1 for part, percent in zip(parts, percents, strict=True))
