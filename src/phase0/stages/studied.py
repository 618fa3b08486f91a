"""Rows scored by a student of the judges: they are asked about a sample, an audit and the rows in doubt, it scores the
rest.

The rows that are asked about depend on what rows say and on what the judges answered, so the same ledger gives the same
file, and a run that was stopped goes on where it stood.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phase0.engine import Engine
from phase0.exchanges.rubric import Verdict
from phase0.progress import Progress
from phase0.records import DIMENSIONS, Scores
from phase0.scoring.audit import Findings, Terms, interval
from phase0.scoring.distilling import BY_STUDENT, Distilled, Round, distil
from phase0.scoring.student import Cut
from phase0.stages.hearing import Seat
from phase0.stages.judged import Kin, Others, buy_verdicts, verdicts_of, write_judged
from phase0.stages.judges import Judge
from phase0.stages.means import Asking
from phase0.stages.output import stage_output
from phase0.stages.parts import parts_folder
from phase0.stages.survey import Survey, survey
from phase0.stages.verdicts import Judged, Rule

if TYPE_CHECKING:
    from phase0.scoring.distilling import Labels
    from phase0.scoring.sampling import Numbers

STUDENT = "student:"
"""What stands before the names of the judges where a row names its student."""

_BY = ("student", "labels", "audit", "doubt", "judge")  # by the numbers of `distilling`


def study_and_write(
    paths: Sequence[Path],
    output: Path,
    judges: Sequence[Judge],
    rule: Rule,
    asking: Asking,
    *,
    settings: dict[str, Any],
    engine: Engine,
    progress: Progress,
) -> None:
    """Have judges asked about as few rows as the terms allow, a student score the others, and write those that score
    above the threshold."""
    from phase0.stages.asking import ledger_of

    with (
        stage_output("score", output, paths, settings) as out,
        parts_folder(out) as folder,
        ledger_of(asking.workspace) as ledger,
    ):
        bench, kin = [Seat(judge, ledger) for judge in judges], Kin(judges, progress)
        seen = survey(out.inputs, folder, engine, progress)

        def judge(numbers: Numbers) -> Labels:
            mine = seen.lines(numbers)
            buy_verdicts(out.inputs, bench, kin, asking, mine=mine, progress=progress)
            return _labels(seen, numbers, verdicts_of(out.inputs, bench, rule, mine))

        cut = Cut(rule.threshold, rule.min_safety, rule.weights)
        terms = rule.student or Terms()
        done = distil(seen, judge, cut, terms)
        name = STUDENT + "+".join(seat.judge.model.model for seat in bench)
        write_judged(out, bench, rule, kin, progress, others=_others(seen, done, name))
        out.figures["student"] = _figures(seen, done, cut, terms, out.cost_usd)


def _labels(seen: Survey, numbers: Numbers, verdicts: Iterable[tuple[int, Judged]]) -> Labels:
    """What the judges said of some questions, as numbers; NaN where they gave none."""
    import numpy as np

    labels = np.full((len(seen.rows_N), 4), np.nan)
    for line, (verdict, *_) in verdicts:
        if verdict.scores is not None:
            labels[seen.questions_L[line]] = [getattr(verdict.scores, name) for name in DIMENSIONS]
    return labels[numbers]


def _others(seen: Survey, done: Distilled, name: str) -> Others:
    """What the student says of the lines that are not the judges'."""

    def verdict(line: int) -> Judged | None:
        question = seen.questions_L[line]
        if question < 0 or done.who_N[question] != BY_STUDENT:
            return None
        scores = zip(DIMENSIONS, done.scores_N4[question].tolist(), strict=True)
        return Judged(Verdict("scored", Scores(**dict(scores))), (name,))

    return verdict


def _figures(seen: Survey, done: Distilled, cut: Cut, terms: Terms, cost: str | None) -> dict[str, Any]:
    """What a manifest says of a student: who scored what, what that saved, and how far the audit trusts it."""
    import numpy as np

    asked = seen.questions_L[seen.questions_L >= 0]
    told: dict[str, Any] = {
        "rows": dict(zip(_BY, np.bincount(done.who_N[asked], minlength=len(_BY)).tolist(), strict=True)),
        "questions": len(done.who_N),
        "rounds": [_round(each) for each in done.rounds],
        "agreement": {"wanted": terms.agreement, "confidence": terms.confidence},
        **_saving(len(done.who_N), int((done.who_N != BY_STUDENT).sum()), cost),
    }
    accepted = done.accepted
    if accepted is not None and accepted.findings is not None and accepted.stated is not None:
        found, left = accepted.findings, int((done.who_N == BY_STUDENT).sum())
        seen_share = 1 - left / len(done.who_N) * found.wrong / found.rows
        told["agreement"] |= {"seen": round(seen_share, 4), "at_least": _down(accepted.stated)}
        told |= _errors(found, left, int(cut.keeps(done.scores_N4).sum()), terms)
        told["score_error"] = None if accepted.off is None else round(accepted.off, 3)
    return told


def _round(each: Round) -> dict[str, Any]:
    told: dict[str, Any] = {"labels": each.labels, "unread": each.unread, "doubtful": each.doubtful}
    found = each.findings
    if found is not None:
        told |= {"audited": found.rows, "wrongly_kept": found.wrongly_kept, "wrongly_dropped": found.wrongly_dropped}
    return told | {"stated": None if each.stated is None else round(each.stated, 4), "step": each.step}


def _errors(found: Findings, left: int, kept: int, terms: Terms) -> dict[str, Any]:
    """Of all kept rows those that the judge would drop, and of all that it would keep those that are lost. Intervals
    are as sure as the agreement is."""
    wrong = interval(found.wrongly_kept, found.rows, terms.risk).times(left)
    missed = interval(found.wrongly_dropped, found.rows, terms.risk).times(left)
    rightly = max(1.0, kept - wrong.seen + missed.seen)
    return {
        "kept_error": {name: round(min(1.0, value / max(1, kept)), 4) for name, value in wrong._asdict().items()},
        "missed": {name: round(min(1.0, value / rightly), 4) for name, value in missed._asdict().items()},
    }


def _saving(questions: int, asked: int, cost: str | None) -> dict[str, Any]:
    """Dollars that were not spent: what the student scored, at what a question cost on average."""
    if cost is None or not asked:
        return {"saved_usd": None}
    saved = Decimal(cost) / asked * (questions - asked)
    return {"saved_usd": f"{saved.quantize(Decimal('0.000001')).normalize():f}"}


def _down(share: float) -> float:
    """Rounded so that it promises no more."""
    return math.floor(share * 10_000) / 10_000
