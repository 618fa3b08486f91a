"""Where batches of one model are bought: a route that takes them, the ledger, and a folder for what is away.

The folder is one process's at a time. It holds the questions of every batch that is out, under the batch's tag.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from phase0.errors import DataError, UsageError
from phase0.gateway.line import Line, Route
from phase0.gateway.policy import Again
from phase0.gateway.questions import Questions
from phase0.ledger import Batch, Ledger
from phase0.providers import Batches
from phase0.workspace import hold

ROUNDS = 3  # batches that a question is put into before it is asked online
GRACE = 30.0  # seconds until a batch that was being created when we died is in the provider's list
POLL = (10.0, 120.0)  # seconds between looks: at first, and at most


class Sent(NamedTuple):
    """A batch that the provider has."""

    batch: Batch
    round: int
    tokens: int
    worst: Decimal


class Options(NamedTuple):
    """How batches are bought."""

    folder: Path  # for what is kept while a batch is away
    run: str = ""
    size: int | None = None  # requests in a batch, at most; None: what the provider allows
    wait: bool = True  # until the batches have ended; else return once they are sent
    deadline: float = math.inf  # seconds; what is not answered by then is left for online
    rounds: int = ROUNDS
    grace: float = GRACE
    poll: tuple[float, float] = POLL
    name: Callable[[], str] = lambda: uuid4().hex
    date: Callable[[], float] = time.time
    follow_online: bool = False  # what follows from answers is left for online too
    tags: frozenset[str] | None = None  # of the batches to pick up; None: all that are there


class Shop(NamedTuple):
    """Everything that buying a batch takes."""

    line: Line
    route: Route
    batches: Batches
    ledger: Ledger
    folder: Path
    options: Options
    again: Again | None

    def open_batches(self) -> list[Batch]:
        """Batches that an earlier run left here."""
        tags = self.options.tags
        return [
            batch
            for batch in self.ledger.open_batches()
            if batch.model == self.line.model and is_at(batch, self.route) and (tags is None or batch.tag in tags)
        ]

    def kept(self, tag: str) -> Path:
        return self.folder / f"{tag}.jsonl"

    def questions(self, batch: Batch) -> Questions:
        """The questions of a batch. Raises DataError where they are gone."""
        path = self.kept(batch.tag)
        if not path.exists():
            raise DataError(f"{path} is missing: it holds the questions of a batch that is out. Put it back.")
        return Questions(path)


def is_at(batch: Batch, route: Route) -> bool:
    """Whether a batch was sent where a route leads, as far as anybody knows."""
    here, there = route.destination, batch.destination
    return batch.server == route.name and (here is None or there is None or here.address == there.address)


def is_sure(batch: Batch, route: Route) -> bool:
    """Whether it was sent there for certain, and with this key: a batch that is not found there does not exist."""
    here, there = route.destination, batch.destination
    if here is None or there is None:
        return here is there
    return (here.address, here.account) == (there.address, there.account)


def batch_route(line: Line) -> tuple[Route, Batches] | None:
    """The first route that takes batches."""
    for route in sorted(line.routes, key=lambda route: route.rank):
        if route.batch and route.provider.batches is not None:
            return route, route.provider.batches
    return None


def folder_of(options: Options, server: str, model: str) -> Path:
    """Where the questions of what a model is asked at a server are kept."""
    return options.folder / re.sub(r"[^\w.]+", "-", f"{server}-{model}")


@contextmanager
def opened(line: Line, ledger: Ledger, options: Options, again: Again | None = None) -> Iterator[Shop]:
    """The shop for a model, kept from every other process. Raises UsageError where no endpoint takes batches, and
    BusyError where another process is there."""
    found = batch_route(line)
    if found is None:
        raise UsageError(f"No endpoint of {line.model} takes batches. --mode online asks one by one.")
    route, batches = found
    folder = folder_of(options, route.name, line.model)
    with hold(folder, f"buying batches of {line.model} at {route.name}"):
        yield Shop(line, route, batches, ledger, folder, options, again)
