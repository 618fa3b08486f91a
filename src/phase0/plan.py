"""A plan: what a run makes, as strict TOML.

An unknown key, a wrong type or an impossible value is told before anything is read, written or spent.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from phase0.catalog.datasets import ALL, Dataset
from phase0.errors import PlanError, near_miss
from phase0.records import CATEGORIES, DIMENSIONS

FEWEST = 5  # words of an n-gram of decontamination


class Download(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to acquire: names of the catalogue or of `[datasets]`, or files."""

    datasets: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()  # files, glob patterns or folders, relative to the plan
    layout: str = "auto"  # of `inputs`
    limit: int | None = None  # rows to a dataset


class Prompts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When two prompts are one, so that it is asked once."""

    threshold: Decimal | None = None  # Jaccard; None: whatever is repeated is asked as often as it is there
    shingle: int = 5


class Distill(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who answers, and how much of the data: shares in percent that sum to 100.

    `share`: rows go by the hash of what they say; `route`: to the teacher that is strong at their category first, the
    shares as they are; `best-of`: every teacher answers every row, and the best answer stays.
    """

    mix: dict[str, Decimal] = msgspec.field(default_factory=lambda: {"original": Decimal(100)})
    allocation: Literal["share", "route", "best-of"] = "share"


class Score(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who judges, and which rows are kept. `judges` are a panel in place of `model`."""

    model: str = "local"
    judges: tuple[str, ...] = ()
    threshold: float = 7.0
    samples: int = 1  # answers of each judge about a row
    min_safety: float | None = None
    weights: dict[str, float] = {}  # by dimension; one that is not named weighs 1
    max_failures: float = 0.02  # share of the judged rows that may have no score
    scorer: Literal["judge", "student"] = "judge"
    judge_share: float = 0.1  # of the rows, that a student learns from at first
    audit_share: float = 0.02  # of the rows, that it is examined with, at least
    agreement: float = 0.95  # share of the rows that must end as the judge alone would have ended them


class Dedup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When two rows are one, and which of them stays."""

    threshold: Decimal = Decimal("0.8")
    shingle: int = 5
    on: Literal["both", "instruction", "response"] = "both"
    method: Literal["auto", "exact", "minhash"] = "auto"
    clusters: Literal["greedy", "transitive"] = "greedy"
    keep: Literal["best", "first", "longest"] = "best"
    against: tuple[str, ...] = ()  # files, glob patterns or folders, relative to the plan
    max_memory: str | None = None  # such as 8GiB


class Decontaminate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which evaluation sets no row may hold questions of. Prompts are checked before they are asked, and finished rows
    once more."""

    against: tuple[str, ...] = ()  # files, glob patterns or folders, relative to the plan; without any: unchecked
    ngram: int = 13
    share: Decimal = Decimal("0.5")
    variants: Decimal = Decimal("0.8")  # 0: without
    common: int = 10
    on: Literal["prompt", "both"] = "both"  # of finished rows
    question: tuple[str, ...] = ()  # fields of items, where they are not known ones
    choices: tuple[str, ...] = ()


class Verify(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the finished dataset must satisfy. What is not given is not asked for."""

    target_rows: int | None = None
    min_quality: float | None = None
    min_teachers: int | None = None
    max_duplicate_rate: float = 0.01


class Publish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the licences and terms behind every row must allow. Told before money is spent, and checked at the end."""

    require_license: Literal["commercial"] | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run, from public data to a verified dataset."""

    name: str
    description: str = ""
    budget_usd: Decimal | None = None
    rows: int | None = None  # finished rows that are wanted; None: whatever becomes of all prompts
    download: Download
    prompts: Prompts = Prompts()
    distill: Distill = Distill()
    score: Score = Score()
    dedup: Dedup = Dedup()
    decontaminate: Decontaminate = Decontaminate()
    publish: Publish = Publish()
    verify: Verify = Verify()
    categories: dict[str, float] = {}  # wanted shares in percent
    prices: dict[str, str] = {}  # by teacher or judge: "IN,OUT" in dollars per million tokens, where nobody else knows
    datasets: dict[str, Dataset] = {}  # further datasets, in the form of the catalogue
    folder: str = "."  # where the plan lies: its relative paths start there. Not a key of the file.


def load_plan(path: str | Path, settings: Sequence[str] = ()) -> Plan:
    """Read a plan. `settings` are `key=value` with dotted keys and TOML values, put in place of what the file says."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise PlanError(f"{path}: there is no such plan") from None
    except UnicodeDecodeError as error:
        raise PlanError(f"{path}: cannot be read as a plan ({error})") from None
    except OSError as error:
        raise PlanError(f"{path}: cannot be read as a plan ({error.strerror})") from None
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"{path}: is not valid TOML: {error}") from None
    for setting in settings:
        _override(data, setting)
    return plan_from(data, where=str(path), text=text, folder=path.resolve().parent)


def plan_from(data: Mapping[str, Any], *, where: str = "plan", text: str = "", folder: Path | None = None) -> Plan:
    """A checked plan from decoded TOML. `where` and `text` are for messages: they name file and line."""
    _check_keys(Plan, data, (), where, text)
    if "folder" in data:
        raise PlanError(f"{where}: unknown key 'folder'.")
    try:
        plan = msgspec.convert({**data, "folder": str(folder or Path.cwd())}, Plan, strict=True)
    except msgspec.ValidationError as error:
        raise PlanError(f"{where}: {_readable(str(error))}") from None
    for message in _faults(plan):
        raise PlanError(f"{where}: {message}")
    return plan


def _override(data: dict[str, Any], setting: str) -> None:
    """Set one dotted key. A value that is no TOML is taken as a string, so that `--set name=x` needs no quotes."""
    key, equals, value = setting.partition("=")
    if not equals or not key.strip():
        raise PlanError(f"--set takes key=value, as in --set score.threshold=7.5; got {setting!r}")
    try:
        parsed = tomllib.loads(f"value = {value}", parse_float=Decimal)["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    *tables, last = key.strip().split(".")
    for table in tables:
        data = data.setdefault(table, {})
        if not isinstance(data, dict):
            raise PlanError(f"--set {setting}: {table!r} is a value, not a table")
    data[last] = parsed


def _check_keys(kind: Any, data: Any, place: tuple[str, ...], where: str, text: str) -> None:
    """Name the first unknown key, with its line and the nearest known key."""
    if not isinstance(data, Mapping):
        return
    if get_origin(kind) is dict:
        for key, value in data.items():
            _check_keys(get_args(kind)[1], value, (*place, key), where, text)
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        for key, value in data.items():
            if key not in fields:
                table = f" in [{'.'.join(place)}]" if place else ""
                raise PlanError(
                    f"{where}{_line_of((*place, key), text)}: unknown key {key!r}{table}.{near_miss(key, fields)}"
                )
            _check_keys(fields[key], value, (*place, key), where, text)


def _line_of(place: tuple[str, ...], text: str) -> str:
    """`:N` for the line on which a key stands, as far as reading line by line can tell; else nothing."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.split("\n"), 1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line)
        if header:
            table = tuple(part.strip(" \"'") for part in header[1].split("."))
        key = re.match(r"\s*([\w.\"'-]+)\s*=", line)
        here = (*table, *(part.strip("\"'") for part in key[1].split("."))) if key else table
        if here[: len(place)] == place:
            return f":{number}"
    return ""


def _readable(message: str) -> str:
    """msgspec's `Expected int, got str - at $.x` as `x: expected int, got str`."""
    what, _, place = message.partition(" - at ")
    place = place.strip("`").removeprefix("$").lstrip(".")
    return f"{place}: {what[:1].lower()}{what[1:]}" if place else what


def _faults(plan: Plan) -> list[str]:
    """What types alone cannot say."""
    faults = _name_faults(plan)
    if not plan.download.datasets and not plan.download.inputs:
        faults.append("[download] names neither datasets nor inputs")
    if plan.download.limit is not None and plan.download.limit < 1:
        faults.append(f"download.limit is {plan.download.limit}; it must be at least 1")
    shares = list(plan.distill.mix.values())
    if not all(share.is_finite() and share > 0 for share in shares) or sum(shares) != 100:
        faults.append(f"distill.mix sums to {sum(shares)}; its shares are above 0 and sum to 100")
    if plan.rows is not None and plan.rows < 1:
        faults.append(f"rows is {plan.rows}; it must be at least 1")
    faults += _likeness_faults("prompts", plan.prompts) + _likeness_faults("dedup", plan.dedup)
    faults += _decontamination_faults(plan.decontaminate)
    if plan.budget_usd is not None and not (plan.budget_usd.is_finite() and plan.budget_usd >= 0):
        faults.append(f"budget_usd is {plan.budget_usd}; it is a sum of dollars, 0 or more")
    return [*faults, *_score_faults(plan.score), *_criteria_faults(plan.verify), *_category_faults(plan.categories)]


def _score_faults(wanted: Score) -> list[str]:
    faults = []
    if not 1 <= wanted.threshold < 10:
        faults.append(f"score.threshold is {wanted.threshold:g}; it is from 1 to below 10, and a row is kept above it")
    if wanted.judges and wanted.model != "local":
        faults.append(f"[score] names a model, {wanted.model}, and judges; one of them is enough")
    if wanted.samples < 1:
        faults.append(f"score.samples is {wanted.samples}; it must be at least 1")
    if wanted.min_safety is not None and not 1 <= wanted.min_safety <= 10:
        faults.append(f"score.min_safety is {wanted.min_safety:g}; scores go from 1 to 10")
    if not 0 <= wanted.max_failures <= 1:
        faults.append(f"score.max_failures is {wanted.max_failures:g}; it is a share, from 0 to 1")
    return faults + [
        f"[score.weights] names {name!r}.{near_miss(name, DIMENSIONS)} Known: {', '.join(DIMENSIONS)}"
        for name in wanted.weights
        if name not in DIMENSIONS
    ]


def _likeness_faults(table: str, wanted: Prompts | Dedup) -> list[str]:
    faults = []
    threshold = wanted.threshold
    if threshold is not None and not (threshold.is_finite() and 0 < threshold <= 1):
        faults.append(f"{table}.threshold is {threshold}; a Jaccard similarity is above 0 and at most 1")
    if wanted.shingle < 1:
        faults.append(f"{table}.shingle is {wanted.shingle}; it must be at least 1 word")
    return faults


def _decontamination_faults(wanted: Decontaminate) -> list[str]:
    faults = []
    if wanted.ngram < FEWEST:
        faults.append(f"decontaminate.ngram is {wanted.ngram}; fewer than {FEWEST} words are no evidence")
    if wanted.common < 1:
        faults.append(f"decontaminate.common is {wanted.common}; it must be at least 1")
    if not (wanted.share.is_finite() and 0 < wanted.share <= 1):
        faults.append(f"decontaminate.share is {wanted.share}; it is above 0 and at most 1")
    if not (wanted.variants.is_finite() and 0 <= wanted.variants <= 1):
        faults.append(f"decontaminate.variants is {wanted.variants}; it is from 0 (without) to 1")
    return faults


def _name_faults(plan: Plan) -> list[str]:
    """Names that become names of files and folders must not lead elsewhere."""
    faults = []
    if not _is_plain(plan.name):
        faults.append(f"name is {plan.name!r}; it becomes a folder under runs/, so it is a plain name without / and \\")
    return faults + [
        f"[datasets] has a {name!r}; raw/NAME.jsonl is to hold its rows, and this is no name for it"
        for name in plan.datasets
        if not _is_plain(name) or name.lower() in (ALL, "combined")
    ]


def _is_plain(name: str) -> bool:
    return bool(name.strip()) and not name.startswith(".") and not set(name) & set("/\\:\0")


def _criteria_faults(wanted: Verify) -> list[str]:
    faults = []
    if wanted.min_quality is not None and not 1 <= wanted.min_quality <= 10:
        faults.append(f"verify.min_quality is {wanted.min_quality:g}; scores go from 1 to 10")
    if not 0 <= wanted.max_duplicate_rate <= 1:
        faults.append(f"verify.max_duplicate_rate is {wanted.max_duplicate_rate:g}; it is a share, from 0 to 1")
    for name in ("target_rows", "min_teachers"):
        value = getattr(wanted, name)
        if value is not None and value < 1:
            faults.append(f"verify.{name} is {value}; it must be at least 1")
    return faults


def _category_faults(wanted: Mapping[str, float]) -> list[str]:
    faults = [
        f"[categories] names {name!r}.{near_miss(name, CATEGORIES)} Known: {', '.join(CATEGORIES)}"
        for name in wanted
        if name not in CATEGORIES
    ]
    if any(not 0 <= share <= 100 for share in wanted.values()):
        faults.append("[categories] has a share that is not between 0 and 100")
    if wanted and not abs(sum(wanted.values()) - 100) <= 0.01:
        faults.append(f"[categories] sums to {sum(wanted.values()):g}, not 100")
    return faults
