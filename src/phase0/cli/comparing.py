"""The command that compares two runs or two files of rows: diff."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from phase0.cli.screen import screen


def diff(
    old: Annotated[Path, Parameter(help="Folder of the older run, or a file of rows.")],
    new: Annotated[Path, Parameter(help="Folder of the newer run, or a file of rows.")],
    /,
    *,
    show: Annotated[
        int, Parameter(help="Rows to show of those that came, went and changed.", validator=validators.Number(gte=0))
    ] = 5,
    json: Annotated[bool, Parameter(help="Print everything as JSON.", show_default=False)] = False,
) -> int:
    """Tell what changed between two runs or files: plan, sums, mix, scores, cost, and which rows came and went.

    Exit status as of `diff`: 0 when nothing differs, 1 when something does, 2 when one cannot be read.
    """
    import msgspec

    import phase0
    from phase0.changes.text import render

    with screen() as progress:
        found = phase0.diff(old, new, show=show, progress=progress)
    print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() if json else render(found))
    return 0 if found.same else 1
