"""What every client is given and what it tells: the questions, and the seconds that their answers took.

Only the standard library: every client runs in an environment of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

MODEL = "gpt-4o"
MAX_TOKENS = 1024
KEY = "sk-benchmark"
QUESTION = "How do I keep the tomatoes on my balcony alive while I am away for two weeks in August? Number {}."
NO_LIMIT = 10**9  # requests, or tokens, per minute: for clients that want to be told


class Asked(NamedTuple):
    """What a client is to do. `folder` is empty and its own."""

    url: str
    requests: int
    concurrent: int
    folder: Path


def question(number: int) -> str:
    return QUESTION.format(number)


def tell(ask: Callable[[Asked, range], int]) -> None:
    """Ask as the command line says, after as many others as run at once, and print what that took as JSON.

    The first ones open connections, load vocabularies and fill caches. `ask` returns how many answers it has.
    """
    parser = argparse.ArgumentParser()
    for name, kind in (("url", str), ("requests", int), ("concurrent", int), ("folder", Path)):
        parser.add_argument(name, type=kind)
    given = Asked(**vars(parser.parse_args()))
    ask(given, range(given.requests, given.requests + given.concurrent))
    began, cpu = time.perf_counter(), _cpu()
    answers = ask(given, range(given.requests))
    took = {"seconds": time.perf_counter() - began, "cpu": _cpu() - cpu, "peak": _peak(), "answers": answers}
    print(json.dumps(took), flush=True)


def _cpu() -> float:
    """Seconds of a processor, of all threads and of every child that was waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _peak() -> int:
    """Bytes that this process held at most. Not what getrusage says: that begins with what the parent held."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) * 1024
