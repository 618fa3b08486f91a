"""The models that phase0 knows by name and the servers that offer them, as dated data.

A teacher names its endpoints in order of preference. What nobody has looked up is None or absent, never a guess.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

from phase0.errors import DataError, UsageError, near_miss
from phase0.records import CATEGORIES

Feature = Literal["json_schema", "logprobs", "n", "seed", "temperature"]
S = TypeVar("S", bound=msgspec.Struct)


class LimitHeaders(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names of the headers that state limits, the first that is there counts; and the windows they speak of."""

    requests: tuple[str, ...] = ("x-ratelimit-limit-requests",)
    requests_left: tuple[str, ...] = ("x-ratelimit-remaining-requests",)
    requests_reset: tuple[str, ...] = ("x-ratelimit-reset-requests",)
    tokens: tuple[str, ...] = ("x-ratelimit-limit-tokens",)
    tokens_left: tuple[str, ...] = ("x-ratelimit-remaining-tokens",)
    tokens_reset: tuple[str, ...] = ("x-ratelimit-reset-tokens",)
    requests_window: float = 60.0  # seconds
    tokens_window: float = 60.0


class BatchQuirks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a server's batches may hold, and how they differ from OpenAI's. A file always asks one model."""

    files_path: str = "/files"  # where files are uploaded
    files_purpose: str = "batch"
    names_files: bool = False  # whether an upload has its file's name as a field of its own
    wrapped: str | None = None  # the key under which the answer to `create` holds the batch
    window: str = "24h"
    tag: Literal["metadata", "file"] = "metadata"  # what carries our tag: the batch, or the name of its file
    max_requests: int
    max_bytes: int
    max_tokens: int | None = None  # enqueued input tokens of a model
    discount: Decimal | None = None  # the share of the online price that is saved; None where it depends on the model


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server and its ways."""

    name: str  # the key that the entry stands under
    provider: Literal["openai", "replicate"] = "openai"
    url: str | None = None  # None: every account has its own
    url_env: str | None = None  # the variable that moves it
    key_env: str | None = None  # the variable that holds the key; None: it needs none
    local: bool = False  # runs on the user's own machines: its price is 0
    max_tokens_name: str = "max_tokens"
    supports: dict[Feature, bool] = {}  # absent: unknown, so it is tried
    limit_headers: LimitHeaders = LimitHeaders()
    batch: BatchQuirks | None = None
    note: str | None = None


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an endpoint allows in a minute; None where nobody knows before the first answer."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class ListPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """US dollars per million tokens, as a source stated them on a day. None for batches: no price of their own."""

    input: Decimal
    output: Decimal
    batch_input: Decimal | None = None
    batch_output: Decimal | None = None
    source: str
    as_of: date


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model at a server."""

    server: Server
    url: str | None  # without a slash at its end; None: to be given
    model_id: str  # what the server calls the model
    limits: Limit = Limit()
    supports: dict[Feature, bool] = {}  # where the model differs from its server
    batch: bool = False  # whether the server is known to take batches of this model
    price: ListPrice | None = None
    price_ref: str | None = None  # provider/model of genai-prices, which goes before `price`


