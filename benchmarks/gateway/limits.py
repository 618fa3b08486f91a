"""How much of a provider's limits the gateway uses: the time it takes beside the shortest possible, and its 429s.

    python benchmarks/gateway/limits.py [--minutes 20] [--speed 20] [--write]

The gateway is told no limits; it learns them from headers. Client and provider run on one event loop that waits
`--speed` times as fast as it says, so both live minutes in seconds and neither knows.
"""

from __future__ import annotations

import argparse
import asyncio
import selectors
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

sys.path.append(str(Path(__file__).resolve().parents[1]))

from shared.results import keep, table

from phase0.catalog.models import Endpoint, servers
from phase0.catalog.prices import Price
from phase0.gateway.budget import Budget
from phase0.gateway.line import Line, Route
from phase0.gateway.online import buy
from phase0.gateway.summary import Summary
from phase0.ledger import Ledger
from phase0.providers import connect
from phase0.records import Request
from phase0.simulator import Latency, Limits, Settings, serving
from phase0.simulator.settings import Dialect

MODEL = "gpt-4o"
PRICE = Price(Decimal("2.50"), Decimal(10))
EACH, CAP = 300, 512  # tokens of a question and its answer, about; and at most of an answer, as is asked for
LATENCY = Latency(median=2.0, sigma=0.5)
SLOWER, LIMITED = 0.03, 0.005  # at most: over the shortest time, and of what was sent answered 429
HEAD = ("", "requests", "minutes", "shortest", "over", "sent", "429", "of sent", "")
LEGEND = """shortest: until the provider could have admitted the last request, had all of them been asked for at every
moment and had every length been known; the latency of that answer (2 s, log-normal) is not in it.

Both providers keep buckets that refill evenly: OpenAI's holds a minute's worth, Together's a second's, which it says it
counts by. OpenAI documents that max_tokens is counted of every request, whatever the answer has: so it is here, 512.
How Together counts is not documented: "as used" counts, the moment a request comes, what its answer will have. No
provider can know that; it is the hardest for a client, which cannot either.

"few tokens, as used" cannot be had within 3 %: the bucket holds 1,500 tokens, five requests, and some ten whose answers
have 50 to 537 tokens are on their way at any moment, of whose cost no header told yet. Full, it wastes what refills;
empty, it answers 429. The gateway keeps it from being empty."""


class Case(NamedTuple):
    """A provider's limits per minute, the seconds for which it saves what was not used, and the tokens it counts."""

    name: str
    dialect: Dialect
    requests: int
    tokens: int
    burst: float
    charge: Literal["used", "asked"] = "used"
    count: int | None = None  # of requests, whatever time they take

    def fill(self, minutes: float) -> int:
        """About as many requests as are answered in so many minutes."""
        each = CAP if self.charge == "asked" else EACH
        return self.count or round(min(self.requests, self.tokens / each) * minutes)

    def counted(self, summary: Summary) -> int:
        """The tokens that count for the limit."""
        return CAP * summary.replies if self.charge == "asked" else summary.tokens_in + summary.tokens_out

    def shortest(self, requests: int, tokens: int) -> float:
        """Seconds until the last of so many can be admitted, by a bucket that is full at the beginning."""
        return max(
            (needed / limit * 60 - self.burst) for needed, limit in ((requests, self.requests), (tokens, self.tokens))
        )


CASES = (
    Case("openai, requests bind", "openai", 600, 10_000_000, 60.0),
    Case("openai, tokens bind", "openai", 6_000, 300 * EACH, 60.0, "asked"),
    Case("openai, tokens bind, as used", "openai", 6_000, 300 * EACH, 60.0),
    Case("openai, 3,000 and 600,000", "openai", 3_000, 600_000, 60.0, "asked", 40_000),
    Case("openai, 3,000 and 600,000, as used", "openai", 3_000, 600_000, 60.0, "used", 40_000),
    Case("together, requests bind", "together", 600, 10_000_000, 1.0),
    Case("together, tokens bind", "together", 6_000, 1_200 * EACH, 1.0, "asked"),
    Case("together, tokens bind, as used", "together", 6_000, 1_200 * EACH, 1.0),
    Case("together, few tokens", "together", 6_000, 300 * EACH, 1.0, "asked"),
    Case("together, few tokens, as used", "together", 6_000, 300 * EACH, 1.0),
)
"""Together counts by the second, and says so in its headers: few tokens are three to five answers a second."""


