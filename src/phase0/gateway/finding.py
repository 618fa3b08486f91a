"""How a batch gets the id by which its provider knows it, and gets it back after a crash or a lost answer.

Nothing is sent a second time, and nothing is given up, before the provider was asked for our tag and knew none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from phase0.errors import Fatal, Refused, Transient
from phase0.gateway.drafting import Draft
from phase0.gateway.shop import Options, Shop, is_sure
from phase0.ledger import Batch
from phase0.progress import Progress

T = TypeVar("T")


class Stopped(Exception):
    """The run was stopped while it waited for the provider."""


class OutOfReach(Exception):
    """Nobody can say here whether a batch is there: with this key, or of this server."""


class Patience:
    """Waiting for a provider, until the run is stopped."""

    def __init__(self, options: Options, stop: asyncio.Event) -> None:
        self._options, self._stop = options, stop

    async def sleep(self, seconds: float) -> None:
        """Wait. Raises Stopped as soon as the run is."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._stop.wait()
        except TimeoutError:
            return
        raise Stopped

    async def insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """An answer of the provider's about batches, however often it takes."""
        pause = self._options.poll[0]
        while True:
            try:
                return await ask()
            except Transient as error:
                await self.sleep(max(error.retry_after or 0.0, pause))
                pause = min(pause * 2, self._options.poll[1])


async def submitted(draft: Draft, shop: Shop, patience: Patience, progress: Progress) -> str:
    """Send a batch; the provider's id of it. Where an answer was lost it may be there all the same: it is looked for
    first. Raises OutOfReach where the provider cannot say, else Refused or Fatal."""
    pause, latest = shop.options.poll
    while True:
        try:
            return await shop.batches.submit(draft.upload, draft.tag)
        except Transient as error:
            unclear = error.reason not in ("unreachable", "rate_limit")
            progress.state(f"sends a batch again: {error}")
            await patience.sleep(max(error.retry_after or 0.0, shop.options.grace if unclear else pause))
            pause = min(pause * 2, latest)
            try:
                found = await _found(draft.tag, shop, patience) if unclear else None
            except Fatal as fatal:
                raise OutOfReach(str(fatal)) from None
            if found is not None:
                return found


async def id_of(batch: Batch, shop: Shop, patience: Patience) -> str | None:
    """The provider's id of a batch that an earlier run left; None where it was never sent.

    Raises OutOfReach where the provider does not know it, but would not, either, if another account's key had sent it.
    """
    is_ours = is_sure(batch, shop.route)
    batch_id = batch.batch_id
    if batch_id is None:
        options = shop.options  # once it is sure that it can be seen
        await patience.sleep(batch.at + options.grace - options.date())
        batch_id = await _found(batch.tag, shop, patience)
        if batch_id is None and not is_ours:
            raise OutOfReach(f"{batch.where} does not know it with this key")
    elif not is_ours:
        await _check_known(batch_id, shop, patience)
    return batch_id


async def _found(tag: str, shop: Shop, patience: Patience) -> str | None:
    try:
        return await patience.insist(lambda: shop.batches.find(tag))
    except Refused as error:
        raise OutOfReach(f"it cannot be looked for: {error}") from None


async def _check_known(batch_id: str, shop: Shop, patience: Patience) -> None:
    """Raise OutOfReach for a batch that this key does not show. A new key of the same account does."""
    try:
        await patience.insist(lambda: shop.batches.state(batch_id))
    except Refused as error:
        raise OutOfReach(f"it was sent with another key: {error}") from None
    except Fatal as error:
        if error.reason != "no_access":
            raise
        raise OutOfReach(f"it was sent with another key: {error}") from None
