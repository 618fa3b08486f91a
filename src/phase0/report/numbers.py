"""Every number of a report, gathered from manifests, from the verification and from rows. What they do not tell is
None."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from phase0.dataset import Made, Manifest
from phase0.dataset.rows import NOT_JSON
from phase0.errors import DataError
from phase0.licenses import LicenseLedger, Require, license_ledger
from phase0.plan import Publish
from phase0.progress import SILENT, Progress
from phase0.report.judging import ScoreNumbers, number, score_numbers
from phase0.report.languages import LanguageShare, languages
from phase0.report.rows import RowNumbers, row_numbers
from phase0.stages.allocation import BEST_OF
from phase0.stages.certificate import Contamination, certificates
from phase0.stages.output import relative
from phase0.stages.provenance import Chain, chain, cost, dedup_impacts, rehearsed, who
from phase0.stages.rounds import in_round, round_of
from phase0.stages.verification import Cost, DedupImpact, Verification

PLAN, VERIFICATION = "plan.json", "verification.json"


class StageNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """One stage: its sums, its speed, and what it was asked to do. Rows per second are of rows read."""

    stage: str
    who: str | None
    output: str
    read: int
    rows_in: int = msgspec.field(name="in")
    kept: int
    dropped: int
    reasons: dict[str, int]
    seconds: float
    rows_per_second: float | None
    started: str
    settings: dict[str, Any]
    versions: dict[str, str]


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """One file that came from outside."""

    dataset: str
    path: str
    layout: str | None
    bytes: int
    read: int
    rows_in: int = msgspec.field(name="in")
    kept: int
    dropped: int


class RejectedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that could not be read, or not to its end."""

    output: str
    path: str
    reason: str


class MixPart(msgspec.Struct, frozen=True, kw_only=True):
    """What one teacher was to answer, in percent, and what it did: rows taken of all, and answered of those taken."""

    teacher: str
    output: str
    wanted_percent: float | None
    rows: int
    taken: int
    answered: int


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """How many finished rows a plan asks for, and what became of that. `reserve`: prompts that nobody was asked."""

    rows: int
    rounds: int
    reserve: int
    shares: tuple[GoalShare, ...]


class GoalShare(msgspec.Struct, frozen=True, kw_only=True):
    """One teacher's part of a goal, in rows; of best-of that of all teachers."""

    name: str
    percent: str
    wanted: int
    asked: int
    finished: int  # scored above the threshold, and no duplicates
    kept: int
    short: int


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """Where all rows went: entered + asked_again = published + dropped + not_taken.

    `not_taken` rows were no teacher's share. `asked_again` counts rows that one more teacher answered, of whose answers
    the best stays."""

    entered: int
    asked_again: int
    published: int
    dropped: int
    not_taken: int
    closes: bool
    faults: tuple[str, ...]  # what does not add up, where it does not


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report says."""

    title: str
    description: str
    dataset: str
    rows: int
    bytes: int
    balance: Balance
    stages: tuple[StageNumbers, ...]  # upstream first
    upstream: tuple[Upstream, ...]
    rejected: tuple[RejectedFile, ...]
    mix: tuple[MixPart, ...]
    goal: Goal | None
    scores: tuple[ScoreNumbers, ...]
    dedup: tuple[DedupImpact, ...]
    contamination: tuple[Contamination, ...]
    cost: Cost
    budget_usd: Decimal | None
    verification: Verification | None
    seen: RowNumbers | None  # what reading the rows told, where they were read
    licenses: LicenseLedger
    languages: tuple[LanguageShare, ...]
    require_license: Require | None  # what the plan asks of licences
    recipe: str  # digests of how the dataset was made, and of its bytes
    digest: str
    notes: tuple[str, ...]
    rehearsal: bool  # a simulator stood in for the teachers


class _Plan(msgspec.Struct, frozen=True):
    """What a report says of the plan of a run."""

    name: str = ""
    description: str = ""
    budget_usd: Decimal | None = None
    publish: Publish = Publish()


def gather(dataset: Path, root: Path, beside: Path, *, look: bool = False, progress: Progress = SILENT) -> Numbers:
    """The numbers of a dataset, and with `look` those that rows alone tell. Paths are shown from `root`; plan and
    verification lie in `beside`.

    Raises DataError where no manifest tells how the dataset was made.
    """
    known = chain([dataset])
    if not known.made:
        raise DataError(f"there is nothing to report: {'; '.join(known.gaps)}")
    plan = _plan(beside / PLAN)
    end = known.made[-1].manifest
    checked, notes = verification_of(beside / VERIFICATION, end.output.digest)
    scores = tuple(score_numbers(made, root) for made in known.made if made.manifest.stage == "score")
    threshold = scores[-1].threshold if scores else None
    return Numbers(
        title=plan.name or dataset.name,
        description=plan.description,
        dataset=relative(dataset, root),
        rows=end.output.rows,
        bytes=end.output.bytes,
        balance=balance(known),
        stages=tuple(stage_numbers(made, root) for made in known.made),
        upstream=tuple(item for made in known.made for item in _upstream(made, known, root)),
        rejected=_rejected(known.made, root),
        mix=tuple(mix_part(made, root) for made in known.made if made.manifest.stage == "distill"),
        goal=next((_goal(made.manifest) for made in known.made if made.manifest.stage == "mix"), None),
        scores=scores,
        dedup=dedup_impacts(known.made),
        contamination=certificates(known.made),
        cost=cost(known),
        budget_usd=plan.budget_usd,
        verification=checked,
        seen=row_numbers(dataset, known, root, threshold, progress) if look else None,
        licenses=license_ledger(dataset),
        languages=languages(dataset, end.output.rows),
        require_license=plan.publish.require_license,
        recipe=end.recipe,
        digest=end.output.digest,
        notes=(*known.gaps, *notes),
        rehearsal=rehearsed(known),
    )


def _plan(path: Path) -> _Plan:
    """The plan of a run; an empty one where there is none that this version can read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Plan)
    except (FileNotFoundError, NotADirectoryError, *NOT_JSON):
        return _Plan()


