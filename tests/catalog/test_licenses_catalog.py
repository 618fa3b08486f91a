"""The catalogue of licences: it knows what the other catalogues name, and calls nothing allowed that is not known."""

from __future__ import annotations

import pytest

from phase0.catalog.datasets import datasets
from phase0.catalog.licenses import licenses, parse
from phase0.catalog.models import teachers
from phase0.errors import DataError

ONE = 'as_of = 2026-11-22\n[terms.MIT]\ntitle = "MIT License"\nsource = "here"\n'


@pytest.mark.parametrize("name", [name for name, entry in datasets().items() if entry.license])
def test_every_licence_of_the_datasets_is_known(name: str) -> None:
    assert licenses().license(datasets()[name].license or "") is not None


@pytest.mark.parametrize("name", [name for name, entry in datasets().items() if entry.author])
def test_every_author_of_the_datasets_has_terms(name: str) -> None:
    assert licenses().of_model(datasets()[name].author or "") is not None


@pytest.mark.parametrize("name", teachers())
def test_a_teacher_has_terms_exactly_where_the_catalogue_of_models_notes_some(name: str) -> None:
    entry = teachers()[name]
    assert (licenses().of_model(entry.model) is None) == (entry.license_note is None)


def test_every_dataset_with_further_terms_is_in_the_catalogue() -> None:
    assert set(licenses().datasets) <= set(datasets())


@pytest.mark.parametrize("name", [name for name, entry in licenses().terms.items() if "-NC-" in name])
def test_what_calls_itself_non_commercial_is(name: str) -> None:
    assert licenses().terms[name].commercial is False


@pytest.mark.parametrize("name", [name for name in licenses().terms if "-SA-" in name])
def test_what_calls_itself_share_alike_is(name: str) -> None:
    assert licenses().terms[name].share_alike


@pytest.mark.parametrize(
    ("said", "name"),
    [("mit", "MIT"), ("cc-by-nc-4.0", "CC-BY-NC-4.0"), ("llama3.1", "LicenseRef-llama3.1"), ("odc-by", "ODC-By-1.0")],
)
def test_a_licence_is_known_in_any_case_and_by_the_hub_s_name(said: str, name: str) -> None:
    found = licenses().license(said)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "said", ["", "openai", "proprietary", "CC-BY-ND-4.0", "MIT OR GPL-3.0-only", "unknown", "other"]
)
def test_what_is_no_licence_of_the_catalogue_is_unknown(said: str) -> None:
    assert licenses().license(said) is None


def test_an_open_model_of_a_provider_is_not_under_the_provider_s_terms() -> None:
    found = licenses().of_model("gpt-oss-120b")
    assert found is not None
    assert not found.provider


def test_terms_without_a_word_on_commercial_use_leave_it_open() -> None:
    assert parse(ONE, where="x").terms["MIT"].commercial is None


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            '[[models]]\nlike = ["a-*"]\nterms = "mit"\n',
            "the models like a-\\* are under 'mit', which is not there",
        ),
        ('[datasets]\nalpaca = ["ODC"]\n', "alpaca are under 'ODC'"),
        ('[terms.X]\ntitle = "X"\nsource = "y"\nfree = true\n', "unknown field `free`"),
        ("[terms", "not valid TOML"),
    ],
)
def test_an_entry_that_cannot_be_right_is_named(more: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        parse(ONE + more, where="catalog/licenses.toml")
