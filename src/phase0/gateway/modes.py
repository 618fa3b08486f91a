"""Online, in batches, or both: what a mode means for one purchase."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Literal, NamedTuple

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
    route = batch_route(line)
    first = in_batches(line, mode)
    away = Away(ledger, line.model, picked_up=route[0].name if first and route else None)
    work = _in_batches if first else _one_by_one
    one_by_one = online or Online(run=batches.run)
    asking = _Asking(line, ledger, budget, batches._replace(follow_online=mode == "auto"), one_by_one)
    return away.told(await work(away.less(requests), asking, again=again, progress=progress, stop=stop))


class _Asking(NamedTuple):
    """Where and how answers are bought."""

    line: Line
    ledger: Ledger
    budget: Budget
    batches: Options
    online: Online


class Away:
    """Questions in batches that are out and that this purchase does not pick up: sent to another server, or by another
    mode. To ask them here would be to pay for them twice."""

    def __init__(self, ledger: Ledger, model: str, *, picked_up: str | None) -> None:
        others = [batch for batch in ledger.open_batches() if batch.model == model and batch.server != picked_up]
        keys = {key for batch in others for key in batch.keys}
        self._servers = sorted({batch.server for batch in others})
        self._keys = keys - ledger.known(keys)
        self._met = 0

    def less(self, requests: Iterable[Request]) -> Iterable[Request]:
        """The requests that are not away."""
        return filter(self._is_here, requests) if self._keys else requests

    def _is_here(self, request: Request) -> bool:
        away = request.key in self._keys
        self._met += away
        return not away

    def told(self, summary: Summary) -> Summary:
        """The summary, with what is away left."""
        if not self._met:
            return summary
        summary = summary._replace(asked=summary.asked + self._met, left=summary.left + self._met)
        if summary.ended != "done":
            return summary
        where = ", ".join(self._servers)
        detail = (
            f"{self._met:,} questions are in batches at {where}, and are not paid for twice. `phase0 batches` lists "
            "them, --resume brings in those that have ended, --cancel calls them back."
        )
        return summary._replace(ended="submitted", detail=detail)


async def _one_by_one(
    requests: Iterable[Request],
    asking: _Asking,
    *,
    again: Again | None,
    progress: Progress,
    stop: asyncio.Event | None,
) -> Summary:
    line, ledger, budget, _, options = asking
    return await buy(requests, line, ledger, budget, again=again, progress=progress, stop=stop, options=options)


async def _in_batches(
    requests: Iterable[Request],
    asking: _Asking,
    *,
    again: Again | None,
    progress: Progress,
    stop: asyncio.Event | None,
) -> Summary:
    line, ledger, budget, batches, _ = asking
    async with buying_in_batches(
        requests, line, ledger, budget, batches, again=again, progress=progress, stop=stop
    ) as batched:
        first = batched.tally.summary()
        if first.ended == "done" and batched.rest.count:
            rest = (question.request for question in batched.rest)
            first = joined(first, await _one_by_one(rest, asking, again=again, progress=progress, stop=stop))
        batched.rest.remove()
        return first
