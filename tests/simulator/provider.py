"""A provider without sockets and with a clock of its own: what most tests of the simulator ask."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from phase0.simulator.journal import Bill, Entry, Journal, entries
from phase0.simulator.service import Call, Service, Upload, models_of
from phase0.simulator.settings import Model, Settings
from phase0.simulator.wire import Sent

GPT = Model(
    name="gpt-4o",
    price=(Decimal("2.50"), Decimal("10.00")),
    batch_price=(Decimal("1.25"), Decimal("5.00")),
    shutdown_date="2027-01-14",
)
LLAMA = Model(name="meta-llama/Meta-Llama-3.1-405B-Instruct-Turbo", price=(Decimal("3.50"), Decimal("3.50")))
MODELS = (GPT, LLAMA)
ORDINARY = Settings(models=MODELS)
CHAT = "/v1/chat/completions"


class StoppedClock:
    """Time passes only when it is told to."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self.time = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def unix(self) -> float:
        return 1_700_000_000 + self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def skip(self, seconds: float) -> None:
        self.time += seconds


class Provider:
    """A service, asked synchronously."""

    def __init__(self, place: Path, settings: Settings = ORDINARY) -> None:
        self.clock = StoppedClock(settings.speed)
        self.path = place / "journal.jsonl"
        self.journal = Journal(self.path, models_of(settings))
        self.runner = asyncio.Runner()
        self.service = Service(settings, self.clock, self.journal)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.runner.close()
        self.journal.close()

    def send(self, method: str, path: str, body: Any = None, *, key: str = "sk-test", **more: Any) -> Sent:
        path, _, query = path.partition("?")
        pairs = dict(pair.split("=") for pair in query.split("&")) if query else {}
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        call = Call(method, path, pairs, key, raw, more.get("prefer", ""), "http://127.0.0.1:1", more.get("upload"))
        return self.runner.run(self.service.handle(call))

    def chat(self, text: str = "How are you?", *, path: str = CHAT, key: str = "sk-test", **more: Any) -> Sent:
        return self.send("POST", path, question(text, **more), key=key)

    def upload(self, body: bytes, *, purpose: str = "batch", path: str = "/v1/files", name: str = "in.jsonl") -> str:
        sent = self.send("POST", path, body, upload=Upload(purpose, name, body))
        return str(said(sent)["id"])

    def bill(self) -> Bill:
        bill: Bill = self.runner.run(self.service.bill())
        return bill

    def requests(self) -> list[Entry]:
        return list(entries(self.path))


def question(text: str = "How are you?", *, model: str = "gpt-4o", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def said(sent: Sent) -> Any:
    return json.loads(sent.body)


def text_of(sent: Sent) -> Any:
    return said(sent)["choices"][0]["message"]["content"]


def error_of(sent: Sent) -> Any:
    return said(sent)["error"]["code"]


def lines_of(count: int, *, url: str = CHAT, **more: Any) -> list[dict[str, Any]]:
    """Requests of a batch with the custom ids r0, r1, …"""
    return [
        {"custom_id": f"r{number}", "method": "POST", "url": url, "body": question(f"Question {number}", **more)}
        for number in range(count)
    ]


def jsonl(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)
