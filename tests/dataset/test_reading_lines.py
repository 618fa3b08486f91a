"""JSONL: what is a line, what is a row, and what a bad row costs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.dataset import BadRow, Row, raw_rows, read


def file(folder: Path, content: bytes, name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def values(path: Path) -> list[object]:
    return [row.data if isinstance(row, Row) else row.error.reason for row in read(path)]


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    assert values(file(tmp_path, b'\xef\xbb\xbf{"a":1}\n{"a":2}\n')) == [{"a": 1}, {"a": 2}]


def test_lines_may_end_in_crlf_and_the_last_in_nothing(tmp_path: Path) -> None:
    assert list(read(file(tmp_path, b'{"a":1}\r\n{"a":2}'))) == [
        Row(1, b'{"a":1}', {"a": 1}),
        Row(2, b'{"a":2}', {"a": 2}),
    ]


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"])
def test_only_a_newline_ends_a_line(tmp_path: Path, mark: str) -> None:
    row = {"a": f"one{mark}line"}
    path = file(tmp_path, json.dumps(row, ensure_ascii=ord(mark) < 32).encode() + b"\n{}\n")
    assert values(path) == [row, {}]


def test_blank_lines_are_counted_but_are_no_rows(tmp_path: Path) -> None:
    assert [row.line for row in read(file(tmp_path, b'\n  \r\n{"a":1}\n\t\n{"a":2}\n\n'))] == [3, 5]


@pytest.mark.parametrize("content", [b"", b"\n", b"\n \r\n\t\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x", "x.txt"])
def test_a_file_of_nothing_holds_no_rows(tmp_path: Path, content: bytes, name: str) -> None:
    assert values(file(tmp_path, content, name)) == []


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.csv", "x.parquet", "x.json.zst"])
def test_an_empty_file_of_any_format_holds_no_rows(tmp_path: Path, name: str) -> None:
    assert values(file(tmp_path, b"", name)) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (rb'{"a":"\ud800"}', "lone_surrogate"),
        (rb'{"a":"x\udfffy"}', "lone_surrogate"),
        (rb'{"a":"\ud83d\ude00 \ude00"}', "lone_surrogate"),
        (rb'{"\ud800":1}', "lone_surrogate"),
        (b'{"a":"\xed\xa0\x80"}', "lone_surrogate"),
        (b'{"a":"\xff"}', "not_utf8"),
        (b'\xff{"a":1}', "not_utf8"),
        (b'{"a":"caf\xe9"}', "not_utf8"),
        (b'{"a":"x\x00y"}', "invalid_json"),
        (b"\x00\x00\x00", "invalid_json"),
        (b'{"a":"x\ty"}', "invalid_json"),
        (b'{"a":NaN}', "invalid_json"),
        (b'{"a":-Infinity}', "invalid_json"),
        (b'{"a":1e999}', "invalid_json"),
        (b'{"a":' + b"1" * 5000 + b"}", "invalid_json"),
        (b'{"a":1', "invalid_json"),
        (b'{"a":1}}', "invalid_json"),
        (b'{"a":1} {"b":2}', "invalid_json"),
        (b"{'a':1}", "invalid_json"),
        (rb'{"a":"\ud83d\ude00", "b":}', "invalid_json"),
        (b"[" * 100_000 + b"]" * 100_000, "too_deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too_deep"),
    ],
)
def test_a_bad_row_is_told_by_its_reason_and_reading_goes_on(tmp_path: Path, line: bytes, reason: str) -> None:
    before, bad, after = read(file(tmp_path, b'{"n":1}\n' + line + b'\n{"n":3}\n'))
    assert (before, after) == (Row(1, b'{"n":1}', {"n": 1}), Row(3, b'{"n":3}', {"n": 3}))
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.raw, bad.error.reason) == (2, line, reason)
    assert "\n" not in bad.error.detail


def test_a_bad_byte_is_named_with_its_place(tmp_path: Path) -> None:
    (bad,) = read(file(tmp_path, b'{"a":"caf\xe9"}'))
    assert isinstance(bad, BadRow)
    assert bad.error.detail == "not UTF-8: byte 0xe9 at 9"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (rb'{"a":"\u0000"}', {"a": "\x00"}),
        (rb'{"a":"\ud83d\ude00"}', {"a": "😀"}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b"[1,2]", [1, 2]),
        (b'"text"', "text"),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b"null", None),
    ],
)
def test_unusual_json_is_json(tmp_path: Path, line: bytes, value: object) -> None:
    assert values(file(tmp_path, b"{}\n" + line + b"\n")) == [{}, value]


def test_rows_that_are_arrays_are_rows(tmp_path: Path) -> None:
    assert values(file(tmp_path, b'["q","a"]\n["r","b"]\n')) == [["q", "a"], ["r", "b"]]
    assert values(file(tmp_path, b'[{"role":"user"}]\n[{"role":"user"}]\n')) == [[{"role": "user"}]] * 2


@pytest.mark.parametrize("first", [b"[INST] broken", b"]", b"{", b"text", b"<s>"])
def test_a_bad_first_line_does_not_change_what_the_file_is(tmp_path: Path, first: bytes) -> None:
    assert values(file(tmp_path, first + b'\n{"a":1}\n')) == ["invalid_json", {"a": 1}]


def test_a_line_of_50_megabytes_is_a_row_like_any_other(tmp_path: Path) -> None:
    long = msgspec.json.encode({"a": "x" * 50_000_000})
    rows = list(raw_rows(file(tmp_path, b"{}\n" + long + b"\n{}\n")))
    assert rows == [(1, b"{}"), (2, long), (3, b"{}")]


@pytest.mark.parametrize("length", [101, 5000, 3_000_000])
@pytest.mark.parametrize("end", [b'\n{"a":2}', b""])
def test_an_overlong_line_is_dropped_and_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, end: bytes
) -> None:
    monkeypatch.setattr("phase0.dataset.lines.MAX_ROW", 100)
    path = file(tmp_path, b'{"a":1}\n' + b"x" * length + end)
    assert values(path) == [{"a": 1}, "row_too_long"] + ([{"a": 2}] if end else [])
    bad = list(read(path))[1]
    assert len(bad.raw) <= 1000


def test_a_line_of_the_greatest_length_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phase0.dataset.lines.MAX_ROW", 100)
    assert values(file(tmp_path, b'"' + b"x" * 98 + b'"\n')) == ["x" * 98]


def test_a_line_that_never_ends_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tracemalloc

    monkeypatch.setattr("phase0.dataset.lines.MAX_ROW", 1 << 20)
    path = file(tmp_path, gzip.compress(b"x" * 100_000_000, compresslevel=1), "x.jsonl.gz")
    tracemalloc.start()
    try:
        assert values(path) == ["row_too_long"]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b""))), st.booleans())
def test_every_line_of_any_bytes_is_a_row_or_a_bad_row_or_blank(lines: list[bytes], ends: bool) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = file(Path(folder), b"{}\n" + b"\n".join(lines) + (b"\n" if ends else b""))
        rows = list(read(path))
    spoken = [number for number, line in enumerate(lines, 2) if line.strip(b" \t\r\n")]
    assert [row.line for row in rows] == [1, *spoken]
    for row in rows[1:]:
        assert row.raw == lines[row.line - 2].strip(b" \t\r\n")
