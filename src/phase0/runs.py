"""A run: the stages of one plan in order, over one folder. A stage whose manifest matches its recipe is done.

raw/            what was acquired: a file per dataset, and combined.jsonl
prompts/        prompts without repetitions, where the plan wants that
distilled/      answered rows, a file per teacher; later rounds are in distilled.2/ and so on
scored/         rows above the threshold
chosen/         the best answer to each prompt, where several teachers gave one
deduped/        rows without near-duplicates, those of all rounds until then
mixed/          as many rows as were asked for, where the plan says how many
dataset.jsonl   the finished dataset; verification.json, report.html, report.md and report.json beside it
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from phase0.catalog.prices import parse_price
from phase0.dataset import Manifest, manifest_of, write_json
from phase0.dataset.manifest import is_whole
from phase0.dataset.places import refuse
from phase0.dataset.rows import NOT_JSON
from phase0.dedup.memory import memory_size
from phase0.engine import Engine
from phase0.engine.local import Local
from phase0.errors import DataError, PlanError, UnfitLicense
from phase0.ledger import FILE as LEDGER
from phase0.licenses import check_fit
from phase0.plan import Plan, load_plan, plan_from
from phase0.progress import SILENT, Progress
from phase0.report import write_report
from phase0.stages.allocation import BEST_OF
from phase0.stages.distill import check_teacher
from phase0.stages.download import PUBLIC_HUB, Hub, Source
from phase0.stages.judges import Judge, check_ready, kinship
from phase0.stages.means import Asking, Means
from phase0.stages.output import relative
from phase0.stages.rounds import MOST, in_round
from phase0.stages.score import check_judges, too_many_failures
from phase0.stages.verdicts import Rule
from phase0.stages.verify import Verification, verify
from phase0.steps import (
    CLEAN,
    CLEAN_PROMPTS,
    DATASET,
    MIXED,
    PROMPTS,
    SCORED,
    Done,
    Work,
    distilled,
    evaluations_of,
    licenses_of,
    others_of,
    rule_of,
    sources_of,
    steps,
)
from phase0.workspace import MARK, hold, workspace_of

_PLAN = "plan.json"


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
    refuse(folder, "the folder of a run")
    place = workspace_of(folder, workspace)
    asked = Asking(means_of(plan, means or Means()), place, relative(folder.resolve(), place))
    sources = _checked(plan, folder, asked, hub, progress)
    work = Work(plan, folder, asked, engine or Local(1), progress)
    with hold(folder / MARK, str(folder)):
        _invalidate(folder, plan, progress)
        write_json(folder / _PLAN, plan)
        done = tuple(steps(work, sources))
        checked = _verify(plan, folder, work.engine, progress)
        return Run(folder, done, checked, write_report(folder, progress=progress))


def means_of(plan: Plan, given: Means) -> Means:
    """What the caller gives goes before what the plan says."""
    prices = {name: parse_price(price, f"prices.{name}") for name, price in plan.prices.items()}
    budget = plan.budget_usd if given.budget_usd is None else given.budget_usd
    return given._replace(prices=prices | dict(given.prices), budget_usd=budget)


def _checked(plan: Plan, folder: Path, asked: Asking, hub: Hub, progress: Progress) -> dict[str, Callable[[], Source]]:
    """The plan's sources. What can be known to fail is told before anything is done."""
    _check_licenses(plan)
    judges = check_judges(rule_of(plan.score), asked.means)
    has_answers = (asked.workspace / MARK / LEDGER).exists()
    for teacher in plan.distill.mix:
        # What is bought needs no key; whether that is everything will be seen when it is read.
        is_done = has_answers or manifest_of(folder / distilled(teacher)) is not None
        check_teacher(teacher, asked.means, ready=not is_done)
    if not has_answers and manifest_of(folder / SCORED) is None:
        check_ready(judges, asked.means)
    _warn_of_kin(judges, plan, progress)
    memory_size(plan.dedup.max_memory)
    others_of(plan)
    evaluations_of(plan)
    return sources_of(plan, folder / MARK / "hub", hub, progress)


def _check_licenses(plan: Plan) -> None:
    """Raise PlanError where what a plan names is under terms that it does not want."""
    if plan.publish.require_license is not None:
        try:
            check_fit(licenses_of(plan), plan.publish.require_license)
        except UnfitLicense as error:
            raise PlanError(f"{error} Nothing was spent.") from None


