"""The lines of a batch's input file, and what the validation finds wrong with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from phase0.simulator.settings import BatchLife, Dialect
from phase0.simulator.wire import Sent

_MOST_ERRORS = 10
_CHUNK = 500  # lines between two turns of the event loop


class Line(msgspec.Struct, frozen=True):
    """One request of a batch."""

    custom_id: str
    body: msgspec.Raw
    method: str | None = None
    url: str | None = None


class Wrong(NamedTuple):
    """What validation holds against a file; `line` counts from 1."""

    code: str
    message: str
    line: int | None = None


class Input(NamedTuple):
    """A read file."""

    lines: list[Line]
    wrong: list[Wrong]
    model: str | None
    tokens: int  # of all prompts


class _Named(msgspec.Struct, frozen=True):
    model: str | None = None


async def read(
    body: bytes, endpoint: str, dialect: Dialect, life: BatchLife, tokens_of: Callable[[bytes], int | Sent]
) -> Input:
    """The lines of a file. `tokens_of` counts the prompt of a request, or says what is wrong with it."""
    decode, model_of = msgspec.json.Decoder(Line).decode, msgspec.json.Decoder(_Named).decode
    lines: list[Line] = []
    wrong: list[Wrong] = []
    seen: set[str] = set()
    model, total = None, 0
    raw = body.split(b"\n")
    for number, text in enumerate(raw, 1):
        if number % _CHUNK == 0:
            await asyncio.sleep(0)
        if not text.strip():
            continue
        try:
            line = decode(text)
            named = model_of(line.body).model
        except msgspec.MsgspecError:
            wrong.append(Wrong("invalid_json_line", "This line is not parseable as valid JSON.", number))
            continue
        found = _wrong_with(line, endpoint, dialect, seen)
        if dialect == "openai" and named != (model or named):
            found = ("model_mismatch", f"The model {named!r} is not that of the other lines, {model!r}.")
        model = model or named
        seen.add(line.custom_id)
        if found:
            wrong.append(Wrong(*found, number))
        counted = tokens_of(bytes(line.body))
        total += counted if isinstance(counted, int) else 0
        lines.append(line)
    if not lines and not wrong:
        wrong.append(Wrong("empty_file", "The input file is empty. Please ensure that the batch contains requests."))
    if len(lines) > life.max_requests:
        wrong.append(Wrong("too_many_tasks", f"The batch has {len(lines)} requests; {life.max_requests} are allowed."))
    return Input(lines, wrong[:_MOST_ERRORS], model, total)


def _wrong_with(line: Line, endpoint: str, dialect: Dialect, seen: set[str]) -> tuple[str, str] | None:
    if line.custom_id in seen:
        return "duplicate_custom_id", f"The custom_id {line.custom_id!r} stands in another line too."
    if dialect == "openai" and line.method != "POST":
        return "invalid_method", f"The method is {line.method!r}; it must be POST."
    if dialect == "openai" and line.url != endpoint:
        return "url_mismatch", f"The URL is {line.url!r}; this batch is for {endpoint}."
    return None
