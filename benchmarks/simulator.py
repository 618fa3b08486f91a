"""How fast the simulator is, so that nobody measures it in place of a client: requests per second and CPU of each.

Run `python benchmarks/simulator.py`. The provider runs in a process of its own, the client is a
bare loop over aiohttp in this one. On a shared machine the rate says less than the CPU: a server of 100 µs can serve
10,000 requests per second on a core of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import aiohttp

from phase0.simulator import Faults, Limits, Model, Settings, Simulated, simulated

MODELS = (Model(name="gpt-4o", price=(Decimal("2.50"), Decimal(10)), batch_price=(Decimal("1.25"), Decimal(5))),)
MUCH = Limits(requests_per_minute=10**9, tokens_per_minute=10**12)
PROVIDERS = {
    "full": Settings(models=MODELS),
    "full, with limits and their headers": Settings(models=MODELS, limits=MUCH),
    "full, with faults of the answer": Settings(models=MODELS, faults=Faults(empty=0.1, refusal=0.1)),
    "plain": Settings(plain=True),
}
QUESTION = "How do I keep the tomatoes on my balcony alive while I am away for two weeks in August? Number {}."


class Measured(NamedTuple):
    """One run: seconds of the clock, and of a processor on either side."""

    requests: int
    seconds: float
    server: float
    client: float
    bytes: int


async def ask(url: str, bodies: Iterator[bytes], concurrent: int) -> int:
    """Send everything, so many at a time; the bytes that came back."""
    headers = {"content-type": "application/json", "authorization": "Bearer sk-benchmark"}
    total = 0

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal total
        for body in bodies:
            async with session.post(url, data=body, headers=headers) as answer:
                total += len(await answer.read())
                if answer.status != 200:
                    raise RuntimeError(f"the simulator answered {answer.status}")

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.TaskGroup() as group:
        for _ in range(concurrent):
            group.create_task(worker(session))
    return total


def bodies(count: int) -> Iterator[bytes]:
    for number in range(count):
        message = {"role": "user", "content": QUESTION.format(number)}
        yield json.dumps({"model": "gpt-4o", "messages": [message], "max_tokens": 1024}).encode()


def measure(provider: Simulated, requests: int, concurrent: int) -> Measured:
    url = f"{provider.url}/chat/completions"
    asyncio.run(ask(url, bodies(concurrent), concurrent))  # connections, caches, vocabulary
    server, client, start = provider.cpu_seconds(), time.process_time(), time.perf_counter()
    received = asyncio.run(ask(url, bodies(requests), concurrent))
    seconds, client = time.perf_counter() - start, time.process_time() - client
    return Measured(requests, seconds, provider.cpu_seconds() - server, client, received)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--concurrent", type=int, nargs="+", default=[64, 256])
    given = parser.parse_args(arguments)
    print(f"{given.requests:,} requests each; server and client are CPU per request, max/s is 1 / server\n")
    print(f"{'provider':<38}{'at once':>8}{'req/s':>8}{'server':>10}{'client':>10}{'max/s':>8}{'bytes':>7}")
    for name, settings in PROVIDERS.items():
        with simulated(settings) as provider:
            for concurrent in given.concurrent:
                found = measure(provider, given.requests, concurrent)
                server, client = found.server / found.requests, found.client / found.requests
                print(
                    f"{name:<38}{concurrent:>8}{found.requests / found.seconds:>8,.0f}{server * 1e6:>7.0f} µs"
                    f"{client * 1e6:>7.0f} µs{1 / server:>8,.0f}{found.bytes / found.requests:>7,.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
