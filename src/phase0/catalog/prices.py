"""What tokens cost, exactly, in US dollars per million, with the source and the day of every price.

A price that was given goes first, then the price table of genai-prices, then the catalogue. An unknown one is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from phase0.errors import UsageError

if TYPE_CHECKING:
    from phase0.catalog.models import Endpoint, Teacher

_STEP = Decimal("0.000001")  # dollars per million: a token is then a whole number of the ledger's units
_DEAREST = Decimal(100_000)  # dollars per million; more is a slip of the unit
_TABLE = ("genai-prices", "0.2.3", "2026-11-10")  # the version whose day is known, for it does not say so itself
# Prices of a chat that are neither of its prompt's tokens nor of its answer's: such a model has no price for us.
_BESIDES = ("requests_kcount", "output_reasoning_mtok", "output_citation_mtok", "input_mchars")


class Rates(NamedTuple):
    """Dollars per million tokens; for batches None where they have no price of their own."""

    input: Decimal
    output: Decimal
    batch_input: Decimal | None
    batch_output: Decimal | None


class Tier(NamedTuple):
    """What all tokens of a request cost whose prompt has more than `above` tokens."""

    above: int
    rates: Rates


class Price(NamedTuple):
    """What a model costs at one endpoint, in dollars per million tokens, and who says so since when."""

    input: Decimal
    output: Decimal
    batch_input: Decimal | None = None
    batch_output: Decimal | None = None
    source: str = ""
    as_of: str = ""
    tiers: tuple[Tier, ...] = ()  # by `above`, lowest first


def rates(price: Price, tokens_in: int) -> Rates:
    """What holds for a request with a prompt of so many tokens."""
    here = Rates(price.input, price.output, price.batch_input, price.batch_output)
    for tier in price.tiers:
        if tokens_in > tier.above:
            here = tier.rates
    return here


def cost(price: Price, tokens_in: int, tokens_out: int, *, batch: bool) -> Decimal:
    """What one request costs, in dollars. For one request only: of a sum of prompts the tier would be a wrong one.

    Batches without a price of their own cost what the same requests cost online.
    """
    return amount(rates(price, tokens_in), tokens_in, tokens_out, batch=batch)


def amount(rates: Rates, tokens_in: int, tokens_out: int, *, batch: bool) -> Decimal:
    """Dollars for so many tokens at these rates, however many requests they belong to."""
    given, made = rates.input, rates.output
    if batch:
        given = given if rates.batch_input is None else rates.batch_input
        made = made if rates.batch_output is None else rates.batch_output
    return (given * tokens_in + made * tokens_out).scaleb(-6)


def price_of(teacher: Teacher, endpoint: Endpoint, *, given: Price | None = None, on: date) -> Price:
    """The price of a teacher at one of its endpoints on a day. Raises UsageError where nobody knows it."""
    if given is not None:
        return given
    if endpoint.server.local:
        return Price(Decimal(0), Decimal(0), source=f"{endpoint.server.name} runs on your own machines")
    listed = endpoint.price
    found = table_price(endpoint.price_ref, on) if endpoint.price_ref else None
    if found is None and listed is not None:
        rates = (listed.input, listed.output, listed.batch_input, listed.batch_output)
        found = Price(*rates, source=listed.source, as_of=listed.as_of.isoformat())
    if found is None:
        raise UsageError(
            f"Nobody knows the price of {teacher.name} at {endpoint.server.name} ({endpoint.model_id}). Give it in US "
            f'dollars per million tokens: --price IN,OUT, or {teacher.name} = "IN,OUT" under [prices] in the plan.'
        )
    return found


def parse_price(text: str, where: str = "--price") -> Price:
    """A price that a person gives: `IN,OUT`, or `IN,OUT,BATCH_IN,BATCH_OUT`, in dollars per million tokens."""
    parts = [part.strip().removeprefix("$") for part in text.split(",")]
    try:
        numbers = [Decimal(part) for part in parts]
    except InvalidOperation:
        numbers = []
    if len(numbers) not in (2, 4) or not all(number.is_finite() and number >= 0 for number in numbers):
        raise UsageError(
            f"{where} is {text!r}; it reads IN,OUT or IN,OUT,BATCH_IN,BATCH_OUT in US dollars per million tokens, such "
            "as 2.50,10 for gpt-4o."
        )
    for number in numbers:
        if number > _DEAREST:
            raise UsageError(f"{where} has {number} dollars per million tokens. Is that meant for a billion?")
        if number != number.quantize(_STEP):
            raise UsageError(f"{where} has {number}, which has more than 6 decimals.")
    batch_input, batch_output = numbers[2:] or (None, None)
    return Price(numbers[0], numbers[1], batch_input, batch_output, source=where)


def table_version() -> str:
    """The price table that is installed, and its day where that is known: `genai-prices 0.2.3 of 2026-11-10`."""
    installed = version(_TABLE[0])
    return f"{_TABLE[0]} {installed}" + (f" of {_TABLE[2]}" if installed == _TABLE[1] else "")


def table_price(ref: str, on: date) -> Price | None:
    """What genai-prices says of `provider/model`, on a day; None where it says nothing, or more than tokens count.

    Prices that change within a day are taken at their dearest. A provider's models are its own: the table's prices of
    other providers for a model of the same name are not looked at.
    """
    provider, _, name = ref.partition("/")
    model = _models(provider).get(name)
    if model is None:
        return None
    hours = [datetime.combine(on, time(hour), UTC) for hour in range(24)]
    if not all(_is_by_token(model.get_prices(hour)) for hour in hours):
        return None
    at = max(hours, key=lambda hour: _plain(model.get_prices(hour).output_mtok, 0))
    online, batch = model.get_prices(at), model.get_prices(at, {"processing": "batch"})
    if batch == online:
        batch = None
    starts = sorted({start for prices in (online, batch) for start in _starts(prices)})
    installed = version(_TABLE[0])
    return Price(
        *_rates(online, batch, 0),
        source=f"{_TABLE[0]} {installed}",
        as_of=_TABLE[2] if installed == _TABLE[1] else "",
        tiers=tuple(Tier(start, _rates(online, batch, start + 1)) for start in starts),
    )


def _is_by_token(prices: Any) -> bool:
    known = prices.input_mtok is not None and prices.output_mtok is not None
    return known and all(getattr(prices, key) is None for key in _BESIDES)


@cache
def _models(provider: str) -> dict[str, Any]:
    """Models of a provider in the price table, by id."""
    from genai_prices.data_snapshot import get_snapshot  # a third of a second

    return {model.id: model for each in get_snapshot().providers if each.id == provider for model in each.models}


def _rates(online: Any, batch: Any, tokens_in: int) -> Rates:
    return Rates(
        _plain(online.input_mtok, tokens_in),
        _plain(online.output_mtok, tokens_in),
        None if batch is None else _plain(batch.input_mtok, tokens_in),
        None if batch is None else _plain(batch.output_mtok, tokens_in),
    )


def _plain(price: Any, tokens_in: int) -> Decimal:
    """The price for a prompt of so many tokens, freed of what binary floats left behind the sixth decimal."""
    value: Decimal = getattr(price, "base", price)
    for tier in getattr(price, "tiers", ()):
        if tokens_in > tier.start:
            value = tier.price
    return value.quantize(_STEP) if value % _STEP else value


def _starts(prices: Any) -> Iterable[int]:
    """From how many tokens of the prompt on other prices hold."""
    for key in ("input_mtok", "output_mtok"):
        for tier in getattr(getattr(prices, key, None), "tiers", ()):
            yield tier.start
