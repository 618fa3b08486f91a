"""A student whose judge is over the network: neither batches that nobody waits for nor processes that are killed buy an
answer twice, and all lead to the same bytes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from made import record, write_lines
from stagefiles import check_sums
from taught import exchanges, verdicts

from phase0.catalog.models import teachers
from phase0.dataset import Manifest
from phase0.errors import Unfinished
from phase0.exchanges.rubric import Rubric
from phase0.ledger import FILE, Ledger
from phase0.records import DIMENSIONS, Record, encode
from phase0.scoring.audit import Terms
from phase0.simulator import Latency, Model, Replayed, Settings, Simulated, simulated
from phase0.stages.means import Means
from phase0.stages.score import score
from phase0.workspace import MARK

JUDGE, COUNT, THRESHOLD = "gpt-4o-mini", 700, 6.5
TERMS = Terms(agreement=0.85, audit_share=0.1)
PATIENCE = 120.0  # seconds for a process to come as far as a test needs it


def row(number: int) -> Record:
    made = exchanges(COUNT)[number]
    return record(number, instruction=made.instruction, response=made.response)


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A provider whose judge says of each row what the world of the tests says."""
    rubric, path = Rubric(teachers()[JUDGE]), tmp_path_factory.mktemp("replayed") / "sheets.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number, labels in enumerate(verdicts(COUNT)):
            sheet = json.dumps(dict(zip(DIMENSIONS, map(int, labels), strict=True)))
            question = rubric.ask(row(number))[0].messages[-1][1]
            file.write(json.dumps({"instruction": question, "response": sheet, "model": JUDGE}) + "\n")
    price = (Decimal("0.15"), Decimal("0.60"))
    model = Model(name=JUDGE, price=price, batch_price=(price[0] / 2, price[1] / 2))
    return Settings(models=(model,), answers=(Replayed(path=str(path)),), speed=20)


def place(folder: Path) -> Path:
    folder.mkdir()
    write_lines(folder / "in.jsonl", [encode(row(number)) for number in range(COUNT)])
    return folder


def run(folder: Path, provider: Simulated, **more: Any) -> Manifest:
    means = Means({"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "sk"}, "online")._replace(**more)
    wanted: dict[str, Any] = {"model": JUDGE, "threshold": THRESHOLD, "workspace": folder, "student": TERMS}
    return score([folder / "in.jsonl"], folder / "out.jsonl", means=means, **wanted)


def stored(folder: Path) -> int:
    if not (folder / MARK / FILE).exists():
        return 0
    with Ledger(folder / MARK / FILE) as ledger:
        return sum(each.requests for each in ledger.spend("model"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, replayed: Settings) -> tuple[bytes, dict[str, int]]:
    """What comes out online, in one go, and how many rows were whose."""
    folder = place(tmp_path_factory.mktemp("undisturbed") / "w")
    with simulated(replayed) as provider:
        made = run(folder, provider)
        rows = made.figures["student"]["rows"]
        assert provider.bill().requests == COUNT - rows["student"] == stored(folder)
    assert rows["student"] > COUNT // 4
    assert rows["doubt"] > 20
    return (folder / "out.jsonl").read_bytes(), rows


def called_on(folder: Path, provider: Simulated, **more: Any) -> int:
    """How often it takes the same call, which never waits for a batch, until the rows are written."""
    calls, end = 0, time.monotonic() + PATIENCE
    while not (folder / "out.jsonl").exists():
        assert time.monotonic() < end
        calls += 1
        with contextlib.suppress(Unfinished):
            run(folder, provider, mode="batch", wait=False, **more)
        time.sleep(0.05)
    return calls


def test_in_batches_that_nobody_waits_for_it_goes_on_call_by_call(tmp_path: Path, replayed: Settings) -> None:
    made, counts = [], []
    for name, size in (("whole", None), ("pieces", 40)):
        folder = place(tmp_path / name)
        with simulated(replayed) as provider:
            calls = called_on(folder, provider, batch_size=size)
            counts.append(provider.bill().requests)
        assert calls >= 3  # labels and audit, what is in doubt, and the end
        rows = check_sums(folder / "out.jsonl").figures["student"]["rows"]
        assert counts[-1] == stored(folder) == COUNT - rows["student"] < COUNT * 3 // 4
        made.append((folder / "out.jsonl").read_bytes())
    assert made[0] == made[1]


def command(folder: Path) -> list[str]:
    terms = ["--agreement", "0.85", "--audit-share", "0.1", "--threshold", str(THRESHOLD)]
    where = ["--input", str(folder / "in.jsonl"), "--output", str(folder / "out.jsonl"), "--workspace", str(folder)]
    how = ["--model", JUDGE, "--scorer", "student", "--mode", "online", "--yes", "--workers", "1"]
    return [sys.executable, "-m", "phase0", "score", *where, *how, *terms]


def killed(folder: Path, provider: Simulated, at: int) -> None:
    """Start the command, and kill it when so many answers are in its ledger."""
    environment = os.environ | {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "sk"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    end = time.monotonic() + PATIENCE
    with subprocess.Popen(command(folder), env=environment, **quiet) as process:
        try:
            while stored(folder) < at:
                assert time.monotonic() < end
                assert process.poll() is None, "it was over before it could be killed"
                time.sleep(0.01)
        finally:
            process.send_signal(signal.SIGKILL)


@pytest.mark.skipif(os.name == "nt", reason="sends SIGKILL")
def test_killed_while_it_learns_and_while_it_asks_about_doubts_it_goes_on_to_the_same_bytes(
    tmp_path: Path, replayed: Settings, undisturbed: tuple[bytes, dict[str, int]]
) -> None:
    same, rows = undisturbed
    slow = msgspec.structs.replace(replayed, speed=1, latency=Latency(median=0.2, sigma=0.3))
    taught = rows["labels"] + rows["audit"]
    folder = place(tmp_path / "w")
    for at in (rows["labels"] // 2, taught + 5):
        before = stored(folder)
        with simulated(slow) as provider:
            killed(folder, provider, at)
            assert provider.bill().requests >= stored(folder) - before
        assert at <= stored(folder) < COUNT - rows["student"]
        assert not (folder / "out.jsonl").exists()
    before = stored(folder)
    with simulated(replayed) as provider:
        run(folder, provider)
        assert provider.bill().requests == COUNT - rows["student"] - before
    assert stored(folder) == COUNT - rows["student"]
    assert (folder / "out.jsonl").read_bytes() == same
    check_sums(folder / "out.jsonl")
