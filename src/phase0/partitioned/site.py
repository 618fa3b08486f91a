"""Where partitioned work is done: by which engine, in which folder that every worker sees, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from phase0.engine import Engine, Item, Result
from phase0.progress import Progress


class Site(NamedTuple):
    """A place of work."""

    engine: Engine
    folder: Path
    progress: Progress

    def at(self, name: str) -> Site:
        """A folder in this one."""
        return self._replace(folder=self.folder / name)

    def do(self, step: str, work: Callable[[Item], Result], items: Iterable[Item], unit: str = "parts") -> list[Result]:
        """Do a step: `work` on every item, of which one is as much as another."""
        given = list(items)
        self.progress.start(step, len(given), unit)
        done = self.each(work, given)
        self.progress.finish()
        return done

    def each(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Do a part of a step that was started."""
        done = []
        for one in self.engine.map(work, items):
            done.append(one)
            self.progress.advance(1)
        return done
