"""The stages of a plan in order, each a step that is skipped where its manifest matches its recipe.

A plan that asks for so many rows goes through its middle in rounds: distil, score, de-duplicate all there is, count. A
later round is the same stages again in folders of its own (`distilled.2/`, `scored.2/` …), about rows that nobody
answered before.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from phase0.catalog.datasets import Dataset, find
from phase0.catalog.models import teacher as find_teacher
from phase0.dataset import Manifest, Rejected, expand, file_digest, manifest_of
from phase0.dataset.manifest import is_whole
from phase0.engine import Engine
from phase0.errors import DataError
from phase0.exchanges import EXCHANGES
from phase0.licenses import LicenseLedger, check_fit, ledger_of, planned
from phase0.plan import Plan, Score
from phase0.progress import Progress
from phase0.stages.acquire import COMBINED, combine, combine_settings
from phase0.stages.allocation import BEST_OF, WHOLE, Share, Taken, quotas, seats_of, shares
from phase0.stages.buying import Submitted
from phase0.stages.choose import choose
from phase0.stages.decontaminate import Overlap, decontaminate, decontaminate_settings
from phase0.stages.deduplicate import dedup_settings, deduplicate
from phase0.stages.distill import distill_rows, distill_settings
from phase0.stages.download import Hub, Source, acquire_source, files_of, local_files, on_disk, own_files
from phase0.stages.judges import SCORERS
from phase0.stages.means import Asking
from phase0.stages.mix import by_seat, mix_settings, seats_of_rows, settle
from phase0.stages.output import recipe
from phase0.stages.prompts import distinct_prompts, prompts_settings
from phase0.stages.publish import publish
from phase0.stages.rounds import in_round, next_round
from phase0.stages.score import score_rows, score_settings, to_be_made_again
from phase0.stages.verdicts import Rule, student_terms

DATASET = "dataset.jsonl"
PROMPTS = "prompts/prompts.jsonl"
CLEAN_PROMPTS = "decontaminated/prompts.jsonl"
CLEAN = "decontaminated/rows.jsonl"
MIXED = "mixed/mixed.jsonl"
SCORED = "scored/all_scored.jsonl"


class Step(NamedTuple):
    """One stage of a run: what it reads, what it writes, and how."""

    stage: str
    output: Path
    inputs: tuple[Path, ...]
    settings: dict[str, Any]
    work: Callable[[], Manifest]
    number: int = 1  # of its round
    again: Callable[[Manifest], bool] | None = None  # whether it is made again although it is done

    def recipe(self) -> str:
        return recipe(self.stage, self.settings, [file_digest(path) for path in self.inputs])


class Done(NamedTuple):
    """A finished step."""

    stage: str
    output: Path
    manifest: Manifest
    skipped: bool  # it was finished before this call
    number: int = 1  # of its round

    @property
    def name(self) -> str:
        """The stage, with its round from the second on."""
        return in_round(self.stage, self.number)


Steps: TypeAlias = Generator[Done, None, Path]
"""Steps as they are done, and what the last of them wrote."""


class Work(NamedTuple):
    """What all steps of a run share."""

    plan: Plan
    folder: Path
    asking: Asking
    engine: Engine
    progress: Progress

    def place(self, path: str, number: int = 1) -> Path:
        """A path of the run, in the folder of a round."""
        folder, _, name = path.rpartition("/")
        return self.folder / in_round(folder, number) / name

    def do(self, step: Step) -> Done:
        """Do a step, unless it is done."""
        made = manifest_of(step.output)
        name = in_round(step.stage, step.number)
        is_done = made is not None and made.recipe == step.recipe() and is_whole(step.output, made)
        if made is not None and is_done and not (step.again and step.again(made)):
            self.progress.say(f"{name} {step.output.name}: done before ({made.counts.kept:,} rows)")
            return Done(step.stage, step.output, made, skipped=True, number=step.number)
        return Done(step.stage, step.output, step.work(), skipped=False, number=step.number)


def distilled(teacher: str) -> str:
    """Where a teacher's answers are, in a round's folder."""
    return f"distilled/{teacher}.jsonl"


def steps(work: Work, sources: Mapping[str, Callable[[], Source]]) -> Iterator[Done]:
    """Do the steps of a plan in order."""
    plan, progress = work.plan, work.progress
    raw = yield from _acquire(work, sources)
    _check_licenses(plan, raw, answered="original" in plan.distill.mix)
    prompts = yield from _prompts(work, raw)
    prompts = yield from _decontaminate(work, prompts, work.place(CLEAN_PROMPTS), "prompt")
    last = yield from (_everything(work, prompts) if plan.rows is None else _so_many(work, prompts, plan.rows))
    _check_licenses(plan, last, answered=True)
    dataset = work.folder / DATASET
    yield work.do(Step("publish", dataset, (last,), {}, partial(publish, [last], dataset, progress=progress)))


def licenses_of(plan: Plan) -> LicenseLedger:
    """The ledger of what a plan names: its datasets, teachers and judges. Of files of one's own no licence is known."""
    own = [Dataset(name=item, files=(item,)) for item in plan.download.inputs]
    writers = [None if name in EXCHANGES else find_teacher(name).model for name in plan.distill.mix]
    judges = [name if name in SCORERS else find_teacher(name).model for name in rule_of(plan.score).judges]
    return planned([*find(plan.download.datasets, plan.datasets), *own], writers, judges)


