"""Pairs that were found before, as a search: those of one group of components, read from disk block by block, so that a
component of any size is decided in the memory that its rows and a part of its pairs take.

Shapes: R rows of the group, P pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from phase0.dedup.flat import I64
from phase0.dedup.kernels.choosing import connect
from phase0.dedup.search import Ordered, Pairs, all_of
from phase0.partitioned.dealing import Dealt
from phase0.progress import Progress


class Listed(NamedTuple):
    """Pairs of a group as a `search.Search`. `rows_R`: the rows of the group, ascending."""

    pairs: Dealt
    number: int
    rows_R: I64  # noqa: N815 - the suffix is the shape

    def find(self, ordered: Ordered, limit: int, progress: Progress) -> Pairs | None:  # noqa: ARG002 - a search has it
        """See `search.Search`."""
        found, held = [], 0
        for part in self._among(ordered):
            found.append(part)
            held += len(part.ones_P)
            if held > limit:
                return None
        return all_of(found)

    def connect(self, ordered: Ordered, progress: Progress) -> Pairs:  # noqa: ARG002
        """See `search.Search`."""
        own = np.arange(len(self.rows_R), dtype=np.int32)
        roots, compared = own.copy(), 0
        for part in self._among(ordered):
            connect(part.ones_P, part.others_P, roots)
            compared += part.compared
        apart = np.flatnonzero(roots != own).astype(np.int32)
        return Pairs(apart, roots[apart], np.zeros(len(apart), np.int32), compared)

    def _among(self, ordered: Ordered) -> Iterator[Pairs]:
        """Pairs of these sets: of different kind where such are looked for, else of any."""
        kinds = np.zeros(len(self.rows_R), np.int8)  # 0 for what is not looked at
        kinds[ordered.rows_N] = 1 + ordered.kinds_N
        for block in self.pairs.blocks(self.number):
            ones, others = (np.searchsorted(self.rows_R, block[:, end]) for end in (0, 1))
            chosen = kinds[ones] * kinds[others] == (2 if ordered.apart else 1)
            shared = block[chosen, 2].astype(np.int32)
            yield Pairs(ones[chosen].astype(np.int32), others[chosen].astype(np.int32), shared, int(chosen.sum()))
