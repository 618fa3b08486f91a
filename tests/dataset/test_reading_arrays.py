"""JSON arrays: read like JSONL, one element at a time, without holding the array."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phase0.dataset import Row, raw_rows, read
from phase0.errors import DataError

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=8
)


def file(folder: Path, content: bytes, name: str = "rows.json") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def values(path: Path) -> list[object]:
    return [row.data if isinstance(row, Row) else row.error.reason for row in read(path)]


def until_damage(path: Path) -> tuple[list[object], str]:
    """The values before the damage, and what it is said to be."""
    found: list[object] = []
    with pytest.raises(DataError) as caught:
        found.extend(row.data if isinstance(row, Row) else row.error.reason for row in read(path))
    return found, str(caught.value)


@settings(max_examples=25)
@given(st.lists(json_values), st.sampled_from([None, 0, 2, "\t"]), st.booleans())
def test_an_array_gives_its_elements_however_it_is_laid_out(
    rows: list[object], indent: object, ascii_only: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            content = json.dumps(rows, indent=indent, ensure_ascii=ascii_only).encode()  # type: ignore[arg-type]
        except UnicodeEncodeError:
            return  # half a surrogate pair can only be written as an escape
        path = file(Path(folder), content)
        lines = Path(folder) / "rows.jsonl"
        lines.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
        found, wanted = list(read(path)), list(read(lines))
    assert [type(row) for row in found] == [type(row) for row in wanted]
    assert [row.line for row in found] == list(range(1, len(rows) + 1))
    for one, other in zip(found, wanted, strict=True):
        if isinstance(one, Row):
            assert one.data == other.data  # type: ignore[union-attr]
            assert b"\n" not in one.raw
        else:
            assert one.error.reason == other.error.reason  # type: ignore[union-attr]


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64])
def test_where_a_block_ends_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr("phase0.dataset.arrays._BLOCK", block)
    rows = [{"a": 'x"\\"[{,]}'}, [], {}, 12345, -1.5e10, True, None, "", "é\u2028", {"b": [{"c": ["]"]}]}]
    for indent in (None, 3):
        assert values(file(tmp_path, json.dumps(rows, indent=indent, ensure_ascii=False).encode())) == rows


@pytest.mark.parametrize("content", [b"[]", b" [ ] \n", b"\xef\xbb\xbf[\n]\n", b"[]\r\n\r\n"])
def test_an_empty_array_holds_no_rows(tmp_path: Path, content: bytes) -> None:
    assert values(file(tmp_path, content)) == []


def test_elements_need_not_be_objects(tmp_path: Path) -> None:
    assert values(file(tmp_path, b'[1, "a", null, [2, [3]], true, {}]')) == [1, "a", None, [2, [3]], True, {}]


def test_a_comma_too_many_at_the_end_costs_nothing(tmp_path: Path) -> None:
    assert values(file(tmp_path, b'[{"a":1},\n{"a":2},\n]')) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        (b'{"a": }', "invalid_json"),
        (b'{"a" 1}', "invalid_json"),
        (b"{'a': 1}", "invalid_json"),
        (b"", "invalid_json"),
        (b"{}{}", "invalid_json"),
        (b'{"a": 1]', "invalid_json"),
        (b'{"a": 1}}', "invalid_json"),
        (b'{"a": NaN}', "invalid_json"),
        (b'{"a": 1e999}', "invalid_json"),
        (b'{"a": "x\ny"}', "invalid_json"),
        (b'{"a": "x\x00y"}', "invalid_json"),
        (rb'{"a": "\ud800"}', "lone_surrogate"),
        (b'{"a": "\xed\xa0\x80"}', "lone_surrogate"),
        (b'{"a": "caf\xe9"}', "not_utf8"),
        (b"[" * 100_000 + b"]" * 100_000, "too_deep"),
    ],
)
@pytest.mark.parametrize("block", [5, 1 << 20])
def test_a_bad_element_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, element: bytes, reason: str, block: int
) -> None:
    monkeypatch.setattr("phase0.dataset.arrays._BLOCK", block)
    assert values(file(tmp_path, b'[{"n": 1}, ' + element + b', {"n": 3}]')) == [{"n": 1}, reason, {"n": 3}]


@pytest.mark.parametrize(
    ("content", "before", "word"),
    [
        (b'[{"a":1}, {"a":2}', [{"a": 1}], "element 2: the file ends"),
        (b'[{"a":1}, {"a":', [{"a": 1}], "element 2: the file ends"),
        (b'[{"a":1}, "text', [{"a": 1}], "element 2: the file ends"),
        (b'[{"a":1},', [{"a": 1}], "element 2: the file ends"),
        (b"[", [], "element 1: the file ends"),
        (b'[{"a":1}] {"a":2}', [{"a": 1}], "follows the end of the array after element 1"),
        (b'[{"a":1}]\n[{"a":2}]', [{"a": 1}], "follows the end of the array after element 1"),
        (b"[]x", [], "follows the end of the array after element 0"),
        (b'[{"a":1}, {"a": [2}, {"a":3}]', [{"a": 1}], "element 2: the file ends"),
    ],
)
def test_damage_is_told_once_after_the_rows_before_it(
    tmp_path: Path, content: bytes, before: list[object], word: str
) -> None:
    path = file(tmp_path, content)
    found, message = until_damage(path)
    assert found == before
    assert message.startswith(f"{path}: ")
    assert word in message
    assert "\n" not in message


def test_an_element_that_never_ends_stops_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phase0.dataset.arrays.MAX_ROW", 3_000_000)
    found, message = until_damage(file(tmp_path, b'[{"a":1}, {"a":"' + b"x" * 20_000_000))
    assert found == [{"a": 1}]
    assert "element 2 is longer than 3,000,000 bytes" in message


def test_an_element_of_50_megabytes_is_a_row_like_any_other(tmp_path: Path) -> None:
    long = '\\"' * 25_000_000
    path = file(tmp_path, f'[{{"a":1}}, {{"a":"{long}"}}, {{"a":3}}]'.encode())
    rows = list(raw_rows(path))
    assert [row[0] for row in rows] == [1, 2, 3]
    assert [len(row[1]) for row in rows] == [7, 50_000_008, 7]


@pytest.mark.parametrize("name", ["x.json", "x.jsonl", "x", "x.txt"])
def test_an_array_over_several_lines_is_an_array_whatever_its_name(tmp_path: Path, name: str) -> None:
    assert values(file(tmp_path, b'[\n  {"a": 1},\n  {"a": 2}\n]\n', name)) == [{"a": 1}, {"a": 2}]
    assert values(file(tmp_path, b'[{"a": 1},\n{"a": 2}]\n', name)) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("size", [100, 200_000])
@pytest.mark.parametrize(("name", "rows"), [("x.json", 2), ("x.jsonl", 1)])
def test_an_array_on_one_line_is_what_its_name_says(tmp_path: Path, name: str, rows: int, size: int) -> None:
    content = json.dumps([{"a": "x" * size}, {"a": 2}]).encode() + b"\n"
    assert len(values(file(tmp_path, content, name))) == rows


@pytest.mark.parametrize(
    "content", [b'{\n  "a": 1\n}\n', b'{\r\n\t"data": [\n1,\n2]}', b'\xef\xbb\xbf{ \n\n "a": [1]}']
)
@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_one_object_over_several_lines_is_no_dataset(tmp_path: Path, content: bytes, name: str) -> None:
    found, message = until_damage(file(tmp_path, content, name))
    assert found == []
    assert "holds a JSON object over several lines" in message


def test_one_object_per_line_is_read_from_a_json_file_too(tmp_path: Path) -> None:
    assert values(file(tmp_path, b'{"a":1}\n{"a":2}\n')) == [{"a": 1}, {"a": 2}]


# A reader that held the array would need several times its size. VmHWM rather than ru_maxrss, which on Linux starts
# from the peak of the process that started this one.
_MEASURE = """
import re, resource, sys
from pathlib import Path
from phase0.dataset import raw_rows

