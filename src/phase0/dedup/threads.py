"""Work for several threads. Kernels and reading release the interpreter's lock, so threads are all it takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


def in_order(pool: ThreadPoolExecutor, workers: int, calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """The answers of (function, *arguments) in order, whoever works on them; at most two per worker are waiting."""
    waiting: deque[Future[Any]] = deque()
    for call in calls:
        waiting.append(pool.submit(*call))
        if len(waiting) > 2 * workers:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
