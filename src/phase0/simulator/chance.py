"""Seeded chance without a generator: every decision is a digest of what it is about, so arrival order changes nothing.

A fault of the road (a 429, a dropped connection) depends on the request and on how often it was sent; a fault of the
answer (a refusal) on the request alone, so that the same request gets the same answer always.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from statistics import NormalDist

from phase0.simulator.settings import AFTER, BATCH, BEFORE, CONTENT, EVERYWHERE, JUDGED, LINE, Faults, Latency

_NORMAL = NormalDist()


def fraction(seed: int, kind: str, what: bytes, times: int = 0) -> float:
    """A number from 0 up to 1 that only these four decide."""
    text = b"%d %s %d " % (seed, kind.encode(), times) + what
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") / 2**64


class Chance:
    """The draws of one provider."""

    def __init__(self, seed: int, faults: Faults, latency: Latency) -> None:
        self._seed = seed
        self._latency = latency
        self._seen: dict[bytes, int] = {}  # how often each request came; kept only where something depends on it
        self._forced: list[str | None] = []
        self.change(faults)

    def change(self, faults: Faults) -> None:
        """Other rates from now on."""
        self.faults = faults
        self._prompted = _steps(faults, (*BEFORE, *AFTER))
        self._elsewhere = _steps(faults, EVERYWHERE)
        self._content = _steps(faults, CONTENT)
        self._judged = _steps(faults, (*CONTENT, *JUDGED))
        self._line = _steps(faults, LINE)
        self._batch = _steps(faults, BATCH)
        self._shuffled = faults.shuffled

    def force(self, names: Sequence[str | None]) -> None:
        """The next requests for answers meet these faults, in order; None: no fault."""
        self._forced += names

    def on_the_road(self, call: str, body: bytes, *, prompted: bool) -> str | None:
        """The fault that this request meets, this time. `prompted`: it asks for an answer."""
        if prompted and self._forced:
            return self._forced.pop(0)
        steps = self._prompted if prompted else self._elsewhere
        if not steps:
            return None
        what = hashlib.blake2b(
            body, digest_size=16, key=hashlib.blake2b(call.encode(), digest_size=16).digest()
        ).digest()
        times = self._seen.get(what, 0)
        self._seen[what] = times + 1
        return _pick(steps, fraction(self._seed, "road", what, times))

    def in_the_answer(self, what: bytes, *, judged: bool) -> str | None:
        """The fault of the answer to a question; `judged`: it is to fit a schema."""
        steps = self._judged if judged else self._content
        return _pick(steps, fraction(self._seed, "answer", what)) if steps else None

    def in_a_line(self, batch: bytes, number: int) -> str | None:
        return _pick(self._line, fraction(self._seed, "line", batch, number)) if self._line else None

    def of_a_batch(self, what: bytes) -> str | None:
        if not self._batch:
            return None
        times = self._seen[what] = self._seen.get(what, 0) + 1
        return _pick(self._batch, fraction(self._seed, "batch", what, times))

    def shuffles(self, what: bytes) -> bool:
        return fraction(self._seed, "shuffle", what) < self._shuffled

    def latency(self, what: bytes, tokens_out: int) -> float:
        """Seconds until the answer to this request."""
        how = self._latency
        if not how.median and not how.per_token:
            return 0.0
        spread = _NORMAL.inv_cdf(min(max(fraction(self._seed, "latency", what), 1e-9), 1 - 1e-9)) if how.sigma else 0.0
        return float(how.median * 2.718281828459045 ** (how.sigma * spread) + how.per_token * tokens_out)


def _steps(faults: Faults, names: Sequence[str]) -> list[tuple[float, str]]:
    """Faults with a rate, each with the sum of the rates up to it."""
    steps, total = [], 0.0
    for name in names:
        if rate := getattr(faults, name):
            total += rate
            steps.append((total, name))
    return steps


def _pick(steps: list[tuple[float, str]], drawn: float) -> str | None:
    for limit, name in steps:
        if drawn < limit:
            return name
    return None
