"""What the catalogue of models promises: strict data, real references, replacements that exist, no price made up."""

from __future__ import annotations

import re
from datetime import date

import msgspec
import pytest

from phase0.catalog.models import (
    Endpoint,
    Server,
    Teacher,
    catalog,
    family_of,
    located,
    moved,
    parse_servers,
    parse_teachers,
    same_family,
    servers,
    teacher,
    teachers,
)
from phase0.errors import DataError, UsageError
from phase0.providers import PROVIDERS
from phase0.records import CATEGORIES

SERVERS = [pytest.param(entry, id=name) for name, entry in servers().items()]
TEACHERS = [pytest.param(entry, id=name) for name, entry in teachers().items()]
ENDPOINTS = [
    pytest.param(endpoint, id=f"{name}@{endpoint.server.name}")
    for name, entry in teachers().items()
    for endpoint in entry.endpoints
]
DAY = "as_of = 2026-01-31\n"
ONE = DAY + '[[t.endpoints]]\nserver = "openai"\nmodel_id = "x"\n[t]\nmodel = "x"\nfamily = "gpt"\n'


def test_the_servers_of_the_issue_are_known() -> None:
    assert set(servers()) == {
        *("openai", "together", "groq", "deepinfra", "novita", "azure", "openrouter", "huggingface", "replicate"),
        *("vllm", "ollama", "llamacpp", "lmstudio", "compatible"),
    }
    assert {name for name, entry in servers().items() if entry.local} == {"vllm", "ollama", "llamacpp", "lmstudio"}


def test_the_names_of_the_recipe_stay_names_of_teachers() -> None:
    assert {"llama-405b", "gpt-4o", "qwen-coder-480b", "gpt-4o-mini"} <= set(teachers())
    assert catalog().as_of == date(2026, 11, 22)


@pytest.mark.parametrize("entry", SERVERS)
def test_a_server_can_be_spoken_to(entry: Server) -> None:
    assert entry.provider in PROVIDERS
    assert entry.url is None or re.fullmatch(r"https?://[\w.:-]+(/\w+)+", entry.url)
    assert entry.url_env is None or re.fullmatch(r"[A-Z_]+_BASE_URL", entry.url_env)
    assert entry.local or entry.name == "compatible" or entry.key_env
    assert not (entry.local and entry.key_env)


def test_no_two_servers_share_a_variable() -> None:
    names = [name for entry in servers().values() for name in (entry.url_env, entry.key_env) if name]
    assert len(names) == len(set(names))


def test_together_differs_where_its_documents_say_so() -> None:
    batch = servers()["together"].batch
    assert batch is not None
    assert (batch.files_purpose, batch.wrapped, batch.tag) == ("batch-api", "job", "file")


@pytest.mark.parametrize("entry", TEACHERS)
def test_a_teacher_that_ends_names_one_that_does_not(entry: Teacher) -> None:
    if entry.shutdown is not None:
        assert entry.replacement is not None
    if entry.replacement is not None:
        assert teachers()[entry.replacement].shutdown is None


@pytest.mark.parametrize("entry", TEACHERS)
def test_a_teacher_is_asked_in_a_way_of_its_own_for_every_category(entry: Teacher) -> None:
    for category in CATEGORIES:
        style = entry.style_of(category)
        assert style.system
        assert style.params["max_tokens"] >= 512
    assert entry.style_of(None) == entry.style_of("other")


def test_code_is_asked_for_with_less_temperature() -> None:
    llama = teacher("llama-405b")
    assert llama.style_of("code").params["temperature"] < llama.style_of("creative").params["temperature"]
    assert "programmer" in (llama.style_of("code").system or "")


@pytest.mark.parametrize("entry", [entry for entry in TEACHERS if str(entry.id).startswith("gpt-6")])
def test_models_that_reason_are_sent_no_sampling_parameters(entry: Teacher) -> None:
    assert set(entry.style_of("code").params) == {"max_tokens"}


@pytest.mark.parametrize("name", ["gpt-4o-mini", "gpt-6-luna", "gpt-4o", "gpt-6.1-sol"])
def test_the_judges_of_the_recipe_can_be_had_in_batches_at_a_known_price(name: str) -> None:
    endpoint = teacher(name).endpoints[0]
    assert endpoint.batch
    assert endpoint.price is not None
    assert endpoint.price.batch_input is not None


def test_the_judge_of_the_recipe_ends_and_its_successor_reasons() -> None:
    judge = teacher("gpt-4o-mini")
    assert judge.shutdown == date(2027, 1, 14)
    successor = teacher(str(judge.replacement))
    assert successor.endpoints[0].supports == {"logprobs": False, "temperature": False}


