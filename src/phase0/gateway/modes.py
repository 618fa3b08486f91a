"""Online, in batches, or both: what a mode means for one purchase."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Literal

from phase0.gateway.batch import buying_in_batches
from phase0.gateway.budget import Budget
from phase0.gateway.line import Line
from phase0.gateway.online import Options as Online
from phase0.gateway.online import buy
from phase0.gateway.policy import Again
from phase0.gateway.shop import Options, batch_route
from phase0.gateway.summary import Summary, joined
from phase0.ledger import Ledger
from phase0.progress import SILENT, Progress
from phase0.records import Request

Mode = Literal["online", "batch", "auto"]


def in_batches(line: Line, mode: Mode) -> bool:
    """Whether batches come first. `auto` takes them where they cost less."""
    if mode != "auto":
        return mode == "batch"
    found = batch_route(line)
    if found is None:
        return False
    price = found[0].price
    return price.batch_output is not None and price.batch_output < price.output


async def purchase(
    requests: Iterable[Request],
    line: Line,
    ledger: Ledger,
    budget: Budget,
    *,
    mode: Mode,
    batches: Options,
    again: Again | None = None,
    progress: Progress = SILENT,
    stop: asyncio.Event | None = None,
    online: Online | None = None,
) -> Summary:
    """Buy what the ledger does not have. What batches could not do is asked online; in `auto` also what follows from
    their answers, which is little and would take another day."""
    one_by_one = online or Online(run=batches.run)
    if not in_batches(line, mode):
        return await buy(requests, line, ledger, budget, again=again, progress=progress, stop=stop, options=one_by_one)
    batches = batches._replace(follow_online=mode == "auto")
    async with buying_in_batches(
        requests, line, ledger, budget, batches, again=again, progress=progress, stop=stop
    ) as batched:
        first = batched.tally.summary()
        if first.ended == "done" and batched.rest.count:
            rest = (question.request for question in batched.rest)
            second = await buy(
                rest, line, ledger, budget, again=again, progress=progress, stop=stop, options=one_by_one
            )
            first = joined(first, second)
        batched.rest.remove()
        return first
