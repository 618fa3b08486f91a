"""Writing: any record comes back the same from any format, and nobody ever sees half a file."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import record, records

from phase0.dataset import BadRow, atomic, file_digest, read, read_records, write_json, writer, writing
from phase0.dataset.writing import Writer, sweep
from phase0.errors import DataError, UsageError
from phase0.records import Record, encode

FORMATS = [
    "jsonl",
    "jsonl.gz",
    "jsonl.zst",
    "json",
    "json.gz",
    "json.zst",
    "parquet",
    "csv",
    "tsv",
    "csv.gz",
    "csv.zst",
    "",
    "txt",
]


def put(path: Path, rows: list[bytes]) -> Path:
    with writer(path) as out:
        for row in rows:
            out.write(row)
    return path


def put_half(out: Writer) -> None:
    out.write(encode(record(1)))
    raise ZeroDivisionError


def got(path: Path) -> list[Record]:
    found = []
    for row in read_records(path):
        assert not isinstance(row, BadRow), row
        found.append(row[2])
    return found


def name(ending: str) -> str:
    return f"x.{ending}" if ending else "x"


@pytest.mark.parametrize("ending", FORMATS)
@given(rows=st.lists(records, max_size=4))
def test_any_record_comes_back_from_any_format(ending: str, rows: list[Record]) -> None:
    if ending.startswith(("csv", "tsv")):  # CSV has one way to write an empty text and null: it reads as null
        rows = [row for row in rows if row.response != ""]
    with tempfile.TemporaryDirectory() as folder:
        path = put(Path(folder) / name(ending), [encode(row) for row in rows])
        assert got(path) == rows


@pytest.mark.parametrize("ending", FORMATS)
def test_rows_come_back_as_the_bytes_they_were_written_as(tmp_path: Path, ending: str) -> None:
    rows = [encode(record(1)), encode(record(2, response=None, quality_score=9.0, system="Be brief."))]
    assert [row.raw for row in read(put(tmp_path / name(ending), rows))] == rows


def test_an_empty_response_reads_from_csv_as_not_known(tmp_path: Path) -> None:
    assert got(put(tmp_path / "x.csv", [encode(record(1, response=""))]))[0].response is None


@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_without_rows_is_a_file_without_rows(tmp_path: Path, ending: str) -> None:
    assert list(read(put(tmp_path / name(ending), []))) == []


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_table_of_full_records_takes_fields_that_come_late(tmp_path: Path, ending: str) -> None:
    rows = [record(number) for number in range(5000)] + [record(5000, system="Late.")]
    assert got(put(tmp_path / name(ending), [encode(row) for row in rows])) == rows


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.parametrize("late", [2, 5000])
def test_a_table_refuses_a_column_that_comes_late_rather_than_lose_it(tmp_path: Path, ending: str, late: int) -> None:
    rows = [b'{"q":"x"}'] * late + [b'{"q":"x","a":"y"}']
    if ending == "parquet" and late == 2:  # within the first batch the columns are still open
        assert [row.data for row in read(put(tmp_path / "x.parquet", rows))][-1] == {"q": "x", "a": "y"}
        return
    with pytest.raises(DataError, match=r"'a', which those before it have not; use \.jsonl"):
        put(tmp_path / name(ending), rows)
    assert list(tmp_path.iterdir()) == []


def test_parquet_refuses_a_column_of_two_types(tmp_path: Path) -> None:
    for rows in ([b'{"q":"x"}', b'{"q":5}'], [b'{"q":"x"}'] * 5000 + [b'{"q":5}'], [b'{"q":99999999999999999999}']):
        with pytest.raises(DataError, match=r"x\.parquet: Parquet has one type to a column"):
            put(tmp_path / "x.parquet", rows)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_table_refuses_rows_that_are_no_objects(tmp_path: Path, ending: str) -> None:
    with pytest.raises(DataError, match="a table has named columns"):
        put(tmp_path / name(ending), [b"[1,2]"])


def test_a_parquet_column_of_nulls_is_a_column_of_text(tmp_path: Path) -> None:
    path = put(tmp_path / "x.parquet", [encode(record(1, response=None))])
    assert str(pq.read_schema(path).field("response").type) == "string"


def test_compressed_parquet_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"leave out \.gz"):
        put(tmp_path / "x.parquet.gz", [b'{"a":1}'])
    assert list(tmp_path.iterdir()) == []


def test_a_json_array_has_an_element_to_a_line(tmp_path: Path) -> None:
    assert put(tmp_path / "x.json", [b'{"a":1}', b'{"a":2}']).read_bytes() == b'[\n{"a":1},\n{"a":2}\n]\n'
    assert put(tmp_path / "x.json", []).read_bytes() == b"[\n]\n"


@pytest.mark.parametrize("ending", ["jsonl.gz", "jsonl.zst", "parquet", "csv.zst"])
def test_the_same_rows_give_the_same_bytes_under_any_name_at_any_time(tmp_path: Path, ending: str) -> None:
    rows = [encode(record(number)) for number in range(1000)]
    one = put(tmp_path / f"one.{ending}", rows)
    time.sleep(1.1)  # gzip's time has a resolution of one second
    assert put(tmp_path / "folder" / f"other.{ending}", rows).read_bytes() == one.read_bytes()


def test_digests_tell_contents_apart(tmp_path: Path) -> None:
    one, same, other = tmp_path / "1", tmp_path / "2", tmp_path / "3"
    one.write_bytes(b"x" * 3_000_000)
    same.write_bytes(b"x" * 3_000_000)
    other.write_bytes(b"x" * 2_999_999 + b"y")
    assert file_digest(one) == file_digest(same) != file_digest(other)
    assert len(file_digest(one)) == 32


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("old", [b"old", None])
def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, ending: str, old: bytes | None
) -> None:
    path = tmp_path / name(ending)
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(ZeroDivisionError), writer(path) as out:
        put_half(out)
    assert [child.name for child in tmp_path.iterdir()] == ([path.name] if old else [])
    assert old is None or path.read_bytes() == old


def test_while_it_is_written_a_file_is_seen_by_no_pattern(tmp_path: Path) -> None:
    with writer(tmp_path / "x.jsonl") as out:
        out.write(b"{}")
        assert list(tmp_path.glob("*.jsonl")) == []
        assert [path.name for path in tmp_path.glob("*") if not path.name.startswith(".")] == []
    assert [path.name for path in tmp_path.iterdir()] == ["x.jsonl"]


_ENDLESS = """
import sys
from pathlib import Path
from phase0.dataset import writer
path, rounds = Path(sys.argv[1]), 0
while True:
    with writer(path) as out:
        for number in range(2000):
            out.write(b'{"round":%d,"n":%d}' % (rounds, number))
    rounds += 1
    print(rounds, flush=True)
