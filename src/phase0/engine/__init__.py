"""Where work runs. The rest of phase0 knows one method: `Engine.map`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

ENGINES = {
    "local": "phase0.engine.local:Local",
    "ray": "phase0.engine.ray:Ray",
}


class Engine(Protocol):
    """Runs a function on many small items, somewhere."""

    @property
    def threads(self) -> int:
        """How many cores of this machine are for work that needs all rows together, as de-duplication does."""
        ...

    @property
    def cores(self) -> int:
        """How many items are worked on at once, wherever that is."""
        ...

    @property
    def spread(self) -> bool:
        """Whether work that needs all rows together is cut into partitions, as where no one machine holds them all."""
        ...

    def kept(self) -> AbstractContextManager[Engine]:
        """The same engine for several maps in a row, whose workers are started once."""
        ...

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Run `work` on every item and yield the results in the order of the items.

        Items and results are small and picklable: names of files go in, sums come out; rows stay in files. `work` may
        be done twice on an item, even at once, where a machine is lost; so what it writes takes its name when it is
        whole. The first exception stops the map and is raised here.
        """
        ...
