"""The command that says what scores are worth: calibrate."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from phase0.cli.printing import columns
from phase0.cli.screen import screen

if TYPE_CHECKING:
    from phase0.calibration import Calibration, Estimate

TITLES = ("labels", "pairs", "ties", "scorer", "longer", "difference", "spearman", "kappa", "error")
_NONE = "–"


def calibrate(
    *,
    labels: Annotated[list[str], Parameter(help="Files with labels of people or of a strong judge.")],
    model: Annotated[
        str, Parameter(help="The scorer that is measured; local needs no network, student learns from labels.")
    ] = "local",
    scored: Annotated[
        list[str],
        Parameter(help="Measure the scores in these files, which `phase0 score` wrote, instead.", show_default=False),
    ] = [],  # noqa: B006
    train: Annotated[
        list[str],
        Parameter(help="What a student learns from, in place of the labels themselves.", show_default=False),
    ] = [],  # noqa: B006
    rows: Annotated[
        Path | None, Parameter(help="Write the labelled answers as rows for `phase0 score`, and do nothing else.")
    ] = None,
    threshold: Annotated[
        float, Parameter(help="A score above this is a good one, where labels say only good or bad.")
    ] = 7.0,
    bootstrap: Annotated[
        int, Parameter(help="Resamples that the intervals are read from.", validator=validators.Number(gte=1))
    ] = 1000,
    seed: Annotated[int, Parameter(help="Decides the resamples.", validator=validators.Number(gte=0))] = 0,
    json: Annotated[bool, Parameter(help="Print everything as JSON.", show_default=False)] = False,
) -> int:
    """Measure how well scores agree with labels, beside "the longer answer wins" and chance, with 95 % intervals.

    With --json one file of labels makes one object, several make an array.
    """
    import msgspec

    import phase0
    from phase0.calibration import write_answers

    if rows is not None:
        print(f"{write_answers(labels, rows):,} answers → {rows}")
        return 0
    with screen() as progress:
        found = phase0.calibrate(
            labels,
            model=model,
            scored=scored,
            train=train,
            threshold=threshold,
            bootstrap=bootstrap,
            seed=seed,
            progress=progress,
        )
    if json:
        print(msgspec.json.format(msgspec.json.encode(found[0] if len(found) == 1 else found), indent=2).decode())
        return 0
    for each in found:
        _show(each)
    return 0


def _show(found: Calibration) -> None:
    """A table in colour on a terminal, elsewhere the same cells in columns."""
    lines = list(table(found))
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        drawn = Table(*TITLES, title=Text(Path(found.labels).name), title_justify="left", pad_edge=False)
        drawn.columns[0].no_wrap = True
        for column in drawn.columns[1:]:
            column.justify = "right"
        for line in lines:
            drawn.add_row(*map(Text, line))
        Console().print(drawn)
    else:
        print(columns([TITLES, *lines]))
    for note in notes(found):
        print(f"  {note}")


def table(found: Calibration) -> Iterator[Sequence[str]]:
    """A line for the file, and one for each of its groups."""
    yield _line(Path(found.labels).name, found)
    for name, group in found.groups.items():
        yield _line(f"  {name}", group)


def _line(name: str, found: Calibration) -> Sequence[str]:
    from phase0.calibration import Estimate

    longer = found.baselines.longer_wins
    return (
        "".join(char if char.isprintable() else " " for char in name),  # names are data
        f"{found.pairs:,}",
        f"{found.ties:,}",
        _cell(Estimate(found.pairwise_accuracy, found.interval)),
        _cell(Estimate(longer.pairwise_accuracy, longer.interval)),
        _cell(found.difference_to_longer, sign="+"),
        _cell(found.spearman),
        _cell(found.kappa),
        _cell(found.calibration_error),
    )


def _cell(estimate: Estimate, sign: str = "") -> str:
    if estimate.value is None or estimate.interval is None:
        return _NONE
    low, high = estimate.interval
    return f"{estimate.value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def notes(found: Calibration) -> Iterator[str]:
    """What was left out, and what the figures are of where that is not plain."""
    if found.left_out:
        yield "left out: " + ", ".join(f"{reason} {count:,}" for reason, count in found.left_out.items())
    if found.taught is not None:
        answers, questions, held_out = found.taught.answers, found.taught.questions, found.taught.held_out
        yield (
            f"{found.model}: {answers:,} answers to {questions:,} questions; {held_out:,} answers here are to one of "
            "them, and were scored by students not taught it"
        )
    if found.compared == "all":
        yield "pairs: every row with every row of another label"
    if found.scale is not None:
        low, high = found.scale
        yield f"spearman, kappa and error: of {found.points:,} answers with labels from {low:g} to {high:g}"
