"""Layouts of label files: each turns the rows of a file into pairs and points, and counts what it leaves out.

A layout never guesses: a draw, a failed annotation and a score off the scale are left out and counted by name.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from phase0.calibration.labels import Answer, Group, Labels, Pair, Point, Scale
from phase0.dataset import BadRow, read
from phase0.errors import DataError
from phase0.records import Turn

GOOD, BAD = 1.0, 0.0
_RANDOM = "random_9k.json"  # the one list of AlpaGasus that was not chosen by its ratings
_FIVE, _TEN = Scale(1, 5), Scale(1, 10)


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    instruction: str
    system: str | None = None
    history: tuple[Turn, ...] = ()

    def answer(self, response: str) -> Answer:
        return Answer(self.instruction, response, self.system or None, self.history)


class _Named(_Asked, frozen=True, kw_only=True):
    annotator: str | None = None
    model: str | None = None
    model_a: str | None = None
    model_b: str | None = None
    subset: str | None = None

    def groups(self) -> tuple[Group, ...]:
        models = dict.fromkeys((self.model, self.model_a, self.model_b))
        named = (("annotator", self.annotator), *(("model", model) for model in models), ("subset", self.subset))
        return tuple(Group(by, name) for by, name in named if name)


class _Preference(_Named, frozen=True, kw_only=True):
    response_a: str
    response_b: str
    preference: float | Literal["a", "b", "tie"] | None


class _Reviewed(_Named, frozen=True, kw_only=True):
    response_a: str
    response_b: str
    score_a: float
    score_b: float


class _Voted(_Asked, frozen=True, kw_only=True):
    response_a: str
    response_b: str
    labels: tuple[Literal[0, 1, 2], ...]
    models: str | None = None


class _Better(_Named, frozen=True, kw_only=True):
    output_1: str
    output_2: str
    label: Literal[1, 2]


class _Scored(_Named, frozen=True, kw_only=True):
    response: str
    score: float | tuple[float | None, ...] | None


class _Marked(_Named, frozen=True, kw_only=True):
    response: str
    label: Literal["good", "bad"] | None


class _Listed(_Asked, frozen=True, kw_only=True):
    response: str
    in_claude_t45: bool
    chosen: str = msgspec.field(name="from")


class Layout(NamedTuple):
    """A layout: the fields by which it is told, how a row is typed, and what rows of it mean."""

    fields: frozenset[str]
    row: type[Any]
    read: Callable[[Iterable[Any], Counter[str]], tuple[list[Pair], list[Point], Scale | None]]


def load(path: Path) -> Labels:
    """All labels of a file. Raises DataError where it is of no known layout, or holds no label that could be used."""
    rows: list[Mapping[str, Any]] = []
    left_out: Counter[str] = Counter()
    for item in read(path):
        if isinstance(item, BadRow):
            left_out[item.error.reason] += 1
        elif isinstance(item.data, dict):
            rows.append(item.data)
        else:
            left_out["not_an_object"] += 1
    name = _layout_of(path, rows)
    layout = LAYOUTS[name]
    pairs, points, scale = layout.read(_typed(layout, rows, left_out), left_out)
    if not pairs and not points:
        told = ", ".join(f"{reason} {count:,}" for reason, count in sorted(left_out.items()))
        raise DataError(f"{path}: no row of it has a label that says which answer is better ({told or 'it is empty'})")
    return Labels(name, pairs, points, scale, left_out)


def _layout_of(path: Path, rows: list[Mapping[str, Any]]) -> str:
    """The first layout whose fields the first row has."""
    first = rows[0].keys() if rows else frozenset[str]()
    for name, layout in LAYOUTS.items():
        if layout.fields <= first:
            return name
    has = f"its first row has {', '.join(map(repr, first))}" if first else "it has no row"
    raise DataError(
        f"{path}: is no file of labels that phase0 knows; {has}. docs/calibration.md lists the layouts: a pair needs "
        "instruction, response_a, response_b and preference, an answer instruction, response, and score or label."
    )


def _typed(layout: Layout, rows: Iterable[Mapping[str, Any]], left_out: Counter[str]) -> Iterable[Any]:
    for row in rows:
        try:
            yield msgspec.convert(row, layout.row)
        except msgspec.ValidationError:
            left_out["bad_row"] += 1


_Read = tuple[list[Pair], list[Point], Scale | None]


def _preferences(rows: Iterable[_Preference], left_out: Counter[str]) -> _Read:
    """From 1 for the first response to 2 for the second; 0 is an older mark of AlpacaEval for a draw."""
    pairs = []
    for row in rows:
        said = row.preference
        value = {"a": 1.0, "b": 2.0, "tie": 1.5}[said] if isinstance(said, str) else said
        if value is None or value == 1.5 or not 1 <= value <= 2:
            left_out[f"preference_{'null' if value is None else f'{value:g}'}"] += 1
            continue
        strength = max(-1.0, min(1.0, 2 * value - 3))
        pairs.append(Pair(row.answer(row.response_a), row.answer(row.response_b), strength, row.groups()))
    return pairs, [], None


def _better(rows: Iterable[_Better], _: Counter[str]) -> _Read:
    pairs = [
        Pair(row.answer(row.output_1), row.answer(row.output_2), 2.0 * row.label - 3, row.groups()) for row in rows
    ]
    return pairs, [], None


def _votes(rows: Iterable[_Voted], left_out: Counter[str]) -> _Read:
    """What most of the people found. A pair counts for whom it compares, and for whether all of them agreed."""
    pairs = []
    for row in rows:
        votes = Counter(row.labels)
        choice, most = votes.most_common(1)[0] if votes else (0, 0)
        if choice == 0 or 2 * most <= len(row.labels):
            left_out["draw" if 2 * most > len(row.labels) else "no_majority"] += 1
            continue
        agreed = Group("agreement", "unanimous" if most == len(row.labels) else "majority")
        models = [Group("model", model) for model in (row.models or "").split("_") if model]
        strength = (votes[2] - votes[1]) / len(row.labels)
        pairs.append(Pair(row.answer(row.response_a), row.answer(row.response_b), strength, (agreed, *models)))
    return pairs, [], None


def _reviews(rows: Iterable[_Reviewed], left_out: Counter[str]) -> _Read:
    """Two scores of 1 to 10 in one review.

    The position of an answer moves its score, so a pair counts once with the mean difference over all its reviews, and
    an answer with its mean score.
    """
    gaps: dict[tuple[Answer, Answer], list[float]] = defaultdict(list)
    scores: dict[Answer, list[float]] = defaultdict(list)
    groups: dict[Answer | tuple[Answer, Answer], dict[Group, None]] = defaultdict(dict)
    for row in rows:
        wrong = next((score for score in (row.score_a, row.score_b) if not 1 <= score <= 10), None)
        if wrong is not None:
            left_out[f"score_{wrong:g}"] += 1
            continue
        a, b = row.answer(row.response_a), row.answer(row.response_b)
        scores[a].append(row.score_a)
        scores[b].append(row.score_b)
        swapped = b.response < a.response
        key = (b, a) if swapped else (a, b)
        gaps[key].append(row.score_a - row.score_b if swapped else row.score_b - row.score_a)
        groups[key].update(dict.fromkeys(row.groups()))
        for answer, model in ((a, row.model_a), (b, row.model_b)):
            if model:
                groups[answer][Group("model", model)] = None
    pairs = []
    for key, found in gaps.items():
        gap = statistics.fmean(found)
        if gap:
            pairs.append(Pair(*key, gap / 9, tuple(groups[key])))
        else:
            left_out["draw"] += len(found)
    points = [Point(answer, statistics.fmean(found), tuple(groups[answer])) for answer, found in scores.items()]
    return pairs, points, _TEN


def _scores(rows: Iterable[_Scored], left_out: Counter[str]) -> _Read:
    """One score, or several samples of it, whose mean counts. -1 stands for a review that could not be read."""
    points = []
    for row in rows:
        samples = row.score if isinstance(row.score, tuple) else (row.score,)
        known = [sample for sample in samples if sample is not None and sample >= 0]
        if not known:
            left_out["no_score"] += 1
            continue
        points.append(Point(row.answer(row.response), statistics.fmean(known), row.groups()))
    return [], points, _scale([point.score for point in points])


def _scale(scores: list[float]) -> Scale | None:
    """1 to 5 or 1 to 10 where the scores lie there; else as far as they reach."""
    if not scores:
        return None
    low, high = min(scores), max(scores)
    fitting = (scale for scale in (_FIVE, _TEN) if scale.low <= low and high <= scale.high)
    return next(fitting, Scale(low, high))


def _marks(rows: Iterable[_Marked], left_out: Counter[str]) -> _Read:
    """Of several marks that one annotator gave an answer the last one counts, as `phase0 view` only ever adds lines; null
    takes the earlier ones back."""
    last = {(row.answer(row.response), row.annotator): row for row in rows}
    points = []
    for (answer, _), row in last.items():
        if row.label is None:
            left_out["no_label"] += 1
        else:
            points.append(Point(answer, GOOD if row.label == "good" else BAD, row.groups()))
    return [], points, Scale(BAD, GOOD, marks=True)


def _lists(rows: Iterable[_Listed], left_out: Counter[str]) -> _Read:
    """Good is what Claude rated 4.5 of 5 or more. Rows of the other lists were chosen by their rating, and say less."""
    points = []
    for row in rows:
        if row.chosen == _RANDOM:
            points.append(Point(row.answer(row.response), GOOD if row.in_claude_t45 else BAD))
        else:
            left_out["chosen_by_rating"] += 1
    return [], points, Scale(BAD, GOOD, marks=True)


def _fields(*names: str) -> frozenset[str]:
    return frozenset(("instruction", *names))


LAYOUTS = {
    "pairs": Layout(_fields("response_a", "response_b", "preference"), _Preference, _preferences),
    "reviews": Layout(_fields("response_a", "response_b", "score_a", "score_b"), _Reviewed, _reviews),
    "votes": Layout(_fields("response_a", "response_b", "labels"), _Voted, _votes),
    "outputs": Layout(_fields("output_1", "output_2", "label"), _Better, _better),
    "scores": Layout(_fields("response", "score"), _Scored, _scores),
    "marks": Layout(_fields("response", "label"), _Marked, _marks),
    "lists": Layout(_fields("response", "in_claude_t45", "from"), _Listed, _lists),
}
"""By name, in the order tried: `pairs`, `scores` and `marks` are phase0's own, the others are of public sets."""
