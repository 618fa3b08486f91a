"""Reports: what a run or a dataset is made of, as numbers (`report.json`), as a page to look at (`report.html`), and as
one for places without HTML (`report.md` with its images)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from phase0.dataset import atomic, meta_folder, write_json
from phase0.errors import UsageError
from phase0.progress import SILENT, Progress

if TYPE_CHECKING:
    from phase0.report.drawing import Drawn

__all__ = ["write_report"]

_DATASET = "dataset.jsonl"
_IMAGES = "report.images"


def write_report(target: str | Path, *, progress: Progress = SILENT) -> Path:
    """Write `report.html`, `report.json`, `report.md` and its `report.images/` for the folder of a run, or for a
    dataset file that phase0 made.

    They go into the folder of the run, or into `X.meta/` beside `X.jsonl`. Returns the path of `report.html`. Raises
    UsageError where there is no dataset, DataError where no manifest tells how it was made.
    """
    from phase0.report.charts import charts
    from phase0.report.drawing import drawn
    from phase0.report.markdown import Image, markdown
    from phase0.report.numbers import gather
    from phase0.report.webpage import webpage

    target = Path(target)
    is_run = target.is_dir()
    dataset = target / _DATASET if is_run else target
    if not dataset.is_file():
        why = f"there is no {_DATASET} in it; is it a run, and finished?" if is_run else "there is no such file"
        raise UsageError(f"{target}: {why}")
    root, place = (target, target) if is_run else (target.parent, meta_folder(target))
    progress.start("report", None)
    numbers = gather(dataset, root, place, progress)
    pictures = list(drawn(charts(numbers)))
    write_json(place / "report.json", numbers)
    _write_images(place / _IMAGES, pictures)
    images = [Image(picture.name, f"{_IMAGES}/{picture.name}.png", picture.alt) for picture in pictures]
    _write(place / "report.md", markdown(numbers, images).encode())
    page = place / "report.html"
    _write(page, webpage(numbers, pictures).encode())
    progress.finish()
    return page


def _write_images(folder: Path, pictures: Iterable[Drawn]) -> None:
    """The images, and none of an earlier report."""
    written = {f"{picture.name}.png": picture.png for picture in pictures}
    for old in folder.glob("*.png"):
        if old.name not in written:
            old.unlink()
    for name, image in written.items():
        _write(folder / name, image)


def _write(path: Path, content: bytes) -> None:
    with atomic(path) as file:
        file.write(content)
