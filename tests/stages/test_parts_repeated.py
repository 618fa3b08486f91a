"""Work on a part may be done twice, even at once, and may be killed: what is joined is one right part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from evaluations import PROBLEM
from made import record
from stagefiles import check_sums, leftovers, write

import phase0
from phase0.engine import Item, Result
from phase0.engine.local import Local
from phase0.records import encode


class Repeating(Local):
    """Does all work twice before it answers, and leaves what a killed process would: half of a file."""

    def __init__(self) -> None:
        super().__init__(1)
        self.repeated = 0

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        for item in items:
            place: Any = item[0]  # type: ignore[index]
            for name in (".kept", ".lost", ".npz"):
                place.with_name(f".{place.stem}{name}.0123456789abcdef.partial").write_bytes(b'{"instruction": "ha')
            work(item)
            self.repeated += 1
            yield work(item)


def acquired(source: Path, output: Path, engine: Local) -> Path:
    phase0.acquire([source, source.with_name("b.jsonl")], output, engine=engine)
    return output / "combined.jsonl"


def scored(source: Path, output: Path, engine: Local) -> Path:
    phase0.score([source], output / "rows.jsonl", threshold=5.0, engine=engine)
    return output / "rows.jsonl"


def clean(source: Path, output: Path, engine: Local) -> Path:
    phase0.decontaminate([source], output / "rows.jsonl", against=[source.parent / "eval.jsonl"], engine=engine)
    return output / "rows.jsonl"


@pytest.mark.parametrize("stage", [acquired, scored, clean])
def test_work_that_is_done_twice_leaves_what_it_leaves_once(
    stage: Callable[[Path, Path, Local], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("acquire.SPAN", "parts.SPAN", "decontaminate.SPAN"):
        monkeypatch.setattr(f"phase0.stages.{name}", 4096)
    rows = [record(n, instruction=PROBLEM if n % 20 == 7 else f"Tell of {n} things.") for n in range(200)]
    source = write(tmp_path / "a.jsonl", *map(encode, rows), b"{bad")
    write(tmp_path / "b.jsonl", {"instruction": "Why?", "output": "So."})
    write(tmp_path / "eval.jsonl", {"question": PROBLEM})
    once, twice, engine = tmp_path / "once", tmp_path / "twice", Repeating()
    wanted, found = stage(source, once, Local(1)), stage(source, twice, engine)
    assert engine.repeated >= 2
    assert found.read_bytes() == wanted.read_bytes()
    assert {path.name: path.read_bytes() for path in twice.rglob("*.jsonl")} == {
        path.name: path.read_bytes() for path in once.rglob("*.jsonl")
    }
    check_sums(found)
    assert leftovers(twice) == []
