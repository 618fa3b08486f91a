"""What reading yields, and the standard row read strictly from a JSON value: the first broken rule names its field."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from phase0.errors import RowError, near_miss
from phase0.records import Meta, Origin, Record, Turn, make

STANDARD = ("instruction", "response", "source", "quality_score")
FIELDS = (*STANDARD, "system", "history", "id", "meta")
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not JSON, or not the value that was asked for."""

MAX_ROW = 256 << 20  # bytes; a longer row is dropped rather than held in memory


class Row(NamedTuple):
    """A row that could be read. `raw` is its JSON: in a JSONL file the line's own bytes."""

    line: int  # from 1; in Parquet and CSV the number of the row, in an array of the element
    raw: bytes
    data: Any


class BadRow(NamedTuple):
    """A row that could not be read, and why."""

    line: int
    raw: bytes
    error: RowError


class Span(NamedTuple):
    """A part of a file that one worker reads: bytes `start` to `stop` of a plain JSONL file, or a whole file."""

    path: Path
    start: int = 0
    stop: int | None = None
    line: int = 1  # number of the first line
    rows: int | None = None  # lines in it, where they were counted


def not_json(raw: bytes, error: Exception) -> RowError:
    """Why a line is not JSON, in words that help."""
    if isinstance(error, RecursionError):
        return RowError("too_deep", "JSON is nested too deeply")
    try:
        raw.decode()
    except UnicodeDecodeError as place:
        return not_utf8(place)
    if _holds_half_a_pair(raw):
        return lone_surrogate()
    return RowError("invalid_json", f"not valid JSON: {error}")


def not_utf8(error: UnicodeDecodeError) -> RowError:
    """What is wrong with bytes that are not UTF-8: half a surrogate pair, or something else."""
    try:
        error.object.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return RowError("not_utf8", f"not UTF-8: byte 0x{error.object[error.start]:02x} at {error.start}")
    return lone_surrogate()


def lone_surrogate() -> RowError:
    """The reason for a row whose text no UTF-8 file can hold."""
    return RowError("lone_surrogate", "holds half of a surrogate pair, which no UTF-8 file can")


def _holds_half_a_pair(raw: bytes) -> bool:
    if b"\\u" not in raw:
        return False
    try:
        json.dumps(json.loads(raw), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def is_standard(columns: Collection[str]) -> bool:
    """Whether columns of a table are those of a standard row, so that its cells have known types."""
    return {"instruction", "response"} <= set(columns) <= set(FIELDS)


def from_cells(cells: Mapping[str, str]) -> dict[str, Any]:
    """A standard row from its CSV cells, where an empty cell is all that can stand for null.

    A cell that does not hold what its column needs stays text, and is told as a bad type later.
    """
    row: dict[str, Any] = dict(cells)
    if row["response"] == "":
        row["response"] = None
    for field, kind in (("quality_score", float), ("history", list), ("meta", dict)):
        if cells.get(field):
            try:
                row[field] = msgspec.json.decode(cells[field], type=kind)
            except msgspec.DecodeError:
                continue
        elif field in cells:
            row[field] = None
    return without_absent(row)


def without_absent(row: dict[str, Any]) -> dict[str, Any]:
    """A standard row of a table, less the fields that stand only where there is something in them."""
    return {field: value for field, value in row.items() if field in STANDARD or value not in (None, "", [])}


def standard_record(data: Any, *, dataset: str, row: str) -> Record:
    """A record from a row that has at least instruction, response and source. `id` is computed anew.

    Raises RowError: `not_an_object`, `missing_field`, `unknown_field`, `bad_type`, or a rule of `records.check`.
    """
    if not isinstance(data, dict):
        raise RowError("not_an_object", f"the row is {_type(data)}, not an object")
    for field in data:
        if field not in FIELDS:
            raise RowError("unknown_field", f"unknown field {field!r}.{near_miss(field, FIELDS)}", field=field)
    for field in STANDARD[:3]:
        if field not in data:
            raise RowError("missing_field", f"field {field!r} is missing", field=field)
    instruction, source = _text(data, "instruction"), _text(data, "source")
    return make(
        instruction=instruction,
        response=None if data["response"] is None else _text(data, "response"),
        source=source,
        quality_score=_number(data, "quality_score"),
        system=None if data.get("system") is None else _text(data, "system"),
        history=_convert(data, "history", tuple[Turn, ...], ()),
        meta=_convert(data, "meta", Meta, Meta(origin=Origin(dataset=dataset, revision=None, row=row))),
    )


def _text(data: dict[str, Any], field: str) -> str:
    value = data[field]
    if not isinstance(value, str):
        raise RowError("bad_type", f"{field} is {_type(value)}, not a string", field=field)
    return value


def _number(data: dict[str, Any], field: str) -> float | None:
    value = data.get(field)
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise RowError("bad_type", f"{field} is {_type(value)}, not a number", field=field)
    return value


def _convert(data: dict[str, Any], field: str, kind: Any, default: Any) -> Any:
    if data.get(field) is None:
        return default
    try:
        return msgspec.convert(data[field], kind)
    except msgspec.ValidationError as error:
        raise RowError("bad_type", f"{field}: {error}", field=field) from None


def _type(value: Any) -> str:
    names = {
        dict: "an object",
        list: "an array",
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)
