"""A ledger in memory, and answers for it: what tests of answered rows read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from phase0.errors import Transient
from phase0.ledger import Batch, Bought, Failure
from phase0.records import Reply, Request, canonical


def bought(request: Request, **fields: Any) -> Bought:
    """What was bought for a question: a whole reply for a cent."""
    values: dict[str, Any] = {
        "key": request.key,
        "request": canonical(request),
        "model": request.model,
        "server": "openai",
        "mode": "online",
        "raw": b"",
        "status": "reply",
        "reason": None,
        "tokens_in": 3,
        "tokens_out": 5,
        "cost": Decimal("0.01"),
        "run": "r",
        "at": 0.0,
    }
    return Bought(**(values | fields))


def replied(request: Request, text: str = "Yes.", finish: str = "stop", **fields: Any) -> Bought:
    return bought(request, raw=msgspec.json.encode(Reply(text=text, finish_reason=finish)), **fields)


def refused(request: Request, reason: str) -> Bought:
    return bought(request, status="refused", reason=reason, raw=b"no", tokens_in=None, tokens_out=None, cost=Decimal(0))


def read(kept: Bought) -> Reply:
    """Reads what `replied` made."""
    try:
        return msgspec.json.decode(kept.raw, type=Reply)
    except msgspec.DecodeError as error:
        raise Transient(str(error), reason="malformed") from None


class Kept:
    """The half of a ledger that is asked."""

    def __init__(self, found: Iterable[Bought], failed: Iterable[Failure] = ()) -> None:
        self._found = {each.key: each for each in found}
        self._failed = {each.key: each for each in failed}
        self.looked_up: list[int] = []
        self.out: list[Batch] = []

    def open_batches(self) -> list[Batch]:
        return self.out

    def find(self, keys: Sequence[str]) -> dict[str, Bought]:
        self.looked_up.append(len(keys))
        return {key: self._found[key] for key in keys if key in self._found}

    def known(self, keys: Iterable[str]) -> set[str]:
        return {key for key in keys if key in self._found}

    def failures(self, keys: Iterable[str]) -> dict[str, Failure]:
        return {key: self._failed[key] for key in keys if key in self._failed}
