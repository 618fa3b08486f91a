"""What differs between the figures of two sides: plan, sums, mix, scores, criteria and cost. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from phase0.changes.found import (
    Changed,
    CostChanges,
    JudgedChange,
    MixChanges,
    ScoreChanges,
    ShareChange,
    StageChange,
    Sums,
)
from phase0.changes.reading import ReadRows
from phase0.changes.sides import Compared
from phase0.report.judging import ScoreNumbers, number
from phase0.report.numbers import MixPart, StageNumbers
from phase0.stages.statistics import share

_T = TypeVar("_T")


def plan_changes(old: Compared, new: Compared) -> tuple[Changed, ...]:
    """Keys of the plans that differ; nothing where a side has no plan."""
    if old.plan is None or new.plan is None:
        return ()
    return tuple(_changed(_flat(old.plan), _flat(new.plan)))


def setting_changes(old: Compared, new: Compared, told: Iterable[Changed]) -> tuple[Changed, ...]:
    """Settings of stages that both sides have, less what the plans told already, and versions."""
    known = {_value(each) for each in told}
    found: list[Changed] = []
    for name, ours, theirs in _stages(old, new):
        if ours is not None and theirs is not None:
            changed = _changed(_flat(ours.settings), _flat(theirs.settings))
            own = (each for each in changed if _value(each) not in known)
            found += [Changed(key=f"{name}: {each.key}", old=each.old, new=each.new) for each in own]
    return (*found, *_changed(_versions(old.stages), _versions(new.stages)))


def _value(changed: Changed) -> tuple[str, str, str]:
    """A change as the plan and a stage's settings tell it alike: `score.threshold` is the setting `threshold`."""
    return changed.key.rpartition(".")[2], str(changed.old), str(changed.new)


def _versions(stages: Iterable[StageNumbers]) -> dict[str, str]:
    found: dict[str, dict[str, None]] = {}
    for stage in stages:
        for name, version in stage.versions.items():
            found.setdefault(f"version of {name}", {})[version] = None
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}