@pytest.mark.parametrize(
    ("source", "family"),
    [
        ("gpt-4o", "gpt"),
        ("llama-405b", "llama"),
        ("llama-3-70b-instruct", "llama"),
        ("gpt-3.5-turbo", "gpt"),
        ("Qwen/Qwen2-72B", "qwen"),
        ("alpaca", None),
        ("text-davinci-003", None),
        ("", None),
    ],
)
def test_a_family_is_told_by_a_name_or_not_at_all(source: str, family: str | None) -> None:
    assert family_of(source) == family


def test_a_judge_is_warned_about_sources_of_its_own_family_alone() -> None:
    sources = ["gpt-4o", "alpaca", "gpt-4", "llama-405b", "gpt-4o"]
    assert same_family(teacher("gpt-4o-mini"), sources) == ("gpt-4o", "gpt-4")
    assert same_family(teacher("deepseek-v4-pro"), sources) == ()


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_price_is_one_that_somebody_stated_or_there_is_none(endpoint: Endpoint) -> None:
    price = endpoint.price
    if price is not None:
        assert 0 < price.input <= price.output
        assert (price.batch_input is None) == (price.batch_output is None) == (not endpoint.batch)
        assert price.source


def test_every_reference_to_the_price_table_is_in_it_and_agrees() -> None:
    prices = pytest.importorskip("genai_prices")
    million = prices.Usage(input_tokens=100_000, output_tokens=100_000)
    for entry in teachers().values():
        for endpoint in entry.endpoints:
            if endpoint.price_ref is None:
                continue
            provider, _, model = endpoint.price_ref.partition("/")
            found = prices.calc_price(million, model_ref=model, provider_id=provider)
            if endpoint.price is not None:
                assert (found.input_price * 10, found.output_price * 10) == (
                    endpoint.price.input,
                    endpoint.price.output,
                )


def test_a_teacher_is_found_by_its_name_or_its_model_s() -> None:
    assert teacher("llama-405b") is teacher("llama-3.1-405b-instruct")
    with pytest.raises(UsageError, match=r"'lama-405b'. Did you mean 'llama-405b'\? Known: llama-405b, "):
        teacher("lama-405b")


# Elsewhere.


def test_a_variable_moves_a_server() -> None:
    endpoint = teacher("gpt-4o").endpoints[0]
    assert located(endpoint, {}).url == "https://api.openai.com/v1"
    there = located(endpoint, {"OPENAI_BASE_URL": " http://127.0.0.1:8000/v1/ "})
    assert there.url == "http://127.0.0.1:8000/v1"
    assert there.server is endpoint.server
    assert located(endpoint, {"OPENAI_BASE_URL": ""}).url == "https://api.openai.com/v1"


def test_a_server_of_one_s_own_must_be_named() -> None:
    azure = Endpoint(server=servers()["azure"], url=None, model_id="mine")
    with pytest.raises(UsageError, match="AZURE_OPENAI_BASE_URL"):
        located(azure, {})


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://x/v1", "http://", "https://x/v1?key=1", "http://x:y/v1", "http://[::1/v1"]
)
def test_what_is_no_base_url_is_said_to_be_none(url: str) -> None:
    with pytest.raises(UsageError, match="a base URL reads like"):
        moved(teacher("gpt-4o"), url)


@pytest.mark.parametrize(
    "url", ["https://me:s3cret@host/v1", "https://s3cret@host/v1", "ftp://:s3cret@host/v1", "http://me:s3cret?@x/"]
)
def test_a_base_url_with_a_password_is_refused_without_telling_it(url: str) -> None:
    with pytest.raises(UsageError, match="--api-key-env") as error:
        moved(teacher("gpt-4o"), url)
    assert "s3cret" not in str(error.value)


def test_a_base_url_keeps_the_price_and_speaks_as_anyone_does() -> None:
    there = moved(teacher("llama-405b"), "http://10.0.0.5:8000/v1/", model_id="local-llama", key_env="MY_KEY")
    (endpoint,) = there.endpoints
    assert (endpoint.url, endpoint.model_id) == ("http://10.0.0.5:8000/v1", "local-llama")
    assert (endpoint.server.name, endpoint.server.key_env) == ("10.0.0.5:8000", "MY_KEY")
    assert endpoint.price == teacher("llama-405b").endpoints[0].price
    assert endpoint.batch
    assert not endpoint.server.local
    assert there.model == teacher("llama-405b").model


