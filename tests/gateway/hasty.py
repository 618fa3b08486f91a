"""An event loop in a hurry: its clock runs so many times as fast, so that tests over real connections wait in full what
a buyer would wait, and take no such time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _Selector(selectors.DefaultSelector):
    """Waits that are asked for in the loop's seconds, in those of the machine."""

    speed = 1.0

    def select(self, timeout: float | None = None) -> Any:
        return super().select(None if timeout is None else timeout / self.speed)


class HastyLoop(asyncio.SelectorEventLoop):
    """A second on the wall is `speed` seconds of the loop."""

    def __init__(self, speed: float) -> None:
        selector = _Selector()
        self._speed = selector.speed = speed
        super().__init__(selector)

    def time(self) -> float:
        return super().time() * self._speed


def hasten(work: Coroutine[Any, Any, Result], speed: float) -> Result:
    """Run some work as `asyncio.run` does, in a hurry."""
    with asyncio.Runner(loop_factory=lambda: HastyLoop(speed)) as runner:
        return runner.run(work)
