"""Rows are answered by a provider that fails one time in five, in every way it can: each is kept or dropped for the
right reason, and what was billed is what was stored and what was lost on the way.

What may not be dropped is compared with what a provider without faults gives: byte for byte.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from made import write_lines

from phase0.errors import Unfinished
from phase0.ledger import FILE, Ledger
from phase0.providers import connect
from phase0.simulator import BatchLife, Faults, Model, Settings, Simulated, simulated
from phase0.simulator.settings import AFTER, BATCH, BEFORE, CONTENT, LINE
from phase0.stages.distill import distill
from phase0.stages.means import Means, Mode
from phase0.workspace import MARK

RATE = 0.2
BATCH_SIZE = 5
GPT = Model(name="gpt-4o", price=(Decimal("2.50"), Decimal(10)), batch_price=(Decimal("1.25"), Decimal(5)))
FATAL = ("no_quota", "bad_key", "no_access", "unknown_model")
DROPS = {
    "too_long": "too_long",
    "blocked": "content_filter",
    "content_filter": "content_filter",
    "refusal": "refused",
    "length": "truncated",
    "empty": "empty_answer",
}
"""Faults that an answer does not survive, and the reason of the row. After the last two it is asked once more."""

ONLINE = tuple(fault for fault in (*BEFORE, *AFTER, *CONTENT) if fault not in FATAL)
BATCHED = (*LINE, *BATCH)


class Outcome(NamedTuple):
    """One line of the table."""

    what: str
    mode: str
    asked: int  # exchanges, or lines of batches that were answered or failed
    batches: int  # that were created
    faults: Counter[str]  # that answers met, or prevented them
    kept: int
    dropped: Counter[str]
    billed: Decimal
    stored: Decimal
    lost: Decimal
    output: bytes

    def told(self) -> str:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(self.dropped.items())) or "none"
        money = f"${self.billed:.5f} = ${self.stored:.5f} + ${self.lost:.5f}"
        return f"{self.what:<16} {self.mode:<7}{self.asked:>6} {self.batches:>7} {self.kept:>5}  {money}  {reasons}"


MONEY = "billed = stored + lost on the way"
HEAD = f"{'fault':<16} {'mode':<7}{'asked':>6} {'batches':>7} {'kept':>5}  {MONEY}  dropped"


def rows_in(folder: Path, count: int) -> Path:
    folder.mkdir()
    rows = [
        {"instruction": f"Tell the story of lamp {n}.", "response": None, "source": "made", "quality_score": None}
        for n in range(count)
    ]
    return write_lines(folder / "in.jsonl", [json.dumps(row).encode() for row in rows])


@contextmanager
def failing(faults: Faults) -> Iterator[Simulated]:
    life = BatchLife(validating=0.05, running=0.1, finalizing=0.05, window=2.0)
    with simulated(Settings(seed=11, models=(GPT,), faults=faults, batches=life)) as provider:
        yield provider


def answered(folder: Path, what: str, mode: Mode, faults: Faults, count: int, *, fatal: bool = False) -> Outcome:
    """Rows taught by a provider with these faults. A fatal one ends the run; without it the same call goes on."""
    source = rows_in(folder, count)
    with failing(faults) as provider:
        variables = {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "sk-1"}
        means = Means(variables=variables, mode=mode, batch_size=BATCH_SIZE, rehearsal=200)
        work = partial(distill, [source], folder / "out.jsonl", teacher="gpt-4o", means=means)
        if fatal:
            with pytest.raises(Unfinished) as error:
                work()
            assert error.value.how == "fatal"
            provider.change(Faults())
        manifest = work()
        bill = provider.bill()
        entries = provider.requests()
    asked = [entry for entry in entries if entry.call.endswith("chat/completions") or entry.call.startswith("batch ")]
    with Ledger(folder / MARK / FILE) as ledger:
        stored = sum((each.cost for each in ledger.spend("model")), Decimal(0))
    assert manifest.counts.rows_in == count == manifest.counts.kept + manifest.counts.dropped
    return Outcome(
        what,
        mode,
        len(asked),
        sum(entry.call.startswith("POST") and entry.call.endswith("/batches") for entry in entries),
        Counter(entry.fault for entry in asked if entry.fault),
        manifest.counts.kept,
        Counter(manifest.counts.reasons),
        bill.usd or Decimal(0),
        stored,
        sum((line.lost_usd or Decimal(0) for line in bill.lines), Decimal(0)),
        (folder / "out.jsonl").read_bytes(),
    )


def check(seen: Outcome, fault: str, clean: Outcome, count: int) -> None:
    """The rows of a run with one fault ended as they should."""
    reason = DROPS.get(fault)
    met = seen.faults[fault]
    expected = 0 if reason is None else met
    if fault in ("length", "empty"):
        expected = met - (seen.asked - count)  # every other time it was asked once more
    assert seen.dropped == (Counter({reason: expected}) if expected else Counter()), seen.told()
    assert seen.billed == seen.stored + seen.lost, seen.told()
    if reason is None and fault != "declined":
        assert seen.output == clean.output, f"{fault} changed what is written"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that is silent is given up after ten seconds, not after ten minutes; on a busy machine an answer may
    take two."""
    monkeypatch.setattr("phase0.stages.means.connect", partial(connect, timeout=10.0))


