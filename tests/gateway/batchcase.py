"""A provider with batches, a ledger in memory, and a folder: what tests of batches buy with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fakes import FakeBatches, FakeLedger, FakeProvider, line
from virtual import run

from phase0.gateway.budget import Budget
from phase0.gateway.line import Line
from phase0.gateway.modes import purchase
from phase0.gateway.shop import Options
from phase0.gateway.summary import Summary
from phase0.records import Request


class Case:
    """A provider with batches, a ledger, and a folder."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.provider = FakeProvider()
        self.batches = FakeBatches(self.provider, **options)
        self.provider.batches = self.batches
        self.ledger = FakeLedger()
        self.folder = folder
        self.number = 0

    def options(self, **changes: Any) -> Options:
        def name() -> str:
            self.number += 1
            return f"n{self.number}"

        given: dict[str, Any] = {"folder": self.folder, "name": name, "date": lambda: 1e6} | changes
        return Options(**given)

    async def work(self, requests: Any, where: Line | None = None, **changes: Any) -> Summary:
        extra = {key: changes.pop(key) for key in ("again", "stop", "budget", "mode", "progress") if key in changes}
        return await purchase(
            requests,
            where or line(self.provider),
            self.ledger,  # type: ignore[arg-type]
            extra.pop("budget", Budget(None)),
            mode=extra.pop("mode", "batch"),
            batches=self.options(**changes),
            **extra,
        )

    def buy(self, requests: Any, where: Line | None = None, **changes: Any) -> Summary:
        summary = run(self.work(requests, where, **changes))
        assert summary.asked == sum(summary[place] for place in (3, 4, 5, 6, 7, 8)), summary
        assert not list(self.folder.rglob("*.upload"))
        return summary

    def all_answered(self, requests: list[Request]) -> bool:
        return set(self.ledger.bought) == {request.key for request in requests}
