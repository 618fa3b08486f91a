"""The command for batches that are out: batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from phase0.cli import settings
from phase0.cli.accounting import no_ledger
from phase0.cli.screen import screen
from phase0.cli.settings import Workspace
from phase0.errors import UsageError

if TYPE_CHECKING:
    from phase0.gateway.line import Line


def batches(
    *,
    cancel: Annotated[
        list[str], Parameter(help="Tags of batches to stop; `all` for all of them.", show_default=False)
    ] = [],  # noqa: B006
    resume: Annotated[bool, Parameter(help="Store what batches that have ended brought.", show_default=False)] = False,
    workspace: Workspace = None,
) -> int:
    """List the batches that are out, stop some, or store what has come.

    A run picks its batches up by itself; this is for looking, and for getting answers without running a plan.
    """
    import asyncio
    from pathlib import Path

    from phase0.gateway import standing
    from phase0.ledger import FILE, Ledger
    from phase0.workspace import MARK, workspace_of

    place = workspace_of(Path.cwd() / "any", settings.workspace(workspace)) / MARK
    if not (place / FILE).exists():
        raise no_ledger(place / FILE)
    with Ledger(place / FILE) as ledger, screen() as progress:
        if cancel:
            tags = [batch.tag for batch in ledger.open_batches()] if cancel == ["all"] else cancel
            asked = asyncio.run(standing.cancel(tags, ledger, connection))
            for batch in asked:
                print(f"{batch.tag}: asked {batch.server} to stop it")
            for tag in sorted(set(tags) - {batch.tag for batch in asked}):
                print(f"{tag}: nobody knows whether it was sent; --resume or the next run finds out")
        if resume:
            for summary in asyncio.run(standing.resume(ledger, connection, place / "batches", progress=progress)):
                print(f"{summary.replies:,} replies, {summary.refused:,} refused; {summary.left:,} are still out")
        if not cancel and not resume:
            shown = asyncio.run(standing.overview(ledger, connection))
            for each in shown:
                batch = each.batch
                print(f"{batch.tag}  {batch.server}  {batch.model}  {len(batch.keys):,}  {each.status}  {each.detail}")
            if not shown:
                print("no batches are out")
    return 0


def connection(server: str, model: str) -> Line:
    """The route to a model at a server, from the catalogue, the environment's addresses and its keys."""
    import os
    from datetime import UTC, datetime

    from phase0.catalog.models import teachers
    from phase0.stages.means import Means, line_to, places

    for teacher in teachers().values():
        if teacher.model == model:
            for place in places(teacher, Means(os.environ), datetime.now(UTC).date()):
                if place.endpoint.server.name == server:
                    return line_to(teacher, [place])
    raise UsageError(f"the catalogue has no {model} at {server}; run the plan that sent this batch")
