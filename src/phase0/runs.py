"""A run: the stages of one plan in order, over one folder. A stage whose manifest matches its recipe is done.

raw/            what was acquired: a file per dataset, and combined.jsonl
distilled/      answered rows, a file per teacher
scored/         rows above the threshold
deduped/        rows without near-duplicates
dataset.jsonl   the finished dataset; verification.json, report.md and report.json beside it
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from phase0.catalog.datasets import find
from phase0.catalog.prices import parse_price
from phase0.dataset import Manifest, Rejected, expand, file_digest, manifest_of, write_json
from phase0.dataset.manifest import is_whole
from phase0.dataset.rows import NOT_JSON
from phase0.dedup.memory import memory_size
from phase0.engine import Engine
from phase0.engine.local import Local
from phase0.errors import DataError, PlanError
from phase0.ledger import FILE as LEDGER
from phase0.plan import Plan, load_plan, plan_from
from phase0.progress import SILENT, Progress
from phase0.report import write_report
from phase0.stages.acquire import COMBINED, combine, combine_settings
from phase0.stages.deduplicate import dedup_settings, deduplicate
from phase0.stages.distill import Parts, check_teacher, distill_parts, distill_settings
from phase0.stages.download import PUBLIC_HUB, Hub, Source, acquire_source, files_of, local_files, on_disk, own_files
from phase0.stages.means import Asking, Means
from phase0.stages.output import recipe, relative
from phase0.stages.publish import publish
from phase0.stages.score import check_model, score, score_settings
from phase0.stages.verify import Verification, verify
from phase0.workspace import MARK, hold, workspace_of

DATASET = "dataset.jsonl"
_PLAN = "plan.json"


class Step(NamedTuple):
    """One stage of a run: what it reads, what it writes, and how."""

    stage: str
    output: Path
    inputs: tuple[Path, ...]
    settings: dict[str, Any]
    work: Callable[[], Manifest]

    def recipe(self) -> str:
        return recipe(self.stage, self.settings, [file_digest(path) for path in self.inputs])


class Done(NamedTuple):
    """A finished step."""

    stage: str
    output: Path
    manifest: Manifest
    skipped: bool  # it was finished before this call


class Run(NamedTuple):
    """What a run made."""

    folder: Path
    steps: tuple[Done, ...]
    verification: Verification
    report: Path

    @property
    def rejected(self) -> list[str]:
        """Why upstream files were not read, or not to their end."""
        combined = (step.manifest for step in self.steps if step.stage == "combine")
        return [item.reason for manifest in combined for item in manifest.rejected]


def run(
    plan: Plan | str | Path,
    output: str | Path | None = None,
    *,
    inputs: Sequence[str | Path] = (),
    settings: Sequence[str] = (),
    hub: Hub = PUBLIC_HUB,
    engine: Engine | None = None,
    workspace: Path | None = None,
    means: Means | None = None,
    progress: Progress = SILENT,
) -> Run:
    """Make a dataset from a plan, in the folder `output` (default: `runs/<name of the plan>`).

    `inputs` take the place of the plan's sources; `settings` are `key=value` in place of what the plan says. Finished
    stages are not done again. Models are asked by the `means` that are given, and what they answer is kept in the
    workspace, by default the folder that holds the run's. Raises PlanError before anything is done, BusyError when
    another run holds the folder, Unfinished where a stage was stopped or the budget is spent: the same call goes on.
    """
    plan = plan if isinstance(plan, Plan) else load_plan(plan, settings)
    if inputs:
        wanted = msgspec.structs.replace(
            plan.download, datasets=(), inputs=tuple(str(Path(item).resolve()) for item in inputs)
        )
        plan = msgspec.structs.replace(plan, download=wanted)
    folder = Path(output) if output is not None else Path("runs") / plan.name
    engine = engine or Local(1)
    place = workspace_of(folder, workspace)
    asked = Asking(_means(plan, means or Means()), place, relative(folder.resolve(), place))
    sources = _checked(plan, folder, asked, hub, progress)
    with hold(folder / MARK, str(folder)):
        _invalidate(folder, plan, progress)
        write_json(folder / _PLAN, plan)
        done = tuple(_steps(plan, folder, sources, asked, engine, progress))
        checked = _verify(plan, folder, engine.threads, progress)
        return Run(folder, done, checked, write_report(folder, progress=progress))


def _means(plan: Plan, given: Means) -> Means:
    """What the caller gives goes before what the plan says."""
    prices = {name: parse_price(price, f"prices.{name}") for name, price in plan.prices.items()}
    budget = plan.budget_usd if given.budget_usd is None else given.budget_usd
    return given._replace(prices=prices | dict(given.prices), budget_usd=budget)


def _checked(plan: Plan, folder: Path, asked: Asking, hub: Hub, progress: Progress) -> dict[str, Callable[[], Source]]:
    """The plan's sources. What can be known to fail is told before anything is done."""
    has_answers = (asked.workspace / MARK / LEDGER).exists()
    for teacher in plan.distill.mix:
        # What is bought needs no key; whether that is everything will be seen when it is read.
        check_teacher(teacher, asked.means, ready=not has_answers and manifest_of(_distilled(folder, teacher)) is None)
    check_model(plan.score.model)
    memory_size(plan.dedup.max_memory)
    _others(plan)
    return _sources(plan, folder / MARK / "hub", hub, progress)


