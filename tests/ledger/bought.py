"""Answers that tests of the ledger buy: plain ones by number, and any that the types allow."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st

from phase0.ledger import Bought
from phase0.records import Request, digest

canonical = msgspec.json.Encoder(order="deterministic").encode


def request(number: int = 0, **fields: Any) -> Request:
    """A plain question, different for every number."""
    return Request(model="gpt-4o", messages=(("user", f"Count to {number}."),), params={"temperature": 0.7}, **fields)


def answer(number: int = 0, asked: Request | None = None, **fields: Any) -> Bought:
    """A plain answer to the question of that number."""
    asked = asked or request(number)
    values: dict[str, Any] = {
        "key": digest(asked),
        "request": canonical(asked),
        "model": "gpt-4o",
        "server": "openai",
        "mode": "online",
        "raw": b'{"choices":[{"message":{"content":"1 to %d"}}]}' % number,
        "status": "reply",
        "reason": None,
        "tokens_in": 10,
        "tokens_out": number,
        "cost": Decimal("0.000025") + Decimal(number) / 100_000,
        "run": "first",
        "at": 1_763_800_000.0 + number,
    }
    return Bought(**(values | fields))


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
requests = st.builds(
    Request,
    model=text,
    messages=st.lists(st.tuples(text, text), max_size=3).map(tuple),
    params=st.dictionaries(text, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text, max_size=3),
    draw=st.integers(0, 9),
)
money = st.decimals("0", "99999", places=12, allow_nan=False, allow_infinity=False)
answers = st.builds(
    lambda asked, **fields: answer(0, asked, **fields),
    requests,
    model=text,
    server=text,
    mode=st.sampled_from(["online", "batch"]),
    raw=st.binary(max_size=60) | text.map(str.encode),
    status=st.sampled_from(["reply", "refused"]),
    reason=st.none() | text,
    tokens_in=st.none() | st.integers(0, 10**9),
    tokens_out=st.none() | st.integers(0, 10**9),
    cost=st.none() | money,
    run=text,
    at=st.floats(0, 1e11),
)
