"""A run or a file that is viewed: its rows, found in the index and read from their files."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from math import isnan
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from phase0.errors import DataError, UsageError
from phase0.progress import SILENT, Progress
from phase0.story import Event, explain
from phase0.view import labels
from phase0.view.columns import I64, Group, Mask, read_columns
from phase0.view.entries import Place, Row, decoded
from phase0.view.index import KINDS, Indexed, indexed, reading, sidecar
from phase0.view.labels import Label
from phase0.view.places import Places, places
from phase0.view.queries import NONE, ORDERS, PAGE, Query, id_of, match_of, wanted_group

_MOST_TWINS = 200  # duplicates of a row that are listed
_KNOWN_WORDS = 8  # searches whose rows are remembered


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
SELECT rows.row, ids.id, files.name, rows.start, rows.length, rows.line, files.path, ids.twin
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
            self._columns = read_columns(connection)
        self._numbers: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
        self._texts: dict[str, dict[int, str]] = {kind: {0: NONE} for kind in KINDS}
        for kind, number, text in named:
            self._numbers[kind][text] = number
            self._texts[kind][number] = text
        self._marks = labels.marks(of.labels)
        self._writing = threading.Lock()
        self._holding = lru_cache(_KNOWN_WORDS)(self._look_up)
        self._ordered = lru_cache(len(ORDERS))(self._columns.ordered)

    def page(self, query: Query) -> list[Listed]:
        """The rows of one page, in order."""
        return self._some(query, (query.page - 1) * PAGE, PAGE)

    def at(self, query: Query, place: int) -> Listed | None:
        """The row at a place of all that are found, from 0."""
        return next(iter(self._some(query, place, 1)), None)

    def _some(self, query: Query, skip: int, most: int) -> list[Listed]:
        wanted = wanted_group(query, self._numbers)
        found = self._let_through(query)
        if any(number is not None for number in wanted):
            found = found & self._columns.of_groups(lambda group: not _wrong(wanted, group))
        order = self._ordered(query.order)
        places = order[found[order]][skip : skip + most]
        with reading(self.index.path) as connection:
            return [self._listed(connection, place + 1) for place in places.tolist()]

    def listed(self, number: int) -> Listed | None:
        """A row by its number; None where there is none."""
        with reading(self.index.path) as connection:
            known = connection.execute("SELECT 1 FROM rows WHERE row = ?", (number,)).fetchone()
            return self._listed(connection, number) if known else None

    def _listed(self, connection: sqlite3.Connection, number: int) -> Listed:
        row, row_id, name, start, length, line, path, twin = connection.execute(
            f"{_LISTED} WHERE rows.row = ?", (number,)
        ).fetchone()
        group = self._columns.groups[self._columns.group_R[number - 1]]
        score = float(self._columns.score_R[number - 1])
        return Listed(
            number=row,
            row_id=row_id,
            dropped=bool(group.dropped),
            stage=self._texts["stage"][group.stage],
            reason=self._texts["reason"][group.reason] if group.reason else None,
            source=self._texts["source"][group.source] if group.source else None,
            category=self._texts["category"][group.category] if group.category else None,
            score=None if isnan(score) else score,
            file=name,
            place=Place(start, length, line),
            path=sidecar(self.index.path) if path == "." else Path(path),
            twin=twin,
            label=self._marks.get(row_id) if row_id else None,
        )

    def counts(self, query: Query) -> Counts:
        """How many rows there are. Counts of a filter are of the rows that all the other filters let through."""
        wanted = wanted_group(query, self._numbers)
        fields = ("what", *KINDS)
        by: list[Counter[int]] = [Counter() for _ in fields]
        total = 0
        for group, rows in self._columns.counted(self._let_through(query)):
            wrong = _wrong(wanted, group)
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

    def _let_through(self, query: Query) -> Mask:
        """Which rows hold the words, have a score within the limits, and are marked as is asked for."""
        scores = self._columns.score_R
        found = np.ones(len(scores), np.bool_)
        if query.q:
            found[:] = False
            found[self._holding(query.q)] = True
        if query.low is not None:
            found &= scores >= query.low
        if query.high is not None:
            found &= scores <= query.high
        if query.label:
            of_label = np.zeros(len(scores), np.bool_)
            labelled = self._labelled().items()
            of_label[[row - 1 for row, label in labelled if query.label in {label, "any", "none"}]] = True
            found &= ~of_label if query.label == "none" else of_label
        return found

    def _look_up(self, text: str) -> I64:
        """The places of the rows with these words, or with this id."""
        match, row_id = match_of(text), id_of(text)
        found = [np.zeros(0, np.int64)]
        with reading(self.index.path) as connection:
            if match:
                found.append(_rows(connection, "SELECT group_concat(rowid) FROM words WHERE words MATCH ?", match))
            if row_id:
                by_id = "SELECT group_concat(row) FROM ids WHERE id >= ? AND id < ?"
                found.append(_rows(connection, by_id, row_id, row_id + "g"))  # "g" is behind the last of its digits
        return np.concatenate(found) - 1

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


def _rows(connection: sqlite3.Connection, sql: str, *values: str) -> I64:
    """Numbers of rows, which SQLite hands over as one text: 300,000 rows of their own take four times as long."""
    (told,) = connection.execute(sql, values).fetchone()
    return np.fromstring(told or "", np.int64, sep=",")


def _wrong(wanted: Sequence[int | None], group: Group) -> list[int]:
    """At which of its numbers a group is another than is wanted."""
    return [at for at, want in enumerate(wanted) if want is not None and want != group[at]]
