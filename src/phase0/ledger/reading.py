"""Questions to the ledger. Each is one short read, so that no reader keeps the writers' log from being emptied."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import msgspec

from phase0.ledger import blocks
from phase0.ledger.changes import cut
from phase0.ledger.entries import Batch, Bought, Destination, Failure, Spend, dollars
from phase0.ledger.schema import connect, damaged, telling

By = Literal["model", "day", "run", "server"]

_AT_ONCE = 1000  # keys, or rows, to one query
_COLUMNS = "key, block, start, middle, stop, model, server, mode, status, reason, tokens_in, tokens_out, cost, run, at"
_destination = msgspec.json.Decoder(Destination).decode
_DAY = "CAST(at / 86400 AS INTEGER)"  # days since 1970: grouping by dates as text takes twice the time


class Reader:
    """Reads from any thread, over a connection of the thread's own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._names: dict[int | None, Any] = {None: None}

    def close(self) -> None:
        """Close the connections of all threads."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        self._local = threading.local()

    def find(self, keys: Iterable[str]) -> Iterator[Bought]:
        """The answers to these questions that are there, in any order."""
        with self._open() as connection:
            for part in _parts(keys):
                rows = connection.execute(
                    f"SELECT {_COLUMNS} FROM reply WHERE key IN ({_marks(part)}) AND block IS NOT NULL",  # noqa: S608
                    part,
                ).fetchall()
                yield from self._bought(connection, rows)

    def known(self, keys: Iterable[str]) -> Iterator[str]:
        """Those of these keys that have an answer. Looks into the index alone."""
        with self._open() as connection:
            for part in _parts(keys):
                for (key,) in connection.execute(
                    f"SELECT key FROM reply WHERE key IN ({_marks(part)}) AND block IS NOT NULL",  # noqa: S608
                    part,
                ):
                    yield key.hex()

    def everything(self) -> Iterator[Bought]:
        """Every answer that stands, in the order in which they came."""
        last = 0
        while True:
            with self._open() as connection:
                rows = connection.execute(
                    f"SELECT {_COLUMNS}, id FROM reply WHERE id > ? AND block IS NOT NULL ORDER BY id LIMIT ?",  # noqa: S608
                    (last, _AT_ONCE),
                ).fetchall()
                if not rows:
                    return
                last = rows[-1][-1]
                page = list(self._bought(connection, [row[:-1] for row in rows]))
            yield from page

    def unpriced(self, run: str) -> list[str]:
        """The questions whose answers a run paid for at a cost that nobody knows, each as often as it did."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT key FROM reply WHERE cost IS NULL AND NOT imported"
                " AND run = (SELECT id FROM name WHERE text = ?)",
                (run,),
            )
            return [key.hex() for (key,) in rows]

    def failures(self, keys: Iterable[str] | None) -> Iterator[Failure]:
        with self._open() as connection:
            parts = [()] if keys is None else _parts(keys)
            for part in parts:
                which = f"WHERE key IN ({_marks(part)})" if part else ""
                for key, *rest in connection.execute(f"SELECT * FROM failure {which}", part):  # noqa: S608
                    yield Failure(key.hex(), *rest)

    def batches(self, where: str, *values: str) -> list[Batch]:
        with self._open() as connection:
            rows = connection.execute(f"SELECT * FROM batch WHERE {where} ORDER BY at, tag", values)  # noqa: S608
            return [_batch(*row) for row in rows]

    def stakes(self, run: str) -> dict[str, Decimal]:
        """What a run may have paid beyond its answers, by the name of the purchase or the tag of the batch."""
        with self._open() as connection:
            rows = connection.execute("SELECT name, cost FROM stake WHERE run = ?", (run,)).fetchall()
        return {name: dollars(cost) for name, cost in rows}

    def spend(self, by: By) -> list[Spend]:
        """What this workspace paid, dearest first. What was imported costs nothing here."""
        group = _DAY if by == "day" else by
        with self._open() as connection:
            rows = connection.execute(
                f"SELECT {group} AS what, count(*), sum(status = (SELECT id FROM name WHERE text = 'refused')),"  # noqa: S608 - one of four texts
                " sum(block IS NULL), sum(cost IS NULL), coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0),"
                " coalesce(sum(cost), 0) FROM reply WHERE NOT imported GROUP BY what"
            ).fetchall()
            found = [
                Spend(
                    name=_date(what) if by == "day" else self._name(connection, what),
                    requests=requests,
                    refused=refused or 0,  # nobody was ever refused: there is not even the word
                    again=again,
                    unpriced=unpriced,
                    tokens_in=tokens_in,
                    tokens_out=tokens_out,
                    cost=dollars(cost),
                )
                for what, requests, refused, again, unpriced, tokens_in, tokens_out, cost in rows
            ]
        return sorted(found, key=lambda each: (-each.cost, each.name))

    def _bought(self, connection: sqlite3.Connection, rows: Sequence[Any]) -> Iterator[Bought]:
        """The answers that these rows of `reply` speak of. A block is unpacked once, however many it holds."""
        by_block: dict[int, list[Any]] = {}
        for row in rows:
            by_block.setdefault(row[1], []).append(row)
        numbers = list(by_block)
        for place in range(0, len(numbers), _AT_ONCE):
            for number, plain in blocks.read(connection, numbers[place : place + _AT_ONCE]):
                for key, _, start, middle, stop, *rest in by_block[number]:
                    model, server, mode, status, reason, tokens_in, tokens_out, cost, run, at = rest
                    yield Bought(
                        key=key.hex(),
                        request=plain[start:middle],
                        model=self._name(connection, model),
                        server=self._name(connection, server),
                        mode=self._name(connection, mode),
                        raw=plain[middle:stop],
                        status=self._name(connection, status),
                        reason=self._name(connection, reason),
                        tokens_in=tokens_in,
                        tokens_out=tokens_out,
                        cost=None if cost is None else dollars(cost),
                        run=self._name(connection, run),
                        at=at,
                    )

    def _name(self, connection: sqlite3.Connection, number: int | None) -> Any:
        if number not in self._names:
            self._names.update(connection.execute("SELECT id, text FROM name").fetchall())
        return self._names[number]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with telling(self._path):
            if not hasattr(self._local, "connection"):
                self._local.connection = connect(self._path)
                self._connections.append(self._local.connection)
            try:
                yield self._local.connection
            except blocks.DamagedBlock as error:
                raise damaged(self._path, str(error)) from None


def _batch(tag: str, server: str, model: str, keys: bytes, *rest: Any) -> Batch:
    *more, destination = rest
    found = Batch(tag, server, model, tuple(key.hex() for key in cut(keys)), *more)
    return found if destination is None else found._replace(destination=_destination(destination))


def _date(day: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def _parts(keys: Iterable[str]) -> Iterator[tuple[bytes, ...]]:
    left = map(bytes.fromhex, keys)
    while part := tuple(islice(left, _AT_ONCE)):
        yield part


def _marks(part: Sequence[bytes]) -> str:
    return ",".join("?" * len(part))
