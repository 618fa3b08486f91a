"""The output and the error file of a batch, written once, when it has ended, with whatever faults its lines meet."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from phase0.simulator import wire
from phase0.simulator.batch_input import Line
from phase0.simulator.chance import Chance, fraction
from phase0.simulator.settings import Dialect
from phase0.simulator.wire import Sent

_CHUNK = 100  # lines between two turns of the event loop: about 10 ms

_encode = msgspec.json.Encoder().encode


class Output(NamedTuple):
    """The two files, and how many lines were answered and how many were not."""

    output: bytes
    errors: bytes
    completed: int
    failed: int


class Ended(NamedTuple):
    """What is known of a batch at its end."""

    id: str
    digest: bytes  # of its input file: decides its faults
    dialect: Dialect
    lines: list[Line]
    done: float  # the share of the lines that were reached
    why: str  # the state it ended in
    nothing_works: bool  # every line fails


async def write(batch: Ended, chance: Chance, seed: int, answer: Callable[[Line, str | None], Sent]) -> Output:
    """Answer the lines that were reached; the others are errors (OpenAI) or left out (Together)."""
    output: list[bytes] = []
    errors: list[bytes] = []
    completed = failed = 0
    reached = _reached(batch, seed)
    for number, line in enumerate(batch.lines):
        if number % _CHUNK == 0:
            await asyncio.sleep(0)
        if number not in reached:
            if batch.dialect == "openai":
                errors.append(_unreached(batch, number, line))
            continue
        fault = "line_error" if batch.nothing_works else chance.in_a_line(batch.digest, number)
        sent = wire.problem("server_error", batch.dialect) if fault == "line_error" else answer(line, fault)
        well = sent.status == 200
        completed, failed = completed + well, failed + (not well)
        told = _told(batch, number, line, sent, fault)
        (output if well else errors).extend(_spoilt(told, fault))
    if chance.shuffles(batch.digest):
        output.sort(key=lambda text: hashlib.blake2b(text, digest_size=8, key=b"%d" % seed).digest())
    return Output(b"".join(output), b"".join(errors), completed, failed)


def _reached(batch: Ended, seed: int) -> set[int]:
    """Lines are not worked off in their order: what is left undone leaves holes everywhere."""
    numbers = range(len(batch.lines))
    if batch.done >= 1:
        return set(numbers)
    mixed = sorted(numbers, key=lambda number: fraction(seed, "reached", batch.digest, number))
    return set(mixed[: int(len(mixed) * batch.done)])


def _told(batch: Ended, number: int, line: Line, sent: Sent, fault: str | None) -> bytes:
    name = f"{line.custom_id}-of-nobody" if fault == "line_wrong_id" else line.custom_id
    response: dict[str, Any] = {"status_code": sent.status, "body": msgspec.Raw(sent.body)}
    if batch.dialect == "together":
        if sent.status != 200:
            return _line({"custom_id": name, "error": msgspec.json.decode(sent.body)["error"]})
        return _line({"custom_id": name, "response": response})
    response["request_id"] = f"req_{batch.id[6:]}_{number}"
    return _line({"id": _line_id(batch, number), "custom_id": name, "response": response, "error": None})


def _unreached(batch: Ended, number: int, line: Line) -> bytes:
    message = {
        "expired": "This request could not be executed before the completion window expired.",
        "cancelled": "This request was not executed because the batch was cancelled.",
    }.get(batch.why, "This request was not executed.")
    error = {"code": f"batch_{batch.why}", "message": message}
    told = {"id": _line_id(batch, number), "custom_id": line.custom_id, "response": None, "error": error}
    return _line(told)


def _spoilt(told: bytes, fault: str | None) -> list[bytes]:
    if fault == "line_missing":
        return []
    if fault == "line_malformed":
        return [told[: len(told) // 2] + b"\n"]
    return [told, told] if fault == "line_duplicate" else [told]


def _line_id(batch: Ended, number: int) -> str:
    return f"batch_req_{batch.id[6:]}_{number}"


def _line(value: dict[str, Any]) -> bytes:
    return _encode(value) + b"\n"
