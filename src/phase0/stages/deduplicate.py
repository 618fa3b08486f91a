"""Remove near-duplicate rows. Kept rows leave as the bytes they came in; every dropped one names the row that stays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypedDict, Unpack, get_args

from phase0.dataset import Manifest, expand
from phase0.dedup import Clusters, Keep, Method, On, load_kernels, text_of
from phase0.errors import UsageError
from phase0.progress import SILENT, Progress
from phase0.stages.output import stage_output
from phase0.stages.parts import finished, parts_folder

_NAMED = 5


class Rule(TypedDict, total=False):
    """Which rows are one, and which of them stays: what decides the output of `deduplicate`."""

    threshold: str | float | Decimal
    on: On
    shingle: int
    method: Method
    clusters: Clusters
    keep: Keep


class Work(Rule, total=False):
    """All that `deduplicate` may be told."""

    per_source_alarm: bool
    workers: int | None


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
    per_source_alarm: bool = True,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Keep one row of any rows whose word sets reach a Jaccard similarity of `threshold`.

    Words and Jaccard are as `phase0.dedup` defines them. Of two rows the one with the higher quality_score stays, then
    the one with the longer response, then the one whose line is greater as bytes; so what stays does not depend on the
    order of rows or files. (`keep="longest"` looks at the length before the score; `keep="first"` at nothing but the
    order, so there it counts.) Kept rows leave in input order, byte for byte. With `per_source_alarm` a source that
    loses more than half of its rows is named.
    """
    if keep not in get_args(Keep):
        raise UsageError(f"Of near-duplicates {', '.join(get_args(Keep))} can be kept, not {keep!r}.")
    load_kernels(progress)
    from phase0.dedup.near import asked, candidates, removals
    from phase0.stages.dedup_files import figures, ranked, write
    from phase0.stages.row_files import RowFiles

    how = asked(threshold, shingle, method=method, clusters=clusters, workers=workers or 1)
    text_of("", "", on)  # refuses what cannot be compared
    paths = expand(inputs)
    settings = dedup_settings(threshold=threshold, on=on, shingle=shingle, method=method, clusters=clusters, keep=keep)
    with stage_output("dedup", Path(output), paths, settings) as out, parts_folder(out) as folder:
        files = RowFiles(paths, on, folder)
        known = candidates(files, how, progress)
        gone = removals(known, ranked(known, files, keep), how, progress)
        progress.start("write kept rows", len(known.same))
        write(out, files, gone, progress)
        out.figures = {"threshold": settings["threshold"]} | figures(known, gone, files.rows())
        if per_source_alarm:
            _alarm(out.figures["sources_over_half_removed"], progress)
        progress.finish()
    return finished(Path(output))


def _alarm(sources: Sequence[str], progress: Progress) -> None:
    """Name the sources that lose more than half of their rows, as far as a person would read on."""
    if sources:
        more = f", and {len(sources) - _NAMED} more (all are in the manifest)" if len(sources) > _NAMED else ""
        progress.warn(f"more than half of the rows are near-duplicates in: {', '.join(sources[:_NAMED])}{more}")


def dedup_settings(**rule: Unpack[Rule]) -> dict[str, Any]:
    """What a manifest says of how rows were compared. What is as usual is named only where rows are compared."""
    threshold, on, shingle = rule.get("threshold", "0.8"), rule.get("on", "both"), rule.get("shingle", 5)
    settings = {"threshold": str(Decimal(str(threshold)).normalize()), "on": on, "shingle": shingle}
    usual = {"method": "auto", "clusters": "greedy", "keep": "best"}
    return settings | {name: value for name, value in rule.items() if usual.get(name, value) != value}