def peak():
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1]) >> 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20

before = peak()
count = sum(1 for _ in raw_rows(Path(sys.argv[1])))
print(count, peak() - before)
"""


def write_array(path: Path, rows: int) -> None:
    row = json.dumps({"instruction": 'Say "it". ' * 40, "output": "It is [said], {twice}.\n" * 25}).encode()
    with path.open("wb") as out:
        out.write(b"[")
        for block in blocks(row, rows):
            out.write(block)
        out.write(b"]\n")


def blocks(row: bytes, rows: int) -> Iterator[bytes]:
    for first in range(0, rows, 1000):
        count = min(1000, rows - first)
        yield b",\n".join([row] * count) + (b",\n" if first + count < rows else b"")


def measured(path: Path) -> tuple[int, int]:
    """How many rows a process of its own reads, and by how many MiB its memory grows."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(path)], capture_output=True, text=True, check=True, timeout=3000
    )
    count, mebibytes = done.stdout.split()
    return int(count), int(mebibytes)


def test_memory_does_not_grow_with_the_array(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_array(path, 60_000)
    assert path.stat().st_size > 60_000_000
    count, mebibytes = measured(path)
    assert count == 60_000
    assert mebibytes < 20


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_an_array_of_2_gigabytes_is_read_in_20_mebibytes(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_array(path, 2_000_000)
    assert path.stat().st_size > 2_000_000_000
    count, mebibytes = measured(path)
    print(f"{count:,} elements of {path.stat().st_size:,} bytes read with {mebibytes} MiB more")
    assert count == 2_000_000
    assert mebibytes < 20
