"""Buying processes are killed at random moments: no question is lost, and none is bought twice beyond what was in
flight; no batch is bought twice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from buyer import questions

from phase0.ledger import Ledger
from phase0.simulator import BatchLife, Latency, Model, Settings, Simulated, simulated

IN_FLIGHT = 16  # what the buyer has in flight at once


class Lives(NamedTuple):
    """What it took to get everything."""

    kills: int
    twice: int  # questions that were charged more often than once
    most_at_once: int  # of them, those that one kill can have cost


def live_and_die(
    provider: Simulated, folder: Path, mode: str, count: int, size: int, random: Random, most: int
) -> Lives:
    """Start the buyer again and again, kill it at a random moment of its work, until it ends by itself."""
    kills = 0
    buyer = [
        sys.executable,
        str(Path(__file__).with_name("buyer.py")),
        provider.url,
        str(folder),
        mode,
        str(count),
        str(size),
    ]
    while True:
        process = subprocess.Popen(
            buyer, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        )
        assert process.stdout is not None
        with process.stdout:
            # A kill before anything is asked tests nothing: wait for the provider's journal to grow, then some more.
            seen = provider.journal.stat().st_size
            while process.poll() is None and provider.journal.stat().st_size == seen:
                time.sleep(0.002)
            time.sleep(random.random() ** 2 * 0.4)
            if process.poll() is None and kills < most:
                process.kill()
                kills += 1
            told = process.stdout.read()
        if process.wait() == 0:
            assert told.split()[0] == b"done", told
            break
        assert process.returncode == -9, told
    charged = Counter(entry.question for entry in provider.requests() if entry.charged)
    twice = sum(times - 1 for times in charged.values())
    return Lives(kills, twice, kills * IN_FLIGHT)


def everything_is_kept(folder: Path, count: int) -> bool:
    with Ledger(folder / "ledger.sqlite") as ledger:
        return ledger.known([request.key for request in questions(count)]) == {
            request.key for request in questions(count)
        }


def settings_of(seed: int) -> Settings:
    return Settings(
        seed=seed,
        models=(Model(name="m"),),
        latency=Latency(median=0.02, sigma=0.5),
        batches=BatchLife(validating=0.02, running=0.15, finalizing=0.02),
    )


def check(seed: int, mode: str, folder: Path, most: int) -> Lives:
    random = Random(seed)
    folder.mkdir()
    count = 600 if mode == "online" else 240
    with simulated(settings_of(seed)) as provider:
        lives = live_and_die(provider, folder, mode, count, 40, random, most)
        assert everything_is_kept(folder, count), f"seed {seed}: questions were lost"
        batches = Counter(entry.call for entry in provider.requests() if entry.call.startswith("batch"))
        if mode == "online":
            assert lives.twice <= lives.most_at_once, f"seed {seed}: {lives}"
        else:
            assert lives.twice == 0, f"seed {seed}: {lives.twice} questions bought twice in {len(batches)} batches"
    return lives


@pytest.mark.parametrize("mode", ["online", "batch"])
def test_killed_a_few_times_nothing_is_lost_and_little_is_bought_twice(mode: str, tmp_path: Path) -> None:
    lives = check(1, mode, tmp_path / "run", 3)
    assert lives.kills > 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_killed_two_hundred_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    totals: dict[str, Lives] = {}
    for mode in ("online", "batch"):
        seed, total = 0, Lives(0, 0, 0)
        while total.kills < 100:
            seed += 1
            total = Lives(*map(sum, zip(total, check(seed, mode, tmp_path / f"{mode}{seed}", 12), strict=True)))
        totals[mode] = total
    with capsys.disabled():
        for mode, total in totals.items():
            print(f"\n{mode}: {total.kills} kills, {total.twice} bought twice (at most {total.most_at_once})", end="")
