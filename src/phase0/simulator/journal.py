"""What the provider was asked and what it charged: one JSON line for each request, written before it is answered.

A line is in the kernel's hands before the first byte of the answer leaves, so killing the client, or this process,
loses none. No key is written, only a fingerprint.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec

from phase0.simulator.settings import Model

Mode = Literal["online", "batch", "prediction"]
_MILLION = Decimal(1_000_000)


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request, or one line of a batch."""

    at: float  # seconds since 1970
    call: str  # method and path; of a line of a batch, `batch` and the batch's id
    key: str  # fingerprint of the API key; "" where none was sent
    status: int | None  # None: never answered
    id: str | None = None  # of the reply, as it stands in its body
    model: str | None = None
    mode: Mode = "online"
    question: str | None = None  # digest of what decides the answer
    custom_id: str | None = None
    fault: str | None = None
    charged: bool = False
    delivered: bool = True  # whether a reply that can be read left here
    tokens_in: int = 0
    tokens_out: int = 0
    usd: Decimal | None = None  # None: not charged, or at a price nobody knows


class BillLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one key owes for one model, bought in one way. Lost is what was charged but could not be read."""

    key: str
    model: str
    mode: Mode
    requests: int
    tokens_in: int
    tokens_out: int
    usd: Decimal | None
    lost: int
    lost_tokens_in: int
    lost_tokens_out: int
    lost_usd: Decimal | None


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was charged."""

    lines: tuple[BillLine, ...]

    @property
    def requests(self) -> int:
        return sum(line.requests for line in self.lines)

    @property
    def usd(self) -> Decimal | None:
        """The sum; None where one of the prices is not known."""
        owed = [line.usd for line in self.lines]
        return None if None in owed else sum((usd for usd in owed if usd is not None), Decimal())

    @property
    def tokens(self) -> tuple[int, int]:
        return sum(line.tokens_in for line in self.lines), sum(line.tokens_out for line in self.lines)

    @property
    def lost(self) -> int:
        return sum(line.lost for line in self.lines)


class _Sum:
    __slots__ = ("requests", "tokens_in", "tokens_out")

    def __init__(self) -> None:
        self.requests = self.tokens_in = self.tokens_out = 0

    def add(self, entry: Entry) -> None:
        self.requests += 1
        self.tokens_in += entry.tokens_in
        self.tokens_out += entry.tokens_out


class Journal:
    """The file of entries, and their sums in memory."""

    def __init__(self, path: Path, models: Mapping[str, Model]) -> None:
        self.path = path
        self.entries = 0
        self._models = models
        self._sums: dict[tuple[str, str, Mode], tuple[_Sum, _Sum]] = {}  # charged; of it, lost
        self._encode = msgspec.json.Encoder().encode
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, entry: Entry) -> None:
        line = self._encode(entry) + b"\n"
        while line:
            line = line[os.write(self._file, line) :]
        self.entries += 1
        if entry.charged and entry.model is not None:
            place = (entry.key, entry.model, entry.mode)
            sums = self._sums.get(place)
            if sums is None:
                sums = self._sums[place] = (_Sum(), _Sum())
            sums[0].add(entry)
            if not entry.delivered:
                sums[1].add(entry)

    def price(self, model: str, tokens_in: int, tokens_out: int, mode: Mode) -> Decimal | None:
        """Exact US dollars; None for a model without a price."""
        known = self._models.get(model)
        if known is None or known.price is None:
            return None
        price = known.batch_price if mode == "batch" and known.batch_price is not None else known.price
        return (price[0] * tokens_in + price[1] * tokens_out) / _MILLION

    def bill(self) -> Bill:
        return Bill(lines=tuple(self._line(*place, *sums) for place, sums in sorted(self._sums.items())))

    def _line(self, key: str, model: str, mode: Mode, charged: _Sum, lost: _Sum) -> BillLine:
        return BillLine(
            key=key,
            model=model,
            mode=mode,
            requests=charged.requests,
            tokens_in=charged.tokens_in,
            tokens_out=charged.tokens_out,
            usd=self.price(model, charged.tokens_in, charged.tokens_out, mode),
            lost=lost.requests,
            lost_tokens_in=lost.tokens_in,
            lost_tokens_out=lost.tokens_out,
            lost_usd=self.price(model, lost.tokens_in, lost.tokens_out, mode),
        )

    def close(self) -> None:
        os.close(self._file)


def entries(path: Path) -> Iterator[Entry]:
    """What a journal holds, in the order in which it was written."""
    decode = msgspec.json.Decoder(Entry).decode
    with path.open("rb") as file:
        for line in file:
            yield decode(line)


@lru_cache(1024)
def fingerprint(key: str) -> str:
    """What stands for a key wherever something is written: enough to tell keys apart, too little to be one."""
    return hashlib.blake2b(key.encode(), digest_size=6).hexdigest() if key else ""
