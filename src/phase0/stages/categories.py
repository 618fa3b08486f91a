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
from phase0.scoring.marks import OF_CODE
from phase0.scoring.seeing import Seen
from phase0.stages.category_scan import Laid, Read, Uncategorised, read_rows, scanned

__all__ = ["Uncategorised", "categories"]

_I64 = npt.NDArray[np.int64]


def categories(rows: Iterable[Uncategorised], laid: Laid | None = None) -> list[str]:
    """The category of every row. They may be laid out already."""
    known = read_rows(list(rows), laid)
    if not known.rows:
        return []
    found = scanned(known)
    numbers = heaviest(found, bounds(found))
    undecided = np.flatnonzero(numbers < 0)
    some = found.of(undecided)
    numbers[undecided] = heaviest(some, bounds(some, _code_evidence(known, undecided, some)))
    names = [CATEGORIES[number] for number in numbers.tolist()]
    left = np.flatnonzero(numbers < 0)
    for row, seen in zip(left.tolist(), _seen(found.of(left)), strict=True):
        names[row] = decided(known.parts(row), seen, known.rows[row].system)
    return names


def _code_evidence(known: Read, rows: _I64, found: Scanned) -> _I64:
    """How much the texts and the answers of these rows look like code."""
    evidence = np.empty((len(rows), 2), np.int64)
    for number, (part, bits) in enumerate(((known.text, found.text_D), (known.answer, found.answer_D))):
        marked = zip(rows.tolist(), bits.tolist(), strict=True)
        evidence[:, number] = [code_evidence(part(row), marks) if marks & OF_CODE else 0 for row, marks in marked]
    return evidence


def _seen(found: Scanned) -> Iterable[Seen]:
    bits = (found.text_D, found.answer_D, found.opening_D)
    return map(Seen, found.weights_DC.tolist(), *(one.tolist() for one in bits))
