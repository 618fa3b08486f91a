"""The command line parses, calls one function and prints: one line for every failure, and a status that means it."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hubserver import HubServer
from made import record

from phase0.cli import COMMANDS, app, status_of
from phase0.records import encode

NAMES = [function.__name__ for function in COMMANDS]
HEAVY = (
    "numpy",
    "pyarrow",
    "huggingface_hub",
    "httpx2",
    "aiohttp",
    "toktok_rs",
    "toktok",
    "numba",
    "scipy",
    "sklearn",
    "altair",
    "jinja2",
    "starlette",
    "uvicorn",
)


def rows(path: Path, count: int = 20) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(encode(record(n, response=f"It is {n}. " * 20)) + b"\n" for n in range(count)))
    return path


def phase0(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "phase0", *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on the standard error."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    assert err.startswith("phase0: ")
    return err


# ---- help -----------------------------------------------------------------------------------------------------------


def test_help_imports_nothing_heavy() -> None:
    script = f"""
import contextlib, io, sys
from phase0.cli import status_of
for words in ([], ["--version"], *([name] for name in {NAMES!r})):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = status_of(words if words == ["--version"] else [*words, "--help"])
    assert status == 0, (words, status)
    assert len(out.getvalue()) > 4, words
    heavy = [name for name in {HEAVY!r} if name in sys.modules]
    assert not heavy, (words, heavy)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_the_library_imports_nothing_heavy() -> None:
    script = f"import sys, phase0; assert not [name for name in {HEAVY!r} if name in sys.modules]; print(phase0.score)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_command_and_every_option_is_explained(name: str) -> None:
    command = app[name]
    assert command.help
    arguments = command.assemble_argument_collection()
    for argument in (each for each in arguments if each.names[0] != "*"):  # that is a group of options
        assert argument.parameter.help, argument.name
        assert argument.parameter.help.endswith((".", ")")), argument.name


def test_the_list_of_commands_says_what_each_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["--help"]) == 0
    shown = capsys.readouterr().out
    places = [re.search(rf"^│ {name}  +\w", shown, re.MULTILINE) for name in NAMES]
    assert all(places)
    starts = [place.start() for place in places if place]
    assert starts == sorted(starts)
    assert "[default: []]" not in shown


# ---- what a caller does wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["scroe"], 'Unknown command "scroe". Did you mean "score"?'),
        (["--nothing"], "--nothing"),
        (["score", "--inptu", "x", "--output", "y"], "Did you mean --input instead of --inptu?"),
        (["score"], "--input requires an argument"),
        (["score", "--input", "x"], "--output requires an argument"),
        (["score", "--input", "x", "--output", "y", "--threshold", "high"], 'unable to convert "high" into float'),
        (["score", "--input", "x", "--output", "y", "--workers", "0"], "Must be >= 1"),
        (["dedup", "--input", "x", "--output", "y", "--workers", "-2"], "Must be >= 1"),
        (["dedup", "--input", "x", "--output", "y", "--on", "everything"], "everything"),
        (["dedup", "--input", "nowhere.jsonl", "--output", "y"], "nowhere.jsonl: there is no such file"),
        (["score", "--input", "nowhere.jsonl", "--output", "y"], "nowhere.jsonl: there is no such file"),
        (["score", "--input", "x", "--output", "y", "--model", "locla"], "Did you mean 'local'?"),
        (["score", "--input", "x", "--output", "y", "--scorer", "student"], "local is none: name one with --model"),
        (
            ["score", "--input", "x", "--output", "y", "--model", "gpt-4o", "--scorer", "student", "--agreement", "95"],
            "agreement is 95; it is a share, above 0 and below 1",
        ),
        (["publish", "--input", "nowhere*.jsonl", "--output", "y"], "nowhere*.jsonl: there is no such file"),
        (["download", "--datasets", "alpca", "--output", "raw"], "Did you mean 'alpaca'?"),
        (["download", "--datasets", "alpaca"], "--output is missing"),
        (["download", "--output", "raw"], "--datasets is missing"),
        (["download", "--datasets", "alpaca", "--layout", "hh", "--output", "raw"], "leave --datasets out"),
        (["download", "--from", ".", "--revision", "main", "--output", "raw"], "--revision main"),
        (["download", "--from", "nowhere", "--output", "raw"], "nowhere: there is no such file"),
        (["download", "--datasets", "sample", "--limit", "many", "--output", "raw"], 'unable to convert "many"'),
        (["distill", "--output", "y"], "--input is missing"),
        (["distill", "--input", "x", "--output", "y", "--teacher", "orignal"], "Did you mean 'original'?"),
        (["distill", "--release", "--output", "y"], "holds no claim"),
        (["status", "nowhere"], "is not the folder of a run"),
        (["explain", "nowhere", "abcdef"], "nothing here was made by phase0"),
        (["explain", "nowhere", "xyz"], "is not an id"),
        (["explain", "nowhere"], "requires an argument"),
        (["run"], "PLAN requires an argument"),
        (["run", "nowhere.toml"], "nowhere.toml: there is no such plan"),
        (["run", "one.toml", "two.toml"], "two.toml"),
    ],
)
def test_what_a_caller_does_wrong_is_one_line_and_status_2(
    arguments: list[str],
    line: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert status_of(arguments) == 2
    assert line in told(capsys)
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".jsonl"]


