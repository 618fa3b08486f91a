"""Every stage that runs on an engine leaves the same bytes on each: in this process, in a pool, on 1, 2 or 4 nodes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from evaluations import PROBLEM
from made import record, write_lines
from neardup import made_rows, spelled
from sames import contents

import phase0
from phase0.engine import Engine
from phase0.engine.local import Local
from phase0.engine.ray import Ray
from phase0.progress import SILENT
from phase0.records import Turn, encode
from phase0.stages.prompts import distinct_prompts
from phase0.stages.survey import survey

pytest.importorskip("ray", reason="needs the extra `ray`")
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(300)]

ROWS, SMALL = 600, 24 << 10  # bytes to a part, so that there are many


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("acquire.SPAN", "parts.SPAN", "decontaminate.SPAN", "survey._PART"):
        monkeypatch.setattr(f"phase0.stages.{name}", SMALL)
    for name in ("dedup_spread.UNIT", "verify.SPAN", "verify.UNIT", "export.SPAN", "export.UNIT"):
        monkeypatch.setattr(f"phase0.stages.{name}", 4 * SMALL)
    monkeypatch.setattr("phase0.partitioned.recounting._bits", lambda *_: 2)


def stages(inputs: Path, output: Path, engine: Engine) -> dict[str, bytes]:
    """What every stage that runs on an engine leaves: acquiring, scoring, decontamination, de-duplication of rows and
    of prompts, a student's survey, verification, export."""
    rows = inputs / "b.jsonl"
    phase0.acquire([inputs], output / "raw", engine=engine)
    phase0.score([rows], output / "scored.jsonl", threshold=5.0, engine=engine)
    phase0.decontaminate([rows], output / "clean.jsonl", against=[inputs.parent / "eval"], engine=engine)
    alike = inputs.parent / "alike"
    how = {"threshold": "0.7", "against": [alike / "against.jsonl"]}
    phase0.deduplicate([alike / "alike.jsonl"], output / "distinct.jsonl", **how, engine=engine)
    distinct_prompts([alike / "asked.jsonl"], output / "prompts.jsonl", engine=engine)
    (output / "features").mkdir()
    seen = survey([rows], output / "features", engine, SILENT)
    checked = verified(inputs, alike, engine)
    forms = ["trl", "llama-factory-alpaca"]
    phase0.export(
        [alike / "alike.jsonl", rows], output / "export", to=forms, validation=0.2, max_tokens=90, engine=engine
    )
    surveyed = b"".join(array.tobytes() for array in (seen.rows_N, seen.questions_L, *seen.frame))
    return contents(output) | {"survey": surveyed, "verification": checked}


def verified(inputs: Path, alike: Path, engine: Engine) -> bytes:
    """What is found in rows with faults and near-duplicates."""
    files = [inputs / "b.jsonl", alike / "alike.jsonl", inputs / "c.jsonl"]
    return msgspec.json.encode(phase0.verify(files, threshold="0.6", workspace=inputs.parent / "work", engine=engine))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files of upstream rows, one of them damaged at its end; every fiftieth row holds a question."""
    above = tmp_path_factory.mktemp("upstream")
    write(above / "eval" / "maths.jsonl", [{"question": PROBLEM, "answer": "324"}])
    alike = spelled(made_rows(400, seed=5))
    (above / "work").mkdir()
    write_lines(above / "alike" / "alike.jsonl", alike[:380])
    write_lines(above / "alike" / "against.jsonl", alike[380:])
    write_lines(above / "alike" / "asked.jsonl", asked())
    folder = above / "in"
    write(folder / "a.jsonl", [{"instruction": f"Name {n} rivers.", "output": f"{n} rivers are …"} for n in range(90)])
    rows = [
        record(n, instruction=f"{PROBLEM if n % 50 == 7 else 'Tell me'} of {n} things.", response=f"So: {n}. " * 20)
        for n in range(ROWS)
    ]
    write_lines(folder / "b.jsonl", [encode(row) for row in rows])
    write(folder / "c.jsonl", [{"prompt": f"Why {n}?", "completion": f"As {n}."} for n in range(30)], b'{"prompt": "W')
    return folder


def asked() -> list[bytes]:
    """Records of which many ask nearly the same, in conversations too, and lines that are none."""
    words = [f"word{number}" for number in range(40)]
    lines = [b"", b"{", b"[1]"]
    for number in range(240):
        said = " ".join(words[number % 17 : number % 17 + 20 + number % 3])
        before = (Turn(role="user", content=f"Opening {number % 5}"),) if number % 4 == 1 else ()
        answer = f"{number % 6} " * (number % 9)
        lines.append(encode(record(number, instruction=said, response=answer, history=before)))
    return lines


def write(path: Path, rows: list[dict[str, str]], *more: bytes) -> None:
    write_lines(path, [*(json.dumps(row).encode() for row in rows), *more])


def test_stages_leave_the_same_bytes_in_this_process_in_a_pool_and_on_1_2_and_4_nodes(
    inputs: Path, tmp_path: Path, on_ray: Callable[[int], Ray]
) -> None:
    wanted = stages(inputs, tmp_path / "inline", Local(1))
    assert len(wanted["scored.jsonl"]) + len(wanted["scored.meta/dropped.jsonl"]) > 6 * SMALL
    assert wanted["clean.meta/dropped.jsonl"].count(b"\n") == ROWS // 50
    assert 40 < wanted["prompts.jsonl"].count(b"\n") < 200
    with Local(2).kept() as pool:
        assert stages(inputs, tmp_path / "pool", pool) == wanted
    for count in (1, 2, 4):
        assert stages(inputs, tmp_path / f"nodes-{count}", on_ray(count)) == wanted, count


def test_a_run_of_the_quickstart_leaves_the_same_bytes_on_a_cluster(
    tmp_path: Path, on_ray: Callable[[int], Ray]
) -> None:
    plan = Path(phase0.__file__).parents[2] / "plans" / "quickstart.toml"
    here = phase0.run(plan, tmp_path / "here" / "run")
    there = phase0.run(plan, tmp_path / "there" / "run", engine=on_ray(4))
    assert contents(there.folder) == contents(here.folder)
    assert there.verification.passed
    again = phase0.run(plan, tmp_path / "there" / "run")  # what a cluster made is done, wherever one looks
    assert all(step.skipped for step in again.steps)
    assert {stage.state for stage in phase0.status(there.folder)} == {"done"}
    assert json.loads((there.folder / "verification.json").read_bytes())["rows"] == here.verification.rows
