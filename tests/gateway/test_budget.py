"""What is spent stays within the budget, whatever requests turn out to cost and in whatever order they end."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from phase0.catalog.prices import Price, cost
from phase0.gateway.budget import Budget, shown, way_on

money = st.decimals("0", "0.5", places=12)


class Spending(RuleBasedStateMachine):
    """Requests that are reserved and settled in any order, beside the same sums in fractions."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = Budget(Decimal(2), Decimal("0.25"))
        self.spent = Fraction(1, 4)
        self.flying: list[Decimal] = []

    @rule(worst=money)
    def reserve(self, worst: Decimal) -> None:
        fits = self.spent + sum(map(Fraction, self.flying)) + Fraction(worst) <= 2
        assert self.budget.reserve(worst) == fits
        if fits:
            self.flying.append(worst)

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), share=st.fractions(0, 1))
    def settle(self, data: st.DataObject, share: Fraction) -> None:
        worst = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        real = (worst * share.numerator / share.denominator).quantize(Decimal("1e-12"), rounding="ROUND_DOWN")
        self.budget.settle(worst, real)
        self.spent += Fraction(real)

    @invariant()
    def nothing_is_spent_that_is_not_there(self) -> None:
        assert Fraction(self.budget.spent) == self.spent <= 2
        assert Fraction(self.budget.reserved) == sum(map(Fraction, self.flying))
        left = self.budget.left()
        assert left is not None
        assert Fraction(left) == 2 - self.spent - sum(map(Fraction, self.flying)) >= 0


TestSpending = Spending.TestCase


@pytest.mark.parametrize("seed", range(300))
def test_a_run_never_spends_more_than_its_budget(seed: int) -> None:
    """Random models, prompts, answers, numbers in flight and restarts: one of 300 runs with one seed each."""
    rng = random.Random(seed)
    rate = [Decimal(rng.randrange(1, 20_000_000)) / 1_000_000 for _ in range(2)]
    price = Price(*rate)
    limit, billed = Decimal(rng.randrange(1, 500)) / 100, Decimal(0)
    budget, flying, refused = Budget(limit), [], 0
    while refused < 3:
        tokens_in, cap = rng.randrange(10, 4000), rng.randrange(1, 4000)
        worst = cost(price, tokens_in, cap, batch=False)
        if len(flying) < rng.randrange(1, 65) and budget.reserve(worst):
            flying.append((worst, tokens_in, cap))
        elif flying:
            worst, tokens_in, cap = flying.pop(rng.randrange(len(flying)))
            real = cost(price, tokens_in, rng.randrange(cap + 1), batch=False) if rng.random() < 0.9 else Decimal(0)
            billed += real
            budget.settle(worst, real)
        else:
            refused += 1
        if not flying and rng.random() < 0.05:
            budget = Budget(limit, billed)  # stopped, and started again from what the ledger says
        assert billed + budget.reserved <= limit
    assert budget.spent == billed <= limit


def test_a_limit_can_be_used_to_the_last_unit() -> None:
    budget = Budget(Decimal("0.000000000003"))
    assert budget.reserve(Decimal("0.000000000003"))
    assert not budget.reserve(Decimal("0.000000000001"))
    assert budget.reserve(Decimal(0))
    assert budget.left() == 0


def test_without_a_limit_everything_is_counted_and_nothing_refused() -> None:
    budget = Budget(None)
    assert budget.reserve(Decimal(10**9))
    budget.settle(Decimal(10**9), Decimal(5))
    assert (budget.left(), budget.spent, budget.reserved) == (None, 5, 0)


def test_an_answer_that_costs_more_than_its_worst_case_stops_the_rest() -> None:
    budget = Budget(Decimal(1))
    assert budget.reserve(Decimal("0.5"))
    budget.settle(Decimal("0.5"), Decimal("1.25"))
    assert budget.left() == Decimal("-0.25")
    assert not budget.reserve(Decimal(0))


def test_what_was_not_set_aside_cannot_be_given_back() -> None:
    budget = Budget(Decimal(1))
    budget.reserve(Decimal("0.5"))
    with pytest.raises(ValueError, match="one of them is wrong"):
        budget.settle(Decimal("0.6"), Decimal(0))
    with pytest.raises(ValueError, match="one of them is wrong"):
        budget.settle(Decimal("0.5"), Decimal("-0.1"))
    with pytest.raises(ValueError, match="cannot cost -1"):
        budget.reserve(Decimal(-1))
    with pytest.raises(ValueError, match="0 or more"):
        Budget(Decimal(-1))


def test_a_budget_that_is_used_up_says_what_it_takes_to_go_on() -> None:
    budget = Budget(Decimal(2), Decimal("1.99"))
    told = way_on(budget, worst=Decimal("0.04"), answers=100, cost=Decimal(1), waiting=200)
    assert told == (
        "$1.99 of the budget of $2.00 are spent, and the next request may cost $0.04. For the 200 that are missing, "
        "raise it to about $4.03."
    )
    assert "raise the budget to $2.03 at least" in way_on(
        budget, worst=Decimal("0.04"), answers=0, cost=Decimal(0), waiting=200
    )


@pytest.mark.parametrize("seed", range(20))
def test_with_what_it_asked_for_a_run_ends(seed: int) -> None:
    """The new limit suffices where what is missing costs what came before."""
    rng = random.Random(seed)
    real = Decimal(rng.randrange(1, 10**6)) / 10**6
    worst, limit, rows = real * rng.randrange(1, 9), real * rng.randrange(10, 40), 60
    budget, done = Budget(limit), 0
    while budget.reserve(worst):
        budget.settle(worst, real)
        done += 1
    told = way_on(budget, worst=worst, answers=done, cost=real * done, waiting=rows - done) if done else ""
    if told:
        asked = Decimal(told.rpartition("$")[2].rstrip(".").replace(",", ""))
        budget = Budget(asked, budget.spent)
        for _ in range(rows - done):
            assert budget.reserve(worst)
            budget.settle(worst, real)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "$0.00"),
        ("1234.5", "$1,234.50"),
        ("0.5", "$0.50"),
        ("0.0225", "$0.0225"),
        ("0.000001", "$0.000001"),
        ("0.0000000001", "$1.00e-10"),
    ],
)
def test_an_amount_is_shown_with_as_many_digits_as_say_something(amount: str, text: str) -> None:
    assert shown(Decimal(amount)) == text


def test_what_is_sent_already_takes_all_that_is_left_where_the_limit_does_not_hold_it() -> None:
    budget = Budget(Decimal(10), Decimal(4))
    assert budget.set_aside(Decimal(5)) == 5
    assert budget.set_aside(Decimal(5)) == 1
    assert not budget.reserve(Decimal("0.01"))
    budget.settle(Decimal(1), Decimal(7))
    assert budget.set_aside(Decimal(5)) == 0
    assert Budget(None).set_aside(Decimal(5)) == 5
