"""What a person sees while work goes on: bars on a terminal, plain lines elsewhere, never at the cost of the work."""

from __future__ import annotations

import itertools
import os
import re
import sys
from pathlib import Path

import pytest

from phase0.cli import screen
from phase0.cli.screen import Lines, Step


def test_without_a_terminal_there_are_plain_lines_and_no_control_characters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(screen, "_EVERY", 0.0)
    with screen.screen() as progress:
        assert isinstance(progress, Lines)
        progress.start("score", 2000)
        progress.advance(500)
        progress.say("said")
        progress.warn("warned")
        progress.finish()
        progress.start("download x", None, "bytes")
        progress.advance(12_345_678)
        progress.finish("a note")
    lines = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"score: 500 of 2,000 rows, [\d,]+/s, \d+ s to go", lines[0])
    assert lines[1:3] == ["said", "warning: warned"]
    assert re.fullmatch(r"score: 500 rows \(\d\.\d s\)", lines[3])
    assert re.fullmatch(r"download x: 12\.3 MB, [\d,.]+ MB/s", lines[4])
    assert re.fullmatch(r"download x: a note \(\d\.\d s\)", lines[5])


def test_quick_steps_without_a_note_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with screen.screen() as progress:
        progress.start("publish", None)
        progress.advance(5)
        progress.finish()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "done", "said"),
    [
        (10.0, 100, "100 of 2,000 rows, 10/s, 3 min to go"),
        (10.0, 1, "1 of 2,000 rows, 0/s, 5 h 33 min to go"),
        (10.0, 2000, "2,000 of 2,000 rows, 200/s, 0 s to go"),
        (10.0, 0, "0 of 2,000 rows, 0/s"),
        (10.0, 3000, "3,000 of 2,000 rows, 300/s, 0 s to go"),
    ],
)
def test_a_step_says_how_far_it_is_and_how_long_it_will_take(
    seconds: float, done: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Step("score", 2000, "rows")
    step.done = done
    monkeypatch.setattr(screen.time, "monotonic", lambda: step.began + seconds)
    assert step.so_far() == said


def on_a_terminal(command: list[str]) -> tuple[int, str]:
    """Run a command on a terminal of its own; its status, and everything it wrote there."""
    pty = pytest.importorskip("pty")
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS="100")
        os.execv(command[0], command)
    written = b""
    while True:
        try:
            block = os.read(terminal, 65_536)
        except OSError:  # Linux's way to say that the other end is closed
            block = b""
        if not block:
            break
        written += block
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), written.decode()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_on_a_terminal_there_is_a_bar_and_a_line_for_every_finished_step(tmp_path: Path) -> None:
    script = """
import time
from phase0.cli.screen import screen
with screen() as progress:
    progress.start("score", 4)
    for _ in range(4):
        progress.advance(1)
        time.sleep(0.15)
    progress.finish()
    progress.start("unknown [bold]total[/]", None)
    progress.advance(7)
    time.sleep(0.15)
    progress.warn("careful")
    progress.finish("noted")
    progress.start("unfinished", 10)
    progress.advance(1)
print("done")
"""
    status, written = on_a_terminal([sys.executable, "-c", script])
    assert status == 0
    frames = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", frame) for frame in re.split(r"\r\x1b\[2K", written)]
    assert any(re.search(r". score [━╸╺]+ [23] of 4 rows, \d+/s, 0 s to go", frame) for frame in frames)
    kept = "".join(frames)
    assert re.search(r"  ✓ score: 4 rows \(0\.\d s\)\r\n", kept)
    assert "  ! careful\r\n" in kept
    assert re.search(r"  ✓ unknown \[bold\]total\[/\]: noted \(0\.\d s\)\r\n", kept)
    assert "✓ unfinished" not in kept
    assert kept.endswith("done\r\n")
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l"), "the cursor is hidden"


def test_a_bar_is_drawn_ten_times_a_second_however_often_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """300,000 rows are told one by one; a bar that draws each of them would take longer than the work."""
    ticks = itertools.count()
    monkeypatch.setattr(screen.time, "monotonic", lambda: next(ticks) / 10_000)
    bars = screen.Bars()
    drawn = []
    bars._bars.update = lambda *given, **fields: drawn.append(fields)  # type: ignore[method-assign]
    try:
        bars.start("score", 100_000)
        for _ in range(50_000):  # of 0.1 ms each, and as long again to say the rate where it is drawn
            bars.advance(1)
    finally:
        bars.close()
    assert 45 <= len(drawn) <= 50
