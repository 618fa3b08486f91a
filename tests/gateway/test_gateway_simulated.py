"""Buying from the simulated provider over real connections: faults of every kind, and a bill that is accounted for."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from buyer import PRICE, questions, shop
from hasty import hasten

from phase0.gateway.summary import Summary
from phase0.ledger import Ledger
from phase0.simulator import BatchLife, Faults, Latency, Limits, Model, Settings, Simulated, simulated

MODEL = Model(name="m", price=(PRICE.input, PRICE.output), batch_price=(Decimal("1.25"), Decimal(5)))
BEFORE = ("rate_limit", "rate_limit_bare", "slow_down", "server_error", "bad_gateway", "overloaded", "dropped")
AFTER = ("lost", "truncated", "malformed", "no_reply", "no_finish")
CONTENT = ("content_filter", "blocked", "empty", "refusal")
BATCH = ("batch_failed", "batch_expired", "batch_cancelled", "batch_no_output")
HASTE = 10.0  # times as fast as the clock on the wall: what is waited between tries is waited in full
LINE = ("line_error", "line_missing", "line_duplicate", "line_wrong_id", "line_malformed")


def bought(
    provider: Simulated, folder: Path, mode: str, count: int, size: int | None = None, *, speed: float = 1.0
) -> Summary:
    folder.mkdir(exist_ok=True)
    summary = hasten(shop(provider.url, folder, mode, count, size, most=32), speed)  # type: ignore[arg-type]
    assert summary.asked == sum(summary[place] for place in (3, 4, 5, 6, 7, 8)), summary
    assert summary.ended == "done"
    return summary


def accounted(provider: Simulated, folder: Path, summary: Summary, count: int) -> None:
    """Every question ended, and what was charged is what the ledger has, but for what could not be read."""
    bill = provider.bill()
    with Ledger(folder / "ledger.sqlite") as ledger:
        keys = [request.key for request in questions(count)]
        assert ledger.known(keys) | set(ledger.failures(keys)) == set(keys)
        stored = sum((each.cost for each in ledger.spend("model")), Decimal(0))
    assert summary.cost == stored
    charged, unread = bill.usd or Decimal(0), sum((line.lost_usd or Decimal(0) for line in bill.lines), Decimal(0))
    assert stored <= charged
    assert charged - stored <= unread + Decimal(0) if not summary.lost else charged <= stored + summary.lost


def test_without_faults_the_bill_is_the_ledger_to_the_last_digit(tmp_path: Path) -> None:
    for mode in ("online", "batch"):
        settings = Settings(models=(MODEL,), batches=BatchLife(validating=0.01, running=0.05, finalizing=0.01))
        with simulated(settings) as provider:
            summary = bought(provider, tmp_path / mode, mode, 300, 100)
            assert summary.replies == 300
            assert provider.bill().usd == summary.cost
            accounted(provider, tmp_path / mode, summary, 300)


@pytest.mark.parametrize("fault", [*BEFORE, *AFTER, *CONTENT])
def test_every_fault_of_an_exchange_is_survived(fault: str, tmp_path: Path) -> None:
    faults = Faults(**{fault: 0.2}, retry_after=0.05)  # type: ignore[arg-type]
    with simulated(Settings(seed=7, models=(MODEL,), faults=faults, speed=50)) as provider:
        summary = bought(provider, tmp_path, "online", 60, speed=HASTE)
        accounted(provider, tmp_path, summary, 60)
    assert summary.failed == 0
    assert summary.refused == 0 or fault == "blocked"


@pytest.mark.parametrize("fault", [*BATCH, *LINE])
def test_every_fault_of_a_batch_is_survived(fault: str, tmp_path: Path) -> None:
    faults = Faults(**{fault: 0.3 if fault in LINE else 0.6})  # type: ignore[arg-type]
    life = BatchLife(validating=0.01, running=0.05, finalizing=0.01, window=0.3)
    with simulated(Settings(seed=8, models=(MODEL,), faults=faults, batches=life)) as provider:
        summary = bought(provider, tmp_path, "batch", 120, 30)
        accounted(provider, tmp_path, summary, 120)
    assert summary.replies == 120


def test_every_fault_at_once_is_survived(tmp_path: Path) -> None:
    shares = dict.fromkeys((*BEFORE, *AFTER), 0.02) | dict.fromkeys((*BATCH, *LINE), 0.05)
    faults = Faults(**shares, shuffled=1.0, retry_after=0.05)  # type: ignore[arg-type]
    life = BatchLife(validating=0.01, running=0.05, finalizing=0.01, window=0.3)
    for mode in ("online", "batch"):
        settings = Settings(seed=9, models=(MODEL,), faults=faults, batches=life, speed=20)
        with simulated(settings) as provider:
            summary = bought(provider, tmp_path / mode, mode, 200, 40, speed=HASTE if mode == "online" else 1.0)
            accounted(provider, tmp_path / mode, summary, 200)
        assert (summary.replies, summary.failed) == (200, 0)


def test_limits_that_only_headers_tell_are_met_with_hardly_a_429(tmp_path: Path) -> None:
    settings = Settings(models=(MODEL,), limits=Limits(requests_per_minute=600), latency=Latency(median=0.05), speed=60)
    with simulated(settings) as provider:
        summary = bought(provider, tmp_path, "online", 1200)
    assert summary.replies == 1200
    assert summary.limited <= 36  # of 1,200: a machine that stands still for a moment sees its window shift
