"""The categories of many rows: what `phase0.scoring.category.categorise` says of each.

The bytes of all rows are scanned together. Where what is found leaves the rules nothing to decide, they are not asked.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from phase0.records import CATEGORIES
from phase0.scoring.bounds import bounds
from phase0.scoring.category import decided
from phase0.scoring.seeing import Seen, parts_of
from phase0.stages.category_scan import Uncategorised, scanned

__all__ = ["Uncategorised", "categories"]


def categories(rows: Iterable[Uncategorised]) -> list[str]:
    """The category of every row."""
    known = list(rows)
    if not known:
        return []
    found = scanned(known)
    least, most = bounds(found)
    heaviest = least.argmax(axis=1)
    every = np.arange(len(known))
    leads = least[every, heaviest]
    most[every, heaviest] = -1
    names = [CATEGORIES[number] for number in heaviest.tolist()]
    undecided = np.flatnonzero((most.max(axis=1) >= leads) | found.is_unspaced_D)
    bits = (found.text_D, found.answer_D, found.opening_D)
    seen = map(Seen, found.weights_DC[undecided].tolist(), *(one[undecided].tolist() for one in bits))
    for at, what in zip(undecided.tolist(), seen, strict=True):
        row = known[at]
        names[at] = decided(parts_of(row.instruction, row.response), what, row.system)
    return names
