"""The commands that look at what was made: verify, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from phase0.cli import settings
from phase0.cli.screen import screen
from phase0.cli.settings import HERE, Compared, Inputs, Shingle, Threads, WhereOptions


def verify(
    *,
    input: Inputs,  # noqa: A002
    target_rows: Annotated[int | None, Parameter(help="The dataset must have at least so many rows.")] = None,
    min_quality: Annotated[float | None, Parameter(help="The average quality_score must be at least this.")] = None,
    budget: Annotated[str | None, Parameter(help="What the dataset may have cost, in dollars.")] = None,
    min_teachers: Annotated[int | None, Parameter(help="So many different sources must have answered.")] = None,
    max_duplicate_rate: Annotated[float, Parameter(help="Share of rows that may be near-duplicates of others.")] = 0.01,
    threshold: Annotated[str, Parameter(help="Jaccard similarity at which two rows are near-duplicates.")] = "0.8",
    shingle: Shingle = 5,
    on: Compared = "both",
    workers: Threads = None,
    where: WhereOptions = HERE,
    json: Annotated[bool, Parameter(help="Print everything as JSON.", show_default=False)] = False,
) -> int:
    """Check a dataset: format, scores, remaining duplicates, statistics, and the criteria asked for.

    Exit status 0 when all criteria pass, 1 when one fails, 2 when the input cannot be read.
    """
    import msgspec

    import phase0
    from phase0.report.text import render

    places: list[str | Path] = [*input, *map(settings.workspace_for, input[:1])]
    with screen() as progress, settings.engine(where, workers, places, progress) as engine:
        found = phase0.verify(
            input,
            target_rows=target_rows,
            min_quality=min_quality,
            budget_usd=budget,
            min_teachers=min_teachers,
            max_duplicate_rate=max_duplicate_rate,
            threshold=threshold,
            shingle=shingle,
            on=on,
            workspace=settings.workspace(None),
            engine=engine,
            progress=progress,
        )
    print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() if json else render(found))
    return 0 if found.passed else 1


def report(target: Annotated[Path, Parameter(help="Folder of a run, or a dataset file.")], /) -> int:
    """Write report.html, report.md and report.json: sums, mixes, scores, duplicates, rows to look at, cost and time."""
    import phase0

    with screen() as progress:
        print(phase0.write_report(target, progress=progress))
    return 0
