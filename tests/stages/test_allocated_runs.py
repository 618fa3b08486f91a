"""Plans whose rows go to models of a simulated provider: routed, or answered by several, of whom the best stays."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from stagefiles import check_sums, dropped_of, rows_of

import phase0
from phase0.catalog.models import teacher
from phase0.errors import Unfinished
from phase0.estimating import estimate_plan
from phase0.ledger import FILE, Ledger
from phase0.plan import plan_from
from phase0.report.numbers import gather
from phase0.simulator import Simulated, simulated
from phase0.stages.means import Means
from phase0.workspace import MARK

THREE = ("llama-405b", "gpt-4o", "qwen-coder-480b")
MIX = dict(zip(THREE, (40, 35, 25), strict=True))


@pytest.fixture(scope="module")
def provider() -> Iterator[Simulated]:
    with simulated() as running:
        yield running


def prompt(number: int) -> dict[str, str]:
    code = f"Write a Python function that returns the sum of {number} and its argument."
    plain = f"Describe in two sentences the town of kind {number}, and say who lives there."
    return {"instruction": code if number % 5 == 0 else plain, "input": "", "output": "x"}


def plan(folder: Path, upstream: list[dict[str, str]], **changes: Any) -> phase0.Plan:
    (folder / "made.json").write_text(json.dumps(upstream))
    data: dict[str, Any] = {"name": "t", "download": {"inputs": [str(folder / "made.json")]}}
    return plan_from({**data, "score": {"threshold": 1.0}, "distill": {"mix": MIX}, **changes})


def means(provider: Simulated | None) -> Means:
    url = provider.url if provider else "http://127.0.0.1:9"
    variables = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "k", "OPENROUTER_BASE_URL": url, "OPENROUTER_API_KEY": "k"}
    return Means(variables=variables if provider else {}, mode="online")


def asked(provider: Simulated, before: int = 0) -> int:
    """How many requests were answered since."""
    return provider.bill().requests - before


def test_routed_rows_reach_the_code_teacher_and_the_shares_hold(provider: Simulated, tmp_path: Path) -> None:
    wanted = plan(tmp_path, [prompt(number) for number in range(100)], distill={"mix": MIX, "allocation": "route"})
    made = phase0.run(wanted, tmp_path / "run", means=means(provider))
    taken = {step.output.stem: step.manifest.counts.rows_in for step in made.steps if step.stage == "distill"}
    assert taken == dict(MIX)
    by_teacher = {
        name: Counter(row["meta"]["category"] == "code" for row in rows_of(tmp_path / f"run/distilled/{name}.jsonl"))
        for name in THREE
    }
    assert by_teacher["llama-405b"][True] == by_teacher["gpt-4o"][True] == 0
    assert by_teacher["qwen-coder-480b"] == {True: 20, False: 5}
    assert gather(tmp_path / "run/dataset.jsonl", tmp_path, tmp_path).balance.closes


def test_of_several_answers_the_best_stays_and_the_others_are_dropped_with_their_scores(
    provider: Simulated, tmp_path: Path
) -> None:
    wanted = plan(tmp_path, [prompt(number) for number in range(40)], distill={"mix": MIX, "allocation": "best-of"})
    made = phase0.run(wanted, tmp_path / "run", means=means(provider))
    chosen = tmp_path / "run/chosen/chosen.jsonl"
    check_sums(chosen)
    answers = defaultdict(list)
    for row in rows_of(tmp_path / "run/scored/all_scored.jsonl"):
        answers[row["instruction"]].append((-row["quality_score"], row["id"]))
    assert {len(some) for some in answers.values()} == {3}
    assert {(-row["quality_score"], row["id"]) for row in rows_of(chosen)} == {min(some) for some in answers.values()}
    stays = {row["id"]: row for row in rows_of(chosen)}
    for lost in dropped_of(chosen):
        best = stays[lost["evidence"]["chosen_id"]]
        assert lost["reason"] == "outdone"
        assert best["instruction"] == lost["row"]["instruction"]
        assert best["quality_score"] == lost["evidence"]["chosen_score"] >= lost["evidence"]["quality_score"]
    sums = gather(tmp_path / "run/dataset.jsonl", tmp_path, tmp_path).balance
    assert (sums.closes, sums.entered, sums.asked_again) == (True, 40, 80), sums.faults
    assert "40 in + 80 that further teachers answered too" in made.report.with_suffix(".md").read_text()
    before = chosen.read_bytes()
    again = phase0.run(wanted, tmp_path / "again", workspace=tmp_path, means=means(None))  # nobody to ask, no key
    assert again.verification.rows == made.verification.rows
    assert (tmp_path / "again/chosen/chosen.jsonl").read_bytes() == before


def test_best_of_asks_for_so_many_rows_too(provider: Simulated, tmp_path: Path) -> None:
    changes = {"distill": {"mix": MIX, "allocation": "best-of"}, "rows": 20}
    made = phase0.run(
        plan(tmp_path, [prompt(number) for number in range(60)], **changes), tmp_path / "run", means=means(provider)
    )
    assert made.verification.rows == 20
    sums = gather(tmp_path / "run/dataset.jsonl", tmp_path, tmp_path).balance
    assert (sums.closes, sums.entered) == (True, 60), sums.faults


def test_equal_requests_share_one_reply_and_no_repeated_prompt_is_dropped(provider: Simulated, tmp_path: Path) -> None:
    rows = [prompt(number % 10) for number in range(50)]  # every prompt five times
    mix = {"gpt-4o": 100}
    before = asked(provider)
    phase0.run(plan(tmp_path, rows, distill={"mix": mix}), tmp_path / "run", means=means(provider))
    answers = rows_of(tmp_path / "run/distilled/gpt-4o.jsonl")
    assert asked(provider, before) == 10
    assert len(answers) == 50
    assert len({(row["instruction"], row["response"]) for row in answers}) == 10


def test_prompts_that_a_plan_does_not_repeat_are_not_paid_for(provider: Simulated, tmp_path: Path) -> None:
    near = [prompt(7), prompt(7) | {"instruction": prompt(7)["instruction"].replace(".", "!")}, prompt(8)]
    changes: dict[str, Any] = {"distill": {"mix": {"gpt-4o": 100}}, "prompts": {"threshold": Decimal("0.8")}}
    before = asked(provider)
    phase0.run(plan(tmp_path, near, **changes), tmp_path / "run", means=means(provider))
    assert asked(provider, before) == 2
    (lost,) = dropped_of(tmp_path / "run/prompts/prompts.jsonl")
    assert lost["reason"] == "near_duplicate"
    stories = phase0.explain(tmp_path / "run", lost["row"]["id"])
    assert [(event.stage, event.what) for event in stories] == [("download", "kept"), ("prompts", "dropped")]


def test_the_story_of_a_prompt_goes_on_with_the_answers_it_got(provider: Simulated, tmp_path: Path) -> None:
    wanted = plan(tmp_path, [prompt(1), prompt(2)], distill={"mix": MIX, "allocation": "best-of"})
    phase0.run(wanted, tmp_path / "run", means=means(provider))
    name = rows_of(tmp_path / "run/raw/made.jsonl")[0]["id"]
    events = phase0.explain(tmp_path / "run", name)
    told = Counter((event.stage, event.what) for event in events)
    assert told["download", "kept"] == told["choose", "kept"] == told["publish", "kept"] == 1
    assert told["distill", "kept"] == told["score", "kept"] == 3
    assert told["choose", "dropped"] == 2
    assert {event.row["source"] for event in events if event.stage == "distill"} == {teacher(n).model for n in THREE}


def test_batches_of_all_teachers_are_submitted_before_a_run_that_does_not_wait_ends(
    provider: Simulated, tmp_path: Path
) -> None:
    wanted = plan(tmp_path, [prompt(n) for n in range(500, 520)], distill={"mix": {"gpt-4o": 50, "gpt-4o-mini": 50}})
    later = means(provider)._replace(mode="batch", wait=False)
    with pytest.raises(Unfinished, match=r"gpt-4o: .*; gpt-4o-mini: ") as caught:
        phase0.run(wanted, tmp_path / "run", means=later)
    assert caught.value.how == "submitted"
    with Ledger(tmp_path / MARK / FILE) as ledger:
        assert {batch.model for batch in ledger.open_batches()} == {"gpt-4o", "gpt-4o-mini"}
    for _ in range(5):  # an answer that was cut off is asked for again, in another batch
        provider.skip(3600)
        try:
            made = phase0.run(wanted, tmp_path / "run", means=later)
            break
        except Unfinished:
            continue
    assert sum(step.manifest.counts.rows_in for step in made.steps if step.stage == "distill") == 20
    assert made.verification.rows > 0


def test_an_estimate_counts_every_teacher_of_best_of_and_no_more_rows_than_are_asked_for(tmp_path: Path) -> None:
    upstream = [prompt(number) for number in range(60)]
    shared = estimate_plan(plan(tmp_path, upstream))
    assert [part.requests for part in shared.parts] == [24, 21, 15]
    every = estimate_plan(plan(tmp_path, upstream, distill={"mix": MIX, "allocation": "best-of"}, rows=20))
    assert [part.requests for part in every.parts] == [20, 20, 20]
    assert any("one round" in note for note in every.assumed)
