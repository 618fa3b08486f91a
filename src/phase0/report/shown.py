"""A row as a report shows it: its texts, each cut after a number of characters and with its whole length beside it."""

from __future__ import annotations

from typing import Any

import msgspec

from phase0.dataset.rows import NOT_JSON

LONGEST = 1200  # characters of a text that are shown
_MOST_TURNS = 3
_MOST_REASONS = 8
_REASON = 240


class Part(msgspec.Struct, frozen=True):
    """One text of a row: the first characters of it, and how many it has."""

    name: str
    text: str
    characters: int


def part(name: str, text: str) -> Part:
    """A text, cut."""
    return Part(name, text[:LONGEST], len(text))


def parts_of(row: Any) -> tuple[Part, ...]:
    """The texts of a row. One that has no instruction, as upstream files have them, is shown as its JSON."""
    if isinstance(row, str):
        return (part("row", row),)
    if not isinstance(row, dict) or not isinstance(row.get("instruction"), str):
        return (part("row", msgspec.json.encode(row).decode()),)
    return tuple(_parts(row))


def _parts(row: dict[str, Any]) -> list[Part]:
    history = row.get("history")
    turns = [turn for turn in history if isinstance(turn, dict)] if isinstance(history, list) else []
    earlier = [(f"earlier, {turn.get('role')}"[:40], turn.get("content")) for turn in turns]
    if len(earlier) > _MOST_TURNS:
        left_out = (f"{len(earlier) - _MOST_TURNS} earlier turns", "…")
        earlier = [left_out, *earlier[-_MOST_TURNS:]]
    texts = [("system", row.get("system")), *earlier]
    texts += [(name, row.get(name)) for name in ("instruction", "response")]
    return [part(name, text) for name, text in texts if isinstance(text, str)]


def reasons_of(fields: dict[str, Any], evidence: bytes | None) -> tuple[str, ...]:
    """Why a row was dropped, or, without evidence against it, why it has its scores."""
    if evidence is None:
        meta = fields.get("meta")
        flags = meta.get("flags") if isinstance(meta, dict) else None
        return tuple(_short(flag) for flag in flags[:_MOST_REASONS]) if isinstance(flags, list) else ()
    try:
        told: Any = msgspec.json.decode(evidence)
    except NOT_JSON:
        return ()
    if not isinstance(told, dict):
        return (_short(told),)
    return tuple(f"{_short(name)}: {_short(value)}" for name, value in list(told.items())[:_MOST_REASONS])


def _short(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = "; ".join(value[:_MOST_REASONS])
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _REASON else f"{text[:_REASON]}…"
