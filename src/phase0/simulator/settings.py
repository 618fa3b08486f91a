"""What a simulated provider is like: models and prices, limits, latency, the life of its batches, and its faults.

All of it is data, so that it can be sent to a process of its own. Times are the provider's seconds: a provider of
`speed` 60 is one that does everything sixty times as fast, its limits and the waits it asks for included.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from phase0.errors import UsageError, near_miss

Dialect = Literal["openai", "together"]


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model on offer. Prices are US dollars per million tokens of input and of output; None: nobody knows."""

    name: str
    price: tuple[Decimal, Decimal] | None = None
    batch_price: tuple[Decimal, Decimal] | None = None  # None: that of a single request
    requests_per_minute: int | None = None  # None: what Limits says
    tokens_per_minute: int | None = None
    enqueued_tokens: int | None = None  # of input, in batches that have not ended
    context: int | None = None  # tokens, prompt and answer together
    shutdown_date: str | None = None
    takes_batches: bool = True


class Replayed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of answers to replay: JSON lines of instruction, response and model, plain or gzip.

    With `model` they answer requests for that model, else for the one that each line names.
    """

    path: str
    model: str | None = None


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What each key may ask of each model. None: as much as it likes."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    burst: float = 60.0  # seconds: what is not used is saved for so long
    charge: Literal["used", "asked"] = "used"
    """Tokens counted when a request comes. `asked` is what OpenAI documents: the larger of the prompt and max_tokens,
    whatever is answered. `used` is prompt and answer: stricter than any provider can be, for it foresees the answer."""
    headers: bool = True


class Latency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds until an answer: log-normal around `median`, and so many more for each token of it."""

    median: float = 0.0
    sigma: float = 0.0  # of the logarithm: at 0.5 one in a hundred takes more than three times the median
    per_token: float = 0.0


