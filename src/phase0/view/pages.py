"""The pages: filters, the list of rows, and one row beside it. They work without a script, which adds the keyboard."""

from __future__ import annotations

from typing import NamedTuple

from phase0.progress import many
from phase0.story import Event
from phase0.view import parts
from phase0.view.catalogue import Catalogue, Counts, Listed
from phase0.view.entries import Row
from phase0.view.labels import can_be_marked
from phase0.view.markup import Html, el, joined
from phase0.view.queries import PAGE, Query

_MOST_CHOICES = 200  # values of one filter that are offered
_ORDERS = {
    "file": "as in the files",
    "best": "highest score first",
    "worst": "lowest score first",
    "longest": "longest first",
    "shortest": "shortest first",
}
_LABELS = {"good": "marked good", "bad": "marked bad", "any": "marked", "none": "not marked"}
KEYS = (
    ("j k", "next and previous row"),
    ("Enter", "open the row"),
    ("g b u", "mark it good, bad, or neither"),
    ("e", "explain: everything that happened to it"),
    ("d", "its duplicates, side by side"),
    ("n p", "next and previous page"),
    ("/", "search"),
    ("Esc", "back to the list"),
    ("?", "these keys"),
)


Read = tuple[Listed, Row, bytes]
"""A row with what it says and its bytes."""


class Opened(NamedTuple):
    """The row that is looked at, with what was asked to be shown of it."""

    listed: Listed
    row: Row
    raw: bytes
    place: int | None  # among all rows found, from 0
    twins: list[Listed]
    compared: Read | None
    story: list[Event] | None


def page(catalogue: Catalogue, query: Query, counts: Counts, rows: list[Read], opened: Opened | None) -> str:
    """The whole page."""
    name = catalogue.places.target.resolve().name
    marked = catalogue.marked()
    marks = f", {marked['good']:,} marked good, {marked['bad']:,} bad" if marked else ""
    body = el(
        "body",
        el(
            "header",
            el("h1", el("a", name, href="./")),
            el("p", f"{many(catalogue.index.rows, 'row')}{marks}", id="about"),
            el("button", "keys", type="button", id="keys-button"),
        ),
        el(
            "main",
            el("div", _filters(query, counts), class_="filters"),
            el("div", _list(query, counts, rows, opened), class_="list", id="list"),
            el("div", _opened(query, opened, catalogue, counts.rows), class_="row", id="row") if opened else None,
            class_="with-row" if opened else None,
        ),
        el(
            "dialog",
            el("h2", "Keys"),
            el("dl", *(_key(*key) for key in KEYS)),
            el("p", "Esc closes this.", class_="note"),
        ),
        el("p", id="told", role="status", aria_live="polite"),
    )
    return "<!doctype html>\n" + el("html", _head(name), body, lang="en")


def _head(name: str) -> Html:
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{name} – phase0 view"),
        el("link", rel="icon", href="data:,"),
        el("link", rel="stylesheet", href="view.css"),
        el("script", src="view.js", defer=True),
    )


def failed(told: str) -> str:
    """A page that says what went wrong."""
    body = el("body", el("main", el("p", told), el("p", el("a", "back", href="./"))))
    return "<!doctype html>\n" + el("html", _head("failed"), body, lang="en")


def _key(keys: str, what: str) -> Html:
    return joined(el("dt", *(el("kbd", key) for key in keys.split())), el("dd", what))


def _filters(query: Query, counts: Counts) -> Html:
    """The form. It is sent by GET, so that every view has an address."""
    what = counts.by["what"]
    scores = el(
        "label",
        el("span", "score"),
        el(
            "span",
            el("input", name="low", value=_shown(query.low), inputmode="decimal", size="3", aria_label="from"),
            " to ",
            el("input", name="high", value=_shown(query.high), inputmode="decimal", size="3", aria_label="to"),
            class_="between",
        ),
    )
    return el(
        "form",
        el("input", type="search", name="q", value=query.q, placeholder="words, or an id", aria_label="search"),
        _choice("what", "rows", query.what, what),
        *(
            _choice(kind, kind, getattr(query, kind), counts.by[kind])
            for kind in ("stage", "reason", "source", "category")
        ),
        scores,
        _select("label", "marks", query.label, list(_LABELS.items()), "all"),
        _select("order", "order", query.order, list(_ORDERS.items()), None),
        el("button", "Find", type="submit"),
        el("a", "reset", href="./", class_="reset"),
        method="get",
        action="./",
        role="search",
    )


def _shown(number: float | None) -> str:
    return "" if number is None else f"{number:g}"


def _choice(name: str, title: str, chosen: str, counted: dict[str, int]) -> Html:
    options = [(value, f"{value}  ({rows:,})") for value, rows in list(counted.items())[:_MOST_CHOICES]]
    if chosen and chosen not in counted:
        options.append((chosen, f"{chosen}  (0)"))
    return _select(name, title, chosen, options, "all")


def _select(name: str, title: str, chosen: str, options: list[tuple[str, str]], everything: str | None) -> Html:
    every = el("option", everything, value="") if everything else None
    given = (el("option", told, value=value, selected=value == chosen) for value, told in options)
    return el(
        "label",
        el("span", title),
        el("select", every, *given, name=name, class_="chosen" if chosen and everything else None),
    )


