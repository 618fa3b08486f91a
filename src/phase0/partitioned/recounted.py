"""The second count reads its rows: every unit is read once, its sets stay in files, and what says each set is sent to
where equal ones are told.

It shares with the remover the words and the way in which files are exchanged, and nothing that decides. Shapes: D rows
of a unit, S shingles, T counters.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from phase0.dedup.flat import I64, U8, Chunk
from phase0.dedup.kernels.recounting import COUNTER_BITS, sample
from phase0.dedup.recount import SAMPLED, sets_of
from phase0.partitioned.arrays import growing, mapped, store
from phase0.partitioned.exchange import sent

SET = 3  # numbers that say a set: its size, its print, its check
DIGEST = SET + 1  # numbers of a record of the exchange "sets": these, and behind them the row in its unit
TALLIES = 32  # units, at most, whose shingles tell which are common
_SHINGLE = 5  # bytes of text to a shingle, of English


class Rows(Protocol):
    """The rows of a unit while they are read."""

    def chunks(self) -> Iterator[Chunk]:
        """Every text once, in order, some together."""
        ...

    def keep(self, folder: Path) -> Any:
        """What else was found; what is too much to be told may be left in the folder. Asked when all chunks were
        read."""
        ...


class Unit(Protocol):
    """Some rows that lie together. Can be pickled."""

    @property
    def extent(self) -> int:
        """About how many bytes are read."""
        ...

    def open(self) -> Rows: ...


class Count(NamedTuple):
    """What every task of a count is told."""

    folder: Path
    threshold: Fraction
    width: int
    units: int
    extent: int  # bytes of all units
    bits: int = 0  # there are 2 ** bits partitions
    room: int = 0  # bytes a task may hold beside what every process takes

    @property
    def partitions(self) -> int:
        return 1 << self.bits

    def unit(self, number: int) -> Path:
        """The folder of a unit. In it are keys.npy; starts.npy (row d has the keys starts[d] to starts[d + 1] - 1); and
        what the unit keeps of its rows."""
        return self.folder / "units" / f"{number:06}"

    def box(self, exchange: str, sender: int) -> Path:
        """What a task sends."""
        return self.folder / exchange / f"{sender:06}.sent"

    def boxes(self, exchange: str, *, of_units: bool = True) -> list[Path]:
        """What all units sent, or all partitions."""
        return [self.box(exchange, sender) for sender in range(self.units if of_units else self.partitions)]

    def bases(self) -> I64:
        """The first row of each unit, and behind them how many rows there are."""
        found: I64 = np.load(self.folder / "bases.npy")
        return found

    def levels(self) -> Path:
        """How often shingles were seen in a sample of all rows, by counter."""
        return self.folder / "tally.npy"

    def step(self) -> int:
        """Of so many units the shingles are counted, and there of so many rows one."""
        return max(1, -(-self.units // TALLIES))


class UnitRead(NamedTuple):
    """What a task found in a unit."""

    rows: int
    wordless: int
    told: Any  # by the rows of the unit


def send_unit(count: Count, item: tuple[int, Unit]) -> UnitRead:
    """Read every text of a unit once, write its sets, and send what says each of them to a partition."""
    number, unit = item
    place = count.unit(number)
    place.mkdir(parents=True, exist_ok=True)
    rows, read = unit.open(), [np.empty((0, SET), np.uint64)]
    with growing(place / "keys.npy", np.uint64) as keys:
        for chunk in rows.chunks():
            made = sets_of(chunk, count.width)
            keys(made.keys_S)
            read.append(np.stack((made.sizes_D.astype(np.uint64), made.prints_D, made.checks_D), axis=1))
    sets = np.concatenate(read)
    sizes = sets[:, 0].astype(np.int64)
    starts = np.concatenate(([0], np.cumsum(sizes)))
    store(place / "starts.npy", starts)
    if number % count.step() == 0:
        store(place / "tally.npy", _tally(count, place, starts[:-1], sizes))
    worded = np.flatnonzero(sizes)
    records = np.concatenate((sets[worded], worded[:, None].astype(np.uint64)), axis=1)
    with sent(count.box("sets", number), DIGEST, count.partitions) as outbox:
        outbox.add(records, (records[:, 1] & np.uint64(count.partitions - 1)).astype(np.int64))
    return UnitRead(len(sets), len(sets) - len(worded), rows.keep(place))


def _tally(count: Count, place: Path, starts_D: I64, sizes_D: I64) -> U8:  # noqa: N803
    """Shape (T,): how often each counter was met in some rows of a unit."""
    tally = np.zeros(1 << COUNTER_BITS, np.uint8)
    step = 1 + count.extent // (_SHINGLE * SAMPLED * count.step())
    sample(mapped(place / "keys.npy"), starts_D, sizes_D, step, tally)
    return tally


def write_levels(count: Count) -> None:
    """Add up what units counted of their shingles: which of them are common is told alike to all."""
    total = np.zeros(1 << COUNTER_BITS, np.uint8)
    for number in range(0, count.units, count.step()):
        path = count.unit(number) / "tally.npy"
        some = np.load(path)
        np.add(total, np.minimum(some, 255 - total), out=total)
        path.unlink()
    store(count.levels(), total)