def _flat(table: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    """Values by their dotted keys."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= _flat(value, f"{place}{key}.") if isinstance(value, dict) and value else {f"{place}{key}": value}
    return {key: value for key, value in found.items() if value != {}}


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Changed]:
    for key, before, after in _both(old, new):
        if before != after:
            yield Changed(key=key, old=before, new=after)


def _both(old: Mapping[str, _T], new: Mapping[str, _T]) -> Iterator[tuple[str, _T | None, _T | None]]:
    """Values of the same name, in the order of the old side; those of the new side alone come last."""
    for key in dict.fromkeys((*old, *new)):
        yield key, old.get(key), new.get(key)


class _Step(NamedTuple):
    name: str
    old: StageNumbers | None
    new: StageNumbers | None


def _stages(old: Compared, new: Compared) -> Iterator[_Step]:
    """Stages that stand at the same place: of the same name, and of the same output where there are several."""
    times = Counter(stage.stage for stage in old.stages) | Counter(stage.stage for stage in new.stages)

    def named(stages: Sequence[StageNumbers]) -> dict[str, StageNumbers]:
        return {stage.stage if times[stage.stage] == 1 else f"{stage.stage} {stage.output}": stage for stage in stages}

    return (_Step(*step) for step in _both(named(old.stages), named(new.stages)))


def sum_changes(old: Compared, new: Compared) -> tuple[StageChange, ...]:
    """Stages whose sums differ."""
    found = []
    for _, *sides in _stages(old, new):
        before, after = (None if side is None else _sums(side) for side in sides)
        if before != after:
            told = next(side for side in sides if side is not None)
            found.append(StageChange(stage=told.stage, output=told.output, old=before, new=after))
    return tuple(found)


def _sums(stage: StageNumbers) -> Sums:
    return Sums(
        read=stage.read, rows_in=stage.rows_in, kept=stage.kept, dropped=stage.dropped, reasons=dict(stage.reasons)
    )


def mix_changes(old: Compared, new: Compared, before: ReadRows, after: ReadRows) -> MixChanges:
    """Who wrote the finished rows, who answered which share, and what the rows are about, where both sides tell."""
    is_told = before.categories and after.categories
    categories = _shares(before.categories, after.categories, _wanted(old.plan), _wanted(new.plan)) if is_told else ()
    return MixChanges(
        sources=_shares(before.sources, after.sources),
        teachers=tuple(_teachers(old.mix, new.mix)),
        categories=categories,
    )


def _wanted(plan: Mapping[str, Any] | None) -> Mapping[str, float]:
    """The shares of categories that a plan asks for."""
    asked = plan.get("categories") if plan else None
    shares = {name: number(percent) for name, percent in asked.items()} if isinstance(asked, dict) else {}
    return {name: percent / 100 for name, percent in shares.items() if percent is not None}


def _shares(
    old: Counter[str],
    new: Counter[str],
    old_wanted: Mapping[str, float] | None = None,
    new_wanted: Mapping[str, float] | None = None,
) -> tuple[ShareChange, ...]:
    """Rows by name, where they or what was wanted of them differ; those that changed most come first."""
    wanted, to_be = old_wanted or {}, new_wanted or {}
    found = [
        ShareChange(
            name=name,
            old=old[name],
            new=new[name],
            old_share=round(share(old[name], old.total()), 6),
            new_share=round(share(new[name], new.total()), 6),
            old_wanted=wanted.get(name),
            new_wanted=to_be.get(name),
        )
        for name in old | new | Counter(dict.fromkeys((*wanted, *to_be), 1))
        if (old[name], wanted.get(name)) != (new[name], to_be.get(name))
    ]
    return tuple(sorted(found, key=lambda item: (-abs(item.new - item.old), item.name)))


def _teachers(old: Sequence[MixPart], new: Sequence[MixPart]) -> Iterator[ShareChange]:
    for name, before, after in _both(_by_teacher(old), _by_teacher(new)):
        if before != after:
            yield ShareChange(
                name=name,
                old=before.taken if before else 0,
                new=after.taken if after else 0,
                old_share=round(share(before.taken, before.rows), 6) if before else 0.0,
                new_share=round(share(after.taken, after.rows), 6) if after else 0.0,
                old_wanted=before.wanted if before else None,
                new_wanted=after.wanted if after else None,
            )


class _Part(NamedTuple):
    """What one teacher did in all rounds."""

    rows: int
    taken: int
    wanted: float | None


def _by_teacher(mix: Sequence[MixPart]) -> dict[str, _Part]:
    found: dict[str, _Part] = {}
    for part in mix:
        before = found.get(part.teacher, _Part(0, 0, None))
        wanted = before.wanted if part.wanted_percent is None else part.wanted_percent / 100
        found[part.teacher] = _Part(max(before.rows, part.rows), before.taken + part.taken, wanted)
    return found


def score_changes(old: Compared, new: Compared, before: ReadRows, after: ReadRows) -> ScoreChanges | None:
    """None where no score differs."""
    steps = sorted({*before.steps, *after.steps})
    histogram = tuple(
        Changed(key=f"{step:g}", old=before.steps[step], new=after.steps[step])
        for step in steps
        if before.steps[step] != after.steps[step]
    )
    judged = tuple(_judged(old.scores, new.scores))
    if before.mean == after.mean and not histogram and not judged:
        return None
    return ScoreChanges(old_mean=before.mean, new_mean=after.mean, histogram=histogram, judged=judged)


def _judged(old: Sequence[ScoreNumbers], new: Sequence[ScoreNumbers]) -> Iterator[JudgedChange]:
    """What stages that scored tell, one of each side by its place; a later round has no counterpart in a single one."""
    for at in range(max(len(old), len(new))):
        before, after = (side[at] if at < len(side) else None for side in (old, new))
        found = JudgedChange(
            output=(before or after or old[0]).output,
            old_scored=before.scored if before else 0,
            new_scored=after.scored if after else 0,
            old_mean=before.mean if before else None,
            new_mean=after.mean if after else None,
            old_accepted=_accepted(before),
            new_accepted=_accepted(after),
            dimensions=tuple(_changed(_dimensions(before), _dimensions(after))),
            sources=tuple(_changed(_by_source(before), _by_source(after))),
        )
        is_same = (found.old_scored, found.old_mean, found.old_accepted) == (
            found.new_scored,
            found.new_mean,
            found.new_accepted,
        )
        if not is_same or found.dimensions or found.sources:
            yield found


def _accepted(scores: ScoreNumbers | None) -> float | None:
    """The share of rows with a score that were kept."""
    if scores is None or not scores.acceptance:
        return None
    scored = sum(each.scored for each in scores.acceptance)
    return round(share(sum(each.kept for each in scores.acceptance), scored), 6)


def _dimensions(scores: ScoreNumbers | None) -> dict[str, float]:
    return {each.dimension: each.mean for each in scores.dimensions} if scores else {}


def _by_source(scores: ScoreNumbers | None) -> dict[str, float]:
    return {each.source: round(share(each.kept, each.scored), 6) for each in scores.acceptance} if scores else {}


def criterion_changes(old: Compared, new: Compared) -> tuple[Changed, ...]:
    """Criteria whose limit, finding or verdict differs; each side as `{wanted, got, state}`."""
    before, after = (
        {each.name: {"wanted": each.wanted, "got": each.got, "state": each.state} for each in side.criteria}
        for side in (old, new)
    )
    return tuple(_changed(before, after))


def cost_changes(old: Compared, new: Compared) -> CostChanges | None:
    """None where costs and budgets are the same."""
    before, after = (_by_stage(side) for side in (old, new))
    found = CostChanges(
        old_usd=old.cost.usd if old.cost else None,
        new_usd=new.cost.usd if new.cost else None,
        old_budget_usd=_budget(old),
        new_budget_usd=_budget(new),
        stages=tuple(_changed(before, after)),
    )
    totals = (found.old_usd, found.old_budget_usd) != (found.new_usd, found.new_budget_usd)
    return found if totals or found.stages else None


def _by_stage(side: Compared) -> dict[str, str]:
    """What each stage cost; those that cost nothing are left out."""
    found: dict[str, Decimal | None] = {}
    for stage in side.cost.stages if side.cost else ():
        name = " ".join(filter(None, (stage.stage, stage.who)))
        known = found.get(name, Decimal(0))
        found[name] = None if known is None or stage.usd is None else known + Decimal(stage.usd)
    return {name: "unknown" if usd is None else str(usd) for name, usd in found.items() if usd is None or usd}


def _budget(side: Compared) -> str | None:
    budget = side.plan.get("budget_usd") if side.plan else None
    return None if budget is None else str(budget)
