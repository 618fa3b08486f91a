"""The commands for whole runs: run, status, explain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from phase0.cli import settings
from phase0.cli.asking import Asked, BatchSize, Budget, Mode, NoWait, Yes, means
from phase0.cli.printing import print_rejected, story, summary
from phase0.cli.screen import screen
from phase0.cli.settings import Workers, Workspace


def run(
    plan: Annotated[Path, Parameter(help="A plan in TOML, such as plans/quickstart.toml.")],
    /,
    *,
    output: Annotated[Path | None, Parameter(help="Folder of the run. Default: runs/ and the plan's name.")] = None,
    input: Annotated[  # noqa: A002
        list[str], Parameter(help="Files or folders in place of the plan's sources.", show_default=False)
    ] = [],  # noqa: B006
    set: Annotated[  # noqa: A002
        list[str], Parameter(help="key=value in place of what the plan says.", show_default=False)
    ] = [],  # noqa: B006
    mode: Mode = "auto",
    budget_usd: Budget = None,
    batch_size: BatchSize = None,
    no_wait: NoWait = False,
    yes: Yes = False,
    workspace: Workspace = None,
    workers: Workers = None,
) -> int:
    """Make a dataset from a plan: acquire, distil, score, de-duplicate, publish, verify, report.

    Finished stages are not done again: the same command goes on where a stopped one left off.
    Exit status 0 when all criteria pass, 1 when one fails, 2 for bad input.
    """
    import phase0
    from phase0.report.text import render

    with screen() as progress:
        made = phase0.run(
            plan,
            output,
            inputs=input,
            settings=set,
            hub=settings.hub(),
            engine=settings.engine(workers),
            workspace=settings.workspace(workspace),
            means=means(
                Asked(mode=mode, budget_usd=budget_usd, batch_size=batch_size, no_wait=no_wait, yes=yes), progress
            ),
            progress=progress,
        )
    for step in made.steps:
        if not step.skipped:
            print(summary(step.manifest, step.output))
    print(f"\n{render(made.verification)}\n\nreport: {made.report}")
    return print_rejected(made.rejected) or (0 if made.verification.passed else 1)


def status(folder: Annotated[Path, Parameter(help="Folder of a run.")], /) -> int:
    """Show how far a run is, stage by stage."""
    import phase0

    for stage in phase0.status(folder):
        counts = stage.manifest.counts if stage.manifest else None
        sums = f"{counts.rows_in:>9,} in = {counts.kept:>9,} kept + {counts.dropped:>9,} dropped" if counts else ""
        print(f"{stage.stage:<9} {stage.output:<32} {stage.state:<8} {sums}".rstrip())
    return 0


def explain(
    folder: Annotated[Path, Parameter(help="Folder of a run, or a file that phase0 wrote.")],
    id: Annotated[str, Parameter(help="Id of a row, or its first digits.")],  # noqa: A002
    /,
) -> int:
    """Tell everything that happened to a row."""
    import phase0

    print(story(phase0.explain(folder, id)))
    return 0
