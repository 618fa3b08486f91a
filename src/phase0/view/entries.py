"""Rows as the index takes them: where each stands in its file, and the fields that are filtered by.

A row may be anything: what has no source, no score or no words has none here, and is shown all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from phase0.dataset import BadRow, raw_rows
from phase0.dataset.containers import Kind, is_compressed, kind_of
from phase0.dataset.rows import MAX_ROW, NOT_JSON, standard_record
from phase0.errors import RowError
from phase0.view.places import Source

UNREADABLE = "unreadable"
_LONGEST_NAME = 200  # characters of a source, category or reason
_UNSPACED = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f])")


class Place(NamedTuple):
    """Where the bytes of a row stand."""

    start: int
    length: int
    line: int  # from 1


class Entry(NamedTuple):
    """What is known of a row without reading it again."""

    place: Place
    reason: str | None  # why it was dropped
    row_id: str | None
    twin: str | None  # id of the row that stayed in its stead
    source: str | None
    category: str | None
    score: float | None
    text: str


class Row(NamedTuple):
    """A row out of its file, with what was said when it was dropped."""

    value: Any
    drop: dict[str, Any]  # stage, reason, evidence, file and line; empty for a kept row

    @property
    def fields(self) -> dict[str, Any]:
        return self.value if isinstance(self.value, dict) else {}


def is_plain(path: Path) -> bool:
    """Whether rows stand in the file's own bytes, one to a line."""
    return not is_compressed(path) and kind_of(path) is Kind.LINES


def copied(source: Source, out: IO[bytes]) -> Iterator[tuple[Place, bytes]]:
    """The rows of a file of any other kind, written into `out` so that they have a place there."""
    for item in raw_rows(source.path):
        line, raw = (item.line, item.raw) if isinstance(item, BadRow) else item
        raw = raw.replace(b"\n", b" ")
        yield Place(out.tell(), len(raw), line), raw
        out.write(raw + b"\n")


def standing(path: Path) -> Iterator[tuple[Place, bytes]]:
    """The rows of a plain file and their places."""
    with path.open("rb") as file:
        start, number = 0, 0
        while line := file.readline(MAX_ROW):
            number += 1
            if line.strip():
                yield Place(start, len(line.rstrip(b"\n")), number), line
            start += len(line)


def entry(place: Place, raw: bytes, *, dropped: bool) -> Entry:
    """What the index keeps of a row."""
    row = decoded(raw, dropped=dropped)
    fields, evidence = row.fields, _part(row.drop, "evidence")
    meta = _part(fields, "meta")
    score = _number(fields.get("quality_score"))
    if score is None:
        score = _number(evidence.get("quality_score"))
    reason = row.drop.get("reason") if dropped else None
    if row.value is None or (dropped and not row.drop):
        reason = UNREADABLE
    return Entry(
        place=place,
        reason=_name(reason),
        row_id=_name(fields.get("id")) or identity_of(fields),
        twin=_name(evidence.get("kept_id")),
        source=_name(fields.get("source")),
        category=_name(meta.get("category")),
        score=score,
        text=searched(" ".join(texts(row.value)) if row.value is not None else raw.decode("utf-8", "replace")),
    )


def decoded(raw: bytes, *, dropped: bool) -> Row:
    """The row that these bytes hold; one whose value is None where they are damaged."""
    try:
        value = msgspec.json.decode(raw)
    except NOT_JSON:
        return Row(None, {})
    if not dropped:
        return Row(value, {})
    if not isinstance(value, dict) or "row" not in value:
        return Row(value, {})
    return Row(value["row"], {name: told for name, told in value.items() if name != "row"})


def texts(value: Any) -> Iterator[str]:
    """Everything that a row says: its strings, but those of `meta` and its id."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name not in {"meta", "id"}:
                yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def searched(text: str) -> str:
    """The text as it is searched: a script without blanks is looked for by its letters."""
    return text if text.isascii() else _UNSPACED.sub(r" \1 ", text)


def identity_of(fields: dict[str, Any]) -> str | None:
    """The id that phase0 would give a row without one; None where it is no such row."""
    if not isinstance(fields.get("instruction"), str) or not isinstance(fields.get("source"), str):
        return None
    try:
        return standard_record(fields, dataset="", row="").id
    except RowError:
        return None


def _part(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _name(value: Any) -> str | None:
    """Half a surrogate pair, which JSON may spell, has no place in the index."""
    if not isinstance(value, str) or not value:
        return None
    return value[:_LONGEST_NAME].encode("utf-8", "backslashreplace").decode()


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
