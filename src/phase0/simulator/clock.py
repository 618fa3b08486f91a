"""The provider's clock: real time times `speed`, and as far ahead as it was told to skip."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Time as the provider lives it. `speed` is how many of its seconds pass in one of the client's."""

    speed: float

    def now(self) -> float:
        """The provider's seconds, from wherever it counts."""
        ...

    def unix(self) -> float:
        """The time of day, in seconds since 1970, for stamps."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for so many of the provider's seconds."""
        ...

    def skip(self, seconds: float) -> None:
        """Let so many of the provider's seconds have passed at once."""
        ...


class RealClock:
    """The machine's clock, sped up."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._start = time.monotonic()
        self._skipped = 0.0

    def now(self) -> float:
        return (time.monotonic() - self._start) * self.speed + self._skipped

    def unix(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)

    def skip(self, seconds: float) -> None:
        self._skipped += seconds