def test_an_unknown_option_names_the_command_whose_help_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    status_of(["score", "--bogus"])
    assert told(capsys).endswith("`phase0 score --help` lists what there is.\n")
    status_of(["bogus"])
    assert told(capsys).endswith("`phase0 --help` lists what there is.\n")


def test_an_output_that_is_a_folder_or_the_input_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = rows(tmp_path / "in.jsonl")
    before = path.read_bytes()
    of_a_folder = {
        ("score",): "is a folder; the output is a file",
        ("publish",): "is a folder; the output is a file",
        ("dedup",): "is an input in the folder of the output",  # which may be one, but not this
        ("dedup", "--publish"): "is a folder, and a finished dataset is one file",
    }
    for command, why in of_a_folder.items():
        assert status_of([*command, "--input", str(path), "--output", str(path)]) == 2
        assert "both an input and the output" in told(capsys)
        assert status_of([*command, "--input", str(path), "--output", str(tmp_path)]) == 2
        assert why in told(capsys)
    assert path.read_bytes() == before


# ---- what goes wrong around us --------------------------------------------------------------------------------------


def breaking(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> list[str]:
    """A command that raises `error`."""

    def breaks(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("phase0.stages.publish.publish", breaks)
    return ["publish", "--input", "x", "--output", "y"]


def test_a_bug_shows_where_it_is_and_ends_with_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(breaking(monkeypatch, ZeroDivisionError("oops"))) == 3
    shown = capsys.readouterr().err
    assert "ZeroDivisionError: oops" in shown
    assert "Traceback" in shown
    assert shown.splitlines()[-1].startswith("phase0: this is a bug in phase0 (ZeroDivisionError).")


@pytest.mark.parametrize(("line", "hinted"), [(b"{", False), (encode(record(1)), True)], ids=["bad", "a copy"])
def test_only_near_duplicates_are_called_many_near_duplicates(
    line: bytes, hinted: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.jsonl").write_bytes(encode(record(1)) + (b"\n" + line) * 3)
    assert status_of(["dedup", "--input", str(tmp_path / "in.jsonl"), "--output", str(tmp_path / "out.jsonl")]) == 0
    assert ("75% of the rows are near-duplicates" in capsys.readouterr().out) == hinted


def test_what_the_disk_refuses_is_one_line_that_names_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(breaking(monkeypatch, PermissionError(errno.EACCES, "Permission denied", "/secret/x"))) == 2
    assert told(capsys) == "phase0: /secret/x: Permission denied\n"
    assert status_of(breaking(monkeypatch, OSError("no file in it"))) == 3


def test_an_output_below_a_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = rows(tmp_path / "in.jsonl")
    assert status_of(["publish", "--input", str(path), "--output", str(path / "x.jsonl")]) == 2
    assert "in.jsonl" in told(capsys)


def test_an_error_of_several_lines_is_told_in_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from phase0.errors import DataError

    assert status_of(breaking(monkeypatch, DataError("x.jsonl: first\n  second"))) == 2
    assert told(capsys) == "phase0: x.jsonl: first second\n"


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """What a shell starts in the background ignores Ctrl-C, and hands that on to every process below it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_ends_with_130_and_one_line(tmp_path: Path) -> None:
    with HubServer() as hub:
        entered, leave = threading.Event(), threading.Event()
        real = hub._reply

        def slow(seen: Any) -> Any:
            entered.set()
            leave.wait(30)
            return real(seen)

        hub._reply = slow  # type: ignore[method-assign]
        arguments = ["download", "--datasets", "alpaca", "--output", str(tmp_path / "raw")]
        with subprocess.Popen(
            [sys.executable, "-m", "phase0", *arguments],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "HF_ENDPOINT": hub.url},
        ) as running:
            try:
                assert entered.wait(60)
                time.sleep(0.2)
                running.send_signal(signal.SIGINT)
                _, err = running.communicate(timeout=30)
            finally:
                leave.set()
    assert running.returncode == 130
    again = shlex.join(["phase0", *arguments])
    assert err == f"phase0: stopped. Nothing half-written was left behind. To go on: {again}\n"


@pytest.mark.parametrize("arguments", [["download", "--list"], ["--help"], ["score", "--help"]])
def test_a_reader_that_has_seen_enough_is_no_error(arguments: list[str]) -> None:
    reader, pipe = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "phase0", *arguments]
    done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    os.close(pipe)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_that_knows_no_arrow_is_no_error(tmp_path: Path) -> None:
    path = rows(tmp_path / "in.jsonl")
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = phase0("publish", "--input", path, "--output", tmp_path / "out.jsonl", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "20 kept + 0 dropped \\u2192 " in done.stdout


# ---- what commands print --------------------------------------------------------------------------------------------


def test_the_recipes_glob_takes_the_outputs_and_no_side_file(tmp_path: Path) -> None:
    """R5 as its user types it, through a real shell, over a folder that has dropped rows."""
    raw = rows(tmp_path / "data/raw/combined.jsonl", 40)
    with raw.open("ab") as file:
        file.writelines(encode(record(900 + n, response=None)) + b"\n" for n in range(10))
    (tmp_path / "scripts").mkdir()
    script = f"""
set -e
phase0() {{ '{sys.executable}' -m phase0 "$@"; }}
phase0 distill --input ../data/raw/combined.jsonl --output ../data/distilled/a.jsonl --percentage 60
phase0 distill --input ../data/raw/combined.jsonl --output ../data/distilled/b.jsonl.gz --percentage 20
phase0 distill --input ../data/raw/combined.jsonl --output ../data/distilled/c.jsonl --percentage 20
test -s ../data/distilled/a.meta/dropped.jsonl
echo ../data/distilled/*.jsonl
phase0 score --input ../data/distilled/*.jsonl --output ../data/scored/all_scored.jsonl --threshold 1.0 --model local
"""
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path / "scripts", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "\n../data/distilled/a.jsonl ../data/distilled/c.jsonl\n" in done.stdout
    assert re.search(r"^score: (\d+) in = \1 kept \+ 0 dropped", done.stdout, re.MULTILINE)
    manifest = json.loads((tmp_path / "data/scored/all_scored.meta/manifest.json").read_bytes())
    assert [item["path"] for item in manifest["inputs"]] == ["../distilled/a.jsonl", "../distilled/c.jsonl"]


def test_a_summary_has_sums_that_close_and_says_where_the_dropped_rows_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = rows(tmp_path / "in.jsonl")
    with path.open("ab") as file:
        file.write(b"{broken\n" + encode(record(99, response=None)) + b"\n")
    output = tmp_path / "out.jsonl"
    assert status_of(["publish", "--input", str(path), "--output", str(output)]) == 0
    assert capsys.readouterr().out == (
        f"publish: 22 in = 20 kept + 2 dropped → {output}\n"
        f"  dropped: invalid_json 1, no_response 1; each row is in {tmp_path / 'out.meta' / 'dropped.jsonl'}\n"
    )


def test_few_kept_rows_come_with_a_way_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = rows(tmp_path / "in.jsonl")
    assert (
        status_of(["score", "--input", str(path), "--output", str(tmp_path / "out.jsonl"), "--threshold", "9.9"]) == 0
    )
    assert "hint: only 0% of the rows score above the threshold" in capsys.readouterr().out
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    assert status_of(["publish", "--input", str(empty), "--output", str(tmp_path / "out.jsonl")]) == 0
    assert "hint: there were no rows to work on" in capsys.readouterr().out


def test_rows_of_another_layout_are_told_from_rows_that_score_low(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"instruction": "Name a colour.", "output": "Red."}\n')
    for command in ("distill", "score", "dedup", "publish", "export"):
        assert status_of([command, "--input", str(path), "--output", str(tmp_path / "out.jsonl")]) == 0
        shown = capsys.readouterr().out
        assert "hint: 100% of the rows are not standard rows. `phase0 download --from` makes" in shown, command
        assert "score above" not in shown


def test_dedup_with_publish_prints_both_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = rows(tmp_path / "in.jsonl")
    output = tmp_path / "out.jsonl"
    assert status_of(["dedup", "--publish", "--input", str(path), "--output", str(output), "--workers", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("dedup: 20 in = ")
    assert lines[-1].startswith("publish: ")
    assert lines[-1].endswith(f" → {output}")


def test_release_frees_a_share(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = rows(tmp_path / "raw/in.jsonl")
    one, two = (["distill", "--input", str(path), "--output", str(tmp_path / f"{n}.jsonl")] for n in "ab")
    assert status_of([*one, "--percentage", "70%"]) == 0
    capsys.readouterr()
    assert status_of([*two, "--percentage", "40"]) == 2
    assert "only 30% is left. Claimed: 70% by original (a.jsonl)" in told(capsys)
    assert status_of(["distill", "--release", "--output", one[4]]) == 0
    assert "70% claimed by original" in capsys.readouterr().out
    assert status_of([*two, "--percentage", "40"]) == 0


def test_the_catalogue_is_a_table_with_licences(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["download", "--list"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^alpaca +52,002 rows +CC-BY-NC-4.0 +all +\w", shown, re.MULTILINE)
    assert "`--datasets all` takes those marked all: 717,131 rows." in shown
