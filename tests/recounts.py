"""Texts cut into units, whose near-duplicates are counted in partitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from phase0.dedup import Remaining
from phase0.dedup.flat import Chunk, Strings
from phase0.engine import Engine
from phase0.engine.local import Local
from phase0.partitioned import recounting
from phase0.partitioned.site import Site
from phase0.progress import SILENT


class Some(NamedTuple):
    """Some of the texts, which tell how many they are."""

    rows: Sequence[str]

    @property
    def extent(self) -> int:
        return sum(map(len, self.rows))

    def open(self) -> Some:
        return self

    def chunks(self) -> Iterator[Chunk]:
        return Strings(self.rows, once=True).chunks()

    def keep(self, folder: Path) -> int:
        return len(self.rows)


def recounted(
    texts: Sequence[str],
    folder: Path,
    threshold: Fraction = Fraction(4, 5),
    width: int = 5,
    *,
    units: int = 3,
    bits: int = 2,
    room: int = 1 << 22,
    engine: Engine | None = None,
) -> Remaining:
    """Count the pairs, with so many units and partitions and so much room."""
    bounds = np.linspace(0, len(texts), units + 1).astype(int).tolist()
    parts = [Some(texts[first:last]) for first, last in pairwise(bounds)]
    with cut(bits, room):
        engine = engine or Local(1, spread=True)
        found = recounting.recount(Site(engine, folder, SILENT), parts, threshold, width, None)
    assert found.bases == bounds
    assert found.told == list(map(len, (part.rows for part in parts)))
    return found.remaining


@contextmanager
def cut(bits: int, room: int = 1 << 22) -> Iterator[None]:
    """For the block, so many partitions and so much room."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recounting, "_bits", lambda *_: bits)
        patch.setattr(recounting, "ROOM", room)
        yield
