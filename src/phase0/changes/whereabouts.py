"""Why rows of one side are not among the other's: which of its stages dropped them, as far as its manifests lead.

The same row (question, response and author) counts before another answer to its question, and of several stages that
dropped one the last: it came furthest there. Of equal rows each has an end of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from phase0.changes.found import NOT_TAKEN, NOT_THERE, NOT_TOLD, Whereabouts
from phase0.changes.matching import I64, U64, Digests, found_in, matched
from phase0.changes.reading import DroppedRows, read_dropped, read_questions
from phase0.dataset import Made
from phase0.progress import Progress
from phase0.stages.rounds import in_round, round_of

_ENTERED = "download"  # the stage whose outputs hold every row there was


class Fate(NamedTuple):
    """Where a row ended. `stage` is None where no stage dropped it."""

    stage: str | None
    reason: str


class Fates(NamedTuple):
    """Where rows ended: row r at `known[fate_R[r]]`."""

    known: tuple[Fate, ...]
    fate_R: I64  # noqa: N815 - the suffix is the shape

    def of(self, row: int) -> Fate:
        return self.known[int(self.fate_R[row])]

    def counted(self) -> tuple[Whereabouts, ...]:
        """Rows by where they ended, most of them first."""
        rows = Counter(self.known[number] for number in self.fate_R.tolist())
        ranked = sorted(rows.items(), key=lambda item: (-item[1], item[0].stage or "", item[0].reason))
        return tuple(Whereabouts(stage=fate.stage, reason=fate.reason, rows=count) for fate, count in ranked)


def fates(rows: Digests, made: Sequence[Made], progress: Progress, *, whole: bool) -> Fates:
    """Where rows ended in the run that these steps are, upstream first; without any, nobody tells."""
    known = [Fate(None, NOT_TOLD), Fate(None, NOT_THERE), Fate(None, NOT_TAKEN)]
    found_R = np.zeros(len(rows.line_R), np.int64)  # noqa: N806 - the suffix is the shape
    if not made or not len(found_R):
        return Fates(tuple(known), found_R)
    dropped: list[tuple[int, DroppedRows]] = []
    for step in made:
        if step.manifest.counts.dropped:
            lost = read_dropped(step.path, whole=whole)
            dropped.append((len(known), lost))
            stage = in_round(step.manifest.stage, round_of(step.path))
            known += [Fate(stage, reason) for reason in lost.reasons]
            progress.advance(step.manifest.counts.dropped)
    for first, lost in reversed(dropped):  # each of them is one row of several that are equal
        left = np.flatnonzero(found_R == 0)
        at, by = matched(rows.said()[left], lost.digests.said())
        found_R[left[at]] = first + lost.reason_R[by]
    for first, lost in reversed(dropped):  # a question that was dropped may have had several answers
        left = np.flatnonzero(found_R == 0)
        by = found_in(rows.question_R[left], lost.digests.question_R)
        found_R[left[by >= 0]] = first + lost.reason_R[by[by >= 0]]
    left = np.flatnonzero(found_R == 0)
    if len(left):
        found_R[left] = np.where(_entered(rows.question_R[left], made, whole=whole), 2, 1)
    return Fates(tuple(known), found_R)


def _entered(questions: U64, made: Sequence[Made], *, whole: bool) -> NDArray[np.bool_]:
    """Which questions are among the rows that entered."""
    inside = np.zeros(len(questions), bool)
    for step in made:
        if step.manifest.stage == _ENTERED and step.path.is_file():
            inside |= np.isin(questions, read_questions(step.path, whole=whole))
    return inside
