"""The recipe's scoring command as typed, against the simulator: online, in batches, killed, and without a key."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from typed import Shell

from phase0.dataset import manifest_of
from phase0.ledger import FILE, Ledger
from phase0.records import Meta, Origin, encode, make
from phase0.simulator import BatchLife, Latency, Model, Settings, simulated
from phase0.workspace import MARK

ROWS = 60  # in two files of teachers
COMMAND = (
    "python quality_scorer.py --input ../data/distilled/*.jsonl --output ../data/scored/all_scored.jsonl "
    "--threshold 7.0 --model gpt-4o-mini"
)
MINI = Model(
    name="gpt-4o-mini",
    price=(Decimal("0.15"), Decimal("0.60")),
    batch_price=(Decimal("0.075"), Decimal("0.30")),
)
FAST = Settings(models=(MINI,), speed=20)
PATIENCE = 60.0  # seconds for a process to come as far as a test needs it

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for .venv is a shell script")


@pytest.fixture
def data(project: Path) -> Path:
    """The folder data/, with rows that two teachers have answered."""
    return distilled(project / "data")


def distilled(data: Path) -> Path:
    (data / "distilled").mkdir(parents=True)
    for number, teacher in enumerate(("llama-3.1-405b-instruct", "gpt-4o")):
        rows = [
            make(
                instruction=f"Describe the {n}th house of a street.",
                response=f"House {n} is {'long and ' * (n % 7)}red.",
                source=teacher,
                meta=Meta(origin=Origin(dataset="made", revision=None, row=f"made.jsonl:{n}")),
            )
            for n in range(number, ROWS, 2)
        ]
        (data / "distilled" / f"{number}.jsonl").write_bytes(b"".join(encode(row) + b"\n" for row in rows))
    return data


def environment(url: str) -> dict[str, str]:
    return {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-1"}


def scored(data: Path) -> bytes:
    return (data / "scored" / "all_scored.jsonl").read_bytes()


def stored(data: Path) -> int:
    with Ledger(data / MARK / FILE) as ledger:
        return sum(each.requests for each in ledger.spend("model"))


def check(data: Path) -> None:
    """Every row was judged once and ended somewhere; kept rows are above the threshold; the cost is the ledger's."""
    manifest = manifest_of(data / "scored" / "all_scored.jsonl")
    assert manifest is not None
    counts = manifest.counts
    assert counts.rows_in == counts.read == ROWS == counts.kept + counts.dropped
    assert sum(manifest.figures["states"].values()) == ROWS
    rows = [json.loads(line) for line in scored(data).splitlines()]
    assert len(rows) == counts.kept > 0
    assert all(row["quality_score"] > 7.0 and row["meta"]["judges"] == ["gpt-4o-mini"] for row in rows)
    with Ledger(data / MARK / FILE) as ledger:
        spent = sum((each.cost for each in ledger.spend("model")), Decimal(0))
    assert Decimal(manifest.cost_usd or "NaN") == spent > 0


@pytest.mark.parametrize("mode", ["online", "batch"])
def test_the_command_as_typed_judges_every_row_once_and_again_without_key_and_provider(
    mode: str, project: Path, bare: Path, data: Path
) -> None:
    with simulated(FAST) as provider:
        told = Shell(project, bare, **environment(provider.url)).type(f"{COMMAND} --mode {mode}")
        bill = provider.bill()
    assert f"score: {ROWS} in = " in told
    assert "gpt-4o-mini judges answers of gpt-4o, of its own family" in told
    assert (bill.requests, stored(data)) == (ROWS, ROWS)
    check(data)
    manifest = manifest_of(data / "scored" / "all_scored.jsonl")
    assert manifest is not None
    assert Decimal(manifest.cost_usd or "NaN") == bill.usd
    before = scored(data)
    (data / "scored" / "all_scored.jsonl").unlink()
    Shell(project, bare).type(COMMAND)
    assert scored(data) == before


def test_without_a_key_one_line_names_the_variable_and_nothing_is_written(
    project: Path, bare: Path, data: Path
) -> None:
    before = sorted(path for path in data.rglob("*"))
    told = Shell(project, bare).type(COMMAND, status=2)
    assert told.count("\n") == 1
    assert "gpt-4o-mini cannot be asked without a key: set OPENAI_API_KEY (openai)" in told
    assert sorted(path for path in data.rglob("*")) == before


def test_killed_online_it_goes_on_and_buys_nothing_again(project: Path, bare: Path, data: Path) -> None:
    slow = Settings(models=(MINI,), latency=Latency(median=0.4, sigma=0.5))
    with simulated(slow) as provider:
        killed(Shell(project, bare, **environment(provider.url)), "online", lambda: had(data) >= 5)
    first = stored(data)
    assert 5 <= first < ROWS
    with simulated(FAST) as provider:
        Shell(project, bare, **environment(provider.url)).type(f"{COMMAND} --mode online")
        assert provider.bill().requests == ROWS - first
    check(data)


def test_killed_while_a_batch_is_out_it_goes_on_and_buys_nothing_again(project: Path, bare: Path, data: Path) -> None:
    with simulated(Settings(models=(MINI,), batches=BatchLife(running=3))) as provider:
        shell = Shell(project, bare, **environment(provider.url))
        killed(shell, "batch", lambda: out(data))
        shell.type(f"{COMMAND} --mode batch")
        assert provider.bill().requests == stored(data) == ROWS
    check(data)


def test_without_waiting_it_ends_when_its_batch_is_submitted_and_the_same_command_picks_it_up(
    project: Path, bare: Path, data: Path
) -> None:
    with simulated(FAST) as provider:
        shell = Shell(project, bare, **environment(provider.url))
        told = shell.type(f"{COMMAND} --mode batch --no-wait", status=4)
        assert "To go on: python quality_scorer.py " in told
        assert not (data / "scored" / "all_scored.jsonl").exists()
        shell.type(f"{COMMAND} --mode batch")
        assert provider.bill().requests == stored(data) == ROWS
    check(data)


def killed(shell: Shell, mode: str, when: Callable[[], bool]) -> None:
    """Start the command, and kill it as soon as something holds."""
    process = shell.start(f"{COMMAND} --mode {mode}", alone=True)
    with process, killing(process.pid):
        end = time.monotonic() + PATIENCE
        while not when():
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.01)


@contextlib.contextmanager
def killing(session: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.killpg(session, signal.SIGKILL)


def had(data: Path) -> int:
    return stored(data) if (data / MARK / FILE).exists() else 0


def out(data: Path) -> bool:
    if not (data / MARK / FILE).exists():
        return False
    with Ledger(data / MARK / FILE) as ledger:
        return any(batch.state == "sent" for batch in ledger.open_batches())


def test_every_judge_of_a_panel_is_asked_for_every_sample(project: Path, bare: Path, data: Path) -> None:
    judges = tuple(Model(name=name, price=(Decimal(1), Decimal(2))) for name in ("gpt-4o-mini", "gpt-4o"))
    with simulated(Settings(models=judges, speed=20)) as provider:
        panel = COMMAND.replace("--model gpt-4o-mini", "--judges gpt-4o-mini,gpt-4o --samples 2 --mode online")
        Shell(project, bare, **environment(provider.url)).type(panel)
        assert provider.bill().requests == stored(data) == 4 * ROWS
