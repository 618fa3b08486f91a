"""Prices are exact, their source is named, and what nobody knows is refused."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from decimal import Decimal
from fractions import Fraction
from importlib.metadata import version
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.catalog.models import Endpoint, ListPrice, Server, Teacher, catalog
from phase0.catalog.prices import (
    Price,
    Rates,
    Tier,
    cost,
    parse_price,
    price_of,
    table_price,
    table_version,
)
from phase0.errors import UsageError

TODAY = date(2026, 11, 22)
rate = st.decimals("0", "1000", places=6)
rates = st.builds(Rates, rate, rate, st.none() | rate, st.none() | rate)
tokens = st.integers(0, 10**7)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    starts = sorted(draw(st.sets(st.integers(0, 10**6), max_size=3)))
    return Price(*draw(rates), tiers=tuple(Tier(start, draw(rates)) for start in starts))


def slow_cost(price: Price, tokens_in: int, tokens_out: int, batch: bool) -> Fraction:
    """What `cost` says, token by token in fractions."""
    table = [(-1, Rates(*price[:4])), *price.tiers]
    _, here = [entry for entry in table if tokens_in > entry[0]][-1]
    given, made = here.input, here.output
    if batch and here.batch_input is not None:
        given = here.batch_input
    if batch and here.batch_output is not None:
        made = here.batch_output
    return Fraction(given) / 1_000_000 * tokens_in + Fraction(made) / 1_000_000 * tokens_out


@given(price=prices(), tokens_in=tokens, tokens_out=tokens, batch=st.booleans())
def test_a_cost_is_exact(price: Price, tokens_in: int, tokens_out: int, batch: bool) -> None:
    found = cost(price, tokens_in, tokens_out, batch=batch)
    assert Fraction(found) == slow_cost(price, tokens_in, tokens_out, batch)
    assert Fraction(found) * 10**12 == int(Fraction(found) * 10**12)  # what the ledger can hold


def test_a_tier_holds_for_all_tokens_of_one_request() -> None:
    price = Price(Decimal(1), Decimal(2), tiers=(Tier(1000, Rates(Decimal(3), Decimal(4), None, None)),))
    assert cost(price, 1000, 500, batch=False) == Decimal("0.002")
    assert cost(price, 1001, 500, batch=False) == Decimal("0.005003")


def offer(**fields: Any) -> Endpoint:
    server = Server(name="openai", url="https://localhost/v1", local=fields.pop("local", False))
    return Endpoint(server=server, url=server.url, model_id="gpt-x", **fields)


def asked(endpoint: Endpoint) -> Teacher:
    return Teacher(name="some-teacher", model="gpt-x", family="gpt", endpoints=(endpoint,))


def found(endpoint: Endpoint, given: Price | None = None, on: date = TODAY) -> Price:
    return price_of(asked(endpoint), endpoint, given=given, on=on)


LISTED = ListPrice(input=Decimal(7), output=Decimal(8), source="a price list", as_of=date(2026, 11, 1))


def test_a_given_price_goes_before_the_table_and_the_table_before_the_catalogue() -> None:
    own = parse_price("1,2")
    assert found(offer(price_ref="openai/gpt-4o", price=LISTED), own) == own
    assert found(offer(local=True), own) == own
    assert found(offer(price_ref="openai/gpt-4o", price=LISTED)).input == Decimal("2.5")
    listed = found(offer(price=LISTED))
    assert (listed.input, listed.output, listed.source, listed.as_of) == (7, 8, "a price list", "2026-11-01")
    assert found(offer(price_ref="openai/no-such-model", price=LISTED)) == listed


def test_a_local_server_costs_nothing() -> None:
    assert cost(found(offer(local=True)), 10**6, 10**6, batch=False) == 0


@pytest.mark.parametrize("ref", [None, "openai/no-such-model", "nobody/gpt-4o", "gpt-4o", ""])
def test_an_unknown_price_is_refused_with_the_ways_to_give_one(ref: str | None) -> None:
    with pytest.raises(UsageError, match="some-teacher at openai") as caught:
        found(offer(price_ref=ref))
    assert "(gpt-x)" in str(caught.value)
    assert "--price IN,OUT" in str(caught.value)
    assert 'some-teacher = "IN,OUT" under [prices]' in str(caught.value)


def test_every_endpoint_of_the_catalogue_has_a_price_or_says_that_it_has_none() -> None:
    unknown = []
    for teacher in catalog().teachers.values():
        for endpoint in teacher.endpoints:
            if endpoint.price_ref is not None:
                assert table_price(endpoint.price_ref, TODAY), f"{endpoint.price_ref} is not in the price table"
            try:
                price = price_of(teacher, endpoint, on=TODAY)
            except UsageError:
                unknown.append((teacher.name, endpoint.server.name))
                continue
            assert price.source
            assert price.as_of
            assert 0 < price.input <= price.output
            assert price.batch_input is None or 0 < price.batch_input < price.input
    assert unknown == [("llama-405b", "replicate")]


def test_the_catalogue_agrees_with_the_table_that_it_was_copied_from() -> None:
    """Where the list price names genai-prices as its source, the two say the same."""
    copied = [
        endpoint
        for teacher in catalog().teachers.values()
        for endpoint in teacher.endpoints
        if endpoint.price and endpoint.price.source.startswith("genai-prices")
    ]
    assert copied
    for endpoint in copied:
        table = table_price(endpoint.price_ref or "", TODAY)
        listed = endpoint.price
        assert table is not None
        assert listed is not None
        assert table[:4] == (listed.input, listed.output, listed.batch_input, listed.batch_output)


# The price table, and its traps.


def test_the_day_of_the_price_table_is_that_of_the_version_installed() -> None:
    """A newer genai-prices needs its day looked up, in `_TABLE` of catalog/prices.py."""
    assert table_version() == f"genai-prices {version('genai-prices')} of 2026-11-10"


def test_a_batch_price_holds_from_its_first_day_on() -> None:
    before, after = table_price("openai/gpt-4o", date(2026, 10, 13)), table_price("openai/gpt-4o", date(2026, 10, 14))
    assert before is not None
    assert after is not None
    assert (before.batch_input, before.batch_output) == (None, None)
    assert (after.batch_input, after.batch_output) == (Decimal("1.25"), Decimal(5))
    assert cost(before, 10**6, 0, batch=True) == Decimal("2.5")


def test_a_long_prompt_has_the_price_of_its_tier() -> None:
    price = table_price("openai/gpt-6-luna", TODAY)
    assert price is not None
    assert cost(price, 272_000, 0, batch=False) == Decimal("0.0272")
    assert cost(price, 272_001, 0, batch=False) == Decimal("0.0544002")
    assert cost(price, 272_001, 0, batch=True) == Decimal("0.0272001")


def test_the_table_and_its_own_arithmetic_agree() -> None:
    """Every model with a price by token, at the tiers' edges, against genai-prices' own sums."""
    from datetime import UTC, datetime

    from genai_prices import Usage
    from genai_prices.data_snapshot import get_snapshot
    from genai_prices.types import TimeOfDateConstraint

    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    compared = 0
    for provider in get_snapshot().providers:
        for model in provider.models:
            price = table_price(f"{provider.id}/{model.id}", TODAY)
            timed = not isinstance(model.prices, list) or not any(
                isinstance(each.constraint, TimeOfDateConstraint) for each in model.prices
            )
            if price is None or not timed:
                continue
            for tokens_in in {1000, *(tier.above for tier in price.tiers), *(tier.above + 1 for tier in price.tiers)}:
                for context in (None, {"processing": "batch"}):
                    usage = Usage(input_tokens=tokens_in, output_tokens=777)
                    theirs = model.calc_price(
                        usage, provider, genai_request_timestamp=noon, price_context=context
                    ).total_price
                    ours = cost(price, tokens_in, 777, batch=context is not None)
                    assert abs(ours - theirs) <= Decimal("1e-12") * (tokens_in + 777), (provider.id, model.id)
                    compared += 1
    assert compared > 3000


def test_a_price_that_changes_within_the_day_is_taken_at_its_dearest() -> None:
    from datetime import UTC, datetime

    from genai_prices.data_snapshot import get_snapshot
    from genai_prices.types import TimeOfDateConstraint

    seen = 0
    for provider in get_snapshot().providers:
        for model in provider.models:
            if isinstance(model.prices, list) and any(
                isinstance(each.constraint, TimeOfDateConstraint) for each in model.prices
            ):
                price = table_price(f"{provider.id}/{model.id}", TODAY)
                hours = [datetime(2026, 11, 22, hour, tzinfo=UTC) for hour in range(24)]
                assert price is not None
                assert price.output == max(model.get_prices(hour).output_mtok for hour in hours)  # type: ignore[type-var]
                seen += 1
    assert seen


def test_what_binary_floats_left_behind_the_sixth_decimal_is_cut_off() -> None:
    price = table_price("huggingface_together/Qwen/Qwen3-VL-8B-Instruct", TODAY)
    assert price is not None
    assert str(price.input) == "0.180000"


def test_a_model_that_is_paid_by_more_than_tokens_has_no_price() -> None:
    assert table_price("perplexity/sonar", TODAY) is None


def test_no_other_provider_s_price_is_taken() -> None:
    """The table itself falls back from one provider to another, whose prices need not be the same."""
    from genai_prices.data_snapshot import get_snapshot

    (azure,) = [provider for provider in get_snapshot().providers if provider.id == "azure"]
    assert azure.fallback_model_providers
    own = {model.id for model in azure.models}
    (openai,) = [provider for provider in get_snapshot().providers if provider.id == "openai"]
    foreign = next(model.id for model in openai.models if model.id not in own)
    assert azure.find_model(foreign, all_providers=get_snapshot().providers) is not None
    assert table_price(f"azure/{foreign}", TODAY) is None


def test_the_price_table_is_loaded_when_a_price_is_asked_for_and_not_before() -> None:
    code = (
        "import sys, datetime, phase0.catalog.prices as p; assert not [m for m in sys.modules if 'genai' in m]; "
        "p.table_price('openai/gpt-4o', datetime.date(2026, 11, 22)); assert 'genai_prices' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


# Prices that a person gives.


@given(numbers=st.lists(rate, min_size=2, max_size=2) | st.lists(rate, min_size=4, max_size=4))
def test_a_price_is_read_as_it_is_written(numbers: list[Decimal]) -> None:
    price = parse_price(", ".join(f"${number:f}" for number in numbers))
    assert [number for number in price[:4] if number is not None] == numbers
    assert price.source == "--price"


@pytest.mark.parametrize(
    "text", ["", "1", "1,2,3", "1,2,3,4,5", "1,", "a,b", "1;2", "-1,2", "nan,1", "inf,1", "1,2,3,x"]
)
def test_a_price_that_cannot_be_read_says_how_one_reads(text: str) -> None:
    with pytest.raises(UsageError, match="it reads IN,OUT"):
        parse_price(text)


def test_a_price_with_a_slip_of_the_unit_is_refused() -> None:
    with pytest.raises(UsageError, match="more than 6 decimals"):
        parse_price("0.0000025,1")
    with pytest.raises(UsageError, match="meant for a billion"):
        parse_price("2500000,1")
    with pytest.raises(UsageError, match=r"\[prices\] gpt-4o is 'x'"):
        parse_price("x", "[prices] gpt-4o")
