"""Stand-ins of the gateway's neighbours: a provider that follows a script, and a ledger in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from phase0.catalog.prices import Price
from phase0.errors import ProviderError, Transient
from phase0.gateway.line import Line, Route
from phase0.ledger import Batch, Bought, Destination, Failure
from phase0.ledger.changes import store_of
from phase0.providers import Batches, BatchLine, BatchState, Limits, Listed, Sent
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
        self.batches: dict[str, Batch] = {}
        self.staked: dict[tuple[str, str], Decimal] = {}  # by run and name
        self.delay = delay
        self.looked_up = 0

    def find(self, keys: Sequence[str]) -> dict[str, Bought]:
        self.looked_up += len(keys)
        return {key: self.bought[key] for key in keys if key in self.bought}

    def known(self, keys: Iterable[str]) -> set[str]:
        return {key for key in keys if key in self.bought}

    def store(self, bought: Bought) -> asyncio.Future[bool]:
        store_of(bought)  # what the real one cannot hold, this one refuses too
        return self._later(lambda: self._keep(bought))

    def fail(self, key: str, reason: str, detail: str, run: str) -> asyncio.Future[bool]:
        return self._later(lambda: self.failed.__setitem__(key, Failure(key, reason, detail, run)))

    def stake(self, name: str, run: str, cost: Decimal) -> None:
        self.staked[run, name] = cost

    def stakes(self, run: str) -> dict[str, Decimal]:
        return {name: cost for (whose, name), cost in self.staked.items() if whose == run and cost}

    def intend(
        self,
        tag: str,
        server: str,
        model: str,
        keys: Sequence[str],
        run: str = "",
        *,
        cost: Decimal = Decimal(0),
        destination: Destination | None = None,
    ) -> bool:
        assert tag not in self.batches
        taken = {key for batch in self.open_batches() for key in batch.keys} | set(self.bought)
        if not taken.isdisjoint(keys):
            return False
        self.stake(tag, run, cost)
        self.batches[tag] = Batch(tag, server, model, tuple(keys), "intent", None, None, 0.0, run, destination)
        return True

    def sent(self, tag: str, batch_id: str) -> None:
        self.batches[tag] = self.batches[tag]._replace(state="sent", batch_id=batch_id)

    def settled(self, tag: str, status: str, lost: Decimal = Decimal(0)) -> None:
        self.stake(tag, self.batches[tag].run, lost)
        self.batches[tag] = self.batches[tag]._replace(state="settled", status=status)

    def open_batches(self) -> list[Batch]:
        return [batch for batch in self.batches.values() if batch.state != "settled"]

    def batch(self, tag: str) -> Batch | None:
        return self.batches.get(tag)

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


class FakeBatches:
    """Batches on the event loop's clock: each runs for `seconds` and ends as `ends` says, in the order of creation."""

    def __init__(self, provider: FakeProvider, *, seconds: float = 100.0, max_requests: int = 50_000) -> None:
        self.provider, self.seconds = provider, seconds
        self.max_requests, self.max_bytes = max_requests, 10_000_000
        self.ends: dict[int, str] = {}  # status by number; completed where nothing stands
        self.errors: dict[int, tuple[tuple[str, str], ...]] = {}
        self.enqueued: int | None = None  # tokens; a batch that is over it fails
        self.spoil: Callable[[int, list[BatchLine]], list[BatchLine]] = lambda number, lines: lines
        self.on_submit: Callable[[int], None] = lambda number: None  # before the batch is there
        self.after_submit: Callable[[int], None] = lambda number: None  # when it is there, before it is told
        self.made: list[tuple[str, float, dict[str, Request]]] = []  # tag, when, questions
        self.cancelled: dict[int, float] = {}
        self.submits = 0

    def line(self, custom_id: str, request: Request) -> bytes:
        return msgspec.json.encode({"custom_id": custom_id, "body": request}) + b"\n"

    async def submit(self, path: Path, tag: str) -> str:
        self.submits += 1
        self.on_submit(self.submits)
        asked: dict[str, Request] = {}
        for text in path.read_bytes().splitlines():
            got = msgspec.json.decode(text)
            asked[got["custom_id"]] = msgspec.convert(got["body"], Request)
        self.made.append((tag, self._now(), asked))
        number = len(self.made) - 1
        waiting = sum(5 * len(self.made[other][2]) for other in range(number + 1) if self._status(other) == "running")
        if self.enqueued is not None and waiting > self.enqueued:
            self.ends[number] = "failed"
            self.errors[number] = (("token_limit_exceeded", "Enqueued token limit reached"),)
        self.after_submit(self.submits)
        return f"batch-{number}"

    async def find(self, tag: str) -> str | None:
        return next((f"batch-{number}" for number, made in enumerate(self.made) if made[0] == tag), None)

    async def state(self, batch_id: str) -> BatchState:
        number = int(batch_id.removeprefix("batch-"))
        return BatchState(batch_id, self._status(number), self.errors.get(number, ()), None, (), None)  # type: ignore[arg-type]

    async def lines(self, state: BatchState) -> AsyncIterator[BatchLine]:
        number = int(state.id.removeprefix("batch-"))
        if state.status == "failed":
            return
        lines = [BatchLine(key, None, None) for key in self.made[number][2]]
        done = lines if state.status == "completed" else lines[: len(lines) // 2]
        answered = [self._answered(line.custom_id or "", number) for line in done]
        ended = Transient("its batch ended first", reason="unanswered")
        for line in self.spoil(number, answered + [each._replace(failure=ended) for each in lines[len(done) :]]):
            yield line

    def _answered(self, key: str, number: int) -> BatchLine:
        said = self.provider.script(self.made[number][2][key], 0)
        if isinstance(said, ProviderError):
            return BatchLine(key, None, said)
        return BatchLine(key, said, None)  # type: ignore[arg-type]

    async def cancel(self, batch_id: str) -> None:
        self.cancelled[int(batch_id.removeprefix("batch-"))] = self._now()

    def _status(self, number: int) -> str:
        if number in self.cancelled:
            return "cancelled"
        if self.ends.get(number) == "failed":
            return "failed"
        return self.ends.get(number, "completed") if self._now() >= self.made[number][1] + self.seconds else "running"

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
