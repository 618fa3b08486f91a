"""Reports: what a run or a dataset is made of, as numbers (`report.json`), as a page to look at (`report.html`), as one
for places without HTML (`report.md` with its images), and as the card that the hub shows (`README.md`)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from phase0.dataset import atomic, meta_folder, write_json
from phase0.errors import UsageError
from phase0.progress import SILENT, Progress

if TYPE_CHECKING:
    from phase0.report.drawing import Drawn
    from phase0.report.numbers import Numbers

__all__ = ["CARD", "Told", "gather_from", "is_ours", "put_card", "write_card", "write_report"]

CARD = "README.md"
_DATASET = "dataset.jsonl"
_IMAGES = "report.images"


class Told(NamedTuple):
    """The numbers of a dataset, where it is, and where what is said of it goes."""

    numbers: Numbers
    dataset: Path
    place: Path


def write_report(target: str | Path, *, progress: Progress = SILENT) -> Path:
    """Write `report.html`, `report.json`, `report.md` with its `report.images/`, and the card, for the folder of a run
    or for a dataset file that phase0 made.

    They go into the folder of the run, or into `X.meta/` beside `X.jsonl`. A card that somebody else wrote stays.
    Returns the path of `report.html`. Raises UsageError where there is no dataset, DataError where no manifest tells
    how it was made.
    """
    from phase0.report.charts import charts
    from phase0.report.drawing import drawn
    from phase0.report.markdown import Image, markdown
    from phase0.report.webpage import webpage

    told = gather_from(target, look=True, progress=progress)
    pictures = list(drawn(charts(told.numbers)))
    write_json(told.place / "report.json", told.numbers)
    _put_images(told.place / _IMAGES, pictures)
    images = [Image(picture.name, f"{_IMAGES}/{picture.name}.png", picture.alt) for picture in pictures]
    _put(told.place / "report.md", markdown(told.numbers, images).encode())
    page = told.place / "report.html"
    _put(page, webpage(told.numbers, pictures).encode())
    if is_ours(told.place / CARD):
        put_card(told)
    else:
        progress.warn(f"{told.place / CARD} was not written by phase0, so it stays as it is")
    return page


def write_card(target: str | Path, *, progress: Progress = SILENT) -> Path:
    """Write the dataset's card, `README.md` with the hub's header, where the report goes; returns its path.

    Raises UsageError where that file is somebody's own, and as `write_report` does.
    """
    told = gather_from(target, progress=progress)
    page = told.place / CARD
    if not is_ours(page):
        raise UsageError(f"{page} was not written by phase0, so it stays as it is. Move it away to have one written.")
    return put_card(told)


def gather_from(target: str | Path, *, look: bool = False, progress: Progress = SILENT) -> Told:
    """The numbers of a run's folder or of a dataset file, with `look` also those that rows alone tell."""
    from phase0.report.numbers import gather

    dataset, root, place = located(target)
    progress.start("report", None)
    numbers = gather(dataset, root, place, look=look, progress=progress)
    progress.finish()
    return Told(numbers, dataset, place)


def located(target: str | Path) -> tuple[Path, Path, Path]:
    """The dataset of a run's folder or the dataset file itself, what its names start from, and where its reports lie.
    Raises UsageError where there is no dataset."""
    target = Path(target)
    is_run = target.is_dir()
    dataset = target / _DATASET if is_run else target
    if not dataset.is_file():
        why = f"there is no {_DATASET} in it; is it a run, and finished?" if is_run else "there is no such file"
        raise UsageError(f"{target}: {why}")
    return (dataset, target, target) if is_run else (dataset, target.parent, meta_folder(target))


def is_ours(page: Path) -> bool:
    """Whether a card may be written there: nothing is there, or one of phase0's own with its mark still in it."""
    from phase0.report.card import MARK

    try:
        return MARK.encode() in page.read_bytes()
    except FileNotFoundError:
        return True


def put_card(told: Told) -> Path:
    """Write the card of these numbers; returns its path."""
    from phase0.report.card import card

    _put(told.place / CARD, card(told.numbers).encode())
    return told.place / CARD


def _put_images(folder: Path, pictures: Iterable[Drawn]) -> None:
    """The images, and none of an earlier report."""
    images = {f"{picture.name}.png": picture.png for picture in pictures}
    for old in folder.glob("*.png"):
        if old.name not in images:
            old.unlink()
    for name, image in images.items():
        _put(folder / name, image)


def _put(path: Path, content: bytes) -> None:
    with atomic(path) as file:
        file.write(content)
