"""Records: content addresses, rules, and one exact form on disk."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import record, records, score

from phase0.errors import RowError
from phase0.records import (
    DIMENSIONS,
    Asked,
    Request,
    Scores,
    Turn,
    canonical,
    check,
    decode,
    digest,
    encode,
    identity,
    key_of,
    make,
)


@given(records)
def test_a_record_is_read_as_it_was_written(row: Any) -> None:
    line = encode(row)
    assert decode(line) == row
    assert encode(decode(line)) == line
    assert b"\n" not in line


@given(records)
def test_a_row_starts_with_the_standard_fields_and_ends_with_meta(row: Any) -> None:
    fields = list(json.loads(encode(row)))
    assert fields[:4] == ["instruction", "response", "source", "quality_score"]
    assert fields[-2:] == ["id", "meta"]
    assert ("system" in fields) == (row.system is not None)
    assert ("history" in fields) == bool(row.history)


def test_the_form_on_disk_does_not_change() -> None:
    line = (
        b'{"instruction":"Count to 1.","response":"1 to 1.","source":"tests","quality_score":null,'
        b'"id":"' + record(1).id.encode() + b'",'
        b'"meta":{"origin":{"dataset":"made","revision":null,"row":"made.jsonl:1"},"license":null,"category":null,'
        b'"scores":null,"parent":null,"flags":[],"judges":[],"disagreement":null}}'
    )
    assert encode(record(1)) == line


def test_an_id_does_not_change_from_version_to_version() -> None:
    assert identity("a", "b", "c") == digest((None, [], "a", "b", "c"))
    assert identity("Say hi.", "Hi.", "gpt-4o") == "4a98d78a1a33d7ba7a53166edee48755"


@pytest.mark.parametrize(
    "change",
    [
        {"instruction": "other"},
        {"response": "other"},
        {"response": None},
        {"response": ""},
        {"source": "other"},
        {"system": "other"},
        {"history": [Turn("user", "x")]},
        {"history": [Turn("assistant", "x")]},
    ],
)
def test_an_id_depends_on_what_is_said_and_who_says_it(change: dict[str, Any]) -> None:
    assert record(1, **change).id != record(1).id


@pytest.mark.parametrize("change", [{"quality_score": 9.0}, {"meta": record(2).meta}, {"system": ""}])
def test_an_id_depends_on_nothing_else(change: dict[str, Any]) -> None:
    assert record(1, **change).id == record(1).id


def test_texts_that_join_alike_have_different_ids() -> None:
    assert identity("ab", "c", "s") != identity("a", "bc", "s")
    assert identity("a", "b", "s", history=[Turn("user", "x")]) != identity("x", "b", "s", history=[Turn("user", "a")])


@given(st.dictionaries(st.text(), st.integers() | st.text(), max_size=5))
def test_a_digest_does_not_depend_on_the_order_of_keys(value: dict[str, Any]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))
    assert len(digest(value)) == 32


def test_a_request_is_known_by_its_content() -> None:
    request = Request(model="m", messages=(("user", "hi"),), params={"temperature": 0, "top_p": 1})
    same = Request(model="m", messages=(("user", "hi"),), params={"top_p": 1, "temperature": 0})
    assert request.key == same.key == key_of(canonical(request)) == Asked(canonical(same)).key
    other = msgspec.structs.replace(request, draw=1)
    assert other.key == digest(other) != request.key


@given(st.tuples(score, score, score, score))
def test_the_mean_of_scores_is_rounded_half_up_to_one_decimal(four: tuple[float, float, float, float]) -> None:
    from decimal import ROUND_HALF_UP, Decimal

    exact = sum(Decimal(str(value)) for value in four) / 4
    mean = Scores(**dict(zip(DIMENSIONS, four, strict=True))).mean()
    assert Decimal(str(mean)) == exact.quantize(Decimal("0.1"), ROUND_HALF_UP)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"instruction": ""}, "empty_instruction"),
        ({"instruction": " \n\u3000"}, "empty_instruction"),
        ({"source": " "}, "no_source"),
        ({"quality_score": 0.9}, "score_out_of_range"),
        ({"quality_score": 10.1}, "score_out_of_range"),
        ({"quality_score": float("nan")}, "score_out_of_range"),
        ({"quality_score": float("inf")}, "score_out_of_range"),
        ({"meta": msgspec.structs.replace(record(1).meta, category="poetry")}, "bad_category"),
        (
            {
                "meta": msgspec.structs.replace(
                    record(1).meta, scores=Scores(correctness=1, helpfulness=1, clarity=0, safety=1)
                )
            },
            "score_out_of_range",
        ),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowError) as caught:
        record(1, **change)
    assert caught.value.reason == reason
    assert caught.value.field is not None


def test_an_empty_response_is_a_response_and_null_is_none_yet() -> None:
    check(record(1, response=""))
    check(record(1, response=None))
    assert record(1, response="").id != record(1, response=None).id


def test_a_row_with_a_field_too_many_is_no_record() -> None:
    for place in (b'{"instruction"', b'"origin":{"dataset"'):
        line = encode(record(1)).replace(place, place.replace(b'{"', b'{"extra":1,"'))
        with pytest.raises(msgspec.ValidationError, match="extra"):
            decode(line)


def test_records_do_not_change() -> None:
    with pytest.raises(AttributeError):
        record(1).instruction = "other"  # type: ignore[misc]


def test_make_takes_any_sequence_of_turns() -> None:
    assert make(
        instruction="i", response="r", source="s", meta=record(1).meta, history=[Turn("user", "x")]
    ).history == (Turn("user", "x"),)
