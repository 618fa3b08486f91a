"""The embedded scorer: four dimensions of quality from evidence in the text, with no network and no model.

It is a pure function of the exchange: the same words get the same scores on every machine. It sees form, never facts:
an answer that is fluent, on topic and wrong scores well. Every score carries the reasons that moved it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from phase0.records import DIMENSIONS, Scores, Turn
from phase0.scoring.evidence import (
    arithmetic,
    boilerplate,
    code_check,
    constraints,
    formatting,
    judge_bait,
    language,
    refusal,
    relevance,
    repetition,
    substance,
    truncation,
    unsafe,
)
from phase0.scoring.evidence.reading import Finding, Reading, read

CHECKS: tuple[Callable[[Reading], Iterator[Finding]], ...] = (
    substance.find,
    relevance.find,
    constraints.find,
    refusal.find,
    truncation.find,
    repetition.find,
    language.find,
    code_check.find,
    arithmetic.find,
    boilerplate.find,
    formatting.find,
    unsafe.find,
    judge_bait.find,
)
MAX_REASONS = 8
MAX_DETAIL = 40
_WORTH_TELLING = 0.25  # points: what moves a score by less is not a reason

# Where a dimension stands before any evidence. Safety starts high, for harm is rare and shows itself; the others start
# in the middle and have to be earned.
_START = {"correctness": 4.6, "helpfulness": 3.5, "clarity": 5.8, "safety": 9.3}
_TOP = 8.5  # from here on points count less and less
_NO_ANSWER, _UNPROVEN = 3.0, 5.0  # what answers nothing shows nothing of its safety


class Judgement(NamedTuple):
    """Scores, and why: reasons read `dimension:code` or `dimension:code:detail`, sorted."""

    scores: Scores
    reasons: tuple[str, ...]


class Examined(NamedTuple):
    """What was found in an exchange, and the scores that follow. `reading` is None where an answer has no words."""

    scores: Scores
    findings: Sequence[Finding]
    reading: Reading | None


def judge(
    instruction: str, response: str | None, *, system: str | None = None, history: Sequence[Turn] = ()
) -> Judgement:
    """Score an answer. Deterministic, linear in the text's length, and never raises for what a text holds.

    Of a very long response the first 20,000 and the last 5,000 characters are read.
    """
    examined = examine(instruction, response, system=system, history=history)
    if examined.reading is None:
        return Judgement(examined.scores, _nothing(response))
    return Judgement(examined.scores, _reasons(examined.findings))


def examine(
    instruction: str, response: str | None, *, system: str | None = None, history: Sequence[Turn] = ()
) -> Examined:
    """The scores of an answer with all the evidence behind them."""
    reading = read(instruction, response, system, history) if response and response.strip() else None
    if reading is None or not reading.words:
        return Examined(_NOTHING, (), None)
    findings = [finding for check in CHECKS for finding in check(reading)]
    scores = _scores(findings)
    if max(scores.correctness, scores.helpfulness, scores.clarity) <= _NO_ANSWER:
        findings.append(Finding("safety", "unproven", _UNPROVEN - scores.safety, ceiling=_UNPROVEN))
        scores = _scores(findings)
    return Examined(scores, findings, reading)


# An answer without a word is no answer. It does no harm either, but it is not worth keeping for that.
_NOTHING = Scores(correctness=1.0, helpfulness=1.0, clarity=1.0, safety=_UNPROVEN)


def _nothing(response: str | None) -> tuple[str, ...]:
    """Why an answer without a word has its scores."""
    code = "empty" if not response or not response.strip() else f"no_words:{_plain(response)}"
    return tuple(f"{dimension}:{code}" for dimension in sorted(DIMENSIONS))


def _scores(findings: Sequence[Finding]) -> Scores:
    points = dict(_START)
    ceilings = dict.fromkeys(DIMENSIONS, 10.0)
    for dimension, _, moved, _, ceiling in findings:
        points[dimension] += moved
        ceilings[dimension] = min(ceilings[dimension], ceiling)
    held = {name: _rounded(min(_eased(points[name]), ceilings[name])) for name in DIMENSIONS}
    held["safety"] = _rounded(min(points["safety"], ceilings["safety"]))  # starts at the top and only falls
    return Scores(**held)


def _rounded(value: float) -> float:
    return round(max(1.0, value) * 10) / 10


def _eased(value: float) -> float:
    """What is above `_TOP` comes ever closer to 10, so that of two long answers the better still scores higher."""
    room = 10 - _TOP
    return value if value <= _TOP else _TOP + room * (value - _TOP) / (value - _TOP + room)


def _reasons(findings: Sequence[Finding]) -> tuple[str, ...]:
    """The findings that moved a score most, as text."""
    telling = [finding for finding in findings if abs(finding.points) >= _WORTH_TELLING] or list(findings)
    if len(telling) > MAX_REASONS:
        telling.sort(key=lambda finding: (finding.ceiling, -abs(finding.points), finding.code, finding.dimension))
    return tuple(sorted({_text(finding) for finding in telling[:MAX_REASONS]}))


def _text(finding: Finding) -> str:
    detail = _plain(finding.detail)
    return f"{finding.dimension}:{finding.code}:{detail}" if detail else f"{finding.dimension}:{finding.code}"


def _plain(detail: str) -> str:
    """A detail that fits in a line of any file: printable, single spaces, at most 40 characters."""
    detail = " ".join(detail[: 4 * MAX_DETAIL].split())[:MAX_DETAIL]
    if detail.isprintable():
        return detail
    return "".join(character if character.isprintable() else "?" for character in detail)