class BatchLife(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a batch is in each of its states, in seconds, and what a file of it may hold."""

    validating: float = 0.2
    running: float = 1.0
    finalizing: float = 0.1
    cancelling: float = 0.2
    window: float = 86_400.0  # a batch that is still running then expires
    max_requests: int = 50_000
    max_bytes: int = 200_000_000


BEFORE = (
    "rate_limit",  # 429 with Retry-After
    "rate_limit_bare",  # 429 that does not say how long to wait
    "slow_down",  # 429: the rate was raised too quickly
    "server_error",  # 500
    "bad_gateway",  # 502 with a page of HTML
    "overloaded",  # 503
    "stall",  # nothing, until the client gives up
    "dropped",  # the connection is closed before the request was looked at
    "no_quota",  # 429 that no waiting helps
    "bad_key",  # 401
    "no_access",  # 403
    "unknown_model",  # 404
    "too_long",  # 400: more tokens than the model takes
)
"""Faults in place of the work: nothing is done and nothing is charged."""

AFTER = (
    "lost",  # done and charged, but the connection is closed before the first byte
    "truncated",  # half of the body, then the connection is closed
    "malformed",  # a body that is not JSON: cut short, a page of HTML, or nothing at all
    "no_reply",  # JSON that is no reply: without choices, or an error under status 200
    "no_finish",  # a reply that breaks off, its finish_reason null
)
"""Faults of the delivery: the work is done and charged."""

CONTENT = (
    "length",  # the answer would have been longer than asked for
    "content_filter",  # finish_reason content_filter, behind half of an answer
    "blocked",  # 400: the prompt does not please the provider's filter
    "empty",  # an answer without text
    "refusal",  # message.refusal in place of the text
    "declined",  # a refusal that looks like any other answer
)
"""Faults of the answer. They belong to the request: the same request meets them again, here and in a batch."""

JUDGED = (
    "off_form",  # no JSON, or JSON with something around it
    "off_scale",  # a number that the schema does not have: 0, 11, 7.5, "8", true
    "injected",  # what the row told the judge to say
    "abstained",  # null for every part
)
"""Faults of answers that were to fit a schema, as those of judges are; they belong to the request like the others."""

LINE = (
    "line_error",  # status 500 in place of an answer
    "line_missing",  # neither in the output nor among the errors
    "line_duplicate",  # there twice
    "line_wrong_id",  # a custom_id that nobody sent
    "line_malformed",  # not JSON
)
"""Faults of single lines of a batch's files."""

BATCH = (
    "batch_failed",  # validation refuses a good file
    "batch_expired",  # the window ends when half of the lines are done
    "batch_cancelled",  # stopped by nobody we know, half way
    "batch_no_output",  # completed, every line an error, no output file
)
"""Ends of a whole batch. `shuffled` is no end: the lines of the output are in an order of their own."""

EVERYWHERE = (
    "rate_limit",
    "rate_limit_bare",
    "server_error",
    "bad_gateway",
    "overloaded",
    "stall",
    "dropped",
    "lost",
    "truncated",
)
"""Faults that any address meets, not only those that answer prompts."""


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The share of requests, answers, lines or batches that meet each fault. What each is stands in the lists above."""

    rate_limit: float = 0.0
    rate_limit_bare: float = 0.0
    slow_down: float = 0.0
    server_error: float = 0.0
    bad_gateway: float = 0.0
    overloaded: float = 0.0
    stall: float = 0.0
    dropped: float = 0.0
    no_quota: float = 0.0
    bad_key: float = 0.0
    no_access: float = 0.0
    unknown_model: float = 0.0
    too_long: float = 0.0
    lost: float = 0.0
    truncated: float = 0.0
    malformed: float = 0.0
    no_reply: float = 0.0
    no_finish: float = 0.0
    length: float = 0.0
    content_filter: float = 0.0
    blocked: float = 0.0
    empty: float = 0.0
    refusal: float = 0.0
    declined: float = 0.0
    off_form: float = 0.0
    off_scale: float = 0.0
    injected: float = 0.0
    abstained: float = 0.0
    line_error: float = 0.0
    line_missing: float = 0.0
    line_duplicate: float = 0.0
    line_wrong_id: float = 0.0
    line_malformed: float = 0.0
    batch_failed: float = 0.0
    batch_expired: float = 0.0
    batch_cancelled: float = 0.0
    batch_no_output: float = 0.0
    shuffled: float = 0.0
    retry_after: float = 1.0  # seconds that a 429 asks to wait
    failed_code: str = "token_limit_exceeded"  # of batches that batch_failed refuses


NAMES = (*BEFORE, *AFTER, *CONTENT, *JUDGED, *LINE, *BATCH, "shuffled")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole provider. `seed` decides every fault and latency, whatever the order in which requests arrive."""

    seed: int = 0
    dialect: Dialect = "openai"  # of addresses that name none
    models: tuple[Model, ...] = ()  # empty: any name is served, at a price nobody knows
    keys: tuple[str, ...] = ()  # empty: any key will do, or none
    answers: tuple[Replayed, ...] = ()
    plain: bool = False  # one small answer for everything, neither counted nor billed: to measure a client
    limits: Limits = Limits()
    latency: Latency = Latency()
    faults: Faults = Faults()
    batches: BatchLife = BatchLife()
    speed: float = 1.0
    journal: str | None = None  # file of everything that was asked and charged; None: in a temporary folder


DEFAULT = Settings()


def check(settings: Settings) -> None:
    """Raise UsageError for values that cannot all be true."""
    if settings.speed <= 0:
        raise UsageError(f"speed is {settings.speed:g}; it must be above 0. 1 is real time.")
    rates = {name: getattr(settings.faults, name) for name in NAMES}
    for name, rate in rates.items():
        if not 0 <= rate <= 1:
            raise UsageError(f"The rate of {name} is {rate:g}; rates are from 0 to 1, so 20 % is 0.2.")
    for group in ((*BEFORE, *AFTER), (*CONTENT, *JUDGED), LINE, BATCH):
        total = sum(rates[name] for name in group)
        if total > 1 + 1e-9:
            named = ", ".join(f"{name} {rates[name]:g}" for name in group if rates[name])
            raise UsageError(
                f"Only one of these faults can happen at a time, but their rates sum to {total:g}: {named}."
            )


def parse_faults(given: str, *, retry_after: float = 1.0) -> Faults:
    """Faults from `name=rate,name=rate`. Raises UsageError for a name that is no fault."""
    rates: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in given.split(","))):
        name, _, rate = part.partition("=")
        if name not in NAMES:
            raise UsageError(f"There is no fault called {name!r}.{near_miss(name, NAMES)} Known: {', '.join(NAMES)}.")
        try:
            rates[name] = float(rate)
        except ValueError:
            raise UsageError(f"{part!r} should read {name}=RATE, such as {name}=0.05.") from None
    return msgspec.convert({**rates, "retry_after": retry_after}, Faults)
