"""What de-duplication in partitions costs, step by step, and whether each worker keeps to the memory that was stated.

    PHASE0_DEV_DATA=… python benchmarks/scale/stages.py --rows 300000,3000000 --cache DIR [--write]

    --workers 2             processes of one machine, as a cluster would have on its nodes
    --max-memory 1900MiB    what they may take together
    --method exact          or minhash
    --write [NAME]          keep what is printed in ../results/NAME.md (scale_stages), which extrapolate.py reads

Linux only. Each task tells the processor time that it took, the most memory that its process held meanwhile, and the
bytes that it read and wrote; on a cluster with a shared folder these are what travels.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

sys.path.append(str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parents[1] / "dedup"))

from rows import count_of, make
from shared import results
from shared.machine import machine
from shared.options import parsed

from phase0.dedup.memory import memory_size, spelled
from phase0.engine import Engine, Item, Result
from phase0.engine.local import Local
from phase0.partitioned.units import UnitRead
from phase0.partitioned.verifying import Verified
from phase0.progress import Silent
from phase0.stages.deduplicate import deduplicate

HERE = Path(__file__).resolve()
HEAD = ("step", "tasks", "wall s", "CPU s", "read MB", "written MB", "peak MiB")
LEGEND = """CPU: user and system time of the tasks. read, written: what tasks passed to the system's calls; what they
read of files that are mapped into memory is not in it, so that of sets is told apart. peak: the most resident memory of
one process during a task of the step, shared libraries and mapped files included. "between": the command itself, which
deals work out and joins parts. "start workers": processor time of the workers outside of tasks."""
ALONE, STARTING = "between", "start workers"
KEY = 8  # bytes of a shingle in a set


class Task(NamedTuple):
    """What one task took."""

    process: int
    cpu: float
    peak: int  # bytes
    read: int
    written: int


class Step(NamedTuple):
    """A step as it was told, when it began, and its tasks."""

    name: str
    began: float
    tasks: list[Task]


class Steps(Silent):
    """Hears which step is under way, what is said of memory, and what tasks looked at of sets in mapped files."""

    def __init__(self) -> None:
        self.steps = [Step(ALONE, time.monotonic(), [])]
        self.said: list[str] = []
        self.rows = self.keys = self.met = 0

    def start(self, step: str, total: int | None, unit: str = "rows") -> None:
        self.steps.append(Step(step, time.monotonic(), []))
        print(f"{time.process_time():.0f} s: {step}, {total} {unit}", file=sys.stderr, flush=True)

    def say(self, message: str) -> None:
        self.said.append(message)

    def finish(self, note: str = "") -> None:  # noqa: ARG002 - as Progress has it
        self.steps.append(Step(ALONE, time.monotonic(), []))

    def take(self, result: object, task: Task) -> None:
        self.steps[-1].tasks.append(task)
        if isinstance(result, UnitRead):
            self.rows, self.keys = self.rows + result.rows, self.keys + result.keys
        elif isinstance(result, Verified):
            self.met += result.met


class Watched:
    """An engine whose tasks tell what they took."""

    def __init__(self, engine: Engine, heard: Steps) -> None:
        self._engine, self._heard = engine, heard
        self.threads, self.cores, self.spread = engine.threads, engine.cores, engine.spread

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        for result, task in self._engine.map(partial(watched, work), items):
            self._heard.take(result, task)
            yield result

    @contextmanager
    def kept(self) -> Iterator[Watched]:
        with self._engine.kept() as engine:
            yield Watched(engine, self._heard)


def watched(work: Callable[[Any], Any], item: Any) -> tuple[Any, Task]:
    """Do it, from a peak of memory that is set back to what is held now."""
    Path("/proc/self/clear_refs").write_text("5")
    cpu, before = time.process_time(), moved()
    result = work(item)
    after = moved()
    task = Task(os.getpid(), time.process_time() - cpu, held(), after[0] - before[0], after[1] - before[1])
    return result, task


def moved() -> tuple[int, int]:
    """Bytes that this process read and wrote so far."""
    told = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(told["rchar"]), int(told["wchar"])


def held() -> int:
    """The most bytes that this process held since its peak was set back."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


class Run(NamedTuple):
    rows: int
    size: int  # bytes of JSONL
    heard: Steps
    bound: int  # bytes that a worker may take, as was said
    own: float  # CPU seconds of this process, tasks that it did itself not counted
    starting: float  # and of workers
    removed: int


