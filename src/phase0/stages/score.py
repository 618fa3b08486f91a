"""Score every row on the four dimensions and keep those above the threshold.

The embedded scorer works in parallel processes; judges that are models are asked over the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from phase0.dataset import Manifest, expand, meta_folder
from phase0.engine import Engine
from phase0.engine.local import Local
from phase0.errors import TooManyFailures, UsageError
from phase0.exchanges.rubric import Verdict
from phase0.ledger import FILE as LEDGER
from phase0.progress import SILENT, Progress
from phase0.records import Record, digest, encode
from phase0.scoring.audit import Terms
from phase0.stages.buying import can_be_asked
from phase0.stages.judges import SCORERS, Judge, bare, check_ready, judges_of
from phase0.stages.means import Asking, Means
from phase0.stages.output import check_output, relative
from phase0.stages.parts import Kept, Lost, each_record, finished
from phase0.stages.score_figures import by_student, failed_share, figures
from phase0.stages.verdicts import Judged, Rule, check_rule, decided
from phase0.workspace import MARK, workspace_of

_ASK_AGAIN = ("unreadable", "refused", "failed")


def score(
    inputs: Iterable[str | Path],
    output: str | Path,
    *,
    model: str = "local",
    judges: Sequence[str] = (),
    threshold: float = 7.0,
    samples: int = 1,
    min_safety: float | None = None,
    weights: Mapping[str, float] | None = None,
    max_failures: float = 0.02,
    student: Terms | None = None,
    workspace: Path | None = None,
    means: Means | None = None,
    engine: Engine | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Score rows from 1 to 10 and keep those whose rounded `quality_score` is strictly above `threshold`.

    `quality_score` is the mean of correctness, helpfulness, clarity and safety, or their mean by `weights`, rounded
    half up to one decimal before it is compared. `judges` are a panel in place of `model`: scores are their mean. Every
    judge but `local` is a model, asked by the `means` that are given for what the workspace's ledger lacks, `samples`
    times about each row. With a `student` they are asked about some of the rows, and a small model that learns from
    that scores the others, as truly as its terms demand. Dropped rows keep their scores in `dropped.jsonl`. Raises
    UsageError for a judge that cannot be asked, DataError for a file that cannot be read, Unfinished where there is
    more to be asked, and, when all is written, TooManyFailures where more than `max_failures` of the rows have no
    score; `means` may say that those are asked about once more.
    """
    if judges and model != "local":
        raise UsageError(f"both a model, {model}, and a panel, {', '.join(judges)}, are to judge; give one of them")
    rule = Rule(tuple(judges) or (model,), threshold, samples, min_safety, weights or {}, max_failures, student)
    means = means or Means()
    check_judges(rule, means)
    paths, output = expand(inputs), Path(output)
    place = workspace_of(output, workspace)
    asking = Asking(means, place, relative(output.resolve(), place))
    return score_rows(paths, output, rule, asking, engine=engine or Local(1), progress=progress)


def score_rows(
    paths: Sequence[Path],
    output: Path,
    rule: Rule,
    asking: Asking,
    *,
    engine: Engine,
    progress: Progress,
) -> Manifest:
    """Score some files by a rule."""
    judges = check_judges(rule, asking.means)
    settings = score_settings(rule, asking.means)
    if judges:
        from phase0.stages.judged import judge_and_write

        check_output(output, paths)
        if rule.student is not None:
            from phase0.stages.studied import study_and_write

            study_and_write(paths, output, judges, rule, asking, settings=settings, engine=engine, progress=progress)
        else:
            _check_reachable(paths, judges, asking)
            judge_and_write(paths, output, judges, rule, asking, settings=settings, progress=progress)
        made = finished(output)
    else:
        (scorer,) = rule.judges
        work = partial(score_row, scorer, rule)
        made = each_record(
            "score", work, paths, output, settings=settings, engine=engine, progress=progress, figures=figures
        )
    check_failures(made, output, rule)
    return made


