"""The commands that make rows: download, distill, score, dedup, publish."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from phase0.cli import settings
from phase0.cli.asking import NOTHING_SAID, Agreement, AskedOptions, AuditShare, JudgeShare, RetryFailed, means
from phase0.cli.printing import dataset_list, hint, print_rejected, summary
from phase0.cli.screen import screen
from phase0.cli.settings import (
    HERE,
    Against,
    Compared,
    Inputs,
    MaxMemory,
    Output,
    OutputOrFolder,
    Shingle,
    Threads,
    WhereOptions,
    Workers,
    Workspace,
)
from phase0.dataset import meta_folder
from phase0.dedup import Clusters, Keep, Method
from phase0.errors import UsageError

Datasets = Annotated[
    list[str], Parameter(help="Names of the catalogue, or `all` for its default set.", show_default=False)
]
From = Annotated[
    str | None,
    Parameter(name="--from", help="Take the files from this folder instead of the hub; or one file, or a URL."),
]
Which = Annotated[
    Method, Parameter(help="How near rows are found: every pair, or nearly every one. auto: exact from 0.6 on.")
]
Stays = Annotated[
    Keep, Parameter(help="Which row stays: best score, first in the input (depends on its order), longest response.")
]
Alike = Annotated[
    Clusters,
    Parameter(
        help="transitive: of rows that a chain of near-duplicates connects one stays, even where its ends differ."
    ),
]


def download(
    *,
    datasets: Datasets = [],  # noqa: B006
    output: Annotated[
        Path | None, Parameter(help="Folder to write to: a file per dataset, and combined.jsonl.")
    ] = None,
    from_: From = None,
    layout: Annotated[str, Parameter(help="Layout of files that are no dataset of the catalogue.")] = "auto",
    limit: Annotated[int | None, Parameter(help="Keep the first so many rows of each dataset.")] = None,
    revision: Annotated[
        str | None, Parameter(help="Branch, tag or commit on the hub, in place of the pinned one.")
    ] = None,
    list_: Annotated[
        bool,
        Parameter(name="--list", help="List the datasets of the catalogue and do nothing else.", show_default=False),
    ] = False,
    workers: Workers = None,
    where: WhereOptions = HERE,
    workspace: Workspace = None,
) -> int:
    """Acquire public datasets as standard rows.

    With --from and no --datasets, every data file in that folder is a dataset of its own, its layout recognised.
    A dataset acquired before is replaced in combined.jsonl, not repeated.
    """
    import phase0

    if list_:
        print(dataset_list())
        return 0
    if output is None:
        raise UsageError("--output is missing: the folder to write to, such as data/raw/")
    _check_combination(datasets, from_, layout, revision)
    with screen() as progress, settings.engine(where, workers, [output, from_, workspace], progress) as engine:
        if datasets:
            made = phase0.download(
                datasets,
                output,
                source=from_,
                limit=limit,
                revision=revision,
                hub=settings.hub(),
                workspace=settings.workspace(workspace),
                engine=engine,
                progress=progress,
            )
        else:
            made = phase0.acquire(
                [str(from_)],
                output,
                layout=layout,
                limit=limit,
                workspace=settings.workspace(workspace),
                engine=engine,
                progress=progress,
            )
    for manifest in made.datasets:
        print(summary(manifest, output / manifest.output.path))
    print(summary(made.combined, output / made.combined.output.path))
    return print_rejected([item.reason for item in made.rejected])


def _check_combination(datasets: list[str], from_: str | None, layout: str, revision: str | None) -> None:
    if datasets and layout != "auto":
        raise UsageError(f"--layout {layout} is for files that are no dataset of the catalogue; leave --datasets out")
    if not datasets and revision is not None:
        raise UsageError(f"--revision {revision} is of a dataset on the hub, but --datasets names none")
    if not datasets and from_ is None:
        raise UsageError("--datasets is missing: names such as alpaca, or all; `phase0 download --list` shows them")


def distill(
    *,
    output: Output,
    input: Inputs = [],  # noqa: A002, B006
    teacher: Annotated[str, Parameter(help="Who answers; `original` keeps the dataset's own answers.")] = "original",
    percentage: Annotated[str, Parameter(help="Share of the rows that this call answers.")] = "100",
    release: Annotated[
        bool, Parameter(help="Give up the share that --output holds, and do nothing else.", show_default=False)
    ] = False,
    asked: AskedOptions = NOTHING_SAID,
    workspace: Workspace = None,
) -> int:
    """Answer rows with a teacher model.

    Calls on the same input share it: each takes its own rows, together every row once. The same call again gets its
    own rows back. What a model has answered is kept in the workspace's ledger and never bought again.
    """
    import phase0
    from phase0.workspace import release as give_up
    from phase0.workspace import workspace_of

    place = settings.workspace(workspace)
    if release:
        claim = give_up(workspace_of(output, place), output)
        print(f"{claim.percentage}% claimed by {claim.teacher} for {output} is free again")
        return 0
    if not input:
        raise UsageError("--input is missing: the rows to answer, such as data/raw/combined.jsonl")
    with screen() as progress:
        manifest = phase0.distill(
            input,
            output,
            teacher=teacher,
            percentage=percentage,
            workspace=place,
            means=means(asked, progress),
            progress=progress,
        )
    return done(manifest, output)


def score(
    *,
    input: Inputs,  # noqa: A002
    output: Output,
    threshold: Annotated[float, Parameter(help="Rows are kept when their quality_score is above this.")] = 7.0,
    model: Annotated[str, Parameter(help="Who judges: `local`, which needs no network, or a model.")] = "local",
    judges: Annotated[
        str, Parameter(help="A panel in place of --model: NAME,NAME; scores are their mean.", show_default=False)
    ] = "",
    samples: Annotated[int, Parameter(help="Answers of a model about each row; scores are their mean.")] = 1,
    min_safety: Annotated[float | None, Parameter(help="Rows that are less safe than this are dropped.")] = None,
    weights: Annotated[
        str,
        Parameter(help="dimension=number,…: what each counts in quality_score; default 1.", show_default=False),
    ] = "",
    max_failures: Annotated[
        float, Parameter(help="Share of the judged rows that may have no score; with more, the exit status is 1.")
    ] = 0.02,
    scorer: Annotated[
        Literal["judge", "student"],
        Parameter(help="Who scores: the judge every row, or a student that learns from its verdicts about some."),
    ] = "judge",
    judge_share: JudgeShare = 0.1,
    audit_share: AuditShare = 0.02,
    agreement: Agreement = 0.95,
    retry_failed: RetryFailed = False,
    asked: AskedOptions = NOTHING_SAID,
    workspace: Workspace = None,
    workers: Workers = None,
    where: WhereOptions = HERE,
) -> int:
    """Score rows from 1 to 10 and keep those above the threshold.

    quality_score is the mean of correctness, helpfulness, clarity and safety, rounded to one decimal before it is
    compared. Dropped rows keep their scores and reasons in OUTPUT.meta/dropped.jsonl. What a model has answered is kept
    in the workspace's ledger and never bought again.
    """
    import phase0
    from phase0.stages.verdicts import student_terms

    with screen() as progress, settings.engine(where, workers, [output, *input], progress) as engine:
        manifest = phase0.score(
            input,
            output,
            model=model,
            judges=_names(judges),
            threshold=threshold,
            samples=samples,
            min_safety=min_safety,
            weights=_weights(weights),
            max_failures=max_failures,
            student=student_terms(scorer, judge_share, audit_share, agreement),
            workspace=settings.workspace(workspace),
            means=means(asked, progress, retry_failed=retry_failed),
            engine=engine,
            progress=progress,
        )
    return done(manifest, output)


def _names(given: str) -> list[str]:
    return [name.strip() for name in given.split(",") if name.strip()]


def _weights(given: str) -> dict[str, float]:
    """`correctness=2,safety=0.5` as numbers."""
    found = {}
    for part in _names(given):
        name, _, value = part.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            raise UsageError(f"--weights takes dimension=number,…, as in correctness=2; got {part!r}") from None
    return found


def dedup(
    *,
    input: Inputs,  # noqa: A002
    output: OutputOrFolder,
    threshold: Annotated[str, Parameter(help="Jaccard similarity at which two rows are one.")] = "0.8",
    on: Compared = "both",
    shingle: Shingle = 5,
    method: Which = "auto",
    keep: Stays = "best",
    clusters: Alike = "greedy",
    against: Against = [],  # noqa: B006
    per_source_alarm: Annotated[
        bool, Parameter(help="Name the sources that lose more than half of their rows.")
    ] = True,
    max_memory: MaxMemory = None,
    workers: Threads = None,
    where: WhereOptions = HERE,
    publish: Annotated[
        bool,
        Parameter(
            help="Write the finished dataset: the standard fields alone, full rows in OUTPUT.meta/.", show_default=False
        ),
    ] = False,
) -> int:
    """Remove near-duplicate rows.

    Of two rows the one with the higher quality_score stays, then the one with the longer response. Kept rows leave as
    the bytes they came in, in input order.
    """
    import phase0
    from phase0.stages.deduplicate import Work
    from phase0.stages.publish import publish_distinct
    from phase0.stages.stores import on_disk

    how: Work = {
        "threshold": threshold,
        "on": on,
        "shingle": shingle,
        "method": method,
        "clusters": clusters,
        "keep": keep,
        "per_source_alarm": per_source_alarm,
        "max_memory": max_memory,
    }
    path, workspace = Path(output), settings.workspace_for(output)
    with (
        screen() as progress,
        settings.engine(where, workers, [output, *input, *against], progress) as engine,
        on_disk(input, against, output, workspace=workspace, engine=engine, progress=progress) as files,
    ):
        how |= {"engine": engine, "against": files.against}
        if publish:
            both = publish_distinct(files.inputs, files.output, **how, progress=progress)
            made = {meta_folder(path) / "deduped.jsonl": both.deduplicated, path: both.published}
        else:
            made = {path: phase0.deduplicate(files.inputs, files.output, **how, progress=progress)}
    return max(done(manifest, place) for place, manifest in made.items())


def publish(*, input: Inputs, output: Output) -> int:  # noqa: A002
    """Write the finished dataset: instruction, response, source and quality_score alone.

    The full rows, with their origins and scores, stay in OUTPUT.meta/full.jsonl.
    """
    import phase0

    with screen() as progress:
        manifest = phase0.publish(input, output, progress=progress)
    return done(manifest, output)


def done(manifest: Any, output: Path) -> int:
    """Print what a stage made; the exit status."""
    print(summary(manifest, output))
    if told := hint(manifest):
        print(told)
    return print_rejected([item.reason for item in manifest.rejected])
