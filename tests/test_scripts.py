"""The recipe's five commands, typed as its user types them: from scripts/, with an interpreter that has no phase0."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hubserver import HubServer
from made import record
from typed import SCRIPTS, SOURCE, Shell

from phase0.catalog.datasets import datasets
from phase0.records import encode

SHARES = {"llama405b": 40, "gpt4o": 35, "qwen_coder": 25}

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for .venv is a shell script")


@pytest.fixture
def shell(project: Path, bare: Path) -> Shell:
    return Shell(project, bare)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def combined(project: Path, count: int) -> Path:
    path = project / "data" / "raw" / "combined.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(encode(record(n)) + b"\n" for n in range(count)))
    return path


# ---- the interpreter ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("[a-z]*.py")))
def test_a_script_without_an_environment_says_in_one_line_what_to_run(script: str, project: Path, bare: Path) -> None:
    shutil.rmtree(project / ".venv")
    told = Shell(project, bare).type(f"python {script} --help", status=1)
    assert told == f"phase0 is not installed for {bare}. Run `make setup` in {project}, then this again.\n"


def test_an_environment_that_lacks_phase0_too_does_not_start_itself_for_ever(project: Path, bare: Path) -> None:
    (project / ".venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec "{bare}" "$@"\n')
    told = Shell(project, bare).type("python quality_scorer.py --help", status=1)
    assert told.startswith("phase0 is not installed for ")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("script", "command"),
    [
        ("dataset_downloader.py", "download"),
        ("dataset_curator.py", "distill"),
        ("quality_scorer.py", "score"),
        ("deduplication_parallel.py", "dedup"),
        ("verify_dataset.py", "verify"),
    ],
)
def test_a_script_starts_again_where_phase0_is(script: str, command: str, shell: Shell) -> None:
    assert f"Usage: phase0 {command} " in shell.type(f"python {script} --help")


def test_an_interpreter_that_has_phase0_is_used_as_it_is(project: Path) -> None:
    shutil.rmtree(project / ".venv")
    shell = Shell(project, Path(sys.executable), PYTHONPATH=str(SOURCE))
    assert "Usage: phase0 score" in shell.type("python quality_scorer.py --help")


# ---- the line -------------------------------------------------------------------------------------------------------


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """A hub with the three datasets of the recipe, pinned as the catalogue pins them."""
    asked = [f"Describe town {n}: what is there to see, and what does its river mean to people?" for n in range(60)]
    facts = [town(n) for n in range(60)]
    alpaca = [{"instruction": a, "input": "", "output": f} for a, f in zip(asked[:20], facts[:20], strict=True)]
    hh = [
        {"chosen": f"\n\nHuman: {a}\n\nAssistant: {f}", "rejected": f"\n\nHuman: {a}\n\nAssistant: No."}
        for a, f in zip(asked[20:40], facts[20:40], strict=True)
    ]
    wizard = [
        {"instruction": a, "output": f, "conversations": [{"from": "human", "value": a}, {"from": "gpt", "value": f}]}
        for a, f in zip(asked[40:], facts[40:], strict=True)
    ]
    with HubServer() as server:
        for name, rows in {"alpaca": alpaca, "anthropic-hh": hh, "wizardlm": wizard}.items():
            entry = datasets()[name]
            files = {file.replace("*", "0"): body(file, rows) for file in entry.files[:1]}
            files |= {file.replace("*", "0"): body(file, rows[:1]) for file in entry.files[1:]}
            server.add(str(entry.hub), files, revision=str(entry.revision or "main"))
        yield server


def town(number: int) -> str:
    """An answer that a scorer has no reason to think little of."""
    return (
        f"Town {number} lies on both banks of a slow river, and most of its life happens near the water. There are "
        f"three things to see:\n\n1. **The bridges.** It has {number + 3} of them, built of stone because wood was "
        "scarce in this valley.\n2. **The market.** Every week, farmers bring fruit, bread and cheese, and the square "
        f"fills with people from the villages around.\n3. **The harbour.** In spring the river rises by {number} "
        "metres, so the boats are moved to higher ground before the flood arrives.\n\nIn short, the river gives the "
        "town its work, its food and its festivals, and the people describe it as their oldest neighbour."
    )


def body(name: str, rows: list[dict[str, Any]]) -> bytes:
    """Rows in the container that a file's name promises."""
    if name.endswith(".parquet"):
        import io

        import pyarrow as pa
        import pyarrow.parquet as pq

        out = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), out)
        return out.getvalue()
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    if name.endswith(".json"):
        return json.dumps(rows).encode()
    return gzip.compress(lines) if name.endswith(".gz") else lines


