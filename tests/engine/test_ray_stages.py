"""Every stage that runs on an engine leaves the same bytes on each: in this process, in a pool, on 1, 2 or 4 nodes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from evaluations import PROBLEM
from made import record, write_lines
from neardup import made_rows, spelled
from sames import contents

import phase0
from phase0.engine import Engine
from phase0.engine.local import Local
from phase0.engine.ray import Ray
from phase0.records import encode

pytest.importorskip("ray", reason="needs the extra `ray`")
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(300)]

ROWS, SMALL = 600, 4096  # bytes to a part, so that there are many

Stage = Callable[[Path, Path, Engine], None]


def acquired(inputs: Path, output: Path, engine: Engine) -> None:
    phase0.acquire([inputs], output, engine=engine)


def scored(inputs: Path, output: Path, engine: Engine) -> None:
    phase0.score([inputs / "b.jsonl"], output / "scored.jsonl", threshold=5.0, engine=engine)


def clean(inputs: Path, output: Path, engine: Engine) -> None:
    against = [inputs.parent / "eval" / "maths.jsonl"]
    phase0.decontaminate([inputs / "b.jsonl"], output / "clean.jsonl", against=against, engine=engine)


def distinct(inputs: Path, output: Path, engine: Engine) -> None:
    alike = inputs.parent / "alike"
    how = {"threshold": "0.7", "against": [alike / "against.jsonl"]}
    phase0.deduplicate([alike / "alike.jsonl"], output / "distinct.jsonl", **how, engine=engine)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Three files of upstream rows, one of them damaged at its end; every fiftieth row holds a question."""
    write(tmp_path / "eval" / "maths.jsonl", [{"question": PROBLEM, "answer": "324"}])
    folder = tmp_path / "in"
    write(folder / "a.jsonl", [{"instruction": f"Name {n} rivers.", "output": f"{n} rivers are …"} for n in range(90)])
    rows = [
        record(n, instruction=f"{PROBLEM if n % 50 == 7 else 'Tell me'} of {n} things.", response=f"So: {n}. " * 20)
        for n in range(ROWS)
    ]
    write_lines(folder / "b.jsonl", [encode(row) for row in rows])
    alike = spelled(made_rows(400, seed=5))
    write_lines(tmp_path / "alike" / "alike.jsonl", alike[:380])
    write_lines(tmp_path / "alike" / "against.jsonl", alike[380:])
    write(folder / "c.jsonl", [{"prompt": f"Why {n}?", "completion": f"As {n}."} for n in range(30)], b'{"prompt": "W')
    return folder


def write(path: Path, rows: list[dict[str, str]], *more: bytes) -> None:
    write_lines(path, [*(json.dumps(row).encode() for row in rows), *more])


@pytest.mark.parametrize("stage", [acquired, scored, clean, distinct])
def test_a_stage_leaves_the_same_bytes_on_every_engine(
    stage: Stage, inputs: Path, tmp_path: Path, on_ray: Callable[..., Ray], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("acquire.SPAN", "parts.SPAN", "decontaminate.SPAN", "survey._PART", "dedup_spread.UNIT"):
        monkeypatch.setattr(f"phase0.stages.{name}", SMALL)
    stage(inputs, tmp_path / "inline", Local(1))
    wanted = contents(tmp_path / "inline")
    assert sum(len(text) for name, text in wanted.items() if name.endswith(".jsonl")) > 2 * SMALL
    engines: dict[str, Engine | int] = {"pool": Local(2), "ray-1": 1, "ray-2": 2, "ray-4": 4}
    for name, engine in engines.items():
        stage(inputs, tmp_path / name, on_ray(engine) if isinstance(engine, int) else engine)
        assert contents(tmp_path / name) == wanted, name


def test_a_run_of_the_quickstart_leaves_the_same_bytes_on_a_cluster(
    tmp_path: Path, on_ray: Callable[..., Ray], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("acquire.SPAN", "parts.SPAN", "decontaminate.SPAN"):
        monkeypatch.setattr(f"phase0.stages.{name}", SMALL)
    plan = Path(phase0.__file__).parents[2] / "plans" / "quickstart.toml"
    here = phase0.run(plan, tmp_path / "here" / "run")
    there = phase0.run(plan, tmp_path / "there" / "run", engine=on_ray(2))
    assert contents(there.folder) == contents(here.folder)
    assert there.verification.passed
    again = phase0.run(plan, tmp_path / "there" / "run")  # what a cluster made is done, wherever one looks
    assert all(step.skipped for step in again.steps)
    assert {stage.state for stage in phase0.status(there.folder)} == {"done"}
    assert json.loads((there.folder / "verification.json").read_bytes())["rows"] == here.verification.rows
