"""One row as HTML: its words, its scores, why it was dropped, its story, and its duplicates side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from phase0.story import Event
from phase0.view.catalogue import Listed
from phase0.view.differences import compare
from phase0.view.entries import Row
from phase0.view.markup import Html, el, joined, shown

LONGEST = 20_000  # characters of a text that are shown before somebody asks for all of it
COMPARED = 40_000  # characters of each of two texts that are compared
_FIRST = Html("\n")  # a browser takes the first line end of a `pre` away, which so is none of the text's


def words(row: Row, raw: bytes) -> list[tuple[str, str]]:
    """What a row says, in the order of the conversation. One without an instruction is shown as its JSON."""
    fields = row.fields
    if row.value is None:
        return [("bytes that are no JSON", raw.decode("utf-8", "backslashreplace"))]
    if not isinstance(fields.get("instruction"), str):
        return [("row", msgspec.json.format(msgspec.json.encode(row.value), indent=2).decode())]
    found = [("system", fields.get("system")), *_turns(fields.get("history"))]
    found += [("instruction", fields["instruction"]), ("response", fields.get("response"))]
    return [(name, said if isinstance(said, str) else _json(said)) for name, said in found if said is not None]


def _turns(history: Any) -> Iterator[tuple[str, Any]]:
    for turn in history if isinstance(history, list) else ():
        if isinstance(turn, dict):
            yield f"earlier, {turn.get('role')}", turn.get("content")


def preview(row: Row, raw: bytes) -> tuple[str, str]:
    """The first words of a row's question and of its answer, each on one line."""
    said = dict(words(row, raw))
    first = said.get("instruction") or next(iter(said.values()), "")
    return " ".join(first[:400].split())[:180], " ".join(said.get("response", "")[:600].split())[:240]


def text(name: str, said: str, whole: str | None, place: int) -> Html:
    """One text of a row; a long one cut, with a link to all of it."""
    cut = whole is not None and len(said) > LONGEST
    more = (
        el(
            "p",
            f"{LONGEST:,} of {len(said):,} characters. ",
            el("a", "show all", href=whole, class_="all", data_text=str(place)),
            class_="note",
        )
        if cut
        else None
    )
    length = el("small", f"{len(said):,} characters")
    body = el("pre", _FIRST, shown(said[:LONGEST] if cut else said), dir="auto", id=f"text-{place}")
    return el("section", el("h3", name, " ", length), body, more, class_="said")


def facts(listed: Listed, row: Row) -> Html:
    """Where a row stands, its scores, and why it was dropped."""
    fields = row.fields
    meta = _part(fields, "meta")
    origin = _part(meta, "origin")
    told: list[tuple[str, Any]] = [
        ("id", listed.row_id),
        ("source", listed.source),
        ("category", listed.category),
        ("score", fields.get("quality_score")),
        *_part(meta, "scores").items(),
        ("judges", ", ".join(map(str, meta.get("judges") or ()))),
        ("points between judges", meta.get("disagreement")),
        ("flags", meta.get("flags")),
        ("licence", meta.get("license")),
        ("from", " ".join(str(origin[name]) for name in ("dataset", "revision", "row") if origin.get(name))),
        ("answers the prompt of", meta.get("parent")),
        ("stands in", f"{listed.path.name}, line {listed.place.line:,}"),
    ]
    known = _list((name, value) for name, value in told if value not in (None, "", [], {}))
    why = _list(_part(row.drop, "evidence").items())
    lost = row.drop.get("line")
    at = f" It was line {lost} of {row.drop.get('file')}." if lost else ""
    dropped = el(
        "section",
        el("h3", f"Dropped in {listed.stage}: {listed.reason}"),
        el("p", at, class_="note"),
        why,
        class_="why",
    )
    return joined(dropped if listed.dropped else None, el("section", el("h3", "About it"), known))


def _list(pairs: Iterable[tuple[str, Any]]) -> Html:
    return el("dl", *(joined(el("dt", name), el("dd", _value(value), dir="auto")) for name, value in pairs))


def _value(value: Any) -> Html | str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return el("ul", *(el("li", item[:2000]) for item in value[:50]))
    return value[:2000] if isinstance(value, str) else _json(value)[:2000]


def story(events: Sequence[Event]) -> Html:
    """Every step of a row. What it says is told where it changes."""
    items, before = [], None
    for event in events:
        said = tuple(
            str(event.row.get(name)) for name in ("instruction", "response") if event.row.get(name) is not None
        )
        what = {
            "kept": "kept",
            "dropped": f"dropped: {event.reason}",
            "stands_for": "kept instead of a near-duplicate",
        }[event.what]
        changed = said != before and event.what != "stands_for"
        items.append(
            el(
                "li",
                el("b", event.stage),
                " ",
                el("span", what, class_=event.what),
                el("small", f" {event.file}, line {event.line:,}"),
                _scores(event),
                _list(event.evidence.items()) if event.evidence else None,
                *(el("p", " ".join(part[:300].split()), dir="auto", class_="cut") for part in said if changed),
            )
        )
        before = said if changed else before
    return el("ol", *items, class_="story")


def _scores(event: Event) -> Html | None:
    scores = _part(_part(event.row, "meta"), "scores")
    if event.stage.partition(".")[0] != "score" or not scores:
        return None
    four = ", ".join(f"{name} {value}" for name, value in scores.items())
    return el("p", f"{event.row.get('quality_score')}: {four}", class_="note")


def side_by_side(mine: Sequence[tuple[str, str]], other: Sequence[tuple[str, str]]) -> Html:
    """Two rows in two columns, text by text, with what differs marked."""
    left, right = dict(mine), dict(other)
    rows = []
    for name in dict.fromkeys([*left, *right]):
        a, b = left.get(name, ""), right.get(name, "")
        found = compare(a[:COMPARED], b[:COMPARED])
        cut = max(len(a), len(b)) > COMPARED or not found.whole
        sides = (
            el("pre", _FIRST, *(el("mark", piece.text) if piece.differs else piece.text for piece in side), dir="auto")
            for side in (found.left, found.right)
        )
        note = el("p", "Too long to be compared to the end.", class_="note") if cut else None
        same = "" if a != b else " is equal"
        rows.append(joined(el("h4", name, same), note, el("div", *sides, class_="sides")))
    return joined(*rows)


def _part(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
