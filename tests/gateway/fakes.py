"""Stand-ins of the gateway's neighbours: a provider that follows a script, and a ledger in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from phase0.catalog.prices import Price
from phase0.errors import Transient
from phase0.gateway.line import Line, Route
from phase0.ledger import Bought, Failure
from phase0.providers import Batches, Limits, Listed, Sent
from phase0.records import Reply, Request

PRICE = Price(Decimal(1), Decimal(2), Decimal("0.5"), Decimal(1), "tests", "2026-11-22")
FREE = Price(Decimal(0), Decimal(0), None, None, "local", "")


def question(number: int, **params: Any) -> Request:
    return Request(model="m", messages=(("user", f"question {number}"),), params={"max_tokens": 100, **params})


def questions(count: int, **params: Any) -> list[Request]:
    return [question(number, **params) for number in range(count)]


def body(
    text: str = "yes", finish: str | None = "stop", tokens_in: int | None = 5, tokens_out: int | None = 10
) -> bytes:
    return msgspec.json.encode(Reply(text=text, finish_reason=finish, tokens_in=tokens_in, tokens_out=tokens_out))


class FakeProvider:
    """Answers every request with what `script` returns, or raises it. `script` is given the request and how often it
    came before."""

    batches: Batches | None = None

    def __init__(
        self,
        script: Callable[[Request, int], bytes | Exception] = lambda request, times: body(),
        *,
        seconds: Callable[[], float] = lambda: 1.0,
        limits: Limits | None = None,
    ) -> None:
        self.script, self.seconds, self.limits = script, seconds, limits
        self.came: list[tuple[float, str]] = []  # when each request came, and its key
        self.times: dict[str, int] = {}
        self.in_flight = self.widest = 0

    async def send(self, request: Request) -> Sent:
        key = request.key
        times = self.times.get(key, 0)
        self.times[key] = times + 1
        self.came.append((asyncio.get_running_loop().time(), key))
        self.in_flight += 1
        self.widest = max(self.widest, self.in_flight)
        try:
            if seconds := self.seconds():
                await asyncio.sleep(seconds)
            said = self.script(request, times)
        finally:
            self.in_flight -= 1
        if isinstance(said, Exception):
            raise said
        return Sent(said, self.limits)

    def read(self, raw: bytes) -> Reply:
        try:
            reply = msgspec.json.decode(raw, type=Reply)
        except msgspec.DecodeError:
            raise Transient("no reply", reason="malformed") from None
        if reply.finish_reason is None:
            raise Transient("broke off", reason="incomplete")
        return reply

    async def models(self) -> Sequence[Listed]:
        return []

    async def close(self) -> None: ...


class FakeLedger:
    """The ledger's methods over dictionaries. A reply is durable a moment after it was stored."""

    def __init__(self, delay: float = 0.01) -> None:
        self.bought: dict[str, Bought] = {}
        self.again: list[Bought] = []  # answers to questions that had one
        self.failed: dict[str, Failure] = {}
        self.delay = delay
        self.looked_up = 0

    def find(self, keys: Sequence[str]) -> dict[str, Bought]:
        self.looked_up += len(keys)
        return {key: self.bought[key] for key in keys if key in self.bought}

    def known(self, keys: Iterable[str]) -> set[str]:
        return {key for key in keys if key in self.bought}

    def store(self, bought: Bought) -> asyncio.Future[bool]:
        return self._later(lambda: self._keep(bought))

    def fail(self, key: str, reason: str, detail: str, run: str) -> asyncio.Future[bool]:
        return self._later(lambda: self.failed.__setitem__(key, Failure(key, reason, detail, run)))

    def _keep(self, bought: Bought) -> None:
        if bought.key in self.bought:
            self.again.append(bought)
        self.bought.setdefault(bought.key, bought)
        self.failed.pop(bought.key, None)

    def _later(self, change: Callable[[], None]) -> asyncio.Future[bool]:
        loop = asyncio.get_running_loop()
        later = loop.create_future()

        def apply() -> None:
            change()
            later.set_result(True)

        loop.call_later(self.delay, apply)
        return later


def line(*providers: FakeProvider, price: Price = PRICE, **changes: Any) -> Line:
    """A line with one route to each provider, all of one rank unless `ranks` says otherwise."""
    ranks = changes.pop("ranks", [0] * len(providers))
    routes = [
        Route(f"server{place}", provider, price, rank, **changes)
        for place, (provider, rank) in enumerate(zip(providers, ranks, strict=True))
    ]
    return Line("m", tuple(routes), 100, lambda requests: [5] * len(requests))
