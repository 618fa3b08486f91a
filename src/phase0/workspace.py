"""The folder that calls share, the locks that keep them apart, and the claims by which teachers share rows.

A workspace is the folder that holds `.phase0/`. Everything in it is written under a lock.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import filelock
import msgspec

from phase0.dataset.rows import NOT_JSON
from phase0.dataset.writing import write_json
from phase0.errors import BusyError, DataError, UsageError

MARK = ".phase0"
_STAGE_FOLDERS = ("raw", "distilled", "scored", "deduped")
_WHOLE = Decimal(100)
_DECIMALS = 20  # sums of such shares stay below the 28 digits that Decimal keeps
_PATIENCE = 60  # seconds; a claim takes milliseconds, so a longer wait means a lost lock


def workspace_of(output: Path, given: Path | None = None) -> Path:
    """The workspace of an output: `given`, else the nearest parent that is one, else where a new one belongs."""
    if given is not None:
        return given.resolve()
    folder = output.resolve().parent
    for parent in (folder, *folder.parents):
        if (parent / MARK).is_dir():
            return parent
    return folder.parent if folder.name in _STAGE_FOLDERS else folder


@contextmanager
def hold(folder: Path, what: str) -> Iterator[None]:
    """Keep every other process out of `folder` for the block. Raises BusyError at once, naming who holds it."""
    lock = filelock.FileLock(folder / "lock", blocking=False)
    holder = folder / "holder.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise BusyError(f"{what} is in use by {_holder(holder)}. Wait for it, or stop it first.") from None
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from error
    try:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(holder, Holder(pid=os.getpid(), host=socket.gethostname(), since=now))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a lock: what a second process is told."""

    pid: int
    host: str
    since: str


def _holder(path: Path) -> str:
    try:
        seen = msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, *NOT_JSON):  # it took the lock a moment ago
        return "another process"
    return f"process {seen.pid} on {seen.host} since {seen.since}"


class Claim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A teacher's share of one input, as parts of the line from 0 to 100."""

    input: str  # digest of the input's content
    output: str  # where the answers go: with the input, what tells claims apart
    teacher: str
    percentage: Decimal
    parts: tuple[tuple[Decimal, Decimal], ...]


def assign(
    claims: Sequence[Claim], *, input_digest: str, output: str, teacher: str, percentage: Decimal
) -> tuple[Claim, list[Claim]]:
    """The claim for this call, and all claims with it. The same call again gets the same parts.

    A call takes the lowest parts of the line that nobody holds. Raises UsageError when they do not suffice.
    """
    _check_share(percentage)
    mine = [claim for claim in claims if claim.input == input_digest and claim.output == output]
    if mine and mine[0].percentage == percentage:
        found = msgspec.structs.replace(mine[0], teacher=teacher)
        return found, [found if claim is mine[0] else claim for claim in claims]
    others = [claim for claim in claims if claim not in mine]
    rivals = [claim for claim in others if claim.input == input_digest]
    parts, missing = _take(_free(rivals), percentage)
    if missing:
        raise UsageError(_overdrawn(rivals, percentage))
    made = Claim(input=input_digest, output=output, teacher=teacher, percentage=percentage, parts=parts)
    return made, [*others, made]


def _check_share(percentage: Decimal) -> None:
    if not percentage.is_finite() or not 0 < percentage <= _WHOLE:
        raise UsageError(f"--percentage is {percentage}, but a share is above 0 and at most 100")
    if percentage != round(percentage, _DECIMALS):
        raise UsageError(f"--percentage is {percentage}, but a share has at most {_DECIMALS} decimals")


def _free(claims: Sequence[Claim]) -> list[tuple[Decimal, Decimal]]:
    taken = sorted(part for claim in claims for part in claim.parts)
    free, at = [], Decimal(0)
    for start, stop in taken:
        if start > at:
            free.append((at, start))
        at = max(at, stop)
    return [*free, (at, _WHOLE)] if at < _WHOLE else free


def _take(
    free: Sequence[tuple[Decimal, Decimal]], wanted: Decimal
) -> tuple[tuple[tuple[Decimal, Decimal], ...], Decimal]:
    parts = []
    for start, stop in free:
        if wanted == 0:
            break
        width = min(stop - start, wanted)
        parts.append((start, start + width))
        wanted -= width
    return tuple(parts), wanted


def _overdrawn(rivals: Sequence[Claim], percentage: Decimal) -> str:
    held = ", ".join(f"{claim.percentage:f}% by {claim.teacher} ({claim.output})" for claim in rivals)
    left = _WHOLE - sum((claim.percentage for claim in rivals), Decimal(0))
    return (
        f"{percentage:f}% of this input was asked for, but only {left:f}% is left. Claimed: {held}. "
        f"Give one up with --release and its output's path."
    )


def claim(
    workspace: Path, *, input_digest: str, output: Path, teacher: str, percentage: Decimal
) -> tuple[tuple[Decimal, Decimal], ...]:
    """Claim a share of an input, safely beside other processes. Returns the parts of the line from 0 to 100."""
    with _claims(workspace) as place:
        mine, every = assign(
            claims(workspace),
            input_digest=input_digest,
            output=_name(workspace, output),
            teacher=teacher,
            percentage=percentage,
        )
        write_json(place, every)
    return mine.parts


def offered(
    workspace: Path, *, input_digest: str, output: Path, teacher: str, percentage: Decimal
) -> tuple[tuple[Decimal, Decimal], ...]:
    """The parts that `claim` would give now. Nothing is claimed."""
    name = _name(workspace, output)
    held = claims(workspace)
    return assign(held, input_digest=input_digest, output=name, teacher=teacher, percentage=percentage)[0].parts


def release(workspace: Path, output: Path) -> Claim:
    """Give up the claims of an output, so that others can take its share. Raises UsageError when it has none."""
    name = _name(workspace, output)
    with _claims(workspace) as place:
        every = claims(workspace)
        mine = [claim for claim in every if claim.output == name]
        if not mine:
            held = ", ".join(claim.output for claim in every) or "none"
            raise UsageError(f"{output} holds no claim in {workspace}. Claims there: {held}.")
        write_json(place, [claim for claim in every if claim.output != name])
    return mine[-1]


def claims(workspace: Path) -> list[Claim]:
    """All claims of a workspace, oldest first."""
    place = workspace / MARK / "claims.json"
    try:
        return msgspec.json.decode(place.read_bytes(), type=list[Claim])
    except FileNotFoundError:
        return []
    except NOT_JSON as error:
        raise DataError(f"{place}: is not a list of claims ({error}); delete it to give all claims up") from None


@contextmanager
def _claims(workspace: Path) -> Iterator[Path]:
    folder = workspace / MARK
    lock = filelock.FileLock(folder / "claims.lock", timeout=_PATIENCE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise BusyError(
            f"{folder / 'claims.lock'} has been held for {_PATIENCE} s; is a stopped process holding it?"
        ) from None
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from error
    try:
        yield folder / "claims.json"
    finally:
        lock.release()


def _name(workspace: Path, output: Path) -> str:
    output = output.resolve()
    return output.relative_to(workspace).as_posix() if output.is_relative_to(workspace) else output.as_posix()
