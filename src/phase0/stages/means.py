"""How models are reached: their endpoints with keys, prices and limits, as a caller says. Nothing is asked here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from phase0.catalog.models import Endpoint, Teacher, located, moved, plain_url, servers
from phase0.catalog.prices import Price, price_of
from phase0.errors import UsageError
from phase0.gateway.estimate import Estimate
from phase0.gateway.line import Line, Route
from phase0.ledger import Batch, Destination
from phase0.providers import connect

Mode = Literal["auto", "online", "batch"]


class Means(NamedTuple):
    """What a caller gives for asking models. `variables` are those of the environment: keys, and URLs that move a
    server. A variable may hold several keys with commas between them: they share the work."""

    variables: Mapping[str, str] = {}
    mode: Mode = "auto"
    base_url: str | None = None  # ask there, and nowhere else
    key_env: str | None = None  # the variable that holds the key of `base_url`
    model_id: str | None = None  # what the endpoint calls the model
    price: Price | None = None  # of whatever is asked
    prices: Mapping[str, Price] = {}  # by teacher
    budget_usd: Decimal | None = None
    batch_size: int | None = None  # requests, at most
    wait: bool = True  # for batches
    agree: Callable[[Estimate], bool] | None = None  # asked before anything is spent without a budget
    retry_failed: bool = False  # ask judges once more about rows to which they gave no score
    rehearsal: int | None = None  # a simulator stands in, so many times as fast as the servers that it stands for

    @property
    def speed(self) -> int:
        return self.rehearsal or 1


class Asking(NamedTuple):
    """How models are asked, the workspace whose ledger keeps what they answer, and the name under which it counts what
    that costs."""

    means: Means
    workspace: Path
    run: str


class Place(NamedTuple):
    """An endpoint that can be asked: where it is, with which keys, for how much."""

    endpoint: Endpoint
    keys: tuple[str | None, ...]
    price: Price


def wanted(teacher: Teacher, means: Means) -> Teacher:
    """The teacher as the caller wants it: elsewhere, or under another model id."""
    if means.base_url is not None:
        moving = partial(moved, model_id=means.model_id, key_env=means.key_env, variables=means.variables)
        teacher = moving(teacher, means.base_url)
    elif means.model_id is not None:
        first = msgspec.structs.replace(teacher.endpoints[0], model_id=means.model_id)
        teacher = msgspec.structs.replace(teacher, endpoints=(first,))
    return msgspec.structs.replace(teacher, model=means.model_id) if means.model_id is not None else teacher


def places(teacher: Teacher, means: Means, on: date) -> list[Place]:
    """The endpoints of a teacher that can be asked, in order of preference.

    Raises UsageError where there is none: it names the variable that is missing, or the price that nobody knows.
    """
    found: list[Place] = []
    missing: list[str] = []
    wrong: list[UsageError] = []
    given = means.price or means.prices.get(teacher.name)
    for endpoint in teacher.endpoints:
        variable = endpoint.server.key_env
        keys = _keys(means.variables, variable)
        if variable is not None and not keys:
            missing.append(variable)
            continue
        try:
            place = located(endpoint, means.variables)
            found.append(Place(place, keys or (None,), price_of(teacher, place, given=given, on=on)))
        except UsageError as error:
            wrong.append(error)
    if found:
        return found if means.rehearsal is None else found[:1]  # it stands in for the preferred ones alone
    if wrong:
        raise wrong[0]
    raise UsageError(_no_key(teacher, missing))


def _keys(variables: Mapping[str, str], name: str | None) -> tuple[str, ...]:
    """The keys in a variable, each once."""
    return tuple(dict.fromkeys(key.strip() for key in variables.get(name or "", "").split(",") if key.strip()))


def _no_key(teacher: Teacher, variables: list[str]) -> str:
    names = " or ".join(dict.fromkeys(variables))
    where = ", ".join(dict.fromkeys(endpoint.server.name for endpoint in teacher.endpoints))
    return (
        f"{teacher.name} cannot be asked without a key: set {names} ({where}). The teacher `original`, the judge "
        "`local` and a rehearsal against `phase0 simulate` need none."
    )


def line_to(teacher: Teacher, found: list[Place], *, speed: int = 1) -> Line:
    """All routes to a teacher. Its providers are closed by whoever asks. `speed` is that of a rehearsal."""
    return Line(
        teacher.model, tuple(_route(rank, place, key, speed) for rank, place in enumerate(found) for key in place.keys)
    )


def _route(rank: int, place: Place, key: str | None, speed: int) -> Route:
    server, limits = place.endpoint.server, place.endpoint.limits
    return Route(
        name=server.name,
        provider=connect(place.endpoint, key),
        price=place.price,
        rank=rank,
        requests=limits.requests_per_minute and limits.requests_per_minute * speed,
        tokens=limits.tokens_per_minute and limits.tokens_per_minute * speed,
        batch=place.endpoint.batch,
        enqueued=server.batch.max_tokens if server.batch else None,
        destination=_destination(place, key),
    )


def line_back(batch: Batch, destination: Destination, variables: Mapping[str, str], key_env: str | None = None) -> Line:
    """The route by which a batch was sent, as the ledger keeps it: wherever servers are moved to since then.

    It takes the key that the batch was sent with, so that no key goes where it never was; another key of the account
    is one that the caller names by its variable. Raises UsageError where there is none.
    """
    name = key_env or destination.key_env
    there, url = _keys(variables, name), destination.url
    keys = [key for key in there if account_of(key, url) == destination.account] or (there if key_env else ())
    if name is not None and not keys:
        raise UsageError(
            f"batch {batch.tag} was sent to {destination.address} with a key that {name} does not hold. Set it, or "
            "name the variable that holds a key of that account with --api-key-env."
        )
    known = servers().get(batch.server, servers()["compatible"])
    server = msgspec.structs.replace(known, name=batch.server, key_env=name)
    endpoint = Endpoint(server=server, url=url, model_id=destination.model_id, batch=True)
    key = keys[0] if keys else None
    return Line(batch.model, (_route(0, Place(endpoint, (key,), destination.price), key, 1),))


def _destination(place: Place, key: str | None) -> Destination:
    url = plain_url(place.endpoint.url or "")
    return Destination(
        url=url,
        account=account_of(key, url),
        key_env=place.endpoint.server.key_env,
        model_id=place.endpoint.model_id,
        price=place.price,
    )


def account_of(key: str | None, url: str) -> str:
    """What tells the accounts at a server apart: 32 bits of a digest of the key, which do not lead back to it. They are
    keyed by the URL, so that nobody can see that two servers are given the same key."""
    if not key:
        return ""
    by = hashlib.blake2b(url.encode(), digest_size=16).digest()
    return hashlib.blake2b(key.encode(), key=by, digest_size=4).hexdigest()
