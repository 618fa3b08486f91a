"""A server on loopback that says exactly the bytes it is told to say, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar

import msgspec

from phase0.catalog.models import Endpoint, Server, servers
from phase0.errors import ProviderError
from phase0.providers import Provider, connect
from phase0.records import Request

T = TypeVar("T")
KEY = "sk-very-secret-0123456789"
HANG = b"hang"  # in place of an answer: nothing, until the client leaves
QUESTION = Request(model="m", messages=(("user", "Say hi."),), params={"max_tokens": 9})


class Asked(NamedTuple):
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Loopback:
    """Answers in order, the last one again and again; then closes the connection."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.asked: list[Asked] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            method, path, _ = head[0].split(" ")
            self.asked.append(Asked(method, path, headers, body))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if answer == HANG:
                await reader.read()
            writer.write(answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(*answers: bytes) -> AsyncIterator[Loopback]:
    """A server for the block."""
    loopback = Loopback(*answers)
    server = await asyncio.start_server(loopback.serve, "127.0.0.1", 0)
    loopback.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield loopback
    finally:
        server.close()
        await server.wait_closed()


def answer(
    body: bytes | Any, status: int = 200, headers: dict[str, str] | None = None, *, length: int | None = None
) -> bytes:
    """An HTTP answer. `length` is what it claims to be long."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Content-Type": "application/json", "Content-Length": str(len(raw) if length is None else length)}
    head = "".join(
        f"{name}: {value}\r\n" for name, value in {**lines, "Connection": "close", **(headers or {})}.items()
    )
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode() + raw


def completion(**changes: Any) -> dict[str, Any]:
    """The body of a chat completion. `changes` go into its choice; `usage` beside it."""
    usage = changes.pop("usage", {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop", **changes}
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": usage}


def endpoint(url: str, server: str | Server = "openai", model_id: str = "the-model", **changes: Any) -> Endpoint:
    """A model at a server of the catalogue that answers at `url`."""
    known = servers()[server] if isinstance(server, str) else server
    return Endpoint(server=msgspec.structs.replace(known, **changes), url=url, model_id=model_id)


def asking(
    use: Callable[[Provider], Awaitable[T]], *answers: bytes, timeout: float = 20, **at: Any
) -> tuple[T | ProviderError, list[Asked]]:
    """What `use` makes of a provider whose server gives these answers: its value or the error, and what was asked."""

    async def whole() -> tuple[T | ProviderError, list[Asked]]:
        async with serving(*answers) as loopback:
            provider = connect(endpoint(loopback.url, **at), KEY, timeout=timeout)
            try:
                return await use(provider), loopback.asked
            except ProviderError as error:
                return error, loopback.asked
            finally:
                await provider.close()

    return run(whole())


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, on an event loop of its own."""
    return asyncio.run(work)
