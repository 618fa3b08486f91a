"""An event loop whose clock stands still while something runs and jumps to the next timer when nothing does."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Never waits for time to pass: `select` tells the loop how long it would have."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            return super().select(self.loop.real_patience)  # woken by a thread, or it hangs: a test's mistake
        if timeout > 0 and not (ready := super().select(0)):
            self.loop.now += timeout
            return ready
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Seconds cost nothing here. Only for code that waits for timers and for threads, not for the network."""

    real_patience = 20.0

    def __init__(self) -> None:
        selector = _Selector()
        selector.loop = self
        self.now = 1000.0
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
