"""The columns of a Parquet file of rows: fixed types, so that a column of nulls is still a column of strings."""

from __future__ import annotations

from typing import Any

from phase0.dataset.rows import FIELDS, STANDARD


def columns_of(rows: list[dict[str, Any]]) -> Any:
    """The Arrow schema of a file that begins with these rows. Fields that no record has are typed by what they hold."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    origin = pa.struct([("dataset", text), ("revision", text), ("row", text)])
    scores = pa.struct([(name, number) for name in ("correctness", "helpfulness", "clarity", "safety")])
    meta = [
        ("origin", origin),
        ("license", text),
        ("category", text),
        ("scores", scores),
        ("parent", text),
        ("flags", pa.list_(text)),
        ("judges", pa.list_(text)),
        ("disagreement", number),
    ]
    known = {
        "instruction": text,
        "response": text,
        "source": text,
        "quality_score": number,
        "system": text,
        "history": pa.list_(pa.struct([("role", text), ("content", text)])),
        "category": text,  # columns of an export
        "license": text,
        "id": text,
        "meta": pa.struct(meta),
    }
    present = dict.fromkeys(field for row in rows for field in row)
    if "meta" in present:  # system and history stand only in rows that have them, and may come later
        present = dict.fromkeys(FIELDS) | present
    if present.keys() <= known.keys():
        return pa.schema([(field, known[field]) for field in present or STANDARD])
    found = {field: pa.array([row.get(field) for row in rows]).type for field in present}
    return pa.schema([(field, text if pa.types.is_null(kind) else kind) for field, kind in found.items()])