def measured(rows: int, options: argparse.Namespace) -> Run:
    made = make(rows, 0, options.cache, Path(options.data))
    heard = Steps()
    with tempfile.TemporaryDirectory(dir=options.cache) as scratch:
        warm(made.rows, Path(scratch))
        before = os.times()
        manifest = deduplicate(
            [made.rows],
            f"{scratch}/kept/",  # shards, as whoever has very many rows would have them
            method=options.method,
            max_memory=options.max_memory,
            engine=Watched(Local(options.workers, spread=True), heard),
            progress=heard,
        )
        after = os.times()
    heard.finish()
    tasks = [task for step in heard.steps for task in step.tasks]
    here = sum(task.cpu for task in tasks if task.process == os.getpid())
    own = after.user + after.system - before.user - before.system - here
    theirs = after.children_user + after.children_system - before.children_user - before.children_system
    starting = theirs - sum(task.cpu for task in tasks) + here
    return Run(rows, made.rows.stat().st_size, heard, stated(heard.said), own, starting, manifest.figures["removed"])


def warm(rows: Path, scratch: Path) -> None:
    """What is compiled once on a machine is compiled, and the file in the page cache."""
    few = scratch / "few.jsonl"
    with rows.open("rb") as lines:
        few.write_bytes(b"".join(islice(lines, 5_000)))
        while lines.read(1 << 20):
            pass
    deduplicate([few], scratch / "few.kept.jsonl", engine=Local(1, spread=True))


def stated(said: Iterable[str]) -> int:
    """Of what was said before the work began, what a worker needs at most."""
    found = next(line for line in said if " at most " in line)
    return memory_size(found.rpartition(" at most ")[2]) or 0


def lines(run: Run) -> list[list[str]]:
    """A line of the table for each name of a step, in the order in which they first come."""
    sums: dict[str, list[float]] = {}
    steps = run.heard.steps
    for step, after in pairwise(steps):
        total = sums.setdefault(step.name, [0.0] * 6)
        total[0] += len(step.tasks)
        total[1] += after.began - step.began
        total[2] += sum(task.cpu for task in step.tasks)
        total[3] += sum(task.read for task in step.tasks) / 1e6
        total[4] += sum(task.written for task in step.tasks) / 1e6
        total[5] = max([total[5], *(task.peak / 2**20 for task in step.tasks)])
    alone = sums.pop(ALONE)
    alone[2] += run.own
    table = [*sums.items(), (ALONE, alone), (STARTING, [0, 0, run.starting, 0, 0, 0])]
    return [
        [name, f"{tasks:.0f}", f"{wall:.1f}", f"{cpu:.2f}", f"{read:.0f}", f"{written:.0f}", f"{peak:.0f}"]
        for name, (tasks, wall, cpu, read, written, peak) in table
    ]


def section(run: Run) -> str:
    heard = run.heard
    peak = max(task.peak for step in heard.steps for task in step.tasks)
    inside = "within" if peak <= run.bound else "BEYOND"
    counts = f"{run.removed:,} of {run.rows:,} rows removed, {run.size / 1e6:,.0f} MB of JSONL"
    verdict = f"A worker took {peak / 2**20:,.0f} MiB at most, {inside} the {spelled(run.bound)} that were stated."
    said = " ".join(f"{line}." for line in heard.said)
    each = KEY * heard.keys / max(1, heard.rows)  # bytes of a set
    again = heard.met + min(heard.met, heard.rows)  # a unit looks at those of its own rows once, in a million pairs
    mapped = (
        f"Of sets in mapped files, all were looked at once, {KEY * heard.keys / 1e6:,.0f} MB, and where {heard.met:,} "
        f"pairs met, {again * each / 1e6:,.0f} MB at most."
    )
    table = results.table(HEAD, lines(run))
    return f"## {run.rows:,} rows\n\n{counts}. {said}\n\n{verdict}\n\n{mapped}\n\n{table}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=lambda value: [count_of(part) for part in value.split(",")], default=[300_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--max-memory", default="1900MiB")
    parser.add_argument("--method", default="exact", choices=("exact", "minhash"))
    options = parsed(parser, "scale_stages")
    asked = f"--method {options.method}, {options.workers} workers, --max-memory {options.max_memory}"
    told = [f"{machine()}, {asked}"]
    for rows in options.rows:
        told.append(section(measured(rows, options)))
        print(told[-1], flush=True)
        if options.write:
            results.keep(options.write, "De-duplication in partitions", [*told, LEGEND], HERE, options.cache)


if __name__ == "__main__":
    main()
