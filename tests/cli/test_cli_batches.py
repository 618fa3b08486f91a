"""`phase0 batches` reaches providers as the run did that sent the batches, and nobody is asked for money twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
from made import write_lines

from phase0.cli.batching import connection
from phase0.errors import UsageError
from phase0.ledger import FILE, Batch, Ledger
from phase0.providers.openai import OpenAI
from phase0.simulator import BatchLife, Model, Settings, Simulated, simulated
from phase0.workspace import MARK

ROWS, SECRET = 12, "sk-mine-and-secret"
QUICK = BatchLife(validating=0.01, running=0.05, finalizing=0.01)
DISTILL = ["distill", "--input", "in.jsonl", "--output", "out.jsonl", "--teacher", "gpt-4o", "--mode", "batch"]


def older(server: str, model: str) -> Batch:
    """A batch of which nobody wrote down where it was sent."""
    return Batch("tag", server, model, (), "sent", "id", None, 0.0, "")


def test_a_variable_that_holds_several_keys_holds_several_for_batches_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "first-key, second-key")
    provider = connection(older("openai", "gpt-4o")).routes[0].provider
    assert isinstance(provider, OpenAI)
    assert provider._client._headers["Authorization"] == "Bearer first-key"


def test_without_a_key_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        connection(older("openai", "gpt-4o"))
    with pytest.raises(UsageError, match="run the plan"):
        connection(older("my.server:8000", "nobody's model"))


class Said(NamedTuple):
    status: int
    out: str
    err: str


class Shell:
    """Commands in a folder with rows that lack answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rows = [
            {"instruction": f"Tell the story of lamp {n}.", "response": None, "source": "made", "quality_score": None}
            for n in range(ROWS)
        ]
        write_lines(folder / "in.jsonl", [json.dumps(row).encode() for row in rows])

    def __call__(self, *command: str, **variables: str) -> Said:
        environment = {name: value for name, value in os.environ.items() if not name.endswith(("_URL", "_KEY"))}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "phase0", *command],
            cwd=self.folder,
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    def tags(self) -> list[str]:
        with Ledger(self.folder / MARK / FILE) as ledger:
            return [batch.tag for batch in ledger.open_batches()]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def provider() -> Iterator[Simulated]:
    with simulated(Settings(models=(Model(name="gpt-4o"), Model(name="theirs")), batches=QUICK)) as running:
        yield running


def ended(provider: Simulated, batches: int = 1) -> None:
    """Wait until so many batches have been worked on."""
    end = time.monotonic() + 60
    while provider.bill().requests < batches * ROWS:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_batch_that_options_sent_elsewhere_is_listed_and_brought_in_without_them(
    shell: Shell, provider: Simulated
) -> None:
    address = f"127.0.0.1:{provider.port}/v1"
    own = ["--base-url", provider.url, "--api-key-env", "MINE", "--model-id", "theirs", "--price", "3,5"]
    assert shell(*DISTILL, *own, "--no-wait", MINE=SECRET).status == 4
    (tag,) = shell.tags()
    ended(provider)
    listed = shell("batches", MINE=SECRET, OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert listed.out.split() == f"{tag} {address} theirs {ROWS} completed {ROWS} of {ROWS} done".split()
    missing = shell("batches", OPENAI_API_KEY="sk-another")
    assert f"batch {tag} was sent to {address} with a key that MINE does not hold." in missing.out
    assert shell("batches", "--resume", MINE=SECRET).out == f"{ROWS} replies, 0 refused; 0 are still out\n"
    done = shell(*DISTILL, *own, MINE=SECRET)
    assert (done.status, provider.bill().requests) == (0, ROWS)
    with Ledger(shell.folder / MARK / FILE) as ledger:
        (spent,) = ledger.spend("model")
    assert spent.cost == (3 * spent.tokens_in + 5 * spent.tokens_out) * Decimal("0.000001")
    for path in (shell.folder / MARK).rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_a_server_that_a_variable_moves_does_not_buy_again_what_is_in_a_batch_where_it_was(
    shell: Shell, provider: Simulated
) -> None:
    key = {"OPENAI_API_KEY": SECRET}
    first = shell(*DISTILL, "--no-wait", OPENAI_BASE_URL=provider.url, **key)
    assert first.status == 4
    assert f"{ROWS} rows cost about" in first.err
    (tag,) = shell.tags()
    ended(provider)
    with simulated(Settings(models=(Model(name="gpt-4o"),), batches=QUICK)) as elsewhere:
        there = shell(*DISTILL, "--no-wait", OPENAI_BASE_URL=elsewhere.url, **key)
        assert (there.status, elsewhere.bill().requests, shell.tags()) == (4, 0, [tag])
        assert f"batch {tag} with {ROWS} questions is out at 127.0.0.1:{provider.port}/v1" in there.err
        assert "cost about" not in there.err  # nothing more is to be paid: nobody is asked to agree
    last = shell(*DISTILL, OPENAI_BASE_URL=provider.url, **key)
    assert (last.status, provider.bill().requests) == (0, ROWS)
    assert "cost about" not in last.err


def test_a_batch_that_is_given_up_is_bought_again(shell: Shell, provider: Simulated) -> None:
    variables = {"OPENAI_API_KEY": SECRET, "OPENAI_BASE_URL": provider.url}
    shell(*DISTILL, "--no-wait", **variables)
    (tag,) = shell.tags()
    wrong = shell("batches", "--forget", f"{tag}x", **variables)
    assert (wrong.status, shell.tags()) == (2, [tag])
    assert f"Did you mean {tag!r}" in wrong.err or tag in wrong.err
    assert f"{tag}: given up; its {ROWS} questions are bought again" in shell("batches", "--forget", tag).out
    assert shell("batches").out == "no batches are out\n"
    ended(provider)
    shell(*DISTILL, "--no-wait", **variables)
    ended(provider, 2)
    assert shell(*DISTILL, **variables).status == 0


def test_another_key_is_taken_where_it_is_named_and_a_batch_that_it_does_not_show_stays_out(
    shell: Shell, provider: Simulated
) -> None:
    shell(*DISTILL, "--no-wait", OPENAI_API_KEY=SECRET, OPENAI_BASE_URL=provider.url)
    ended(provider)
    assert "OPENAI_API_KEY does not hold" in shell("batches", "--resume", OPENAI_API_KEY="sk-new").err
    strange = shell("batches", "--resume", "--api-key-env", "NEW", NEW="sk-new")
    assert strange.out == f"0 replies, 0 refused; {ROWS} are still out\n"
    assert f"batch {shell.tags()[0]} is left alone, and its {ROWS} questions are not asked again" in strange.err
    told = shell("batches", "--resume", "--api-key-env", "NEW", NEW=SECRET)
    assert told.out == f"{ROWS} replies, 0 refused; 0 are still out\n"
