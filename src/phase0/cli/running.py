"""The commands for whole runs: run, status, explain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from cyclopts import Parameter

from phase0.cli import settings
from phase0.cli.asking import NOTHING_SAID, RetryFailed, SpendingOptions, means
from phase0.cli.printing import print_rejected, rehearsed, story, summary
from phase0.cli.screen import screen
from phase0.cli.settings import HERE, WhereOptions, Workers, Workspace
from phase0.errors import UsageError
from phase0.progress import Progress

if TYPE_CHECKING:
    from phase0.runs import Run
    from phase0.stages.means import Means


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
    asked: SpendingOptions = NOTHING_SAID,
    retry_failed: RetryFailed = False,
    simulate: Annotated[
        bool,
        Parameter(
            help="Rehearse: a simulator stands in for all servers; nothing is paid. Goes to OUTPUT.rehearsal.",
            show_default=False,
        ),
    ] = False,
    answers: Annotated[
        list[str],
        Parameter(help="FILE or TEACHER=FILE: answers that a rehearsal replays.", show_default=False),
    ] = [],  # noqa: B006
    workspace: Workspace = None,
    workers: Workers = None,
    where: WhereOptions = HERE,
) -> int:
    """Make a dataset from a plan: acquire, distil, score, de-duplicate, publish, verify, report.

    Finished stages are not done again: the same command goes on where a stopped one left off.
    Exit status 0 when all criteria pass, 1 when one fails, 2 for bad input.
    """
    import phase0

    _check_rehearsal(simulate, answers, workspace)
    told = ""
    with screen() as progress, settings.engine(where, workers, [output or Path("runs"), *input], progress) as engine:
        how: How = {
            "inputs": input,
            "settings": set,
            "hub": settings.hub(),
            "engine": engine,
            "means": means(asked, progress, retry_failed=retry_failed),
            "progress": progress,
        }
        if simulate:
            rehearsal = phase0.rehearse(plan, output, answers=answers, **how)
            made, told = rehearsal.run, f"\n{rehearsed(rehearsal)}\n"
        else:
            made = phase0.run(plan, output, workspace=settings.workspace(workspace), **how)
    return _done(made, told)


class How(TypedDict):
    """What a run and a rehearsal are told alike."""

    inputs: list[str]
    settings: list[str]
    hub: Any
    engine: Any
    means: Means
    progress: Progress


def _check_rehearsal(simulate: bool, answers: list[str], workspace: Path | None) -> None:
    if answers and not simulate:
        raise UsageError(f"--answers {answers[0]} is what a rehearsal replays; it needs --simulate")
    if simulate and workspace is not None:
        raise UsageError("a rehearsal has a workspace of its own; leave --workspace out")


def _done(made: Run, told: str) -> int:
    from phase0.report.text import render

    for step in made.steps:
        if not step.skipped:
            print(summary(step.manifest, step.output))
    print(f"\n{render(made.verification)}\n{told}\nreport: {made.report}")
    return print_rejected(made.rejected) or (0 if made.verification.passed else 1)


def status(folder: Annotated[Path, Parameter(help="Folder of a run.")], /) -> int:
    """Show how far a run is, stage by stage."""
    import phase0

    for stage in phase0.status(folder):
        counts = stage.manifest.counts if stage.manifest else None
        sums = f"{counts.rows_in:>9,} in = {counts.kept:>9,} kept + {counts.dropped:>9,} dropped" if counts else ""
        print(f"{stage.stage:<9} {stage.output:<32} {stage.state:<8} {sums}".rstrip())
        if stage.why:
            print(f"          {stage.why}; `phase0 run PLAN --retry-failed` asks about them once more")
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
