"""What changed between two runs or two files of rows: what they were asked for, what their sums, mixes and scores are,
and which rows came and went.

Rows are compared by digests in arrays: memory is for those, for the rows that are shown, and for counters.
"""

from __future__ import annotations

from pathlib import Path

from phase0.changes.figures import (
    cost_changes,
    criterion_changes,
    mix_changes,
    plan_changes,
    score_changes,
    setting_changes,
    sum_changes,
)
from phase0.changes.found import Changes, RowChanges
from phase0.changes.reading import read_rows
from phase0.changes.rows import row_changes
from phase0.changes.sides import compared
from phase0.progress import SILENT, Progress

__all__ = ["Changes", "RowChanges", "diff"]

SHOWN = 5


def diff(old: str | Path, new: str | Path, *, show: int = SHOWN, progress: Progress = SILENT) -> Changes:
    """What changed from `old` to `new`, each the folder of a run or a file of rows.

    The first `show` rows that came, went, or were scored or answered otherwise are told in the order of their files.
    What no manifest tells is not compared. Raises UsageError where there is no dataset, DataError for a file that holds
    no rows.
    """
    ours, theirs = compared(old), compared(new)
    whole = ours.full is not None and theirs.full is not None
    progress.start("diff", None)
    before, after = (read_rows(side.full or side.dataset, progress, whole=whole) for side in (ours, theirs))
    rows = row_changes(ours, theirs, before, after, whole=whole, show=show, progress=progress)
    progress.finish()
    plan = plan_changes(ours, theirs)
    settings = setting_changes(ours, theirs, plan)
    sums, criteria = sum_changes(ours, theirs), criterion_changes(ours, theirs)
    mix, scores = mix_changes(ours, theirs, before, after), score_changes(ours, theirs, before, after)
    cost = cost_changes(ours, theirs)
    differs = (plan, settings, sums, criteria, mix.sources, mix.teachers, mix.categories, scores, cost)
    moved = rows.went or rows.came or rows.rescored or rows.answered
    return Changes(
        old=ours.told(len(before.digests.line_R)),
        new=theirs.told(len(after.digests.line_R)),
        same=not any(differs) and not moved,
        plan=plan,
        settings=settings,
        sums=sums,
        mix=mix,
        scores=scores,
        criteria=criteria,
        cost=cost,
        rows=rows,
    )