def _list(query: Query, counts: Counts, rows: list[Read], opened: Opened | None) -> Html:
    here = opened.listed.number if opened else None
    pages = max(1, -(-counts.rows // PAGE))
    first = (query.page - 1) * PAGE
    told = f"{many(counts.rows, 'row')}" + (f", page {query.page:,} of {pages:,}" if pages > 1 else "")
    items = [_item(query, row, first + at, here) for at, row in enumerate(rows)]
    nothing = el("p", "No row is like that. ", el("a", "Reset", href="./"), class_="nothing")
    return joined(
        el("p", told, class_="found"),
        el("ol", *items) if items else nothing,
        el(
            "nav",
            _page(query, query.page - 1, "previous", query.page > 1),
            _page(query, query.page + 1, "next", query.page < pages),
        ),
    )


def _page(query: Query, number: int, title: str, there: bool) -> Html:
    if not there:
        return el("span", title)
    return el("a", title, href=f"?{query.address(page=number)}", rel="prev" if title == "previous" else "next")


def _item(query: Query, found: Read, place: int, here: int | None) -> Html:
    listed, row, raw = found
    question, answer = parts.preview(row, raw)
    return el(
        "li",
        el(
            "a",
            el("span", "–" if listed.score is None else f"{listed.score:.1f}", class_="score"),
            el("span", question or "(empty)", class_="question", dir="auto"),
            el("span", answer, class_="answer", dir="auto") if answer else None,
            _tags(listed),
            href=row_address(query, listed, place),
            aria_current="true" if listed.number == here else None,
        ),
        data_row=listed.number,
        data_label=listed.label,
    )


def _tags(listed: Listed) -> Html:
    state = f"{listed.stage}: {listed.reason}" if listed.dropped else "kept"
    return el(
        "span",
        el("span", state, class_="dropped" if listed.dropped else "kept"),
        *(el("span", told) for told in (listed.source, listed.category) if told),
        el("span", listed.label or "", class_=f"label {listed.label or ''}".strip()),
        class_="tags",
    )


def row_address(query: Query, listed: Listed, place: int | None, **more: str | int) -> str:
    """The address of a page with this row opened."""
    told = {"row": listed.number, "at": place, **more}
    extra = "&".join(f"{name}={value}" for name, value in told.items() if value is not None)
    return f"?{'&'.join(part for part in (query.address(), extra) if part)}#row"


def _opened(query: Query, opened: Opened, catalogue: Catalogue, found: int) -> Html:
    listed, row = opened.listed, opened.row
    whole = f"text?row={listed.number}"
    said = parts.words(row, opened.raw)
    return joined(
        el("p", _steps(query, opened, found), class_="steps"),
        _marking(query, opened) if can_be_marked(row.fields) and listed.row_id else None,
        _tags(listed),
        *(parts.text(name, text, f"{whole}&part={at}", at) for at, (name, text) in enumerate(said)),
        _twins(query, opened),
        parts.facts(listed, row),
        _story(query, opened, catalogue),
    )


def _steps(query: Query, opened: Opened, found: int) -> Html:
    back = el("a", "list", href=f"?{query.address()}", class_="back")
    if opened.place is None:
        return back
    before = el("a", "previous", href=_go(query, opened.place - 1), class_="before") if opened.place else None
    more = opened.place + 1 < found
    after = el("a", "next", href=_go(query, opened.place + 1), class_="after") if more else None
    where = el("small", f"{opened.place + 1:,} of {found:,}")
    return joined(back, before, after, where)


def _go(query: Query, place: int) -> str:
    """The row at a place of all that are found, on the page of the list that it is on."""
    return f"?{query.address(page=place // PAGE + 1)}&at={place}#row".replace("?&", "?")


def _marking(query: Query, opened: Opened) -> Html:
    listed = opened.listed
    buttons = (
        el("button", title, name="label", value=value, aria_pressed=str((listed.label or "") == value).lower())
        for value, title in (("good", "good"), ("bad", "bad"), ("", "neither"))
    )
    return el(
        "form",
        el("input", type="hidden", name="row", value=listed.number),
        el("input", type="hidden", name="back", value=row_address(query, listed, opened.place)),
        *buttons,
        method="post",
        action="label",
        class_="marking",
    )


def _twins(query: Query, opened: Opened) -> Html | None:
    if not opened.twins:
        return None
    shown = opened.compared[0].number if opened.compared else None
    links = [
        el(
            "li",
            el(
                "a",
                f"{'dropped' if twin.dropped else 'kept'} in {twin.stage}, {twin.source or 'no source'}",
                href=row_address(query, opened.listed, opened.place, twin=twin.number),
                class_="twin",
                aria_current="true" if twin.number == shown else None,
            ),
            " ",
            el("a", "open", href=row_address(query, twin, None)),
        )
        for twin in opened.twins
    ]
    beside = None
    if opened.compared:
        other, row, raw = opened.compared
        title = el("p", f"Left this row, right the {'dropped' if other.dropped else 'kept'} one.", class_="note")
        mine = parts.words(opened.row, opened.raw)
        beside = joined(title, parts.side_by_side(mine, parts.words(row, raw)))
    return el("section", el("h3", many(len(opened.twins), "duplicate")), el("ul", *links), beside, id="twins")


def _story(query: Query, opened: Opened, catalogue: Catalogue) -> Html | None:
    if not catalogue.places.made or not opened.listed.row_id:
        return None
    if opened.story is None:
        href = row_address(query, opened.listed, opened.place, story=1)
        return el("section", el("h3", el("a", "Everything that happened to it", href=href, class_="explain")))
    return el("section", el("h3", "Everything that happened to it"), parts.story(opened.story), id="story")
