"""Whether a plan can run here and now: keys, models, prices, dates and disk, before anything is spent.

Every check ends in ok, warn or fail, and whatever fails says what to do. Only `live` asks a model anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Literal, NamedTuple

from phase0.catalog.datasets import find
from phase0.catalog.models import Endpoint, Teacher, located, teacher, teachers
from phase0.errors import ProviderError, UnfitLicense, UsageError, near_miss
from phase0.exchanges import EXCHANGES
from phase0.licenses import check_fit
from phase0.plan import Plan
from phase0.providers import Listed, Provider, connect
from phase0.records import Request
from phase0.stages.judges import SCORERS, kinship
from phase0.steps import licenses_of

Verdict = Literal["ok", "warn", "fail"]
PriceOf = Callable[[Endpoint], str | None]

SOON = 90  # days before its end at which a model is warned about
TIMEOUT = 20.0  # seconds for one question of ours

_COPIES = 8  # what a run writes, as a multiple of what it downloads: raw rows, four stages, the ledger, room to replace
_SPARE = 1_000_000_000  # bytes
_HELLO = (("user", "Answer with one word: ready."),)


class Finding(NamedTuple):
    """One check: of whom, of what, how it ended, and what that means."""

    who: str
    check: str
    verdict: Verdict
    detail: str


class Here(NamedTuple):
    """What is known of this machine and this day."""

    variables: Mapping[str, str]  # of the environment
    today: date
    free_bytes: int


class _At(NamedTuple):
    """An endpoint that can be asked: where it is, and with what key."""

    endpoint: Endpoint
    key: str | None


class _Answers(NamedTuple):
    """What an endpoint told: its models, and how it took the tiny request, if there was one."""

    models: Sequence[Listed] | ProviderError
    hello: str | ProviderError | None


def listed_price(endpoint: Endpoint) -> str | None:
    """What the catalogue says of an endpoint's price; None where nobody knows it."""
    if endpoint.server.local:
        return "0: it runs on your own machines"
    price = endpoint.price
    if price is None:
        return f"as genai-prices has it for {endpoint.price_ref}" if endpoint.price_ref else None
    return f"${price.input} in, ${price.output} out per million tokens ({price.source}, {price.as_of})"


def doctor(plan: Plan, here: Here, *, live: bool = False, price: PriceOf = listed_price) -> list[Finding]:
    """Check everything that a plan needs. With `live`, every endpoint answers one request of a few tokens."""
    judges = plan.score.judges or (plan.score.model,)
    found: list[Finding] = []
    for name in dict.fromkeys([*plan.distill.mix, *judges]):
        if name in EXCHANGES or name in SCORERS:
            found.append(Finding(name, "model", "ok", "needs no network"))
            continue
        try:
            asked = teacher(name)
        except UsageError as error:
            found.append(Finding(name, "model", "fail", str(error)))
            continue
        found += _kin(asked, plan.distill.mix) if name in judges else []
        found += _lifetime(asked, asked.shutdown, here.today)
        found += _served(asked, here, live=live, price=price)
    return [*found, *_licenses(plan), _disk(plan, here.free_bytes)]


def _licenses(plan: Plan) -> list[Finding]:
    """Whether what the plan names is under terms that it wants; nothing where it asks for none."""
    required = plan.publish.require_license
    if required is None:
        return []
    try:
        check_fit(licenses_of(plan), required)
    except UnfitLicense as error:
        return [Finding("licences", required, "fail", str(error))]
    except UsageError:
        return []  # a name that nobody knows has its own finding
    return [Finding("licences", required, "ok", "every dataset, teacher and judge allows it, as the catalogue has it")]


def _kin(judge: Teacher, mix: Iterable[str]) -> list[Finding]:
    """Which teachers a judge favours, since they are of its own family."""
    told = (kinship(judge, name) for name in mix)
    return [Finding(judge.name, "family", "warn", each) for each in told if each is not None]


def _served(asked: Teacher, here: Here, *, live: bool, price: PriceOf) -> list[Finding]:
    """Where a model can be had. One endpoint that works is enough: what others lack is then only worth a warning."""
    usable, lacking = _reachable(asked, here.variables)
    if not usable:
        return [Finding(asked.name, "key", "fail", ", or ".join(finding.detail for finding in lacking))]
    answers = asyncio.run(_ask_all(usable, live=live))
    each = [_of_endpoint(asked, at, told, here, price) for at, told in zip(usable, answers, strict=True)]
    works = any(all(finding.verdict != "fail" for finding in findings) for findings in each)
    return [
        finding._replace(verdict="warn") if works and finding.verdict == "fail" and _failed(findings) else finding
        for findings in [lacking, *each]
        for finding in findings
    ]


def _failed(findings: Sequence[Finding]) -> bool:
    return any(finding.verdict == "fail" for finding in findings)


def _reachable(asked: Teacher, variables: Mapping[str, str]) -> tuple[list[_At], list[Finding]]:
    """The endpoints whose URL and key are known, and what the others lack."""
    usable, lacking = [], []
    for endpoint in asked.endpoints:
        server = endpoint.server
        key = variables.get(server.key_env or "") or None
        try:
            there = located(endpoint, variables)
        except UsageError as error:
            lacking.append(Finding(asked.name, "url", "warn", str(error)))
            continue
        if server.key_env and key is None:
            lacking.append(Finding(asked.name, "key", "warn", f"set {server.key_env} to ask {server.name}"))
        else:
            usable.append(_At(there, key))
    return usable, lacking


