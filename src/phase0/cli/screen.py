"""What a person sees while work goes on: live bars on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from phase0.progress import Progress

_EVERY = 5.0  # seconds between plain lines
_FRAME = 0.1  # seconds between changes of a bar: rows come far faster than anyone can read


class Screen(Progress, Protocol):
    """Progress that a person watches, who can be asked."""

    def ask(self, question: str) -> bool:
        """Whether the person says yes."""


@contextmanager
def screen() -> Iterator[Screen]:
    """Bars where the standard error is a terminal, else plain lines."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    bars = Bars()
    try:
        yield bars
    finally:
        bars.close()


class Step:
    """One step of the work, and how far it is."""

    def __init__(self, name: str, total: int | None, unit: str) -> None:
        self.name, self.total, self.unit, self.done = name, total, unit, 0
        self.state = ""
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def so_far(self) -> str:
        """`6,696 of 36,320 rows, 700/s, 42 s to go`"""
        rate = self.done / max(self.seconds, 1e-9)
        of = f" of {self._amount(self.total)}" if self.total else ""
        left = f", {_duration((self.total - self.done) / rate)} to go" if self.total and rate else ""
        state = f"; {self.state}" if self.state else ""
        return f"{self._amount(self.done)}{of} {self._noun}, {self._amount(rate)}{self._per_second}{left}{state}"

    def in_all(self) -> str:
        """`36,320 rows (32.7 s)`"""
        return f"{self._amount(self.done)} {self._noun}"

    @property
    def _noun(self) -> str:
        return "MB" if self.unit == "bytes" else self.unit

    @property
    def _per_second(self) -> str:
        return " MB/s" if self.unit == "bytes" else "/s"

    def _amount(self, value: float) -> str:
        return f"{value / 1e6:,.1f}" if self.unit == "bytes" else f"{value:,.0f}"


def _duration(seconds: float) -> str:
    """As people say it: `42 s`, `7 min`, `2 h 5 min`."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{max(seconds, 0):.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _is_yes(answer: str) -> bool:
    return answer.strip().lower() in {"y", "yes"}


class Lines:
    """A line when a step begins to take long, every few seconds after that, and when it ends."""

    def __init__(self) -> None:
        self._step = Step("", None, "rows")
        self._told = 0.0

    def start(self, step: str, total: int | None, unit: str = "rows") -> None:
        self._step = Step(step, total, unit)
        self._told = self._step.began

    def advance(self, units: int) -> None:
        self._step.done += units
        now = time.monotonic()
        if now - self._told >= _EVERY:
            self._told = now
            self._print(f"{self._step.name}: {self._step.so_far()}")

    def state(self, text: str) -> None:
        self._step.state = text
        self.advance(0)

    def finish(self, note: str = "") -> None:
        seconds = self._step.seconds
        if note or seconds >= _EVERY:
            self._print(f"{self._step.name}: {note or self._step.in_all()} ({seconds:.1f} s)")

    def say(self, message: str) -> None:
        self._print(message)

    def warn(self, message: str) -> None:
        self._print(f"warning: {message}")

    def ask(self, question: str) -> bool:
        print(question, end=" ", file=sys.stderr, flush=True)
        return _is_yes(sys.stdin.readline())

    def _print(self, message: str) -> None:
        print(message, file=sys.stderr, flush=True)


class Bars:
    """One live bar for the current step; finished steps stay above it as a line."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as Panel

        self._bars = Panel(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[so_far]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._bars.start()
        self._task: Any = None
        self._step = Step("", None, "rows")
        self._drawn = 0.0

    def start(self, step: str, total: int | None, unit: str = "rows") -> None:
        self._drop()
        self._step = Step(step, total, unit)
        self._task = self._bars.add_task(step, total=total, so_far="")

    def advance(self, units: int) -> None:
        self._step.done += units
        now = time.monotonic()
        if self._task is not None and now - self._drawn >= _FRAME:
            self._drawn = now
            self._bars.update(self._task, completed=self._step.done, so_far=self._step.so_far())

    def state(self, text: str) -> None:
        self._step.state = text
        self.advance(0)

    def finish(self, note: str = "") -> None:
        if self._task is not None:
            self._line(f"  ✓ {self._step.name}: {note or self._step.in_all()} ({self._step.seconds:.1f} s)")
        self._drop()

    def say(self, message: str) -> None:
        self._line(f"  · {message}")

    def warn(self, message: str) -> None:
        self._line(f"  ! {message}", style="yellow")

    def ask(self, question: str) -> bool:
        self._bars.stop()  # what is typed would be drawn over
        try:
            self._bars.console.print(question, end=" ", markup=False, highlight=False)
            return _is_yes(sys.stdin.readline())
        finally:
            self._bars.start()

    def _line(self, message: str, style: str | None = None) -> None:
        self._bars.console.print(message, style=style, markup=False, highlight=False, soft_wrap=True)

    def _drop(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None

    def close(self) -> None:
        """Leave the terminal as it was found."""
        self._drop()
        self._bars.stop()
