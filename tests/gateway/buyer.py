"""A process that buys from a simulated provider until it is done or killed: what crash tests start and kill.

    python buyer.py URL FOLDER MODE QUESTIONS SIZE

It prints a line for each life that ends well: how it ended, and how many replies this life bought.
"""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal
from pathlib import Path

from phase0.catalog.models import BatchQuirks, Endpoint, Server
from phase0.catalog.prices import Price
from phase0.gateway.budget import Budget
from phase0.gateway.line import Line, Route
from phase0.gateway.modes import Mode, purchase
from phase0.gateway.shop import Options
from phase0.gateway.summary import Summary
from phase0.ledger import Ledger
from phase0.providers import connect
from phase0.records import Request

PRICE = Price(Decimal("2.5"), Decimal(10), Decimal("1.25"), Decimal(5), "tests", "2026-11-22")


def questions(count: int) -> list[Request]:
    return [
        Request(model="m", messages=(("user", f"What is {number} plus one?"),), params={"max_tokens": 60})
        for number in range(count)
    ]


async def shop(url: str, folder: Path, mode: Mode, count: int, size: int | None, most: int = 16) -> Summary:
    """One purchase against a server."""
    server = Server(name="simulated", url=url, batch=BatchQuirks(max_requests=50_000, max_bytes=100_000_000))
    provider = connect(Endpoint(server=server, url=url, model_id="m", batch=True), "key", timeout=600)
    line = Line("m", (Route("simulated", provider, PRICE, most=most),), 60, lambda asked: [20] * len(asked))
    batches = Options(folder / "batches", size=size, grace=0.4, poll=(0.02, 0.1))
    try:
        with Ledger(folder / "ledger.sqlite") as ledger:
            return await purchase(questions(count), line, ledger, Budget(None), mode=mode, batches=batches)
    finally:
        await provider.close()


def main() -> None:
    url, folder, mode, count, size = sys.argv[1:]
    summary = asyncio.run(shop(url, Path(folder), mode, int(count), int(size) or None))  # type: ignore[arg-type]
    print(summary.ended, summary.replies, summary.left, flush=True)


if __name__ == "__main__":
    main()
