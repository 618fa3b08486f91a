"""The web application: which address shows what. Only who knows the token and a name of this machine is answered.

Every answer forbids the browser to load anything from elsewhere or to run any script but the one that is served here.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from importlib import resources
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from phase0.errors import Phase0Error, UsageError
from phase0.view import pages, parts
from phase0.view.catalogue import Catalogue, Listed
from phase0.view.labels import Label
from phase0.view.markup import legible
from phase0.view.queries import query_of

_LARGEST_FORM = 100_000  # bytes
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # the token is in the address; forms still tell whom they come from
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_FILES = {"view.js": "text/javascript", "view.css": "text/css"}


def application(catalogue: Catalogue, token: str, port: int) -> ASGIApp:
    """The site of a catalogue under `/TOKEN/`, for requests to this port of this machine by one of its own names."""
    routes = [
        Route("/", _told(catalogue, _page)),
        Route("/text", _told(catalogue, _text)),
        Route("/label", _told(catalogue, _label), methods=["POST"]),
        *(Route(f"/{name}", _static(name, kind)) for name, kind in _FILES.items()),
    ]
    site = Starlette(routes=[Mount(f"/{token}", routes=routes)])
    return _Guard(site, token, port)


class _Guard:
    """Lets through who knows the token and speaks to this machine; every answer has the headers."""

    def __init__(self, site: ASGIApp, token: str, port: int) -> None:
        self._site, self._token = site, token.encode()
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        response = self._refusal(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message["headers"] = [*message["headers"], *told]
            await send(message)

        await (response or self._site)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """Why a request is not answered: another host's name (a page elsewhere that had its own name point here), no
        token, or a form that another site sent."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if headers.get(b"host") not in self._hosts:
            return PlainTextResponse("This is not a name of this server.", 421)
        first = scope["path"].encode("utf-8", "replace").split(b"/")[1:2]
        if not first or not secrets.compare_digest(first[0], self._token):
            return PlainTextResponse("Open the address that phase0 view printed.", 404)
        own = {f"http://{host}" for host in self._hosts}
        if scope["method"] not in {"GET", "HEAD"} and headers.get(b"origin") not in own:
            return PlainTextResponse("Only this site's own pages may change anything.", 403)
        return None


_Answer = Callable[[Catalogue, dict[str, str]], Response]


def _told(catalogue: Catalogue, answer: _Answer) -> Callable[[Request], object]:
    """An endpoint that answers in a thread of its own, and tells what went wrong on a page."""

    async def endpoint(request: Request) -> Response:
        form = await _form(request) if request.method == "POST" else dict(request.query_params)
        try:
            return await run_in_threadpool(answer, catalogue, form)
        except Phase0Error as error:
            return HTMLResponse(pages.failed(str(error)), 400)

    return endpoint


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > _LARGEST_FORM:
            raise UsageError("the form is too large")
    given = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in given.items()}


def _static(name: str, kind: str) -> Callable[[Request], Response]:
    body = resources.files("phase0.view").joinpath(name).read_bytes()

    def answer(_: Request) -> Response:
        return Response(body, media_type=kind)

    return answer


def _page(catalogue: Catalogue, given: dict[str, str]) -> Response:
    query = query_of(given)
    counts = catalogue.counts(query)
    rows = [(listed, *catalogue.row(listed)) for listed in catalogue.page(query)]
    place = _whole(given.get("at"))
    number = _whole(given.get("row"))
    listed = catalogue.listed(number) if number is not None else None
    if listed is None and place is not None:
        listed = catalogue.at(query, place)
    opened = _opened(catalogue, listed, place, given) if listed else None
    return HTMLResponse(pages.page(catalogue, query, counts, rows, opened).encode("utf-8", "backslashreplace"))


def _opened(catalogue: Catalogue, listed: Listed, place: int | None, given: dict[str, str]) -> pages.Opened:
    twins = catalogue.twins(listed)
    wanted = _whole(given.get("twin"))
    twin = next((twin for twin in twins if twin.number == wanted), None)
    compared: pages.Read | None = (twin, *catalogue.row(twin)) if twin else None
    story = catalogue.story(listed) if given.get("story") else None
    return pages.Opened(listed, *catalogue.row(listed), place, twins, compared, story)


def _text(catalogue: Catalogue, given: dict[str, str]) -> Response:
    """One text of a row, to its end, as plain text."""
    number, part = _whole(given.get("row")), _whole(given.get("part"))
    listed = catalogue.listed(number) if number is not None else None
    said = parts.words(*catalogue.row(listed)) if listed else []
    if part is None or part >= len(said):
        raise UsageError("there is no such text")
    return PlainTextResponse(legible(said[part][1]))


def _label(catalogue: Catalogue, given: dict[str, str]) -> Response:
    number, label = _whole(given.get("row")), given.get("label", "")
    listed = catalogue.listed(number) if number is not None else None
    if listed is None or label not in {"good", "bad", ""}:
        raise UsageError("there is no such row, or no such mark")
    chosen: Label | None = "good" if label == "good" else "bad" if label == "bad" else None
    catalogue.mark(listed, chosen)
    back = given.get("back", "")
    return RedirectResponse(f"./{back}" if back.startswith("?") else "./", 303)


def _whole(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"\d{1,12}", text) else None
