"""One run of one command: wall time, the processor time of all its processes, and the memory they hold at once.

Linux only: it reads /proc and sets affinities.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

SAMPLE_S = 0.05
_SHARE = 20  # a look is followed by so many times as long without one: a cluster is hundreds of threads to ask
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")  # to a second


class Measured(NamedTuple):
    wall: float
    cpu: float  # user and system: of every process that its parent waited for, or that was seen, whichever is more
    peak: float  # GiB resident, all processes together; shared pages count for each of them


class RunFailed(Exception):
    """A command that ended badly, told by the end of what it said."""


def run(command: Sequence[str | Path], environment: Mapping[str, str], workers: int, log: Path) -> Measured:
    """Runs on as many cores as there are workers, whatever the tool thinks of the others."""
    with log.open("wb") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            [str(part) for part in command], env=dict(environment), stdout=output, stderr=subprocess.STDOUT
        )
        _confine(process.pid, workers)
        watch = _Watch(process.pid)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        watch.stop()
    code = process.returncode = os.waitstatus_to_exitcode(status)
    if code:
        said = log.read_text(errors="replace").strip().splitlines()
        raise RunFailed(f"ended with {code}: {said[-1] if said else 'and said nothing'}")
    return Measured(wall, max(usage.ru_utime + usage.ru_stime, watch.cpu), watch.peak / 2**30)


def _confine(process: int, workers: int) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    if workers < len(allowed):
        os.sched_setaffinity(process, allowed[:workers])


class _Watch(threading.Thread):
    """Looks again and again at what a process and its descendants hold.

    A single process is asked for the most it held, so that no peak between two looks is missed. (What the system tells
    of a process that ended is no good here: it counts what the parent held when the process began.) Processor time of
    processes that nobody waits for, as a cluster's are, is what they had taken when they were last seen.
    """

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._process = process
        self._ticks: dict[int, int] = {}
        self._ended = threading.Event()

    def run(self) -> None:
        took = 0.0
        while not self._ended.wait(max(SAMPLE_S, _SHARE * took)):
            began = time.thread_time()
            tree = _tree(self._process)
            self._ticks |= {one: ticks for one in tree if (ticks := _ticks(one))}
            self.peak = max(self.peak, sum(map(_resident, tree)), *map(_most_resident, tree))
            took = time.thread_time() - began

    @property
    def cpu(self) -> float:
        return sum(self._ticks.values()) / _TICKS

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _tree(process: int) -> list[int]:
    found = [process]
    for one in found:
        try:
            tasks = list(Path(f"/proc/{one}/task").iterdir())
            found += [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except OSError:  # it ended while we looked
            continue
    return found


def _ticks(process: int) -> int:
    """Of user and system time, without its children's."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _resident(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def _most_resident(process: int) -> int:
    """The most that it held since its program began."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
