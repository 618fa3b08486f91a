"""Which files hold the rows of a run or of a dataset that are viewed, and where their index and their labels lie."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from phase0.dataset import Made, meta_folder
from phase0.dataset.containers import stem
from phase0.errors import DataError, UsageError
from phase0.records import digest
from phase0.stages.publish import FULL
from phase0.stages.rounds import in_round, round_of
from phase0.story import steps
from phase0.workspace import MARK, workspace_of

FORMAT = 2  # of the index: raised when an older one would be misread


class Source(NamedTuple):
    """A file of rows: those that a stage kept, or `dropped.jsonl` with those that it did not."""

    path: Path
    name: str  # what the file is called on the page
    stage: str
    dropped: bool


class Places(NamedTuple):
    """What is viewed, and what is kept beside it."""

    target: Path
    sources: tuple[Source, ...]
    index_file: Path
    labels: Path
    made: bool  # whether phase0 made it: only then rows have a story

    def fingerprint(self) -> str:
        """Changes with every file that is viewed: an index of another fingerprint is of no use."""
        marks = []
        for source in self.sources:
            status = source.path.stat()
            marks.append((str(source.path), source.stage, source.dropped, status.st_size, status.st_mtime_ns))
        return digest([FORMAT, *marks])


def places(target: str | Path) -> Places:
    """The files behind a run's folder or a dataset's file.

    Of a run these are the rows that nothing came after, which are the finished dataset where there is one, and all that
    its stages dropped. Raises UsageError where there is nothing to view.
    """
    target = Path(target)
    if not target.exists():
        raise UsageError(f"{target}: there is no such file or folder")
    if target.is_dir():
        return Places(target, _of_run(steps(target)), target / MARK / "view.sqlite", target / "labels.jsonl", made=True)
    try:
        found, made = _of_run(steps(target), only=target.resolve()), True
    except DataError:  # a file that phase0 did not make has rows all the same
        found, made = (Source(target.resolve(), target.name, "file", dropped=False),), False
    mark = hashlib.blake2b(str(target.resolve()).encode(), digest_size=4).hexdigest()
    index = workspace_of(target) / MARK / "view" / f"{stem(target)}-{mark}.sqlite"
    return Places(target, found, index, meta_folder(target) / "labels.jsonl", made=made)


def _of_run(made: list[Made], only: Path | None = None) -> tuple[Source, ...]:
    """Kept rows of the last steps, then dropped rows of every step, in the order of the steps."""
    used = {(step.path.parent / source.path).resolve() for step in made for source in step.manifest.inputs}
    ends = [step for step in made if (step.path == only if only else step.path not in used) and step.path.is_file()]
    kept = [_kept(step) for step in ends]
    lost = [_lost(step) for step in made if step.manifest.counts.dropped]
    return (*kept, *(source for source in lost if source.path.is_file()))


def _kept(step: Made) -> Source:
    """A published file is viewed through its full rows, which have ids, categories and scores."""
    full = meta_folder(step.path) / FULL
    whole = step.manifest.stage == "publish" and full.is_file()
    return Source(full if whole else step.path, step.path.name, _stage(step), dropped=False)


def _lost(step: Made) -> Source:
    return Source(meta_folder(step.path) / "dropped.jsonl", step.path.name, _stage(step), dropped=True)


def _stage(step: Made) -> str:
    return in_round(step.manifest.stage, round_of(step.path))
