"""The provider on a socket: aiohttp reads requests, the service answers them, and `_Wire` says the answer as it stands.

aiohttp's own responses cannot break off or keep silent, and cost 15 µs more; so messages are written whole, by hand.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web
from multidict import CIMultiDictProxy

from phase0.errors import UsageError
from phase0.simulator import wire
from phase0.simulator.clock import Clock, RealClock
from phase0.simulator.journal import Bill, Entry, Journal, entries
from phase0.simulator.service import Call, Service, Upload, models_of
from phase0.simulator.settings import DEFAULT, Faults, Settings, check
from phase0.simulator.wire import Sent

_LARGEST = 300_000_000  # bytes of a request
_LISTEN_QUEUE = 1024
_GONE_CHECK = 0.1  # seconds between two looks whether a client that gets no answer is still there
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_PLAIN = (
    b'{"id":"chatcmpl-plain","object":"chat.completion","created":1700000000,"model":"plain","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"%s","refusal":null},"logprobs":null,"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":20,"completion_tokens":160,"total_tokens":180}}'
) % (b"The same plain sentence every time. " * 18)


class _Wire(web.StreamResponse):
    """An answer that writes itself, head and body, and says whether the connection outlives it."""

    def __init__(self, sent: Sent, clock: Clock, gap: float) -> None:
        super().__init__()
        self._sent = sent
        self._clock = clock
        self._gap = gap
        self._stays = False

    @property
    def keep_alive(self) -> bool:
        return self._stays

    async def prepare(self, request: web.BaseRequest) -> None:
        """Say the answer, as far as the client is there to hear it."""
        transport = request.transport
        if transport is None:
            return
        sent = self._sent
        if sent.ending == "hang_up":
            transport.abort()
        elif sent.ending == "silence":
            while not transport.is_closing():
                await asyncio.sleep(_GONE_CHECK)
        elif sent.events:
            await self._stream(transport)
            self._stays = bool(request.keep_alive) and sent.ending == "whole"
        elif sent.ending == "cut":
            transport.write(_head(sent) + sent.body[: len(sent.body) // 2])
        else:
            transport.write(_head(sent) + sent.body)
            self._stays = bool(request.keep_alive)

    async def _stream(self, transport: asyncio.WriteTransport) -> None:
        events = self._sent.events
        transport.write(_head(self._sent))
        for event in events[: len(events) // 2] if self._sent.ending == "cut" else events:
            transport.write(b"%x\r\n%b\r\n" % (len(event), event))
            if self._gap:
                await self._clock.sleep(self._gap)
        if self._sent.ending != "cut":
            transport.write(b"0\r\n\r\n")

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to say."""


def _head(sent: Sent) -> bytes:
    length = "transfer-encoding: chunked" if sent.events else f"content-length: {len(sent.body)}"
    reason = _REASONS.get(sent.status, "")
    told = f"HTTP/1.1 {sent.status} {reason}\r\ncontent-type: {sent.content_type}\r\n{length}\r\n"
    return (told + "".join(f"{name}: {value}\r\n" for name, value in sent.headers) + "\r\n").encode("latin-1")


class Simulation:
    """A running provider in this process."""

    def __init__(self, service: Service, journal: Journal, clock: Clock, port: int) -> None:
        self._service = service
        self._journal = journal
        self._clock = clock
        self.port = port

    @property
    def url(self) -> str:
        """The base URL, in the dialect of the settings."""
        return f"http://127.0.0.1:{self.port}/v1"

    def url_of(self, tongue: wire.Tongue) -> str:
        return f"http://127.0.0.1:{self.port}/{tongue}/v1"

    async def bill(self) -> Bill:
        found: Bill = await self._service.bill()
        return found

    def requests(self) -> list[Entry]:
        """Everything that was asked, in order."""
        return list(entries(self._journal.path))

    def skip(self, seconds: float) -> None:
        """Let so many of the provider's seconds have passed."""
        self._service.skip(seconds)

    def force(self, *faults: str | None) -> None:
        """The next requests for answers meet these faults, in order; None: no fault."""
        self._service.force(list(faults))

    def change(self, faults: Faults) -> None:
        """Other rates from now on."""
        self._service.change(faults)


@asynccontextmanager
async def serving(
    settings: Settings = DEFAULT, *, clock: Clock | None = None, port: int = 0
) -> AsyncIterator[Simulation]:
    """Run a provider in the caller's event loop, on a free port of loopback (or `port`), until the block ends."""
    check(settings)
    clock = clock or RealClock(settings.speed)
    with tempfile.TemporaryDirectory(prefix="phase0-simulator-") as place:
        journal = Journal(Path(settings.journal or f"{place}/journal.jsonl"), models_of(settings))
        try:
            service = Service(settings, clock, journal)
            server = web.Server(_answerer(service, clock), request_factory=_request, access_log=None)
            runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=0.2)
            await runner.setup()
            try:
                await _listen(runner, port)
                yield Simulation(service, journal, clock, runner.addresses[0][1])
            finally:
                await runner.cleanup()
        finally:
            journal.close()


async def _listen(runner: web.ServerRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, "127.0.0.1", port, backlog=_LISTEN_QUEUE).start()
    except OSError as error:
        raise UsageError(
            f"Port {port} of this machine cannot be used: {error.strerror}. Port 0 takes a free one."
        ) from None


def _answerer(service: Service, clock: Clock) -> Callable[[web.BaseRequest], Any]:
    gap = service.settings.latency.per_token
    plain = Sent(200, _PLAIN)

    async def answer(request: web.BaseRequest) -> _Wire:
        if service.settings.plain and not request.path.startswith("/_simulator/"):
            await request.read()
            return _Wire(plain, clock, 0.0)
        sent = await service.handle(await _call(request))
        if sent.wait:
            await clock.sleep(sent.wait)
        return _Wire(sent, clock, gap)

    return answer


async def _call(request: web.BaseRequest) -> Call:
    headers = request.headers
    upload = None
    body = b""
    if headers.get("content-type", "").startswith("multipart/"):
        upload = await _upload(request)
        body = upload.body if upload else b""
    elif request.can_read_body:
        body = await request.read()
    return Call(
        request.method,
        request.path,
        request.query if request.query_string else {},
        _bearer(headers),
        body,
        headers.get("prefer", ""),
        f"http://{headers.get('host', '127.0.0.1')}",
        upload,
    )


def _bearer(headers: CIMultiDictProxy[str]) -> str | None:
    given = headers.get("authorization", "")
    return given[7:] if given[:7].lower() == "bearer " else None


async def _upload(request: web.BaseRequest) -> Upload | None:
    """The file of a form, and what it says beside it."""
    form: Mapping[str, Any] = await request.post()
    file = form.get("file")
    if not isinstance(file, web.FileField):
        return None
    name = str(form.get("file_name") or file.filename)
    with file.file as held:
        return Upload(str(form.get("purpose", "")), name, held.read())


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    return web.BaseRequest(message, payload, protocol, writer, task, task.get_loop(), client_max_size=_LARGEST)


async def run(settings: Settings, port: int, ready: Callable[[Simulation], None], done: asyncio.Event) -> Bill:
    """Serve until `done`, and say what is owed. `ready` is told once requests are taken."""
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # clients that hang up are our daily bread
    async with serving(settings, port=port) as simulation:
        ready(simulation)
        await done.wait()
        return await simulation.bill()
