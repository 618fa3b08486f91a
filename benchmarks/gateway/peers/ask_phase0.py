"""phase0's own gateway with a ledger on the disk: an answer counts when it is durable, and the ledger is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal

from asking import KEY, MAX_TOKENS, MODEL, Asked, question, tell

from phase0.catalog.models import Endpoint, Server
from phase0.catalog.prices import Price
from phase0.gateway.budget import Budget
from phase0.gateway.line import Line, Route
from phase0.gateway.online import buy
from phase0.ledger import Ledger
from phase0.providers import connect
from phase0.records import Request

PRICE = Price(Decimal("2.50"), Decimal(10))


def requests(numbers: range) -> Iterator[Request]:
    for number in numbers:
        yield Request(model=MODEL, messages=(("user", question(number)),), params={"max_tokens": MAX_TOKENS})


async def ask(given: Asked, numbers: range) -> int:
    server = Server(name="simulated", url=given.url)
    provider = connect(Endpoint(server=server, url=given.url, model_id=MODEL), KEY)
    line = Line(MODEL, (Route("simulated", provider, PRICE, most=given.concurrent),))
    try:
        with Ledger(given.folder / f"ledger-{numbers.start}.sqlite") as ledger:
            summary = await buy(requests(numbers), line, ledger, Budget(Decimal(1_000_000)))
    finally:
        await provider.close()
    with Ledger(given.folder / f"ledger-{numbers.start}.sqlite") as ledger:
        kept = sum(spend.requests for spend in ledger.spend("model"))
    assert kept == summary.replies == len(numbers)
    return kept


if __name__ == "__main__":
    tell(lambda given, numbers: asyncio.run(ask(given, numbers)))
