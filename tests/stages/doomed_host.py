"""Runs phase0 commands that die on order, each in a child of a process that has the kernels loaded: see `doomed.py`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

KILLED = -signal.SIGKILL if sys.platform != "win32" else 0


class Ended(NamedTuple):
    status: int
    said: str

    @property
    def steps(self) -> list[str]:
        return [line.removeprefix("step ") for line in self.said.splitlines() if line.startswith("step ")]


Run = Callable[..., Ended]


@contextmanager
def commands() -> Iterator[Run]:
    """Runs a command of words, with orders by name."""
    host = Path(__file__).with_name("doomed.py")
    with subprocess.Popen([sys.executable, host], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout

        def run(*argv: Any, **order: Any) -> Ended:
            print(json.dumps({"argv": list(map(str, argv)), **order}), file=process.stdin, flush=True)
            return Ended(*json.loads(process.stdout.readline()))

        yield run
        process.stdin.close()
