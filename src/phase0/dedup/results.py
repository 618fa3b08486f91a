"""What de-duplication answers: rows by their number in the input, and for every claim its evidence in integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Removed(NamedTuple):
    """A row that goes, the row that stays for it, and how many shingles they share of how many they have together."""

    row: int
    kept: int
    shared: int
    union: int

    @property
    def jaccard(self) -> float:
        """The similarity as a number to print; decisions are made on the integers."""
        return self.shared / self.union


class Pair(NamedTuple):
    """Two rows that are near-duplicates, `first` before `second` in the input."""

    first: int
    second: int
    shared: int
    union: int

    @property
    def jaccard(self) -> float:
        """The similarity as a number to print; decisions are made on the integers."""
        return self.shared / self.union


class Deduplicated(NamedTuple):
    """What stays and what goes. `kept` and the rows of `removed` and `against` are in input order and together are
    every row. In `against` the row that stays is one of the other texts, and counted among them."""

    kept: Sequence[int]
    removed: Sequence[Removed]
    wordless: int  # rows without a single token: kept, and compared with nothing
    candidates: int  # pairs of different texts whose Jaccard was counted
    missed_share: float  # expected share of pairs at the threshold that were never compared (see `Banding.missed`)
    exact: bool  # whether every pair was found
    method: str
    against: Sequence[Removed] = ()


class Remaining(NamedTuple):
    """How many near-duplicates there are among rows. `pairs` counts m identical rows as m * (m - 1) / 2."""

    pairs: int
    rows: int  # rows that are in at least one pair
    examples: Sequence[Pair]  # lowest row numbers first; of identical rows only the first two
    wordless: int
