"""The recipe's three curator commands as typed, against the simulator: each server by its own variables."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typed import Shell

from phase0.ledger import FILE, Ledger
from phase0.simulator import Model, Settings, Simulated, simulated
from phase0.workspace import MARK

ROWS = 60
COMMANDS = {
    "llama405b": "python dataset_curator.py --input ../data/raw/combined.jsonl --teacher llama-405b "
    "--output ../data/distilled/llama405b_responses.jsonl --percentage 40",
    "gpt4o": "python dataset_curator.py --input ../data/raw/combined.jsonl --teacher gpt-4o "
    "--output ../data/distilled/gpt4o_responses.jsonl --percentage 35",
    "qwen_coder": "python dataset_curator.py --input ../data/raw/combined.jsonl --teacher qwen-coder-480b "
    "--output ../data/distilled/qwen_coder_responses.jsonl --percentage 25",
}
SHARES = {"llama405b": 40, "gpt4o": 35, "qwen_coder": 25}
SOURCES = {"llama-3.1-405b-instruct": 24, "gpt-4o": 21, "qwen3-coder-480b-a35b-instruct": 15}
VARIABLES = {"llama405b": "OPENROUTER_API_KEY", "gpt4o": "OPENAI_API_KEY", "qwen_coder": "HF_TOKEN"}
MODELS = (
    Model(name="meta-llama/llama-3.1-405b-instruct", price=(Decimal("0.80"), Decimal("0.80"))),
    Model(
        name="gpt-4o",
        price=(Decimal("2.50"), Decimal(10)),
        batch_price=(Decimal("1.25"), Decimal(5)),
    ),
    Model(name="Qwen/Qwen3-Coder-480B-A35B-Instruct:novita", price=(Decimal("0.30"), Decimal("1.30"))),
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for .venv is a shell script")


@pytest.fixture
def provider() -> Iterator[Simulated]:
    with simulated(Settings(models=MODELS, speed=20)) as running:
        yield running


@pytest.fixture
def data(project: Path, bare: Path) -> Path:
    """The folder data/, with prompts acquired as the recipe acquires them."""
    (project / "mine").mkdir()
    rows = [{"instruction": f"Describe the {n}th house of a street.", "output": "An old answer."} for n in range(ROWS)]
    (project / "mine" / "streets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Shell(project, bare).type("python dataset_downloader.py --from ../mine --output ../data/raw/")
    return project / "data"


def environment(url: str) -> dict[str, str]:
    """Each server's own variables."""
    return {
        "OPENAI_BASE_URL": url,
        "OPENAI_API_KEY": "sk-1",
        "OPENROUTER_BASE_URL": url,
        "OPENROUTER_API_KEY": "sk-2",
        "HF_INFERENCE_BASE_URL": url,
        "HF_TOKEN": "hf-3",
    }


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def answered(data: Path) -> dict[str, bytes]:
    return {name: (data / "distilled" / f"{name}_responses.jsonl").read_bytes() for name in COMMANDS}


def check(data: Path, provider: Simulated) -> None:
    """Every row once, by the teacher whose share it is, and paid for once."""
    rows: list[dict[str, Any]] = [json.loads(line) for part in answered(data).values() for line in part.splitlines()]
    raw = [json.loads(line) for line in (data / "raw" / "combined.jsonl").read_bytes().splitlines()]
    assert Counter(row["instruction"] for row in rows) == Counter(row["instruction"] for row in raw)
    assert Counter(row["source"] for row in rows) == SOURCES
    assert not [row for row in rows if row["response"] == "An old answer."]
    bill = provider.bill()
    assert bill.requests == ROWS
    with Ledger(data / MARK / FILE) as ledger:
        assert sum(each.requests for each in ledger.spend("model")) == ROWS
        assert sum(each.cost for each in ledger.spend("model")) == bill.usd


def test_the_three_at_once_as_typed_and_again_without_keys_and_without_a_provider(
    project: Path, bare: Path, data: Path
) -> None:
    with simulated(Settings(models=MODELS, speed=20)) as provider:
        shell = Shell(project, bare, **environment(provider.url))
        running = [shell.start(command) for command in COMMANDS.values()]
        ended = [(process.communicate()[1], process.returncode) for process in running]
        assert [status for _, status in ended] == [0, 0, 0], ended
        check(data, provider)
    bought = answered(data)
    shutil.rmtree(data / "distilled")
    shell = Shell(project, bare)
    for name in reversed(COMMANDS):
        shell.type(COMMANDS[name])
    assert answered(data) == bought


_FIRST, *_OTHERS = list(itertools.permutations(COMMANDS))[1::2]


@pytest.mark.parametrize(
    "order", [_FIRST, *(pytest.param(one, marks=pytest.mark.soak) for one in _OTHERS)], ids=",".join
)
def test_the_three_in_any_order_cover_every_row_once(
    order: tuple[str, ...], project: Path, bare: Path, data: Path, provider: Simulated
) -> None:
    shell = Shell(project, bare, **environment(provider.url))
    for name in order:
        told = shell.type(f"{COMMANDS[name]} --mode online")
        assert f"distill: {ROWS} rows read; {ROWS * SHARES[name] // 100} in = " in told
    check(data, provider)


@pytest.mark.parametrize("teacher", COMMANDS)
def test_without_a_key_one_line_names_the_variable_and_nothing_is_claimed_or_written(
    teacher: str, project: Path, bare: Path, data: Path, provider: Simulated
) -> None:
    before = tree(data)
    told = Shell(project, bare).type(COMMANDS[teacher], status=2)
    assert told.count("\n") == 1
    assert f"cannot be asked without a key: set {VARIABLES[teacher]}" in told
    assert tree(data) == before
    other = next(name for name in COMMANDS if name != teacher)
    Shell(project, bare, **environment(provider.url)).type(f"{COMMANDS[other]} --mode online")
    before = tree(data)
    told = Shell(project, bare).type(COMMANDS[teacher], status=2)  # the ledger has answers now, but not of this teacher
    assert told.count("\n") == 1
    assert f"set {VARIABLES[teacher]}" in told
    after = tree(data)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} <= {
        f"{MARK}/{FILE}"
    }  # SQLite notes that it was opened


def test_a_part_of_the_answers_is_not_enough_to_go_on_without_a_key(
    project: Path, bare: Path, data: Path, provider: Simulated
) -> None:
    shell = Shell(project, bare, **environment(provider.url))
    short = COMMANDS["gpt4o"].replace("--percentage 35", "--percentage 10")
    shell.type(f"{short} --mode online")
    shell.type("python dataset_curator.py --release --output ../data/distilled/gpt4o_responses.jsonl")
    claims = (data / MARK / "claims.json").read_bytes()
    told = Shell(project, bare).type(COMMANDS["gpt4o"], status=2)
    assert "set OPENAI_API_KEY (openai)" in told
    assert (data / MARK / "claims.json").read_bytes() == claims
    assert "6 in = 6 kept" in Shell(project, bare).type(short)
