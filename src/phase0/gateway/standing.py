"""Batches that are out: how they stand, calling them back, and storing what has come. Nothing new is bought here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from phase0.errors import ProviderError, UsageError, near_miss
from phase0.gateway.batch import buying_in_batches
from phase0.gateway.budget import Budget
from phase0.gateway.line import Line
from phase0.gateway.shop import Options, batch_route
from phase0.gateway.summary import Summary
from phase0.ledger import Batch, Ledger
from phase0.progress import SILENT, Progress

Connect = Callable[[str, str], Line]
"""The line of one route to a server and a model, by their names. Raises UsageError where they cannot be reached."""


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
        line = connect(batch.server, batch.model)
        found = batch_route(line)
        if found is None:
            return Standing(batch, "unknown", f"{batch.server} takes no batches")
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
    out = {batch.tag: batch for batch in ledger.open_batches()}
    chosen = []
    for tag in tags:
        if tag not in out:
            raise UsageError(f"no batch {tag} is out.{near_miss(tag, out)}")
        chosen.append(out[tag])
    asked = []
    for batch in chosen:
        found = batch_route(connect(batch.server, batch.model))
        if found is not None and batch.batch_id is not None:
            try:
                await found[1].cancel(batch.batch_id)
            finally:
                await found[0].provider.close()
            asked.append(batch)
    return asked


async def resume(ledger: Ledger, connect: Connect, folder: Path, *, progress: Progress = SILENT) -> list[Summary]:
    """Store what every batch that has ended brought. What they left out is asked by the next run.

    One server that cannot be asked does not keep the others' answers away: its error is raised when all are done.
    """
    summaries = []
    failed: ProviderError | UsageError | None = None
    for server, model in sorted({(batch.server, batch.model) for batch in ledger.open_batches()}):
        options = Options(folder, wait=False, rounds=0)
        try:
            line = connect(server, model)
        except UsageError as error:
            failed = failed or error
            continue
        try:
            async with buying_in_batches((), line, ledger, Budget(None), options, progress=progress) as batched:
                summaries.append(batched.tally.summary())
                batched.rest.remove()
        except ProviderError as error:
            failed = failed or error
        finally:
            for route in line.routes:
                await route.provider.close()
    if failed is not None:
        raise failed
    return summaries
