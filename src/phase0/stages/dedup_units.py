"""The rows of one unit go to where they belong: kept lines into one part, dropped ones with evidence into another.

Shapes: R rows that go.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash

from phase0.dataset import whole
from phase0.partitioned.site import Site
from phase0.stages.dedup_evidence import Gone
from phase0.stages.dedup_job import Part, columns_of, job_at, rows_of
from phase0.stages.dedup_settling import Dropping
from phase0.stages.dedup_writing import Windows
from phase0.stages.placed_rows import PlacedRows
from phase0.stages.row_ids import Ids
from phase0.stages.row_lines import Rows


class Written(NamedTuple):
    """The parts of a unit, and what they come to."""

    kept: Path
    lost: Path
    rows: int  # that were kept
    bytes: int  # of their lines
    digest: str  # of these
    reasons: Counter[str]  # of the others
    wordless: int  # rows that hold no word
    before: Counter[str]  # rows by source
    removed: Counter[str]  # of these the near-duplicates


def write_units(site: Site, job: Path, gone: Dropping) -> Iterator[tuple[Part, Written]]:
    """Write the parts of every unit of the input, in order."""
    known = job_at(job)
    units = [(number, unit) for number, unit in enumerate(known.units) if unit.file >= known.others]
    work = partial(_write, job, gone, site.folder)
    for (_, unit), written in zip(units, site.engine.map(work, [number for number, _ in units]), strict=True):
        yield unit, written
        site.progress.advance(written.rows + written.reasons.total())


def _write(job_file: Path, gone: Dropping, folder: Path, number: int) -> Written:
    job = job_at(job_file)
    unit = job.units[number]
    rows = rows_of(unit)
    found = _gone(unit, rows, gone, number)
    windows = Windows(job.stage, job.called, PlacedRows(job.places(), job.reading, rows), found)
    folder.mkdir(parents=True, exist_ok=True)
    kept, lost = folder / f"{number:06}.kept", folder / f"{number:06}.lost"
    digest, reasons, count, size = xxhash.xxh3_128(), Counter[str](), 0, 0
    with whole(kept) as good, whole(lost) as bad:
        for window in windows.of(unit.file, 0, len(rows.file_R)):
            made = windows.made(window)
            lines = made.room_B[: made.size].data
            good.write(lines)
            digest.update(lines)
            bad.write(made.lost)
            windows.spare.append(made.room_B)
            reasons.update(made.reasons)
            count, size = count + made.kept, size + made.size
        good.flush()
        os.fsync(good.fileno())  # it may become a file of the output as it is
    wordless = int((columns_of(unit, ["size_R"])[0] == 0).sum())
    before, removed = (_by_source(rows, chosen) for chosen in (slice(None), found.rows_R))
    return Written(kept, lost, count, size, digest.hexdigest(), reasons, wordless, before, removed)


def _gone(unit: Part, rows: Rows, gone: Dropping, number: int) -> Gone:
    """What goes of a unit, out of what was decided in all groups."""
    table, text = gone.rows.table(number), gone.ids.table(number).reshape(-1).view(np.uint8)
    words = -(-table[6] // 8)
    begins = 8 * (np.cumsum(words) - words)
    ends = begins + table[6]
    order = np.argsort(table[0])
    row, _, shared, union, kept_file, kept_line, _ = table[:, order]
    own = row - unit.base
    return Gone(own, rows.line_R[own], Ids(text, begins[order], ends[order]), kept_file, kept_line, shared, union)


def _by_source(rows: Rows, chosen: Any) -> Counter[str]:
    counts = np.bincount(rows.source_R[chosen], minlength=len(rows.sources))
    return Counter({name: count for name, count in zip(rows.sources, counts.tolist(), strict=True) if count})
