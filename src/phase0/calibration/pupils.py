"""A student as a scorer: it is taught labelled answers, and never scores an answer to a question that it was taught.

Questions are dealt to folds by a hash of their words. An answer to a question that is among the lessons is scored by a
student of the other folds; one to any other question by a student of all lessons. It is the student of `phase0 score
--scorer student`, with the same features, taught by the same code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import xxhash

from phase0.calibration.labels import Answer
from phase0.calibration.lessons import Lessons
from phase0.calibration.results import Taught
from phase0.errors import DataError
from phase0.progress import Progress
from phase0.records import DIMENSIONS, Scores, canonical
from phase0.scoring.distilling import LEAST_LABELS
from phase0.text import tokens

if TYPE_CHECKING:
    from phase0.scoring.features import Features
    from phase0.scoring.student import Student

FOLDS = 5
_MANY = 1_000  # answers whose features are made together
_ALL = -1  # in place of a fold: nothing is held out


class Pupils:
    """Students of the same lessons, each without the questions of one fold. They are taught when they are needed."""

    def __init__(self, lessons: Lessons, name: str, threshold: float, progress: Progress) -> None:
        self.name = f"student of {name}"
        self._lessons, self._threshold, self._progress = lessons, threshold, progress
        self._questions = {_question(answer): _fold_of(answer) for answer in lessons}
        self._students: dict[int, Student] = {}
        self._features: Features | None = None

    def __call__(self, answers: Sequence[Answer]) -> Iterator[Scores]:
        """Scores in tenths, as the stage would write them. Raises UsageError without the extra `student`."""
        import numpy as np

        for start in range(0, len(answers), _MANY):
            block = answers[start : start + _MANY]
            seen, folds = _features(block), np.array([self._fold(answer) for answer in block])
            scores = np.empty((len(block), len(DIMENSIONS)))
            for fold in np.unique(folds).tolist():
                mine = np.flatnonzero(folds == fold)
                scores[mine] = self._student(fold).predict(seen.at(mine)).scores_R4
            for row in scores.tolist():
                yield Scores(**dict(zip(DIMENSIONS, row, strict=True)))

    def taught(self, answers: Sequence[Answer]) -> Taught:
        """What the students were taught, and how many of these answers are to questions that had to be held out."""
        held_out = sum(self._fold(answer) != _ALL for answer in answers)
        return Taught(len(self._lessons), len(self._questions), held_out)

    def _fold(self, answer: Answer) -> int:
        return self._questions.get(_question(answer), _ALL)

    def _student(self, fold: int) -> Student:
        """The student of all lessons but those of one fold. Raises DataError where too few are left."""
        if fold not in self._students:
            self._students[fold] = self._teach(fold)
        return self._students[fold]

    def _teach(self, fold: int) -> Student:
        import numpy as np

        from phase0.scoring.student import Cut, fit

        if self._features is None:
            self._features = _features(list(self._lessons))
        chosen = np.array([at for at, answer in enumerate(self._lessons) if _fold_of(answer) != fold], np.int64)
        if len(chosen) < LEAST_LABELS:
            raise DataError(
                f"{self.name}: {len(chosen):,} of its {len(self._lessons):,} labelled answers are to questions other "
                f"than those that are scored, and a student learns from at least {LEAST_LABELS}"
            )
        labels = np.array(list(self._lessons.values()))
        keys = np.array([_key(answer) for answer in self._lessons], np.uint64)
        self._progress.say(f"{self.name}: taught {len(chosen):,} of {len(labels):,} answers")
        return fit(self._features.at(chosen), labels[chosen], keys[chosen], Cut(self._threshold))


def _features(answers: Sequence[Answer]) -> Features:
    from phase0.scoring.features import Exchange, features, stacked

    blocks = (answers[start : start + _MANY] for start in range(0, len(answers), _MANY))
    return stacked([features([Exchange(*answer) for answer in block]) for block in blocks])


def _question(answer: Answer) -> str:
    """A question by its words: files that hold the same one differ in spaces and capitals."""
    return " ".join(tokens(answer.instruction))


def _fold_of(answer: Answer) -> int:
    return xxhash.xxh3_64_intdigest(_question(answer).encode()) % FOLDS


def _key(answer: Answer) -> int:
    history = [(turn.role, turn.content) for turn in answer.history]
    return xxhash.xxh3_64_intdigest(canonical((answer.system, history, answer.instruction, answer.response)))
