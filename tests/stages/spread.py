"""What the join leaves, made by the local engine: for tests of what comes behind it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from phase0.dataset import expand
from phase0.dedup import Clusters, Keep, On
from phase0.dedup.near import asked, read
from phase0.dedup.search import NO_LIMIT, by_size
from phase0.progress import SILENT
from phase0.stages.dedup_job import Job, Unit, keep_unit
from phase0.stages.dedup_spread import Method, Pairing
from phase0.stages.output import names
from phase0.stages.row_files import RowFiles


class Joined(NamedTuple):
    job: Path
    found: Pairing
    method: Method


def joined(
    inputs: Sequence[Path],
    output: Path,
    folder: Path,
    *,
    units: int,
    parts: int,
    against: Sequence[Path] = (),
    threshold: str = "0.8",
    shingle: int = 5,
    on: On = "both",
    method: Any = "auto",
    clusters: Clusters = "greedy",
    keep: Keep = "best",
    room: int = 64 << 20,
) -> Joined:
    """Every file in so many units, pairs and repeated rows in so many files."""
    paths, others = expand(inputs), expand(against) if against else []
    how = asked(threshold, shingle, method=method, clusters=clusters, workers=1)
    files = RowFiles(paths, on, folder, others)
    files.lay_out(SILENT)
    known = read(files, how, SILENT, files.firsts)
    firsts = np.flatnonzero(known.same == np.arange(len(known.same)))
    found = known.search.find(by_size(known.sets, firsts), NO_LIMIT, SILENT)
    assert found is not None
    ends = np.sort(np.stack((found.ones_P, found.others_P)), axis=0).astype(np.int64)
    union = known.sets.sizes_D[ends].sum(axis=0) - found.shared_P
    pairs = np.stack((*ends, found.shared_P, union))
    same = known.same.astype(np.int64)
    again = np.flatnonzero((same >= 0) & (same != np.arange(len(same))))
    job = Job(
        stage="dedup",
        paths=tuple(str(files.path(file)) for file in range(len(others) + len(paths))),
        called=(*names(others, output.parent), *names(paths, output.parent)),
        units=tuple(_units(files, known.sets.sizes_D, folder, units)),
        others=len(others),
        fixed=known.fixed,
        threshold=how.threshold.as_integer_ratio(),
        width=shingle,
        on=on,
        clusters=clusters,
        keep=keep,
        room=room,
    )
    return Joined(
        job.saved(folder),
        Pairing(
            _saved(folder, "pairs", pairs, parts), _saved(folder, "same", np.stack((again, same[again])), parts),
            pairs.shape[1], len(again),
        ),
        Method(known.method, known.exact, known.missed_share),
    )  # fmt: skip


def _units(files: RowFiles, sizes: Any, folder: Path, units: int) -> list[Unit]:
    rows, made = files.rows(), []
    last_file = int(rows.file_R[-1]) if len(rows.file_R) else 0
    for file in range(max([last_file, *(file for file, _ in rows.bad)]) + 1):
        own = np.flatnonzero(rows.file_R == file)
        bad = [row for owner, row in rows.bad if owner == file]
        parts = np.array_split(own, units)
        bounds = [0, *(int(rows.line_R[part[0]]) if len(part) else 1 << 60 for part in parts[1:]), 1 << 60]
        for number, part in enumerate(parts):
            base = int(part[0]) if len(part) else (made[-1].base + made[-1].rows if made else 0)
            place = folder / "units" / f"{len(made):06}"
            mine = [(file, row) for row in bad if bounds[number] <= row.line < bounds[number + 1]]
            keep_unit(place, rows.where(part)._replace(bad=mine), sizes[part])
            made.append(Unit(file, base, len(part), str(place)))
    return made


def _saved(folder: Path, name: str, table: Any, parts: int) -> list[Path]:
    place = folder / name
    place.mkdir()
    for number, part in enumerate(np.array_split(np.arange(table.shape[1]), parts)):
        np.save(place / f"part-{number:03}.npy", table[:, part])
    return sorted(place.glob("*.npy"))
