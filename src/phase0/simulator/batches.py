"""The provider's batches: made from an uploaded file, run by the clock, ended in every way that real ones end.

A batch is answered and charged when somebody first looks at it, or at the bill, after its end.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from phase0.simulator import batch_output, wire
from phase0.simulator.batch_input import Input, Line, Wrong, read
from phase0.simulator.batch_output import Ended
from phase0.simulator.completions import Completions, Wanted
from phase0.simulator.context import Context
from phase0.simulator.course import ENDS, Course, Status, cancelled, planned
from phase0.simulator.files import PURPOSES, Files, Stored
from phase0.simulator.settings import BatchLife, Dialect
from phase0.simulator.wire import Sent

ENDPOINT = "/v1/chat/completions"
_STAMPED: tuple[Status, ...] = ("finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
_TOGETHER: dict[Status, str] = {"finalizing": "IN_PROGRESS", "cancelling": "IN_PROGRESS"}
_UNDELIVERED = {"line_missing", "line_wrong_id", "line_malformed"}


class Batch:
    """One batch. Everything but its course and its files is fixed when it is made."""

    def __init__(self, name: str, dialect: Dialect, source: Stored, read: Input, asked: Mapping[str, Any]) -> None:
        self.id = name
        self.key = source.key
        self.dialect = dialect
        self.source = source
        self.read = read
        self.metadata = asked.get("metadata") if dialect == "openai" else None
        self.window = str(asked.get("completion_window") or "24h")
        self.digest = hashlib.blake2b(source.body, digest_size=16).digest()
        self.errors: list[Wrong] = list(read.wrong)
        self.made = 0.0  # the provider's seconds
        self.stamp = 0.0  # the same moment in seconds since 1970
        self.course = Course((), 0.0)
        self.nothing_works = False
        self.output_id: str | None = None
        self.errors_id: str | None = None
        self.counts = (0, 0)
        self.settling = asyncio.Lock()  # guards `settled`: a batch is answered once, however many look at it
        self.settled = False


class Batches:
    """All batches of one provider."""

    def __init__(self, context: Context, files: Files, completions: Completions) -> None:
        self._settings = context.settings
        self._models = context.models
        self._chance = context.chance
        self._clock = context.clock
        self._files = files
        self._completions = completions
        self._batches: dict[str, Batch] = {}

    async def create(self, key: str, dialect: Dialect, asked: Mapping[str, Any]) -> Sent:
        """A new batch; what is wrong with its file is told later, when it has been validated."""
        source = self._files.find(str(asked.get("input_file_id")), key)
        if source is None:
            told = f"Invalid 'input_file_id': there is no file {asked.get('input_file_id')!r}."
            return wire.problem("bad_request", dialect, detail=told)
        if wrong := _wrong(asked, dialect, source, self._settings.batches):
            return wire.problem("bad_request", dialect, detail=wrong)
        found = await read(source.body, ENDPOINT, dialect, self._settings.batches, self._tokens)
        number = len(self._batches) + 1
        name = f"batch_{number:012x}" if dialect == "openai" else f"00000000-0000-4000-8000-{number:012x}"
        batch = Batch(name, dialect, source, found, asked)
        if (short := self._over_limit(batch)) and not batch.errors:
            batch.errors.append(short)
        fate = self._chance.of_a_batch(batch.digest)
        if fate == "batch_failed" and not batch.errors:
            batch.errors.append(Wrong(self._chance.faults.failed_code, "The batch was refused (simulated)."))
        batch.nothing_works = fate == "batch_no_output"
        batch.made, batch.stamp = self._clock.now(), self._clock.unix()
        batch.course = planned(self._settings.batches, batch.made, refused=bool(batch.errors), fate=fate)
        self._batches[batch.id] = batch
        described = self.described(batch)
        return wire.as_json({"job": described, "warning": None} if dialect == "together" else described)

    async def get(self, name: str, key: str, dialect: Dialect) -> Sent:
        batch = self._find(name, key)
        if batch is None:
            return wire.problem("not_found", dialect, detail=f"No batch found with id '{name}'.")
        await self._settle(batch)
        return wire.as_json(self.described(batch))

    async def cancel(self, name: str, key: str, dialect: Dialect) -> Sent:
        batch = self._find(name, key)
        if batch is None:
            return wire.problem("not_found", dialect, detail=f"No batch found with id '{name}'.")
        now = self._clock.now()
        if (status := batch.course.step(now).status) in ENDS:
            told = f"Cannot cancel a batch with status '{status}'."
            return wire.problem("bad_request", dialect, detail=told)._replace(status=409)
        batch.course = cancelled(batch.course, self._settings.batches, now)
        return wire.as_json(self.described(batch))

    async def list(self, key: str, dialect: Dialect, query: Mapping[str, str]) -> Sent:
        """Newest first: in pages of `limit` after the batch `after`, or (Together) all at once."""
        mine = [batch for batch in reversed(self._batches.values()) if batch.key == key and batch.dialect == dialect]
        for batch in mine:
            await self._settle(batch)
        if dialect == "together":
            return wire.as_json([self.described(batch) for batch in mine])
        limit = query.get("limit", "20")
        if not limit.isdecimal() or not 1 <= int(limit) <= 100:
            return wire.problem("bad_request", dialect, detail=f"limit is {limit!r}; it must be from 1 to 100.")
        names = [batch.id for batch in mine]
        start = names.index(query["after"]) + 1 if query.get("after") in names else 0
        page = mine[start : start + int(limit)]
        ends = (page[0].id, page[-1].id) if page else (None, None)
        return wire.as_json(
            {
                "object": "list",
                "data": [self.described(batch) for batch in page],
                "first_id": ends[0],
                "last_id": ends[1],
                "has_more": start + len(page) < len(mine),
            }
        )

    async def settle(self) -> None:
        """Answer and charge every batch that has ended by now."""
        for batch in list(self._batches.values()):
            await self._settle(batch)

    def described(self, batch: Batch) -> dict[str, Any]:
        """A batch as its dialect describes it."""
        return self._as_together(batch) if batch.dialect == "together" else self._as_openai(batch)

    def _find(self, name: str, key: str) -> Batch | None:
        batch = self._batches.get(name)
        return batch if batch is not None and batch.key == key else None

    def _tokens(self, body: bytes) -> int | Sent:
        found = self._completions.read(body)
        return found if isinstance(found, Sent) else found.tokens_in

    def _over_limit(self, batch: Batch) -> Wrong | None:
        """Why there is no room for it in the queue, or no such batch at all."""
        model = self._models.get(batch.read.model or "")
        if model is None:
            return None
        if not model.takes_batches:
            return Wrong("invalid_model", f"The model {model.name} is not available for batches.")
        if model.enqueued_tokens is None:
            return None
        now = self._clock.now()
        queued = sum(
            other.read.tokens
            for other in self._batches.values()
            if (other.key, other.read.model) == (batch.key, model.name) and other.course.step(now).status not in ENDS
        )
        if queued + batch.read.tokens <= model.enqueued_tokens:
            return None
        return Wrong(
            "token_limit_exceeded",
            f"Enqueued token limit reached for {model.name} in organization org-simulated. Limit: "
            f"{model.enqueued_tokens:,} enqueued tokens. Please try again once some in_progress batches have been "
            "completed.",
        )

    async def _settle(self, batch: Batch) -> None:
        """Write its files and charge for its lines, once, after its end."""
        end = batch.course.end
        if batch.settled or end.status == "failed" or self._clock.now() < end.at:
            return
        async with batch.settling:
            if batch.settled:
                return
            ended = Ended(
                batch.id,
                batch.digest,
                batch.dialect,
                batch.read.lines,
                batch.course.done,
                end.status,
                batch.nothing_works,
            )
            made = await batch_output.write(
                ended, self._chance, self._settings.seed, lambda line, fault: self._answer(batch, line, fault)
            )
            stamp = self._unix(batch, end.at) or 0.0
            if made.output:
                name = f"{batch.id}_output.jsonl"
                batch.output_id = self._files.add(batch.key, name, "batch_output", made.output, stamp).id
            if made.errors:
                name = f"{batch.id}_error.jsonl"
                batch.errors_id = self._files.add(batch.key, name, "batch_output", made.errors, stamp).id
            batch.counts = (made.completed, made.failed)
            batch.settled = True

    def _answer(self, batch: Batch, line: Line, fault: str | None) -> Sent:
        wanted = Wanted(
            body=bytes(line.body),
            key=batch.key,
            dialect=batch.dialect,
            call=f"batch {batch.id}",
            mode="batch",
            custom_id=line.custom_id,
            delivered=fault not in _UNDELIVERED,
        )
        return self._completions.serve(wanted)

    def _unix(self, batch: Batch, at: float | None) -> float | None:
        return None if at is None else batch.stamp + (at - batch.made) / self._clock.speed

    def _as_openai(self, batch: Batch) -> dict[str, Any]:
        now, course, total = self._clock.now(), batch.course, len(batch.read.lines)
        status = course.step(now).status

        def stamp(status: Status) -> int | None:
            at = self._unix(batch, course.when(status, now))
            return None if at is None else int(at)

        # Completed are counted as they come; lines that an expired batch never reached are counted nowhere.
        done, failed = batch.counts if batch.settled else (int(total * course.progress(now)), 0)
        errors = {"object": "list", "data": [{**wrong._asdict(), "param": None} for wrong in batch.errors]}
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": ENDPOINT,
            "model": batch.read.model,
            "errors": errors if status == "failed" else None,
            "input_file_id": batch.source.id,
            "completion_window": batch.window,
            "status": status,
            "output_file_id": batch.output_id,
            "error_file_id": batch.errors_id,
            "created_at": int(batch.stamp),
            "in_progress_at": stamp("in_progress"),
            "expires_at": int(batch.stamp + self._settings.batches.window / self._clock.speed),
            **{f"{name}_at": stamp(name) for name in _STAMPED},
            "request_counts": {"total": 0 if status == "failed" else total, "completed": done, "failed": failed},
            "metadata": batch.metadata,
        }

    def _as_together(self, batch: Batch) -> dict[str, Any]:
        now, course = self._clock.now(), batch.course
        status = course.step(now).status
        ended = self._unix(batch, course.end.at if status in ENDS else None)
        deadline = batch.stamp + self._settings.batches.window / self._clock.speed
        return {
            "id": batch.id,
            "user_id": "simulated",
            "input_file_id": batch.source.id,
            "file_size_bytes": len(batch.source.body),
            "status": _TOGETHER.get(status, status.upper()),
            "job_deadline": _iso(deadline),
            "created_at": _iso(batch.stamp),
            "completed_at": None if ended is None else _iso(ended),
            "endpoint": ENDPOINT,
            "progress": round(100 * course.progress(now), 1),
            "model_id": batch.read.model,
            "output_file_id": batch.output_id,
            "error_file_id": batch.errors_id,
            "error": "; ".join(f"{wrong.code}: {wrong.message}" for wrong in batch.errors)
            if status == "failed"
            else None,
        }


def _wrong(asked: Mapping[str, Any], dialect: Dialect, source: Stored, life: BatchLife) -> str | None:
    """What forbids making a batch at once."""
    window, given = asked.get("completion_window"), asked.get("metadata") or {}
    rules = (
        (source.purpose == PURPOSES[dialect], f"The file's purpose is {source.purpose!r}, not {PURPOSES[dialect]!r}."),
        (len(source.body) <= life.max_bytes, f"The file has {len(source.body)} bytes; {life.max_bytes} are allowed."),
        (asked.get("endpoint") == ENDPOINT, f"Invalid 'endpoint': {asked.get('endpoint')!r} is not {ENDPOINT}."),
        (dialect != "openai" or window == "24h", f"Invalid 'completion_window': {window!r} is not '24h'."),
        (len(given) <= 16, f"Invalid 'metadata': {len(given)} pairs; 16 are allowed."),
        (all(len(name) <= 64 for name in given), "Invalid 'metadata': a key has more than 64 characters."),
        (all(len(str(text)) <= 512 for text in given.values()), "Invalid 'metadata': a value has more than 512."),
    )
    return next((told for holds, told in rules if not holds), None)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
