"""The second count over an engine: what `dedup.recount` counts, where no machine holds the sets of all rows. The answer
is the same for any number of workers, units and partitions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from heapq import nsmallest
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from phase0.dedup.flat import Chunk, Counted
from phase0.dedup.kernels.recounting_parts import WIDTH
from phase0.dedup.recount import EXAMPLES
from phase0.dedup.recount import recount as recounted
from phase0.dedup.results import Remaining
from phase0.partitioned.arrays import store
from phase0.partitioned.recounted import Count, Rows, Unit, UnitRead, send_unit, write_levels
from phase0.partitioned.remeeting import count_near, count_rows, find_meetings, send_firsts
from phase0.partitioned.repeated import find_repeated
from phase0.partitioned.site import Site
from phase0.progress import many

ROOM = 128 << 20  # bytes that a worker may hold for records, beside what every process takes
_SORTED = 32 << 20  # bytes of records to a partition
_WORTH = 1 << 20  # bytes of input that are worth a partition
_MOST_BITS = 14
_ROW, _SHINGLE = 40, 5  # bytes of text to a row, at least, and to a shingle, of English


class Recounted(NamedTuple):
    """How many near-duplicates there are, and what units found of their rows."""

    job: Count
    remaining: Remaining
    bases: Sequence[int]  # the first row of each unit, and behind them how many rows there are
    told: Sequence[Any]


def recount(site: Site, units: Sequence[Unit], threshold: Fraction, width: int, expected: int | None) -> Recounted:
    """Count all pairs of near-duplicates among the rows of these units, at once or, where the engine is spread, in
    partitions. The site's folder is new; what is left in it is what units kept of their rows."""
    extent = sum(unit.extent for unit in units)
    count = Count(site.folder, threshold, width, len(units), extent)
    if not site.engine.spread:
        return _at_once(site, count, units, expected)
    return _in_partitions(site, count._replace(bits=_bits(count, site.engine.cores), room=ROOM), units, expected)


def _bits(count: Count, cores: int) -> int:
    """So many partitions that what each is sent is sorted fast, and every core has some where there is much."""
    firsts = int(count.extent / _SHINGLE * (1 - count.threshold)) + count.extent // _ROW
    return min(_MOST_BITS, max(firsts * 8 * WIDTH // _SORTED, min(4 * cores - 1, count.extent // _WORTH)).bit_length())


def _at_once(site: Site, count: Count, units: Sequence[Unit], expected: int | None) -> Recounted:
    opened = [(unit.open(), list[Counted]()) for unit in units]
    left = recounted(
        _drawn(opened),
        count.threshold,
        count.width,
        extent=count.extent,
        expected=expected,
        workers=site.engine.threads,
        progress=site.progress,
    )
    told = []
    for number, (rows, _) in enumerate(opened):
        place = count.unit(number)
        place.mkdir(parents=True)
        told.append(rows.keep(place))
    texts = (sum(chunk.rows for chunk in drawn) for _, drawn in opened)
    return Recounted(count, left, np.cumsum([0, *texts]).tolist(), told)


def _drawn(opened: Sequence[tuple[Rows, list[Counted]]]) -> Iterator[Chunk]:
    """The texts of one unit after the other, which are noted beside it."""
    for rows, drawn in opened:
        for chunk in rows.chunks():
            drawn.append(Counted(chunk))
            yield drawn[-1]


def _in_partitions(site: Site, count: Count, units: Sequence[Unit], expected: int | None) -> Recounted:
    for name in ("sets", "leads", "firsts", "met", "near"):
        (site.folder / name).mkdir(parents=True)
    every, parts = range(len(units)), range(count.partitions)
    read = list(_reading(site, count, units, expected))
    bases = np.cumsum([0, *(one.rows for one in read)])
    store(site.folder / "bases.npy", bases)
    write_levels(count)
    repeated = site.do("count equal rows", partial(find_repeated, count), parts, "partitions")
    _forget(site, "sets")
    site.do("send what rows can meet at", partial(send_firsts, count), every, "shards")
    _forget(site, "leads")
    site.do("see who meets", partial(find_meetings, count), parts, "partitions")
    _forget(site, "firsts")
    near = site.do("count pairs", partial(count_near, count), every, "shards")
    _forget(site, "met")
    rows = site.do("count their rows", partial(count_rows, count), every, "shards")
    shown = [*(one.examples for one in repeated), *(one.examples for one in near)]
    left = Remaining(
        pairs=sum(one.pairs for one in repeated) + sum(one.pairs for one in near),
        rows=sum(one.rows for one in repeated) + sum(rows),
        examples=nsmallest(EXAMPLES, chain.from_iterable(shown)),
        wordless=sum(one.wordless for one in read),
    )
    site.progress.say(f"{many(left.pairs, 'pair')} of near-duplicates, with {many(left.rows, 'row')} in them")
    return Recounted(count, left, bases.tolist(), [one.told for one in read])


def _reading(site: Site, count: Count, units: Sequence[Unit], expected: int | None) -> Iterator[UnitRead]:
    site.progress.start("read the words", expected)
    for one in site.engine.map(partial(send_unit, count), enumerate(units)):
        yield one
        site.progress.advance(one.rows)
    site.progress.finish()


def _forget(site: Site, exchange: str) -> None:
    """What was sent has arrived."""
    shutil.rmtree(site.folder / exchange)
