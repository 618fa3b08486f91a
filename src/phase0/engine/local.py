"""This machine: in this process, or in a pool of processes. Results come in the order of the items, and no process
outlives its parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain, islice

from phase0.engine import Engine, Item, Result
from phase0.errors import DataError, UsageError

_AHEAD = 3  # items to a process that are done or under way while the oldest is waited for


class Local:
    """One process for `workers` = 1, else a pool of that many; None takes one for every core. `spread`: what needs all
    rows together is done in partitions, as on a cluster, in less memory and more time."""

    def __init__(self, workers: int | None = None, *, spread: bool = False) -> None:
        if workers is not None and workers < 1:
            raise UsageError(f"--workers is {workers}; at least one process must do the work")
        self._workers, self._spread = workers or os.cpu_count() or 1, spread
        self._pool: ProcessPoolExecutor | None = None  # else there is one for each map

    @property
    def threads(self) -> int:
        return self._workers

    @property
    def cores(self) -> int:
        return self._workers

    @property
    def spread(self) -> bool:
        return self._spread

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """See `Engine.map`. One worker, or one item, needs no process of its own."""
        waiting = iter(items)
        first = list(islice(waiting, 2))
        if self._workers <= 1 or len(first) < 2:
            yield from map(work, first)
            yield from map(work, waiting)
            return
        with self._processes() as pool:
            yield from _ordered(work, chain(first, waiting), pool, _AHEAD * self._workers)

    @contextmanager
    def kept(self) -> Iterator[Engine]:
        if self._workers <= 1 or self._pool is not None:
            yield self
            return
        with _pool(self._workers) as pool:
            kept = Local(self._workers, spread=self._spread)
            kept._pool = pool
            yield kept

    @contextmanager
    def _processes(self) -> Iterator[ProcessPoolExecutor]:
        if self._pool is not None:
            yield self._pool
        else:
            with _pool(self._workers) as pool:
                yield pool


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes, each of which is started when there is work for it."""
    # Spawned, not forked: numpy and pyarrow run threads, and a forked child inherits their held locks.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_live_with_parent) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ordered(
    work: Callable[[Item], Result], items: Iterable[Item], pool: ProcessPoolExecutor, ahead: int
) -> Iterator[Result]:
    """Run `work` on every item; so many are done or under way at once. Items are taken as they are needed.

    The first exception stops the work and is raised here. Raises DataError when a process was killed.
    """
    running: deque[Future[Result]] = deque()
    try:
        for item in items:
            running.append(pool.submit(work, item))
            if len(running) >= ahead:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    except BrokenProcessPool as error:
        raise DataError(
            "a worker process died. If it ran out of memory, use fewer --workers; "
            'a script that calls phase0 must do so under `if __name__ == "__main__":`'
        ) from error
    finally:
        for future in running:
            future.cancel()
        wait(running)  # what is under way writes files: nobody must go on as if it had ended


def _live_with_parent() -> None:
    """Leave ctrl-C to the parent, and watch it: a worker waits for work forever, even when its parent was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
