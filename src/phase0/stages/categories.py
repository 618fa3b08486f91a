"""The categories of many rows: what `phase0.scoring.category.categorise` says of each.

The bytes of all rows are scanned together. Where what is found leaves the rules nothing to decide, they are not asked.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from phase0.records import CATEGORIES
from phase0.scoring.bounds import Scanned, bounds, heaviest
from phase0.scoring.category import code_evidence, decided
from phase0.scoring.seeing import Seen
from phase0.stages.category_scan import Read, Uncategorised, read_rows, scanned

__all__ = ["Uncategorised", "categories"]

_I64 = npt.NDArray[np.int64]


def categories(rows: Iterable[Uncategorised]) -> list[str]:
    """The category of every row."""
    known = read_rows(list(rows))
    if not known.systems:
        return []
    found = scanned(known)
    numbers = heaviest(found, bounds(found))
    undecided = np.flatnonzero(numbers < 0)
    some = found.of(undecided)
    numbers[undecided] = heaviest(some, bounds(some, _code_evidence(known, undecided, some)))
    names = [CATEGORIES[number] for number in numbers.tolist()]
    left = np.flatnonzero(numbers < 0)
    for row, seen in zip(left.tolist(), _seen(found.of(left)), strict=True):
        names[row] = decided(known.parts(row), seen, known.systems[row])
    return names


def _code_evidence(known: Read, rows: _I64, found: Scanned) -> _I64:
    """How much the texts and the answers of these rows look like code."""
    evidence = np.empty((len(rows), 2), np.int64)
    for number, (part, bits) in enumerate(((known.texts, found.text_D), (known.answers, found.answer_D))):
        marked = zip(rows.tolist(), bits.tolist(), strict=True)
        evidence[:, number] = [code_evidence(part.strings[row], marks) for row, marks in marked]
    return evidence


def _seen(found: Scanned) -> Iterable[Seen]:
    bits = (found.text_D, found.answer_D, found.opening_D)
    return map(Seen, found.weights_DC.tolist(), *(one.tolist() for one in bits))
