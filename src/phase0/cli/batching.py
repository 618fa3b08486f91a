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
    from phase0.ledger import Batch


def batches(
    *,
    cancel: Annotated[
        list[str], Parameter(help="Tags of batches to stop; `all` for all of them.", show_default=False)
    ] = [],  # noqa: B006
    forget: Annotated[
        list[str],
        Parameter(help="Tags of batches to give up: what they bring is lost, and bought again.", show_default=False),
    ] = [],  # noqa: B006
    resume: Annotated[bool, Parameter(help="Store what batches that have ended brought.", show_default=False)] = False,
    api_key_env: Annotated[
        str | None, Parameter(help="Variable that holds the key, where it is not the one a batch was sent with.")
    ] = None,
    workspace: Workspace = None,
) -> int:
    """List the batches that are out, stop some, give some up, or store what has come.

    A run picks its batches up by itself; this is for looking, for getting answers without running a plan, and for
    batches that a run does not reach. Each is asked about where it was sent, with the key that it was sent with.
    """
    import asyncio
    from functools import partial
    from pathlib import Path

    from phase0.gateway import standing
    from phase0.ledger import FILE, Ledger
    from phase0.workspace import MARK, workspace_of

    place = workspace_of(Path.cwd() / "any", settings.workspace(workspace)) / MARK
    if not (place / FILE).exists():
        raise no_ledger(place / FILE)
    connect = partial(connection, key_env=api_key_env)
    with Ledger(place / FILE) as ledger, screen() as progress:
        if cancel:
            tags = [batch.tag for batch in ledger.open_batches()] if cancel == ["all"] else cancel
            asked = asyncio.run(standing.cancel(tags, ledger, connect))
            for batch in asked:
                print(f"{batch.tag}: asked {batch.where} to stop it")
            for tag in sorted(set(tags) - {batch.tag for batch in asked}):
                print(f"{tag}: nobody knows whether it was sent; --resume or the next run finds out")
        if resume:
            for summary in asyncio.run(standing.resume(ledger, connect, place / "batches", progress=progress)):
                print(f"{summary.replies:,} replies, {summary.refused:,} refused; {summary.left:,} are still out")
        for batch in standing.forget(forget, ledger):
            print(f"{batch.tag}: given up; its {len(batch.keys):,} questions are bought again by the next run")
        if not cancel and not resume and not forget:
            shown = asyncio.run(standing.overview(ledger, connect))
            for each in shown:
                batch = each.batch
                print(f"{batch.tag}  {batch.where}  {batch.model}  {len(batch.keys):,}  {each.status}  {each.detail}")
            if not shown:
                print("no batches are out")
    return 0


def connection(batch: Batch, key_env: str | None = None) -> Line:
    """The route to where a batch was sent, with the environment's keys. Where nobody wrote down where that is, the
    catalogue and the environment say where its server is."""
    import os
    from datetime import UTC, datetime

    from phase0.catalog.models import teachers
    from phase0.stages.means import Means, line_back, line_to, places

    if batch.destination is not None:
        return line_back(batch, batch.destination, os.environ, key_env)
    for teacher in teachers().values():
        if teacher.model == batch.model:
            for place in places(teacher, Means(os.environ), datetime.now(UTC).date()):
                if place.endpoint.server.name == batch.server:
                    return line_to(teacher, [place])
    raise UsageError(f"the catalogue has no {batch.model} at {batch.server}; run the plan that sent this batch")
