"""A run does each stage once, goes on where it was stopped, and says what a changed plan makes void."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import time
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

import phase0
from phase0.dataset import lineage, manifest_of
from phase0.errors import BusyError, DataError, PlanError, UsageError
from phase0.plan import plan_from
from phase0.progress import Silent
from phase0.stages.allocation import shares
from phase0.workspace import MARK, hold

TOPICS = ["rivers", "bread", "bridges", "maps", "clocks", "tides", "seeds", "lamps", "paper", "wheels"]


class Told(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


def rows(count: int) -> list[dict[str, str]]:
    """Rows worth keeping, every seventh the near-copy of the one before, every ninth without an answer."""
    made = []
    for number in range(count):
        topic, other = TOPICS[number % 10], TOPICS[(number // 10 + 3) % 10]
        twin = number - 1 if number % 7 == 6 else number
        answer = (
            f"There are {twin + 2} good reasons to study {topic} before {other}. The first is that {topic} change "
            f"slowly, so what is learned stays true for about {twin + 10} years. The second is that {other} depend "
            f"on them: without {topic} of kind {twin}, nobody would have made {other} at all."
        )
        made.append(
            {
                "instruction": f"Why study {topic} before {other}? Give two reasons for case {twin}.",
                "input": "",
                "output": answer if number % 9 else "",
            }
        )
    return made


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    path = tmp_path / "upstream" / "made.json"
    path.parent.mkdir()
    path.write_text(json.dumps(rows(200)))
    return path


def plan(upstream: Path, **changes: object) -> phase0.Plan:
    data: dict[str, object] = {"name": "t", "download": {"inputs": [str(upstream)]}, "score": {"threshold": 5.0}}
    return plan_from({**data, **changes})


def output_bytes(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.jsonl"))}


def test_a_run_ends_with_a_dataset_a_verification_and_a_report_whose_sums_close(upstream: Path, tmp_path: Path) -> None:
    made = phase0.run(plan(upstream), tmp_path / "run")
    assert [step.stage for step in made.steps] == ["download", "combine", "distill", "score", "dedup", "publish"]
    for before, after in pairwise(made.steps):
        assert after.manifest.counts.rows_in == before.manifest.counts.kept
    for step in made.steps:
        counts = step.manifest.counts
        assert counts.rows_in == counts.kept + counts.dropped == sum(item.rows_in for item in step.manifest.inputs)
        assert sum(counts.reasons.values()) == counts.dropped
    published = made.steps[-1].manifest.counts.kept
    assert made.verification.rows == published == len((tmp_path / "run/dataset.jsonl").read_bytes().splitlines()) > 50
    assert made.report.exists()
    assert made.steps[2].manifest.counts.reasons == {"empty_answer": 23}


def test_the_same_run_again_does_nothing_and_gives_the_same_bytes(upstream: Path, tmp_path: Path) -> None:
    phase0.run(plan(upstream), tmp_path / "run")
    before = output_bytes(tmp_path / "run")
    again = phase0.run(plan(upstream), tmp_path / "run")
    assert all(step.skipped for step in again.steps)
    assert output_bytes(tmp_path / "run") == before


def test_a_changed_threshold_is_told_and_only_what_follows_it_is_made_again(upstream: Path, tmp_path: Path) -> None:
    phase0.run(plan(upstream), tmp_path / "run")
    told = Told()
    again = phase0.run(plan(upstream, dedup={"threshold": Decimal("0.1")}), tmp_path / "run", progress=told)
    assert [step.stage for step in again.steps if not step.skipped] == ["dedup", "publish"]
    assert "the plan changed: [dedup] threshold 0.8 → 0.1. Made again: dedup, publish, verify, report." in told.said


def test_a_stage_whose_input_came_out_the_same_is_not_made_again(upstream: Path, tmp_path: Path) -> None:
    phase0.run(plan(upstream), tmp_path / "run")
    again = phase0.run(plan(upstream, dedup={"threshold": Decimal("0.79")}), tmp_path / "run")
    assert [step.stage for step in again.steps if not step.skipped] == ["dedup"]


def test_a_changed_upstream_file_is_noticed(upstream: Path, tmp_path: Path) -> None:
    phase0.run(plan(upstream), tmp_path / "run")
    upstream.write_text(json.dumps(rows(150)))
    again = phase0.run(plan(upstream), tmp_path / "run")
    assert not any(step.skipped for step in again.steps)
    assert again.steps[0].manifest.counts.rows_in == 150


def test_a_damaged_output_is_made_again(upstream: Path, tmp_path: Path) -> None:
    phase0.run(plan(upstream), tmp_path / "run")
    before = output_bytes(tmp_path / "run")
    scored = tmp_path / "run/scored/all_scored.jsonl"
    scored.write_bytes(scored.read_bytes()[:-20] + b"x" * 20)
    assert {item.stage: item.state for item in phase0.status(tmp_path / "run")}["score"] == "changed"
    again = phase0.run(plan(upstream), tmp_path / "run")
    assert [step.stage for step in again.steps if not step.skipped] == ["score"]
    assert output_bytes(tmp_path / "run") == before


def test_a_second_run_on_a_folder_is_told_who_holds_it(upstream: Path, tmp_path: Path) -> None:
    with hold(tmp_path / "run" / MARK, "x"), pytest.raises(BusyError, match="in use by process"):
        phase0.run(plan(upstream), tmp_path / "run")


def test_a_rejected_file_is_named_and_the_others_make_the_dataset(upstream: Path, tmp_path: Path) -> None:
    (upstream.parent / "page.jsonl").write_text("<!DOCTYPE html><html>not found</html>")
    made = phase0.run(plan(upstream, download={"inputs": [str(upstream.parent)]}), tmp_path / "run")
    assert len(made.rejected) == 1
    assert "page.jsonl: is a web page" in made.rejected[0]
    assert made.verification.rows > 50


def test_a_rejected_file_is_told_once_and_no_longer_when_it_was_mended(upstream: Path, tmp_path: Path) -> None:
    cut, page = upstream.parent / "cut.jsonl.gz", upstream.parent / "page.jsonl"
    cut.write_bytes(gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in rows(90)))[:-4])
    page.write_text("<html></html>")
    given = plan(upstream, download={"inputs": [str(upstream.parent)]})
    assert [Path(reason.split(": ")[0]).name for reason in phase0.run(given, tmp_path / "run").rejected] == [
        page.name,
        cut.name,
    ]
    page.unlink()
    again = phase0.run(given, tmp_path / "run")
    assert [Path(reason.split(": ")[0]).name for reason in again.rejected] == [cut.name]
    assert [step.stage for step in again.steps if not step.skipped] == ["combine"]


def test_a_file_and_a_dataset_of_one_name_are_both_read(upstream: Path, tmp_path: Path) -> None:
    (tmp_path / "sample.json").write_text(json.dumps(rows(3)))
    given = plan(upstream, download={"datasets": ["sample"], "inputs": [str(tmp_path / "sample.json")]})
    made = phase0.run(given, tmp_path / "run")
    read = {step.output.name: step.manifest.counts.kept for step in made.steps if step.stage == "download"}
    assert read == {"sample.jsonl": 528, "sample-2.jsonl": 3}
    assert made.steps[2].manifest.counts.kept == 531


@pytest.mark.parametrize("changes", [{"datasets": ["sampel"]}, {"inputs": ["nowhere.jsonl"]}])
def test_sources_that_are_not_there_stop_a_run_before_anything_is_done(
    changes: dict[str, object], upstream: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"no dataset called 'sampel'\. Did you mean 'sample'|there is no such file"):
        phase0.run(plan(upstream, download=changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_plan_left_by_another_version_is_no_obstacle(upstream: Path, tmp_path: Path) -> None:
    for left in (b'{"name": "\xff"}', b"{", b'{"nome": "x"}'):
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run/plan.json").write_bytes(left)
        assert phase0.run(plan(upstream), tmp_path / "run").verification.rows > 50


def test_a_run_in_which_no_file_can_be_read_fails_with_the_first_reason(tmp_path: Path) -> None:
    (tmp_path / "page.jsonl").write_text("<html></html>")
    with pytest.raises(DataError, match="web page"):
        phase0.run(plan(tmp_path / "page.jsonl"), tmp_path / "run")


def test_a_dataset_whose_files_are_missing_is_named_and_left_out(upstream: Path, tmp_path: Path) -> None:
    own = {"here": {"files": ["made.json"]}, "gone": {"files": ["nowhere.json"]}}
    data = {"name": "t", "download": {"datasets": ["gone", "here"]}, "datasets": own, "score": {"threshold": 5.0}}
    made = phase0.run(plan_from(data, folder=upstream.parent), tmp_path / "run")
    assert [reason.split(":")[0] for reason in made.rejected] == ["gone"]
    assert made.verification.rows > 50


def test_teachers_of_a_mix_share_the_rows_without_overlap(
    upstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(phase0.stages.distill.EXCHANGES, "second", "phase0.exchanges.original:Original")
    made = phase0.run(plan(upstream, distill={"mix": {"original": 60, "second": 40}}), tmp_path / "run")
    counts = [step.manifest.counts for step in made.steps if step.stage == "distill"]
    assert [item.rows_in for item in counts] == [120, 80]
    origins = [
        msgspec.json.decode(line)["meta"]["origin"]["row"]
        for name in ("original", "second")
        for line in (tmp_path / f"run/distilled/{name}.jsonl").read_bytes().splitlines()
    ]
    assert len(set(origins)) == len(origins)


def test_shares_cover_the_line_without_gaps() -> None:
    parts = shares({"a": Decimal(40), "b": Decimal("33.3"), "c": Decimal("26.7")})
    edges = [edge for part in parts.values() for edge in part]
    assert edges[0][0] == 0
    assert edges[-1][1] == 100
    assert all(left[1] == right[0] for left, right in pairwise(edges))


def test_teachers_that_cannot_be_asked_stop_a_run_before_anything_is_done(upstream: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gpt-4o cannot be asked without a key"):
        phase0.run(plan(upstream, distill={"mix": {"gpt-4o": 100}}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_settings_take_the_place_of_what_the_plan_says(upstream: Path, tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text(f'name = "x"\n[download]\ninputs = ["{upstream.as_posix()}"]\n[score]\nthreshold = 9.9\n')
    made = phase0.run(file, tmp_path / "run", settings=["score.threshold=5.0"])
    assert made.steps[3].manifest.settings["threshold"] == 5.0
    with pytest.raises(PlanError, match="Did you mean 'threshold'"):
        phase0.run(file, tmp_path / "run", settings=["score.treshold=5.0"])


def test_status_of_a_folder_that_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not the folder of a run"):
        phase0.status(tmp_path)


def test_the_lineage_of_a_dataset_leads_back_to_the_upstream_file(upstream: Path, tmp_path: Path) -> None:
    phase0.run(plan(upstream), tmp_path / "run")
    stages = [made.manifest.stage for made in lineage(tmp_path / "run/dataset.jsonl")]
    assert stages == ["download", "combine", "distill", "score", "dedup", "publish"]
    first = lineage(tmp_path / "run/dataset.jsonl")[0]
    assert (first.path.parent / first.manifest.inputs[0].path).resolve() == upstream.resolve()


def test_a_run_killed_in_every_stage_ends_with_the_bytes_of_an_undisturbed_one(upstream: Path, tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text(f'name = "x"\n[download]\ninputs = ["{upstream.as_posix()}"]\n[score]\nthreshold = 5.0\n')
    subprocess.run(command(file, tmp_path / "calm"), check=True, capture_output=True)
    for stage in ("raw/made", "raw/combined", "distilled/original", "scored/all_scored", "deduped/deduped", "dataset"):
        process = subprocess.Popen(
            command(file, tmp_path / "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and not (tmp_path / f"killed/{stage}.meta").exists():
            time.sleep(0.001)
        process.kill()
        assert process.wait() == -signal.SIGKILL, f"it ended before it came to {stage}"
        assert not (tmp_path / "killed/report.md").exists()
    subprocess.run(command(file, tmp_path / "killed"), check=True, capture_output=True)
    assert output_bytes(tmp_path / "killed") == output_bytes(tmp_path / "calm")
    assert manifest_of(tmp_path / "killed/dataset.jsonl") is not None


def command(plan: Path, output: Path) -> list[str]:
    return [sys.executable, "-m", "phase0", "run", str(plan), "--output", str(output)]


def test_a_plan_says_against_what_rows_are_compared_and_a_change_there_makes_it_again(
    upstream: Path, tmp_path: Path
) -> None:
    made = phase0.run(plan(upstream), tmp_path / "first")
    kept = (tmp_path / "first/dataset.jsonl").read_bytes().splitlines(keepends=True)
    other = tmp_path / "other.jsonl"
    other.write_bytes(b"".join(kept[:7]))
    compared = plan(upstream, dedup={"against": [str(other)], "max_memory": "1GiB"})
    again = phase0.run(compared, tmp_path / "second")
    assert again.verification.rows == made.verification.rows - 7
    assert all(step.skipped for step in phase0.run(compared, tmp_path / "second").steps)
    other.write_bytes(kept[0])
    changed = phase0.run(compared, tmp_path / "second")
    assert [step.stage for step in changed.steps if not step.skipped] == ["dedup", "publish"]
    assert changed.verification.rows == made.verification.rows - 1


@pytest.mark.parametrize("wrong", [{"against": ["nowhere.jsonl"]}, {"max_memory": "much"}])
def test_what_a_plan_gets_wrong_of_dedup_is_told_before_anything_is_done(
    upstream: Path, tmp_path: Path, wrong: dict[str, object]
) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.jsonl|much"):
        phase0.run(plan(upstream, dedup=wrong), tmp_path / "run")
    assert not (tmp_path / "run").exists()
