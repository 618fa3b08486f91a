"""Whole runs with a teacher and a judge that are models: one budget, one ledger, rounds, and judging that fails."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from made import record, write_lines, write_records

import phase0
from phase0.cli import status_of
from phase0.errors import TooManyFailures, Unfinished, UsageError
from phase0.estimating import estimate_plan
from phase0.ledger import FILE, Ledger
from phase0.plan import plan_from
from phase0.records import encode
from phase0.simulator import Faults, Model, Settings, Simulated, simulated
from phase0.stages.means import Means
from phase0.workspace import MARK

ROWS = 40
MODELS = (
    Model(name="gpt-4o", price=(Decimal("2.50"), Decimal(10))),
    Model(name="gpt-4o-mini", price=(Decimal("0.15"), Decimal("0.60"))),
)


class Heard:
    """Progress that remembers what it was told."""

    def __init__(self) -> None:
        self.warned: list[str] = []

    def start(self, step: str, total: int | None, unit: str = "rows") -> None: ...

    def advance(self, units: int) -> None: ...

    def state(self, text: str) -> None: ...

    def finish(self, note: str = "") -> None: ...

    def say(self, message: str) -> None: ...

    def warn(self, message: str) -> None:
        self.warned.append(message)


def plan(folder: Path, **more: Any) -> phase0.Plan:
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"instruction": f"Explain the {n}th of stars."}) + "\n" for n in range(ROWS)))
    wanted: dict[str, Any] = {
        "name": "judged",
        "download": {"inputs": [str(prompts)]},
        "distill": {"mix": {"gpt-4o": Decimal(100)}},
        "score": {"model": "gpt-4o-mini", "threshold": 6.0},
    }
    return plan_from(wanted | more)


def means(provider: Simulated | None, **more: Any) -> Means:
    variables = {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "sk"} if provider else {}
    return Means(variables, "online")._replace(**more)


def run(wanted: phase0.Plan, folder: Path, provider: Simulated | None, **more: Any) -> Any:
    return phase0.run(wanted, folder / "run", workspace=folder, means=means(provider, **more), progress=Heard())


def bought(folder: Path) -> dict[str, tuple[int, Decimal]]:
    with Ledger(folder / MARK / FILE) as ledger:
        return {each.name: (each.requests, each.cost) for each in ledger.spend("model")}


def test_teacher_and_judge_share_a_budget_and_a_larger_one_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with simulated(Settings(models=MODELS)) as provider:
        whole = run(plan(tmp_path / "a"), tmp_path / "a", provider)
        spent = bought(tmp_path / "a")
        total = sum(cost for _, cost in spent.values())
        assert {model: requests for model, (requests, _) in spent.items()} == {"gpt-4o": ROWS, "gpt-4o-mini": ROWS}
        limit = spent["gpt-4o"][1] + spent["gpt-4o-mini"][1] / 2 + Decimal("0.01")
        with pytest.raises(Unfinished) as error:
            run(plan(tmp_path / "b", budget_usd=min(limit, total * Decimal("0.95"))), tmp_path / "b", provider)
        assert error.value.how == "budget"
        halfway = bought(tmp_path / "b")
        assert sum(cost for _, cost in halfway.values()) <= limit
        again = run(plan(tmp_path / "b", budget_usd=Decimal(9)), tmp_path / "b", provider)
        assert bought(tmp_path / "b") == spent
    made = [[step.manifest.output.digest for step in done.steps] for done in (whole, again)]
    assert made[0] == made[1]
    assert Decimal(again.verification.cost.usd) == total
    assert "| score | `gpt-4o-mini` |" in again.report.with_suffix(".md").read_text()


def test_a_finished_run_needs_neither_key_nor_provider_and_its_judge_is_warned_about(tmp_path: Path) -> None:
    heard = Heard()
    with simulated(Settings(models=MODELS)) as provider:
        made = phase0.run(plan(tmp_path), tmp_path / "run", workspace=tmp_path, means=means(provider), progress=heard)
    assert any("gpt-4o-mini judges answers of gpt-4o, of its own family" in told for told in heard.warned)
    again = run(plan(tmp_path), tmp_path, None)
    assert all(step.skipped for step in again.steps)
    assert len(again.steps) == len(made.steps)


def test_without_a_key_for_the_judge_nothing_is_bought_of_the_teacher(tmp_path: Path) -> None:
    with simulated(Settings(models=MODELS)) as provider:
        wanted = plan(tmp_path, score={"model": "llama-405b"})
        with pytest.raises(UsageError, match="llama-405b cannot be asked without a key: set OPENROUTER_API_KEY"):
            run(wanted, tmp_path, provider)
        assert provider.requests() == []


def test_an_estimate_has_every_sample_of_every_judge_and_is_near_the_bill(tmp_path: Path) -> None:
    rows = [encode(record(n, response="A star, or two. " * (n % 9 + 1))) for n in range(60)]
    wanted = plan(tmp_path, distill={}, score={"judges": ["gpt-4o", "gpt-4o-mini"], "samples": 2, "threshold": 1.0})
    source = write_lines(tmp_path / "answered.jsonl", rows)
    with simulated(Settings(models=MODELS)) as provider:
        found = estimate_plan(wanted, inputs=[source], means=means(provider))
        made = phase0.run(wanted, tmp_path / "run", inputs=[source], workspace=tmp_path, means=means(provider))
    assert [(part.ask.name, part.requests) for part in found.parts] == [("gpt-4o", 120), ("gpt-4o-mini", 120)]
    assert {name: requests for name, (requests, _) in bought(tmp_path).items()} == {"gpt-4o": 120, "gpt-4o-mini": 120}
    bill = Decimal(made.verification.cost.usd or "NaN")
    assert abs(found.online / bill - 1) < Decimal("0.05")


def test_an_estimate_of_a_student_is_of_labels_audit_and_doubts_and_says_what_it_assumed(tmp_path: Path) -> None:
    def judged(rows: int, **score: Any) -> tuple[int, str]:
        wanted = plan(tmp_path, distill={}, score={"model": "gpt-4o-mini", **score})
        found = estimate_plan(wanted, rows=rows, means=means(None))
        (part,) = found.parts
        return part.requests, "\n".join(found.assumed)

    assert judged(10_000)[0] == 10_000
    requests, assumed = judged(10_000, scorer="student")
    assert requests == 1_000 + 330 + 4_500  # a tenth, an audit of as many as it takes, and the guess
    assert "the judge judges 58% of the rows, 10% to teach it, an audit, and 45% in doubt, which is a guess" in assumed
    assert "1.7 times as much" in assumed
    assert judged(100_000, scorer="student", judge_share=0.2, audit_share=0.03)[0] == 68_000
    requests, assumed = judged(200, scorer="student")
    assert requests == 200
    assert "too few to teach and examine a student" in assumed


def test_each_round_judges_its_own_answers_once(tmp_path: Path) -> None:
    with simulated(Settings(models=MODELS)) as provider:
        made = run(plan(tmp_path, rows=12), tmp_path, provider)
        scored = [step for step in made.steps if step.stage == "score"]
        assert len(scored) > 1
        assert [step.output.parent.name for step in scored][:2] == ["scored", "scored.2"]
        judged = sum(step.manifest.counts.rows_in for step in scored)
        assert bought(tmp_path)["gpt-4o-mini"][0] == judged
        assert provider.bill().requests == 2 * judged
    assert "**The sums close**" in made.report.with_suffix(".md").read_text()


def test_too_many_failures_end_the_run_until_they_are_asked_again_or_allowed(tmp_path: Path) -> None:
    with simulated(Settings(models=MODELS, faults=Faults(off_form=0.2), seed=3)) as provider:
        with pytest.raises(TooManyFailures, match=r"judged rows have no score \(\d+ unreadable\), and 2\.0% may"):
            run(plan(tmp_path), tmp_path, provider)
        first = bought(tmp_path)["gpt-4o-mini"][0]
        with pytest.raises(TooManyFailures):  # it is not taken for done, and nothing is bought for that
            run(plan(tmp_path), tmp_path, provider)
        assert bought(tmp_path)["gpt-4o-mini"][0] == first == ROWS
        states = {stage.stage: stage for stage in phase0.status(tmp_path / "run")}
        assert {name: stage.state for name, stage in states.items() if stage.state != "done"} == {
            "score": "failed", "dedup": "waiting", "publish": "waiting",
        }  # fmt: skip
        assert "judged rows have no score" in states["score"].why
        lost = len((tmp_path / "run/scored/all_scored.meta/dropped.jsonl").read_text().split('"unreadable"')) - 1
        assert lost > 2
        wanted = plan(tmp_path, score={"model": "gpt-4o-mini", "threshold": 6.0, "max_failures": 1.0})
        made = run(wanted, tmp_path, provider, retry_failed=True)
        assert bought(tmp_path)["gpt-4o-mini"][0] == ROWS + lost
    assert {(stage.state, stage.why) for stage in phase0.status(tmp_path / "run")} == {("done", "")}
    (scored,) = [step.manifest for step in made.steps if step.stage == "score"]
    assert scored.figures["states"].get("unreadable", 0) < lost
    assert "judged rows" in made.report.with_suffix(".md").read_text() or "unreadable" not in scored.figures["states"]


def test_the_command_ends_with_status_1_and_the_reasons_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(tmp_path / "in.jsonl", 9)
    monkeypatch.chdir(tmp_path)
    with simulated(Settings(models=MODELS, faults=Faults(refusal=1))) as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk")
        command = ["score", "--input", "in.jsonl", "--output", "out.jsonl", "--model", "gpt-4o-mini"]
        command += ["--mode", "online"]
        assert status_of(command) == 1
        assert "100.0% of 9 judged rows have no score (9 refused), and 2.0% may." in capsys.readouterr().err
        assert status_of([*command, "--max-failures", "1", "--weights", "safety=2,clarity=0"]) == 0
        assert "dropped: refused 9" in capsys.readouterr().out
        assert status_of([*command, "--weights", "safety"]) == 2
        assert "--weights takes dimension=number" in capsys.readouterr().err
