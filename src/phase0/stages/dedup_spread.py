"""De-duplication over an engine: the same rows removed for the same reasons as on one machine, with no worker that
holds them all.

Where pairs are known: components of them, groups of components, the choice in each group, and the parts of each unit.
What a worker takes does not grow with the rows: there are as many slices and groups as it takes. A component alone
cannot be cut: its rows must fit into a worker (dedup_settling.ROW bytes each), its pairs need not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from phase0.dedup.memory import BASE
from phase0.dedup.near import Asked, how_found
from phase0.partitioned.bounds import UNIT, bounds
from phase0.partitioned.components import EDGE, VERTEX, components
from phase0.partitioned.grouping import Given, by_vertex, grouped
from phase0.partitioned.layout import Rule
from phase0.partitioned.search import Found, search
from phase0.partitioned.site import Site
from phase0.stages.dedup_files import ALARM
from phase0.stages.dedup_job import Job, Part, job_at, unreadable
from phase0.stages.dedup_settling import PAIR, ROW, Settled, settle
from phase0.stages.dedup_units import Written, write_units
from phase0.stages.output import StageOutput, names
from phase0.stages.row_readings import Compared
from phase0.stages.shards import FolderOutput
from phase0.stages.unit_rows import FileUnit, units_of

_SMALL = 1 << 18  # rows or pairs to a slice of little work, so that all cores have some
_MOST_SLICES = 4096
_TOGETHER = 1 << 20  # bytes that are copied together


class Pairing(NamedTuple):
    """What the join found: pairs that reach the threshold, and rows of equal sets with the first of them."""

    pairs: Sequence[Path]
    repeated: Sequence[Path]
    found: int  # pairs
    repeats: int  # rows that are not the first of their set


class Method(NamedTuple):
    """How pairs were looked for, as a manifest tells it."""

    name: str
    exact: bool
    missed_share: float


class InputRows(NamedTuple):
    """What is de-duplicated, what is compared of its rows, and which of them stay."""

    paths: Sequence[Path]
    others: Sequence[Path]
    reading: Compared


def keep_distinct_spread(site: Site, out: StageOutput, rows: InputRows, how: Asked) -> dict[str, Any]:
    """Read the rows, choose, and send every one to where it belongs. What the manifest tells of it.

    `how.memory.limit` is for all workers of a machine together, of which there are `how.workers`, on a cluster too.
    """
    banding, name, missed = how_found(how, site.progress)
    units = units_of([*rows.others, *rows.paths], rows.reading, UNIT)
    rule, sizes = Rule(how.threshold, how.width, banding), [unit.extent for unit in units]
    limit = how.memory.limit // how.workers
    cut = bounds(sum(sizes), max(sizes, default=0), rule, limit, site.engine.cores)
    site.progress.say(cut.told(site.engine.cores))
    of_others = sum(unit.file < len(rows.others) for unit in units)
    found = search(site.at("joined"), units, rule, cut, of_others)
    layout, figures = found.job.layout, found.figures
    pairing = Pairing(
        [layout.pairs(unit) for unit in range(len(units))],
        [layout.same(part) for part in range(found.job.partitions)],
        figures.pairs,
        figures.same,
    )
    job = _job(out, rows, how, units, found).saved(site.folder)
    gone = settled(site, job, pairing)
    return written(site, out, job, gone, Method(name, how.method == "exact", missed))


def _job(out: StageOutput, rows: InputRows, how: Asked, units: Sequence[FileUnit], found: Found) -> Job:
    """What the tasks behind the search are told."""
    layout, bases = found.job.layout, found.job.bases().tolist()
    parts: list[Part] = []
    before = file = 0
    paths = [str(path) for path in (*rows.others, *rows.paths)]
    for number, (unit, read) in enumerate(zip(units, found.read, strict=True)):
        before, file = before if unit.file == file else 0, unit.file
        place = layout.unit(number)
        parts.append(Part(file, bases[number], read.rows, before if unit.is_plain else 0, str(place)))
        paths[file] = str(unit.rows_at(place))
        before += read.lines
    return Job(
        stage=out.stage,
        paths=tuple(paths),
        called=(*names(rows.others, out.path.parent), *out.names),
        units=tuple(parts),
        others=len(rows.others),
        fixed=bases[found.job.others],
        threshold=how.threshold.as_integer_ratio(),
        width=how.width,
        clusters=how.clusters,
        reading=rows.reading,
        room=found.job.room,
        most=max(found.job.room, how.memory.limit // how.workers - BASE),
    )


def settled(site: Site, job_file: Path, found: Pairing) -> Settled:
    """Decide what goes."""
    job = job_at(job_file)
    vertices = min(2 * found.found, job_rows(job))  # at most, and then nothing is connected with anything else
    size, number = found.found * EDGE + (vertices + found.repeats) * VERTEX, found.found + found.repeats
    slices = _slices(size, number, job.room)
    together = found.found * EDGE <= job.room
    labels = components(site.at("components"), found.pairs, job.fixed, slices, together=together)
    dealt = by_vertex(site.at("by-vertex"), found.pairs, found.repeated, job.fixed, slices)
    rows = vertices + found.repeats
    groups = _slices(rows * ROW + found.found * PAIR, rows + found.found, job.room)
    bases = [unit.base for unit in job.units]
    members = grouped(site.at("groups"), Given(labels, *dealt), bases, slices, groups)
    return settle(site.at("settled"), job_file, members, groups)


def job_rows(job: Job) -> int:
    """All rows, those of another dataset too."""
    return sum(unit.rows for unit in job.units)


def _slices(size: int, number: int, room: int) -> int:
    """So many that one of them fits twice, as slices are not equal, and a few where there is work for several."""
    return max(1, min(_MOST_SLICES, max(-(-2 * size // room), number // _SMALL)))


def written(site: Site, out: StageOutput, job_file: Path, gone: Settled, method: Method) -> dict[str, Any]:
    """Send every row to where it belongs. What the manifest tells of it."""
    job = job_at(job_file)
    total, sums = job_rows(job) - job.fixed, Counter[str]()
    before, removed = Counter[str](), Counter[str]()
    site.progress.start("write kept rows", total)
    for unit, part in write_units(site.at("parts"), job_file, gone.gone):
        _take(out, part, unit.file - job.others)
        sums.update(wordless=part.wordless)
        before.update(part.before)
        removed.update(part.removed)
    site.progress.finish()
    told = {
        "before": total,
        "removed": gone.removed,
        "after": total - gone.removed,
        "method": method.name,
        "exact": method.exact,
        "missed_share": method.missed_share,
        "wordless": sums["wordless"],
        "clusters": gone.clusters,
        "sources_over_half_removed": sorted(name for name, lost in removed.items() if lost > ALARM * before[name]),
    }
    if job.others:
        others = [unit for unit in job.units if unit.file < job.others]
        bad = sum(site.engine.map(unreadable, others))
        told["against"] = {"rows": job.fixed, "unreadable": bad, "removed": gone.by_others}
    return told


def _take(out: StageOutput, part: Written, file: int) -> None:
    """Take over what was written of a unit."""
    out.sums[file].read += part.rows + part.reasons.total()
    if isinstance(out, FolderOutput):
        out.keep_shard(part.kept, rows=part.rows, size=part.bytes, digest=part.digest, file=file)
    else:
        with part.kept.open("rb") as lines:
            while block := b"".join(lines.readlines(_TOGETHER)):
                out.keep_lines(block, 0, file)
        out.sums[file].kept += part.rows
        part.kept.unlink()
    with part.lost.open("rb") as lines:
        while block := lines.read(_TOGETHER):
            out.drop_lines(block, Counter(), file)
    out.sums[file].reasons.update(part.reasons)
    part.lost.unlink()