def alone(fault: str, mode: Mode, folder: Path, count: int) -> Outcome:
    faults = Faults(**{fault: RATE}, retry_after=0.05, failed_code="invalid_request")  # type: ignore[arg-type]
    return answered(folder, fault, mode, faults, count, fatal=fault in FATAL)


def mixed(mode: Mode, folder: Path, count: int) -> Outcome:
    """A fifth of all exchanges meet a fault of the road, a fifth of the answers one of their own, and so on."""
    road = [fault for fault in (*BEFORE, *AFTER) if fault not in FATAL]
    shares = {fault: RATE / len(group) for group in (road, CONTENT, LINE, BATCH) for fault in group}
    faults = Faults(**shares, shuffled=1.0, retry_after=0.05, failed_code="invalid_request")  # type: ignore[arg-type]
    return answered(folder, "all of them", mode, faults, count)


def check_mixed(seen: Outcome) -> None:
    """Nothing is dropped for a fault that did not happen, nor oftener than that it did."""
    causes: Counter[str] = Counter()
    for fault, times in seen.faults.items():
        if fault in DROPS:
            causes[DROPS[fault]] += times
    assert not seen.dropped - causes, seen.told()
    for reason in ("too_long", "content_filter", "refused"):
        assert seen.dropped[reason] <= causes[reason], seen.told()
    assert seen.billed == seen.stored + seen.lost, seen.told()


@pytest.mark.parametrize("fault", ["bad_gateway", "malformed", "length", "blocked", "bad_key"])
def test_rows_end_as_they_should_whatever_their_provider_does(fault: str, tmp_path: Path) -> None:
    clean = answered(tmp_path / "clean", "none", "online", Faults(), 40)
    seen = alone(fault, "online", tmp_path / fault, 40)
    assert seen.faults[fault]
    check(seen, fault, clean, 40)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.usefixtures("quick")
def test_every_fault_alone_and_all_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = 200
    clean = answered(tmp_path / "clean", "none", "online", Faults(), count)
    with capsys.disabled():
        print(f"\n{count} rows, every fault at {RATE:.0%}\n{HEAD}\n{clean.told()}")
        for mode, faults in (("online", (*ONLINE, *FATAL)), ("batch", (*BATCHED, *CONTENT))):
            for fault in faults:
                seen = alone(fault, mode, tmp_path / f"{mode}-{fault}", count)  # type: ignore[arg-type]
                print(seen.told(), flush=True)
                if fault in BATCHED and fault != "line_duplicate":
                    assert seen.batches > count / BATCH_SIZE, f"no batch met {fault}"
                else:
                    assert seen.faults[fault] or fault == "line_duplicate"
                check(seen, fault, clean, count)
        for mode in ("online", "batch"):
            seen = mixed(mode, tmp_path / f"mixed-{mode}", count)  # type: ignore[arg-type]
            print(seen.told(), flush=True)
            check_mixed(seen)
