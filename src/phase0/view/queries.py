"""What a person looks for, as it stands in the address of a page, and as SQL over the index. Pure.

Every value goes into SQL as a parameter; words are quoted for the full-text search, which so has no syntax of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

import msgspec

from phase0.view.entries import searched
from phase0.view.index import KINDS

Label = Literal["good", "bad"]
PAGE = 50  # rows
ORDERS = {
    "file": "rows.row",
    "best": "rows.score IS NULL, rows.score DESC, rows.row",
    "worst": "rows.score IS NULL, rows.score, rows.row",
    "longest": "rows.length DESC, rows.row",
    "shortest": "rows.length, rows.row",
}
_MOST_WORDS = 20
_GOES_ON = 4  # letters
_ID = re.compile(r"[0-9a-f]{6,32}")
NONE = "(none)"  # stands for a row that has no such name


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for. An empty field asks for nothing. `page` counts from 1."""

    q: str = ""
    what: str = ""  # kept or dropped
    stage: str = ""
    reason: str = ""
    source: str = ""
    category: str = ""
    label: str = ""  # good, bad, none or any
    low: float | None = None
    high: float | None = None
    order: str = "file"
    page: int = 1

    def address(self, **changes: Any) -> str:
        """The query string of this, changed. What asks for nothing is left out."""
        fields = {**msgspec.structs.asdict(self), **changes}
        told = {name: value for name, value in fields.items() if value not in _SILENT.get(name, ("", None))}
        return urlencode({name: f"{value:g}" if isinstance(value, float) else value for name, value in told.items()})


_SILENT: dict[str, tuple[Any, ...]] = {"order": ("file", "", None), "page": (1, "", None)}


def query_of(parameters: Mapping[str, str]) -> Query:
    """The query that an address asks for. What cannot be understood asks for nothing."""
    given = {name: parameters.get(name, "").strip()[:1000] for name in Query.__struct_fields__}
    return Query(
        q=given["q"],
        what=given["what"] if given["what"] in {"kept", "dropped"} else "",
        **{kind: given[kind] for kind in KINDS},
        label=given["label"] if given["label"] in {"good", "bad", "none", "any"} else "",
        low=_number(given["low"]),
        high=_number(given["high"]),
        order=given["order"] if given["order"] in ORDERS else "file",
        page=int(given["page"]) if re.fullmatch(r"[1-9]\d{0,7}", given["page"]) else 1,
    )


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


class Condition(NamedTuple):
    """A part of a WHERE clause and its parameters."""

    sql: str
    values: tuple[Any, ...] = ()


def words_of(text: str) -> list[str]:
    """What is looked for, word by word; the marks between words are none."""
    return re.findall(r"\w+", searched(text))[:_MOST_WORDS]


def match_of(text: str) -> str:
    """All of these words, for the full-text search; a last one of four letters or more may go on. Empty where there are
    none. Shorter beginnings are those of most rows, and ten times as slow to look up."""
    words = words_of(text)
    goes_on = "*" if words and len(words[-1]) >= _GOES_ON else ""
    return " ".join(f'"{word}"' for word in words) + goes_on


def _holds(text: str, *, scan: bool) -> Condition:
    """Rows with these words, or the row with this id. With `scan` every row is asked whether it is among those found,
    which is quicker (a plus keeps SQLite from looking each of them up) where they are many."""
    match = match_of(text)
    if not match:
        return Condition("0")
    row = "+rows.row" if scan else "rows.row"
    among = f"{row} IN (SELECT rowid FROM words WHERE words MATCH ?)"  # noqa: S608 - parts of ours
    found = Condition(among, (match,))
    wanted = text.lower()
    if not _ID.fullmatch(wanted):
        return found
    by_id = "rows.row IN (SELECT row FROM ids WHERE id >= ? AND id < ?)"
    return Condition(f"({found.sql} OR {by_id})", (*found.values, wanted, wanted + "g"))


def conditions(
    query: Query, names: Mapping[str, Mapping[str, int]], labelled: Mapping[int, Label], *, scan: bool = False
) -> Condition:
    """The WHERE clause of a query. `scan`: its words are in many rows."""
    parts: list[Condition] = []
    if query.q:
        parts.append(_holds(query.q, scan=scan))
    if query.what:
        parts.append(Condition("rows.dropped = ?", (int(query.what == "dropped"),)))
    for kind in KINDS:
        name = getattr(query, kind)
        if name:
            parts.append(Condition(f"rows.{kind} = ?", (0 if name == NONE else names[kind].get(name, -1),)))
    if query.low is not None:
        parts.append(Condition("rows.score >= ?", (query.low,)))
    if query.high is not None:
        parts.append(Condition("rows.score <= ?", (query.high,)))
    if query.label:
        chosen = [row for row, label in labelled.items() if query.label in {label, "any", "none"}]
        negated = "NOT " if query.label == "none" else ""
        among = f"rows.row {negated}IN (SELECT value FROM json_each(?))"  # noqa: S608 - of parts written here
        parts.append(Condition(among, (str(sorted(chosen)),)))
    sql = " AND ".join(part.sql for part in parts) or "1"
    return Condition(sql, tuple(value for part in parts for value in part.values))
