"""What tokens cost, exactly: US dollars per million, as decimals."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class Price(NamedTuple):
    """US dollars per million tokens. None for batches: no price of their own."""

    input: Decimal
    output: Decimal
    batch_input: Decimal | None = None
    batch_output: Decimal | None = None
    source: str = ""
    as_of: str = ""


def cost(price: Price, tokens_in: int, tokens_out: int, *, batch: bool) -> Decimal:
    """Exact dollars."""
    given, made = price.input, price.output
    if batch and price.batch_input is not None and price.batch_output is not None:
        given, made = price.batch_input, price.batch_output
    return (given * tokens_in + made * tokens_out) / 1_000_000
