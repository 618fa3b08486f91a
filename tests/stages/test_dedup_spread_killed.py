"""De-duplication in partitions that is killed: nothing half-made is taken for finished, and it can be run again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doomed_host import KILLED, Run, commands
from neardup import made_rows, spelled, written

from phase0.dataset import manifest_of
from phase0.dataset.manifest import is_whole

if sys.platform == "win32":
    pytest.skip("forks and sends SIGKILL", allow_module_level=True)

SPREAD = {"spread": 40_000}  # bytes to a unit: there are four


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with commands() as run:
        yield run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return written(tmp_path / "in.jsonl", spelled(made_rows(300, seed=2)))


def dedup(source: Path, output: str, *more: Any) -> tuple[Any, ...]:
    return ("dedup", "--input", source, "--output", f"{source.parent}/{output}", "--workers", 1, *more)


def files(folder: Path) -> dict[str, bytes]:
    """All but the input, and the manifest, which tells the time."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes() for name, path in found.items() if Path(name).name not in ("in.jsonl", "manifest.json")
    }


def check_rerun(argv: tuple[Any, ...], run: Run, output: Path, wanted: dict[str, bytes]) -> None:
    """The same command makes what an undisturbed one makes, and leaves nothing of the killed one."""
    ended = run(*argv, **SPREAD)
    assert ended.status == 0, ended.said
    assert files(output.parent) == wanted
    manifest = manifest_of(output)
    assert manifest is not None
    assert is_whole(output, manifest)


@pytest.mark.parametrize("output", ["out.jsonl", "out/"])
def test_killed_in_any_step_the_earlier_output_stands_whole(output: str, source: Path, run: Run) -> None:
    argv, place = dedup(source, output), source.parent / output
    assert run(*argv, **SPREAD).status == 0
    new = files(source.parent)
    ended = run(*argv, "--threshold", "0.95", **SPREAD)
    old, manifest = files(source.parent), manifest_of(place)
    assert ended.steps[0] == "read the words"
    assert ended.steps[-1] == "write kept rows"
    assert len(ended.steps) > 8
    for number, step in enumerate(ended.steps):
        moment = ("start", "advance", "finish")[number % 3]
        assert run(*argv, **SPREAD, die=(moment, step)).status == KILLED, (moment, step)
        assert files(source.parent).items() >= old.items()
        assert manifest_of(place) == manifest
        assert manifest is not None
        assert is_whole(place, manifest)
    check_rerun(argv, run, place, new)


SHARDS = [
    ("before", "part-000000.jsonl"),
    ("after", "part-000000.jsonl"),
    ("after", "part-000002.jsonl"),
    ("removed", "manifest.json"),
    ("removed", "part-000001.jsonl"),
    ("after", "dropped.jsonl"),
    ("before", "manifest.json"),
]


@pytest.mark.parametrize("moment", SHARDS, ids=lambda moment: f"{moment[0]} {moment[1]}")
def test_killed_while_shards_take_their_names_no_manifest_speaks_of_them(
    moment: tuple[str, str], source: Path, run: Run
) -> None:
    argv, place = dedup(source, "out/"), source.parent / "out"
    assert run(*argv, **SPREAD).status == 0
    new = files(source.parent)
    assert run(*argv, "--threshold", "0.95", **SPREAD).status == 0
    assert run(*argv, **SPREAD, die=moment).status == KILLED
    assert manifest_of(place) is None
    check_rerun(argv, run, place, new)


def test_a_killed_first_run_leaves_a_folder_that_the_next_one_takes(source: Path, run: Run) -> None:
    argv, place = dedup(source, "out/"), source.parent / "out"
    assert run(*argv, **SPREAD, die=("after", "part-000001.jsonl")).status == KILLED
    assert manifest_of(place) is None
    assert run(*argv, **SPREAD).status == 0
    assert sorted(path.name for path in place.iterdir()) == [f"part-{number:06}.jsonl" for number in range(4)]
