"""A run or a file that is viewed: its rows, found in the index and read from their files."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from phase0.errors import DataError, UsageError
from phase0.progress import SILENT, Progress
from phase0.story import Event, explain
from phase0.view import labels
from phase0.view.entries import Place, Row, decoded
from phase0.view.index import KINDS, Indexed, indexed, reading, sidecar
from phase0.view.labels import Label
from phase0.view.places import Places, places
from phase0.view.queries import NONE, ORDERS, PAGE, Query, conditions

_MOST_TWINS = 200  # duplicates of a row that are listed
_KNOWN_COUNTS = 64  # searches whose counts are remembered

Group = tuple[int, int, int, int, int]
"""Dropped or not, then the numbers of stage, reason, source and category."""


class Listed(NamedTuple):
    """A row as the list shows it."""

    number: int  # from 1, in the order of the index
    row_id: str | None
    dropped: bool
    stage: str
    reason: str | None
    source: str | None
    category: str | None
    score: float | None
    file: str
    place: Place
    path: Path
    twin: str | None
    label: Label | None


class Counts(NamedTuple):
    """Rows found, and how many there would be with another value of each filter: by its field and value."""

    rows: int
    by: dict[str, dict[str, int]]


_LISTED = """
SELECT rows.row, ids.id, rows.dropped, rows.stage, rows.reason, rows.source, rows.category, rows.score,
       files.name, rows.start, rows.length, rows.line, files.path, ids.twin