def _steps(  # noqa: PLR0917
    plan: Plan,
    folder: Path,
    sources: Mapping[str, Callable[[], Source]],
    asked: Asking,
    engine: Engine,
    progress: Progress,
) -> Iterator[Done]:
    """Do the steps of a plan in order."""
    raw = folder / "raw" / COMBINED
    yield from _acquire(sources, raw, plan.download.limit, engine, progress)
    answered = []
    for teacher, parts in shares(plan.distill.mix).items():
        target = _distilled(folder, teacher)
        answered.append(target)
        work = partial(distill_parts, [raw], target, teacher=teacher, parts=parts, asking=asked, progress=progress)
        yield _do(Step("distill", target, (raw,), distill_settings(teacher, parts, asked.means), work), progress)
    scored, deduped, dataset = folder / "scored/all_scored.jsonl", folder / "deduped/deduped.jsonl", folder / DATASET
    rule: dict[str, Any] = {"model": plan.score.model, "threshold": plan.score.threshold}
    work = partial(score, answered, scored, **rule, engine=engine, progress=progress)
    yield _do(Step("score", scored, tuple(answered), score_settings(**rule), work), progress)
    rule = msgspec.structs.asdict(plan.dedup) | {"against": _others(plan)}
    most = {"max_memory": rule.pop("max_memory"), "workers": engine.threads}
    work = partial(deduplicate, [scored], deduped, **rule, **most, progress=progress)
    yield _do(Step("dedup", deduped, (scored,), dedup_settings(deduped, **rule), work), progress)
    work = partial(publish, [deduped], dataset, progress=progress)
    yield _do(Step("publish", dataset, (deduped,), {}, work), progress)


def _distilled(folder: Path, teacher: str) -> Path:
    return folder / "distilled" / f"{teacher}.jsonl"


def _acquire(
    sources: Mapping[str, Callable[[], Source]], raw: Path, limit: int | None, engine: Engine, progress: Progress
) -> Iterator[Done]:
    """A step for each dataset, then one that joins them. A dataset that cannot be read is named and left out."""
    names: list[str] = []
    rejected: list[Rejected] = []
    partly: list[Rejected] = []
    for name, obtain in sources.items():
        try:
            done = _do(_reading(obtain(), raw.parent, limit, engine, progress), progress)
        except DataError as error:
            rejected.append(Rejected(path=name, reason=str(error)))
            continue
        names.append(name)
        partly += done.manifest.rejected
        yield done
    if not names:
        raise DataError(rejected[0].reason)
    inputs = tuple(raw.parent / f"{name}.jsonl" for name in names)
    work = partial(combine, raw.parent, names, rejected=rejected, progress=progress)
    yield _do(Step("combine", raw, inputs, combine_settings(names, [*rejected, *partly]), work), progress)


def _reading(source: Source, folder: Path, limit: int | None, engine: Engine, progress: Progress) -> Step:
    work = partial(acquire_source, source, folder, limit=limit, engine=engine, progress=progress)
    files = tuple(file.path for file in source.files)
    return Step("download", folder / f"{source.name}.jsonl", files, source.settings(limit), work)


def _sources(plan: Plan, cache: Path, hub: Hub, progress: Progress) -> dict[str, Callable[[], Source]]:
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