class Style(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model is asked: a system prompt and sampling parameters, by OpenAI's names and `max_tokens`."""

    system: str | None = None
    params: dict[str, Any] = {}


class Teacher(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that answers or judges."""

    name: str  # the key that the entry stands under
    model: str  # the canonical name: what requests, rows and the ledger call it, wherever it is bought
    family: str
    endpoints: tuple[Endpoint, ...]  # in order of preference
    shutdown: date | None = None
    replacement: str | None = None  # the teacher to take instead
    license_note: str | None = None
    strengths: tuple[str, ...] = ()  # categories that are its own, the first before the others: they are routed to it
    style: Style = Style()
    styles: dict[str, Style] = {}  # by category; what one leaves out is as in `style`, then as in the shared styles
    note: str | None = None

    def style_of(self, category: str | None) -> Style:
        """How to ask about a row of a category."""
        return self.styles.get(category or "other", self.style)


class Catalog(msgspec.Struct, frozen=True):
    """All teachers by name, in the order of the file, and the day they were looked up."""

    as_of: date
    teachers: Mapping[str, Teacher]


@cache
def servers() -> Mapping[str, Server]:
    """The servers that the package knows."""
    return parse_servers(_shipped("servers.toml"), where="catalog/servers.toml")


@cache
def catalog() -> Catalog:
    """The teachers that the package knows."""
    return parse_teachers(_shipped("teachers.toml"), servers(), where="catalog/teachers.toml")


def teachers() -> Mapping[str, Teacher]:
    """The teachers of the catalogue by name."""
    return catalog().teachers


def teacher(name: str) -> Teacher:
    """The teacher of a name, or of a canonical model name. Raises UsageError with the near miss."""
    known = teachers()
    if name in known:
        return known[name]
    for entry in known.values():
        if entry.model == name:
            return entry
    raise UsageError(f"There is no teacher called {name!r}.{near_miss(name, known)} Known: {', '.join(known)}.")


def family_of(source: str) -> str | None:
    """The family of the model that wrote a row, as far as its name tells: `gpt` of `gpt-3.5-turbo`."""
    known = teachers().values()
    for entry in known:
        if source in (entry.name, entry.model):
            return entry.family
    words = re.findall("[a-z]+", source.lower())
    return next((entry.family for entry in known if entry.family in words), None)


def same_family(judge: Teacher, sources: Iterable[str]) -> tuple[str, ...]:
    """Those authors of rows that are of the judge's own family, which judges favour. Each once, in their order."""
    return tuple(source for source in dict.fromkeys(sources) if family_of(source) == judge.family)


def moved(entry: Teacher, base_url: str, *, model_id: str | None = None, key_env: str | None = None) -> Teacher:
    """A teacher that is asked at another URL alone, for the price that it has where it is preferred.

    A known server is known by its host; any other is taken to speak OpenAI's API.
    """
    first = entry.endpoints[0]
    url = checked_url(base_url, "--base-url")
    host = urlsplit(url).netloc
    known = (server for server in servers().values() if server.url and urlsplit(server.url).netloc == host)
    server = next(known, msgspec.structs.replace(servers()["compatible"], name=host, key_env=first.server.key_env))
    server = msgspec.structs.replace(server, url=url, url_env=None, key_env=key_env or server.key_env)
    endpoint = msgspec.structs.replace(
        first,
        server=server,
        url=url,
        model_id=model_id or first.model_id,
        limits=Limit(),
        batch=server.batch is not None,
    )
    return msgspec.structs.replace(entry, endpoints=(endpoint,))


def located(endpoint: Endpoint, variables: Mapping[str, str]) -> Endpoint:
    """The endpoint where the environment says its server is. Raises UsageError where no URL is known."""
    server = endpoint.server
    given = variables.get(server.url_env or "", "").strip()
    if given:
        return msgspec.structs.replace(endpoint, url=checked_url(given, server.url_env or ""))
    if endpoint.url is None:
        raise UsageError(
            f"{server.name} has a URL for every account. Set {server.url_env} to yours, or use --base-url."
        )
    return endpoint


def checked_url(url: str, where: str) -> str:
    """A base URL without a slash at its end. Raises UsageError where it is none."""
    parts = urlsplit(url.strip())
    if parts.username is not None:  # its host names the server in the ledger, in messages and in reports
        raise UsageError(f"{where} holds a user's name or a password. Keys are given in variables: --api-key-env.")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"{where} is {url!r}; a base URL reads like https://host/v1.")
    return url.strip().rstrip("/")


def parse_servers(text: str, *, where: str) -> Mapping[str, Server]:
    """Servers from TOML: `as_of`, then one table each. Raises DataError, naming the entry and the key."""
    _, tables = _dated(text, where)
    found = {
        name: _convert({**_table(table, name, where), "name": name}, Server, name, where)
        for name, table in tables.items()
    }
    for name, server in found.items():
        if server.url is not None and server.url != checked_url(server.url, f"{where}: [{name}] url"):
            raise DataError(f"{where}: [{name}] url ends in a slash.")
    return found


def parse_teachers(text: str, known: Mapping[str, Server], *, where: str) -> Catalog:
    """Teachers from TOML: `as_of`, `styles`, then one table each. Raises DataError, naming the entry and the key."""
    as_of, tables = _dated(text, where)
    shared = {
        category: _convert(style, Style, f"styles.{category}", where)
        for category, style in _table(tables.pop("styles", {}), "styles", where).items()
    }
    found = {name: _teacher(name, _table(table, name, where), known, shared, where) for name, table in tables.items()}
    for name, entry in found.items():
        if entry.replacement is not None and entry.replacement not in found:
            near = near_miss(entry.replacement, found)
            raise DataError(f"{where}: [{name}] is replaced by {entry.replacement!r}, which is no entry.{near}")
    return Catalog(as_of, found)


def _teacher(
    name: str, table: Mapping[str, Any], known: Mapping[str, Server], shared: Mapping[str, Style], where: str
) -> Teacher:
    listed = table.get("endpoints") or []
    if not listed:
        raise DataError(f"{where}: [{name}] has no endpoints; a model that nobody serves is no teacher.")
    endpoints = [_endpoint(name, _table(endpoint, name, where), known, where) for endpoint in listed]
    entry = _convert({**table, "name": name, "endpoints": endpoints}, Teacher, name, where)
    _check_categories((*entry.styles, *shared), f"[{name}] has a style for", where)
    _check_categories(entry.strengths, f"[{name}] is strong at", where)
    styles = {**{category: Style() for category in shared}, **entry.styles}
    merged = {
        category: Style(
            system=style.system or entry.style.system or shared.get(category, Style()).system,
            params=style.params or entry.style.params,
        )
        for category, style in styles.items()
    }
    return msgspec.structs.replace(entry, styles=merged)


def _check_categories(names: Iterable[str], what: str, where: str) -> None:
    for category in names:
        if category not in CATEGORIES:
            near = near_miss(category, CATEGORIES)
            raise DataError(f"{where}: {what} {category!r}, which is no category.{near}")


def _endpoint(name: str, table: Mapping[str, Any], known: Mapping[str, Server], where: str) -> Endpoint:
    server = known.get(table.get("server", ""))
    if server is None:
        said = table.get("server")
        raise DataError(f"{where}: [{name}] is offered by {said!r}, which is no server.{near_miss(str(said), known)}")
    endpoint = _convert({"url": server.url, **table, "server": server}, Endpoint, f"{name}.endpoints", where)
    if endpoint.batch and server.batch is None:
        raise DataError(f"{where}: [{name}] takes batches at {server.name}, which takes none.")
    return endpoint


def _shipped(name: str) -> str:
    return resources.files("phase0.catalog").joinpath(name).read_text(encoding="utf-8")


def _dated(text: str, where: str) -> tuple[date, dict[str, Any]]:
    """The day of the entries, and their tables."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{where} is not valid TOML: {error}.") from None
    as_of = tables.pop("as_of", None)
    if not isinstance(as_of, date):
        raise DataError(f"{where}: as_of is {as_of!r}; it is the day the entries were looked up, such as 2026-01-31.")
    return as_of, tables


def _table(value: Any, name: str, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{where}: {name} is a value, not a table.")
    return value


def _convert(value: Mapping[str, Any], kind: type[S], name: str, where: str) -> S:
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    for key in value:
        if key not in known:
            raise DataError(f"{where}: [{name}] has the unknown key {key!r}.{near_miss(key, known)}")
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise DataError(f"{where}: [{name}] {error}.") from None
