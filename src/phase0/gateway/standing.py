"""Batches that are out: how they stand, calling them back, giving them up, and storing what has come.

Nothing new is bought here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from phase0.errors import ProviderError, UsageError, near_miss
from phase0.gateway.away import Away
from phase0.gateway.batch import buying_in_batches
from phase0.gateway.budget import Budget
from phase0.gateway.line import Line
from phase0.gateway.shop import Options, batch_route
from phase0.gateway.summary import Summary
from phase0.ledger import Batch, Destination, Ledger
from phase0.progress import SILENT, Progress

Connect = Callable[[Batch], Line]
"""The line of one route to where a batch was sent. Raises UsageError where it cannot be reached."""


class Standing(NamedTuple):
    """A batch, and what its provider says of it."""

    batch: Batch
    status: str  # its provider's, or `not sent`; `unknown` where the provider cannot be asked
    detail: str  # how many are done, or why it cannot be said


async def overview(ledger: Ledger, connect: Connect) -> list[Standing]:
    """Every batch that is not settled, oldest first."""
    return [await _standing(batch, connect) for batch in ledger.open_batches()]


async def _standing(batch: Batch, connect: Connect) -> Standing:
    if batch.batch_id is None:
        return Standing(batch, "not sent", "the next run looks for it at its provider")
    try:
        found = batch_route(connect(batch))
        if found is None:
            return Standing(batch, "unknown", f"{batch.where} takes no batches")
        try:
            state = await found[1].state(batch.batch_id)
        finally:
            await found[0].provider.close()
    except (ProviderError, UsageError) as error:
        return Standing(batch, "unknown", str(error))
    done = state.counts and state.counts.completed
    return Standing(batch, state.status, "" if done is None else f"{done:,} of {len(batch.keys):,} done")


async def cancel(tags: Iterable[str], ledger: Ledger, connect: Connect) -> list[Batch]:
    """Have batches stopped; those that their servers were asked about. What they have answered by then is billed, and
    stored by `resume` or the next run."""
    asked = []
    for batch in _out(tags, ledger):
        found = batch_route(connect(batch)) if batch.batch_id is not None else None
        if found is not None:
            try:
                await found[1].cancel(batch.batch_id or "")
            finally:
                await found[0].provider.close()
            asked.append(batch)
    return asked


def forget(tags: Iterable[str], ledger: Ledger) -> list[Batch]:
    """Give batches up for good: what they bring is never stored, and the next run buys their questions again."""
    chosen = _out(tags, ledger)
    for batch in chosen:
        ledger.settled(batch.tag, "forgotten")
    return chosen


def _out(tags: Iterable[str], ledger: Ledger) -> list[Batch]:
    """The batches of these tags. Raises UsageError, before anything is done, where one of them is not out."""
    out = {batch.tag: batch for batch in ledger.open_batches()}
    tags = list(tags)
    for tag in tags:
        if tag not in out:
            raise UsageError(f"no batch {tag} is out.{near_miss(tag, out)}")
    return [out[tag] for tag in dict.fromkeys(tags)]


async def resume(ledger: Ledger, connect: Connect, folder: Path, *, progress: Progress = SILENT) -> list[Summary]:
    """Store what every batch that has ended brought. What they left out is asked by the next run.

    One server that cannot be asked does not keep the others' answers away: its error is raised when all are done.
    """
    summaries = []
    failed: ProviderError | UsageError | None = None
    together: dict[tuple[str, str, Destination | None], list[Batch]] = {}
    for batch in ledger.open_batches():
        together.setdefault((batch.server, batch.model, batch.destination), []).append(batch)
    for batches in together.values():
        options = Options(folder, wait=False, rounds=0, tags=frozenset(batch.tag for batch in batches))
        try:
            line = connect(batches[0])
        except UsageError as error:
            failed = failed or error
            continue
        try:
            away = Away(ledger)
            async with buying_in_batches(
                (), line, ledger, Budget(None), options, progress=progress, away=away
            ) as batched:
                summary = batched.tally.summary()
                summaries.append(summary._replace(asked=summary.asked + away.count, left=summary.left + away.count))
                batched.rest.remove()
        except ProviderError as error:
            failed = failed or error
        finally:
            for route in line.routes:
                await route.provider.close()
    if failed is not None:
        raise failed
    return summaries
