"""A provider speaks one kind of API: one call is one exchange, and every failure is Transient, Refused or Fatal.

Providers never retry, sleep or log, and never see the ledger: whoever calls them decides what happens next.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from phase0.registry import load

if TYPE_CHECKING:
    from phase0.catalog.models import Endpoint
    from phase0.errors import ProviderError
    from phase0.records import Reply, Request

PROVIDERS = {
    "openai": "phase0.providers.openai:OpenAI",
    "replicate": "phase0.providers.replicate:Replicate",
}

BatchStatus = Literal["validating", "running", "completed", "failed", "expired", "cancelling", "cancelled"]
ENDED: frozenset[BatchStatus] = frozenset({"completed", "failed", "expired", "cancelled"})


class Limits(NamedTuple):
    """What the headers of an answer said about limits; None where they were silent.

    `requests` may be sent in `requests_window` seconds, `requests_left` of them until the window starts again in
    `requests_reset` seconds, or until all of them are back where they come back evenly; the same for tokens. By the
    second they may be fractions.
    """

    requests: float | None = None
    requests_left: float | None = None
    requests_reset: float | None = None
    tokens: float | None = None
    tokens_left: float | None = None
    tokens_reset: float | None = None
    requests_window: float = 60.0
    tokens_window: float = 60.0


class Sent(NamedTuple):
    """What came back for a request: the raw body, unread, and the limits if the headers said any."""

    body: bytes
    limits: Limits | None


class Listed(NamedTuple):
    """A model that an endpoint offers. `shutdown_date` is YYYY-MM-DD; None where none is announced."""

    id: str
    shutdown_date: str | None


class Counts(NamedTuple):
    """How far a batch is, as its provider counts. For display only: counts and lines are known to disagree."""

    total: int | None
    completed: int | None
    failed: int | None


class BatchState(NamedTuple):
    """A batch as its provider describes it now, in one vocabulary for all providers."""

    id: str
    status: BatchStatus
    errors: tuple[tuple[str, str], ...]  # (code, message)
    counts: Counts | None
    files: tuple[str, ...]  # ids of the files that hold its lines: output, then errors; either may be missing
    expires_at: float | None  # seconds since 1970


class BatchLine(NamedTuple):
    """One line of a batch's output: the body of a reply, or why there is none.

    `custom_id` is None where the provider could not read the line that it answers.
    """

    custom_id: str | None
    raw: bytes | None
    failure: ProviderError | None


class Provider(Protocol):
    """One endpoint that answers requests. Used from one event loop."""

    batches: Batches | None

    async def send(self, request: Request) -> Sent:
        """One request, one answer. Raises Transient, Refused or Fatal."""
        ...

    def read(self, raw: bytes) -> Reply:
        """The reply in a body. Raises Transient (`malformed`, `incomplete`) where there is none."""
        ...

    async def models(self) -> Sequence[Listed]:
        """What the endpoint offers now. Raises Transient or Fatal."""
        ...

    async def close(self) -> None:
        """Give back the connections."""
        ...


class Batches(Protocol):
    """Many requests in one file, answered within hours. Every call may raise Transient, Refused or Fatal."""

    max_requests: int
    max_bytes: int  # of one file

    def line(self, custom_id: str, request: Request) -> bytes:
        """The line of a batch file that asks `request`, with its line end."""
        ...

    async def submit(self, path: Path, tag: str) -> str:
        """Upload a file of lines and create its batch under our tag; the provider's id of it."""
        ...

    async def find(self, tag: str) -> str | None:
        """The id of the batch that was created under a tag, if there is one: for after a crash."""
        ...

    async def state(self, batch_id: str) -> BatchState:
        """How the batch stands."""
        ...

    def lines(self, state: BatchState) -> AsyncIterator[BatchLine]:
        """Every line of the output and of the error file, in whatever order they stand there."""
        ...

    async def cancel(self, batch_id: str) -> None:
        """Ask for the batch to be stopped. What it has answered by then is still billed and still readable."""
        ...


def connect(endpoint: Endpoint, key: str | None, *, timeout: float = 600) -> Provider:
    """The provider that speaks to an endpoint. `timeout` is for one exchange, in seconds."""
    provider: Provider = load("provider", PROVIDERS, endpoint.server.provider)(endpoint, key, timeout=timeout)
    return provider


@cache
def reading(server: str) -> Provider:
    """A provider that only reads what a server of this name sent. One that nobody knows is taken to speak OpenAI's
    API."""
    from phase0.catalog.models import Endpoint, servers

    known = servers().get(server) or servers()["compatible"]
    return connect(Endpoint(server=known, url="http://localhost", model_id=""), None)
