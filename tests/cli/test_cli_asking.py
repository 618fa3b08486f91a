"""Commands that ask models, as a person meets them: Ctrl-C, a budget, a provider that will not answer, and going on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from made import write_lines

from phase0.ledger import FILE, Ledger
from phase0.simulator import Latency, Model, Settings, Simulated, simulated
from phase0.workspace import MARK

ROWS = 90
GPT = Model(name="gpt-4o", price=(Decimal("2.50"), Decimal(10)))
FAST = Settings(models=(GPT,))
OPTIONS = ["--input", "in.jsonl", "--output", "out.jsonl", "--teacher", "gpt-4o", "--mode", "online"]
PATIENCE = 60.0  # seconds for a process to come as far as a test needs it; none of them needs more than a few


class Typed:
    """A command in a folder, with a provider for it."""

    def __init__(self, folder: Path, url: str, key: str = "sk-1") -> None:
        self.folder = folder
        self._variables = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": key}

    @contextlib.contextmanager
    def running(self, *more: str) -> Iterator[subprocess.Popen[str]]:
        environment = {name: value for name, value in os.environ.items() if not name.endswith(("_URL", "_KEY"))}
        command = [sys.executable, "-W", "error", "-m", "phase0", "distill", *OPTIONS, *more]
        with subprocess.Popen(
            command, cwd=self.folder, env=environment | self._variables, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *more: str) -> tuple[int, str]:
        """The exit status, and what the command told as its last word: one line, and no traceback."""
        with self.running(*more) as process:
            return self.end(process)

    def end(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        _, errors = process.communicate(timeout=PATIENCE)
        lines = errors.splitlines()
        assert "Traceback" not in errors, errors
        assert sum(line.startswith("phase0: ") for line in lines) == (process.returncode != 0), errors
        return process.returncode, lines[-1] if lines else ""

    @property
    def output(self) -> bytes:
        return (self.folder / "out.jsonl").read_bytes()

    def stored(self) -> int:
        return self._ledger(lambda ledger: sum(each.requests for each in ledger.spend("model")))

    def spent(self) -> Decimal:
        return Decimal(self._ledger(lambda ledger: sum(each.cost for each in ledger.spend("model"))))

    def _ledger(self, ask: Callable[[Ledger], int | Decimal]) -> int:
        with Ledger(self.folder / MARK / FILE) as ledger:
            return ask(ledger)  # type: ignore[return-value]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def prepared(folder: Path) -> Path:
    rows = [
        {"instruction": f"Tell the story of lamp {n}.", "response": None, "source": "made", "quality_score": None}
        for n in range(ROWS)
    ]
    write_lines(folder / "in.jsonl", [json.dumps(row).encode() for row in rows])
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return prepared(tmp_path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What the command writes when nothing comes in between."""
    folder = prepared(tmp_path_factory.mktemp("undisturbed"))
    with simulated(FAST) as provider:
        typed = Typed(folder, provider.url)
        assert typed.run()[0] == 0
        return typed.output


def slow(seconds: float) -> Settings:
    return Settings(models=(GPT,), latency=Latency(median=seconds))


def charged(provider: Simulated) -> int:
    return provider.bill().requests


def questions(provider: Simulated) -> set[str | None]:
    """Digests of what was charged."""
    return {entry.question for entry in provider.requests() if entry.charged}


def go_on(told: str) -> list[str]:
    """The command that a message says to go on with."""
    return shlex.split(told.rpartition(": phase0 ")[2])


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent as a signal")
def test_ctrl_c_stores_what_is_in_flight_and_a_second_one_gives_it_up_and_nothing_else(
    folder: Path, undisturbed: bytes
) -> None:
    with simulated(slow(0.3)) as provider:
        typed = Typed(folder, provider.url)
        with typed.running() as process:
            until(lambda: charged(provider) >= 5)
            process.send_signal(signal.SIGINT)
            status, told = typed.end(process)
        stored = charged(provider)
        assert (status, typed.stored()) == (130, stored)
        assert 5 <= stored < ROWS
        asked = questions(provider)
    assert told.startswith("phase0: It was stopped; what was in flight is stored. To go on: phase0 distill ")
    assert go_on(told) == ["distill", *OPTIONS]
    assert not (folder / "out.jsonl").exists()

    with simulated(slow(1000)) as provider:
        typed = Typed(folder, provider.url)
        with typed.running() as process:
            until(lambda: charged(provider) >= 3)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            assert any("Ctrl-C again gives it up" in line for line in iter(process.stderr.readline, ""))
            process.send_signal(signal.SIGINT)
            status, told = typed.end(process)
        assert (status, typed.stored()) == (130, stored)
        in_flight = questions(provider)  # of those that came in none was answered yet
        assert in_flight
    assert go_on(told) == ["distill", *OPTIONS]

    with simulated(FAST) as provider:
        typed = Typed(folder, provider.url)
        assert typed.run()[0] == 0
        bought = questions(provider)
    assert len(bought) == ROWS - stored
    assert not bought & asked
    assert in_flight <= bought  # bought twice: what was given up, and nothing else
    assert typed.output == undisturbed