def _others(plan: Plan) -> list[Path]:
    """The files that rows are de-duplicated against."""
    wanted = plan.dedup.against
    return expand([Path(plan.folder) / item for item in wanted]) if wanted else []


def shares(mix: dict[str, Decimal]) -> dict[str, Parts]:
    """Each teacher's part of the line from 0 to 100, one after the other."""
    parts: dict[str, Parts] = {}
    at = Decimal(0)
    for teacher, share in mix.items():
        parts[teacher] = ((at, at + share),)
        at += share
    return parts


def _do(step: Step, progress: Progress) -> Done:
    made = manifest_of(step.output)
    if made is not None and made.recipe == step.recipe() and is_whole(step.output, made):
        progress.say(f"{step.stage} {step.output.name}: done before ({made.counts.kept:,} rows)")
        return Done(step.stage, step.output, made, skipped=True)
    return Done(step.stage, step.output, step.work(), skipped=False)


def _verify(plan: Plan, folder: Path, threads: int, progress: Progress) -> Verification:
    wanted = plan.verify
    checked = verify(
        [folder / DATASET],
        target_rows=wanted.target_rows,
        min_quality=wanted.min_quality,
        min_teachers=wanted.min_teachers,
        max_duplicate_rate=wanted.max_duplicate_rate,
        budget_usd=plan.budget_usd,
        categories=plan.categories,
        threshold=str(plan.dedup.threshold),
        shingle=plan.dedup.shingle,
        on=plan.dedup.on,
        workers=threads,
        progress=progress,
    )
    write_json(folder / "verification.json", checked)
    return checked


def _invalidate(folder: Path, plan: Plan, progress: Progress) -> None:
    """Say what a changed plan makes void, before it is made again."""
    before = plan_of(folder)
    if before is None:
        return
    order = ("download", "distill", "score", "dedup")
    changed = [part for part in order if getattr(before, part) != getattr(plan, part)]
    if changed:
        again = [
            name for name in (*order, "publish", "verify", "report") if name not in order[: order.index(changed[0])]
        ]
        told = ", ".join(f"[{part}] {_difference(getattr(before, part), getattr(plan, part))}" for part in changed)
        progress.say(f"the plan changed: {told}. Made again: {', '.join(again)}.")


def _difference(old: Any, new: Any) -> str:
    fields = [name for name in old.__struct_fields__ if getattr(old, name) != getattr(new, name)]
    return "; ".join(f"{name} {_short(getattr(old, name))} → {_short(getattr(new, name))}" for name in fields)


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {item}" for key, item in value.items()) + "}"
    text = f"{len(value)} items" if isinstance(value, tuple) and len(value) > 3 else str(value)
    return text if len(text) <= 80 else text[:77] + "…"


def plan_of(folder: Path) -> Plan | None:
    """The plan that a run folder was last made from."""
    try:
        return plan_from(_without_folder(msgspec.json.decode((folder / _PLAN).read_bytes())), where=str(folder / _PLAN))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (*NOT_JSON, PlanError):
        return None  # written by another version: nothing can be said about it


def _without_folder(data: Any) -> Any:
    return {key: value for key, value in data.items() if key != "folder"} if isinstance(data, dict) else {}


class StageState(NamedTuple):
    """How far one stage of a run is."""

    stage: str
    output: str
    state: Literal["done", "changed", "waiting"]
    manifest: Manifest | None


def status(folder: str | Path) -> list[StageState]:
    """How far a run is, stage by stage. `changed` is an output that no longer is what its manifest says."""
    folder = Path(folder)
    plan = plan_of(folder)
    if plan is None:
        raise DataError(f"{folder}: is not the folder of a run (there is no {_PLAN} in it)")
    places = [("download", "raw/combined.jsonl")]
    places += [("distill", f"distilled/{teacher}.jsonl") for teacher in plan.distill.mix]
    places += [("score", "scored/all_scored.jsonl"), ("dedup", "deduped/deduped.jsonl"), ("publish", DATASET)]
    return [_state(folder, stage, place) for stage, place in places]


def _state(folder: Path, stage: str, place: str) -> StageState:
    manifest = manifest_of(folder / place)
    if manifest is None:
        return StageState(stage, place, "waiting", None)
    return StageState(stage, place, "done" if is_whole(folder / place, manifest) else "changed", manifest)