FROM rows JOIN ids USING (row) JOIN files USING (file)
"""


def open_catalogue(target: str | Path, *, progress: Progress = SILENT) -> Catalogue:
    """View a run's folder or a file of rows, with its index made first where there is none that fits.

    Raises UsageError where there is nothing, DataError where nothing can be read or no index be written.
    """
    found = places(target)
    return Catalogue(found, indexed(found, progress))


class Catalogue:
    """The rows of one run or file. May be asked by several threads at once."""

    def __init__(self, of: Places, index: Indexed) -> None:
        self.places, self.index = of, index
        with reading(index.path) as connection:
            named = connection.execute("SELECT kind, name, text FROM names").fetchall()
        self._numbers: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
        self._texts: dict[str, dict[int, str]] = {kind: {0: NONE} for kind in KINDS}
        for kind, number, text in named:
            self._numbers[kind][text] = number
            self._texts[kind][number] = text
        self._marks = labels.marks(of.labels)
        self._writing = threading.Lock()
        self._groups = lru_cache(_KNOWN_COUNTS)(self._grouped)

    def page(self, query: Query) -> list[Listed]:
        """The rows of one page, in order."""
        return self._some(query, (query.page - 1) * PAGE, PAGE)

    def at(self, query: Query, place: int) -> Listed | None:
        """The row at a place of all that are found, from 0."""
        return next(iter(self._some(query, place, 1)), None)

    def _some(self, query: Query, skip: int, most: int) -> list[Listed]:
        found = conditions(query, self._numbers, self._labelled())
        sql = f"SELECT rows.row FROM rows WHERE {found.sql} ORDER BY {ORDERS[query.order]} LIMIT ? OFFSET ?"  # noqa: S608 - of parts written here
        with reading(self.index.path) as connection:
            rows = [row for (row,) in connection.execute(sql, (*found.values, most, skip))]
            return [self._listed(connection, row) for row in rows]

    def listed(self, number: int) -> Listed | None:
        """A row by its number; None where there is none."""
        with reading(self.index.path) as connection:
            known = connection.execute("SELECT 1 FROM rows WHERE row = ?", (number,)).fetchone()
            return self._listed(connection, number) if known else None

    def _listed(self, connection: sqlite3.Connection, number: int) -> Listed:
        (row, row_id, dropped, stage, reason, source, category, score, name, start, length, line, path, twin) = (
            connection.execute(f"{_LISTED} WHERE rows.row = ?", (number,)).fetchone()
        )
        return Listed(
            number=row,
            row_id=row_id,
            dropped=bool(dropped),
            stage=self._texts["stage"][stage],
            reason=self._texts["reason"][reason] if reason else None,
            source=self._texts["source"][source] if source else None,
            category=self._texts["category"][category] if category else None,
            score=score,
            file=name,
            place=Place(start, length, line),
            path=sidecar(self.index.path) if path == "." else Path(path),
            twin=twin,
            label=self._marks.get(row_id) if row_id else None,
        )

    def counts(self, query: Query) -> Counts:
        """How many rows there are. Counts of a filter are of the rows that all the other filters let through."""
        groups = self._groups(query.q, query.low, query.high, query.label, self._stamp(query))
        fields = ("what", *KINDS)
        wanted = [None if not query.what else int(query.what == "dropped")]
        for kind in KINDS:
            name = getattr(query, kind)
            wanted.append(None if not name else 0 if name == NONE else self._numbers[kind].get(name, -1))
        by: list[Counter[int]] = [Counter() for _ in fields]
        total = 0
        for group, rows in groups:
            wrong = [at for at, want in enumerate(wanted) if want is not None and want != group[at]]
            if not wrong:
                total += rows
                for at, counter in enumerate(by):
                    counter[group[at]] += rows
            elif len(wrong) == 1:
                by[wrong[0]][group[wrong[0]]] += rows
        texts = [{0: "kept", 1: "dropped"}, *(self._texts[kind] for kind in KINDS)]
        told = {
            field: {names[number]: rows for number, rows in counter.most_common()}
            for field, names, counter in zip(fields, texts, by, strict=True)
        }
        return Counts(total, told)

    def _stamp(self, query: Query) -> frozenset[tuple[str, Label]] | None:
        """What the counts depend on beside the query: the marks, where it asks for them."""
        return frozenset(self._marks.items()) if query.label else None

    def _grouped(
        self, q: str, low: float | None, high: float | None, label: str, _stamp: object
    ) -> Sequence[tuple[Group, int]]:
        """Rows that hold these words within these scores, counted by everything else that can be filtered by."""
        found = conditions(Query(q=q, low=low, high=high, label=label), self._numbers, self._labelled())
        fields = ", ".join(f"rows.{name}" for name in ("dropped", *KINDS))
        with reading(self.index.path) as connection:
            sql = f"SELECT {fields}, count(*) FROM rows WHERE {found.sql} GROUP BY {fields}"  # noqa: S608 - of parts written here
            return [(row[:5], row[5]) for row in connection.execute(sql, found.values)]

    def row(self, listed: Listed) -> tuple[Row, bytes]:
        """A row with its bytes, out of its file. The value is None where these are no JSON."""
        try:
            with listed.path.open("rb") as file:
                file.seek(listed.place.start)
                raw = file.read(listed.place.length)
        except OSError as error:
            raise DataError(f"{listed.path}: cannot be read ({error.strerror or error})") from error
        return decoded(raw, dropped=listed.dropped), raw

    def twins(self, listed: Listed) -> list[Listed]:
        """The row that stayed in this one's stead, or the rows that went for this one; itself not among them."""
        keys = [key for key in (listed.twin, listed.row_id) if key]
        sql = "SELECT row FROM ids WHERE (id = ? OR twin = ?) AND row != ? ORDER BY twin IS NOT NULL, row LIMIT ?"
        found: dict[int, Listed] = {}
        with reading(self.index.path) as connection:
            for key in keys:
                for (row,) in connection.execute(sql, (key, key, listed.number, _MOST_TWINS)).fetchall():
                    found.setdefault(row, self._listed(connection, row))
        return list(found.values())[:_MOST_TWINS]

    def story(self, listed: Listed) -> list[Event]:
        """Everything that happened to the row. Every file of the run is looked through."""
        if not self.places.made or not listed.row_id:
            raise UsageError("only rows that phase0 made have a story")
        return explain(self.places.target, listed.row_id)

    def mark(self, listed: Listed, label: Label | None) -> None:
        """Mark a row as good or bad, or take its mark back. Rows with the same id share it."""
        row, _ = self.row(listed)
        if not listed.row_id or not labels.can_be_marked(row.fields):
            raise UsageError("this row has no instruction with a response: there is nothing to mark")
        with self._writing:
            labels.append(self.places.labels, labels.line_of(row.fields, listed.row_id, label, datetime.now(UTC)))
            if label is None:
                self._marks = {key: value for key, value in self._marks.items() if key != listed.row_id}
            else:
                self._marks = {**self._marks, listed.row_id: label}

    def marked(self) -> Counter[str]:
        """How many rows are marked, by label."""
        return Counter(self._marks.values())

    def _labelled(self) -> dict[int, Label]:
        """The marks by the numbers of rows."""
        marks = self._marks
        if not marks:
            return {}
        sql = "SELECT row, id FROM ids WHERE id IN (SELECT value FROM json_each(?))"
        with reading(self.index.path) as connection:
            found = connection.execute(sql, (msgspec.json.encode(list(marks)).decode(),)).fetchall()
        return {row: marks[row_id] for row, row_id in found}