class FastSelector(selectors.DefaultSelector):
    """Waits for a part of the time that the loop wants to wait, and moves the loop's clock on by the whole."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self.now = 0.0
        self._speed = speed

    def select(self, timeout: float | None = None) -> Any:
        if not timeout or timeout < 0:
            return super().select(timeout)
        began = time.monotonic()
        ready = super().select(timeout / self._speed)
        passed = (time.monotonic() - began) * self._speed
        self.now += min(passed, timeout) if ready else timeout
        return ready


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop that waits `speed` times as fast. Its clock stands still while something runs, so that neither
    what else the machine does nor the time that the provider takes for itself is laid to the client."""

    def __init__(self, speed: float) -> None:
        self._clock = FastSelector(speed)
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


class LoopClock:
    """The provider's clock: that of the loop it runs on."""

    speed = 1.0

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def unix(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def skip(self, seconds: float) -> None:
        raise NotImplementedError(f"{seconds} s cannot be skipped: the client lives on the same clock")


class Outcome(NamedTuple):
    case: Case
    seconds: float
    summary: Summary

    @property
    def shortest(self) -> float:
        return self.case.shortest(self.summary.replies, self.case.counted(self.summary))

    @property
    def over(self) -> float:
        return self.seconds / self.shortest - 1

    @property
    def limited(self) -> float:
        return self.summary.limited / self.summary.sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20, help="the provider's, about, of each run")
    parser.add_argument("--speed", type=float, default=20)
    parser.add_argument("--only", default="", help="a part of a case's name")
    parser.add_argument("--write", action="store_true", help="keep what is printed in results/limits.md")
    options = parser.parse_args()
    outcomes = []
    for case in CASES:
        if options.only in case.name:
            outcomes.append(measured(case, case.fill(options.minutes), options.speed))
            print(" | ".join(line(outcomes[-1])), file=sys.stderr, flush=True)
    told = table(HEAD, [line(outcome) for outcome in outcomes])
    print(told)
    if options.write:
        keep("limits", "Limits", [told, LEGEND], Path(__file__))


def measured(case: Case, requests: int, speed: float) -> Outcome:
    with asyncio.Runner(loop_factory=lambda: FastLoop(speed)) as runner, tempfile.TemporaryDirectory() as folder:
        return runner.run(purchase(case, requests, Path(folder)))


async def purchase(case: Case, requests: int, folder: Path) -> Outcome:
    limits = Limits(
        requests_per_minute=case.requests, tokens_per_minute=case.tokens, burst=case.burst, charge=case.charge
    )
    clock: Callable[[], float] = asyncio.get_running_loop().time
    async with serving(Settings(limits=limits, latency=LATENCY), clock=LoopClock()) as simulation:
        url = simulation.url_of(case.dialect)
        server = msgspec.structs.replace(servers()[case.dialect], url=url)
        provider = connect(Endpoint(server=server, url=url, model_id=MODEL), "sk-benchmark")
        try:
            with Ledger(folder / "ledger.sqlite") as ledger:
                line = Line(MODEL, (Route(case.dialect, provider, PRICE),))
                began = clock()
                summary = await buy(questions(requests), line, ledger, Budget(None))
                return Outcome(case, clock() - began, summary)
        finally:
            await provider.close()


def questions(count: int) -> Iterator[Request]:
    for number in range(count):
        asked = f"How do I keep the tomatoes on my balcony alive while I am away for {number} days in August?"
        yield Request(model=MODEL, messages=(("user", asked),), params={"max_tokens": CAP})


def line(outcome: Outcome) -> list[str]:
    summary = outcome.summary
    return [
        outcome.case.name,
        f"{summary.replies:,}",
        f"{outcome.seconds / 60:.2f}",
        f"{outcome.shortest / 60:.2f}",
        f"{outcome.over:+.1%}",
        f"{summary.sent:,}",
        f"{summary.limited:,}",
        f"{outcome.limited:.2%}",
        "met" if outcome.over <= SLOWER and outcome.limited < LIMITED else "MISSED",
    ]


if __name__ == "__main__":
    main()