def verification_of(path: Path, digest: str) -> tuple[Verification | None, tuple[str, ...]]:
    """The verification of the very bytes that are reported on, or why there is none."""
    try:
        checked = msgspec.json.decode(path.read_bytes(), type=Verification)
    except (FileNotFoundError, NotADirectoryError):
        return None, ("the dataset was not verified, so this report does not describe its rows",)
    except NOT_JSON as error:
        return None, (f"{path.name} cannot be read ({error}); verify the dataset again",)
    if all(file.digest != digest for file in checked.files):
        return None, (f"{path.name} is about other bytes than the dataset holds now; verify it again",)
    return checked, ()


def stage_numbers(made: Made, root: Path) -> StageNumbers:
    """What the manifest of a stage tells of it."""
    manifest, counts = made.manifest, made.manifest.counts
    return StageNumbers(
        stage=in_round(manifest.stage, round_of(made.path)),
        who=who(manifest),
        output=relative(made.path, root),
        read=counts.read,
        rows_in=counts.rows_in,
        kept=counts.kept,
        dropped=counts.dropped,
        reasons=counts.reasons,
        seconds=manifest.seconds,
        rows_per_second=counts.read / manifest.seconds if manifest.seconds > 0 else None,
        started=manifest.started,
        settings=manifest.settings,
        versions=manifest.versions,
    )


def _upstream(made: Made, known: Chain, root: Path) -> list[Upstream]:
    return [
        Upstream(
            dataset=made.path.stem,
            path=relative(made.path.parent / source.path, root),
            layout=source.note,
            bytes=source.bytes,
            read=source.read,
            rows_in=source.rows_in,
            kept=source.kept,
            dropped=source.dropped,
        )
        for source in made.manifest.inputs
        if known.maker(made, source) is None
    ]


def _rejected(steps: Sequence[Made], root: Path) -> tuple[RejectedFile, ...]:
    """Each file once: joining datasets tells again what reading them told."""
    found: dict[str, RejectedFile] = {}
    for path, manifest in steps:
        for item in manifest.rejected:
            output = relative(path, root)
            found.setdefault(item.reason, RejectedFile(output=output, path=item.path, reason=item.reason))
    return tuple(found.values())


def mix_part(made: Made, root: Path) -> MixPart:
    """What the manifest of a `distill` stage tells of its teacher."""
    manifest = made.manifest
    return MixPart(
        teacher=who(manifest) or "unknown",
        output=relative(made.path, root),
        wanted_percent=number(manifest.figures.get("share")),
        rows=manifest.counts.read,
        taken=manifest.counts.rows_in,
        answered=manifest.counts.kept,
    )


def _goal(mix: Manifest) -> Goal | None:
    """None where the manifest is of a version that told it otherwise."""
    rounds, reserve = mix.settings.get("asked"), mix.settings.get("reserve")
    told = {"rounds": len(rounds) if isinstance(rounds, list) else None, "reserve": reserve} | mix.figures
    try:
        shares = msgspec.convert(told.get("shares"), tuple[GoalShare, ...])
        return msgspec.convert(told | {"rows": sum(share.wanted for share in shares), "shares": shares}, Goal)
    except msgspec.ValidationError:
        return None


def balance(known: Chain) -> Balance:
    """Follow every row from where it entered to where it ended, and name what does not add up."""
    entered, taken, faults = 0, Counter[Path](), []
    for made in known.made:
        counts = made.manifest.counts
        if counts.rows_in != counts.kept + counts.dropped or counts.kept != made.manifest.output.rows:
            faults.append(f"{made.path.name}: {counts.rows_in} rows in, {counts.kept} kept, {counts.dropped} dropped")
        for source in made.manifest.inputs:
            maker = known.maker(made, source)
            if maker is None:
                entered += source.rows_in
                continue
            taken[maker.path] += source.rows_in
            if source.read != maker.manifest.output.rows:
                held = maker.manifest.output.rows
                faults.append(f"{made.path.name} read {source.read} rows of {maker.path.name}, which holds {held}")
    again = _asked_again(known)
    taken -= again
    *steps, end = known.made
    left = {made.path: made.manifest.output.rows - taken[made.path] for made in steps}
    faults += [f"{path.name}: {-rows} rows were taken twice" for path, rows in left.items() if rows < 0]
    published, dropped = end.manifest.output.rows, sum(made.manifest.counts.dropped for made in known.made)
    not_taken = sum(left.values())
    if entered + again.total() != published + dropped + not_taken:
        faults.append(
            f"{entered + again.total()} rows entered, but {published + dropped + not_taken} are accounted for"
        )
    return Balance(
        entered=entered,
        asked_again=again.total(),
        published=published,
        dropped=dropped,
        not_taken=not_taken,
        closes=not faults,
        faults=tuple(faults),
    )


def _asked_again(known: Chain) -> Counter[Path]:
    """How often rows of a file were taken by one more teacher than one, where the best of several answers stays."""
    first, again = Counter[tuple[Path, int]](), Counter[Path]()
    for made in known.made:
        if made.manifest.settings.get("allocation") == BEST_OF:
            for source in made.manifest.inputs:
                path = (made.path.parent / source.path).resolve()
                seen = first[path, round_of(made.path)]
                first[path, round_of(made.path)] = max(seen, source.rows_in)
                again[path] += min(seen, source.rows_in)
    return again
