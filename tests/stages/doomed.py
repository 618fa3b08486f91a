"""A process that runs phase0 commands in children which die on order; started by tests, it pays for imports once.

Each line of the standard input is an order, a JSON object; each is answered by a line: [status, standard error].

    argv     the command
    die      where it kills itself: ["start" | "advance" | "finish", step], ["before" | "after", name of a file that is
             renamed], ["removed", name of a file], ["lines", how many blocks of kept rows were written before],
             ["rows", how many rows of a compressed input were laid out before]
    bytes    limit for the size of every file it writes: what a full disk does to it
    memory   limit for its address space, in MB beyond what it has at the start
    disk     the program and its rows are counted as nothing, so that little memory sends keys to disk
    spread   work is done in partitions, of units of so many bytes
    greedy   arrays of at least so many numbers cannot be had
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from phase0.cli import screen, status_of
from phase0.dedup import load_kernels, memory, near
from phase0.dedup.letters import learn
from phase0.engine.local import Local
from phase0.stages import dedup_spread, row_files
from phase0.stages.output import StageOutput


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Told(screen.Lines):
    """Says when each step begins, and dies where it should."""

    order: tuple[str, Any] = ("", "")

    def start(self, step: str, total: int | None, unit: str = "rows") -> None:
        self._print(f"step {step}")
        self._die("start", step)
        super().start(step, total, unit)

    def advance(self, units: int) -> None:
        self._die("advance", self._step.name)
        super().advance(units)

    def finish(self, note: str = "") -> None:
        self._die("finish", self._step.name)
        super().finish(note)

    def _die(self, moment: str, step: str) -> None:
        if self.order == (moment, step):
            die()


def arm(moment: str, what: Any) -> None:
    """Make this process die at a moment."""
    Told.order = (moment, what)
    match moment:
        case "before" | "after":
            die_renaming(moment, what)
        case "removed":
            die_removing(what)
        case "lines":
            die_writing(what)
        case "rows":
            die_laying_out(what)


def die_renaming(moment: str, name: str) -> None:
    replace = Path.replace

    def dying(self: Path, target: Path) -> Path:
        is_doomed = Path(target).name == name
        if is_doomed and moment == "before":
            die()
        done = replace(self, target)
        if is_doomed:
            die()
        return done

    Path.replace = dying


def die_removing(name: str) -> None:
    unlink = Path.unlink

    def dying(self: Path, **how: Any) -> None:
        unlink(self, **how)
        if self.name == name:
            die()

    Path.unlink = dying


def die_writing(blocks: int) -> None:
    left = iter(range(blocks))
    keep_lines = StageOutput.keep_lines

    def dying(*arguments: Any) -> None:
        if next(left, None) is None:
            die()
        keep_lines(*arguments)

    StageOutput.keep_lines = dying


def die_laying_out(rows: int) -> None:
    raw_rows = row_files.raw_rows

    def dying(path: Path) -> Iterator[Any]:
        for number, row in enumerate(raw_rows(path)):
            if number == rows:
                die()
            yield row

    row_files.raw_rows = dying


def limit(order: dict[str, Any]) -> None:
    if (most := order.get("bytes")) is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    if (more := order.get("memory")) is not None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + (more << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    if order.get("disk"):
        memory.BASE = memory.ROW = near.BASE = near.ROW = 0
    if (most := order.get("greedy")) is not None:
        empty = np.empty

        def scarce(shape: Any, *arguments: Any, **how: Any) -> Any:
            if np.prod(shape) >= most:
                raise MemoryError(f"Unable to allocate an array with shape {shape}")
            return empty(shape, *arguments, **how)

        np.empty = scarce


def spread(unit: int) -> None:
    Local.spread = property(lambda _: True)
    dedup_spread.UNIT = unit


def obey(order: dict[str, Any], said: int) -> None:
    """In a child: run the command, and end with its status."""
    os.dup2(said, 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    screen.Lines = Told
    if "die" in order:
        arm(*order["die"])
    status = 70
    try:
        limit(order)
        if "spread" in order:
            spread(order["spread"])
        status = status_of(order["argv"])
    finally:
        os._exit(status)


def main() -> None:
    load_kernels()
    learn()
    for module in (
        "phase0.runs",
        "phase0.dedup.minhash",
        "phase0.dedup.recount",
        "phase0.dedup.kernels.arranging",
        "phase0.dedup.kernels.partitioning",
        "phase0.stages.dedup_files",
    ):
        importlib.import_module(module)  # here, and not in every child
    for line in sys.stdin:
        hears, says = os.pipe()  # not a file: limits of files are not for what is said
        child = os.fork()
        if child == 0:
            obey(json.loads(line), says)
        os.close(says)
        with os.fdopen(hears, encoding="utf-8") as told:
            said = told.read()
        _, ended = os.waitpid(child, 0)
        print(json.dumps([os.waitstatus_to_exitcode(ended), said]), flush=True)


if __name__ == "__main__":
    main()
