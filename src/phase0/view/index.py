"""The index of a run's rows, in SQLite: made once, made anew when the files change, and then only read.

What is filtered and sorted by stands in columns; words in an inverted list without the texts; where rows are, their ids
and their duplicates in tables.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from phase0.errors import DataError
from phase0.progress import Progress
from phase0.view import columns
from phase0.view.columns import Group, Growing
from phase0.view.entries import Entry, Place, copied, entry, is_plain, standing
from phase0.view.places import Places, Source

_BATCH = 5000  # rows that are written together
_SCHEMA = f"""
{columns.SCHEMA}
CREATE TABLE about (fingerprint TEXT NOT NULL);
CREATE TABLE files (file INTEGER PRIMARY KEY, path TEXT, name TEXT, stage TEXT, dropped INTEGER);
CREATE TABLE names (kind TEXT, name INTEGER, text TEXT, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE rows (row INTEGER PRIMARY KEY, file INTEGER, start INTEGER, length INTEGER, line INTEGER);
CREATE TABLE ids (row INTEGER PRIMARY KEY, id TEXT, twin TEXT);
CREATE VIRTUAL TABLE words USING fts5(
    text, content='', columnsize=0, detail=none, tokenize="unicode61 remove_diacritics 2"
);
"""
_INDEXES = """
CREATE INDEX by_id ON ids (id);
CREATE INDEX by_twin ON ids (twin) WHERE twin IS NOT NULL;
"""
KINDS = ("stage", "reason", "source", "category")


class Indexed(NamedTuple):
    """How an index came to be there."""

    path: Path
    rows: int
    made: bool  # just so; it was there already otherwise


def indexed(places: Places, progress: Progress) -> Indexed:
    """The index of these files: the one that is there, where nothing changed since, or a new one."""
    fingerprint = places.fingerprint()
    known = _rows_of(places.index_file, fingerprint)
    if known is not None:
        return Indexed(places.index_file, known, made=False)
    try:
        places.index_file.parent.mkdir(parents=True, exist_ok=True)
        return Indexed(places.index_file, _make(places, fingerprint, progress), made=True)
    except OSError as error:
        raise DataError(f"{places.index_file.parent}: no index can be written ({error.strerror or error})") from error
    except sqlite3.Error as error:
        raise DataError(f"{places.index_file}: no index can be written ({error})") from error


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """An index, to read. Opening one takes a tenth of a millisecond, so every request has its own."""
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        yield connection
    finally:
        connection.close()


def sidecar(index: Path) -> Path:
    """Where rows of compressed and columnar files are kept as lines."""
    return index.with_suffix(".rows")


def _rows_of(path: Path, fingerprint: str) -> int | None:
    """How many rows an index has; None where it is of other files, damaged or not there."""
    if not path.is_file():
        return None
    try:
        with reading(path) as connection:
            if connection.execute("SELECT fingerprint FROM about").fetchone() != (fingerprint,):
                return None
            return int(connection.execute("SELECT count(*) FROM rows").fetchone()[0])
    except sqlite3.Error:
        return None


def _make(places: Places, fingerprint: str, progress: Progress) -> int:
    """Write under other names, and take the names last: a half-made index is never read."""
    mark = f".{os.getpid()}.partial"
    partial, aside = (path.with_name(path.name + mark) for path in (places.index_file, sidecar(places.index_file)))
    try:
        connection = sqlite3.connect(partial, isolation_level=None)
        try:
            with aside.open("wb") as out:
                rows = _fill(connection, places.sources, out, progress)
            connection.execute("INSERT INTO about VALUES (?)", (fingerprint,))
            connection.execute("COMMIT")
        finally:
            connection.close()
        aside.replace(sidecar(places.index_file))
        partial.replace(places.index_file)
    finally:
        for left in (partial, aside):
            with contextlib.suppress(FileNotFoundError):
                left.unlink()
    return rows


def _fill(connection: sqlite3.Connection, sources: tuple[Source, ...], out: IO[bytes], progress: Progress) -> int:
    connection.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-200000; {_SCHEMA}")
    connection.execute("BEGIN")
    filling = _Filling(connection)
    progress.start("index", None)
    for file, source in enumerate(sources):
        plain = is_plain(source.path)
        path = source.path if plain else Path()  # the empty path stands for the sidecar
        connection.execute(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?)", (file, str(path), source.name, source.stage, source.dropped)
        )
        batch: list[Entry] = []
        for place, raw in standing(source.path) if plain else copied(source, out):
            batch.append(entry(place, raw, dropped=source.dropped))
            if len(batch) == _BATCH:
                filling.write(file, source, batch)
                progress.advance(len(batch))
                batch = []
        filling.write(file, source, batch)
        progress.advance(len(batch))
    filling.end()
    progress.finish()
    return filling.rows


class _Filling:
    """An index while rows are written to it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.rows = 0
        self._connection = connection
        self._columns = Growing()
        self._numbers: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}

    def _number(self, kind: str, name: str | None) -> int:
        """0 stands for a name that a row has not."""
        known = self._numbers[kind]
        return 0 if name is None else known.setdefault(name, len(known) + 1)

    def write(self, file: int, source: Source, batch: list[Entry]) -> None:
        """Write some rows of one file."""
        stage = self._number("stage", source.stage)
        rows, ids, words = [], [], []
        for row, item in enumerate(batch, self.rows + 1):
            place: Place = item.place
            named = (("reason", item.reason), ("source", item.source), ("category", item.category))
            group = Group(int(source.dropped), stage, *(self._number(kind, name) for kind, name in named))
            self._columns.add(group, item.score, place.length)
            rows.append((row, file, place.start, place.length, place.line))
            ids.append((row, item.row_id, item.twin))
            words.append((row, item.text.encode("utf-8", "replace").decode()))
        self._connection.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", rows)
        self._connection.executemany("INSERT INTO ids VALUES (?, ?, ?)", ids)
        self._connection.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", words)
        self.rows += len(batch)

    def end(self) -> None:
        """Write what only all rows tell."""
        for kind, known in self._numbers.items():
            names = [(kind, number, name) for name, number in known.items()]
            self._connection.executemany("INSERT INTO names VALUES (?, ?, ?)", names)
        self._columns.write(self._connection)
        for statement in _INDEXES.strip().split("\n"):
            self._connection.execute(statement)
