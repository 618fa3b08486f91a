"""A provider of models on loopback that costs nothing: OpenAI's, Together's and Replicate's ways, limits and faults.

`simulated` runs it in a process of its own, `serving` in the caller's event loop. It keeps its own bill, so that what
a client stored can be compared with what it was charged.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from phase0.simulator.process import Simulated, simulated
from phase0.simulator.settings import DEFAULT, BatchLife, Faults, Latency, Limits, Model, Replayed, Settings

if TYPE_CHECKING:
    from phase0.simulator.clock import Clock
    from phase0.simulator.server import Simulation

__all__ = [
    "BatchLife",
    "Faults",
    "Latency",
    "Limits",
    "Model",
    "Replayed",
    "Settings",
    "Simulated",
    "serving",
    "simulated",
]


def serving(
    settings: Settings = DEFAULT, *, clock: Clock | None = None, port: int = 0
) -> AbstractAsyncContextManager[Simulation]:
    """Run a provider in the caller's event loop, on a free port of loopback (or `port`), until the block ends."""
    from phase0.simulator import server  # aiohttp

    return server.serving(settings, clock=clock, port=port)
