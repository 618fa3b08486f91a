"""Distil a judge: it labels some rows, a student learns from them, and an audit decides whether the student may score.

Labels are bought in rounds until the audit states the agreement that was asked for; if it never does, the judge judges
every row. Nothing is bought in vain: whatever row the judge saw keeps the judge's verdict.

Shapes: N rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from phase0.scoring.audit import (
    Draw,
    Findings,
    Step,
    Terms,
    agreement,
    audit_rows,
    band,
    check_terms,
    compared,
    next_step,
    worthwhile,
)
from phase0.scoring.features import Features
from phase0.scoring.sampling import Frame, blind, covering
from phase0.scoring.student import Cut, Predicted, fit, joined

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from phase0.scoring.sampling import Mask, Numbers

    Labels: TypeAlias = npt.NDArray[np.float64]
    Who: TypeAlias = npt.NDArray[np.int8]

Judge = Callable[["Numbers"], "Labels"]
"""Asks about some rows: (rows, 4) scores in the order of DIMENSIONS, NaN where the judge gave no number."""

BY_STUDENT, AS_LABEL, IN_AUDIT, IN_DOUBT, FALLEN_BACK = range(5)
"""Who scored a row: the student, or the judge, and then why."""

LEAST_LABELS = 50  # that have numbers: fewer teach nothing


class Rows(Protocol):
    """The rows that are to be judged, however many there are. No two of them ask the judge the same."""

    @property
    def frame(self) -> Frame: ...

    def some(self, numbers: Numbers) -> Features:
        """The features of these rows, in the order of `numbers`."""
        ...

    def blocks(self) -> Iterator[Features]:
        """The features of all rows in their order, so many at a time as fit in memory."""
        ...


class Held(NamedTuple):
    """Rows whose features fit in memory."""

    frame: Frame
    features: Features

    def some(self, numbers: Numbers) -> Features:
        return self.features.at(numbers)

    def blocks(self) -> Iterator[Features]:
        yield self.features


class Round(NamedTuple):
    """One attempt: from how many labels, and how the audit went. None: the labels were too few to learn from."""

    labels: int
    unread: int  # of the labels: the judge gave no number
    doubtful: int | None  # rows that would have gone back to the judge
    findings: Findings | None
    off: float | None  # points, on average: how far the student's quality is from the judge's, where it may score
    stated: float | None  # the agreement over all rows that the audit states
    step: Step


class Distilled(NamedTuple):
    """Who scored each row, and how: NaN where that was the judge, and it gave no number."""

    who_N: Who  # noqa: N815
    scores_N4: Labels  # noqa: N815
    rounds: tuple[Round, ...]

    @property
    def accepted(self) -> Round | None:
        """The round whose student was accepted; None where the judge judged every row."""
        return self.rounds[-1] if self.rounds and self.rounds[-1].step == "accept" else None


def distil(rows: Rows, judge: Judge, cut: Cut, terms: Terms, *, seed: int = 0) -> Distilled:
    """Have every row scored, by the judge or by its student.

    The judge is asked about labels and audit, then about further labels if it must be, last about the rows in doubt.
    The same rows, verdicts and seed give the same result in whatever order the rows come. Raises UsageError for terms
    that mean nothing, and without the extra `student`.
    """
    import numpy as np

    check_terms(terms)
    count = len(rows.frame.keys_N)
    who, scores = np.full(count, BY_STUDENT, np.int8), np.full((count, 4), np.nan)

    def ask(chosen: Numbers) -> None:
        if len(chosen):
            scores[chosen] = judge(chosen)

    def ask_about(chosen: Mask, why: int) -> None:
        who[chosen] = why
        ask(np.flatnonzero(chosen))

    labels = math.ceil(count * terms.judge_share)
    draw = Draw(count, count - labels, audit_rows(count, terms))
    rounds: list[Round] = []
    if not worthwhile(draw):
        ask_about(who == BY_STUDENT, FALLEN_BACK)
        return Distilled(who, scores, ())
    who[covering(rows.frame, who == BY_STUDENT, labels, seed=seed)] = AS_LABEL
    who[blind(rows.frame, who == BY_STUDENT, draw.audited, seed=seed)] = IN_AUDIT
    ask(np.flatnonzero(who != BY_STUDENT))
    while True:
        tried = _attempt(rows, who, scores, cut=cut, terms=terms, draw=draw, number=len(rounds) + 1)
        rounds.append(tried.round)
        if tried.round.step != "more labels":
            break
        more = covering(rows.frame, who == BY_STUDENT, tried.round.labels, seed=seed + len(rounds))
        who[more] = AS_LABEL
        ask(more)
    if tried.predicted is None or tried.round.step == "full judge":
        ask_about(who == BY_STUDENT, FALLEN_BACK)
    else:
        ask_about((who == BY_STUDENT) & tried.doubtful_N, IN_DOUBT)
        scores[who == BY_STUDENT] = tried.predicted.scores_R4[who == BY_STUDENT]
    return Distilled(who, scores, tuple(rounds))


class _Attempt(NamedTuple):
    """A round, and what its student says of every row."""

    round: Round
    predicted: Predicted | None
    doubtful_N: Mask  # noqa: N815


def _attempt(rows: Rows, who: Who, scores: Labels, *, cut: Cut, terms: Terms, draw: Draw, number: int) -> _Attempt:
    """Teach a student all labels there are, choose its band of doubt, and hold the rest of it against the audit."""
    import numpy as np

    labelled, audit, open_ = np.flatnonzero(who == AS_LABEL), who == IN_AUDIT, who != AS_LABEL
    unread = int(np.isnan(scores[labelled]).any(axis=1).sum())
    doubtful = np.zeros(len(who), np.bool_)
    if len(labelled) - unread < LEAST_LABELS:
        step = next_step(number, None, 0.0, terms)
        return _Attempt(Round(len(labelled), unread, None, None, None, None, step), None, doubtful)
    student = fit(rows.some(labelled), scores[labelled], rows.frame.keys_N[labelled], cut)
    predicted = joined([student.predict(block) for block in rows.blocks()])
    doubtful[open_] = band(predicted.doubts_R[open_], draw, len(labelled), terms)
    unheard = int(np.isnan(scores[audit]).any(axis=1).sum())
    findings = compared(predicted.keeps_R[audit], cut.keeps(scores[audit]), doubtful[audit], unheard)
    own = np.flatnonzero(audit & ~doubtful & ~np.isnan(scores).any(axis=1))
    apart = np.abs(cut.quality(predicted.scores_R4[own]) - cut.quality(scores[own]))
    off = math.fsum(apart) / len(own) if len(own) else None
    stated = agreement(findings.wrong, draw, terms.risk)
    left = who == BY_STUDENT
    step = next_step(number, stated, float(np.mean(left & ~doubtful)), terms)
    told = Round(len(labelled), unread, int((left & doubtful).sum()), findings, off, stated, step)
    return _Attempt(told, predicted, doubtful)
