"""The one thread that writes. It commits as soon as something waits, and takes everything that waits with it.

Group commit: the sync of a commit takes longer than to write a reply, so what came meanwhile shares the next one.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from concurrent import futures
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

from phase0.errors import DataError, Phase0Error, UsageError
from phase0.ledger.blocks import DamagedBlock
from phase0.ledger.changes import Book, Change, Outcome
from phase0.ledger.schema import connect, damaged, telling, told

Later = asyncio.Future[bool] | futures.Future[bool]
_MOST = 4096  # changes in one commit: others wait for the lock meanwhile


class Waiting(NamedTuple):
    """A change, and who waits until it is on the disk."""

    change: Change
    later: Later


class Writer:
    """Takes changes from any thread and any event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with telling(path):
            self._connection = connect(path)
        self._queue: SimpleQueue[Waiting | None] = SimpleQueue()
        self._closed = False
        self._door = threading.Lock()  # nothing enters the queue behind its end
        self._thread = threading.Thread(target=self._work, name=f"ledger {path}", daemon=True)
        self._thread.start()

    def put(self, change: Change, later: Later | None = None) -> Later:
        """Have a change committed. On an event loop the future is the loop's own: it is woken once for each commit,
        not once for each reply."""
        later = later or _later()
        with self._door:
            if self._closed:
                raise UsageError(f"{self._path}: the ledger is closed")
            self._queue.put(Waiting(change, later))
        return later

    def close(self) -> None:
        """Commit what waits, and end the thread."""
        with self._door:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        try:
            book = Book(self._connection)
            while group := self._group():
                self._commit(book, group)
        finally:
            self._connection.close()
            self._turn_away()

    def _turn_away(self) -> None:
        """Let nobody wait for a thread that has ended: before its time only where there is a bug."""
        with self._door:
            self._closed = True
            self._queue.put(None)
        while left := self._group():
            _tell(left, [self._dead()] * len(left))

    def _dead(self) -> DataError:
        return DataError(f"{self._path}: its writer has died, which is a bug in phase0")

    def _group(self) -> list[Waiting]:
        """Everything that waits, at least one change; nothing when the ledger is closed."""
        group: list[Waiting] = []
        item = self._queue.get()
        while item is not None:
            group.append(item)
            if len(group) == _MOST:
                return group
            try:
                item = self._queue.get_nowait()
            except Empty:
                return group
        if group:
            self._queue.put(None)  # the end is for the next call to find
        return group

    def _commit(self, book: Book, group: Sequence[Waiting]) -> None:
        outcomes: Sequence[Outcome | Phase0Error] = [self._dead()] * len(group)
        try:
            outcomes = book.apply([waiting.change for waiting in group])
        except sqlite3.Error as error:
            outcomes = [told(self._path, error)] * len(group)
        except DamagedBlock as error:
            outcomes = [damaged(self._path, str(error))] * len(group)
        finally:
            _tell(group, outcomes)


def _later() -> Later:
    try:
        return asyncio.get_running_loop().create_future()
    except RuntimeError:
        return futures.Future()


def _tell(group: Sequence[Waiting], outcomes: Sequence[Outcome | Phase0Error]) -> None:
    """Resolve what waits: futures of an event loop all at once, on that loop."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[Later, Outcome | Phase0Error]]] = {}
    for (_, later), outcome in zip(group, outcomes, strict=True):
        if isinstance(later, asyncio.Future):
            loops.setdefault(later.get_loop(), []).append((later, outcome))
        elif later.set_running_or_notify_cancel():
            _resolve(later, outcome)
    for loop, told_there in loops.items():
        try:
            loop.call_soon_threadsafe(_resolve_all, told_there)
        except RuntimeError:  # the loop is closed: nobody waits there any more, and what was stored is stored
            continue


def _resolve_all(told_here: Sequence[tuple[Later, Outcome | Phase0Error]]) -> None:
    for later, outcome in told_here:
        if not later.done():  # whoever waited may have given up
            _resolve(later, outcome)


def _resolve(later: Later, outcome: Outcome | Phase0Error) -> None:
    if isinstance(outcome, Phase0Error):
        later.set_exception(outcome)
    else:
        later.set_result(outcome)
