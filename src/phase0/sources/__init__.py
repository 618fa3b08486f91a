"""How datasets are laid out upstream: one small file per layout, each turning upstream rows into examples.

A layout never sees files, hubs or ids: rows come in as plain Python objects, examples go out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import msgspec

from phase0.errors import RowError
from phase0.records import Turn


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """What a layout finds in a row: the words, before phase0 adds where they came from."""

    instruction: str
    response: str | None = None
    system: str | None = None
    history: tuple[Turn, ...] = ()
    source: str | None = None  # who wrote the response, where the upstream row says so
    flags: tuple[str, ...] = ()


class Found(NamedTuple):
    """One outcome of reading upstream rows: an example, or the reason why there is none."""

    line: int  # of the upstream row, from 1
    part: int  # which example of that row, from 0
    outcome: Example | RowError


class Layout(Protocol):
    """One way of laying out a dataset."""

    name: str

    def recognises(self, row: Any) -> bool:
        """Whether this row has the layout's shape. Must be cheap and must not raise."""
        ...

    def read(self, rows: Iterable[tuple[int, Any]]) -> Iterator[Found]:
        """Examples and reasons, from (line, upstream row) pairs. Every row yields at least one of them, or is part of
        an example that another row yields. Never raises for what a row holds."""
        ...
