"""What can be calibrated: a function from answers to their scores, or to None where one has none.

Two kinds are here: a scorer of the registry, and the scores that files of rows carry already. `pupils` has the third.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from phase0.calibration.labels import Answer
from phase0.dataset import BadRow, Dropped, expand, meta_folder, raw_rows, read, read_records
from phase0.dataset.rows import NOT_JSON
from phase0.errors import DataError, UsageError, near_miss
from phase0.records import DIMENSIONS, Record, Scores, decode
from phase0.registry import load
from phase0.stages.judges import SCORERS


class Scorer(Protocol):
    """Scores of answers, in their order; None where one has none, which is counted and left out."""

    def __call__(self, answers: Sequence[Answer], /) -> Iterator[Scores | float | None]: ...


def registered(name: str) -> Scorer:
    """A scorer of the registry. Raises UsageError for an unknown name."""
    if name not in SCORERS:
        raise UsageError(
            f"{name!r} is no scorer of this process.{near_miss(name, SCORERS)} Known: {', '.join(sorted(SCORERS))}. A "
            "model over the network is measured by its rows: `--rows FILE` writes what to score, `--scored` reads it."
        )
    judge = load("scorer", SCORERS, name)

    def scores(answers: Sequence[Answer]) -> Iterator[Scores | None]:
        for answer in answers:
            yield judge(answer.instruction, answer.response, system=answer.system, history=answer.history).scores

    return scores


def carried(files: Iterable[str | Path]) -> Scorer:
    """The scores that rows carry, looked up. Raises DataError as `scores_in` does."""
    found = scores_in(files)
    return lambda answers: map(found.get, answers)


def carries_scores(path: Path) -> bool:
    """Whether a file is one that `phase0 score` writes, by its first row; labels are in other layouts."""
    first = next(iter(read(path)), None)
    if first is None:
        return (meta_folder(path) / "dropped.jsonl").exists()
    return not isinstance(first, BadRow) and isinstance(first.data, dict) and "quality_score" in first.data


def scores_in(files: Iterable[str | Path]) -> dict[Answer, Scores | float]:
    """The scores that rows carry: those that `phase0 score` kept, and beside them those that it dropped.

    Raises DataError where no row carries a score, or one answer carries two.
    """
    found: dict[Answer, Scores | float] = {}
    paths = expand(files)
    for path in paths:
        for record in _records(path):
            score = record.meta.scores or record.quality_score
            if score is None or record.response is None:
                continue
            answer = Answer(record.instruction, record.response, record.system, record.history)
            if found.setdefault(answer, score) != score:
                raise DataError(
                    f"{path}: two rows with the same answer to {record.instruction[:60]!r} carry different scores; "
                    "give --scored the output of one scorer"
                )
    if not found:
        raise DataError(f"{', '.join(map(str, paths))}: no row has a score; `phase0 score` writes such files")
    return found


def _records(path: Path) -> Iterator[Record]:
    for item in read_records(path):
        if isinstance(item, BadRow):
            raise DataError(f"{path}: row {item.line}: {item.error}")
        yield item[2]
    dropped = meta_folder(path) / "dropped.jsonl"
    if dropped.exists():
        for row in raw_rows(dropped):
            if not isinstance(row, BadRow):
                yield from _dropped(row[1])


def _dropped(line: bytes) -> Iterator[Record]:
    """The row of a line of `dropped.jsonl`; none where what was dropped was no row."""
    try:
        yield decode(msgspec.json.decode(line, type=Dropped).row)
    except NOT_JSON:
        return


def value_of(score: Scores | float | None) -> float | None:
    """What answers are ranked by: the mean of the four dimensions before it is rounded, so that fewer of them tie."""
    if not isinstance(score, Scores):
        return score
    tenths: int = sum(round(getattr(score, dimension) * 10) for dimension in DIMENSIONS)
    return tenths / (10 * len(DIMENSIONS))
