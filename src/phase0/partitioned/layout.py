"""What every task is told: which rows are near-duplicates, and where files are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from phase0.dedup.bands import Banding
from phase0.dedup.flat import I64

Flags = npt.NDArray[np.bool_]


class Rule(NamedTuple):
    """What near-duplicates are, and how they are looked for: in bands, or by all prefixes."""

    threshold: Fraction
    width: int
    banding: Banding | None = None


class Layout(NamedTuple):
    """Files of one de-duplication under a folder that every worker sees."""

    folder: Path

    def levels(self) -> Path:
        """How common shingles are (`dedup.sets.rarity`)."""
        return self.folder / "levels.npy"

    def bases(self) -> Path:
        """The first row of each unit, and behind them how many rows there are."""
        return self.folder / "bases.npy"

    def unit(self, number: int) -> Path:
        """The folder of a unit. In it are keys.npy; starts.npy (row d has the keys starts[d] to starts[d + 1] - 1);
        sketches.npy; and what the unit keeps there of its rows."""
        return self.folder / "units" / f"{number:06}"

    def box(self, exchange: str, sender: int) -> Path:
        """What a task sends."""
        return self.folder / exchange / f"{sender:06}.sent"

    def same(self, partition: int) -> Path:
        """Shape (2, R): rows whose set an earlier row has too, and the first that has it."""
        return self.folder / "same" / f"part-{partition:06}.npy"

    def pairs(self, unit: int) -> Path:
        """Shape (4, P): one row, the other, which is a later one, what they share, and what they have together. Neither
        has the set of an earlier row."""
        return self.folder / "pairs" / f"part-{unit:06}.npy"


class Job(NamedTuple):
    """What every task of a de-duplication is told."""

    layout: Layout
    rule: Rule
    units: int
    others: int  # so many units come first of rows that are compared with, and not with each other
    bits: int  # there are 2 ** bits partitions
    room: int  # bytes a task may hold beside what every process takes

    @property
    def partitions(self) -> int:
        return 1 << self.bits

    def sent_by_units(self, exchange: str) -> list[Path]:
        """What all units sent."""
        return [self.layout.box(exchange, unit) for unit in range(self.units)]

    def sent_by_partitions(self, exchange: str) -> list[Path]:
        """What all partitions sent."""
        return [self.layout.box(exchange, partition) for partition in range(self.partitions)]

    def bases(self) -> I64:
        """The first row of each unit, and behind them how many rows there are."""
        found: I64 = np.load(self.layout.bases())
        return found


def unit_of(bases: I64, rows: I64) -> I64:
    """The unit of each row."""
    found: I64 = np.searchsorted(bases, rows, side="right") - 1
    return found
