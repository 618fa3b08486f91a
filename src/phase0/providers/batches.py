"""Batches in OpenAI's shape: a file of requests goes up, two files of answers come down, hours later and in any order.

Lines are joined by `custom_id` alone, and both files are read in every end state: a completed batch may have no output,
an expired or cancelled one has what it did in time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from yarl import URL

from phase0.catalog.models import BatchQuirks
from phase0.dataset.rows import NOT_JSON
from phase0.errors import ProviderError, Refused, Transient
from phase0.providers import BatchLine, BatchState, BatchStatus, Counts
from phase0.providers.http import Client
from phase0.providers.outcomes import failure, told
from phase0.records import Request

T = TypeVar("T")

TAG = "phase0"
"""The key of our tag in a batch's metadata."""

_PAGE = 100  # batches to a page, the most that servers allow
_ENDPOINT = "/v1/chat/completions"
_STATUS: dict[str, BatchStatus] = {
    "validating": "validating",
    "queued": "validating",
    "pending": "validating",
    "in_progress": "running",
    "running": "running",
    "finalizing": "running",
    "completed": "completed",
    "failed": "failed",
    "expired": "expired",
    "cancelling": "cancelling",
    "cancelled": "cancelled",
    "canceled": "cancelled",
}
"""The words of all servers, in small letters, and ours."""

_NEVER_RAN = frozenset({"batch_expired", "batch_cancelled", "expired", "cancelled"})

_encode = msgspec.json.Encoder().encode


class _Batch(msgspec.Struct):
    """A batch as servers describe it. What may be of any type is read with care."""

    id: str
    status: str = ""
    errors: Any = None
    error: Any = None
    request_counts: Any = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    input_file_id: str | None = None
    metadata: dict[str, Any] | None = None
    expires_at: Any = None
    job_deadline: Any = None


class _File(msgspec.Struct):
    id: str
    filename: str | None = None


class _Page(msgspec.Struct):
    data: list[msgspec.Raw] | None = None
    has_more: bool | None = None


class _Answer(msgspec.Struct):
    body: msgspec.Raw = msgspec.Raw()
    status_code: int | None = None


class _Line(msgspec.Struct):
    custom_id: str | None = None
    response: _Answer | None = None
    error: Any = None


_batch = msgspec.json.Decoder(_Batch).decode
_file = msgspec.json.Decoder(_File).decode
_page = msgspec.json.Decoder(_Page | list[msgspec.Raw]).decode
_wrapped = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_line = msgspec.json.Decoder(_Line).decode


