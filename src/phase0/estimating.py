"""What a plan will cost, before anything is spent: its rows as far as they are on this disk, else as its catalogue
states them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from phase0.catalog.datasets import find
from phase0.catalog.prices import parse_price, table_version
from phase0.engine.local import Local
from phase0.exchanges import EXCHANGES
from phase0.gateway.estimate import Ask, Estimate, Measured, estimate, measure
from phase0.plan import Plan, load_plan
from phase0.progress import SILENT, Progress
from phase0.scoring.audit import USUALLY_IN_DOUBT, judged_share
from phase0.stages.acquire import COMBINED
from phase0.stages.allocation import BEST_OF
from phase0.stages.download import PUBLIC_HUB, Source, acquire_source, files_of, local_files, own_files
from phase0.stages.estimating import ask_of, judge_asks, rows_of
from phase0.stages.means import Means
from phase0.stages.score import check_judges
from phase0.stages.verdicts import Rule
from phase0.steps import CLEAN_PROMPTS, PROMPTS, rule_of

_AGAIN = "one round: for rows that are dropped later on, others are asked for, which costs more"
_UNCHECKED = "prompts that hold a question of an evaluation are counted; a run drops them before it asks"
_PROMPT = 45  # tokens of an instruction in the recipe's datasets, where none was read


def estimate_plan(
    plan: Plan | str | Path,
    folder: str | Path | None = None,
    *,
    inputs: Sequence[str | Path] = (),
    rows: int | None = None,
    settings: Sequence[str] = (),
    means: Means | None = None,
    progress: Progress = SILENT,
) -> Estimate:
    """What the plan's teachers and judge come to, online and in batches, against its budget.

    Rows are those of `inputs`, else those that the run in `folder` (default: `runs/<name of the plan>`) has acquired,
    else of the plan's own files; of datasets that are still to be downloaded the catalogue states how many there are.
    `rows` takes their place in number, not in length; without it, the finished rows that the plan asks for, where those
    are fewer. Nothing is asked and nothing is spent. Raises UsageError for a model without a known price.
    """
    plan = plan if isinstance(plan, Plan) else load_plan(plan, settings)
    means = means or Means()
    given = {name: parse_price(price, f"prices.{name}") for name, price in plan.prices.items()}
    means = means._replace(prices=given | dict(means.prices))
    place = Path(folder) if folder is not None else Path("runs") / plan.name
    measured = _measured(plan, place, inputs, progress)
    budget = plan.budget_usd if means.budget_usd is None else means.budget_usd
    if rows is None and plan.rows is not None:
        rows = min(plan.rows, measured.rows)
    kept = all(name in EXCHANGES for name in plan.distill.mix)
    scaled = _scaled(measured, rows)
    judging = _judging(plan, scaled.rows)
    found = estimate(scaled, _asks(plan, means, judging), budget=budget, own_answers=kept)
    again = [_AGAIN] if plan.rows is not None else []
    again += list(_of_student(rule_of(plan.score), judging))
    again += [_UNCHECKED] if plan.decontaminate.against and (inputs or not (place / CLEAN_PROMPTS).exists()) else []
    return found._replace(assumed=(*found.assumed, *again, *_notes(measured, rows)))


def _asks(plan: Plan, means: Means, judging: Decimal) -> list[Ask]:
    """Who is asked about which share: of best-of every teacher about every row, and the judge about every answer, or
    about as many of them as `judging` says."""
    mix, every = plan.distill.mix, plan.distill.allocation == BEST_OF
    whole = Decimal(100)
    asks = [ask_of(name, means, share=whole if every else mix[name]) for name in mix if name not in EXCHANGES]
    rule = rule_of(plan.score)
    if check_judges(rule, means):
        asks += judge_asks(rule.judges, rule.samples, means, share=judging * whole * (len(mix) if every else 1))
    return asks


def _judging(plan: Plan, prompts: int) -> Decimal:
    """The share of the answers that judges are asked about."""
    terms, every = rule_of(plan.score).student, plan.distill.allocation == BEST_OF
    if terms is None:
        return Decimal(1)
    return Decimal(judged_share(prompts * (len(plan.distill.mix) if every else 1), terms))


def _of_student(rule: Rule, judging: Decimal) -> Iterator[str]:
    """What is assumed of a student."""
    if rule.student is None:
        return
    if judging == 1:
        yield "the judge judges every row: there are too few to teach and examine a student"
        return
    yield (
        f"a student: the judge judges {judging:.0%} of the rows, {rule.student.judge_share:.0%} to teach it, an audit, "
        f"and {USUALLY_IN_DOUBT:.0%} in doubt, which is a guess; if no student will do, all of them, for "
        f"{1 / judging:.1f} times as much"
    )


def _measured(plan: Plan, folder: Path, inputs: Sequence[str | Path], progress: Progress) -> Measured:
    """The rows as far as they can be read without a download, and for the rest what the catalogue states."""
    acquired = [folder / CLEAN_PROMPTS] if plan.decontaminate.against else []
    acquired += [folder / PROMPTS] if plan.prompts.threshold is not None else []
    for rows in (*acquired, folder / "raw" / COMBINED):
        if not inputs and rows.exists():
            return measure(rows_of([rows]))
    stated, sources = 0, []
    for dataset in () if inputs else find(plan.download.datasets, plan.datasets):
        if dataset.builtin:
            sources.append(files_of(dataset, Path(), None, PUBLIC_HUB, progress))
        elif dataset.hub is None:
            sources.append(local_files(dataset, Path(plan.folder)))
        else:
            stated += min(dataset.rows or 0, plan.download.limit or dataset.rows or 0)
    own = [Path(item) for item in inputs] or [Path(plan.folder) / item for item in plan.download.inputs]
    sources += own_files(own, plan.download.layout)
    there = _read(sources, plan.download.limit, progress)
    return there._replace(rows=there.rows + stated, prompts=there.prompts + stated * _PROMPT)


def _read(sources: Sequence[Source], limit: int | None, progress: Progress) -> Measured:
    """Files of any layout, as standard rows that are thrown away again."""
    with tempfile.TemporaryDirectory() as place:
        made = [acquire_source(one, Path(place), limit=limit, engine=Local(1), progress=progress) for one in sources]
        return measure(rows_of([Path(place) / manifest.output.path for manifest in made]))


def _scaled(measured: Measured, rows: int | None) -> Measured:
    """So many rows of the same length."""
    if rows is None or not measured.rows:
        return measured if rows is None else Measured(rows, 0, rows * _PROMPT, 0, 0)
    return measured._replace(
        rows=rows,
        prompts=measured.prompts * rows // measured.rows,
        answered=measured.answered * rows // measured.rows,
        answers=measured.answers * rows // measured.rows,
    )


def _notes(measured: Measured, rows: int | None) -> Iterator[str]:
    if not measured.counted:
        yield f"{_PROMPT} tokens to a prompt, as nothing is downloaded yet; rows as the catalogue states them"
    elif rows is not None and rows != measured.rows:
        yield f"{rows:,} rows as long as the {measured.rows:,} that are there"
    yield f"price table: {table_version()}"
