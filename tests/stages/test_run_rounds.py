"""A plan that asks for so many rows ends with them, in rounds of ordinary stages, or says which share is short."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stagefiles import check_sums, dropped_of, rows_of

import phase0
from phase0 import steps
from phase0.dataset import manifest_of
from phase0.plan import plan_from
from phase0.progress import Silent
from phase0.report.numbers import gather
from phase0.stages.distill import EXCHANGES

MIX = {"original": 60, "fussy": 40}


class Warned(Silent):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture(autouse=True)
def teachers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXCHANGES, "fussy", "fussy:Fussy")
    monkeypatch.setitem(EXCHANGES, "mute", "fussy:Mute")


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 rows with an answer, every ninth of them not worth keeping."""
    path = tmp_path_factory.mktemp("upstream") / "made.json"
    path.write_text(json.dumps([_row(number) for number in range(600)]))
    return path


def _row(number: int) -> dict[str, str]:
    words = [f"w{number * 31 + at}" for at in range(25)]
    answer = (
        "no " * 60
        if number % 9 == 0
        else f"{' '.join(words[: 4 + number % 21])}. This is answer {number}, and it ends here."
    )
    return {"instruction": f"Explain {' '.join(words[:8])} in one sentence.", "input": "", "output": answer}


def plan(upstream: Path, **changes: Any) -> phase0.Plan:
    data: dict[str, Any] = {"name": "t", "download": {"inputs": [str(upstream)]}, "score": {"threshold": 3.0}}
    return plan_from({**data, "distill": {"mix": MIX}, **changes})


