"""Rehearsals: a whole plan against the simulator ends as a run does, costs nothing, and its ledger equals the bill."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

import phase0
from phase0 import rehearsal
from phase0.cli import status_of
from phase0.errors import Phase0Error, UsageError
from phase0.ledger import FILE, Ledger
from phase0.plan import load_plan, plan_from
from phase0.rehearsal import Rehearsal, rehearse
from phase0.simulator import Model
from phase0.stages.means import Means
from phase0.workspace import MARK

PLAN = Path(__file__).resolve().parents[1] / "plans" / "phase0.toml"
MIX = {"llama-405b": 40, "gpt-4o": 35, "qwen-coder-480b": 25}
SECRET = "sk-real-and-secret-0123456789"
LOCAL = ["score.model=local"]


def prompts(folder: Path, count: int) -> Path:
    """Prompts without answers, as a collection of them is published."""
    path = folder / "prompts.jsonl"
    rows = [{"id": f"p/{n}", "instruction": f"Explain in {n + 2} steps how a letter travels."} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def check_whole(made: Rehearsal, count: int) -> None:
    """Shares, sums and the bill of a rehearsal of the recipe over so many prompts."""
    steps = {step.output.stem: step.manifest for step in made.run.steps}
    for step in steps.values():
        assert step.counts.rows_in == step.counts.kept + step.counts.dropped
    assert steps["combined"].counts.kept == count
    (prompts,) = [step.output for step in made.run.steps if step.stage == "prompts"]  # none is asked twice
    asked = rows_of(prompts)
    for teacher, share in MIX.items():
        assert abs(steps[teacher].counts.rows_in - len(asked) * share / 100) <= 1
    assert sum(steps[teacher].counts.rows_in for teacher in MIX) == len(asked)
    assert steps["all_scored"].counts.rows_in == sum(steps[teacher].counts.kept for teacher in MIX)
    report = made.run.report.with_suffix(".md").read_text()
    assert f"**The sums close**: {count:,} in = " in report
    assert "**A rehearsal: a simulator stood in for the teachers" in report
    assert [each.cost for each in made.bought] == [each.billed for each in made.bought]
    assert made.cost == sum(each.cost for each in made.bought) > 0
    with Ledger(made.run.folder / MARK / FILE) as ledger:
        assert sum(each.cost for each in ledger.spend("model")) == made.cost
    assert Decimal(made.run.verification.cost.usd or "NaN") == made.cost
    answered = [row for teacher in MIX for row in rows_of(made.run.folder / "distilled" / f"{teacher}.jsonl")]
    assert Counter(row["instruction"] for row in answered) == Counter(row["instruction"] for row in asked)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rehearsal")


@pytest.fixture(scope="module")
def made(place: Path) -> Rehearsal:
    """The recipe over 45 prompts, one of its teachers replayed, by somebody who has a key and a real server."""
    asked = prompts(place, 45)
    with gzip.open(place / "gpt.jsonl.gz", "wt") as file:
        for row in rows_of(asked)[:40]:
            file.write(json.dumps({"instruction": row["instruction"], "response": f"Replayed: {row['id']}"}) + "\n")
    own = {"OPENAI_API_KEY": SECRET, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "DEEPINFRA_TOKEN": SECRET}
    return rehearse(
        PLAN,
        place / "run",
        inputs=[asked],
        settings=[*LOCAL, "score.threshold=1.0"],
        answers=[f"gpt-4o={place / 'gpt.jsonl.gz'}"],
        means=Means(variables=own),
    )


def test_a_rehearsal_of_the_recipe_ends_with_its_shares_and_a_bill_that_is_the_ledger(made: Rehearsal) -> None:
    check_whole(made, 45)


def test_everything_of_a_rehearsal_is_in_a_folder_of_its_own_and_no_real_key_is_used(
    made: Rehearsal, place: Path
) -> None:
    assert {path.name for path in place.iterdir()} == {"prompts.jsonl", "gpt.jsonl.gz", "run.rehearsal"}
    assert made.run.folder == place / "run.rehearsal"
    assert not [name for name, content in tree(made.run.folder).items() if SECRET.encode() in content]


def test_teachers_are_rehearsed_where_they_would_be_asked(made: Rehearsal) -> None:
    """Where there is a key; and where there is none, at the first endpoint with a price."""
    assert {each.model: each.server for each in made.bought} == {
        "llama-3.1-405b-instruct": "openrouter",
        "gpt-4o": "openai",
        "qwen3-coder-480b-a35b-instruct": "deepinfra",
    }


def test_answers_are_replayed_for_the_teacher_that_they_are_named_for_and_others_made_up(made: Rehearsal) -> None:
    folder = made.run.folder / "distilled"
    replayed = [row for row in rows_of(folder / "gpt-4o.jsonl") if row["response"].startswith("Replayed: p/")]
    assert len(rows_of(folder / "gpt-4o.jsonl")) - 5 <= len(replayed) <= 16
    others = [row for teacher in ("llama-405b", "qwen-coder-480b") for row in rows_of(folder / f"{teacher}.jsonl")]
    assert not [row for row in others if row["response"].startswith("Replayed")]


def test_the_teacher_that_gives_a_discount_is_asked_in_batches_and_pays_half(made: Rehearsal) -> None:
    gpt = next(each for each in made.bought if each.model == "gpt-4o")
    assert gpt.cost == (Decimal("1.25") * gpt.tokens_in + 5 * gpt.tokens_out) / 1_000_000


def test_the_judge_of_the_recipe_is_rehearsed_with_its_teachers_and_its_bill_is_the_ledger(tmp_path: Path) -> None:
    asked = prompts(tmp_path, 30)
    made = rehearse(PLAN, tmp_path / "run", inputs=[asked], settings=["score.threshold=5.0"])
    check_whole(made, 30)
    judge = next(each for each in made.bought if each.model == "gpt-4o-mini")
    answered = sum(step.manifest.counts.kept for step in made.run.steps if step.stage == "distill")
    assert (judge.requests, judge.server) == (answered, "openai")
    assert judge.cost == (Decimal("0.075") * judge.tokens_in + Decimal("0.3") * judge.tokens_out) / 1_000_000
    assert "| score | `gpt-4o-mini` |" in made.run.report.with_suffix(".md").read_text()


def test_what_is_made_from_a_rehearsal_says_so_wherever_it_is_looked_at(made: Rehearsal, place: Path) -> None:
    assert made.run.verification.rehearsal
    again = phase0.verify([made.run.folder / "dataset.jsonl"])
    assert again.rehearsal
    assert json.loads((made.run.folder / "report.json").read_bytes())["rehearsal"] is True


def test_a_finished_rehearsal_buys_nothing_again(made: Rehearsal, place: Path) -> None:
    before = tree(made.run.folder / "distilled")
    again = rehearse(PLAN, place / "run", inputs=[place / "prompts.jsonl"], settings=[*LOCAL, "score.threshold=1.0"])
    assert [each.requests for each in again.bought] == [0, 0, 0]
    assert again.cost == made.cost
    assert tree(made.run.folder / "distilled") == before


def one(folder: Path, **more: Any) -> phase0.Plan:
    wanted = {"name": "one", "download": {"inputs": [str(folder / "prompts.jsonl")]}}
    return plan_from({**wanted, "distill": {"mix": {"llama-405b": Decimal(100)}}, **more})


def test_a_bill_that_is_not_the_ledger_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = rehearsal._models

    def dearer(places: Any) -> Iterator[Model]:
        for model in models(places):
            assert model.price
            yield msgspec.structs.replace(model, price=(model.price[0], model.price[1] + Decimal("0.000001")))

    monkeypatch.setattr(rehearsal, "_models", dearer)
    prompts(tmp_path, 3)
    with pytest.raises(Phase0Error, match=r"the simulator charged \$0\.\d+ for llama-3.1-405b-instruct, but by the"):
        rehearse(one(tmp_path), tmp_path / "run")


def test_a_provider_with_an_api_of_its_own_is_rehearsed_at_its_limit(tmp_path: Path) -> None:
    prompts(tmp_path, 6)
    given = Means(variables={"REPLICATE_API_TOKEN": "r8"})
    made = rehearse(one(tmp_path, prices={"llama-405b": "2,6"}), tmp_path / "run", means=given)
    (bought,) = made.bought
    assert (bought.server, bought.requests) == ("replicate", 6)
    assert bought.cost == (2 * bought.tokens_in + Decimal(6) * bought.tokens_out) / 1_000_000


def test_a_plan_that_asks_nobody_can_be_rehearsed_too(tmp_path: Path) -> None:
    made = rehearse(load_plan(PLAN.parent / "quickstart.toml", ["download.limit=20"]), tmp_path / "run")
    assert (made.bought, made.cost) == ((), 0)
    assert not made.run.verification.rehearsal


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"settings": ["score.model=gpt-4o-mni"]}, "there is no judge called 'gpt-4o-mni'"),
        ({"settings": LOCAL, "answers": ["gpt4o=x.jsonl"]}, r"the plan asks no 'gpt4o'\. Did you mean 'gpt-4o'\?"),
        ({"settings": LOCAL, "answers": ["gpt-4o=x.jsonl"]}, "there is no file 'x.jsonl'"),
        ({"settings": LOCAL, "means": Means(wait=False)}, "leave --no-wait out"),
    ],
)
def test_what_cannot_be_rehearsed_is_told_before_anything_is_done(
    tmp_path: Path, options: dict[str, Any], word: str
) -> None:
    with pytest.raises(UsageError, match=word):
        rehearse(PLAN, tmp_path / "run", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--answers", "x.jsonl"], "it needs --simulate"),
        (["--simulate", "--workspace", "."], "a rehearsal has a workspace of its own"),
        (["--simulate", "--set", "score.model=gpt-5"], "there is no judge called 'gpt-5'"),
    ],
)
def test_the_command_refuses_in_one_line_what_a_rehearsal_cannot_do(
    arguments: list[str], word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert status_of(["run", str(PLAN), *arguments]) == 2
    told = capsys.readouterr().err
    assert word in told
    assert told.count("\n") == 1


def test_the_command_tells_the_cost_beside_the_bill_and_ignores_the_workspace_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PHASE0_WORKSPACE", str(tmp_path / "shared"))
    options = ["--input", str(prompts(tmp_path, 8)), "--mode", "online", "--set", "score.model=local"]
    settings = ["score.threshold=1.0", "verify.target_rows=1", "verify.min_quality=1", "distill.mix={ gpt-4o = 100 }"]
    assert status_of(["run", str(PLAN), "--simulate", *options, *settings, "verify.min_teachers=1"]) == 0
    seen = capsys.readouterr()
    assert "This is a rehearsal: no model is asked and nothing is paid." in seen.err
    assert "A rehearsal: a simulator stood in for the teachers" in seen.out
    (line,) = [line.split() for line in seen.out.splitlines() if line.startswith("gpt-4o at openai")]
    assert line[-1] == line[-2]
    assert Decimal(line[-1]) > 0
    assert "Nothing was paid. It would have cost $0." in seen.out
    assert not (tmp_path / "shared").exists()
    assert (tmp_path / "runs" / "phase0.rehearsal" / MARK / FILE).exists()


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent as a signal")
def test_a_rehearsal_that_ctrl_c_stopped_in_a_batch_goes_on_with_the_command_that_it_names(tmp_path: Path) -> None:
    mix = ["score.model=local", "score.threshold=1.0", "distill.mix={ gpt-4o = 100 }"]
    command = ["run", str(PLAN), "--simulate", "--input", str(prompts(tmp_path, 12)), "--set", *mix]
    ledger = tmp_path / "runs" / "phase0.rehearsal" / MARK / FILE
    with subprocess.Popen(
        [sys.executable, "-m", "phase0", *command],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            while not (ledger.exists() and sent(ledger)):
                assert process.poll() is None
                time.sleep(0.02)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the simulator must outlive it
            _, told = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, told
    again = shlex.split(told.splitlines()[-1].rpartition("To go on: phase0 ")[2])
    assert again == command
    done = subprocess.run(
        [sys.executable, "-m", "phase0", *again], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr  # twelve rows are fewer than the plan asks for
    with Ledger(ledger) as opened:
        assert sum(each.requests for each in opened.spend("model")) == 12
    assert "Nothing was paid." in done.stdout
    assert len(rows_of(tmp_path / "runs" / "phase0.rehearsal" / "dataset.jsonl")) == 12


def sent(ledger: Path) -> bool:
    with Ledger(ledger) as opened:
        return any(batch.state == "sent" for batch in opened.open_batches())


def test_the_recipe_over_805_real_prompts_and_answers(dev_data: Path, tmp_path: Path) -> None:
    folder = dev_data / "teachers"
    files = {
        "llama-405b": "llama-3.1-405b.jsonl.gz",
        "gpt-4o": "gpt-4o.jsonl.gz",
        "qwen-coder-480b": "qwen2-72b.jsonl.gz",
    }
    made = rehearse(
        PLAN,
        tmp_path / "run",
        inputs=[folder / "prompts.jsonl"],
        settings=LOCAL,
        answers=[f"{teacher}={folder / name}" for teacher, name in files.items()],
    )
    check_whole(made, 805)
    for teacher, name in files.items():
        with gzip.open(folder / name, "rt") as lines:
            real = {(row["instruction"], row["response"].strip()) for row in map(json.loads, lines)}
        rows = rows_of(made.run.folder / "distilled" / f"{teacher}.jsonl")
        assert {(row["instruction"], row["response"]) for row in rows} <= real
        print(f"{teacher}: {len(rows)} of 805 rows")
    print("\n".join(f"{each.model}: ledger ${each.cost}, bill ${each.billed}" for each in made.bought))