def _check_licenses(plan: Plan, rows: Path, *, answered: bool) -> None:
    """Raise UnfitLicense where rows are under terms that the plan does not want; prompts before they are paid for."""
    if plan.publish.require_license is not None:
        check_fit(ledger_of(rows, answered=answered), plan.publish.require_license)


def _acquire(work: Work, sources: Mapping[str, Callable[[], Source]]) -> Steps:
    """A step for each dataset, then one that joins them. A dataset that cannot be read is named and left out."""
    raw = work.folder / "raw" / COMBINED
    found: list[str] = []
    rejected: list[Rejected] = []
    partly: list[Rejected] = []
    for name, obtain in sources.items():
        try:
            done = work.do(_reading(work, obtain(), raw.parent))
        except DataError as error:
            rejected.append(Rejected(path=name, reason=str(error)))
            continue
        found.append(name)
        partly += done.manifest.rejected
        yield done
    if not found:
        raise DataError(rejected[0].reason)
    inputs = tuple(raw.parent / f"{name}.jsonl" for name in found)
    joined = partial(combine, raw.parent, found, rejected=rejected, progress=work.progress)
    yield work.do(Step("combine", raw, inputs, combine_settings(found, [*rejected, *partly]), joined))
    return raw


def _reading(work: Work, source: Source, folder: Path) -> Step:
    limit = work.plan.download.limit
    acquired = partial(acquire_source, source, folder, limit=limit, engine=work.engine, progress=work.progress)
    files = tuple(file.path for file in source.files)
    return Step("download", folder / f"{source.name}.jsonl", files, source.settings(limit), acquired)


def _prompts(work: Work, raw: Path) -> Steps:
    """Prompts without repetitions, where the plan wants that."""
    wanted = work.plan.prompts
    if wanted.threshold is None:
        return raw
    output = work.place(PROMPTS)
    distinct = partial(
        distinct_prompts,
        [raw],
        output,
        threshold=wanted.threshold,
        shingle=wanted.shingle,
        max_memory=work.plan.dedup.max_memory,
        engine=work.engine,
        progress=work.progress,
    )
    yield work.do(Step("prompts", output, (raw,), prompts_settings(wanted.threshold, wanted.shingle), distinct))
    return output


def _everything(work: Work, prompts: Path) -> Steps:
    """Every prompt in one round."""
    wanted = work.plan.distill
    which: dict[str, Share | Taken] = {}
    if wanted.allocation == "route":
        seats = seats_of(wanted.mix, wanted.allocation)
        which = {seat.name: Taken(seats, number, wanted.allocation) for number, seat in enumerate(seats)}
    elif wanted.allocation == BEST_OF:
        which = {teacher: Share(WHOLE, wanted.allocation) for teacher in wanted.mix}
    else:
        which = {teacher: Share(parts) for teacher, parts in shares(wanted.mix).items()}
    judged = yield from _round(work, prompts, which, 1)
    return (yield from _distinct(work, [judged], 1))


def _so_many(work: Work, prompts: Path, rows: int) -> Steps:
    """So many finished rows, in as many rounds as it takes."""
    allocation = work.plan.distill.allocation
    seats = seats_of(work.plan.distill.mix, allocation)
    wanted = quotas(rows, [seat.percent for seat in seats])
    asked: tuple[tuple[int, ...], ...] = ()
    judged: list[Path] = []
    got, deduped = [0] * len(seats), prompts
    reserve = _rows(prompts)
    while (ask := next_round(wanted, asked, got, reserve)) is not None:
        asked, reserve = (*asked, ask), reserve - sum(ask)
        which: dict[str, Share | Taken] = {
            teacher: Taken(seats, number, allocation, asked)
            for number, seat in enumerate(seats)
            for teacher in seat.teachers
            if ask[number] or len(asked) == 1
        }
        judged.append((yield from _round(work, prompts, which, len(asked))))
        deduped = yield from _distinct(work, judged, len(asked))
        got = by_seat(seats_of_rows(deduped, judged, seats), seats)
    settings = mix_settings({seat.name: want for seat, want in zip(seats, wanted, strict=True)}, asked, reserve)
    output = work.place(MIXED)
    settled = partial(settle, deduped, output, scored=judged, seats=seats, settings=settings, progress=work.progress)
    done = work.do(Step("mix", output, (deduped,), settings, settled))
    yield done
    _tell(done.manifest, reserve, work.progress)
    return output


def _rows(path: Path) -> int:
    made = manifest_of(path)
    return made.counts.kept if made else 0


def _tell(mix: Manifest, reserve: int, progress: Progress) -> None:
    """Warn of shares that are short."""
    short = [f"{share['name']} by {share['short']:,} rows" for share in mix.figures["shares"] if share["short"]]
    if short:
        why = "the reserve is empty" if not reserve else f"{reserve:,} prompts are left"
        progress.warn(f"short of what the plan asks for: {', '.join(short)}; {why}")