def score_settings(rule: Rule, means: Means | None = None) -> dict[str, Any]:
    """What a manifest says of how rows were scored."""
    judges = check_judges(rule, means or Means())
    if not judges:
        return {"model": rule.judges[0]} | rule.settings()
    who = [judge.model.model for judge in judges]
    told: dict[str, Any] = {"model": who[0]} if len(who) == 1 else {"judges": who}
    told |= rule.settings() | {"max_failures": rule.max_failures}
    told["rubric"] = digest([bare(judge.rubric) for judge in judges])
    return told | ({"rehearsal": True} if means is not None and means.rehearsal is not None else {})


def check_judges(rule: Rule, means: Means) -> list[Judge]:
    """The judges that are models; none where a scorer of this process judges. Raises UsageError for a rule that is
    none, and for a judge that nobody knows."""
    check_rule(rule)
    here = [name for name in rule.judges if name in SCORERS]
    if not here:
        return judges_of(rule.judges, rule.samples, means)
    if len(rule.judges) > 1:
        raise UsageError(f"{here[0]} is no model, so it cannot sit on a panel; it judges alone: --model {here[0]}")
    if rule.samples > 1:
        raise UsageError(f"{here[0]} gives the same scores each time; --samples is for models")
    if rule.student is not None:
        raise UsageError(f"a student learns from a model that judges, and {here[0]} is none: name one with --model")
    return []


def to_be_made_again(made: Manifest, rule: Rule, means: Means) -> bool:
    """Whether a finished file is made again all the same: more of its rows have no score than may, or another try is
    wanted for those that it may help."""
    left = sum(made.counts.reasons.get(state, 0) for state in _ASK_AGAIN)
    return failed_share(made.figures) > rule.max_failures or (means.retry_failed and left > 0)


def check_failures(made: Manifest, output: Path, rule: Rule) -> None:
    """Raise TooManyFailures where more rows have no score than the rule allows."""
    told = too_many_failures(made, rule)
    if told is not None:
        raise TooManyFailures(
            f"{told}. What was scored is in {output}, the others with their reasons in "
            f"{meta_folder(output) / 'dropped.jsonl'}. --retry-failed asks about them once more; a larger max_failures "
            "accepts them."
        )


def too_many_failures(made: Manifest, rule: Rule) -> str | None:
    """How many judged rows have no score, where that is more than the rule allows."""
    share = failed_share(made.figures)
    if share <= rule.max_failures:
        return None
    states = made.figures["states"] | {"scored": made.figures["states"].get("scored", 0) - by_student(made.figures)}
    told = ", ".join(f"{rows:,} {state}" for state, rows in states.items() if state != "scored")
    return (
        f"{share:.1%} of {sum(states.values()):,} judged rows have no score ({told}), and {rule.max_failures:.1%} may"
    )


def _check_reachable(paths: Sequence[Path], judges: Sequence[Judge], asking: Asking) -> None:
    """Raise UsageError, before anything is written, where a judge cannot be asked and the ledger lacks an answer."""
    from phase0.stages.judged import all_judged

    if all(can_be_asked(judge.model, asking.means) for judge in judges):
        return
    if not (asking.workspace / MARK / LEDGER).exists() or not all_judged(paths, judges, asking):
        check_ready(judges, asking.means)


def score_row(scorer: str, rule: Rule, _: bytes, record: Record) -> Kept | Lost:
    """Judge one row in this process. A row without a response has nothing to judge: it is dropped unscored."""
    if record.response is None:
        return Lost(encode(record), 0, "no_response", {})
    scores, reasons = _scorer(scorer)(record.instruction, record.response, system=record.system, history=record.history)
    return decided(record, Judged(Verdict("scored", scores, reasons, ""), (scorer,)), rule)


def _scorer(name: str) -> Any:
    from phase0.registry import load

    return load("scorer", SCORERS, name)
