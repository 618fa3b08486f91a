"""Every pair of near-duplicates, by one map after another: read, rows with equal sets, records, meetings, pairs.

The answer is the same for any number of workers, units and partitions.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from phase0.dedup import REMOVER, load_kernels
from phase0.dedup.sets import alike_rare, rarity
from phase0.engine import Engine
from phase0.partitioned.arrays import store
from phase0.partitioned.bounds import Bounds
from phase0.partitioned.entries import send_entries
from phase0.partitioned.layout import Job, Layout, Rule
from phase0.partitioned.meeting import find_meetings
from phase0.partitioned.same import find_same
from phase0.partitioned.units import SAMPLED, Unit, UnitRead, read_unit, sample_unit
from phase0.partitioned.verifying import find_pairs
from phase0.progress import Progress, many

_ENOUGH = 16 << 20  # bytes of input from which it is worth knowing which shingles are common
_KERNELS = (*REMOVER, "minhashing", "partitioning", "arranging")


class Figures(NamedTuple):
    """What the search came to."""

    rows: int
    wordless: int
    keys: int
    same: int  # rows whose set an earlier row has too
    records: int
    compared: int  # sketches
    met: int  # two rows at a key, repeated ones too
    pairs: int
    shuffled: dict[str, int]  # bytes by exchange

    def told(self) -> str:
        """For a person."""
        moved = sum(self.shuffled.values())
        return (
            f"{many(self.pairs, 'pair')} of different texts among {many(self.rows, 'row')}; "
            f"{moved / max(1, self.rows):,.0f} bytes were shuffled for a row"
        )


class Found(NamedTuple):
    """Where everything is, and what it came to."""

    job: Job
    read: Sequence[UnitRead]  # by unit
    figures: Figures


def search(
    engine: Engine,
    units: Sequence[Unit],
    rule: Rule,
    folder: Path,
    bounds: Bounds,
    progress: Progress,
    *,
    others: int = 0,
) -> Found:
    """Find all pairs of near-duplicates among the rows of these units, but for those among the first `others` units.

    The folder must be new and seen by every worker. What is left in it is what `layout.Layout` names: sets and facts of
    units, `same` and `pairs`.
    """
    load_kernels(progress, _KERNELS)
    job = Job(Layout(folder), rule, len(units), others, bounds.bits, bounds.room)
    for name in ("units", "sets", "later", "entries", "met", "same", "pairs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _learn(engine, job, units, progress)
    every, parts = range(len(units)), range(job.partitions)

    def over(step: str, work: Callable[[Job, Any], Any], items: Iterable[Any], total: int, unit: str) -> list[Any]:
        progress.start(step, total, unit)
        made = []
        for result in engine.map(partial(work, job), items):
            made.append(result)
            progress.advance(1)
        progress.finish()
        return made

    read = over("read the words", read_unit, enumerate(units), len(units), "shards")
    store(job.layout.bases(), np.cumsum([0, *(unit.rows for unit in read)]))
    same = over("find equal rows", find_same, parts, len(parts), "partitions")
    _forget(job, "sets")
    sent = over("send what rows can meet at", send_entries, every, len(every), "shards")
    _forget(job, "later")
    met = over("join", find_meetings, parts, len(parts), "partitions")
    _forget(job, "entries")
    verified = over("count pairs", find_pairs, every, len(every), "shards")
    _forget(job, "met")
    figures = Figures(
        rows=sum(unit.rows for unit in read),
        wordless=sum(unit.wordless for unit in read),
        keys=sum(unit.keys for unit in read),
        same=sum(part.rows for part in same),
        records=sum(part.records for part in met),
        compared=sum(part.compared for part in met),
        met=sum(part.met for part in met),
        pairs=sum(unit.pairs for unit in verified),
        shuffled={
            "sets": sum(unit.sent for unit in read),
            "later": sum(part.sent for part in same),
            "entries": sum(sent),
            "met": sum(part.sent for part in met),
        },
    )
    progress.say(figures.told())
    return Found(job, read, figures)


def _learn(engine: Engine, job: Job, units: Sequence[Unit], progress: Progress) -> None:
    """Write how common shingles are, from a sample of all units, or that nothing is known of few."""
    levels = alike_rare()
    if sum(unit.extent for unit in units) >= _ENOUGH:
        step = -(-len(units) // SAMPLED)
        chosen = list(enumerate(units))[::step]
        progress.start("see which words are common", len(chosen), "shards")
        paths = []
        for path in engine.map(partial(sample_unit, job), chosen):
            paths.append(path)
            progress.advance(1)
        levels = rarity(np.load(path) for path in paths)
        for path in paths:
            path.unlink()
        progress.finish()
    store(job.layout.levels(), levels)


def _forget(job: Job, exchange: str) -> None:
    """What was sent has arrived."""
    shutil.rmtree(job.layout.folder / exchange, ignore_errors=True)
