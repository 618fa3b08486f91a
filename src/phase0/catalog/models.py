"""The models that phase0 knows by name and the servers that offer them, as dated data.

A teacher names its endpoints in order of preference. What nobody has looked up is None, never a guess.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, Literal

import msgspec

Feature = Literal["json_schema", "logprobs", "n", "seed"]


class LimitHeaders(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names of the headers that state limits, the first that is there counts; and the windows they speak of."""

    requests: tuple[str, ...] = ("x-ratelimit-limit-requests",)
    requests_left: tuple[str, ...] = ("x-ratelimit-remaining-requests",)
    requests_reset: tuple[str, ...] = ("x-ratelimit-reset-requests",)
    tokens: tuple[str, ...] = ("x-ratelimit-limit-tokens",)
    tokens_left: tuple[str, ...] = ("x-ratelimit-remaining-tokens",)
    tokens_reset: tuple[str, ...] = ("x-ratelimit-reset-tokens",)
    requests_window: float = 60.0  # seconds
    tokens_window: float = 60.0


class BatchQuirks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a server's batches differ from OpenAI's, and what they may hold."""

    files_purpose: str = "batch"
    wrapped: str | None = None  # the key under which the reply to `create` holds the batch
    window: str | None = "24h"  # completion_window; None: not sent
    metadata: bool = True  # whether a batch carries our tag; else it is found by the name of its file
    full_lines: bool = True  # whether a line needs method and url beside custom_id and body
    one_model: bool = True  # whether all lines of a file must name one model
    max_requests: int = 50_000
    max_bytes: int = 100_000_000
    max_tokens: int | None = None  # enqueued input tokens per model
    discount: Decimal | None = None  # share of the online price that is saved; None where it depends on the model


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server and its ways."""

    name: str = ""  # the key that the entry stands under
    provider: Literal["openai", "replicate"] = "openai"
    url: str | None = None  # None: every account has its own, given as `url_env` or --base-url
    url_env: str | None = None  # the variable that moves it
    key_env: str | None = None  # the variable that holds the key; None: it needs none
    local: bool = False  # runs on the user's own machines: its price is 0
    max_tokens_name: str = "max_tokens"
    supports: frozenset[Feature] = frozenset()
    limit_headers: LimitHeaders = LimitHeaders()
    batch: BatchQuirks | None = None
    note: str | None = None


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an endpoint allows in a minute; None where nobody knows before the first answer."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class ListPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """US dollars per million tokens, as a source stated them on a day. None for batches: no price of their own."""

    input: Decimal
    output: Decimal
    batch_input: Decimal | None = None
    batch_output: Decimal | None = None
    source: str
    as_of: date


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model at a server."""

    server: Server
    url: str | None  # without a slash at its end; None: to be given
    model_id: str  # what the server calls the model
    limits: Limit = Limit()
    batch: bool = False  # whether the server takes batches of this model
    price: ListPrice | None = None  # None: genai-prices knows it under `price_ref`, or nobody does
    price_ref: str | None = None  # provider/model of genai-prices


class Style(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model is asked: a system prompt and sampling parameters, by OpenAI's names and `max_tokens`."""

    system: str | None = None
    params: dict[str, Any] = {}


class Teacher(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that answers or judges."""

    name: str = ""  # the key that the entry stands under
    model: str  # the canonical name: what requests, rows and the ledger call it, wherever it is bought
    family: str
    endpoints: tuple[Endpoint, ...]  # in order of preference
    context: int | None = None  # tokens, prompt and answer together
    max_output: int | None = None  # tokens
    shutdown: date | None = None
    replacement: str | None = None  # the teacher to take instead
    license_note: str | None = None
    style: Style = Style()
    styles: dict[str, Style] = {}  # by category, in place of `style`
    note: str | None = None
