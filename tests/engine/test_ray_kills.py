"""Nodes of a cluster are killed in every stage of a run, and others take their place: the same bytes, no row lost."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from clusters import Nodes
from evaluations import PROBLEM
from made import record, write_lines
from neardup import made_rows, spelled
from sames import contents

import phase0
from phase0.engine import Engine, Item, Result
from phase0.engine.local import Local
from phase0.engine.ray import Ray
from phase0.plan import Plan, plan_from
from phase0.records import encode
from phase0.stages.verification import Verification

pytest.importorskip("ray", reason="needs the extra `ray`")
pytestmark = pytest.mark.xdist_group("ray")


class Watched:
    """An engine of which is counted what it was asked for, by the name of the work."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.results: list[str] = []

    @property
    def threads(self) -> int:
        return self.engine.threads

    @property
    def cores(self) -> int:
        return 3  # what work is cut for, on every engine: else they would be asked for different work

    @property
    def spread(self) -> bool:
        return True

    @contextmanager
    def kept(self) -> Iterator[Engine]:
        yield self

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        name = named(work)
        for result in self.engine.map(work, items):
            self.results.append(name)
            self.after(len(self.results), name)
            yield result

    def after(self, count: int, name: str) -> None: ...


class Killing(Watched):
    """Kills a node behind certain results, while others are being worked out, and adds one in its place."""

    def __init__(self, engine: Engine, nodes: Nodes, moments: Iterable[int], chance: random.Random) -> None:
        super().__init__(engine)
        self.nodes, self.moments, self.chance = nodes, set(moments), chance
        self.killed: Counter[str] = Counter()

    def after(self, count: int, name: str) -> None:
        if count in self.moments:
            self.nodes.remove(self.nodes.some(self.chance))
            self.nodes.add()
            self.killed[name] += 1


def named(work: Any) -> str:
    while isinstance(work, partial):
        work = work.func
    return f"{work.__module__.removeprefix('phase0.')}.{work.__qualname__}"


def upstream(folder: Path, rows: int) -> Plan:
    """A plan over four files of rows: some say nearly the same, some hold a question, some cannot be read."""
    chance = random.Random(7)
    words = [f"word{number}" for number in range(4000)]
    made = []
    for number in range(rows):
        if number % 11 == 5:  # nearly the row before, and every other time the same prompt
            asked, told = made[-1].instruction, f"{made[-1].response} Indeed."
            made.append(record(number, instruction=asked if number % 2 else f"Please: {asked}", response=told))
            continue
        asked = PROBLEM if number % 97 == 3 else f"Explain {' '.join(chance.sample(words, 8))}."
        told = f"The answer has {chance.randint(2, 9)} parts: {' '.join(chance.sample(words, 40))}."
        made.append(record(number, instruction=f"{asked} ({number})", response=told))
    for part in range(4):
        lines = [encode(row) for row in made[part::4]]
        write_lines(folder / "in" / f"part{part}.jsonl", [*lines, b'{"instruction": 4}'])
    write_lines(folder / "eval" / "maths.jsonl", [json.dumps({"question": PROBLEM}).encode()])
    return plan_from(
        {
            "name": "killed",
            "download": {"inputs": [str(folder / "in")]},
            "prompts": {"threshold": 0.9},
            "decontaminate": {"against": [str(folder / "eval" / "maths.jsonl")]},
            "score": {"threshold": 3.0},
        }
    )


def anywhere(verification: Verification) -> Verification:
    """A verification without the folder of what was verified."""
    files = tuple(msgspec.structs.replace(file, path=Path(file.path).name) for file in verification.files)
    return msgspec.structs.replace(verification, files=files)


