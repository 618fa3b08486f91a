"""Work that tests give to engines. It lies in a module of its own, since workers of a cluster import it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from phase0.errors import DataError, Transient


def square(number: int) -> int:
    return number * number


def process(number: int) -> int:
    return os.getpid()


def node(number: int) -> str:
    import ray

    time.sleep(0.05)
    return ray.get_runtime_context().get_node_id()


def slow_at_first(number: int) -> int:
    time.sleep(0.3 if number == 0 else 0)
    return number


def fail_at_three(number: int) -> int:
    if number == 3:
        raise DataError(f"x.jsonl: item {number} is bad")
    return number


def fail_like_a_provider(number: int) -> int:
    raise Transient("slow down", reason="rate_limit", retry_after=2.5)


def fail_like_a_bug(number: int) -> float:
    return 1 / number


class DieOnce:
    """Kills its own process the first time that it comes to this number, leaving a mark."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = folder, number

    def __call__(self, number: int) -> int:
        mark = self.folder / "died"
        (self.folder / f"{number}-{time.monotonic_ns()}").touch()
        if number == self.number and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number


def die_always(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


class MarkAndWait:
    """Leaves a mark, then works until somebody allows it to end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, number: int) -> int:
        (self.folder / f"{number}-{os.getpid()}").touch()
        while not (self.folder / "go").exists():
            time.sleep(0.02)
        return number


def read_here(name: str) -> str:
    """What a file says that is named from where phase0 was started."""
    return Path(name).read_text()
