"""The conditions of success, each decided from what was measured. Pure: limits and findings in, verdicts out."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from phase0.errors import UsageError
from phase0.stages.statistics import Examined
from phase0.stages.verification import Cost, Criterion, Duplicates, State

OUT_OF_RANGE = "score_out_of_range"


class Limits(NamedTuple):
    """What a dataset must satisfy. None is not asked for."""

    target_rows: int | None = None
    min_quality: float | None = None
    budget_usd: Decimal | None = None
    min_teachers: int | None = None
    max_duplicate_rate: float = 0.01


def checked_limits(
    target_rows: int | None,
    min_quality: float | None,
    budget_usd: Decimal | str | None,
    min_teachers: int | None,
    max_duplicate_rate: float,
) -> Limits:
    """Limits that a dataset can meet, or UsageError for one that none can."""
    if target_rows is not None and target_rows < 1:
        raise UsageError(f"the target is {target_rows} rows; it must be at least 1")
    if min_quality is not None and not 1 <= min_quality <= 10:
        raise UsageError(f"the least average quality is {min_quality:g}, but scores go from 1 to 10")
    if min_teachers is not None and min_teachers < 1:
        raise UsageError(f"the least number of teachers is {min_teachers}; it must be at least 1")
    if not 0 <= max_duplicate_rate <= 1:
        hint = f" Did you mean {max_duplicate_rate / 100:g}?" if 1 < max_duplicate_rate <= 100 else ""
        raise UsageError(f"the highest duplicate rate is {max_duplicate_rate:g}, not a share from 0 to 1.{hint}")
    budget = None if budget_usd is None else _dollars(budget_usd)
    return Limits(target_rows, min_quality, budget, min_teachers, max_duplicate_rate)


def _dollars(value: Decimal | str) -> Decimal:
    try:
        budget = Decimal(str(value).strip().removeprefix("$"))
    except InvalidOperation:
        budget = Decimal("NaN")
    if not budget.is_finite() or budget < 0:
        raise UsageError(f"the budget is {str(value)!r}, not an amount in dollars such as 150 or 12.50")
    return budget


def criteria(found: Examined, duplicates: Duplicates, cost: Cost, limits: Limits) -> tuple[Criterion, ...]:
    """Format, score range and duplicates always; rows, quality, cost and teachers where a limit was given."""
    always = (_format(found), _range(found), _duplicates(duplicates, limits.max_duplicate_rate))
    asked = (_rows(found, limits), _quality(found, limits), _cost(cost, limits), _teachers(found, limits))
    return (*always, *(criterion for criterion in asked if criterion is not None))


def _format(found: Examined) -> Criterion:
    bad = found.faults.rows - found.faults.reasons.get(OUT_OF_RANGE, 0)
    if not found.rows:
        got = "no rows"
    elif bad:
        got = f"{bad:,} of {found.rows:,} rows not valid"
    else:
        got = f"{found.rows:,} rows valid"
    state: State = "pass" if found.rows and not bad else "fail"
    return Criterion(name="format", wanted="every row valid", got=got, state=state, asked=False)


def _range(found: Examined) -> Criterion:
    outside = found.faults.reasons.get(OUT_OF_RANGE, 0)
    low, high = found.quality.lowest, found.quality.highest
    got = "no scored rows" if low is None or high is None else f"{low:g} to {high:g}"
    state: State = "unknown" if low is None else "pass"
    if outside:
        got, state = f"{got}, {outside:,} rows outside", "fail"
    elif found.quality.unscored and low is not None:
        got = f"{got}, {found.quality.unscored:,} rows unscored"
    return Criterion(name="score range", wanted="1 to 10", got=got, state=state, asked=False)


def _duplicates(duplicates: Duplicates, limit: float) -> Criterion:
    wanted = f"below {limit * 100:g} %"
    if duplicates.rate is None:
        return Criterion(name="duplicates", wanted=wanted, got="no rows to compare", state="unknown", asked=False)
    passed = duplicates.rate < limit or not duplicates.rows
    got = f"{telling(duplicates.rate * 100, limit * 100)} %"
    return Criterion(name="duplicates", wanted=wanted, got=got, state=_state(passed), asked=False)


def _rows(found: Examined, limits: Limits) -> Criterion | None:
    if limits.target_rows is None:
        return None
    return Criterion(
        name="rows",
        wanted=f"at least {limits.target_rows:,}",
        got=f"{found.valid:,}",
        state=_state(found.valid >= limits.target_rows),
        asked=True,
    )


def _quality(found: Examined, limits: Limits) -> Criterion | None:
    if limits.min_quality is None:
        return None
    average = found.quality.average
    return Criterion(
        name="average quality",
        wanted=f"at least {limits.min_quality:g}",
        got="no scored rows" if average is None else telling(average, limits.min_quality),
        state="unknown" if average is None else _state(average >= limits.min_quality),
        asked=True,
    )


def _cost(cost: Cost, limits: Limits) -> Criterion | None:
    if limits.budget_usd is None:
        return None
    spent = Decimal(cost.usd or cost.known_usd)
    if spent > limits.budget_usd:  # what is not known can only add to it
        state: State = "fail"
    else:
        state = "unknown" if cost.usd is None else "pass"
    got = dollars(spent) if cost.usd is not None else f"not known, at least {dollars(spent)}"
    return Criterion(name="cost", wanted=f"at most {dollars(limits.budget_usd)}", got=got, state=state, asked=True)


def _teachers(found: Examined, limits: Limits) -> Criterion | None:
    if limits.min_teachers is None:
        return None
    teachers = len(found.sources)
    return Criterion(
        name="teachers",
        wanted=f"at least {limits.min_teachers:,}",
        got=f"{teachers:,}" if found.valid else "no rows",
        state=_state(teachers >= limits.min_teachers) if found.valid else "unknown",
        asked=True,
    )


def _state(passed: bool) -> State:
    return "pass" if passed else "fail"


def dollars(amount: Decimal) -> str:
    """An amount with at least two decimals, and as many more as it has."""
    places = max(2, -int(amount.normalize().as_tuple().exponent)) if amount else 2
    return f"${amount:,.{places}f}"


def telling(value: float, limit: float) -> str:
    """A number with two decimals, or as many as it takes not to look as if it met a limit that it misses: 7.9996."""
    for places in range(2, 10):
        text = f"{value:.{places}f}"
        if (float(text) < limit) == (value < limit):
            return text
    return repr(value)
