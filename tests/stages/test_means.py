"""Means: which endpoints can be asked, with which keys, for how much; and what is told where none can."""

from __future__ import annotations

import asyncio
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.catalog.models import plain_url, teachers
from phase0.catalog.prices import Price
from phase0.errors import UsageError
from phase0.gateway.line import Line
from phase0.ledger import Batch
from phase0.stages.means import Means, Place, account_of, line_back, line_to, places, wanted

TODAY = date(2026, 11, 22)
GPT, LLAMA, QWEN = (teachers()[name] for name in ("gpt-4o", "llama-405b", "qwen-coder-480b"))
EVERY = {
    endpoint.server.key_env: "k"
    for teacher in (GPT, LLAMA, QWEN)
    for endpoint in teacher.endpoints
    if endpoint.server.key_env
}
OWN = Price(Decimal(1), Decimal(2), source="tests")


def servers_of(found: list[Place]) -> list[str]:
    return [place.endpoint.server.name for place in found]


def line(found: list[Place], speed: int = 1) -> Line:
    async def made() -> Line:
        line = line_to(LLAMA, found, speed=speed)
        for route in line.routes:
            await route.provider.close()
        return line

    return asyncio.run(made())


def test_endpoints_with_a_key_and_a_price_can_be_asked_in_the_order_of_the_catalogue() -> None:
    assert servers_of(places(QWEN, Means(EVERY), TODAY)) == ["huggingface", "deepinfra", "novita", "openrouter"]
    assert servers_of(places(QWEN, Means({"NOVITA_API_KEY": "n", "DEEPINFRA_TOKEN": "d"}), TODAY)) == [
        "deepinfra",
        "novita",
    ]


def test_an_endpoint_whose_price_nobody_knows_is_left_out_where_another_can_be_asked() -> None:
    assert servers_of(places(LLAMA, Means(EVERY), TODAY)) == ["openrouter", "together"]
    with pytest.raises(UsageError, match="Nobody knows the price of llama-405b at replicate"):
        places(LLAMA, Means({"REPLICATE_API_TOKEN": "r"}), TODAY)
    (given,) = places(LLAMA, Means({"REPLICATE_API_TOKEN": "r"}, prices={"llama-405b": OWN}), TODAY)
    assert given.price == OWN


def test_without_a_key_every_variable_that_would_do_is_named() -> None:
    with pytest.raises(UsageError) as error:
        places(LLAMA, Means({"OPENAI_API_KEY": "o", "TOGETHER_API_KEY": " , "}), TODAY)
    assert "set OPENROUTER_API_KEY or REPLICATE_API_TOKEN or TOGETHER_API_KEY (openrouter, replicate, together)" in str(
        error.value
    )


keys = st.lists(st.text("abc-1", min_size=1, max_size=4), min_size=1, max_size=5)


@given(keys, st.sampled_from(["", " ", ","]), st.sampled_from([",", ", ", " ,, "]))
def test_keys_with_commas_between_them_share_the_work_each_once(given: list[str], end: str, between: str) -> None:
    (place,) = places(GPT, Means({"OPENAI_API_KEY": end + between.join(given) + end}), TODAY)
    assert place.keys == tuple(dict.fromkeys(given))
    routes = line([place]).routes
    assert [(route.name, route.rank, route.price) for route in routes] == [("openai", 0, place.price)] * len(place.keys)


