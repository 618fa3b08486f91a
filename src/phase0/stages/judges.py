"""Who judges: embedded scorers and models by name, and of which rows a judge is of the same family as their author."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from phase0.catalog.models import Teacher, same_family, teachers
from phase0.catalog.models import teacher as find_teacher
from phase0.errors import UsageError, near_miss
from phase0.exchanges.rubric import Rubric
from phase0.records import Meta, Origin, Record, Request
from phase0.stages.means import Means, places, wanted

SCORERS = {
    "local": "phase0.scoring.local:judge",
}
"""Scorers that work in this process: functions of instruction, response, system and history."""


class Judge(NamedTuple):
    """A model that judges, and what it is asked."""

    name: str  # as the caller calls it
    model: Teacher
    rubric: Rubric


def bare(rubric: Rubric) -> Request:
    """What a judge is asked about a row that says nothing: all that it is told besides the row, and how it is asked."""
    nothing = Meta(origin=Origin(dataset="", revision=None, row=""))
    return rubric.ask(Record(instruction="", response="", source="", quality_score=None, id="", meta=nothing))[0]


def judges_of(names: Sequence[str], samples: int, means: Means) -> list[Judge]:
    """Judges by name. Raises UsageError for a name that nobody knows."""
    if means.model_id is not None and len(names) > 1:
        raise UsageError(f"--model-id names one model, but {len(names)} judge: {', '.join(names)}")
    for name in names:
        known = (*SCORERS, *teachers())
        if name not in known and all(name != entry.model for entry in teachers().values()):
            raise UsageError(f"there is no judge called {name!r}.{near_miss(name, known)} Known: {', '.join(known)}.")
    models = [wanted(find_teacher(name), means) for name in names]
    return [Judge(name, model, Rubric(model, samples=samples)) for name, model in zip(names, models, strict=True)]


def check_ready(judges: Sequence[Judge], means: Means) -> None:
    """Raise UsageError for a judge that cannot be asked here and now."""
    for judge in judges:
        places(judge.model, means, datetime.now(UTC).date())


def kinship(judge: Teacher, source: str) -> str | None:
    """What to say where a judge is of the family of whoever wrote a row; None where it is not, or nobody knows."""
    if not same_family(judge, [source]):
        return None
    return (
        f"{judge.model} judges answers of {source}, of its own family ({judge.family}): judges favour their own. "
        "A judge of another family, or a panel (judges = [...]), is fairer."
    )
