"""Online, in batches, or both: what a mode means for one purchase."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Literal, NamedTuple

from phase0.gateway.away import Away, out_of_reach
from phase0.gateway.batch import buying_in_batches
from phase0.gateway.budget import Budget
from phase0.gateway.line import Line
from phase0.gateway.online import Options as Online
from phase0.gateway.online import buy
from phase0.gateway.policy import Again
from phase0.gateway.shop import Options, batch_route, is_at
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
    their answers, which is little and would take another day. What is in batches that are not picked up is left."""
    first = in_batches(line, mode)
    found = batch_route(line) if first else None
    out = [batch for batch in ledger.open_batches() if batch.model == line.model]
    left = [batch for batch in out if found is None or not is_at(batch, found[0])]
    for message in out_of_reach(left, line):
        progress.warn(message)
    away = Away(ledger, left)
    work = _in_batches if first else _one_by_one
    one_by_one = online or Online(run=batches.run)
    asking = _Asking(line, ledger, budget, batches._replace(follow_online=mode == "auto"), one_by_one, away)
    again = away.less_following(again)
    return away.told(await work(away.less(requests), asking, again=again, progress=progress, stop=stop))


class _Asking(NamedTuple):
    """Where and how answers are bought."""

    line: Line
    ledger: Ledger
    budget: Budget
    batches: Options
    online: Online
    away: Away


async def _one_by_one(
    requests: Iterable[Request],
    asking: _Asking,
    *,
    again: Again | None,
    progress: Progress,
    stop: asyncio.Event | None,
) -> Summary:
    line, ledger, budget, _, options, _ = asking
    return await buy(requests, line, ledger, budget, again=again, progress=progress, stop=stop, options=options)


async def _in_batches(
    requests: Iterable[Request],
    asking: _Asking,
    *,
    again: Again | None,
    progress: Progress,
    stop: asyncio.Event | None,
) -> Summary:
    line, ledger, budget, batches, _, away = asking
    async with buying_in_batches(
        requests, line, ledger, budget, batches, again=again, progress=progress, stop=stop, away=away
    ) as batched:
        first = batched.tally.summary()
        if first.ended == "done" and batched.rest.count:
            rest = (question.request for question in batched.rest)
            first = joined(first, await _one_by_one(rest, asking, again=again, progress=progress, stop=stop))
        batched.rest.remove()
        return first
