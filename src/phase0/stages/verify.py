"""Is a finished dataset what it should be? Nothing is taken on trust: rows are read, scores checked, duplicates counted
again by another method than the one that removed them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import NamedTuple

from phase0.dataset import expand, file_digest, manifest_of
from phase0.dedup import COUNTER, On, load_kernels, ratio, text_of
from phase0.dedup.definition import checked_width
from phase0.engine import Engine
from phase0.engine.local import Local
from phase0.errors import DataError, UsageError, near_miss
from phase0.partitioned.site import Site
from phase0.progress import SILENT, Progress
from phase0.records import CATEGORIES, digest
from phase0.stages.certificate import certificates
from phase0.stages.criteria import checked_limits, criteria
from phase0.stages.provenance import chain, cost, dedup_impacts, rehearsed
from phase0.stages.statistics import Examined
from phase0.stages.verification import Duplicates, Example, Verification
from phase0.workspace import MARK, hold, workspace_of

__all__ = ["Verification", "verify"]

SPAN = 4 << 20  # bytes of input to a unit: so much is counted together
UNIT = 64 << 20  # and where units leave files for others: there are as many in each exchange as there are units


def verify(
    inputs: Iterable[str | Path],
    *,
    target_rows: int | None = None,
    min_quality: float | None = None,
    budget_usd: Decimal | str | None = None,
    min_teachers: int | None = None,
    max_duplicate_rate: float = 0.01,
    categories: Mapping[str, float] | None = None,
    threshold: str | float | Decimal = "0.8",
    shingle: int = 5,
    on: On = "both",
    workspace: Path | None = None,
    engine: Engine | None = None,
    progress: Progress = SILENT,
) -> Verification:
    """Check finished rows, count what they hold, and decide the criteria.

    Format, score range and duplicates are always checked, the rest where a limit is given. `categories` are wanted
    shares in percent; they are reported, not checked. Any file of rows with the standard fields can be verified; what
    only a manifest can tell (cost, what de-duplication removed) is unknown for files that phase0 did not make. Raises
    DataError for a file that cannot be read as rows, UsageError for a limit that no dataset can meet.

    An `engine` that is a cluster, or `Local(spread=True)`, counts duplicates in partitions, through files in the
    workspace (by default that of the first input), which every node must see.
    """
    limits = checked_limits(target_rows, min_quality, budget_usd, min_teachers, max_duplicate_rate)
    wanted = _checked_categories(categories or {})
    text_of("", "", on)  # what is wrong is told before the first row is read
    paths, asked = expand(inputs), _Asked(str(threshold), shingle, on)
    with _place(paths, workspace, engine or Local(1), progress) as site:
        found, duplicates = _read(site, paths, asked, wanted)
    known = chain(paths)
    spent = cost(known)
    decided = criteria(found, duplicates, spent, limits)
    return Verification(
        passed=not any(criterion.failed for criterion in decided),
        **found._asdict(),
        duplicates=duplicates,
        contamination=certificates(known.made),
        dedup=dedup_impacts(known.made),
        cost=spent,
        criteria=decided,
        notes=known.gaps,
        rehearsal=rehearsed(known),
    )


class _Asked(NamedTuple):
    """What near-duplicates are."""

    threshold: str
    shingle: int
    on: On


@contextmanager
def _place(paths: Sequence[Path], workspace: Path | None, engine: Engine, progress: Progress) -> Iterator[Site]:
    """Where the work is done, for the block. What a killed verification of the same files left is removed."""
    if not engine.spread:
        with tempfile.TemporaryDirectory(prefix="phase0-verify-") as folder:
            yield Site(engine, Path(folder), progress)
        return
    called = digest([str(path.resolve()) for path in paths])[:16]
    held = workspace_of(paths[0], workspace) / MARK / f"verify-{called}"
    with hold(held, f"the verification of {paths[0]}"), engine.kept() as kept:
        work = held / "work"
        shutil.rmtree(work, ignore_errors=True)
        try:
            yield Site(kept, work, progress)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _read(site: Site, paths: Sequence[Path], asked: _Asked, wanted: Mapping[str, float]) -> tuple[Examined, Duplicates]:
    """Read the rows: what they come to, and how many near-duplicates are among them."""
    least, width = ratio(asked.threshold), checked_width(asked.shingle)
    load_kernels(site.progress, (*COUNTER, "recounting_parts") if site.engine.spread else COUNTER)
    from phase0.partitioned.recounting import recount
    from phase0.stages.examination import examined, place, row_units

    units = row_units(paths, asked.on, UNIT if site.engine.spread else SPAN)
    count = recount(site, units, least, width, _promised(paths))
    digests = site.engine.map(file_digest, paths) if site.engine.spread else map(file_digest, paths)
    found = examined(paths, list(digests), units, count.told, wanted)
    compared, left = count.bases[-1], count.remaining
    places = partial(place, units=units, found=count)
    examples = (
        Example(first=places(pair.first), second=places(pair.second), jaccard=round(pair.jaccard, 6))
        for pair in left.examples
    )
    duplicates = Duplicates(
        threshold=asked.threshold,
        shingle=asked.shingle,
        compared=compared,
        pairs=left.pairs,
        rows=left.rows,
        rate=left.rows / compared if compared else None,
        wordless=left.wordless,
        examples=tuple(examples),
    )
    return found, duplicates


def _promised(paths: Sequence[Path]) -> int | None:
    """How many rows the manifests promise: for the progress bar alone."""
    try:
        manifests = [manifest_of(path) for path in paths]
    except DataError:
        return None
    return None if None in manifests else sum(manifest.output.rows for manifest in manifests if manifest)


def _checked_categories(wanted: Mapping[str, float]) -> Mapping[str, float]:
    for name, percent in wanted.items():
        if name not in CATEGORIES:
            raise UsageError(
                f"there is no category {name!r}.{near_miss(name, CATEGORIES)} Known: {', '.join(CATEGORIES)}."
            )
        if not 0 <= percent <= 100:
            raise UsageError(f"the wanted share of {name} is {percent:g}, not a percentage from 0 to 100")
    total = sum(wanted.values())
    if wanted and abs(total - 100) > 0.01:
        raise UsageError(f"the wanted shares of categories sum to {total:g}, not to 100 percent")
    return wanted
