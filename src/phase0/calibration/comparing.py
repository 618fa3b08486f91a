"""Calibration of a scorer: every labelled answer is scored once, and the scores compared with the labels.

What cannot be compared is counted: a label that says nothing of which answer is better, an answer without a score.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from phase0.calibration.agreement import Whole
from phase0.calibration.labels import Answer, Group, Labels, Pair, Point
from phase0.calibration.layouts import load
from phase0.calibration.lessons import lessons_in, lessons_of
from phase0.calibration.measuring import Resampling, Rows, figures
from phase0.calibration.pupils import Pupils
from phase0.calibration.results import Calibration
from phase0.calibration.scorers import Scorer, carried, registered, value_of
from phase0.dataset import expand
from phase0.errors import UsageError
from phase0.progress import SILENT, Progress

STUDENT = "student"


def calibrate(
    labels: Iterable[str | Path],
    *,
    model: str = "local",
    scored: Iterable[str | Path] = (),
    train: Iterable[str | Path] = (),
    threshold: float = 7.0,
    bootstrap: int = 1000,
    seed: int = 0,
    progress: Progress = SILENT,
) -> list[Calibration]:
    """Measure how well a scorer agrees with each file of labels, against "the longer answer wins" and chance.

    The scorer is `model` of the registry, or the scores that the rows of `scored` carry (files that `phase0 score`
    wrote; what it dropped beside them is read too), or, with `model="student"`, a student that learns from `train`:
    such files, or labels in any layout. Without `train` it learns from the file that it is measured on. Either way no
    answer is scored by a student that was taught its question. An answer without a score is left out and counted.
    `threshold` is the score above which a row counts as good where labels say only good or bad. Raises UsageError for
    an unknown model, DataError for a file that holds no labels or too few to learn from.
    """
    if bootstrap < 1:
        raise UsageError(f"bootstrap is {bootstrap}, but an interval needs resamples: 1000 is usual")
    carrying, lessons = [str(path) for path in scored], [str(path) for path in train]
    if lessons and (carrying or model != STUDENT):
        raise UsageError(f"{lessons[0]} is for a student to learn from, and none is measured: `--model student` is one")
    settings = _Settings(threshold, Resampling(bootstrap, seed))
    if model == STUDENT and not carrying:
        names = " ".join(Path(path).name for path in lessons)
        pupils = Pupils(lessons_in(lessons, threshold), names, threshold, progress) if lessons else None
        return [_of_student(path, pupils, settings, progress) for path in expand(labels)]
    scorer = carried(carrying) if carrying else registered(model)
    name = " ".join(carrying) or model
    return [
        _compared(path, _paired(load(path)), scorer, model=name, settings=settings, progress=progress)
        for path in expand(labels)
    ]


class _Settings(NamedTuple):
    """What is the same for all files."""

    threshold: float
    draws: Resampling


def _of_student(path: Path, pupils: Pupils | None, settings: _Settings, progress: Progress) -> Calibration:
    """One file, measured by students of other labels, or of its own."""
    labels = load(path)
    threshold = settings.threshold
    pupils = pupils or Pupils(lessons_of(labels, threshold), path.name, threshold, progress)
    labels = _paired(labels)
    found = _compared(path, labels, pupils, model=pupils.name, settings=settings, progress=progress)
    return msgspec.structs.replace(found, taught=pupils.taught(_answers(labels)))


def _compared(
    path: Path, labels: Labels, scorer: Scorer, *, model: str, settings: _Settings, progress: Progress
) -> Calibration:
    """One file: its figures as a whole, and those of each group."""
    known = _known(labels, _scores(labels, scorer, path, progress))
    threshold, draws = settings

    def measured(by: str | None, pairs: Rows, points: Rows, left_out: dict[str, int]) -> Calibration:
        found = figures(pairs, points, labels.scale, all_with_all=not labels.pairs, threshold=threshold, draws=draws)
        return Calibration(
            labels=str(path),
            model=model,
            groups={},
            by=by,
            left_out=left_out,
            bootstrap=draws.times,
            seed=draws.seed,
            **found,
        )

    groups = {
        name: measured(group.by, *known.only(group), left_out={}) for name, group in _named(known.groups()).items()
    }
    whole = measured(None, known.of_pairs, known.of_points, _left_out(labels, known))
    return msgspec.structs.replace(whole, groups=groups)


def _paired(labels: Labels) -> Labels:
    """With the pairs that points make: answers to one question with different scores, where most have a rival.

    Where most questions were answered once, or labels say only good or bad, no pairs are made: rows of different
    questions are compared then, all with all.
    """
    if labels.pairs or labels.scale is None or labels.scale.marks:
        return labels
    rivals: dict[Answer, list[Point]] = defaultdict(list)
    for point in labels.points:
        rivals[point.answer._replace(response="")].append(point)
    if 2 * sum(len(points) for points in rivals.values() if len(points) > 1) <= len(labels.points):
        return labels
    pairs = [
        Pair(a.answer, b.answer, b.score - a.score, tuple(dict.fromkeys((*a.groups, *b.groups))))
        for points in rivals.values()
        for a, b in combinations(points, 2)
        if a.score != b.score
    ]
    return labels._replace(pairs=pairs)


def _answers(labels: Labels) -> list[Answer]:
    """Every labelled answer once."""
    answers = dict.fromkeys(answer for pair in labels.pairs for answer in (pair.first, pair.second))
    return list(answers | dict.fromkeys(point.answer for point in labels.points))


def _scores(labels: Labels, scorer: Scorer, path: Path, progress: Progress) -> dict[Answer, float]:
    """The score of every answer that has one; each is judged once."""
    answers = _answers(labels)
    progress.start(f"score {path.name}", len(answers), "answers")
    scores = {}
    for answer, said in zip(answers, scorer(answers), strict=True):
        score = value_of(said)
        if score is not None:
            scores[answer] = score
        progress.advance(1)
    progress.finish()
    return scores


class _Known(NamedTuple):
    """The labels whose answers have scores, as they are and as columns."""

    pairs: list[Pair]
    points: list[Point]
    of_pairs: Rows
    of_points: Rows

    def groups(self) -> list[Group]:
        """The groups, sorted, but for those that hold every row: one annotator of a whole file is no group."""
        found = set()
        for rows in (self.pairs, self.points):
            sizes = Counter(group for row in rows for group in dict.fromkeys(row.groups))
            found |= {group for group, size in sizes.items() if size < len(rows)}
        return sorted(found)

    def only(self, group: Group) -> tuple[Rows, Rows]:
        """The columns of one group."""
        return self.of_pairs.only(_places(self.pairs, group)), self.of_points.only(_places(self.points, group))


def _places(rows: Sequence[Pair | Point], group: Group) -> Whole:
    return np.array([place for place, row in enumerate(rows) if group in row.groups], dtype=np.int64)


def _named(groups: Iterable[Group]) -> dict[str, Group]:
    """By name; where two things that divide the file have a name in common, by both."""
    groups = list(groups)
    times = Counter(group.name for group in groups)
    return {group.name if times[group.name] == 1 else f"{group.by} {group.name}": group for group in groups}


def _known(labels: Labels, scores: Mapping[Answer, float]) -> _Known:
    pairs = [pair for pair in labels.pairs if pair.first in scores and pair.second in scores]
    points = [point for point in labels.points if point.answer in scores]
    of_pairs = Rows(
        # Two means that are equal in tenths may differ in their last bit; they must tie.
        np.array([round(scores[pair.second] - scores[pair.first], 6) for pair in pairs], dtype=float),
        np.array([len(pair.second.response) - len(pair.first.response) for pair in pairs], dtype=float),
        np.array([pair.preference for pair in pairs], dtype=float),
        _questions(pair.first for pair in pairs),
    )
    of_points = Rows(
        np.array([scores[point.answer] for point in points], dtype=float),
        np.array([len(point.answer.response) for point in points], dtype=float),
        np.array([point.score for point in points], dtype=float),
        _questions(point.answer for point in points),
    )
    return _Known(pairs, points, of_pairs, of_points)


def _questions(answers: Iterable[Answer]) -> Whole:
    """The number of each answer's question, in the order in which they come."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(answer.instruction, len(numbers)) for answer in answers], dtype=np.int64)


def _left_out(labels: Labels, known: _Known) -> dict[str, int]:
    counts = Counter(labels.left_out)
    counts["unscored"] += len(labels.pairs or labels.points) - len(known.pairs if labels.pairs else known.points)
    return {reason: count for reason, count in sorted(counts.items()) if count}
