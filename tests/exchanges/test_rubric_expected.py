"""The expected score is the mean of the labels by their probabilities, and the label itself where that is not sure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phase0.exchanges.expected import tenths_of
from phase0.records import DIMENSIONS, Likely, TokenLogprobs

LABELS = {"correctness": 8, "helpfulness": 7, "clarity": 1, "safety": 10}


def token_of(token: str, logprob: float, top: Sequence[Likely]) -> TokenLogprobs:
    """A token with what is listed for its place, as a server writes it."""
    return TokenLogprobs(token, logprob, msgspec.Raw(msgspec.json.encode(top)))


def told(token: str, chances: Mapping[str, float] | None = None) -> TokenLogprobs:
    """A token with the tokens that might have stood there, by probability."""
    listed = chances or {token: 1.0}
    top = [Likely(one, math.log(chance)) for one, chance in listed.items()]
    return token_of(token, math.log(listed.get(token, 1e-9)), top)


def answer(labels: Mapping[str, int], values: Mapping[str, Sequence[TokenLogprobs]]) -> tuple[str, list[TokenLogprobs]]:
    """An answer with these tokens in the places of the values."""
    tokens: list[TokenLogprobs] = []
    for place, name in enumerate(DIMENSIONS):
        tokens += [told("{" if place == 0 else ","), told(f'"{name}'), told('":')]
        tokens += values.get(name) or [told(str(labels[name]))]
    tokens.append(told("}"))
    return "".join(token.token for token in tokens), tokens


def expected(labels: Mapping[str, int], values: Mapping[str, Sequence[TokenLogprobs]]) -> dict[str, int]:
    text, tokens = answer(labels, values)
    assert json.loads(text) == labels
    return tenths_of(labels, text, tokens)


def rounded(value: float) -> int:
    return math.floor(value * 10 + 0.5 + 1e-9)


def test_without_logprobs_or_with_those_of_another_text_the_label_counts() -> None:
    text, tokens = answer(LABELS, {"correctness": [told("8", {"8": 0.5, "2": 0.5})]})
    plain = {name: 10 * label for name, label in LABELS.items()}
    assert tenths_of(LABELS, text, tokens) == {**plain, "correctness": 50}
    assert tenths_of(LABELS, text, None) == plain
    assert tenths_of(LABELS, text, []) == plain
    assert tenths_of(LABELS, text, tokens[:-1]) == plain
    assert tenths_of(LABELS, text, [*tokens, told(" ", {" ": 0.5})]) == plain


def test_the_mean_is_over_the_labels_that_are_listed_made_to_sum_to_one() -> None:
    chances = {"8": 0.5, "9": 0.25, "0": 0.1, "11": 0.05, "x": 0.1}
    assert expected(LABELS, {"correctness": [told("8", chances)]})["correctness"] == rounded((8 * 2 + 9) / 3)


def test_a_token_with_a_space_before_its_label_is_that_label_too() -> None:
    values = {"correctness": [told(" 8", {" 8": 0.4, "8": 0.1, " 6": 0.25, "6": 0.25})]}
    assert expected(LABELS, values)["correctness"] == 70


def test_the_token_that_stands_there_counts_even_where_it_is_not_listed() -> None:
    token = token_of("8", math.log(0.5), [Likely("6", math.log(0.5))])
    assert expected(LABELS, {"correctness": [token]})["correctness"] == 70


def test_ten_as_two_tokens_is_told_from_one_by_what_follows() -> None:
    first = told("1", {"1": 0.8, "9": 0.2})
    ten = [first, told("0", {"0": 0.75, ",": 0.15, "\n": 0.1})]
    mean = 0.8 * 0.75 * 10 + 0.8 * 0.25 * 1 + 0.2 * 9
    assert expected(LABELS, {"safety": ten})["safety"] == rounded(mean)


def test_a_one_is_told_from_a_ten_by_what_might_have_followed() -> None:
    text, tokens = answer(LABELS, {"clarity": [told("1", {"1": 0.9, "2": 0.1})]})
    after = next(at for at, token in enumerate(tokens) if token.token == "1") + 1
    tokens[after] = told(",", {",": 0.5, "0": 0.5})
    assert tenths_of(LABELS, text, tokens)["clarity"] == rounded(0.45 * 10 + 0.45 * 1 + 0.1 * 2)


def test_a_one_beside_another_label_is_a_one_where_ten_has_a_token_of_its_own() -> None:
    chances = {"8": 0.5, "1": 0.25, "10": 0.25}
    assert expected(LABELS, {"correctness": [told("8", chances)]})["correctness"] == rounded(4 + 0.25 + 2.5)
    values = {"correctness": [told("8", {"8": 0.75, "1": 0.25})], "helpfulness": [told("7", {"7": 0.5, "10": 0.5})]}
    assert expected(LABELS, values)["correctness"] == rounded(6 + 0.25)


def test_a_likely_one_that_may_be_the_start_of_a_ten_leaves_the_label_as_it_is() -> None:
    labels = {**LABELS, "safety": 9}  # no token of the answer shows how ten is written
    assert expected(labels, {"correctness": [told("8", {"8": 0.7, "1": 0.3})]})["correctness"] == 80
    rare = expected(labels, {"correctness": [told("8", {"8": 0.6, "7": 0.399, "1": 0.001})]})
    assert rare["correctness"] == 76


@pytest.mark.parametrize(
    "tokens",
    [
        ['"correctness":8'],
        [":", "8,"],
        ["8", ',"'],
    ],
)
def test_a_label_that_shares_its_token_with_other_characters_counts_as_written(tokens: list[str]) -> None:
    text = '{"correctness":8,"helpfulness":7,"clarity":1,"safety":10}'
    joined = "".join(tokens)
    start = text.index(joined)
    listed = [told(text[:start]), *(told(one, {one: 0.5, one.replace("8", "2"): 0.5}) for one in tokens)]
    listed.append(told(text[start + len(joined) :]))
    found = tenths_of(LABELS, text, listed)["correctness"]
    assert found == (50 if tokens[0] == "8" else 80)


def test_a_key_that_is_written_with_escapes_leaves_its_label_as_it_is() -> None:
    tokens = [told('{"\\u0063orrectness":'), told("8", {"8": 0.5, "2": 0.5})]
    tokens += [told(',"helpfulness":7,"clarity":'), told("1"), told(',"safety":10}')]
    text = "".join(token.token for token in tokens)
    assert tenths_of(LABELS, text, tokens) == {name: label * 10 for name, label in LABELS.items()}


@pytest.mark.parametrize("odd", [0.5, math.nan, math.inf, 800.0])
def test_a_number_that_is_no_probability_leaves_the_label_as_it_is(odd: float) -> None:
    token = token_of("8", -0.1, [Likely("8", -0.1), Likely("7", odd)])
    assert expected(LABELS, {"correctness": [token]})["correctness"] == 80


@pytest.mark.parametrize("odd", [b"null", b"{}", b'["8"]', b'[{"token":"8"}]', b'[{"token":"\xe4","logprob":-1}]'])
def test_a_list_that_is_none_at_a_label_leaves_all_labels_as_they_are_and_elsewhere_matters_not(odd: bytes) -> None:
    values = {"correctness": [told("8", {"8": 0.5, "2": 0.5})], "helpfulness": [told("7", {"7": 0.5, "3": 0.5})]}
    text, tokens = answer(LABELS, values)
    written = {name: label * 10 for name, label in LABELS.items()}
    for number, token in enumerate(tokens):
        listed = [*tokens[:number], TokenLogprobs(token.token, token.logprob, msgspec.Raw(odd)), *tokens[number + 1 :]]
        at_label = token.token in {str(label) for label in LABELS.values()}
        behind_one = tokens[number - 1].token == "1"
        found = tenths_of(LABELS, text, listed)
        assert found == (written if at_label or behind_one else {**written, "correctness": 50, "helpfulness": 50})


def test_labels_of_no_probability_at_all_leave_the_label_as_it_is() -> None:
    token = token_of("8", -math.inf, [Likely("8", -9999.0)])
    assert expected(LABELS, {"correctness": [token]})["correctness"] == 80


# Against brute force.

chance = st.floats(1e-6, 1)
single = st.sampled_from([str(number) for number in range(12)] + [" 3", " 10", "\n7", "x", "yes", '"', "００"])


@settings(max_examples=400)
@given(st.integers(1, 10), st.dictionaries(single, chance, max_size=10), chance, chance)
def test_with_a_token_for_every_label_it_is_the_mean_that_brute_force_finds(
    label: int, others: dict[str, float], own: float, tenth: float
) -> None:
    """A tokenizer that writes ten with one token, which lists it."""
    total = sum(others.values()) + own + tenth
    listed = {**others, "10": tenth, str(label): own}
    listed = {token: weight / total for token, weight in listed.items()}
    labels = {**LABELS, "helpfulness": label}
    weights = [(int(token), weight) for token, weight in listed.items() if token.strip() in KNOWN]
    mean = sum(number * weight for number, weight in weights) / sum(weight for _, weight in weights)
    assert expected(labels, {"helpfulness": [told(str(label), listed)]})["helpfulness"] == rounded(mean)


KNOWN = {str(number) for number in range(1, 11)}
digits = st.fixed_dictionaries({str(number): chance for number in range(1, 10)})
after = st.fixed_dictionaries({"0": chance, ",": chance, "\n": chance, "3": chance, "}": chance})


@settings(max_examples=400)
@given(st.sampled_from([1, 10]), digits, after)
def test_with_a_token_for_every_digit_it_is_the_mean_that_brute_force_finds(
    label: int, first: dict[str, float], second: dict[str, float]
) -> None:
    """A tokenizer that writes ten with two tokens. What follows a 1 makes it a ten or ends it; else it is no label."""
    first = {token: weight / sum(first.values()) for token, weight in first.items()}
    second = {token: weight / sum(second.values()) for token, weight in second.items()}
    ends = {token: weight for token, weight in second.items() if not token.isdigit()}
    tens, ones = second["0"], sum(ends.values())
    pairs = [(10, first["1"] * tens / (tens + ones)), (1, first["1"] * ones / (tens + ones))]
    pairs += [(number, first[str(number)]) for number in range(2, 10)]
    written = [told("1", first), told("0", second)]
    text, tokens = answer({**LABELS, "clarity": label}, {"clarity": written[: len(str(label))]})
    if label == 1:
        behind = tokens.index(written[0]) + 1
        tokens[behind] = told(tokens[behind].token, second)
    mean = sum(number * weight for number, weight in pairs) / sum(weight for _, weight in pairs)
    assert tenths_of({**LABELS, "clarity": label}, text, tokens)["clarity"] == rounded(mean)


tokens = st.builds(
    token_of,
    token=single | st.sampled_from(["1", "0", ",", "}"]),
    logprob=st.floats(),
    top=st.lists(st.builds(Likely, single, st.floats()), max_size=12),
)


@settings(max_examples=150)
@given(
    st.fixed_dictionaries({name: st.integers(1, 10) for name in DIMENSIONS}), st.lists(tokens, max_size=4), st.data()
)
def test_whatever_is_listed_the_score_is_between_one_and_ten(
    labels: dict[str, int], noise: list[TokenLogprobs], data: Any
) -> None:
    values = {}
    for name, label in labels.items():
        like = data.draw(tokens)
        values[name] = [TokenLogprobs(str(label), like.logprob, like.top_logprobs)]
    text, listed = answer(labels, values)
    for given_ in (listed, listed + noise, noise):
        found = tenths_of(labels, text, given_)
        assert set(found) == set(DIMENSIONS)
        assert all(type(value) is int and 10 <= value <= 100 for value in found.values())
