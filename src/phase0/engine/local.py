"""This machine: in this process, or in a pool of processes that dies with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from phase0.errors import UsageError
from phase0.pool import Item, Result, ordered


class Local:
    """One process for `workers` = 1, else a pool of that many; None takes one for every core."""

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise UsageError(f"--workers is {workers}; at least one process must do the work")
        self._workers = workers or os.cpu_count() or 1

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        return ordered(work, items, self._workers)
