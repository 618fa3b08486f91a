"""Every pair of near-duplicates, by one map after another: read, rows with equal sets, records, meetings, pairs.

The answer is the same for any number of workers, units and partitions.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from phase0.dedup import REMOVER, load_kernels
from phase0.dedup.sets import alike_rare, rarity
from phase0.partitioned.arrays import store
from phase0.partitioned.bounds import Bounds
from phase0.partitioned.entries import send_entries
from phase0.partitioned.layout import Job, Layout, Rule
from phase0.partitioned.meeting import find_meetings
from phase0.partitioned.same import find_same
from phase0.partitioned.site import Site
from phase0.partitioned.units import SAMPLED, Unit, UnitRead, read_unit, sample_unit
from phase0.partitioned.verifying import find_pairs
from phase0.progress import many

_ENOUGH = 4 << 20  # bytes of input from which it is worth knowing which shingles are common
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


def search(site: Site, units: Sequence[Unit], rule: Rule, bounds: Bounds, others: int = 0) -> Found:
    """Find all pairs of near-duplicates among the rows of these units, but for those among the first `others` units.

    The site's folder must be new. What is left in it is what `layout.Layout` names: sets and facts of units, `same` and
    `pairs`.
    """
    load_kernels(site.progress, _KERNELS)
    job = Job(Layout(site.folder), rule, len(units), others, bounds.bits, bounds.room)
    for name in ("units", "sets", "later", "entries", "met", "same", "pairs"):
        (site.folder / name).mkdir(parents=True, exist_ok=True)
    _learn(site, job, units)
    every, parts = range(len(units)), range(job.partitions)
    read = site.do("read the words", partial(read_unit, job), enumerate(units), "shards")
    store(job.layout.bases(), np.cumsum([0, *(unit.rows for unit in read)]))
    same = site.do("find equal rows", partial(find_same, job), parts, "partitions")
    _forget(job, "sets")
    sent = site.do("send what rows can meet at", partial(send_entries, job), every, "shards")
    _forget(job, "later")
    met = site.do("join", partial(find_meetings, job), parts, "partitions")
    _forget(job, "entries")
    verified = site.do("count pairs", partial(find_pairs, job), every, "shards")
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
    site.progress.say(figures.told())
    return Found(job, read, figures)


def _learn(site: Site, job: Job, units: Sequence[Unit]) -> None:
    """Write how common shingles are, from a sample of all units, or that nothing is known of few."""
    levels = alike_rare()
    if sum(unit.extent for unit in units) >= _ENOUGH:
        chosen = list(enumerate(units))[:: -(-len(units) // SAMPLED)]
        paths = site.do("see which words are common", partial(sample_unit, job), chosen, "shards")
        levels = rarity(np.load(path) for path in paths)
        for path in paths:
            path.unlink()
    store(job.layout.levels(), levels)


def _forget(job: Job, exchange: str) -> None:
    """What was sent has arrived."""
    shutil.rmtree(job.layout.folder / exchange, ignore_errors=True)