def test_a_budget_is_never_exceeded_and_a_larger_one_goes_on(folder: Path, undisturbed: bytes) -> None:
    with simulated(FAST) as provider:
        typed = Typed(folder, provider.url)
        limit = Decimal("0.03")
        status, told = typed.run("--budget-usd", str(limit))
        assert status == 4
        first = typed.stored()
        assert 0 < first < ROWS
        assert typed.spent() <= limit
        way = re.search(r"For the (\d+) that are missing, raise it to about \$([\d.]+)\.", told)
        assert way is not None
        assert int(way[1]) == ROWS - first
        assert "With a larger --budget-usd the same goes on: phase0 distill " in told
        limit = Decimal("0.05")
        assert typed.run("--budget-usd", str(limit))[0] == 4
        assert first < typed.stored() < ROWS
        assert typed.spent() <= limit
        assert typed.run("--budget-usd", "100")[0] == 0
        bill = provider.bill()
    assert (bill.requests, bill.usd) == (ROWS, typed.spent())
    assert typed.output == undisturbed


def test_a_budget_that_is_too_small_for_one_answer_spends_nothing_and_the_one_that_is_named_is_enough(
    folder: Path,
) -> None:
    with simulated(FAST) as provider:
        typed = Typed(folder, provider.url)
        status, told = typed.run("--budget-usd", "0.001")
        assert (status, charged(provider)) == (4, 0)
        named = re.search(r"raise the budget to \$([\d.]+) at least", told)
        assert named is not None
        assert typed.run("--budget-usd", named[1])[0] == 4
        assert typed.stored() == charged(provider) >= 1
        assert typed.spent() <= Decimal(named[1])


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ("no_quota", "quota"),
        ("bad_key", "OPENAI_API_KEY"),
        pytest.param("no_access", "openai", marks=pytest.mark.soak),
        pytest.param("unknown_model", "gpt-4o", marks=pytest.mark.soak),
    ],
)
def test_a_provider_that_will_not_answer_any_more_ends_the_run_and_loses_nothing(
    fault: str, word: str, folder: Path, undisturbed: bytes
) -> None:
    with simulated(FAST) as provider:
        typed = Typed(folder, provider.url)
        provider.force(*[None] * 7, *[fault] * ROWS)
        status, told = typed.run("--budget-usd", "10")
        assert status == 2
        assert word in told
        assert typed.stored() == charged(provider) >= 7
        assert go_on(told) == ["distill", *OPTIONS, "--budget-usd", "10"]
        provider.force()
    with simulated(FAST) as provider:
        stored = typed.stored()
        assert Typed(folder, provider.url).run("--budget-usd", "10")[0] == 0
        assert charged(provider) == ROWS - stored
    assert typed.output == undisturbed


def test_a_wrong_key_and_a_model_that_is_not_offered_are_told_in_one_line_and_cost_nothing(folder: Path) -> None:
    with simulated(Settings(models=(GPT,), keys=("sk-right",))) as provider:
        status, told = Typed(folder, provider.url, "sk-wrong-and-secret").run("--budget-usd", "10")
        assert (status, charged(provider)) == (2, 0)
        assert "OPENAI_API_KEY" in told
        assert "sk-wrong" not in told
        assert Typed(folder, provider.url, "sk-right").run("--model-id", "gpt-5o", "--budget-usd", "10")[0] == 2
        assert charged(provider) == 0
        assert Typed(folder, provider.url, "sk-wrong-and-secret,sk-right").run("--budget-usd", "10")[0] == 0
