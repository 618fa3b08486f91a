"""A stage's output is published whole, under its lock, with a manifest that never speaks of other bytes."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stagefiles import check_sums, dropped_of, leftovers, rows_of, write

from phase0.dataset import file_digest, manifest_of, meta_folder
from phase0.dataset.manifest import is_whole
from phase0.errors import BusyError, DataError, UsageError
from phase0.stages import digests
from phase0.stages.output import StageOutput, stage_output
from phase0.stages.publish import publish


def keep_all(path: Path, *inputs: Path, fail_after: int | None = None) -> None:
    """A stage that keeps every line, or breaks."""
    with stage_output("test", path, inputs, {}) as out:
        for file, item in enumerate(inputs):
            for number, line in enumerate(item.read_bytes().splitlines()):
                if number == fail_after:
                    raise RuntimeError("broken")
                out.sums[file].read += 1
                out.keep(line, file)


@pytest.fixture
def before(tmp_path: Path) -> tuple[Path, Path]:
    """An input, and an output that was made from it."""
    source, output = write(tmp_path / "in.jsonl", *({"n": n} for n in range(50))), tmp_path / "out.jsonl"
    keep_all(output, source)
    return source, output


def state(output: Path) -> dict[str, bytes]:
    names = [output, *(path for path in meta_folder(output).iterdir() if path.is_file())]
    return {path.name: path.read_bytes() for path in names}


def test_another_form_of_a_finished_file_does_not_take_its_dropped_rows(tmp_path: Path) -> None:
    given = write(tmp_path / "in.jsonl", {"instruction": "q", "response": "a", "source": "s"}, b"{broken")
    publish([given], tmp_path / "x.jsonl")
    with pytest.raises(UsageError, match=r"x\.meta holds the manifest and the dropped rows of x\.jsonl; give x\.csv"):
        publish([given], tmp_path / "x.csv")
    check_sums(tmp_path / "x.jsonl")
    (tmp_path / "x.jsonl").unlink()
    assert publish([given], tmp_path / "x.csv").counts.dropped == 1


def test_a_stage_that_breaks_midway_leaves_the_old_output_and_its_manifest(before: tuple[Path, Path]) -> None:
    source, output = before
    old = state(output)
    write(source, *({"n": -n} for n in range(90)))
    with pytest.raises(RuntimeError, match="broken"):
        keep_all(output, source, fail_after=60)
    assert state(output) == old
    assert leftovers(output.parent) == []


@pytest.mark.parametrize("opened", ["out.jsonl", "dropped.jsonl", "full.jsonl"])
def test_a_full_disk_is_told_in_one_line_and_leaves_the_old_output(
    before: tuple[Path, Path], opened: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = before
    old = output.read_bytes()
    real = os.fsync

    def full(handle: int) -> None:
        if os.fstat(handle).st_ino in {path.stat().st_ino for path in output.parent.rglob(f".{opened}.*.partial")}:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)

    def write_three() -> None:
        with stage_output("test", output, [source], {}) as out:
            out.beside(meta_folder(output) / "full.jsonl").write(b"{}")
            out.keep(b"{}")

    with pytest.raises(DataError, match=r"cannot be written \(No space left on device") as told:
        write_three()
    assert "\n" not in str(told.value)
    manifest = manifest_of(output)
    assert output.read_bytes() == old or manifest is None
    assert manifest is None or is_whole(output, manifest)
    assert leftovers(output.parent) == []


STEPS = ["before any file has its name", "full.jsonl", "dropped.jsonl", "out.jsonl", "manifest.json"]


@pytest.mark.parametrize("step", STEPS)
def test_sigkill_at_any_step_of_publishing_never_leaves_a_false_manifest(before: tuple[Path, Path], step: str) -> None:
    source, output = before
    script = f"""
import os, signal, sys
from pathlib import Path
from phase0.dataset import meta_folder
from phase0.stages.output import stage_output
output = Path({str(output)!r})
real = Path.replace
def replace(self, target):
    if Path(target).name == {step!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, target)
