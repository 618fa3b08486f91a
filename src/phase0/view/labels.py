"""Marks of rows as good or bad, beside the run: lines of JSON that are only ever added, of which the last one of a row
counts. `phase0 calibrate --labels` reads them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from phase0.dataset import BadRow, read
from phase0.errors import DataError

Label = Literal["good", "bad"]


def can_be_marked(fields: Mapping[str, Any]) -> bool:
    """Whether a row is a question with an answer: what calibration can compare a score with."""
    return all(isinstance(fields.get(name), str) and fields[name] for name in ("instruction", "response"))


def line_of(fields: Mapping[str, Any], row_id: str, label: Label | None, at: datetime) -> dict[str, Any]:
    """The mark of a row, with what a scorer is given to score it again. A label of None takes a mark back."""
    told = {name: fields[name] for name in ("system", "history") if fields.get(name)}
    return {
        "id": row_id,
        "instruction": fields["instruction"],
        "response": fields["response"],
        **told,
        "label": label,
        "model": fields.get("source"),
        "quality_score": fields.get("quality_score"),
        "at": at.isoformat(timespec="seconds"),
    }


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add a line, all of it or nothing: one write to a file that every writer only appends to, on the disk when this
    returns. What a stopped writer left of a line is closed off first."""
    encoded = msgspec.json.encode(line) + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(handle).st_size
        if size and _last_byte(path) != b"\n":
            encoded = b"\n" + encoded
        if os.write(handle, encoded) != len(encoded):
            os.ftruncate(handle, size)
            raise DataError(f"{path}: the disk is full; the mark is not kept")
        os.fsync(handle)
    finally:
        os.close(handle)


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)


def marks(path: Path) -> dict[str, Label]:
    """The marks that count, by the id of the row. Damaged lines say nothing."""
    found: dict[str, Label] = {}
    if not path.is_file():
        return found
    for item in read(path):
        if isinstance(item, BadRow) or not isinstance(item.data, dict):
            continue
        row_id, label = item.data.get("id"), item.data.get("label")
        if not isinstance(row_id, str):
            continue
        if label in {"good", "bad"}:
            found[row_id] = label
        elif label is None:
            found.pop(row_id, None)
    return found
