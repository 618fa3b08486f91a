"""The long checks, run by `make soak`: every public file there is, and the whole corpus killed ten times."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from phase0.dataset import lineage, manifest_of

pytestmark = pytest.mark.soak

KILLS = 10
SEED = 20261122


def test_a_run_over_every_public_file_ends_with_sums_that_close(dev_data: Path, tmp_path: Path) -> None:
    """Every file of the collection is either read or rejected with a reason; every stage's sums close."""
    done = subprocess.run(command(tmp_path / "run", dev_data / "raw"), capture_output=True, text=True, check=False)
    assert done.returncode in {1, 2}, done.stderr
    files = [path for path in (dev_data / "raw").rglob("*") if path.is_file()]
    steps = lineage(tmp_path / "run/dataset.jsonl")
    combined = manifest_of(tmp_path / "run/raw/combined.jsonl")
    assert combined is not None
    acquired = [step for step in steps if step.manifest.stage == "download"]
    rejected = [item.reason for item in combined.rejected]
    print(f"\n{len(files)} files: {len(acquired)} read, {len(rejected)} rejected")
    assert len(acquired) + len(rejected) == len(files)
    for reason in rejected:
        print(f"  rejected: {reason}")
    for step in steps:
        counts = step.manifest.counts
        sums = f"{counts.rows_in:>7} = {counts.kept:>7} + {counts.dropped:>6}"
        print(f"  {step.manifest.stage:<9} {step.path.name:<50} {sums}")
        assert counts.rows_in == counts.kept + counts.dropped == sum(item.rows_in for item in step.manifest.inputs)
        assert rows_in(step.path) == counts.kept
        assert (
            rows_in(step.path.parent / f"{step.path.name.removesuffix('.jsonl')}.meta/dropped.jsonl") == counts.dropped
        )


def test_ten_kills_leave_the_bytes_of_an_undisturbed_run(dev_data: Path, tmp_path: Path) -> None:
    """The whole corpus, killed with SIGKILL at ten random moments and resumed each time."""
    began = time.monotonic()
    subprocess.run(command(tmp_path / "calm", dev_data / "corpus"), capture_output=True, check=False)
    length = time.monotonic() - began
    moment = random.Random(SEED)
    kills: list[str] = []
    while len(kills) < KILLS:
        # A resumed run skips what is done, so late moments are reached only by starting where the last one died.
        wait = length * moment.uniform(0.02, 0.6)
        process = subprocess.Popen(
            command(tmp_path / "killed", dev_data / "corpus"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(timeout=wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills.append(f"{wait:.1f} s, in {stage_at(tmp_path / 'killed')}")
            continue
        (tmp_path / "killed").rename(tmp_path / f"done-{len(kills)}")  # it came through: kill a fresh one
    subprocess.run(command(tmp_path / "killed", dev_data / "corpus"), capture_output=True, check=False)
    print(f"\nundisturbed run: {length:.0f} s; killed {len(kills)} times:")
    for kill in kills:
        print(f"  after {kill}")
    calm, killed = digests(tmp_path / "calm"), digests(tmp_path / "killed")
    print(f"  {len(calm)} files of rows compared, {sum(calm[name] != killed.get(name) for name in calm)} differ")
    assert killed == calm
    assert len(calm) >= 2 * 6


def command(output: Path, source: Path) -> list[str]:
    plan = Path(__file__).parents[2] / "plans" / "quickstart.toml"
    return [sys.executable, "-m", "phase0", "run", str(plan), "--output", str(output), "--input", str(source)]


def stage_at(run: Path) -> str:
    order = {
        "acquire": "raw/combined.meta",
        "distill": "distilled/original.meta",
        "score": "scored/all_scored.meta",
        "dedup": "deduped/deduped.meta",
        "publish": "dataset.meta",
    }
    return next(
        (name for name, place in order.items() if not (run / place / "manifest.json").exists()), "verify or report"
    )


def rows_in(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for _ in lines)


def digests(run: Path) -> dict[str, str]:
    found = {}
    for path in sorted(run.rglob("*.jsonl")):
        with path.open("rb") as file:
            found[path.relative_to(run).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
