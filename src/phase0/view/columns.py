"""What rows are filtered and sorted by, as arrays: 300,000 rows are looked through in milliseconds.

Shapes: R rows, of which row r, from 1 on, is at place r - 1.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Callable, Mapping
from math import nan
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

I64: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

SCHEMA = """
CREATE TABLE columns (name TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE groups (number INTEGER PRIMARY KEY, dropped INTEGER, stage INTEGER, reason INTEGER, source INTEGER,
    category INTEGER);
"""


class Group(NamedTuple):
    """Rows that every filter by name lets through alike. The numbers are those of names; 0 is none."""

    dropped: int
    stage: int
    reason: int
    source: int
    category: int


class Columns(NamedTuple):
    """The columns of all rows. A score that is none is NaN."""

    groups: tuple[Group, ...]
    group_R: NDArray[np.int32]  # noqa: N815 - the suffix is the shape
    score_R: NDArray[np.float64]  # noqa: N815
    length_R: I64  # noqa: N815

    def of_groups(self, wanted: Callable[[Group], bool]) -> Mask:
        """Which rows are of groups that are wanted."""
        chosen = np.array([wanted(group) for group in self.groups], np.bool_)
        return chosen[self.group_R] if len(chosen) else np.zeros(0, np.bool_)

    def counted(self, rows: Mask) -> list[tuple[Group, int]]:
        """How many of these rows are of each group."""
        counts = np.bincount(self.group_R[rows], minlength=len(self.groups)).tolist()
        return [(group, count) for group, count in zip(self.groups, counts, strict=True) if count]

    def ordered(self, order: str) -> I64:
        """Places in an order; equal ones as they stand in their files, those without a score last."""
        keys: Mapping[str, Callable[[], NDArray[np.float64] | I64]] = {
            "best": lambda: -self.score_R,
            "worst": lambda: self.score_R,
            "longest": lambda: -self.length_R,
            "shortest": lambda: self.length_R,
        }
        return np.argsort(keys[order](), kind="stable") if order in keys else np.arange(len(self.group_R))


class Growing:
    """Columns while rows are added."""

    def __init__(self) -> None:
        self._groups: dict[Group, int] = {}
        self._group, self._score, self._length = array("i"), array("d"), array("q")

    def add(self, group: Group, score: float | None, length: int) -> None:
        self._group.append(self._groups.setdefault(group, len(self._groups)))
        self._score.append(nan if score is None else score)
        self._length.append(length)

    def write(self, connection: sqlite3.Connection) -> None:
        groups = [(number, *group) for group, number in self._groups.items()]
        connection.executemany("INSERT INTO groups VALUES (?, ?, ?, ?, ?, ?)", groups)
        contents: Mapping[str, array[int] | array[float]] = {
            "group": self._group,
            "score": self._score,
            "length": self._length,
        }
        told = [(name, content.tobytes()) for name, content in contents.items()]
        connection.executemany("INSERT INTO columns VALUES (?, ?)", told)


def read_columns(connection: sqlite3.Connection) -> Columns:
    """The columns of an index."""
    contents: Mapping[str, bytes] = dict(connection.execute("SELECT name, content FROM columns"))
    groups = connection.execute("SELECT dropped, stage, reason, source, category FROM groups ORDER BY number")
    return Columns(
        groups=tuple(Group(*group) for group in groups),
        group_R=np.frombuffer(contents["group"], np.int32),
        score_R=np.frombuffer(contents["score"], np.float64),
        length_R=np.frombuffer(contents["length"], np.int64),
    )