def _round(work: Work, prompts: Path, which: Mapping[str, Share | Taken], number: int) -> Steps:
    """Have rows answered and scored; of several answers to a row the best stays."""
    plan, progress = work.plan, work.progress
    yield from _distill(work, prompts, which, number)
    answered = [work.place(distilled(teacher), number) for teacher in which]
    scored = work.place(SCORED, number)
    rule, means = rule_of(plan.score), work.asking.means
    judged = partial(score_rows, answered, scored, rule, work.asking, engine=work.engine, progress=progress)
    settings = score_settings(rule, means)
    again = partial(to_be_made_again, rule=rule, means=means)
    yield work.do(Step("score", scored, tuple(answered), settings, judged, number, again))
    if plan.distill.allocation != BEST_OF:
        return scored
    chosen = work.place("chosen/chosen.jsonl", number)
    yield work.do(Step("choose", chosen, (scored,), {}, partial(choose, [scored], chosen, progress=progress), number))
    return chosen


def rule_of(wanted: Score) -> Rule:
    """How a plan wants rows to be judged."""
    rule = Rule(wanted.judges or (wanted.model,), wanted.threshold, wanted.samples, wanted.min_safety)
    student = student_terms(wanted.scorer, wanted.judge_share, wanted.audit_share, wanted.agreement)
    return rule._replace(weights=wanted.weights, max_failures=wanted.max_failures, student=student)


def _distill(work: Work, prompts: Path, which: Mapping[str, Share | Taken], number: int) -> Iterator[Done]:
    """Have rows answered. What one teacher has submitted does not keep the next from being asked."""
    submitted = Submitted()
    for teacher, rows in which.items():
        target = work.place(distilled(teacher), number)
        asked = partial(
            distill_rows, [prompts], target, teacher=teacher, which=rows, asking=work.asking, progress=work.progress
        )
        settings = distill_settings(teacher, rows, work.asking.means)
        with submitted.by(teacher):
            yield work.do(Step("distill", target, (prompts,), settings, asked, number))
    submitted.tell()


def _distinct(work: Work, judged: Sequence[Path], number: int) -> Steps:
    """De-duplicate the rows of all rounds, and take out those that hold questions of an evaluation."""
    deduped = yield from _dedup(work, judged, number)
    return (yield from _decontaminate(work, deduped, work.place(CLEAN, number), work.plan.decontaminate.on, number))


def _decontaminate(work: Work, rows: Path, output: Path, on: Literal["prompt", "both"], number: int = 1) -> Steps:
    """Rows without questions of an evaluation, where the plan names any."""
    against = evaluations_of(work.plan)
    if not against:
        return rows
    wanted = work.plan.decontaminate
    rule: Overlap = {
        "ngram": wanted.ngram,
        "share": wanted.share,
        "variants": wanted.variants,
        "common": wanted.common,
        "on": on,
        "question": wanted.question,
        "choices": wanted.choices,
    }
    settings = decontaminate_settings(output, against=against, **rule)
    clean = partial(decontaminate, [rows], output, against=against, **rule, engine=work.engine, progress=work.progress)
    yield work.do(Step("decontaminate", output, (rows,), settings, clean, number))
    return output


def _dedup(work: Work, judged: Sequence[Path], number: int) -> Steps:
    """De-duplicate the rows of all rounds."""
    output = work.place("deduped/deduped.jsonl", number)
    rule: dict[str, Any] = msgspec.structs.asdict(work.plan.dedup) | {"against": others_of(work.plan)}
    most = {"max_memory": rule.pop("max_memory"), "engine": work.engine}
    distinct = partial(deduplicate, judged, output, **rule, **most, progress=work.progress)
    yield work.do(Step("dedup", output, tuple(judged), dedup_settings(output, **rule), distinct, number))
    return output


def others_of(plan: Plan) -> list[Path]:
    """The files that rows are de-duplicated against."""
    wanted = plan.dedup.against
    return expand([Path(plan.folder) / item for item in wanted]) if wanted else []


def evaluations_of(plan: Plan) -> list[Path]:
    """The evaluation sets whose questions no row may hold."""
    wanted = plan.decontaminate.against
    return expand([Path(plan.folder) / item for item in wanted]) if wanted else []


def sources_of(plan: Plan, cache: Path, hub: Hub, progress: Progress) -> dict[str, Callable[[], Source]]:
    """The datasets of a plan by name, each with what it takes to have its files on this disk."""
    wanted, folder = plan.download, Path(plan.folder)
    sources: dict[str, Callable[[], Source]] = {}
    for dataset in find(wanted.datasets, plan.datasets):
        if dataset.hub is None and not dataset.builtin:
            sources[dataset.name] = partial(local_files, dataset, folder)
        else:
            sources[dataset.name] = partial(files_of, dataset, cache, None, hub, progress)
    own = own_files([folder / item for item in wanted.inputs], wanted.layout, taken=tuple(sources))
    return sources | {source.name: partial(on_disk, source) for source in own}
