"""What a commit changes: replies packed into blocks, failures, stakes, and the three steps of a batch.

The first answer to a question stands for good. A later one was paid for all the same and is counted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from phase0.errors import UsageError
from phase0.ledger import blocks
from phase0.ledger.entries import Bought, units
from phase0.records import key_of


class Store(NamedTuple):
    """An answer to keep. `key` and `cost` are as the file has them: 16 bytes, and units."""

    bought: Bought
    key: bytes
    cost: int | None
    imported: bool = False


def store_of(bought: Bought, *, imported: bool = False) -> Store:
    """An answer as the file has it. Raises ValueError for what it cannot hold, before it waits among others."""
    if key_of(bought.request) != bought.key:
        raise ValueError(f"its key {bought.key!r} is not the digest of its request, {bought.request[:200]!r}")
    f"{bought.model}{bought.server}{bought.reason}{bought.run}".encode()  # half a surrogate pair is no text
    for name in ("tokens_in", "tokens_out"):
        count = getattr(bought, name)
        if count is not None and not 0 <= count < 2**63:
            raise ValueError(f"its {name} is {count}, not a number of tokens")
    if bought.cost is not None and not (bought.cost.is_finite() and bought.cost >= 0):
        raise ValueError(f"its cost is {bought.cost}, not a sum of dollars")
    return Store(bought, bytes.fromhex(bought.key), None if bought.cost is None else units(bought.cost), imported)


class Fail(NamedTuple):
    """A failure to note, unless the question was answered."""

    key: bytes
    reason: str
    detail: str
    run: str


class Intend(NamedTuple):
    """A batch that is about to be sent."""

    tag: str
    server: str
    model: str
    keys: bytes
    at: float
    run: str
    destination: str | None  # JSON
    stake: int  # units: the most that it can cost


class Sent(NamedTuple):
    """A batch has the provider's id now."""

    tag: str
    batch_id: str


class Settled(NamedTuple):
    """A batch has ended, and everything in it is stored."""

    tag: str
    status: str
    lost: int  # units: what it may have cost beyond its answers


class Stake(NamedTuple):
    """What a purchase may have paid beyond its answers, from now on."""

    name: str
    run: str
    cost: int


Change = Store | Fail | Intend | Sent | Settled | Stake
Outcome = bool | UsageError
"""Of a `Store`, whether its answer is the one that stands; of an `Intend`, whether all its questions are free; of the
others True. An error: the change was refused."""


