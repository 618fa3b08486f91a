"""Answers as lines of JSON, so that a colleague need not buy them again. A line proves itself: its key is the digest
of its request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec

from phase0.dataset import BadRow, Span, writer
from phase0.dataset.containers import suffix
from phase0.dataset.lines import lines
from phase0.dataset.rows import NOT_JSON
from phase0.errors import DataError, UsageError
from phase0.ledger.changes import Store, store_of
from phase0.ledger.entries import Bought
from phase0.records import Request, digest

_AT_ONCE = 1000  # answers to a commit


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One answer. Its body is text where it is UTF-8, as JSON is, and base64 where it is not."""

    key: str
    request: msgspec.Raw  # as it is kept; what it says is its asker's affair
    model: str
    server: str
    mode: Literal["online", "batch"]
    status: Literal["reply", "refused"]
    reason: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost: str | None = None  # US dollars; text, so that no program makes a float of it
    run: str
    at: float
    body: str | None = None
    body_base64: bytes | None = None


_decode = msgspec.json.Decoder(Line).decode
_request = msgspec.json.Decoder(Request).decode
_encode = msgspec.json.Encoder().encode
_deterministic = msgspec.json.Encoder(order="deterministic").encode


def write(path: Path, answers: Iterable[Bought]) -> int:
    """Write answers to a file; `.gz` or `.zst` compresses it. How many there were."""
    if suffix(path) not in {".jsonl", ".ndjson"}:
        raise UsageError(f"{path}: replies are exported as JSONL; name the file .jsonl, .jsonl.gz or .jsonl.zst")
    count = 0
    with writer(path) as out:
        for count, bought in enumerate(answers, 1):  # noqa: B007
            out.write(_encode(_line(bought)))
    return count


def check(path: Path) -> None:
    """Read a whole file before any of it is used."""
    for _ in _lines(path):
        pass


def read(path: Path) -> Iterator[list[Store]]:
    """The answers of a file in parts."""
    part: list[Store] = []
    for answer in _lines(path):
        part.append(answer)
        if len(part) == _AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _line(bought: Bought) -> Line:
    fields = bought._asdict()
    raw = fields.pop("raw")
    fields["request"] = msgspec.Raw(bought.request)
    fields["cost"] = None if bought.cost is None else f"{bought.cost:f}"
    try:
        return Line(body=raw.decode(), **fields)
    except UnicodeDecodeError:
        return Line(body_base64=raw, **fields)


def _lines(path: Path) -> Iterator[Store]:
    for found in lines(Span(path)):
        if isinstance(found, BadRow):
            raise DataError(f"{path}:{found.line}: {found.error}. Nothing was imported.")
        number, raw = found
        try:
            yield _answer(_decode(raw))
        except (*NOT_JSON, ValueError, ArithmeticError) as error:
            raise DataError(f"{path}:{number}: is not an exported reply ({error}). Nothing was imported.") from None


def _answer(line: Line) -> Store:
    if (line.body is None) == (line.body_base64 is None):
        raise ValueError("it needs a body or a body_base64, and not both")
    body = line.body_base64 if line.body is None else line.body.encode()
    bought = Bought(
        key=line.key,
        request=_canonical(line),
        model=line.model,
        server=line.server,
        mode=line.mode,
        raw=body or b"",
        status=line.status,
        reason=line.reason,
        tokens_in=line.tokens_in,
        tokens_out=line.tokens_out,
        cost=None if line.cost is None else Decimal(line.cost),
        run=line.run,
        at=line.at,
    )
    return store_of(bought, imported=True)


def _canonical(line: Line) -> bytes:
    """The request as its digest was made, also where another program has laid the line out anew."""
    if digest(line.request) == line.key:
        return bytes(line.request)
    return _deterministic(_request(line.request))
