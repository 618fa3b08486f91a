"""Standard rows: read strictly, each bad one named with its field and reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made import record, write_lines

from phase0.dataset import BadRow, read_records
from phase0.dataset.reading import record_from
from phase0.errors import RowError
from phase0.records import encode, identity

ROW = {"instruction": "Say hi.", "response": "Hi.", "source": "gpt-4o", "quality_score": 8.5}


def load(**fields: Any) -> Any:
    return record_from(json.dumps(ROW | fields).encode(), dataset="d", row="d.jsonl:1")


def test_a_row_of_the_standard_fields_is_given_its_id_and_an_origin() -> None:
    found = load()
    assert found.id == identity("Say hi.", "Hi.", "gpt-4o")
    assert (found.meta.origin.dataset, found.meta.origin.row) == ("d", "d.jsonl:1")
    assert found.quality_score == 8.5


def test_a_full_row_is_itself() -> None:
    assert record_from(encode(record(1)), dataset="other", row="other:9") == record(1)


@pytest.mark.parametrize("missing", ["quality_score"])
def test_the_score_may_be_absent(missing: str) -> None:
    row = {field: value for field, value in ROW.items() if field != missing}
    assert record_from(json.dumps(row).encode(), dataset="d", row="1").quality_score is None


@pytest.mark.parametrize("field", ["instruction", "response", "source"])
def test_the_texts_may_not_be_absent(field: str) -> None:
    row = {name: value for name, value in ROW.items() if name != field}
    with pytest.raises(RowError) as caught:
        record_from(json.dumps(row).encode(), dataset="d", row="1")
    assert (caught.value.reason, caught.value.field) == ("missing_field", field)


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"instruction": " \n"}, "empty_instruction", "instruction"),
        ({"instruction": None}, "bad_type", "instruction"),
        ({"response": 5}, "bad_type", "response"),
        ({"source": ""}, "no_source", "source"),
        ({"source": ["x"]}, "bad_type", "source"),
        ({"quality_score": "8.5"}, "bad_type", "quality_score"),
        ({"quality_score": True}, "bad_type", "quality_score"),
        ({"quality_score": 0}, "score_out_of_range", "quality_score"),
        ({"quality_score": 10.1}, "score_out_of_range", "quality_score"),
        ({"qualty_score": 5}, "unknown_field", "qualty_score"),
        ({"system": 1}, "bad_type", "system"),
        ({"history": "hi"}, "bad_type", "history"),
        ({"history": [{"role": "king", "content": "x"}]}, "bad_type", "history"),
        ({"meta": {"origin": 1}}, "bad_type", "meta"),
        (
            {"meta": {"origin": {"dataset": "d", "revision": None, "row": "1"}, "category": "poems"}},
            "bad_category",
            "meta.category",
        ),
    ],
)
def test_the_first_broken_rule_is_named_with_its_field(fields: dict[str, Any], reason: str, field: str) -> None:
    with pytest.raises(RowError) as caught:
        load(**fields)
    assert (caught.value.reason, caught.value.field) == (reason, field)
    assert field.removeprefix("meta.") in caught.value.detail


def test_a_misspelt_field_is_told_the_right_one() -> None:
    with pytest.raises(RowError, match="Did you mean 'quality_score'"):
        load(qualty_score=5)


@pytest.mark.parametrize("value", [[], "text", 5, None, True])
def test_a_row_that_is_no_object_is_named_for_what_it_is(value: Any) -> None:
    with pytest.raises(RowError) as caught:
        record_from(json.dumps(value).encode(), dataset="d", row="1")
    assert caught.value.reason == "not_an_object"


def test_bad_rows_pass_beside_good_ones_with_their_lines(tmp_path: Path) -> None:
    good = encode(record(1))
    path = write_lines(tmp_path / "x.jsonl", [good, b"{broken", b"", b"[]", good])
    rows = list(read_records(path))
    assert [row.line if isinstance(row, BadRow) else row[0] for row in rows] == [1, 2, 4, 5]
    assert [row.error.reason for row in rows if isinstance(row, BadRow)] == ["invalid_json", "not_an_object"]


def test_a_full_record_that_breaks_a_rule_is_a_bad_row(tmp_path: Path) -> None:
    broken = encode(record(1)).replace(b'"quality_score":null', b'"quality_score":11')
    (row,) = read_records(write_lines(tmp_path / "x.jsonl", [broken]))
    assert isinstance(row, BadRow)
    assert row.error.reason == "score_out_of_range"