def test_nodes_may_die_in_a_run(nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_in_a_run(nodes, tmp_path, monkeypatch, rows=400, span=32 << 10, kills=2, seed=4)  # in dedup, in verify


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
def test_twenty_nodes_may_die_in_a_run(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    told = killed_in_a_run(nodes, tmp_path, monkeypatch, rows=40_000, span=256 << 10, kills=20, seed=seed)
    print(f"\nseed {seed}: {told}")


def killed_in_a_run(
    nodes: Nodes, folder: Path, monkeypatch: pytest.MonkeyPatch, *, rows: int, span: int, kills: int, seed: int
) -> str:
    for name in ("acquire.SPAN", "parts.SPAN", "decontaminate.SPAN", "dedup_spread.UNIT"):
        monkeypatch.setattr(f"phase0.stages.{name}", span)
    monkeypatch.setattr("phase0.stages.verify.UNIT", 4 * span)
    plan, chance = upstream(folder, rows), random.Random(seed)
    calm = Watched(Local(1))
    wanted = phase0.run(plan, folder / "calm" / "run", engine=calm)
    with Ray(nodes.resize(3)) as ray:
        moments = drawn(calm.results, kills, chance)
        engine = Killing(ray, nodes, moments, chance)
        found = phase0.run(plan, folder / "killed" / "run", engine=engine)
    assert engine.killed.total() == kills
    assert set(engine.results) >= set(calm.results)  # with more partitions, as they are of what a machine has
    assert contents(found.folder) == contents(wanted.folder)
    assert anywhere(found.verification) == anywhere(wanted.verification)
    for step in found.steps:
        assert step.manifest.counts.rows_in == step.manifest.counts.kept + step.manifest.counts.dropped
    assert found.steps[0].manifest.counts.read == rows // 4 + 1
    lost = {step.stage: step.manifest.counts.reasons.get("near_duplicate", 0) for step in found.steps}
    assert min(lost["prompts"], lost["dedup"]) > rows // 30
    return f"{rows:,} rows, {len(calm.results)} pieces of work, nodes killed in {dict(engine.killed)}"


@pytest.mark.parametrize(
    ("rows", "kills"), [pytest.param(6000, 20, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
def test_nodes_may_die_in_de_duplication(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, kills: int
) -> None:
    monkeypatch.setattr("phase0.stages.dedup_spread.UNIT", 20_000)
    path, chance = write_lines(tmp_path / "in.jsonl", spelled(made_rows(rows, seed=6))), random.Random(kills)
    calm = Watched(Local(1))
    wanted = phase0.deduplicate([path], tmp_path / "calm" / "out.jsonl", engine=calm)
    with Ray(nodes.resize(3)) as ray:
        engine = Killing(ray, nodes, drawn(calm.results, kills, chance), chance)
        phase0.deduplicate([path], tmp_path / "killed" / "out.jsonl", engine=engine)
    assert engine.killed.total() == kills
    assert contents(tmp_path / "killed") == contents(tmp_path / "calm")
    assert wanted.counts.dropped > rows // 10
    print(f"\n{rows:,} rows, {len(calm.results)} pieces of work, nodes killed in {dict(engine.killed)}")


@pytest.mark.parametrize(
    ("rows", "kills"), [pytest.param(6000, 12, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
def test_nodes_may_die_in_an_export(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, kills: int
) -> None:
    monkeypatch.setattr("phase0.stages.export.UNIT", 100_000)
    path, chance = write_lines(tmp_path / "in.jsonl", spelled(made_rows(rows, seed=6))), random.Random(kills)
    calm, how = Watched(Local(1)), {"to": ["trl", "csv"], "validation": 0.1, "max_tokens": 300}
    phase0.export([path], tmp_path / "calm" / "out", engine=calm, **how)
    with Ray(nodes.resize(3)) as ray:
        engine = Killing(ray, nodes, drawn(calm.results, kills, chance), chance)
        phase0.export([path], tmp_path / "killed" / "out", engine=engine, **how)
    assert engine.killed.total() == kills
    assert contents(tmp_path / "killed") == contents(tmp_path / "calm")
    print(f"\n{rows:,} rows, {len(calm.results)} pieces of work, nodes killed in {dict(engine.killed)}")


def drawn(results: list[str], kills: int, chance: random.Random) -> list[int]:
    """Moments by the number of results before them: one in each kind of work, as far as they go, the rest anywhere."""
    kinds = {name: at for at, name in enumerate(results, 1)}
    first = [chance.choice([at for at, other in enumerate(results, 1) if other == name]) for name in kinds]
    rest = [at for at in range(1, len(results) + 1) if at not in first]
    return chance.sample(first, min(kills, len(first))) + chance.sample(rest, max(0, kills - len(first)))