"""


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "jsonl.zst", "parquet"])
def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    chance = random.Random(ending)
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", _ENDLESS, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()  # from here on there is always an old file
        time.sleep(chance.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        rows = [row.data for row in read(path)]  # type: ignore[union-attr]
        assert [row["n"] for row in rows] == list(range(2000))
        assert len({row["round"] for row in rows}) == 1
        assert list(tmp_path.glob("*.jsonl")) in ([], [path])
    sweep(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", FORMATS)
def test_the_digest_of_what_was_written_is_that_of_the_file(tmp_path: Path, ending: str) -> None:
    path = tmp_path / name(ending)
    with writer(path) as out:
        for number in range(3000):
            out.write(encode(record(number)))
        out.write_lines(memoryview(encode(record(3001)) + b"\n" + encode(record(3002)) + b"\n"))
    assert out.digest == file_digest(path)


@pytest.mark.parametrize("fails", [False, True])
def test_a_long_file_is_brought_to_the_disk_while_it_is_written_and_no_error_of_it_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """The system tells of an error once. Where that is long before the end, the end must still hear of it."""
    asked = []

    def sync(handle: int) -> None:
        asked.append(os.fstat(handle).st_size)
        if fails and len(asked) == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", sync, raising=False)
    monkeypatch.setattr(writing, "_SYNCED", 1 << 20)
    path = tmp_path / "x.jsonl"

    def write() -> None:
        with writer(path) as out:
            for _ in range(8):
                out.write_lines(b"x" * (1 << 20) + b"\n")

    if fails:
        with pytest.raises(DataError, match=r"x\.jsonl: cannot be written \(Input/output error\)"):
            write()
        assert list(tmp_path.iterdir()) == []
    else:
        write()
        assert path.stat().st_size == 8 * (1 + (1 << 20))
    assert asked
    assert asked[0] >= 1 << 20


def test_a_new_file_is_written_from_its_first_byte_to_its_last(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="written from its first byte to its last"), atomic(tmp_path / "x") as file:
        file.seek(0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", FORMATS)
def test_a_full_disk_is_one_line_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / name(ending)
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError) as caught:
        put(path, [encode(record(1))])
    assert str(caught.value) == f"{path}: cannot be written (No space left on device)"
    assert [child.name for child in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"old"


_LIMITED = """
import os, resource, sys
from pathlib import Path
from phase0.dataset import writer
from phase0.errors import DataError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with writer(Path(sys.argv[1])) as out:
        for number in range(200_000):
            out.write(b'{"n":%d,"text":"%s"}' % (number, os.urandom(30).hex().encode()))
except DataError as error:
    print(error)
"""


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "jsonl.zst", "json", "parquet", "csv"])
def test_a_write_that_fails_half_way_is_one_line_and_leaves_nothing(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _LIMITED, str(path)], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.startswith(f"{path}: cannot be written (")
    assert done.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"x\.jsonl: cannot be written \((File exists|Not a directory)\)"):
        put(tmp_path / "file" / "x.jsonl", [])

    def readonly(path: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(writing, "NewFile", readonly)
    with pytest.raises(DataError, match=r"x\.jsonl: cannot be written \(Permission denied\)"):
        put(tmp_path / "x.jsonl", [])


def test_folders_and_devices_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        put(tmp_path / "x.jsonl", [])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="is a device or a pipe"):
        put(tmp_path / "pipe", [])


def test_an_error_about_another_file_keeps_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="other"), atomic(tmp_path / "x"):
        (tmp_path / "other").read_bytes()


def test_sweeping_takes_the_parts_of_one_file_alone(tmp_path: Path) -> None:
    for child in (
        ".x[1].jsonl.5.partial",
        ".x[1].jsonl.77.partial",
        ".x[1].jsonl.gz.5.partial",
        ".x1.jsonl.5.partial",
        "x[1].jsonl",
    ):
        (tmp_path / child).write_bytes(b"")
    sweep(tmp_path / "x[1].jsonl")
    assert {path.name for path in tmp_path.iterdir()} == {
        ".x[1].jsonl.gz.5.partial",
        ".x1.jsonl.5.partial",
        "x[1].jsonl",
    }


def test_missing_folders_are_made(tmp_path: Path) -> None:
    assert put(tmp_path / "a" / "b" / "x.jsonl", [b"{}"]).read_bytes() == b"{}\n"


def test_a_json_file_is_readable_and_whole(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"b": [1, 2], "a": "é"})
    content = (tmp_path / "x.json").read_bytes()
    assert msgspec.json.decode(content) == {"b": [1, 2], "a": "é"}
    assert content.count(b"\n") > 3
