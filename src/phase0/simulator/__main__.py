"""The simulator as a process: settings come on the standard input, a line says it is ready, the input's end ends it."""

from __future__ import annotations

import asyncio
import gc
import os
import sys

import msgspec

from phase0.simulator.process import Ready
from phase0.simulator.server import Simulation, run
from phase0.simulator.settings import Settings


def main() -> None:
    """Serve until the standard input ends."""
    gc.freeze()  # what is loaded by now stays
    gc.set_threshold(50_000, 20, 20)  # requests leave little behind in cycles
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=Settings)
    asyncio.run(_serve(settings, int(sys.argv[1])))


async def _serve(settings: Settings, port: int) -> None:
    done = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), done.set)  # nothing but its end is still to come

    def ready(simulation: Simulation) -> None:
        told = msgspec.json.encode(Ready(simulation.port, settings.journal or ""))
        os.write(sys.stdout.fileno(), told + b"\n")

    await run(settings, port, ready, done)


if __name__ == "__main__":
    main()