def _of_endpoint(asked: Teacher, at: _At, told: _Answers, here: Here, price: PriceOf) -> list[Finding]:
    server = at.endpoint.server
    key = f"{server.key_env} is set" if server.key_env else f"{server.name} needs none"
    cost = price(at.endpoint)
    how = f"unknown at {server.name}; give it with --price IN,OUT"
    return [
        Finding(asked.name, "key", "ok", key),
        *_listed(asked, at.endpoint, told.models, here.today),
        *_hello(asked, at.endpoint, told.hello),
        Finding(asked.name, "batch", "ok", _batches(at.endpoint)),
        Finding(asked.name, "price", "fail" if cost is None else "ok", how if cost is None else cost),
    ]


def _listed(asked: Teacher, endpoint: Endpoint, models: Sequence[Listed] | ProviderError, today: date) -> list[Finding]:
    if isinstance(models, ProviderError):
        return [Finding(asked.name, "model", "fail", f"{models}{_instead(asked)}")]
    ids = {model.id: model for model in models}
    # Some routers take `model:where`, and list the model alone.
    model = ids.get(endpoint.model_id) or ids.get(endpoint.model_id.rpartition(":")[0])
    if model is None:
        near = near_miss(endpoint.model_id, ids)
        text = f"{endpoint.server.name} does not list {endpoint.model_id!r}.{near}{_instead(asked)}"
        return [Finding(asked.name, "model", "fail", text)]
    listed = Finding(asked.name, "model", "ok", f"{endpoint.server.name} lists {endpoint.model_id}")
    return [listed, *_lifetime(asked, _date(model.shutdown_date), today, told_by=endpoint.server.name)]


def _lifetime(asked: Teacher, ends: date | None, today: date, told_by: str = "the catalogue") -> list[Finding]:
    """How long a model will be there; nothing where no end is known, or it is far."""
    if ends is None or (ends - today).days > SOON:
        return []
    days = (ends - today).days
    if days <= 0:
        text = f"{asked.model} was switched off on {ends} ({told_by})"
        return [Finding(asked.name, "lifetime", "fail", f"{text}.{_instead(asked)}")]
    text = f"{asked.model} is switched off on {ends}, in {days} days ({told_by})"
    return [Finding(asked.name, "lifetime", "warn", f"{text}.{_instead(asked)}")]


def _hello(asked: Teacher, endpoint: Endpoint, hello: str | ProviderError | None) -> list[Finding]:
    if hello is None:
        return []
    if isinstance(hello, ProviderError):
        return [Finding(asked.name, "answer", "fail", str(hello))]
    return [Finding(asked.name, "answer", "ok", f"{endpoint.server.name} answered {hello}")]


def _batches(endpoint: Endpoint) -> str:
    batch = endpoint.server.batch
    if batch is None or not endpoint.batch:
        return f"none known at {endpoint.server.name}; it is asked online"
    saved = f", {batch.discount:.0%} cheaper" if batch.discount else ""
    return f"{endpoint.server.name} takes up to {batch.max_requests:,} requests in {batch.window}{saved}"


def _instead(asked: Teacher) -> str:
    """Who may take a model's place, with where to get it."""
    if asked.replacement is None:
        return ""
    servers = " or ".join(endpoint.server.name for endpoint in teachers()[asked.replacement].endpoints)
    return f" Take {asked.replacement} ({servers}) in its place."


def _disk(plan: Plan, free: int) -> Finding:
    megabytes = sum(entry.megabytes or 0 for entry in find(plan.download.datasets, plan.datasets))
    need = int(megabytes * 1e6) * _COPIES + _SPARE
    text = f"{free / 1e9:.1f} GB free, about {need / 1e9:.1f} GB needed"
    return Finding("disk", "space", "ok" if free >= need else "fail", text)


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


async def _ask_all(places: Sequence[_At], *, live: bool) -> list[_Answers]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_ask(at, live=live)) for at in places]
    return [task.result() for task in tasks]


async def _ask(at: _At, *, live: bool) -> _Answers:
    try:
        provider = connect(at.endpoint, at.key, timeout=TIMEOUT)
    except ProviderError as error:
        return _Answers(error, None)
    try:
        try:
            models: Sequence[Listed] | ProviderError = await provider.models()
        except ProviderError as error:
            models = error
        return _Answers(models, await _say_hello(provider, at.endpoint) if live else None)
    finally:
        await provider.close()


async def _say_hello(provider: Provider, endpoint: Endpoint) -> str | ProviderError:
    try:
        sent = await provider.send(Request(model=endpoint.model_id, messages=_HELLO, params={"max_tokens": 16}))
        reply = provider.read(sent.body)
    except ProviderError as error:
        return error
    return f"{reply.text.strip()[:40]!r} ({reply.tokens_in or 0} tokens in, {reply.tokens_out or 0} out)"