with stage_output("test", output, [Path({str(source)!r})], {{}}) as out:
    beside = out.beside(meta_folder(output) / "full.jsonl")
    for n in range(30):
        beside.write(b'{{"full": %d}}' % n)
        out.keep(b'{{"new": %d}}' % n)
    if {step!r} == {STEPS[0]!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    Path.replace = replace
"""
    old = state(output)
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    manifest = manifest_of(output)
    if step == STEPS[0]:
        assert state(output) == old | {name: body for name, body in state(output).items() if name not in old}
    assert manifest is None or (is_whole(output, manifest) and manifest.counts.kept == 50)
    assert (manifest is not None) == (step == STEPS[0])
    assert leftovers(output.parent) != []
    keep_all(output, source)
    assert check_sums(output).counts.kept == 50
    assert [name for name in leftovers(output.parent) if "full" not in name] == []


def test_what_a_killed_process_left_is_swept_up_by_the_next(before: tuple[Path, Path]) -> None:
    source, output = before
    (output.parent / ".out.jsonl.4242.partial").write_bytes(b"half")
    (meta_folder(output) / ".dropped.jsonl.4242.partial").write_bytes(b"half")
    (output.parent / ".other.jsonl.4242.partial").write_bytes(b"somebody else's")
    keep_all(output, source)
    assert leftovers(output.parent) == [".other.jsonl.4242.partial"]


def test_a_second_process_on_the_same_output_is_told_who_holds_it(before: tuple[Path, Path]) -> None:
    source, output = before
    script = (
        "import sys; from pathlib import Path; from phase0.stages.output import stage_output\n"
        f"with stage_output('test', Path({str(output)!r}), [Path({str(source)!r})], {{}}) as out:\n"
        "    print('held', flush=True); sys.stdin.read(); out.keep(b'{}')\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(BusyError, match=rf"out\.jsonl is in use by process {first.pid} on "):
            keep_all(output, source)
        first.communicate()
    assert first.returncode == 0
    assert check_sums(output, one_to_one=False).counts.kept == 1
    keep_all(output, source)
    assert check_sums(output).counts.kept == 50


def test_an_input_that_changes_while_it_is_read_is_noticed(before: tuple[Path, Path]) -> None:
    source, output = before
    old = state(output)

    def change_it() -> None:
        with stage_output("test", output, [source], {}) as out:
            out.keep(b"{}")
            write(source, {"n": 1})

    with pytest.raises(DataError, match=r"in\.jsonl was changed while test was reading it"):
        change_it()
    assert state(output) == old


def test_an_input_that_changes_while_its_digest_is_worked_out_is_noticed(
    before: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = before
    old, real, begun, go_on = state(output), digests.file_digest, threading.Event(), threading.Event()

    def slow(path: Path, halt: threading.Event) -> str:
        begun.set()
        go_on.wait()
        return real(path, halt)

    monkeypatch.setattr(digests, "file_digest", slow)

    def change_it() -> None:
        with stage_output("test", output, [source], {}) as out:
            out.keep(b"{}")
            begun.wait()
            threading.Timer(0.01, lambda: (write(source, {"n": 1}), go_on.set())).start()

    with pytest.raises(DataError, match=r"in\.jsonl was changed while test was reading it"):
        change_it()
    assert state(output) == old


def test_a_stage_that_breaks_does_not_wait_for_digests_that_nobody_wants(
    before: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = before
    halts: list[threading.Event] = []

    def endless(path: Path, halt: threading.Event) -> str:
        halts.append(halt)
        halt.wait()
        return "?"

    monkeypatch.setattr(digests, "file_digest", endless)
    with pytest.raises(RuntimeError, match="broken"):
        keep_all(output, source, fail_after=3)
    assert all(halt.is_set() for halt in halts)


@pytest.mark.parametrize("kept", [True, False])
def test_a_disk_that_fills_names_the_file_that_it_had_no_room_for(tmp_path: Path, kept: bool) -> None:
    source = write(tmp_path / "in.jsonl", {"n": 1})
    script = f"""
import resource, signal
from pathlib import Path
from phase0.errors import DataError
from phase0.stages.output import stage_output
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    with stage_output("test", Path({str(tmp_path / "out.jsonl")!r}), [Path({str(source)!r})], {{}}) as out:
        for n in range(5000):
            if {kept} and n > 20:
                out.keep(b'{{"text": "something long enough"}}')
            else:
                out.drop(b'{{"text": "something long enough"}}', line=n, reason="test", evidence={{}})
except DataError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    path = tmp_path / ("out.jsonl" if kept else "out.meta/dropped.jsonl")
    assert done.stdout == f"{path}: cannot be written (File too large)\n"
    assert leftovers(tmp_path) == []


def test_the_output_may_not_be_one_of_the_inputs_under_any_name(before: tuple[Path, Path]) -> None:
    source, output = before
    link = output.with_name("link.jsonl")
    link.symlink_to(source)
    for path in (source, source.parent / "x" / ".." / "in.jsonl", link):
        with pytest.raises(UsageError, match="both an input and the output"):
            keep_all(path, output, source)
    with (
        pytest.raises(UsageError, match="both an input and the output"),
        stage_output("t", output, [source], {}) as out,
    ):
        out.beside(source)


def test_a_folder_is_no_output_and_a_pipe_is_no_input(before: tuple[Path, Path]) -> None:
    source, output = before
    with pytest.raises(UsageError, match="is a folder; the output is a file"):
        keep_all(output.parent, source)
    pipe = output.with_name("pipe")
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="is a pipe or a device"):
        keep_all(output, pipe)


