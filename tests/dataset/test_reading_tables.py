"""CSV, TSV and Parquet: every row comes as JSON or as a bad row, and one bad row never costs another."""

from __future__ import annotations

import csv
import datetime as dt
import io
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.dataset import BadRow, Row, read
from phase0.errors import DataError


def file(folder: Path, content: bytes, name: str = "x.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def values(path: Path) -> list[Any]:
    return [row.data if isinstance(row, Row) else row.error.reason for row in read(path)]


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        list(read(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.lists(cells, min_size=2, max_size=2)), st.sampled_from(["\n", "\r\n"]), st.sampled_from([",", "\t"]))
def test_what_the_csv_module_wrote_is_read_back(rows: list[list[str]], end: str, delimiter: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([["q", "a"], *rows])
    with tempfile.TemporaryDirectory() as folder:
        name = "x.csv" if delimiter == "," else "x.tsv"
        assert values(file(Path(folder), text.getvalue().encode(), name)) == [{"q": q, "a": a} for q, a in rows]


@pytest.mark.parametrize(
    "content",
    [
        b"q,a\none,two\n",
        b"q,a\r\none,two\r\n",
        b"\xef\xbb\xbfq,a\none,two",
        b'"q","a"\n"one","two"\n\n',
        b"\nq,a\n\none,two\n",
    ],
)
def test_a_csv_file_is_read_however_it_is_laid_out(tmp_path: Path, content: bytes) -> None:
    assert values(file(tmp_path, content)) == [{"q": "one", "a": "two"}]


def test_cells_may_hold_anything(tmp_path: Path) -> None:
    content = 'q,a\n"say ""hi"", then\r\ngo","a\x00b\u2028"\n,NULL\n'.encode()
    assert values(file(tmp_path, content)) == [
        {"q": 'say "hi", then\r\ngo', "a": "a\x00b\u2028"},
        {"q": "", "a": "NULL"},
    ]


def test_a_cell_may_be_longer_than_the_csv_module_likes(tmp_path: Path) -> None:
    assert values(file(tmp_path, b"q\n" + b"x" * 1_000_000 + b"\n")) == [{"q": "x" * 1_000_000}]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"one", "wrong_field_count"),
        (b"one,two,three", "wrong_field_count"),
        (b'"one"x,two', "invalid_csv"),
        (b"caf\xe9,two", "not_utf8"),
        (b"\xed\xa0\x80,two", "lone_surrogate"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_bad_csv_row_costs_itself_alone(tmp_path: Path, row: bytes, reason: str, end: bytes) -> None:
    first, bad, last = read(file(tmp_path, end.join([b"q,a", b"1,2", row, b"3,4", b""])))
    assert isinstance(first, Row)
    assert isinstance(bad, BadRow)
    assert isinstance(last, Row)
    assert (first.data, last.data) == ({"q": "1", "a": "2"}, {"q": "3", "a": "4"})
    assert (first.line, bad.line, last.line) == (1, 2, 3)
    assert (bad.error.reason, bad.raw.rstrip(b"\r\n")) == (reason, row)


def test_a_bad_row_is_kept_with_all_its_lines(tmp_path: Path) -> None:
    (bad,) = read(file(tmp_path, b'q,a\n"one\ntwo"\n'))
    assert bad.raw == b'"one\ntwo"\n'


def test_a_quote_that_is_never_closed_stops_the_file_and_is_named(tmp_path: Path) -> None:
    path = file(tmp_path, b'q,a\n1,2\n"open,3\n4,5\n')
    rows = read(path)
    assert next(rows) == Row(1, b'{"q":"1","a":"2"}', {"q": "1", "a": "2"})
    with pytest.raises(DataError, match="line 3: a quote is opened and never closed"):
        next(rows)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    assert "has 2 columns called 'q'" in refused(file(tmp_path, b"q,a,q\n1,2,3\n"))
    pq.write_table(pa.table([[1], [2]], names=["q", "q"]), tmp_path / "x.parquet")
    assert "has 2 columns called 'q'" in refused(tmp_path / "x.parquet")


def test_a_bad_header_stops_the_file(tmp_path: Path) -> None:
    assert "the header is not valid CSV" in refused(file(tmp_path, b'"q"x,a\n1,2\n'))
    assert "the header is not UTF-8" in refused(file(tmp_path, b"caf\xe9,a\n1,2\n"))


@pytest.mark.parametrize("content", [b"q,a\n", b"q,a", b"\n\n", b" \n"])
def test_a_header_alone_holds_no_rows(tmp_path: Path, content: bytes) -> None:
    assert values(file(tmp_path, content)) == []


def test_csv_without_a_header_takes_its_first_row_for_one(tmp_path: Path) -> None:
    assert values(file(tmp_path, b"one,two\nthree,four\n")) == [{"one": "three", "two": "four"}]


def test_cells_of_standard_rows_have_the_types_of_their_columns(tmp_path: Path) -> None:
    header = b"instruction,response,source,quality_score,system,history,id,meta\n"
    full = b'i,r,s,8.5,be brief,"[{""role"":""user"",""content"":""hi""}]",x,"{""flags"":[]}"\n'
    assert values(file(tmp_path, header + full + b"i,,s,,,,,\n")) == [
        {
            "instruction": "i",
            "response": "r",
            "source": "s",
            "quality_score": 8.5,
            "system": "be brief",
            "history": [{"role": "user", "content": "hi"}],
            "id": "x",
            "meta": {"flags": []},
        },
        {"instruction": "i", "response": None, "source": "s", "quality_score": None},
    ]


@pytest.mark.parametrize("cell", ["good", "8,5", "NaN", "[8]", '"8"', "0x8"])
def test_a_score_that_is_no_number_stays_the_text_it_is(tmp_path: Path, cell: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["instruction", "response", "quality_score"], ["i", "r", cell]])
    assert values(file(tmp_path, text.getvalue().encode()))[0]["quality_score"] == cell


def test_cells_of_other_tables_are_text_and_nothing_else(tmp_path: Path) -> None:
    content = b"instruction,input,response,quality_score\ni,,,8.5\n"
    assert values(file(tmp_path, content)) == [
        {"instruction": "i", "input": "", "response": "", "quality_score": "8.5"}
    ]


def write(folder: Path, table: pa.Table) -> Path:
    pq.write_table(table, folder / "x.parquet")
    return folder / "x.parquet"


def test_parquet_values_become_json(tmp_path: Path) -> None:
    moment = dt.datetime(2024, 5, 13, 12, 30, tzinfo=dt.UTC)
    table = pa.table(
        {
            "text": ["a\u2028\x00b"],
            "nested": [{"a": [{"b": None}], "c": {"d": [1, 2]}}],
            "when": pa.array([moment], pa.timestamp("us", tz="Europe/Paris")),
            "precise": pa.array([1_715_603_400_000_000_001], pa.timestamp("ns")),
            "day": [moment.date()],
            "bytes": [b"\xff\x00"],
            "nan": [float("nan")],
            "price": [Decimal("1.50")],
            "big": [2**62],
            "kind": pa.array(["x"]).dictionary_encode(),
            "pairs": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
            "nothing": pa.nulls(1),
            "fixed": pa.array([[1.5, 2.0]], pa.list_(pa.float32(), 2)),
            "large": pa.array([["x"]], pa.large_list(pa.large_string())),
            "time": pa.array([1_000_000_001], pa.time64("ns")),
            "took": pa.array([1_500_000_000], pa.duration("ns")),
            "long ago": pa.array([[1]], pa.list_(pa.timestamp("ns"))),
            "uuid": pa.array([bytes(16)], pa.binary(16)).cast(pa.uuid()),
        }
    )
    assert values(write(tmp_path, table)) == [
        {
            "text": "a\u2028\x00b",
            "nested": {"a": [{"b": None}], "c": {"d": [1, 2]}},
            "when": "2024-05-13T12:30:00Z",
            "precise": "2024-05-13T12:30:00",
            "day": "2024-05-13",
            "bytes": "/wA=",
            "nan": None,
            "price": 1.5,
            "big": 2**62,
            "kind": "x",
            "pairs": [["k", 1]],
            "nothing": None,
            "fixed": [1.5, 2.0],
            "large": ["x"],
            "time": "00:00:01",
            "took": "PT1.5S",
            "long ago": ["1970-01-01T00:00:00"],
            "uuid": "00000000-0000-0000-0000-000000000000",
        }
    ]


def not_checked(*cells: bytes) -> pa.Array:
    """Strings as a careless writer leaves them: Arrow itself does not look whether they are UTF-8."""
    return pa.Array.from_buffers(pa.string(), len(cells), pa.array(cells, pa.binary()).buffers())


@pytest.mark.parametrize("nested", [False, True])
def test_parquet_text_that_is_not_utf8_costs_its_row_alone(tmp_path: Path, nested: bool) -> None:
    strings = not_checked(b"one", b"\xed\xa0\x80x", b"\xff", b"four")
    column = pa.StructArray.from_arrays([strings], ["in"]) if nested else strings
    rows = list(read(write(tmp_path, pa.table({"n": [1, 2, 3, 4], "t": column}))))
    reasons = [row.error.reason if isinstance(row, BadRow) else row.data["n"] for row in rows]
    assert reasons == [1, "lone_surrogate", "not_utf8", 4]
    assert [row.line for row in rows] == [1, 2, 3, 4]
    assert b'"n":3' in rows[2].raw
    assert rb"\\xff" in rows[2].raw


def test_a_parquet_value_that_no_json_can_hold_costs_its_row_alone(tmp_path: Path) -> None:
    table = pa.table({"n": [1, 2], "when": pa.array([0, 10**17], pa.timestamp("ms"))})
    first, second = read(write(tmp_path, table))
    assert isinstance(first, Row)
    assert isinstance(second, BadRow)
    assert (second.line, second.error.reason) == (2, "not_json_value")
    assert second.raw == b'{"n":2,"when":100000000000000000}'


def test_rows_are_numbered_through_all_row_groups(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": list(range(1, 2501))}), tmp_path / "x.parquet", row_group_size=700)
    assert [(row.line, row.data["n"]) for row in read(tmp_path / "x.parquet")] == [(n, n) for n in range(1, 2501)]


def test_absent_fields_of_standard_rows_are_absent_and_null_ones_null(tmp_path: Path) -> None:
    row = {"instruction": "i", "response": None, "source": "s", "quality_score": None, "system": None, "history": []}
    assert values(write(tmp_path, pa.Table.from_pylist([row]))) == [
        {"instruction": "i", "response": None, "source": "s", "quality_score": None}
    ]


def test_a_truncated_parquet_file_is_damaged(tmp_path: Path) -> None:
    path = write(tmp_path, pa.table({"n": list(range(10_000))}))
    path.write_bytes(path.read_bytes()[:-5000])
    assert "damaged Parquet" in refused(path)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7])
def test_a_damaged_parquet_page_is_noticed_and_the_groups_before_it_are_read(tmp_path: Path, share: float) -> None:
    path = tmp_path / "x.parquet"
    rows = [{"t": f"row {number * 7919 % 10007} of many"} for number in range(5000)]
    pq.write_table(
        pa.Table.from_pylist(rows), path, row_group_size=1000, use_dictionary=False, write_page_checksum=True
    )
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 0xFF
    path.write_bytes(bytes(content))
    found = []
    with pytest.raises(DataError, match="damaged Parquet"):
        found.extend(row.data for row in read(path) if isinstance(row, Row))
    assert found == rows[: int(share * 5) * 1000]


def test_a_parquet_file_without_rows_or_columns_holds_no_rows(tmp_path: Path) -> None:
    assert values(write(tmp_path, pa.table({"n": pa.array([], pa.int64())}))) == []
    assert values(write(tmp_path, pa.table({}))) == []