class FileBatches:
    """The batches of one endpoint."""

    def __init__(self, client: Client, quirks: BatchQuirks, body: Callable[[Request], dict[str, Any]]) -> None:
        self.max_requests = quirks.max_requests
        self.max_bytes = quirks.max_bytes
        self._client = client
        self._quirks = quirks
        self._body = body

    def line(self, custom_id: str, request: Request) -> bytes:
        """The line of a batch file that asks `request`, with its line end."""
        asked = {"custom_id": custom_id, "method": "POST", "url": _ENDPOINT, "body": self._body(request)}
        return _encode(asked) + b"\n"

    async def submit(self, path: Path, tag: str) -> str:
        """Upload a file of lines and create its batch under our tag; the provider's id of it."""
        name = _file_name(tag)
        fields = {"purpose": self._quirks.files_purpose}
        if self._quirks.names_files:
            fields["file_name"] = name
        raw = await self._client.upload(self._client.url(self._quirks.files_path), path, name, fields)
        wanted: dict[str, Any] = {
            "input_file_id": self._read(_file, raw).id,
            "endpoint": _ENDPOINT,
            "completion_window": self._quirks.window,
        }
        if self._quirks.tag == "metadata":
            wanted["metadata"] = {TAG: tag}
        created = (await self._client.send("POST", self._client.url("/batches"), _encode(wanted))).body
        return self._read(_batch, self._unwrapped(created)).id

    async def find(self, tag: str) -> str | None:
        """The id of the batch that was created under a tag, if there is one.

        By the batch's metadata. Not every server keeps that: of batches without a tag of ours, by the name of the file
        that they were made from. Raises Refused where that is needed, and files are not listed.
        """
        unmarked: dict[str, str] = {}  # ids of batches, by the file they were made from
        async for raw in self._listed("/batches"):
            batch = self._read(_batch, raw)
            mark = (batch.metadata or {}).get(TAG)
            if mark == tag:
                return batch.id
            if mark is None and batch.input_file_id is not None:
                unmarked.setdefault(batch.input_file_id, batch.id)
        if unmarked:
            async for raw in self._listed("/files"):
                file = self._read(_file, raw)
                if file.filename == _file_name(tag) and file.id in unmarked:
                    return unmarked[file.id]
        return None

    async def state(self, batch_id: str) -> BatchState:
        """How the batch stands."""
        batch = self._read(_batch, self._unwrapped((await self._client.send("GET", self._at(batch_id))).body))
        status = _STATUS.get(batch.status.lower())
        if status is None:
            raise Transient(f"{self._client.peer.server}: batch {batch_id} is {batch.status!r}", reason="malformed")
        files = (batch.output_file_id, batch.error_file_id)
        return BatchState(
            id=batch.id,
            status=status,
            errors=_errors(batch),
            counts=_counts(batch.request_counts),
            files=tuple(file for file in files if file),
            expires_at=_moment(batch.expires_at or batch.job_deadline),
        )

    async def lines(self, state: BatchState) -> AsyncIterator[BatchLine]:
        """Every line of the output and of the error file, in whatever order they stand there."""
        for file in state.files:
            async for raw in self._client.lines(self._client.url(f"/files/{quote(file, safe='')}/content")):
                if raw.strip():
                    yield self._answer(raw)

    async def cancel(self, batch_id: str) -> None:
        """Ask for the batch to be stopped."""
        await self._client.send("POST", self._at(batch_id, "/cancel"))

    def _answer(self, raw: bytes) -> BatchLine:
        """One line: the body of a reply, or what its failure means."""
        try:
            line = _line(raw)
        except NOT_JSON as error:
            why = f"{self._client.peer.server}: a line of a batch cannot be read: {error}"
            return BatchLine(None, None, Transient(why, reason="malformed"))
        if line.response is not None and len(line.response.body) > len(b"null"):
            status = line.response.status_code or 200
            body = bytes(line.response.body)
            if 200 <= status < 300:
                return BatchLine(line.custom_id, body, None)
            return BatchLine(line.custom_id, None, failure(status, body, self._client.peer))
        return BatchLine(line.custom_id, None, self._unanswered(line))

    def _unanswered(self, line: _Line) -> ProviderError:
        """A line that has no body. Most never ran: the batch ended first."""
        body = _encode({"error": line.error})
        said = told(body, self._client.peer.scrub)
        if said.codes & _NEVER_RAN:
            return Transient(f"{self._client.peer.server}: its batch ended first", reason="unanswered")
        status = (line.response and line.response.status_code) or 400
        failed = failure(status, body, self._client.peer)
        if (
            isinstance(failed, Refused) and failed.reason == "bad_request"
        ):  # no word of it says that it is the request's
            message = f"{self._client.peer.server}: not answered by its batch: {said.message}"
            return Transient(message, reason="unanswered")
        return failed

    async def _listed(self, path: str) -> AsyncIterator[msgspec.Raw]:
        """Everything in a list of the provider's, page by page, newest first where it says so."""
        after = ""
        while True:
            url = self._client.url(path).with_query({"limit": str(_PAGE), **({"after": after} if after else {})})
            page = self._read(_page, (await self._client.send("GET", url)).body)
            entries = page if isinstance(page, list) else page.data or []
            for entry in entries:
                yield entry
            last = self._read(_file, entries[-1]).id if entries else ""
            if isinstance(page, list) or not page.has_more or last in {"", after}:
                return
            after = last

    def _at(self, batch_id: str, what: str = "") -> URL:
        return self._client.url(f"/batches/{quote(batch_id, safe='')}{what}")

    def _unwrapped(self, raw: bytes) -> bytes | msgspec.Raw:
        """The batch in an answer that may hold it under a key."""
        if self._quirks.wrapped is None:
            return raw
        return self._read(_wrapped, raw).get(self._quirks.wrapped) or raw

    def _read(self, decode: Callable[[bytes | msgspec.Raw], T], raw: bytes | msgspec.Raw) -> T:
        try:
            return decode(raw)
        except NOT_JSON as error:
            why = f"{self._client.peer.server}: an answer about batches cannot be read: {error}"
            raise Transient(why, reason="malformed") from None


def _file_name(tag: str) -> str:
    return f"{tag}.jsonl"


def _errors(batch: _Batch) -> tuple[tuple[str, str], ...]:
    """What a provider says against a batch as a whole: a list under `errors.data`, a list, an object or a string."""
    found = batch.errors.get("data", batch.errors) if isinstance(batch.errors, dict) else batch.errors
    found = found or batch.error
    each = found if isinstance(found, list) else [found] if found else []
    return tuple(
        (str(error.get("code") or ""), str(error.get("message") or "")) if isinstance(error, dict) else ("", str(error))
        for error in each
    )


def _counts(counts: Any) -> Counts | None:
    if not isinstance(counts, dict):
        return None
    found = (counts.get(name) for name in ("total", "completed", "failed"))
    return Counts(*(count if isinstance(count, int) else None for count in found))


def _moment(value: Any) -> float | None:
    """Seconds since 1970, from a number or an ISO date."""
    if isinstance(value, int | float):
        return float(value)
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