def _warn_of_kin(judges: Sequence[Judge], plan: Plan, progress: Progress) -> None:
    """Warn of judges that are of the family of a teacher."""
    for judge in judges:
        for teacher in plan.distill.mix:
            if told := kinship(judge.model, teacher):
                progress.warn(told)


def _verify(plan: Plan, folder: Path, engine: Engine, progress: Progress) -> Verification:
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
        workspace=folder,
        engine=engine,
        progress=progress,
    )
    write_json(folder / "verification.json", checked)
    return checked


def _invalidate(folder: Path, plan: Plan, progress: Progress) -> None:
    """Say what a changed plan makes void, before it is made again."""
    before = plan_of(folder)
    if before is None:
        return
    first = {"download": "download", "prompts": "prompts", "distill": "distill", "rows": "distill"}
    first |= {"score": "score", "dedup": "dedup", "decontaminate": "decontaminate"}
    changed = [part for part in first if getattr(before, part) != getattr(plan, part)]
    if changed:
        order = ("download", "prompts", "decontaminate", "distill", "score", "dedup", "publish", "verify", "report")
        absent = {"prompts"} if plan.prompts.threshold is None else set()
        absent |= set() if plan.decontaminate.against else {"decontaminate"}
        begin = min(order.index(first[part]) for part in changed)
        again = [name for name in order[begin:] if name not in absent]
        told = ", ".join(_told(part, getattr(before, part), getattr(plan, part)) for part in changed)
        progress.say(f"the plan changed: {told}. Made again: {', '.join(again)}.")


def _told(part: str, old: Any, new: Any) -> str:
    return f"[{part}] {_difference(old, new)}" if isinstance(new, msgspec.Struct) else f"{part} {old} → {new}"


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
    """How far one stage of a run is. `why` says what a stage failed of."""

    stage: str
    output: str
    state: Literal["done", "failed", "changed", "waiting"]
    manifest: Manifest | None
    why: str = ""


def status(folder: str | Path) -> list[StageState]:
    """How far a run is, stage by stage. `changed` is an output that no longer is what its manifest says, `failed` one
    that is whole and ended the run: more of its rows have no score than may."""
    folder = Path(folder)
    plan = plan_of(folder)
    if plan is None:
        raise DataError(f"{folder}: is not the folder of a run (there is no {_PLAN} in it)")
    return [_state(folder, stage, place, rule_of(plan.score)) for stage, place in _places(plan, folder)]


def _places(plan: Plan, folder: Path) -> Iterator[tuple[str, str]]:
    """Every stage of a run with its output. Later rounds are known once they have begun."""
    yield "download", "raw/combined.jsonl"
    if plan.prompts.threshold is not None:
        yield "prompts", PROMPTS
    if plan.decontaminate.against:
        yield "decontaminate", CLEAN_PROMPTS
    for number in range(1, _rounds(plan, folder) + 1):
        outputs = [("distill", distilled(teacher)) for teacher in plan.distill.mix]
        outputs.append(("score", SCORED))
        outputs += [("choose", "chosen/chosen.jsonl")] if plan.distill.allocation == BEST_OF else []
        outputs.append(("dedup", "deduped/deduped.jsonl"))
        outputs += [("decontaminate", CLEAN)] if plan.decontaminate.against else []
        for stage, output in outputs:
            place, _, name = output.rpartition("/")
            path = f"{in_round(place, number)}/{name}"
            if number == 1 or stage != "distill" or manifest_of(folder / path) is not None:
                yield in_round(stage, number), path
    if plan.rows is not None:
        yield "mix", MIXED
    yield "publish", DATASET


def _rounds(plan: Plan, folder: Path) -> int:
    """How many rounds a run has had: as its mix tells, or as many as have left answers until now."""
    if plan.rows is None:
        return 1
    mixed = manifest_of(folder / MIXED)
    if mixed is not None:
        return len(mixed.settings.get("asked", ())) or 1
    begun = (number for number in range(2, MOST + 1) if (folder / in_round("distilled", number)).is_dir())
    return max(begun, default=1)


def _state(folder: Path, stage: str, place: str, rule: Rule) -> StageState:
    manifest = manifest_of(folder / place)
    if manifest is None:
        return StageState(stage, place, "waiting", None)
    if not is_whole(folder / place, manifest):
        return StageState(stage, place, "changed", manifest)
    failed = too_many_failures(manifest, rule) if manifest.stage == "score" else None
    return StageState(stage, place, "failed" if failed else "done", manifest, failed or "")
