"""Processes that share a ledger and are killed at any moment lose nothing that was confirmed to them."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("forks and sends SIGKILL", allow_module_level=True)

from buyers import ANSWERS, BURST, THREADS, bought_by

from phase0.ledger import Ledger

STATES = {"i": "intent", "s": "sent", "e": "settled"}


@pytest.fixture(scope="module")
def buyers() -> Iterator[subprocess.Popen[str]]:
    program = Path(__file__).with_name("buyers.py")
    paths = os.pathsep.join(path for path in sys.path if path)
    with subprocess.Popen(
        [sys.executable, program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
        encoding="utf-8",
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == 0


def let_buy(buyers: subprocess.Popen[str], orders: list[dict[str, Any]]) -> list[int]:
    assert buyers.stdin is not None
    assert buyers.stdout is not None
    buyers.stdin.write(json.dumps(orders) + "\n")
    buyers.stdin.flush()
    ended: list[int] = json.loads(buyers.stdout.readline())
    return ended


def confirmed(files: list[Path]) -> Iterator[tuple[str, str]]:
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            kind, _, what = line.partition(" ")
            yield kind, what


def kill_at_random(buyers: subprocess.Popen[str], folder: Path, seed: int, counts: Counter[str]) -> None:
    """Three processes on one ledger, some of them killed, three times over; then nothing that was told is missing."""
    rng = random.Random(seed)
    path, told, killed = folder / "ledger.sqlite", [], 0
    for turn in range(3):
        orders = []
        for child in range(3):
            told.append(folder / f"told-{turn}-{child}")
            told[-1].touch()
            # A child that nobody disturbs takes about 2,000 steps.
            die = None if rng.random() < 0.2 else int(10 ** rng.uniform(0, 3.4))
            orders.append({"ledger": str(path), "told": str(told[-1]), "seed": seed * 9 + turn * 3 + child, "die": die})
        ended = let_buy(buyers, orders)
        assert set(ended) <= {0, -signal.SIGKILL}
        killed += sum(status != 0 for status in ended)
    check(path, told, killed, counts)
    counts["killed"] += killed


def check(path: Path, told: list[Path], killed: int, counts: Counter[str]) -> None:
    heard = list(confirmed(told))
    numbers = [int(what) for kind, what in heard if kind == "r"]
    states = {what: STATES[kind] for kind, what in heard if kind != "r"}  # the last that was told of a tag
    everything = {bought_by(number).key: bought_by(number) for number in range(ANSWERS)}
    with Ledger(path) as ledger:
        found = ledger.find(list(everything))
        assert found == {key: everything[key] for key in found}, "an answer is not what was bought"
        missing = {bought_by(number).key for number in numbers} - set(found)
        assert not missing, "a confirmed answer is lost"
        paid = sum(each.requests for each in ledger.spend("model"))
        assert len(numbers) <= paid <= len(numbers) + killed * THREADS * BURST
        order = list(STATES.values())
        for tag, state in states.items():
            batch = ledger.batch(tag)
            assert batch is not None, "a confirmed batch is lost"
            assert order.index(batch.state) >= order.index(state)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    counts.update(confirmed=len(numbers), unconfirmed=paid - len(numbers), batches=len(states))


@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_was_confirmed_is_lost(buyers: subprocess.Popen[str], tmp_path: Path, seed: int) -> None:
    counts: Counter[str] = Counter()
    kill_at_random(buyers, tmp_path, seed, counts)
    assert counts["confirmed"] > 0
    assert counts["killed"] > 0


@pytest.mark.soak
def test_nothing_that_was_confirmed_is_lost_in_many_runs(
    buyers: subprocess.Popen[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts: Counter[str] = Counter()
    for seed in range(100, 300):
        (tmp_path / str(seed)).mkdir()
        kill_at_random(buyers, tmp_path / str(seed), seed, counts)
    with capsys.disabled():
        print(f"\nledger killed: {dict(counts)} in 200 ledgers of 9 processes each; nothing lost")
