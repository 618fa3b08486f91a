"""The clients that are compared, and one run of one of them against a provider that is running."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from shared import measure
from shared.tools import Tool, python_of

from phase0.simulator import Simulated

SCRIPTS = Path(__file__).parent / "peers"
OURS = Tool("phase0", SCRIPTS / "ask_phase0.py", ())
BARE = Tool(f"aiohttp {version('aiohttp')}, bare", SCRIPTS / "ask_aiohttp.py", ())  # the aiohttp that phase0 uses
OPENAI = Tool("openai 3.54.0", SCRIPTS / "ask_openai.py", ("openai==3.54.0",))
CURATOR = Tool("curator 0.1.31", SCRIPTS / "ask_curator.py", ("bespokelabs-curator==0.1.31",))
CLIENTS = (OURS, BARE, OPENAI, CURATOR)


class Run(NamedTuple):
    """What so many answers took."""

    rate: float  # answers per second
    cpu: float  # ms of a processor for each, in the client
    served: float  # ms of a processor for each, in the provider
    peak: float  # MiB that the client held at most, from its start


def python(client: Tool, cache: Path) -> Path:
    """The interpreter of a client; this one where it needs no packages but phase0's."""
    return python_of(client, cache) if client.packages else Path(sys.executable)


def run(client: Tool, provider: Simulated, requests: int, concurrent: int, cache: Path) -> Run:
    """Raises measure.RunFailed where the client failed, and where it has less than all answers."""
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        asked = [provider.url, str(requests), str(concurrent), folder]
        log = Path(folder) / "said.txt"
        before = provider.cpu_seconds()
        cores = len(os.sched_getaffinity(0))
        measure.run([python(client, cache), client.script, *asked], os.environ, cores, log)
        served = (provider.cpu_seconds() - before) / (requests + concurrent)
        took = json.loads(next(line for line in reversed(log.read_text().splitlines()) if line.startswith("{")))
    if took["answers"] != requests:
        raise measure.RunFailed(f"{client.name} has {took['answers']:,} answers to {requests:,} questions")
    rate, cpu = requests / took["seconds"], took["cpu"] / requests
    return Run(rate, cpu * 1000, served * 1000, took["peak"] / 2**20)
