"""An estimate adds up, says what it assumed, and names the rows that a budget pays for."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import toktok
from hypothesis import given
from hypothesis import strategies as st

from phase0.catalog.prices import Price, Rates, Tier, cost, table_price
from phase0.gateway.estimate import (
    USUAL_ANSWER,
    Ask,
    Measured,
    Row,
    duration,
    estimate,
    measure,
    table,
    verdict,
)

CHEAP = Price(Decimal(1), Decimal(2), Decimal("0.5"), Decimal(1), "a list", "2026-11-22")
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
rows = st.lists(st.builds(Row, words, st.none() | words), max_size=30)


def ask(share: int = 100, **fields: Any) -> Ask:
    values: dict[str, Any] = {"name": "model", "role": "teacher", "share": Decimal(share), "price": CHEAP}
    return Ask(**(values | fields))


def slow_tokens(text: str | None) -> int:
    (count,) = toktok.batch_count([text or ""], "o200k_base")
    return int(count)


@given(rows=rows)
def test_few_rows_are_counted_to_the_token(rows: list[Row]) -> None:
    found = measure(rows)
    assert found == Measured(
        len(rows),
        len(rows),
        sum(slow_tokens(row.prompt) for row in rows),
        sum(row.answer is not None for row in rows),
        sum(slow_tokens(row.answer) for row in rows),
    )


def test_many_rows_are_counted_by_a_sample_that_is_close(dev_data: Path) -> None:
    prompts = [
        json.loads(line) for line in (dev_data / "teachers" / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    texts = [next(value for value in row.values() if isinstance(value, str) and value) for row in prompts]
    many = [Row(texts[number * 7 % len(texts)] + f" ({number})") for number in range(30_000)]
    sample, exact = measure(iter(many)), measure(iter(many), every_row=True)
    assert sample.counted == 11_000
    assert exact.counted == sample.rows == exact.rows == 30_000
    assert abs(sample.prompts - exact.prompts) < 0.02 * exact.prompts


@given(
    measured=st.builds(
        Measured, st.integers(1, 10**6), st.just(1), st.integers(0, 10**9), st.integers(0, 10**5), st.integers(0, 10**8)
    ),
    shares=st.lists(st.integers(1, 100), min_size=1, max_size=4),
    budget=st.decimals("0", "10000", places=2),
)
def test_the_sums_are_those_of_the_parts_and_the_budget_holds_what_fits(
    measured: Measured, shares: list[int], budget: Decimal
) -> None:
    asks = [ask(share, batch=number % 2 == 0) for number, share in enumerate(shares)]
    found = estimate(measured, asks, budget=budget)
    assert found.online == sum(part.online for part in found.parts)
    assert found.cheapest == sum(min(part.online, part.batch or part.online) for part in found.parts)
    for part in found.parts:
        assert abs(part.requests - measured.rows * part.ask.share / 100) <= Decimal("0.5")
        assert part.online == (part.tokens_in + 2 * part.tokens_out) / Decimal(10**6)
        assert (part.batch is not None) == part.ask.batch
    assert found.fits is not None
    assert found.fits_online is not None
    assert found.fits_online <= found.fits <= measured.rows
    for fits, whole in ((found.fits, found.cheapest), (found.fits_online, found.online)):
        if fits < measured.rows:
            assert whole * fits <= budget * measured.rows < whole * (fits + 1)
        else:
            assert whole <= budget


def test_what_is_estimated_is_what_it_costs_request_by_request() -> None:
    many = [Row("Count to ten, please. " * (number % 5), None) for number in range(200)]
    found = estimate(measure(many), [ask(tokens_out=100)])
    frame = 7
    slow = sum(cost(CHEAP, slow_tokens(row.prompt) + frame, 100, batch=False) for row in many)
    assert found.online == slow


def test_a_judge_reads_the_answer_too() -> None:
    measured = Measured(1000, 1000, 30_000, 0, 0)
    blind, seeing = (
        estimate(measured, [ask(role="judge", sees_answer=sees, tokens_out=50)]).parts[0] for sees in (False, True)
    )
    assert seeing.tokens_in - blind.tokens_in == 1000 * USUAL_ANSWER
    assert seeing.tokens_out == blind.tokens_out == 50_000


def test_answers_are_assumed_as_long_as_the_rows_own_or_as_models_usually_are() -> None:
    short = estimate(Measured(100, 100, 1000, 50, 50 * 60), [ask()])
    long = estimate(Measured(100, 100, 1000, 50, 50 * 900), [ask()])
    assert short.parts[0].tokens_out == 100 * USUAL_ANSWER
    assert long.parts[0].tokens_out == 100 * 900
    assert any("400 tokens to an answer, as large models have in the mean" in line for line in short.assumed)
    assert any("900 tokens to an answer, as the rows' own answers have" in line for line in long.assumed)


def test_a_system_prompt_and_draws_are_paid_for_each_time() -> None:
    measured = Measured(10, 10, 100, 0, 0)
    plain, long = (
        estimate(measured, [ask(system=text, draws=draws)]).parts[0]
        for text, draws in (("", 1), ("You are a careful programmer.", 3))
    )
    assert (plain.requests, long.requests) == (10, 30)
    assert long.tokens_in == 3 * (plain.tokens_in + 10 * (slow_tokens("You are a careful programmer.") + 4))


def test_a_tier_is_chosen_by_one_prompt_and_never_by_their_sum() -> None:
    tiered = CHEAP._replace(tiers=(Tier(272_000, Rates(Decimal(9), Decimal(9), None, None)),))
    measured = Measured(10_000, 10_000, 10_000 * 500, 0, 0)
    assert estimate(measured, [ask(price=tiered)]).online == estimate(measured, [ask()]).online
    wide = Measured(10, 10, 10 * 300_000, 0, 0)
    assert estimate(wide, [ask(price=tiered, tokens_out=0)]).online == Decimal(9) * 10 * 300_007 / 10**6


@pytest.mark.parametrize(
    ("limits", "minutes"),
    [
        ({}, None),
        ({"requests_per_minute": 100}, 10),
        ({"tokens_per_minute": 1000}, 1000 * (10 + 7 + 400) / 1000),
        ({"requests_per_minute": 100, "tokens_per_minute": 10**9}, 10),
    ],
)
def test_the_time_is_the_shortest_that_the_limits_allow(limits: dict[str, int], minutes: float | None) -> None:
    found = estimate(Measured(1000, 1000, 10_000, 0, 0), [ask(**limits)])
    assert found.parts[0].minutes == minutes


def test_rows_that_exceed_the_budget_are_told_with_the_number_that_fits() -> None:
    on = date(2026, 11, 22)
    mini = table_price("openai/gpt-4o", on)
    assert mini is not None
    found = estimate(Measured(750_000, 47_000, 26_250_000, 0, 0), [ask(price=mini, batch=True)], budget=Decimal(150))
    assert verdict(found) == (
        "750,000 rows cost about $1,539.38 with batches, which exceeds the budget of $150.00. It pays for about "
        "73,081 rows like these, or 36,540 online alone."
    )
    within = estimate(Measured(70_000, 70_000, 2_450_000, 0, 0), [ask(price=mini, batch=True)], budget=Decimal(150))
    assert "within the budget of $150.00. Online alone they would cost" in verdict(within)
    assert "no budget is set" in verdict(within._replace(budget=None))


def test_the_table_has_a_line_for_each_model_and_sums_below() -> None:
    found = estimate(
        Measured(1000, 1000, 35_000, 0, 0),
        [ask(40, name="a"), ask(60, name="b", batch=True, requests_per_minute=60)],
    )
    cells = table(found)
    assert len({len(line) for line in cells}) == 1
    assert [line[0] for line in cells] == ["", "teacher a", "teacher b", "together"]
    assert [line[5] for line in cells] == ["batch", "none", "$0.2526", "$0.5894"]
    assert [line[6] for line in cells] == ["time online", "unknown", "10 min", ""]
    assert cells[2][7] == "$1 in, $2 out; batch $0.5, $1"
    assert any(line == "prices: a list 2026-11-22" for line in found.assumed)


def test_no_rows_cost_nothing() -> None:
    found = estimate(measure([]), [ask()], budget=Decimal(0))
    assert (found.online, found.fits) == (0, 0)


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(0, "under a minute"), (1.2, "2 min"), (119, "119 min"), (425, "7 h 5 min"), (4441, "3 d 2 h")],
)
def test_times_are_told_as_people_say_them(minutes: float, text: str) -> None:
    assert duration(minutes) == text
