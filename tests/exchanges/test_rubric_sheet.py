"""A judge's answer is four whole numbers from 1 to 10 in one JSON object, or it is no sheet."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from phase0.exchanges.sheet import RESPONSE_FORMAT, OffFormError, Sheet, places, read
from phase0.records import DIMENSIONS

SPACE = " \t\r\n"
GOOD = '{"correctness": 8, "helpfulness": 7, "clarity": 9, "safety": 10}'
LABELS = {"correctness": 8, "helpfulness": 7, "clarity": 9, "safety": 10}

# The slow twin: the grammar of a sheet, written down, without a JSON parser.
KEY = r'"((?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)"'
WS = r"[ \t\r\n]*"
PAIR = rf"{WS}{KEY}{WS}:{WS}(null|10|[1-9]){WS}"
OBJECT = re.compile(rf"{WS}\{{{PAIR},{PAIR},{PAIR},{PAIR}\}}{WS}")


def twin(text: str) -> dict[str, int] | str | None:
    """The labels, None for a judge that abstains, or "no sheet"."""
    lines = text.strip(SPACE).split("\n")
    if len(lines) > 2 and lines[0].rstrip("\r").rstrip(" \t") in FENCES and lines[-1].lstrip(" \t") == "```":
        text = "\n".join(lines[1:-1])
    found = OBJECT.fullmatch(text)
    if not found:
        return "no sheet"
    said = found.groups()
    pairs = {spelled(key): value for key, value in zip(said[::2], said[1::2], strict=True)}
    if set(pairs) != set(DIMENSIONS):
        return "no sheet"
    if set(pairs.values()) == {"null"}:
        return None
    return "no sheet" if "null" in pairs.values() else {name: int(value) for name, value in pairs.items()}


FENCES = {"```", "```json", "```JSON"}


def spelled(key: str) -> str:
    """A key without escapes; one that is not ASCII letters is none of ours."""
    return re.sub(r"\\u00([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), key)


def reads(text: str) -> dict[str, int] | str | None:
    try:
        labels = read(text).labels
    except OffFormError:
        return "no sheet"
    return None if labels is None else dict(labels)


spaces = st.text(SPACE, max_size=3)
numbers = st.integers(-2, 12) | st.integers() | st.floats() | st.booleans() | st.none() | st.text(max_size=3)


@st.composite
def sheets(draw: Any) -> str:
    """Sheets as judges write them: in any order, with any space, inside a fence or not."""
    names = draw(st.permutations(DIMENSIONS))
    values = draw(st.lists(st.integers(1, 10), min_size=4, max_size=4) | st.just([None] * 4))
    space = [draw(spaces) for _ in range(6)]
    pairs = (
        f"{space[0]}{json.dumps(name)}{space[1]}:{space[2]}{json.dumps(value)}{space[3]}"
        for name, value in zip(names, values, strict=True)
    )
    body = f"{space[4]}{{{','.join(pairs)}}}{space[5]}"
    fence = draw(st.none() | st.sampled_from(sorted(FENCES)))
    return body if fence is None else f"{fence}\n{body}\n```"


pieces = st.sampled_from(
    [*"0123456789.,:{}[]\"'eE+-` \n\t\\", "10", "11", "null", "true", "NaN", "1.0", "08", "\\u0063", "\ufeff", "\u00a0"]
    + [f'"{name}"' for name in DIMENSIONS]
    + [",", '"overall":7', '"clarity":7', "```", "```json\n", "//", "\x00", "８", "Infinity", "-0", "1e0"]
)


@st.composite
def mutated(draw: Any) -> str:
    """A sheet with some characters put in, taken out or replaced."""
    text = draw(sheets())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(pieces | st.just("")) + text[at + draw(st.integers(0, 3)) :]
    return text


@settings(max_examples=500)
@given(sheets())
def test_a_sheet_is_read_in_whatever_order_space_and_fence_it_comes(text: str) -> None:
    assert twin(text) != "no sheet"
    assert reads(text) == twin(text)


@settings(max_examples=500)
@given(mutated())
@example('{"\\u0063orrectness":1,"helpfulness":2,"clarity":3,"safety":4}')
@example('{"correctness":1,"correctness":2,"helpfulness":2,"clarity":3,"safety":4}')
@example(f"```json\n{GOOD}\n```")
@example(f"```json\n\n```json\n{GOOD}\n```\n```")
def test_a_spoiled_sheet_gives_a_number_only_where_the_grammar_says_so(text: str) -> None:
    assert reads(text) == twin(text)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_spoiled_sheets_by_the_ten_thousand_give_a_number_only_where_the_grammar_says_so() -> None:
    found: Counter[str] = Counter()

    @settings(max_examples=20_000, deadline=None)
    @given(mutated())
    def each(text: str) -> None:
        assert reads(text) == twin(text)
        found["no sheet" if reads(text) == "no sheet" else "sheet"] += 1

    each()
    print(f"{found['sheet']:,} spoiled sheets were still sheets, {found['no sheet']:,} were none")
    assert min(found["sheet"], found["no sheet"]) > 1_000


json_values = st.recursive(
    numbers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(DIMENSIONS) | st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=500)
@given(st.text() | json_values.map(json.dumps) | st.dictionaries(st.sampled_from(DIMENSIONS), numbers).map(json.dumps))
def test_any_text_and_any_json_is_a_sheet_only_where_the_grammar_says_so(text: str) -> None:
    assert reads(text) == twin(text)


@pytest.mark.parametrize(
    "value",
    ["0", "11", "-1", "100", "7.5", "7.0", "1e1", '"8"', "true", "false", "NaN", "Infinity", "[8]", '{"a":8}', "08"],
)
@pytest.mark.parametrize("name", DIMENSIONS)
def test_a_value_off_the_scale_spoils_the_whole_sheet(name: str, value: str) -> None:
    with pytest.raises(OffFormError, match=f"{name} is|no JSON"):
        read(GOOD.replace(f'"{name}": {LABELS[name]}', f'"{name}": {value}'))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8",
        "null",
        "[8, 7, 9, 10]",
        "{}",
        GOOD[:-1],
        GOOD + GOOD,
        f"[{GOOD}]",
        f"Here you are:\n{GOOD}",
        f"{GOOD}\nGood overall.",
        GOOD.replace('"', "'"),
        GOOD.replace("}", ",}"),
        GOOD.replace('"clarity": 9, ', ""),
        GOOD.replace("}", ', "overall": 9}'),
        GOOD.replace("clarity", "Clarity"),
        GOOD.replace("}", ', "safety": 10}'),
        GOOD.replace("9", "null"),
        f'{{"scores": {GOOD}}}',
        f"```json\n{GOOD}",
        f"```python\n{GOOD}\n```",
        f"```\n{GOOD}\n```\n```\n{GOOD}\n```",
        f"<think>hm</think>{GOOD}",
        f"\ufeff{GOOD}",
        f"\u00a0{GOOD}",
        f"{GOOD}\x0b",
        f"{GOOD}\u2028",
        "[" * 100_000,
        '{"a":' * 100_000,
        "1" * 10_000,
    ],
)
def test_everything_but_one_whole_sheet_is_refused_with_a_short_reason(text: str) -> None:
    with pytest.raises(OffFormError) as error:
        read(text)
    assert 0 < len(str(error.value)) <= 100


def test_four_nulls_are_a_judge_that_abstains() -> None:
    assert read(json.dumps(dict.fromkeys(DIMENSIONS))) == Sheet(None)


@settings(max_examples=300)
@given(sheets())
def test_the_place_of_a_label_is_where_it_stands(text: str) -> None:
    labels = read(text).labels
    assert {name: text[start:end] for name, (start, end) in places(text).items()} == (
        {name: str(label) for name, label in (labels or {}).items()}
    )


def test_the_schema_is_one_that_strict_mode_takes() -> None:
    """Every key required, no other allowed, no bounds that only some servers know."""
    shape: Any = RESPONSE_FORMAT["json_schema"]
    assert shape["strict"] is True
    schema = shape["schema"]
    assert schema["required"] == list(schema["properties"]) == list(DIMENSIONS)
    assert schema["additionalProperties"] is False
    for part in schema["properties"].values():
        assert part == {"anyOf": [{"type": "integer", "enum": list(range(1, 11))}, {"type": "null"}]}
