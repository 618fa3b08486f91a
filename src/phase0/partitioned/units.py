"""The first pass: every unit of the input is read once, and its sets are written where all tasks find them.

Shapes: D rows of a unit, S shingles, R records.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from phase0.dedup.flat import I64, Texts
from phase0.dedup.kernels.partitioning import chain
from phase0.dedup.kernels.sorting import SKETCH_WORDS
from phase0.dedup.sets import U64, chunk_sets, hashed
from phase0.partitioned.arrays import growing, store
from phase0.partitioned.exchange import sent
from phase0.partitioned.layout import Job

SAMPLED = 40  # pieces of text, over all units, that tell which shingles are common
DIGEST = 3  # numbers of a record of the exchange "sets": the row in its unit, and two that say its set


class Told(Texts, Protocol):
    """The texts of a unit, and what is known of its rows when all were read."""

    def keep(self, folder: Path, sizes_D: I64) -> int:  # noqa: N803
        """Write what is known of them into a folder; `sizes_D` are those of their sets. Answers how many lines there
        were, rows or not. To be asked once every chunk was read."""
        ...


class Unit(Protocol):
    """Some rows of the input that lie together: a shard, or a span of a file. Can be pickled; the same for any number
    of workers."""

    @property
    def extent(self) -> int:
        """Its bytes."""
        ...

    def open(self, folder: Path) -> Told:
        """Its texts. What must be laid out to be read goes into the folder."""
        ...


class UnitRead(NamedTuple):
    """What a task found in a unit."""

    rows: int
    lines: int
    wordless: int
    keys: int
    sent: int  # bytes


def sample_unit(job: Job, item: tuple[int, Unit]) -> Path:
    """Write the hashes of some texts of a unit, each unit an equal share of what is sampled in all. Answers where."""
    number, unit = item
    place = _made(job.layout.unit(number))
    part = unit.open(place).sample()
    chunks = list(part.chunks) if part is not None else []
    wanted = min(len(chunks), -(-SAMPLED // job.units))
    chosen = np.unique(np.linspace(0, len(chunks) - 1, wanted).astype(np.int64)).tolist() if wanted else []
    path = place / "sample.npy"
    with growing(path, np.uint64) as append:
        for at in chosen:
            append(hashed(chunks[at], job.rule.width)[0])
    return path


def read_unit(job: Job, item: tuple[int, Unit]) -> UnitRead:
    """Read every text of a unit once and write its sets; send what says each set to a partition."""
    number, unit = item
    place = _made(job.layout.unit(number))
    levels: U64 = np.load(job.layout.levels())
    told = unit.open(place)
    sizes, digests = [np.empty(0, np.int64)], [np.empty((0, DIGEST), np.uint64)]
    rows = 0
    with (
        growing(place / "keys.npy", np.uint64) as keys,
        growing(place / "sketches.npy", np.uint64, SKETCH_WORDS) as sketches,
    ):
        for chunk in told.chunks():
            made = chunk_sets(chunk, chunk.extent, job.rule.width, levels)
            keys(made.keys_S)
            sketches(made.sketches_D8)
            sizes.append(made.sizes_D)
            digests.append(_digests(made.keys_S, made.sizes_D, made.prints_D, rows))
            rows += len(made.sizes_D)
    sizes_D, records = np.concatenate(sizes), np.concatenate(digests)  # noqa: N806 - the suffix is the shape
    store(place / "starts.npy", np.concatenate(([0], np.cumsum(sizes_D))))
    lines = told.keep(place, sizes_D)
    records = records[sizes_D > 0]
    with sent(job.layout.box("sets", number), DIGEST, job.partitions) as outbox:
        outbox.add(records, (records[:, 2] & np.uint64(job.partitions - 1)).astype(np.int64))
    return UnitRead(rows, lines, int((sizes_D == 0).sum()), int(sizes_D.sum()), outbox.bytes)


def _digests(keys_S: U64, sizes_D: I64, prints_D: U64, before: int) -> U64:  # noqa: N803
    """Shape (D, DIGEST). Two numbers of 64 bits that are made in different ways are equal for equal sets alone."""
    records = np.empty((len(sizes_D), DIGEST), np.uint64)
    chains = np.empty(len(sizes_D), np.uint64)
    chain(keys_S, sizes_D, chains)
    records[:, 0] = np.arange(before, before + len(sizes_D))
    records[:, 1], records[:, 2] = prints_D, chains
    return records


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
