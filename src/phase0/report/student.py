"""What a report says of a student: who judged what, the dollars that it saved, and how far its audit trusts it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from phase0.dataset import Manifest

_WHY = {"labels": "to learn from", "audit": "to audit", "doubt": "in doubt", "judge": "as no student would do"}


class Measured(msgspec.Struct, frozen=True):
    """A share as the audit saw it, and between which it lies."""

    seen: float
    low: float
    high: float


class Agreed(msgspec.Struct, frozen=True):
    """The share of all rows that end as the judge would have ended them. Without `at_least` no student was accepted."""

    wanted: float
    confidence: float
    seen: float | None = None
    at_least: float | None = None


class Tried(msgspec.Struct, frozen=True):
    """One round of labels."""

    labels: int
    step: str
    stated: float | None = None


class StudentNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """What a manifest tells of a student. `rows` are by who scored them: `student`, or the judge for `labels`, for the
    `audit`, in `doubt`, or as the full `judge` that was fallen back on."""

    rows: dict[str, int]
    agreement: Agreed
    rounds: tuple[Tried, ...]
    saved_usd: str | None = None
    kept_error: Measured | None = None  # of the kept rows: those that the judge would drop
    missed: Measured | None = None  # of the rows that the judge would keep: those that were dropped
    score_error: float | None = None  # points


def student_numbers(manifest: Manifest) -> StudentNumbers | None:
    """What the manifest of a score stage tells; None where no student was asked for."""
    try:
        return msgspec.convert(manifest.figures["student"], StudentNumbers)
    except (KeyError, msgspec.ValidationError):
        return None


def told(student: StudentNumbers) -> Iterator[str]:
    """The same in sentences."""
    rows, total = student.rows, sum(student.rows.values()) or 1
    judged = total - rows.get("student", 0)
    parts = ", ".join(f"{rows[name]:,} {why}" for name, why in _WHY.items() if rows.get(name))
    yield f"the judge scored {judged:,} rows ({parts}), its student {rows.get('student', 0):,}{_saved(student)}"
    agreed = student.agreement
    if agreed.at_least is None or agreed.seen is None:
        yield f"{_failed(student)}: every row is the judge's own"
        return
    yield (
        f"agreement with the judge alone: {agreed.seen:.1%} by the audit, at least {_floor(agreed.at_least)} with "
        f"{agreed.confidence:.0%} confidence ({agreed.wanted:.1%} was asked for)"
    )
    if student.kept_error is not None and student.missed is not None:
        off = "" if student.score_error is None else f"; its scores are {student.score_error:.2f} points off on average"
        yield (
            f"of the kept rows the judge would drop {_share(student.kept_error)}, of those it would keep "
            f"{_share(student.missed)} are dropped{off}"
        )


def _failed(student: StudentNumbers) -> str:
    """Why the judge judged all."""
    if not student.rounds:
        return "there are too few rows to teach and examine a student"
    last = student.rounds[-1]
    best = "there was nothing to learn from" if last.stated is None else f"its audit states {_floor(last.stated)}"
    return (
        f"no student agreed with the judge on {student.agreement.wanted:.1%} of the rows ({best} after "
        f"{last.labels:,} labels)"
    )


def _saved(student: StudentNumbers) -> str:
    if student.saved_usd is None or not student.rows.get("student"):
        return ""
    return f", which saved about ${Decimal(student.saved_usd):,.2f}"


def _floor(share: float) -> str:
    """A share in percent, never more than it is."""
    return f"{int(share * 1000 + 1e-9) / 10:.1f}%"


def _share(measured: Measured) -> str:
    return f"{measured.seen:.1%} ({measured.low:.1%} to {measured.high:.1%})"