def output_bytes(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.jsonl"))}


def kept(folder: Path) -> dict[str, int]:
    mixed = manifest_of(folder / "mixed/mixed.jsonl")
    assert mixed is not None
    return {share["name"]: share["kept"] for share in mixed.figures["shares"]}


def test_as_many_rows_as_asked_for_with_every_share_exact(upstream: Path, tmp_path: Path) -> None:
    made = phase0.run(plan(upstream, rows=200), tmp_path)
    assert kept(tmp_path) == {"original": 120, "fussy": 80}
    assert made.verification.rows == 200 == len(rows_of(tmp_path / "dataset.jsonl"))
    names = [step.name for step in made.steps]
    assert names[2:10] == ["distill", "distill", "score", "dedup", "distill.2", "distill.2", "score.2", "dedup.2"]
    assert names[-2:] == ["mix", "publish"]
    for step in made.steps[1:]:
        check_sums(step.output, one_to_one=step.stage != "distill")
    numbers = gather(tmp_path / "dataset.jsonl", tmp_path, tmp_path)
    assert numbers.balance.closes, numbers.balance.faults
    assert numbers.goal is not None
    assert (numbers.goal.rows, numbers.goal.rounds) == (200, names.count("dedup") + sum("dedup." in n for n in names))
    assert numbers.goal.reserve == numbers.balance.not_taken > 0


def test_no_prompt_is_asked_in_two_rounds(upstream: Path, tmp_path: Path) -> None:
    phase0.run(plan(upstream, rows=250), tmp_path)
    told = Counter(
        json.dumps(row["meta"]["origin"])
        for path in tmp_path.glob("distilled*/*.jsonl")
        for row in [*rows_of(path), *(lost["row"] for lost in dropped_of(path))]
    )
    assert set(told.values()) == {1}
    assert len(told) > 250


def test_the_same_plan_again_does_nothing_and_a_lost_round_is_made_again_with_the_same_bytes(
    upstream: Path, tmp_path: Path
) -> None:
    phase0.run(plan(upstream, rows=200), tmp_path)
    before = output_bytes(tmp_path)
    assert all(step.skipped for step in phase0.run(plan(upstream, rows=200), tmp_path).steps)
    (tmp_path / "distilled.2/fussy.jsonl").unlink()
    (tmp_path / "deduped/deduped.jsonl").unlink()
    again = phase0.run(plan(upstream, rows=200), tmp_path)
    assert [step.name for step in again.steps if not step.skipped] == ["dedup", "distill.2"]
    assert output_bytes(tmp_path) == before


@pytest.mark.parametrize("stage", ["distill_rows", "score_rows", "deduplicate", "settle", "publish"])
def test_a_run_that_was_stopped_anywhere_ends_with_the_bytes_of_a_calm_one(
    upstream: Path, tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase0.run(plan(upstream, rows=200), tmp_path / "calm")
    work, calls = getattr(steps, stage), []

    def broken(*given: Any, **more: Any) -> Any:
        calls.append(stage)
        if len(calls) == (3 if stage == "distill_rows" else 2 if stage in {"score_rows", "deduplicate"} else 1):
            raise KeyboardInterrupt
        return work(*given, **more)

    monkeypatch.setattr(steps, stage, broken)
    with pytest.raises(KeyboardInterrupt):
        phase0.run(plan(upstream, rows=200), tmp_path / "stopped")
    states = {state.stage: state.state for state in phase0.status(tmp_path / "stopped")}
    assert states["publish"] == "waiting"
    monkeypatch.setattr(steps, stage, work)
    phase0.run(plan(upstream, rows=200), tmp_path / "stopped")
    assert output_bytes(tmp_path / "stopped") == output_bytes(tmp_path / "calm")


def test_when_the_reserve_is_empty_the_report_says_which_share_is_short(upstream: Path, tmp_path: Path) -> None:
    told = Warned()
    wanted = plan(upstream, rows=300, distill={"mix": {"original": 60, "mute": 40}})
    made = phase0.run(wanted, tmp_path, progress=told)
    assert kept(tmp_path) == {"original": 180, "mute": 0}
    assert "short of what the plan asks for: mute by 120 rows; the reserve is empty" in told.warnings
    page = made.report.with_suffix(".md").read_text()
    assert "the reserve of prompts is empty. **Short: `mute` by 120 rows.**" in page
    assert "| `original` | 60% | 100.0% | 180 |" in page
    assert gather(tmp_path / "dataset.jsonl", tmp_path, tmp_path).balance.closes


def test_more_rows_than_there_are_prompts_takes_every_prompt(upstream: Path, tmp_path: Path) -> None:
    phase0.run(plan(upstream, rows=5000), tmp_path)
    taken = [manifest_of(path) for path in tmp_path.glob("distilled/*.jsonl")]
    assert sum(manifest.counts.rows_in for manifest in taken if manifest) == 600
    assert not (tmp_path / "distilled.2").exists()
    assert sum(kept(tmp_path).values()) == len(rows_of(tmp_path / "dataset.jsonl")) < 600


def test_rows_beyond_a_share_are_dropped_the_lowest_scores_first(upstream: Path, tmp_path: Path) -> None:
    phase0.run(plan(upstream, rows=240), tmp_path)
    lost = dropped_of(tmp_path / "mixed/mixed.jsonl")
    stays: dict[str, list[float]] = {"original": [], "fussy": []}
    for row in rows_of(tmp_path / "mixed/mixed.jsonl"):
        stays[_asked_of(tmp_path, row["meta"]["origin"]["row"])].append(row["quality_score"])
    assert len({score for scores in stays.values() for score in scores}) > 2
    assert lost, "no round came out with more than was wanted, so this shows nothing"
    for row in lost:
        told = row["evidence"]
        assert row["reason"] == "over_share"
        assert told["share"] == _asked_of(tmp_path, row["row"]["meta"]["origin"]["row"])
        assert told["quality_score"] == row["row"]["quality_score"] <= min(stays[told["share"]])
        assert told["wanted"] == kept(tmp_path)[told["share"]]


def test_status_and_explain_know_rounds(upstream: Path, tmp_path: Path) -> None:
    phase0.run(plan(upstream, rows=200), tmp_path)
    states = phase0.status(tmp_path)
    assert {state.state for state in states} == {"done"}
    assert [state.stage for state in states][:8] == [
        *("download", "distill", "distill", "score", "dedup", "distill.2", "distill.2", "score.2"),
    ]
    row = rows_of(tmp_path / "distilled.2/fussy.jsonl")[0]["id"]
    stages = [event.stage for event in phase0.explain(tmp_path, row)]
    assert stages[:3] == ["download", "distill.2", "score.2"]
    lost = dropped_of(tmp_path / "distilled.2/fussy.jsonl")[0]["row"]["id"]
    assert [(e.stage, e.what) for e in phase0.explain(tmp_path, lost)][-1] == ("distill.2", "dropped")


def test_fewer_rows_afterwards_leave_no_trace_of_rounds_that_are_no_longer_needed(
    upstream: Path, tmp_path: Path
) -> None:
    phase0.run(plan(upstream, rows=200), tmp_path)
    phase0.run(plan(upstream, rows=10_000), tmp_path)
    assert [state.stage for state in phase0.status(tmp_path)].count("dedup.2") == 0
    row = rows_of(tmp_path / "dataset.meta/full.jsonl")[0]["id"]
    assert not any("." in event.stage for event in phase0.explain(tmp_path, row))


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(5, 300),
    st.integers(1, 99),
    st.sampled_from(["share", "route"]),
    st.sampled_from([("original", "fussy"), ("fussy", "original")]),
)
def test_any_plan_ends_within_a_point_or_with_the_reserve_empty_or_after_five_rounds(
    upstream: Path, tmp_path_factory: pytest.TempPathFactory, rows: int, percent: int, how: str, who: tuple[str, str]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    mix = {who[0]: Decimal(percent), who[1]: Decimal(100 - percent)}
    phase0.run(plan(upstream, rows=rows, distill={"mix": mix, "allocation": how}), folder)
    mixed = manifest_of(folder / "mixed/mixed.jsonl")
    assert mixed is not None
    rounds, reserve = len(mixed.settings["asked"]), mixed.settings["reserve"]
    short = [share["short"] for share in mixed.figures["shares"]]
    assert rounds == 5 or reserve == 0 or 100 * max(short) <= rows
    assert sum(share["kept"] + share["short"] for share in mixed.figures["shares"]) == rows
    by_teacher = Counter[str]()
    for line in (folder / "dataset.meta/full.jsonl").read_bytes().splitlines():
        row = msgspec.json.decode(line)["meta"]["origin"]["row"]
        by_teacher[_asked_of(folder, row)] += 1
    assert by_teacher == Counter({name: count for name, count in kept(folder).items() if count})
    assert gather(folder / "dataset.jsonl", folder, folder).balance.closes


def _asked_of(folder: Path, origin: str) -> str:
    """Who answered a row, as the files of answers say and no manifest."""
    mark = json.dumps(origin).encode()
    (found,) = {path.stem for path in folder.glob("distilled*/*.jsonl") if mark in path.read_bytes()}
    return found
