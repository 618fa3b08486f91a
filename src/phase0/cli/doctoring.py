"""The command that looks before anything is spent: doctor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from phase0.doctor import Finding


def doctor(
    plan: Annotated[Path, Parameter(help="A plan in TOML, such as plans/phase0.toml.")],
    /,
    *,
    set: Annotated[  # noqa: A002
        list[str], Parameter(help="key=value in place of what the plan says.", show_default=False)
    ] = [],  # noqa: B006
    live: Annotated[
        bool, Parameter(help="Send every endpoint one request of a few tokens.", show_default=False)
    ] = False,
) -> int:
    """Check what a plan needs before it runs: keys, models, how long they last, batches, prices, disk space.

    Exit status 0 when nothing fails, 1 when something does, 2 for a bad plan.
    """
    import os
    import shutil
    from datetime import UTC, datetime

    from phase0.doctor import Here
    from phase0.doctor import doctor as examine
    from phase0.plan import load_plan

    here = Here(os.environ, datetime.now(UTC).date(), shutil.disk_usage(Path.cwd()).free)
    found = examine(load_plan(plan, set), here, live=live)
    print(table(found))
    return 1 if any(finding.verdict == "fail" for finding in found) else 0


def table(found: Sequence[Finding]) -> str:
    """The findings, one to a line, and how many of each verdict there are."""
    who = max(len(finding.who) for finding in found)
    check = max(len(finding.check) for finding in found)
    lines = [f"{one.verdict:<4}  {one.who:<{who}}  {one.check:<{check}}  {one.detail}" for one in found]
    counts = {verdict: sum(one.verdict == verdict for one in found) for verdict in ("ok", "warn", "fail")}
    return "\n".join([*lines, "", ", ".join(f"{count} {verdict}" for verdict, count in counts.items())])
