"""De-duplication that is killed, or runs out of disk or memory: nothing half-made is ever taken for finished."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from doomed_host import KILLED, Ended, Run, commands
from neardup import made_rows, spelled, written

from phase0.dataset import lineage, manifest_of
from phase0.dataset.manifest import is_whole

if sys.platform == "win32":
    pytest.skip("forks and sends SIGKILL", allow_module_level=True)

FINISHED = ["in.jsonl.gz", "out.jsonl", "out.meta/.lock/lock", "out.meta/dropped.jsonl", "out.meta/manifest.json"]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with commands() as run:
        yield run


LINES = spelled(made_rows(700, seed=11))
LITTLE = ("--max-memory", "150000B")


class Place(NamedTuple):
    """A folder with an input, and an output of other settings that was finished before."""

    folder: Path
    argv: tuple[Any, ...]
    old: dict[str, bytes]
    new: dict[str, bytes]  # what an undisturbed run makes of it

    @property
    def output(self) -> Path:
        return self.folder / "out.jsonl"


def dedup(folder: Path, *more: Any) -> tuple[Any, ...]:
    return ("dedup", "--input", folder / "in.jsonl.gz", "--output", folder / "out.jsonl", "--workers", 2, *more)


@pytest.fixture
def place(run: Run, tmp_path: Path, undisturbed: tuple[dict[str, bytes], dict[str, bytes]]) -> Place:
    """Set up by copying, as it is needed for every kill."""
    old, new = undisturbed
    for name, body in old.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(body)
    return Place(tmp_path, dedup(tmp_path), old, new)


@pytest.fixture(scope="module")
def undisturbed(run: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("calm")
    (folder / "in.jsonl.gz").write_bytes(gzip.compress(b"".join(line + b"\n" for line in LINES), mtime=0))
    assert run(*dedup(folder, "--threshold", "0.95")).status == 0
    old = files(folder)
    assert run(*dedup(folder)).status == 0
    new = files(folder)
    assert sorted(old) == sorted(new) == FINISHED
    assert all(old[name] != new[name] for name in FINISHED[1:] if not name.endswith("lock"))
    return old, new


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows_of(found: dict[str, bytes]) -> dict[str, bytes]:
    """All but the manifest, which tells the time."""
    return {name: body for name, body in found.items() if not name.endswith("manifest.json")}


def check_disturbed(place: Place) -> None:
    """Whatever is called finished is whole, and nothing else looks as if it were."""
    found = files(place.folder)
    assert found["out.jsonl"] in (place.old["out.jsonl"], place.new["out.jsonl"])
    assert {name for name in found if name.endswith(".jsonl")} == {"out.jsonl", "out.meta/dropped.jsonl"}
    dropped = "out.meta/dropped.jsonl"
    assert found[dropped] in (place.old[dropped], place.new[dropped])
    manifest = manifest_of(place.output)
    if manifest is not None:
        assert is_whole(place.output, manifest)
        assert manifest.counts.dropped == found[dropped].count(b"\n")
        assert [step.path for step in lineage(place.output)] == [place.output]


def check_rerun(place: Place, run: Run) -> None:
    """The same command again makes what an undisturbed run makes, and leaves nothing of the killed one."""
    ended = run(*place.argv)
    assert ended.status == 0, ended.said
    assert rows_of(files(place.folder)) == rows_of(place.new)
    manifest = manifest_of(place.output)
    assert manifest is not None
    assert is_whole(place.output, manifest)


def steps_of(said: str) -> list[str]:
    return [line.removeprefix("step ") for line in said.splitlines() if line.startswith("step ")]


def test_killed_at_any_moment_of_any_step_the_earlier_output_stands_whole(place: Place, run: Run) -> None:
    steps = steps_of(run(*place.argv).said)
    assert steps[:2] == ["lay rows out", "read the words"]
    assert steps[-1] == "write kept rows"
    for step in steps:
        for moment in ("start", "advance", "finish"):
            put_back(place)
            assert run(*place.argv, die=(moment, step)).status == KILLED, (moment, step)
            check_disturbed(place)
            assert rows_of(files(place.folder)).items() >= rows_of(place.old).items()
            assert manifest_of(place.output) is not None
    check_rerun(place, run)


def put_back(place: Place) -> None:
    for name, body in place.old.items():
        (place.folder / name).write_bytes(body)


def test_killed_in_any_step_of_minhash_the_earlier_output_stands_whole(place: Place, run: Run) -> None:
    more = ("--threshold", "0.5")  # at which bands are taken
    steps = steps_of(run(*place.argv, *more).said)
    assert "compare signatures" in steps
    for step in steps:
        put_back(place)
        assert run(*place.argv, *more, die=("advance", step)).status == KILLED
        assert rows_of(files(place.folder)).items() >= rows_of(place.old).items()
    check_rerun(place, run)


@pytest.mark.parametrize(
    ("more", "how"),
    [
        (LITTLE, "and rows that may be near-duplicates are read again"),
        ((*LITTLE, "--clusters", "transitive"), " go to "),
        ((*LITTLE, "--threshold", "0.5"), " go to "),
    ],
)
def test_killed_in_any_step_while_not_all_keys_are_in_memory_nothing_of_them_stays(
    more: tuple[str, ...], how: str, place: Place, run: Run
) -> None:
    ended = run(*place.argv, *more, disk=True)
    assert how in ended.said
    for step in steps_of(ended.said):
        put_back(place)
        assert run(*place.argv, *more, disk=True, die=("advance", step)).status == KILLED
        check_disturbed(place)
        assert rows_of(files(place.folder)).items() >= rows_of(place.old).items()
    place = place._replace(argv=(*place.argv, *LITTLE))
    assert run(*place.argv, disk=True).status == 0
    assert rows_of(files(place.folder)) == rows_of(place.new)


WRITING = [
    ("rows", 0),
    ("rows", 350),
    ("lines", 0),
    ("before", "dropped.jsonl"),
    ("removed", "manifest.json"),
    ("after", "dropped.jsonl"),
    ("before", "out.jsonl"),
    ("after", "out.jsonl"),
    ("before", "manifest.json"),
    ("after", "manifest.json"),
]


@pytest.mark.parametrize("moment", WRITING, ids=lambda moment: f"{moment[0]} {moment[1]}")
def test_killed_while_files_are_written_and_renamed_no_manifest_speaks_of_other_bytes(
    moment: tuple[str, Any], place: Place, run: Run
) -> None:
    assert run(*place.argv, die=moment).status == KILLED
    check_disturbed(place)
    finished = manifest_of(place.output) is not None
    assert finished == (moment in WRITING[:3] or moment == WRITING[-1])
    check_rerun(place, run)


def test_the_command_killed_in_its_own_process_leaves_what_the_next_one_cleans_up(place: Place, run: Run) -> None:
    """Nobody reads what it says, so that it waits at its first message, in the middle of the work."""
    hears, says = os.pipe()
    os.set_blocking(says, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(says, b" " * 4096):
            pass
    os.set_blocking(says, True)
    with subprocess.Popen([sys.executable, "-m", "phase0", *map(str, place.argv)], stderr=says) as process:
        while process.poll() is None and not list(place.folder.glob("out.meta/.parts-*")):
            time.sleep(0.01)
        process.kill()
    os.close(hears)
    os.close(says)
    assert process.returncode == KILLED
    check_disturbed(place)
    assert manifest_of(place.output) is not None
    check_rerun(place, run)


QUICKSTART = Path(__file__).parents[2] / "plans" / "quickstart.toml"


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart without its de-duplication of prompts, whose steps have the same names."""
    path = tmp_path_factory.mktemp("plan") / "plan.toml"
    path.write_text(re.sub(r"\[prompts\][^\[]*", "", QUICKSTART.read_text()))
    return path