class Book:
    """Applies changes to an open ledger, each call in one transaction that is on the disk when it returns."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._names: dict[str | None, int | None] = {None: None}

    def apply(self, changes: Sequence[Change]) -> list[Outcome]:
        """All changes or none. Raises sqlite3.Error or DamagedBlock, after which the ledger is as it was."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            noted = [None if isinstance(change, Store) else self._note(change) for change in changes]
            kept = iter(self._keep([change for change in changes if isinstance(change, Store)]))
            self._connection.execute("COMMIT")
        except BaseException:
            self._names = {None: None}  # ids given in this transaction are void
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return [next(kept) if outcome is None else outcome for outcome in noted]

    def _note(self, change: Fail | Intend | Sent | Settled | Stake) -> Outcome:
        run = self._connection.execute
        match change:
            case Fail():
                run("INSERT OR REPLACE INTO failure VALUES (?, ?, ?, ?)", change)
            case Intend(tag=tag):
                if run("SELECT 1 FROM batch WHERE tag = ?", (tag,)).fetchone():
                    return UsageError(f"there is a batch {tag} already; a tag names one batch for good")
                if not self._is_free(change):
                    return False
                run("INSERT INTO batch VALUES (?, ?, ?, ?, 'intent', NULL, NULL, ?, ?, ?)", change[:-1])
                self._note(Stake(tag, change.run, change.stake))
            case Sent(tag, batch_id):
                done = run("UPDATE batch SET state = 'sent', batch_id = ? WHERE tag = ?", (batch_id, tag))
                return done.rowcount == 1 or _no_batch(tag)
            case Settled(tag, status, lost):
                done = run("UPDATE batch SET state = 'settled', status = ? WHERE tag = ?", (status, tag))
                run("UPDATE stake SET cost = ? WHERE name = ?", (lost, tag))
                run("DELETE FROM stake WHERE cost = 0 AND name = ?", (tag,))
                return done.rowcount == 1 or _no_batch(tag)
            case Stake(name, _, cost) if cost:
                run("INSERT OR REPLACE INTO stake VALUES (?, ?, ?)", change)
            case Stake(name):
                run("DELETE FROM stake WHERE name = ?", (name,))
        return True

    def _is_free(self, intend: Intend) -> bool:
        """Whether none of its questions has an answer or is in a batch that is out: it would be paid for twice."""
        run, wanted = self._connection.execute, set(cut(intend.keys))
        out = run("SELECT keys FROM batch WHERE model = ? AND state != 'settled'", (intend.model,))
        if any(not wanted.isdisjoint(cut(keys)) for (keys,) in out):
            return False
        answered = "SELECT 1 FROM reply WHERE key = ? AND block IS NOT NULL"
        return not any(run(answered, (key,)).fetchone() for key in wanted)

    def _keep(self, stores: Sequence[Store]) -> list[bool]:
        """Write answers; of each whether it is the one that stands."""
        if not stores:
            return []
        standing = [self._standing(store) for store in stores]
        news = {store.key: store for store in reversed(stores)}
        first = [place is None and news[store.key] is store for store, place in zip(stores, standing, strict=True)]
        places = self._lay_down([store for store, new in zip(stores, first, strict=True) if new])
        rows = []
        for store, new, place in zip(stores, first, standing, strict=True):
            if new:
                rows.append((store.key, *next(places), *self._account(store)))
            elif self._is_purchase(store, place or news[store.key].bought.raw):
                rows.append((store.key, None, None, None, None, *self._account(store)))
        self._connection.executemany(
            "INSERT INTO reply (key, block, start, middle, stop, model, server, mode, status, reason, run, tokens_in,"
            " tokens_out, cost, at, imported) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        if self._connection.execute("SELECT 1 FROM failure LIMIT 1").fetchone():
            self._connection.executemany("DELETE FROM failure WHERE key = ?", [(store.key,) for store in stores])
        return first

    def _standing(self, store: Store) -> Any:
        """Where the answer to the same question lies: block, middle, stop; None where there is none."""
        return self._connection.execute(
            "SELECT block, middle, stop FROM reply WHERE key = ? AND block IS NOT NULL", (store.key,)
        ).fetchone()

    def _is_purchase(self, store: Store, standing: tuple[int, int, int] | bytes) -> bool:
        """Whether an answer that came second was paid for: not what others bought, nor a batch's line read again."""
        if store.imported or store.bought.mode == "online":
            return not store.imported
        if not isinstance(standing, bytes):
            number, middle, stop = standing
            ((_, plain),) = blocks.read(self._connection, [number])
            standing = plain[middle:stop]
        return standing != store.bought.raw

    def _lay_down(self, stores: Sequence[Store]) -> Iterator[tuple[int, int, int, int]]:
        """Write requests and replies in blocks; where each of them lies."""
        parts: list[bytes] = []
        places: list[tuple[int, int, int]] = []
        size = 0
        for number, store in enumerate(stores, 1):
            middle = size + len(store.bought.request)
            stop = middle + len(store.bought.raw)
            parts += (store.bought.request, store.bought.raw)
            places.append((size, middle, stop))
            size = stop
            if size >= blocks.FULL or number == len(stores):
                done = self._connection.execute(
                    "INSERT INTO block (size, hash, body) VALUES (?, ?, ?)", blocks.pack(parts)
                )
                for place in places:
                    yield done.lastrowid or 0, *place
                parts, places, size = [], [], 0

    def _account(self, store: Store) -> tuple[Any, ...]:
        bought = store.bought
        names = (bought.model, bought.server, bought.mode, bought.status, bought.reason, bought.run)
        return (
            *map(self._name, names),
            bought.tokens_in,
            bought.tokens_out,
            store.cost,
            bought.at,
            store.imported,
        )

    def _name(self, text: str | None) -> int | None:
        if text not in self._names:
            self._connection.execute("INSERT OR IGNORE INTO name (text) VALUES (?)", (text,))
            (self._names[text],) = self._connection.execute("SELECT id FROM name WHERE text = ?", (text,)).fetchone()
        return self._names[text]


def cut(keys: bytes) -> Iterator[bytes]:
    """The keys of a batch, one by one."""
    return (keys[place : place + 16] for place in range(0, len(keys), 16))


def _no_batch(tag: str) -> UsageError:
    return UsageError(f"there is no batch {tag}; it must be intended before it is sent")
