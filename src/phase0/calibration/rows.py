"""Labelled answers as standard rows, so that any judge can score them with `phase0 score`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from phase0.calibration.labels import Answer
from phase0.calibration.layouts import load
from phase0.dataset import expand, writer
from phase0.dataset.containers import stem
from phase0.errors import RowError
from phase0.records import Meta, Origin, encode, make

SOURCE = "labelled"  # whoever wrote an answer, a judge must not know


def write_answers(labels: Iterable[str | Path], output: str | Path) -> int:
    """Write every labelled answer once, as rows for `phase0 score`; how many there are.

    `phase0.calibrate(labels, scored=[…])` finds their scores again by what they say. An answer that no row may hold
    (an empty instruction) is not written, and is left out there as unscored.
    """
    answers: dict[Answer, str] = {}
    for path in expand(labels):
        read = load(path)
        in_order = [answer for pair in read.pairs for answer in (pair.first, pair.second)]
        for answer in (*in_order, *(point.answer for point in read.points)):
            answers.setdefault(answer, stem(path))
    written = 0
    with writer(Path(output)) as file:
        for answer, dataset in answers.items():
            try:
                record = make(
                    instruction=answer.instruction,
                    response=answer.response,
                    source=SOURCE,
                    system=answer.system,
                    history=answer.history,
                    meta=Meta(origin=Origin(dataset=dataset, revision=None, row=str(written + 1))),
                )
            except RowError:
                continue
            file.write(encode(record))
            written += 1
    return written
