"""What a person sees while work goes on: live bars on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from phase0.progress import Progress

_EVERY = 5.0  # seconds between plain lines


@contextmanager
def screen() -> Iterator[Progress]:
    """Bars where the standard error is a terminal, else plain lines."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    bars = Bars()
    try:
        yield bars
    finally:
        bars.close()


class Lines:
    """A line when a step begins to take long, every few seconds after that, and when it ends."""

    def __init__(self) -> None:
        self._step, self._unit, self._done = "", "rows", 0
        self._total: int | None = None
        self._began = self._told = time.monotonic()

    def start(self, step: str, total: int | None, unit: str = "rows") -> None:
        self._step, self._total, self._unit, self._done = step, total, unit, 0
        self._began = self._told = time.monotonic()

    def advance(self, units: int) -> None:
        self._done += units
        now = time.monotonic()
        if now - self._told >= _EVERY:
            self._told = now
            self._print(f"{self._step}: {self._progress(now)}")

    def finish(self, note: str = "") -> None:
        seconds = time.monotonic() - self._began
        if note or seconds >= _EVERY:
            self._print(f"{self._step}: {note or f'{self._done:,} {self._unit}'} ({seconds:.1f} s)")

    def say(self, message: str) -> None:
        self._print(message)

    def warn(self, message: str) -> None:
        self._print(f"warning: {message}")

    def _progress(self, now: float) -> str:
        rate = self._done / max(now - self._began, 1e-9)
        if not self._total:
            return f"{self._done:,} {self._unit}, {rate:,.0f}/s"
        left = (self._total - self._done) / rate if rate else float("inf")
        return f"{self._done:,} of {self._total:,} {self._unit}, {rate:,.0f}/s, {left:,.0f} s to go"

    def _print(self, message: str) -> None:
        print(message, file=sys.stderr, flush=True)


class Bars:
    """One live bar for the current step; finished steps stay above it as a line."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Panel

        self._bars = Panel(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[amount]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._bars.start()
        self._task: Any = None
        self._unit = "rows"

    def start(self, step: str, total: int | None, unit: str = "rows") -> None:
        self._drop()
        self._unit = unit
        self._task = self._bars.add_task(step, total=total, amount="")

    def advance(self, units: int) -> None:
        if self._task is not None:
            task = self._bars.tasks[-1]
            speed = f", {task.speed:,.0f}/s" if task.speed else ""
            of = f" of {task.total:,.0f}" if task.total else ""
            self._bars.update(
                self._task, advance=units, amount=f"{task.completed + units:,.0f}{of} {self._unit}{speed}"
            )

    def finish(self, note: str = "") -> None:
        if self._task is not None:
            task = self._bars.tasks[-1]
            told = note or f"{task.completed:,.0f} {self._unit}"
            self._line(f"  ✓ {task.description}: {told} ({task.elapsed or 0:.1f} s)")
        self._drop()

    def say(self, message: str) -> None:
        self._line(f"  · {message}")

    def warn(self, message: str) -> None:
        self._line(f"  ! {message}", style="yellow")

    def _line(self, message: str, style: str | None = None) -> None:
        self._bars.console.print(message, style=style, markup=False, highlight=False)

    def _drop(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None

    def close(self) -> None:
        self._drop()
        self._bars.stop()
