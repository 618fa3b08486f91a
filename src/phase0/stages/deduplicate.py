"""Remove near-duplicate rows. Kept rows leave as the bytes they came in; every dropped one names the row that stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, get_args

from phase0.dataset import Manifest, expand, file_digest
from phase0.dedup import REMOVER, Clusters, Keep, Method, On, load_kernels, text_of
from phase0.engine import Engine
from phase0.engine.local import Local
from phase0.errors import UsageError
from phase0.partitioned.site import Site
from phase0.progress import SILENT, Progress
from phase0.stages.fetched import fetched
from phase0.stages.output import StageOutput, relative, stage_output
from phase0.stages.parts import finished, parts_folder
from phase0.stages.shards import FolderOutput, names_a_folder
from phase0.workspace import MARK, workspace_of

if TYPE_CHECKING:
    from phase0.dedup.near import Asked
    from phase0.stages.dedup_spread import InputRows

_NAMED = 5


class Rule(TypedDict, total=False):
    """Which rows are one, and which of them stays: what decides the output of `deduplicate`."""

    threshold: str | float | Decimal
    on: On
    shingle: int
    method: Method
    clusters: Clusters
    keep: Keep
    against: Iterable[str | Path]


class Work(Rule, total=False):
    """All that `deduplicate` may be told."""

    per_source_alarm: bool
    workers: int | None
    max_memory: str | int | None
    engine: Engine | None


def deduplicate(
    inputs: Iterable[str | Path],
    output: str | Path,
    *,
    threshold: str | float | Decimal = "0.8",
    on: On = "both",
    shingle: int = 5,
    method: Method = "auto",
    clusters: Clusters = "greedy",
    keep: Keep = "best",
    against: Iterable[str | Path] = (),
    per_source_alarm: bool = True,
    workers: int | None = None,
    max_memory: str | int | None = None,
    engine: Engine | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Keep one row of any rows whose word sets reach a Jaccard similarity of `threshold`.

    Words and Jaccard are as `phase0.dedup` defines them. Of two rows the one with the higher quality_score stays, then
    the one with the longer response, then the one whose line is greater as bytes; so what stays does not depend on the
    order of rows or files. (`keep="longest"` looks at the length before the score; `keep="first"` at nothing but the
    order, so there it counts.) Kept rows leave in input order, byte for byte. Rows that resemble one in the files of
    `against` go, however they rank; of those files nothing is written. With `per_source_alarm` a source that loses more
    than half of its rows is named. What does not fit into `max_memory` ("8GiB", or bytes; else most of what is free) is
    done on disk beside the output and in parts, with the same result.

    An `engine` that is a cluster, or `Local(spread=True)`, works in partitions, through files beside the output that
    every node must see; `max_memory` is then what its workers on one machine may take together, and `workers` is of no
    account. The bytes are the same. So works an output that is a folder (it ends in a slash, or is one): it becomes
    shards, `part-000000.jsonl` and on, which in the order of their names are what the file would be.
    """
    _check(on, keep)
    engine = engine or Local(workers or 1)
    paths = expand(fetched(inputs, workspace_of(Path(output)) / MARK / "fetched", engine, progress))
    kind = FolderOutput if names_a_folder(output) else StageOutput
    kind.check(Path(output), paths)  # before kernels are compiled for a call that cannot go on
    others = _others(against, paths, Path(output), kind)
    from phase0.dedup.near import asked
    from phase0.stages.dedup_spread import InputRows
    from phase0.stages.row_readings import AsRow

    how = asked(threshold, shingle, method=method, clusters=clusters, workers=engine.threads, max_memory=max_memory)
    settings = dedup_settings(
        output,
        threshold=threshold,
        on=on,
        shingle=shingle,
        method=method,
        clusters=clusters,
        keep=keep,
        against=others,
    )
    with stage_output("dedup", Path(output), paths, settings, kind) as out:
        out.looks_at(others)
        load_kernels(progress, (*REMOVER, "json", "rows"))  # while digests of the inputs are worked out
        told = keep_one_of_any(out, engine, InputRows(paths, others, AsRow(on, keep)), how, progress)
        out.figures = {"threshold": settings["threshold"]} | told
    _warn(told, progress, per_source_alarm=per_source_alarm)
    return finished(Path(output))


def keep_one_of_any(
    out: StageOutput, engine: Engine, rows: InputRows, how: Asked, progress: Progress
) -> dict[str, Any]:
    """Send every row to where it belongs, in partitions or at once. What a manifest may tell of it."""
    from phase0.dedup.memory import bounded
    from phase0.stages.dedup_files import keep_distinct
    from phase0.stages.dedup_spread import keep_distinct_spread
    from phase0.stages.row_files import RowFiles

    with parts_folder(out) as parts, bounded(how.memory):
        how = how._replace(memory=how.memory._replace(folder=parts))
        if engine.spread or isinstance(out, FolderOutput):
            with engine.kept() as kept:
                return keep_distinct_spread(Site(kept, parts, progress), out, rows, how)
        files = RowFiles(rows.paths, rows.reading, parts, rows.others)
        return keep_distinct(out, files, how, rows.reading.rank(files), progress)


def _others(against: Iterable[str | Path], paths: Sequence[Path], output: Path, kind: type[StageOutput]) -> list[Path]:
    """The files that inputs are compared with, or UsageError where they are inputs too or would be overwritten."""
    others = expand(against) if against else []
    kind.check(output, others)
    if twice := {path.resolve() for path in paths} & {path.resolve() for path in others}:
        raise UsageError(f"{min(twice)} is an input and also what inputs are compared with: all of its rows would go")
    return others


def _check(on: On, keep: Keep) -> None:
    """Raise UsageError for what cannot be compared, or kept."""
    text_of("", "", on)
    if keep not in get_args(Keep):
        raise UsageError(f"Of near-duplicates {', '.join(get_args(Keep))} can be kept, not {keep!r}.")


def _warn(told: Mapping[str, Any], progress: Progress, *, per_source_alarm: bool) -> None:
    """Name the sources that lose more than half of their rows, as far as a person would read on; and say how much of
    what inputs were compared with could not be read."""
    sources = told["sources_over_half_removed"]
    if sources and per_source_alarm:
        more = f", and {len(sources) - _NAMED} more (all are in the manifest)" if len(sources) > _NAMED else ""
        progress.warn(f"more than half of the rows are near-duplicates in: {', '.join(sources[:_NAMED])}{more}")
    if unreadable := told.get("against", {}).get("unreadable"):
        progress.warn(f"{unreadable} lines of what inputs are compared with are no rows")


def dedup_settings(output: str | Path, **rule: Unpack[Rule]) -> dict[str, Any]:
    """What a manifest says of how rows were compared. What is as usual is named only where rows are compared."""
    threshold, on, shingle = rule.get("threshold", "0.8"), rule.get("on", "both"), rule.get("shingle", 5)
    settings = {"threshold": str(Decimal(str(threshold)).normalize()), "on": on, "shingle": shingle}
    usual = {"method": "auto", "clusters": "greedy", "keep": "best"}
    settings |= {name: value for name, value in rule.items() if usual.get(name, value) != value}
    others = expand(rule["against"]) if rule.get("against") else []
    if others:
        folder = Path(output).parent
        settings["against"] = [{"path": relative(path, folder), "digest": file_digest(path)} for path in others]
    return settings
