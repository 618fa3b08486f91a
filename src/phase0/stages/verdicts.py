"""What becomes of a row that was judged: kept, or dropped with its reason. Pure, and the same whoever judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from phase0.errors import UsageError, near_miss
from phase0.exchanges.rubric import Verdict, quality
from phase0.records import DIMENSIONS, Record, Scores, encode
from phase0.scoring.audit import Terms, check_terms
from phase0.stages.parts import Kept, Lost, Tallied


class Rule(NamedTuple):
    """Who judges, and which rows stay. The same fields as a plan's `[score]`."""

    judges: tuple[str, ...] = ("local",)  # several are a panel
    threshold: float = 7.0
    samples: int = 1  # answers of each judge about a row
    min_safety: float | None = None
    weights: Mapping[str, float] = {}  # by dimension; one that is not named weighs 1
    max_failures: float = 0.02  # of the rows that were to be judged
    student: Terms | None = None  # what a student of the judges is held to; None: they judge every row

    def settings(self) -> dict[str, Any]:
        """What a manifest says of the rule, in its own words: what is left at its default is not told."""
        told: dict[str, Any] = {"threshold": float(self.threshold)}
        if self.samples != 1:
            told["samples"] = self.samples
        if self.min_safety is not None:
            told["min_safety"] = float(self.min_safety)
        if self.weights:
            told["weights"] = {name: float(weight) for name, weight in self.weights.items()}
        if self.student is not None:
            told["student"] = msgspec.to_builtins(self.student)
        return told


def student_terms(scorer: str, judge_share: float, audit_share: float, agreement: float) -> Terms | None:
    """What a student is held to, where the scorer is one."""
    if scorer != "student":
        return None
    return Terms(judge_share=judge_share, audit_share=audit_share, agreement=agreement)


class Judged(NamedTuple):
    """A verdict, and where it came from. `disagreement` is that of a panel, in points."""

    verdict: Verdict
    judges: tuple[str, ...]
    disagreement: float | None = None


def check_rule(rule: Rule) -> None:
    """Raise UsageError for a rule that no row could meet, or that says nothing."""
    if not 1 <= rule.threshold < 10:
        raise UsageError(f"the threshold is {rule.threshold:g}, but scores go from 1 to 10 and a row is kept above it")
    if rule.min_safety is not None and not 1 <= rule.min_safety <= 10:
        raise UsageError(f"the least safety is {rule.min_safety:g}, but scores go from 1 to 10")
    if rule.samples < 1:
        raise UsageError(f"a judge is asked {rule.samples} times about a row; it must be at least once")
    if not 0 <= rule.max_failures <= 1:
        hint = f" Did you mean {rule.max_failures / 100:g}?" if 1 < rule.max_failures <= 100 else ""
        raise UsageError(f"{rule.max_failures:g} of the rows may fail; it is a share, from 0 to 1.{hint}")
    for name, weight in rule.weights.items():
        if name not in DIMENSIONS:
            known = ", ".join(DIMENSIONS)
            raise UsageError(f"there is no dimension {name!r} to weigh.{near_miss(name, DIMENSIONS)} Known: {known}.")
        if not 0 <= weight < float("inf"):
            raise UsageError(f"{name} weighs {weight:g}; a weight is 0 or more")
    if rule.weights and not any(rule.weights.get(name, 1) for name in DIMENSIONS):
        raise UsageError("all four dimensions weigh nothing, so there is no score")
    if rule.student is not None:
        check_terms(rule.student)
    twice = [name for name in rule.judges if rule.judges.count(name) > 1]
    if twice or not rule.judges:
        raise UsageError(f"{twice[0]} is on the panel twice" if twice else "a panel has at least one judge")


def decided(record: Record, judged: Judged, rule: Rule) -> Kept | Lost:
    """Keep a row that scores above the threshold and is safe enough. What has no score is dropped under its state."""
    state, scores, reasons, detail = judged.verdict
    if scores is None:
        told: dict[str, Any] = {"judges": list(judged.judges), "detail": detail, "reasons": list(reasons)}
        evidence = {name: value for name, value in told.items() if value}
        counted: Tallied = (("state", state),)
        return Lost(encode(_marked(record, judged, None)), 0, state, evidence, counted)
    value = quality(scores, rule.weights)
    raw = encode(_marked(record, judged, value))
    is_safe = rule.min_safety is None or scores.safety >= rule.min_safety
    kept = is_safe and value > rule.threshold
    counted = tallied(record, scores, value, kept=kept)
    if kept:
        return Kept(raw, counted)
    evidence = {"quality_score": value, "threshold": rule.threshold, "reasons": list(reasons)}
    if is_safe:
        return Lost(raw, 0, "low_score", evidence, counted)
    floor: dict[str, Any] = {"safety": scores.safety, "min_safety": rule.min_safety}
    return Lost(raw, 0, "unsafe", floor | evidence, counted)


def tallied(record: Record, scores: Scores, value: float, *, kept: bool) -> Tallied:
    """What is counted of a row with a score: scores in tenths, lengths of answers in bits."""
    tenths = round(value * 10)
    bits = len(record.response or "").bit_length()
    counted: Tallied = (
        ("state", "scored"),
        ("score", tenths),
        ("length", bits, tenths),
        ("dimension", "correctness", round(scores.correctness * 10)),
        ("dimension", "helpfulness", round(scores.helpfulness * 10)),
        ("dimension", "clarity", round(scores.clarity * 10)),
        ("dimension", "safety", round(scores.safety * 10)),
        ("source", record.source, "kept" if kept else "lost"),
    )
    return (*counted, ("kept", bits)) if kept else counted


def _marked(record: Record, judged: Judged, value: float | None) -> Record:
    """The row with its verdict, and without that of an earlier scoring."""
    meta = msgspec.structs.replace(
        record.meta,
        scores=judged.verdict.scores,
        flags=_flags(record, judged.verdict.reasons),
        judges=judged.judges,
        disagreement=judged.disagreement,
    )
    return msgspec.structs.replace(record, quality_score=value, meta=meta)


def _flags(record: Record, reasons: Iterable[str]) -> tuple[str, ...]:
    """Flags of earlier stages stay; those of an earlier scoring are replaced."""
    kept = [flag for flag in record.meta.flags if not flag.startswith(_OF_SCORING)]
    return (*kept, *reasons)


_OF_SCORING = tuple(f"{name}:" for name in (*DIMENSIONS, "judge"))
