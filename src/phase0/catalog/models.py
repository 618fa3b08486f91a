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
from ipaddress import ip_address
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


def moved(
    entry: Teacher,
    base_url: str,
    *,
    model_id: str | None = None,
    key_env: str | None = None,
    variables: Mapping[str, str] = {},
) -> Teacher:
    """A teacher that is asked at another URL alone, for the price that it has where it is preferred.

    A known server is known by its scheme, host and port; any other is taken to speak OpenAI's API. `key_env` names the
    key that goes there. Without it a key of the catalogue goes to its own server, to where `variables` have moved that
    server, and to this machine; raises UsageError for any other host, which has no business with it.
    """
    first = entry.endpoints[0]
    url = checked_url(base_url, "--base-url")
    known = (server for server in servers().values() if server.url and _origin(server.url) == _origin(url))
    server = next(known, None)
    if server is None:
        name = urlsplit(url).netloc
        key_env = key_env or _key_for(url, entry, variables)
        server = msgspec.structs.replace(servers()["compatible"], name=name, key_env=key_env)
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


def _key_for(url: str, entry: Teacher, variables: Mapping[str, str]) -> str | None:
    """The variable of the teacher's key that may go to a URL of an unknown server; None where it has none."""
    for server in (endpoint.server for endpoint in entry.endpoints):
        there = variables.get(server.url_env or "", "").strip()
        if there and _origin(checked_url(there, server.url_env or "")) == _origin(url):
            return server.key_env
    preferred = entry.endpoints[0].server
    if preferred.key_env is not None and not _is_here(url):
        raise UsageError(
            f"--base-url is {url}, and {preferred.key_env} is the key for {preferred.name}: it is sent nowhere else. "
            "--api-key-env NAME names the variable that holds the key for this server (any value, if it wants none)."
        )
    return preferred.key_env


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: what a key is sent to."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _is_here(url: str) -> bool:
    """Whether a URL leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


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
    if "@" in url:  # its host names the server in the ledger, in messages and in reports
        raise UsageError(f"{where} holds a user's name or a password. Keys are given in variables: --api-key-env.")
    try:
        parts = urlsplit(url.strip())
        is_one = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port or an address that is none
        is_one = False
    if not is_one or parts.query or parts.fragment:
        raise UsageError(f"{where} is {url!r}; a base URL reads like https://host/v1.")
    return url.strip().rstrip("/")


def plain_url(url: str) -> str:
    """A base URL as it is compared with others: the host in small letters, no user, query, fragment, no slash at its
    end, and no port that its scheme has anyway."""
    parts = urlsplit(url.strip())
    host = parts.netloc.rpartition("@")[2].lower().removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, ""))
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"


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