def test_a_variable_moves_a_server_and_leaves_its_price() -> None:
    means = Means({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://127.0.0.1:8000/v1/"})
    (place,) = places(GPT, means, TODAY)
    assert place.endpoint.url == "http://127.0.0.1:8000/v1"
    assert place.price == places(GPT, Means({"OPENAI_API_KEY": "k"}), TODAY)[0].price
    with pytest.raises(UsageError, match="OPENAI_BASE_URL is 'localhost'"):
        places(GPT, Means({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "localhost"}), TODAY)


def back(batch: Batch, variables: dict[str, str], key_env: str | None = None) -> Line:
    async def made() -> Line:
        assert batch.destination is not None
        line = line_back(batch, batch.destination, variables, key_env)
        await line.routes[0].provider.close()
        return line

    return asyncio.run(made())


def sent_by(means: Means) -> Batch:
    """A batch that went where these means lead."""
    made = line(places(wanted(GPT, means), means, TODAY))
    return Batch("tag", made.routes[0].name, "gpt-4o", (), "sent", "id", None, 0.0, "", made.routes[0].destination)


@pytest.mark.parametrize(
    "means",
    [
        Means({"OPENAI_API_KEY": "k"}),
        Means({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://127.0.0.1:8000/v1/"}),
        Means(
            {"OPENAI_API_KEY": "k"},
            base_url="https://Example.ORG:443/v1",
            key_env="OPENAI_API_KEY",
            model_id="theirs",
            price=OWN,
        ),
        Means({"MINE": "k"}, base_url="http://127.0.0.1:8000/v1", key_env="MINE"),
    ],
)
def test_a_batch_leads_back_to_where_it_was_sent_with_its_own_key_wherever_its_server_is_now(means: Means) -> None:
    batch = sent_by(means)
    now = {"OPENAI_API_KEY": "other,k", "MINE": "other,k", "OPENAI_BASE_URL": "http://moved.example/v1"}
    (route,) = back(batch, now).routes
    assert (route.name, route.destination) == (batch.server, batch.destination)
    assert route.provider._client._headers["Authorization"] == "Bearer k"  # type: ignore[attr-defined]
    assert route.price == batch.destination.price  # type: ignore[union-attr]


def test_a_key_goes_nowhere_where_it_was_never_sent_unless_it_is_named_for_that() -> None:
    batch = sent_by(Means({"OPENAI_API_KEY": "k"}))
    with pytest.raises(UsageError, match=r"batch tag was sent to api\.openai\.com/v1 with a key that OPENAI_API"):
        back(batch, {"OPENAI_API_KEY": "other"})
    (route,) = back(batch, {"OPENAI_API_KEY": "other", "NEW": "new"}, "NEW").routes
    assert route.provider._client._headers["Authorization"] == "Bearer new"  # type: ignore[attr-defined]
    assert route.destination != batch.destination
    with pytest.raises(UsageError, match="a key that ABSENT does not hold"):
        back(batch, {"OPENAI_API_KEY": "k"}, "ABSENT")


def test_accounts_are_told_apart_by_digests_that_are_no_keys_and_differ_from_server_to_server() -> None:
    one, other = (account_of(key, "https://host/v1") for key in ("sk-secret-1", "sk-secret-2"))
    assert len({one, other, account_of("sk-secret-1", "https://elsewhere/v1")}) == 3
    assert len(one) == 8
    assert account_of(None, "http://localhost/v1") == account_of("", "http://localhost/v1") == ""


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://API.Example.org:443/v1/", "https://api.example.org/v1"),
        ("http://user:secret@host:80/V1", "http://host/V1"),
        ("http://host:8080", "http://host:8080"),
        ("http://[::1]:80/v1", "http://[::1]/v1"),
    ],
)
def test_urls_are_compared_without_what_does_not_tell_places_apart(url: str, plain: str) -> None:
    assert plain_url(url) == plain


def test_a_base_url_is_asked_alone_for_the_price_and_with_the_key_of_the_teacher_or_those_given() -> None:
    means = Means({**EVERY, "OPENROUTER_API_KEY": "o", "MINE": "m"}, base_url="http://127.0.0.1:9/v1/")
    (place,) = places(wanted(LLAMA, means), means, TODAY)
    assert (place.endpoint.url, place.keys) == ("http://127.0.0.1:9/v1", ("o",))
    assert place.endpoint.model_id == LLAMA.endpoints[0].model_id
    assert place.price == places(LLAMA, Means(EVERY), TODAY)[0].price
    means = means._replace(key_env="MINE", price=OWN)
    (place,) = places(wanted(LLAMA, means), means, TODAY)
    assert (place.keys, place.price) == (("m",), OWN)
    with pytest.raises(UsageError, match="set MINE"):
        places(wanted(LLAMA, means), means._replace(variables={}), TODAY)
    away = Means({**EVERY, "MINE": "m"}, base_url="https://example.org/v1", key_env="MINE")
    assert places(wanted(LLAMA, away), away, TODAY)[0].keys == ("m",)
    with pytest.raises(UsageError, match="--api-key-env NAME"):
        wanted(LLAMA, away._replace(key_env=None))


def test_a_base_url_of_a_known_server_has_that_servers_ways_and_a_local_one_costs_nothing() -> None:
    means = Means({}, base_url="http://localhost:11434/v1")
    (place,) = places(wanted(GPT, means), means, TODAY)
    assert (place.endpoint.server.name, place.keys) == ("ollama", (None,))
    assert (place.price.input, place.price.output) == (0, 0)


def test_a_model_id_is_what_the_server_is_asked_for_and_what_rows_are_of() -> None:
    means = Means({"OPENAI_API_KEY": "k"}, model_id="gpt-4o-2024-11-20")
    model = wanted(GPT, means)
    (place,) = places(model, means, TODAY)
    assert (model.model, place.endpoint.model_id) == ("gpt-4o-2024-11-20", "gpt-4o-2024-11-20")
    assert place.endpoint.server.name == "openai"
    assert wanted(GPT, Means()) == GPT
    there = means._replace(base_url="http://127.0.0.1:1/v1")
    assert wanted(GPT, there).endpoints[0].model_id == "gpt-4o-2024-11-20"


def test_routes_have_the_rank_of_their_endpoint_and_the_limits_of_the_catalogue() -> None:
    means = Means({**EVERY, "REPLICATE_API_TOKEN": "r1,r2"}, prices={"llama-405b": OWN})
    routes = line(places(LLAMA, means, TODAY)).routes
    assert [(route.name, route.rank, route.requests) for route in routes] == [
        ("openrouter", 0, None),
        ("replicate", 1, 600),
        ("replicate", 1, 600),
        ("together", 2, None),
    ]


def test_a_rehearsal_asks_the_preferred_endpoint_alone_and_is_faster_by_its_speed() -> None:
    means = Means({"REPLICATE_API_TOKEN": "r", "TOGETHER_API_KEY": "t"}, prices={"llama-405b": OWN}, rehearsal=60)
    (place,) = places(LLAMA, means, TODAY)
    (route,) = line([place], means.speed).routes
    assert (route.name, route.requests) == ("replicate", 36_000)
    assert Means().speed == 1