def test_the_five_commands_of_the_recipe_as_typed(project: Path, bare: Path, hub: HubServer) -> None:
    shell = Shell(project, bare, HF_ENDPOINT=hub.url)
    data = project / "data"
    shell.type("python dataset_downloader.py --datasets alpaca anthropic-hh wizardlm --output ../data/raw/")
    raw = rows_of(data / "raw" / "combined.jsonl")
    assert {row["meta"]["origin"]["dataset"] for row in raw} == {"alpaca", "anthropic-hh", "wizardlm"}
    for name, share in SHARES.items():
        shell.type(
            "python dataset_curator.py --input ../data/raw/combined.jsonl --teacher original "
            f"--output ../data/distilled/{name}_responses.jsonl --percentage {share}"
        )
    answered = [row for name in SHARES for row in rows_of(data / "distilled" / f"{name}_responses.jsonl")]
    assert Counter(row["id"] for row in answered) == Counter(row["id"] for row in raw)
    told = shell.type(
        "python quality_scorer.py --input ../data/distilled/*.jsonl --output ../data/scored/all_scored.jsonl "
        "--threshold 7.0 --model local"
    )
    assert f"score: {len(raw)} in = " in told
    scored = rows_of(data / "scored" / "all_scored.jsonl")
    assert scored
    assert all(row["quality_score"] > 7.0 for row in scored)
    told = shell.type(
        "python deduplication_parallel.py --input ../data/scored/all_scored.jsonl "
        "--output ../data/public_500k_filtered.jsonl --threshold 0.8 --workers 10"
    )
    assert f"dedup: {len(scored)} in = " in told
    final = rows_of(data / "public_500k_filtered.jsonl")
    assert all(list(row) == ["instruction", "response", "source", "quality_score"] for row in final)
    told = shell.type("python verify_dataset.py --input ../data/public_500k_filtered.jsonl")
    assert f"{len(final):,}" in told
    assert sorted(path.name for path in data.glob("*.jsonl")) == ["public_500k_filtered.jsonl"]


def test_the_work_of_a_script_can_be_shared_by_processes(project: Path, shell: Shell) -> None:
    """A spawned worker imports the script again: it must not start the command a second time."""
    path = project / "data" / "distilled" / "big.jsonl"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.writelines(encode(record(n, response="All rivers flow to the sea. " * 3000)) + b"\n" for n in range(60))
    assert path.stat().st_size > 4 << 20
    command = "python quality_scorer.py --input ../data/distilled/big.jsonl --threshold 1 --model local"
    two = shell.type(f"{command} --output ../data/two.jsonl --workers 2")
    assert two.count("score: 60 in = 60 kept + 0 dropped") == 1
    shell.type(f"{command} --output ../data/one.jsonl --workers 1")
    assert (project / "data" / "one.jsonl").read_bytes() == (project / "data" / "two.jsonl").read_bytes()
    told = shell.type("python deduplication_parallel.py --input ../data/one.jsonl --output ../data/d.jsonl --workers 2")
    assert told.count("publish: ") == 1


# ---- the shares -----------------------------------------------------------------------------------------------------


def curate(name: str, share: int) -> str:
    return (
        "python dataset_curator.py --input ../data/raw/combined.jsonl --teacher original "
        f"--output ../data/distilled/{name}.jsonl --percentage {share}"
    )


def shared_out(project: Path) -> dict[str, bytes]:
    return {name: (project / "data" / "distilled" / f"{name}.jsonl").read_bytes() for name in SHARES}


def check_shares(project: Path, count: int) -> None:
    parts = shared_out(project)
    lines = [line for part in parts.values() for line in part.splitlines()]
    assert Counter(lines) == Counter((project / "data" / "raw" / "combined.jsonl").read_bytes().splitlines())
    for name, share in SHARES.items():
        assert abs(len(parts[name].splitlines()) - count * share / 100) <= 1


@pytest.mark.parametrize("order", list(itertools.permutations(SHARES))[::2], ids=",".join)
def test_the_three_shares_cover_every_row_once_in_any_order_and_again(
    order: tuple[str, ...], project: Path, shell: Shell
) -> None:
    combined(project, 101)
    for name in order:
        shell.type(curate(name, SHARES[name]))
    check_shares(project, 101)
    before = shared_out(project)
    shell.type(curate(order[0], SHARES[order[0]]))
    assert shared_out(project) == before


def test_the_three_shares_at_once_cover_every_row_once_and_the_same_again(project: Path, shell: Shell) -> None:
    combined(project, 101)
    for again in (False, True):
        before = shared_out(project) if again else None
        running = [shell.start(curate(name, share)) for name, share in SHARES.items()]
        results = [(process.communicate()[1], process.returncode) for process in running]
        assert [status for _, status in results] == [0, 0, 0], results
        check_shares(project, 101)
        assert before is None or shared_out(project) == before


def test_more_than_the_whole_is_refused_with_the_claims_and_a_share_can_be_released(
    project: Path, shell: Shell
) -> None:
    combined(project, 50)
    for name, share in SHARES.items():
        shell.type(curate(name, share))
    told = shell.type(curate("more", 10), status=2)
    assert told.count("\n") == 1
    assert "10% of this input was asked for, but only 0% is left" in told
    for name, share in SHARES.items():
        assert f"{share}% by original (distilled/{name}.jsonl)" in told
    told = shell.type("python dataset_curator.py --release --output ../data/distilled/gpt4o.jsonl")
    assert told == "35% claimed by original for ../data/distilled/gpt4o.jsonl is free again\n"
    assert "in = " in shell.type(curate("more", 10))


def test_a_teacher_without_a_key_claims_nothing(project: Path, shell: Shell) -> None:
    combined(project, 50)
    told = shell.type(curate("x", 100).replace("original", "gpt-4o"), status=2)
    assert "gpt-4o cannot be asked without a key: set OPENAI_API_KEY" in told
    shell.type(curate("y", 100))