def test_a_missing_input_is_a_data_error(before: tuple[Path, Path]) -> None:
    with pytest.raises(DataError, match=r"gone\.jsonl: cannot be read .No such file"):
        keep_all(before[1], before[0].with_name("gone.jsonl"))


def test_a_name_that_is_no_text_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.jsonl")
    path.write_bytes(b"{}\n")
    with pytest.raises(DataError, match="its name is not UTF-8"):
        keep_all(tmp_path / "out.jsonl", path)
    assert not (tmp_path / "out.jsonl").exists()


def test_files_of_one_name_are_told_apart_in_the_dropped_rows(tmp_path: Path) -> None:
    inputs = [write(tmp_path / folder / "x.jsonl", {"n": folder}) for folder in ("a", "b")]
    alone = write(tmp_path / "a" / "y.jsonl", {"n": 3})
    output = tmp_path / "out" / "x.jsonl"
    with stage_output("test", output, [*inputs, alone], {}) as out:
        for file, path in enumerate(out.inputs):
            out.sums[file].read += 1
            out.drop(path.read_bytes().strip(), line=1, reason="test", evidence={}, file=file)
    assert [row["file"] for row in dropped_of(output)] == ["../a/x.jsonl", "../b/x.jsonl", "y.jsonl"]
    check_sums(output)


def test_a_further_file_is_published_with_the_output_or_not_at_all(before: tuple[Path, Path]) -> None:
    source, output = before
    full = meta_folder(output) / "full.jsonl"

    def write_both(*, fail: bool) -> None:
        with stage_output("test", output, [source], {}) as out:
            out.beside(full).write(b'{"full": 1}')
            out.keep(b'{"short": 1}')
            if fail:
                raise RuntimeError

    with pytest.raises(RuntimeError):
        write_both(fail=True)
    assert not full.exists()
    write_both(fail=False)
    manifest = manifest_of(output)
    assert manifest is not None
    assert [(item.path, item.rows) for item in manifest.others] == [("out.meta/full.jsonl", 1)]
    assert rows_of(full) == [{"full": 1}]


def test_bytes_that_are_no_json_are_kept_as_text_in_the_dropped_rows(tmp_path: Path) -> None:
    source, output = write(tmp_path / "in.jsonl", b"x"), tmp_path / "out.jsonl"
    raws = [b"{broken", b'"\xff\xfe"', b'{"a": "\\ud800"}', b"\x00", b"[" * 5000, b'{"a":1e999}', b'{"a" : [1 , 2]}']
    with stage_output("test", output, [source], {}) as out:
        for line, raw in enumerate(raws, 1):
            out.drop(raw, line=line, reason="bad", evidence={"detail": "…"})
    lost = dropped_of(output)
    assert [row["line"] for row in lost] == list(range(1, len(raws) + 1))
    assert lost[0]["row"] == {"raw": "{broken"}
    assert lost[1]["row"] == {"raw": '"\\xff\\xfe"'}
    assert lost[-1]["row"] == {"a": [1, 2]}


def test_the_manifest_names_its_inputs_from_the_folder_of_the_output(tmp_path: Path) -> None:
    source = write(tmp_path / "raw" / "in.jsonl", {"n": 1})
    keep_all(tmp_path / "scored" / "out.jsonl", source)
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("raw", "scored"):
        (tmp_path / name).rename(moved / name)
    manifest = check_sums(moved / "scored" / "out.jsonl")
    assert (moved / "scored" / manifest.inputs[0].path).resolve() == (moved / "raw" / "in.jsonl").resolve()


def test_the_recipe_changes_with_settings_and_bytes_and_with_nothing_else(tmp_path: Path) -> None:
    one, same = (write(tmp_path / name, {"n": 1}) for name in ("a.jsonl", "b.jsonl"))
    other = write(tmp_path / "c.jsonl", {"n": 2})

    def recipe(source: Path, settings: dict[str, Any]) -> str:
        return StageOutput("test", tmp_path / "out.jsonl", [source], settings).recipe

    assert recipe(one, {"x": 1}) == recipe(same, {"x": 1})
    assert len({recipe(one, {"x": 1}), recipe(one, {"x": 2}), recipe(other, {"x": 1})}) == 3


@pytest.fixture(autouse=True)
def no_false_manifest_is_left(tmp_path: Path) -> Iterator[None]:
    """Whatever a test did: a manifest that is there tells the truth."""
    yield
    for place in tmp_path.rglob("manifest.json"):
        output = place.parent.parent / json.loads(place.read_bytes())["output"]["path"]
        manifest = manifest_of(output)
        assert manifest is not None
        assert is_whole(output, manifest)
        for item in manifest.others:
            assert file_digest(output.parent / item.path) == item.digest
