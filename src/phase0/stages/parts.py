"""Work cut into parts that any process may do: a part is written to two files, and the parts are joined in order.

Rows never cross a process border; sums and names of files do. So results depend neither on the number of workers nor
on who is done first, nor on how often a part is done: its files take their names when they are whole.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from phase0.dataset import BadRow, Manifest, Span, manifest_of, meta_folder, read_records, split, whole
from phase0.dataset.manifest import dropped
from phase0.engine import Engine
from phase0.errors import DataError
from phase0.progress import Progress
from phase0.records import Record
from phase0.stages.output import StageOutput, Sums, evidence_of, stage_output

SPAN = 2 << 20  # bytes of input to a part: about a second of scoring, so that progress is seen


Key: TypeAlias = tuple[Any, ...]
"""What is counted: its kind, then its values."""

Tallied: TypeAlias = tuple[Key, ...]


class Kept(NamedTuple):
    """A row that a stage keeps, as it is to be written."""

    raw: bytes
    tally: Tallied = ()  # counted in the stage's figures


class Lost(NamedTuple):
    """A row that a stage drops, and why."""

    raw: bytes
    line: int
    reason: str
    evidence: dict[str, Any]
    tally: Tallied = ()


class Part(NamedTuple):
    """What one worker made of one item."""

    kept: Path
    lost: Path
    sums: Sums
    tally: dict[Key, int]


Transform = Callable[[bytes, Record], Kept | Lost]
"""Decides one row from its bytes and its record. Must be picklable and pure."""


def write_part(place: Path, *, stage: str, file: str, outcomes: Iterable[Kept | Lost], sums: Sums) -> Part:
    """Write what became of each row to `place`.kept and `place`.lost."""
    kept, lost, tally = place.with_suffix(".kept"), place.with_suffix(".lost"), Counter[Key]()
    with whole(kept) as good, whole(lost) as bad:
        for outcome in outcomes:
            if isinstance(outcome, Kept):
                good.write(outcome.raw + b"\n")
                sums.kept += 1
            else:
                raw, line, reason, evidence, _ = outcome
                bad.write(dropped(stage=stage, reason=reason, evidence=evidence, file=file, line=line, raw=raw) + b"\n")
                sums.reasons[reason] += 1
            tally.update(outcome.tally)
    return Part(kept, lost, sums, dict(tally))


@contextmanager
def parts_folder(out: StageOutput) -> Iterator[Path]:
    """A folder for the parts of this stage, gone afterwards. What a killed run left is removed first."""
    meta = meta_folder(out.path)
    for old in meta.glob(".parts-*"):
        shutil.rmtree(old, ignore_errors=True)
    folder = meta / f".parts-{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def each_record(
    stage: str,
    transform: Transform,
    inputs: Sequence[Path],
    output: Path,
    *,
    settings: dict[str, Any],
    engine: Engine,
    progress: Progress,
    figures: Callable[[Counter[Key]], dict[str, Any]],
) -> Manifest:
    """A stage that looks at one row at a time: `transform` over every row of every input, in any number of processes.

    `figures` makes the manifest's figures out of the tallies.
    """
    with stage_output(stage, output, inputs, settings) as out, parts_folder(out) as folder:
        spans = [(number, span) for number, path in enumerate(inputs) for span in split(path, SPAN)]
        total = None if any(span.rows is None for _, span in spans) else sum(span.rows or 0 for _, span in spans)
        progress.start(stage, total)
        items = [(folder / f"{at:06}", out.names[number], span) for at, (number, span) in enumerate(spans)]
        tally: Counter[Key] = Counter()
        for (number, _), part in zip(spans, engine.map(partial(_work, stage, transform), items), strict=True):
            join(out, part, number)
            tally.update(part.tally)
            progress.advance(part.sums.read)
        out.figures = figures(tally)
        progress.finish()
    return finished(output)


def join(out: StageOutput, part: Part, file: int) -> None:
    """Append a part to the output and forget its files."""
    out.add(part.kept, part.lost, part.sums, file)
    part.kept.unlink()
    part.lost.unlink()


def finished(output: Path) -> Manifest:
    """The manifest that was just written."""
    manifest = manifest_of(output)
    if manifest is None:
        raise DataError(f"{output}: its manifest is gone although it was just written")
    return manifest


def numbered(paths: Sequence[Path]) -> Iterator[tuple[int, BadRow | tuple[int, bytes, Record]]]:
    """The rows of all inputs, each with the number of its file."""
    for number, path in enumerate(paths):
        for item in read_records(path):
            yield number, item


def _work(stage: str, transform: Transform, item: tuple[Path, str, Span]) -> Part:
    place, name, span = item
    sums = Sums()
    return write_part(place, stage=stage, file=name, outcomes=_outcomes(transform, span, sums), sums=sums)


def _outcomes(transform: Transform, span: Span, sums: Sums) -> Iterator[Kept | Lost]:
    for item in read_records(span):
        sums.read += 1
        if isinstance(item, BadRow):
            yield bad_row(item)
            continue
        line, raw, record = item
        outcome = transform(raw, record)
        yield outcome if isinstance(outcome, Kept) else outcome._replace(line=line)


def bad_row(row: BadRow) -> Lost:
    """What becomes of a row that cannot be read."""
    return Lost(row.raw, row.line, row.error.reason, evidence_of(row.error))
