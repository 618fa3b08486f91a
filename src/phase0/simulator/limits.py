"""Requests and tokens per minute: a bucket for each key and model, and the headers that tell how full it is."""

from __future__ import annotations

from collections.abc import Callable

from phase0.simulator.settings import Dialect, Limits, Model

Headers = tuple[tuple[str, str], ...]


class Bucket:
    """What may be taken: `per_minute` of it, refilled evenly; what is not taken is saved up to `capacity`."""

    def __init__(self, per_minute: float, burst: float, now: float) -> None:
        self.per_minute = per_minute
        self.per_second = per_minute / 60
        self.capacity = max(self.per_second * burst, 1.0)
        self.level = self.capacity
        self._at = now

    def refill(self, now: float) -> None:
        self.level = min(self.capacity, self.level + (now - self._at) * self.per_second)
        self._at = now

    def wait(self, amount: float) -> float:
        """Seconds until so much is there. More than ever fits is given once the bucket is full."""
        return max(0.0, (min(amount, self.capacity) - self.level) / self.per_second)

    def until_full(self) -> float:
        return (self.capacity - self.level) / self.per_second


class Gate:
    """The two buckets of one key and model. `speed` turns the provider's seconds into the client's."""

    def __init__(self, model: Model, limits: Limits, now: float, speed: float) -> None:
        requests = model.requests_per_minute or limits.requests_per_minute
        tokens = model.tokens_per_minute or limits.tokens_per_minute
        self.requests = Bucket(requests, limits.burst, now) if requests else None
        self.tokens = Bucket(tokens, limits.burst, now) if tokens else None
        self._speed = speed

    def admit(self, tokens: int, now: float) -> tuple[str, float] | None:
        """Take one request and its tokens; or what is short, and the client's seconds until there is enough."""
        short = None
        for name, bucket, amount in (("requests", self.requests, 1), ("tokens", self.tokens, tokens)):
            if bucket is not None:
                bucket.refill(now)
                wait = bucket.wait(amount)
                if wait > 1e-9 and (short is None or wait > short[1]):
                    short = (name, wait)
        if short is not None:
            return short[0], short[1] / self._speed
        if self.requests is not None:
            self.requests.level -= 1
        if self.tokens is not None:
            self.tokens.level -= tokens
        return None

    def headers(self, dialect: Dialect) -> Headers:
        return _HEADERS[dialect](self, self._speed)


def go_duration(seconds: float) -> str:
    """Seconds as Go writes a duration, to the millisecond: 12ms, 1.5s, 6m0s, 1h2m3s."""
    thousandths = round(seconds * 1000)
    if thousandths < 1000:
        return f"{thousandths}ms" if thousandths else "0s"
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    told = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{told}"
    return f"{minutes}m{told}" if minutes else told


def _openai(gate: Gate, speed: float) -> Headers:
    """Limits by the minute, times until full as Go durations."""
    told: list[tuple[str, str]] = []
    for name, bucket in (("requests", gate.requests), ("tokens", gate.tokens)):
        if bucket is not None:
            told += [
                (f"x-ratelimit-limit-{name}", str(round(bucket.per_minute * speed))),
                (f"x-ratelimit-remaining-{name}", str(max(0, int(bucket.level)))),
                (f"x-ratelimit-reset-{name}", go_duration(bucket.until_full() / speed)),
            ]
    return tuple(told)


def _together(gate: Gate, speed: float) -> Headers:
    """Limits by the second, times until full in seconds, and none of these for tokens."""
    told: list[tuple[str, str]] = []
    for name, bucket in (("ratelimit", gate.requests), ("tokenlimit", gate.tokens)):
        if bucket is not None:
            rate = f"{bucket.per_second * speed:.6g}"
            left = f"{max(0.0, min(bucket.level, bucket.per_second * speed)):.6g}"
            told += [(f"x-{name}-limit", rate), (f"x-{name}-remaining", left)]
            told += [(f"x-{name}-limit-dynamic", rate), (f"x-{name}-remaining-dynamic", left)]
            if name == "ratelimit":
                told.append(("x-ratelimit-reset", f"{bucket.until_full() / speed:.3f}"))
    return tuple(told)


_HEADERS: dict[Dialect, Callable[[Gate, float], Headers]] = {"openai": _openai, "together": _together}