def test_a_base_url_of_a_known_server_brings_that_server_s_ways() -> None:
    (endpoint,) = moved(teacher("llama-405b"), "https://api.together.ai/v1").endpoints
    assert endpoint.server.name == "together"
    assert endpoint.server.key_env == "TOGETHER_API_KEY"
    (endpoint,) = moved(teacher("llama-405b"), "http://localhost:11434/v1").endpoints
    assert endpoint.server.local


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/v1",
        "http://10.0.0.5:8000/v1",
        "http://api.openai.com/v1",  # a key would travel in the clear
        "https://api.openai.com:8443/v1",
        "https://api.openai.com.example.org/v1",
        "https://localhost.example.org/v1",
        "https://128.0.0.1/v1",
    ],
)
def test_a_key_of_the_catalogue_is_sent_to_no_other_host(url: str) -> None:
    moves = {"TOGETHER_BASE_URL": url, "OPENAI_BASE_URL": "https://proxy.example/v1"}
    for variables in ({}, moves):
        with pytest.raises(UsageError, match=r"OPENAI_API_KEY is the key for openai.*--api-key-env NAME") as error:
            moved(teacher("gpt-4o"), url, variables=variables)
        assert "\n" not in str(error.value)
    (endpoint,) = moved(teacher("gpt-4o"), url, key_env="MINE").endpoints
    assert endpoint.server.key_env == "MINE"


@pytest.mark.parametrize(
    ("url", "variables"),
    [
        ("https://api.openai.com/v1", {}),
        ("https://API.openai.com:443/v1", {}),
        ("http://127.0.0.1:8000/v1", {}),
        ("http://localhost:8765/v1", {}),
        ("http://sim.localhost/v1", {}),
        ("http://[::1]:8000/v1", {}),
        ("https://proxy.example/other/v1", {"OPENAI_BASE_URL": " https://proxy.example/v1 "}),
    ],
)
def test_it_is_sent_to_its_own_server_to_where_that_was_moved_and_to_this_machine(
    url: str, variables: dict[str, str]
) -> None:
    (endpoint,) = moved(teacher("gpt-4o"), url, variables=variables).endpoints
    assert endpoint.server.key_env == "OPENAI_API_KEY"


def test_a_url_that_a_variable_gives_brings_the_key_of_that_variable_s_server() -> None:
    variables = {"TOGETHER_BASE_URL": "https://proxy.example/v1"}
    (endpoint,) = moved(teacher("llama-405b"), "https://proxy.example/v1", variables=variables).endpoints
    assert endpoint.server.key_env == "TOGETHER_API_KEY"


# Strictness.


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[x]\nurl = 'https://x/v1'\n", "as_of is None"),
        (DAY + "[x]\nurl = 'https://x/v1'\nkey_environment = 'K'\n", "unknown key 'key_environment'"),
        (DAY + "[x]\nurl = 'https://x/v1/'\n", "ends in a slash"),
        (DAY + "[x]\nprovider = 'anthropic'\n", "Invalid enum value 'anthropic'"),
        (DAY + "[x]\nsupports = { json = true }\n", "Invalid enum value 'json'"),
        (DAY + "[x.batch]\nmax_requests = 5\n", "missing required field `max_bytes`"),
        (DAY + "x = 1\n", "x is a value"),
        ("as_of = \n", "not valid TOML"),
    ],
)
def test_an_entry_of_a_server_that_is_wrong_is_named(text: str, said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)):
        parse_servers(text, where="s.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ONE.replace("openai", "opanai"), "is offered by 'opanai', which is no server. Did you mean 'openai'?"),
        (ONE + 'replacement = "u"\n', "is replaced by 'u', which is no entry"),
        (ONE.replace("model_id", "id"), "unknown key 'id'"),
        (ONE.replace('"x"\n[t]', '"x"\nbatch = true\n[t]').replace("openai", "huggingface"), "which takes none"),
        (ONE + 'strengths = ["cod"]\n', "is strong at 'cod', which is no category. Did you mean 'code'?"),
        (ONE + 'styles.coding.system = "x"\n', "a style for 'coding', which is no category"),
        (ONE + 'shutdown = "soon"\n', "Invalid RFC3339 encoded date"),
        (DAY + '[t]\nmodel = "x"\nfamily = "gpt"\n', "has no endpoints"),
    ],
)
def test_an_entry_of_a_teacher_that_is_wrong_is_named(text: str, said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)):
        parse_teachers(text, servers(), where="t.toml")


def test_a_plain_entry_is_read() -> None:
    entry = parse_teachers(ONE, servers(), where="t.toml").teachers["t"]
    assert (entry.name, entry.model, entry.endpoints[0].url) == ("t", "x", "https://api.openai.com/v1")
    with pytest.raises(AttributeError):
        entry.model = "y"  # type: ignore[misc]
    assert msgspec.structs.replace(entry, model="y").model == "y"
