"""export over an engine: the same files, manifests and rows for validation, however rows are cut and wherever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import record
from neardup import made_rows, spelled, written

from phase0.engine.local import Local
from phase0.errors import UsageError
from phase0.records import Turn, encode
from phase0.stages import export as stage
from phase0.stages.export import export

FORMS = ["trl", "llama-factory-alpaca", "csv"]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Rows that resemble each other, turns of conversations, rows without a response, and what is no row."""
    folder = tmp_path_factory.mktemp("exported")
    turns = []
    for number in range(30):
        history = (Turn(role="user", content=f"Opening {number % 9}"), Turn(role="assistant", content="Yes?"))
        turns.append(
            encode(record(number, response=None if number % 7 == 3 else f"So {number}. " * 9, history=history))
        )
    alike = spelled([row for row in made_rows(150, seed=4) if "unknown" not in row])
    return [
        written(folder / "a.jsonl", [*alike[:60], b"{", b"", *turns]),
        written(folder / "b" / "a.jsonl", alike[60:]),
        written(folder / "none.jsonl", []),
    ]


def left(paths: list[Path], folder: Path, engine: Local | None, size: int, **how: Any) -> dict[str, bytes]:
    """What an export leaves, with inputs cut into pieces of so many bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "SPAN", size)
        patch.setattr(stage, "UNIT", size)
        export(paths, folder, to=FORMS, engine=engine, **how)
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.name == "manifest.json":
            told = json.loads(path.read_bytes())
            found[str(path.relative_to(folder))] = json.dumps(
                {name: value for name, value in told.items() if name not in {"started", "seconds", "inputs"}}
                | {"inputs": [{**one, "path": Path(one["path"]).name} for one in told["inputs"]]}
            ).encode()
        elif path.is_file() and path.name != "lock":
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


HOW: list[dict[str, Any]] = [
    {},
    {"max_tokens": 60},
    {"validation": 0.2, "seed": 3},
    {"validation": 0.3, "max_tokens": 90},
]


@pytest.mark.parametrize("how", HOW, ids=["plain", "cut", "split", "both"])
def test_an_export_is_the_same_in_a_pool_and_in_partitions(
    paths: list[Path], tmp_path: Path, how: dict[str, Any]
) -> None:
    wanted = left(paths, tmp_path / "x" / "out", None, 1 << 20, **how)
    names = set(wanted)
    assert {"trl/train.jsonl", "trl/train.meta/dropped.jsonl", "csv/train.csv"} <= names
    assert ("trl/validation.jsonl" in names) == ("validation" in how)
    assert not [name for name in names if ".parts" in name]
    for at, engine in enumerate([Local(2), Local(1, spread=True), Local(2, spread=True)]):
        assert left(paths, tmp_path / str(at) / "out", engine, 3000, **how) == wanted, at


@given(st.booleans(), st.sampled_from([1, 977, 5000]), st.sampled_from(HOW))
@settings(max_examples=8)
def test_an_export_is_the_same_however_rows_are_cut(
    paths: list[Path], tmp_path_factory: pytest.TempPathFactory, spread: bool, size: int, how: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    wanted = left(paths, folder / "x" / "out", None, 1 << 20, **how)
    assert left(paths, folder / "y" / "out", Local(1, spread=spread), size, **how) == wanted


def test_in_partitions_a_share_that_no_group_fits_is_refused_too(tmp_path: Path) -> None:
    rows = [encode(record(number, instruction="The same question?")) for number in range(10)]
    path = written(tmp_path / "in.jsonl", rows)
    with pytest.raises(UsageError, match="no rows for validation"):
        export([path], tmp_path / "out", validation=0.3, engine=Local(1, spread=True))
    assert not list((tmp_path / "out").rglob(".parts-*"))
