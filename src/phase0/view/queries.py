"""What a person looks for, as it stands in the address of a page, and which groups of rows that is. Pure.

Words are quoted for the full-text search, which so has no syntax of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec

from phase0.view.entries import searched
from phase0.view.index import KINDS

Label = Literal["good", "bad"]
PAGE = 50  # rows
ORDERS = ("file", "best", "worst", "longest", "shortest")
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


def words_of(text: str) -> list[str]:
    """What is looked for, word by word; the marks between words are none."""
    return re.findall(r"\w+", searched(text))[:_MOST_WORDS]


def match_of(text: str) -> str:
    """All of these words, for the full-text search; a last one of four letters or more may go on. Empty where there are
    none. Shorter beginnings are those of most rows, and ten times as slow to look up."""
    words = words_of(text)
    goes_on = "*" if words and len(words[-1]) >= _GOES_ON else ""
    return " ".join(f'"{word}"' for word in words) + goes_on


def id_of(text: str) -> str | None:
    """The id, or the first digits of one, that is looked for; None where it is none."""
    wanted = text.lower()
    return wanted if _ID.fullmatch(wanted) else None


def wanted_group(query: Query, names: Mapping[str, Mapping[str, int]]) -> tuple[int | None, ...]:
    """The numbers that a group must have to be let through, in its order; None where any will do."""
    what = None if not query.what else int(query.what == "dropped")
    chosen = ((kind, getattr(query, kind)) for kind in KINDS)
    return (what, *(None if not name else 0 if name == NONE else names[kind].get(name, -1) for kind, name in chosen))