@pytest.fixture(scope="module")
def calm(run: Run, plan: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("calm")
    assert run("run", plan, "--output", folder, "--workers", 1).status == 0
    return folder


@pytest.mark.parametrize("moment", [("advance", "join"), ("after", "deduped.jsonl")], ids=["join", "written"])
def test_a_run_killed_in_de_duplication_makes_it_again_and_nothing_before_it(
    moment: tuple[str, str], run: Run, plan: Path, calm: Path, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    assert run("run", plan, "--output", output, "--workers", 1, die=moment).status == KILLED
    assert manifest_of(output / "deduped/deduped.jsonl") is None
    assert lineage(output / "deduped/deduped.jsonl") == []
    assert not (output / "dataset.jsonl").exists()
    again = run("run", plan, "--output", output, "--workers", 1)
    assert again.status == 0
    assert "score all_scored.jsonl: done before" in again.said
    assert "dedup deduped.jsonl: done before" not in again.said
    rows = {name: body for name, body in files(output).items() if name.endswith(".jsonl")}
    assert rows == {name: body for name, body in files(calm).items() if name.endswith(".jsonl")}


# ---- a full disk, too little memory ---------------------------------------------------------------------------------


def check_refused(ended: Ended, place: Place, why: str) -> None:
    """One clear line, and everything as it was or gone."""
    told = [line for line in ended.said.splitlines() if line.startswith("phase0: ")]
    assert ended.status == 2, ended.said
    assert len(told) == 1
    assert ended.said.splitlines()[-1] == told[0]
    assert "Traceback" not in ended.said
    assert why in told[0]
    check_disturbed(place)
    assert set(files(place.folder)) <= set(FINISHED)


@pytest.mark.parametrize("share", [0, 0.001, 0.01, 0.1, 0.3, 0.6, 0.9, 0.99])
def test_a_disk_that_is_full_at_any_point_ends_with_one_line_and_leaves_nothing_half_written(
    share: float, place: Place, run: Run
) -> None:
    most = int(share * len(place.new["out.jsonl"]))
    check_refused(run(*place.argv, bytes=most), place, "File too large")
    check_rerun(place, run)


@pytest.mark.parametrize("most", [4_000, 20_000, 50_000])
def test_a_disk_that_is_full_while_keys_are_written_to_it_ends_with_one_line(most: int, place: Place, run: Run) -> None:
    plain = place.folder / "in.jsonl"
    plain.write_bytes(gzip.decompress((place.folder / "in.jsonl.gz").read_bytes()))
    argv = ("dedup", "--input", plain, "--output", place.output, *LITTLE, "--clusters", "transitive")
    ended = run(*argv, disk=True, bytes=most)
    plain.unlink()
    check_refused(ended, place, "File too large")
    check_rerun(place, run)


def test_a_disk_that_is_full_when_the_manifest_is_written_leaves_no_manifest(place: Place, run: Run) -> None:
    """The output is whole by then, and made again all the same."""
    few = written(place.folder / "few.jsonl", LINES[:1])
    ended = run("dedup", "--input", few, "--output", place.output, bytes=len(LINES[0]) + 1)
    assert ended.status == 2
    assert "manifest.json: cannot be written (File too large)" in ended.said
    assert place.output.read_bytes() == LINES[0] + b"\n"
    assert manifest_of(place.output) is None
    few.unlink()
    check_rerun(place, run)


@pytest.mark.parametrize("most", [1 << 15, 1 << 16, 1 << 17])
def test_too_little_memory_ends_with_one_line_and_leaves_nothing_half_written(
    most: int, place: Place, run: Run
) -> None:
    check_refused(run(*place.argv, greedy=most), place, "memory")
    check_rerun(place, run)
