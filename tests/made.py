"""Rows that tests make: plain ones by number, and any that the schema allows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from phase0.records import CATEGORIES, Meta, Origin, Record, Scores, Turn, encode, make

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    [
        "",
        " ",
        "\r",
        "a\rb",
        "a\r\nb",
        "a\nb",
        '"',
        '""',
        ",",
        "\t",
        "\x00",
        "\u2028",
        "\u2029",
        "\x85",
        "\ufeff",
        "NaN",
        "null",
    ]
)
filled = text.filter(str.strip)
score = st.integers(10, 100).map(lambda tenths: tenths / 10)
scores = st.builds(Scores, correctness=score, helpfulness=score, clarity=score, safety=score)
turns = st.lists(st.builds(Turn, role=st.sampled_from(["user", "assistant", "tool"]), content=text), max_size=3)
metas = st.builds(
    Meta,
    origin=st.builds(Origin, dataset=text, revision=st.none() | text, row=text),
    license=st.none() | text,
    category=st.none() | st.sampled_from(CATEGORIES),
    scores=st.none() | scores,
    parent=st.none() | text,
    flags=st.lists(text, max_size=3).map(tuple),
    judges=st.lists(text, max_size=2).map(tuple),
    disagreement=st.none() | st.integers(0, 90).map(lambda tenths: tenths / 10),
)
records = st.builds(
    make,
    instruction=filled,
    response=st.none() | text,
    source=filled,
    quality_score=st.none() | score,
    system=st.none() | filled,
    history=turns,
    meta=metas,
)


def record(number: int = 0, **fields: Any) -> Record:
    """A plain record, different for every number."""
    values: dict[str, Any] = {
        "instruction": f"Count to {number}.",
        "response": f"1 to {number}.",
        "source": "tests",
        "meta": Meta(origin=Origin(dataset="made", revision=None, row=f"made.jsonl:{number}")),
    }
    return make(**(values | fields))


def write_lines(path: Path, rows: list[bytes], end: bytes = b"\n") -> Path:
    """A file of these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(row + end for row in rows))
    return path


def write_records(path: Path, count: int, start: int = 0) -> Path:
    """A JSONL file of `count` plain records."""
    return write_lines(path, [encode(record(number)) for number in range(start, start + count)])
