"""Reports: what a run or a dataset is made of, as numbers (`report.json`) and as a page (`report.md`)."""

from __future__ import annotations

from pathlib import Path

from phase0.dataset import atomic, meta_folder, write_json
from phase0.errors import UsageError
from phase0.progress import SILENT, Progress

__all__ = ["write_report"]

_DATASET = "dataset.jsonl"


def write_report(target: str | Path, *, progress: Progress = SILENT) -> Path:
    """Write `report.json` and `report.md` for the folder of a run, or for a dataset file that phase0 made.

    They go into the folder of the run, or into `X.meta/` beside `X.jsonl`. Returns the path of `report.md`. Raises
    UsageError where there is no dataset, DataError where no manifest tells how it was made.
    """
    from phase0.report.markdown import markdown
    from phase0.report.numbers import gather

    target = Path(target)
    is_run = target.is_dir()
    dataset = target / _DATASET if is_run else target
    if not dataset.is_file():
        why = f"there is no {_DATASET} in it; is it a run, and finished?" if is_run else "there is no such file"
        raise UsageError(f"{target}: {why}")
    root, place = (target, target) if is_run else (target.parent, meta_folder(target))
    progress.start("report", None)
    numbers = gather(dataset, root, place)
    write_json(place / "report.json", numbers)
    page = place / "report.md"
    with atomic(page) as file:
        file.write(markdown(numbers).encode())
    progress.finish()
    return page
