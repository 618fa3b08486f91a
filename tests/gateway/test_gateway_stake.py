"""What is at stake is in the ledger before it is, in few words."""

from __future__ import annotations

from decimal import Decimal

from fakes import FakeLedger
from hypothesis import given
from hypothesis import strategies as st

from phase0.gateway.stake import Stake

amounts = st.decimals(0, 10, places=12)


class Counting(FakeLedger):
    """A ledger that counts how often it is told."""

    times = 0

    def stake(self, name: str, run: str, cost: Decimal) -> None:
        self.times += 1
        super().stake(name, run, cost)


@given(st.lists(st.tuples(amounts, st.booleans(), st.booleans()), max_size=200))
def test_the_ledger_knows_of_all_that_is_at_stake_and_in_the_end_of_nothing_else(
    requests: list[tuple[Decimal, bool, bool]],
) -> None:
    ledger, flying, lost = FakeLedger(), [], Decimal(0)
    stake = Stake(ledger, "r", "name")  # type: ignore[arg-type]
    for worst, comes_back, is_lost in requests:
        stake.add(worst)
        flying.append(worst)
        assert sum(ledger.stakes("r").values()) >= sum(flying) + lost
        if comes_back:
            back = flying.pop(0)
            lost += back if is_lost else 0
            stake.give_back(Decimal(0) if is_lost else back)
    for worst in flying:
        stake.give_back(worst)
    stake.close()
    assert sum(ledger.stakes("r").values()) == lost


def test_a_run_of_many_requests_tells_it_a_few_times() -> None:
    ledger = Counting()
    stake = Stake(ledger, "r", "name")  # type: ignore[arg-type]
    for number in range(100_000):
        stake.add(Decimal("0.001"))
        if number >= 512:
            stake.give_back(Decimal("0.001"))
    assert ledger.times <= 20
    assert sum(ledger.stakes("r").values()) <= Decimal("0.513") * Decimal("1.25")


def test_what_costs_nothing_is_never_at_stake() -> None:
    ledger = Counting()
    stake = Stake(ledger, "r", "name")  # type: ignore[arg-type]
    stake.add(Decimal(0))
    stake.close()
    assert ledger.times == 0
