"""Whole files: compression, what only looks like data, damage half-way, and which files are meant."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from functools import partial
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.dataset import Row, expand, file_digest, raw_rows, read, split
from phase0.dataset.containers import Kind, kind_of, stem, suffix
from phase0.errors import DataError, UsageError

ROWS = [{"n": number, "text": f"{number * 7919 % 10007:x} é"} for number in range(30_000)]
LINES = b"".join(msgspec.json.encode(row) + b"\n" for row in ROWS)


def zst(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packed:
        packed.write(content)
    return sink.getvalue().to_pybytes()


def file(folder: Path, content: bytes, name: str) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def values(path: Path) -> list[object]:
    return [row.data for row in read(path) if isinstance(row, Row)]


def refused(path: Path) -> str:
    """The one line with which a file is refused before any row."""
    with pytest.raises(DataError) as caught:
        next(read(path))
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


PACKED = {".gz": gzip.compress, ".zst": zst}


@pytest.mark.parametrize("ending", PACKED)
def test_compressed_rows_are_read(tmp_path: Path, ending: str) -> None:
    assert values(file(tmp_path, PACKED[ending](LINES), f"x.jsonl{ending}")) == ROWS


@pytest.mark.parametrize("ending", PACKED)
def test_several_compressed_streams_in_a_row_are_one_file(tmp_path: Path, ending: str) -> None:
    pack = PACKED[ending]
    cut = len(LINES) // 2
    assert values(file(tmp_path, pack(LINES[:cut]) + pack(b"") + pack(LINES[cut:]), f"x.jsonl{ending}")) == ROWS


@pytest.mark.parametrize("ending", PACKED)
def test_compression_is_seen_by_its_bytes_whatever_the_name(tmp_path: Path, ending: str) -> None:
    assert values(file(tmp_path, PACKED[ending](b'[{"a":1},\n{"a":2}]'), "x.jsonl")) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("ending", PACKED)
def test_compressed_nothing_holds_no_rows(tmp_path: Path, ending: str) -> None:
    assert values(file(tmp_path, PACKED[ending](b""), f"x.jsonl{ending}")) == []


def test_zeros_after_a_gzip_stream_are_padding(tmp_path: Path) -> None:
    assert values(file(tmp_path, gzip.compress(LINES) + bytes(512), "x.jsonl.gz")) == ROWS


def before_damage(path: Path) -> tuple[int, str]:
    """How many rows come before the damage, all of them good, and what the damage is said to be."""
    found = []
    with pytest.raises(DataError) as caught:
        found.extend(row[1] for row in raw_rows(path))
    assert found == LINES.split(b"\n")[: len(found)]
    return len(found), str(caught.value)


@pytest.mark.parametrize("share", [0.001, 0.02, 0.5, 0.9])
def test_of_a_truncated_gzip_file_every_row_that_can_be_decoded_is_read(tmp_path: Path, share: float) -> None:
    import zlib

    packed = gzip.compress(LINES)
    cut = packed[: int(len(packed) * share)]
    there = zlib.decompressobj(31).decompress(cut).count(b"\n")
    path = file(tmp_path, cut, "x.jsonl.gz")
    assert before_damage(path) == (there, f"{path}: the gzip stream ends early; the file is truncated")


def test_a_gzip_file_without_its_last_byte_gives_every_row(tmp_path: Path) -> None:
    count, message = before_damage(file(tmp_path, gzip.compress(LINES)[:-1], "x.jsonl.gz"))
    assert count == len(ROWS)
    assert "truncated" in message


def test_a_gzip_file_with_another_checksum_is_damaged(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(LINES))
    packed[-6] ^= 1
    count, message = before_damage(file(tmp_path, bytes(packed), "x.jsonl.gz"))
    assert count == len(ROWS)
    assert "damaged" in message


def test_damage_behind_the_end_of_an_array_is_told_too(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"[1, 2]\n"))
    packed[-6] ^= 1
    rows = read(file(tmp_path, bytes(packed), "x.json.gz"))
    assert [next(rows).raw, next(rows).raw] == [b"1", b"2"]
    with pytest.raises(DataError, match="damaged"):
        next(rows)


def test_garbage_after_a_gzip_stream_is_damage(tmp_path: Path) -> None:
    count, message = before_damage(file(tmp_path, gzip.compress(LINES) + b"garbage", "x.jsonl.gz"))
    assert count == len(ROWS)
    assert "damaged" in message


@pytest.mark.parametrize("share", [0.5, 0.9, 1])
def test_of_a_truncated_zst_file_every_row_of_its_whole_blocks_is_read(tmp_path: Path, share: float) -> None:
    packed = zst(LINES)
    cut = packed[: min(int(len(packed) * share), len(packed) - 1)]
    stream, there = pa.CompressedInputStream(pa.BufferReader(cut), "zstd"), list[bytes]()
    with pytest.raises(OSError, match="Truncated"):
        there.extend(iter(partial(stream.read, 1), b""))
    assert there
    count, message = before_damage(file(tmp_path, cut, "x.jsonl.zst"))
    assert count == there.count(b"\n") > 0
    assert "zstd stream is damaged or truncated" in message


def test_garbage_after_a_zst_stream_is_damage(tmp_path: Path) -> None:
    count, message = before_damage(file(tmp_path, zst(LINES) + b"garbage", "x.jsonl.zst"))
    assert count == len(ROWS)
    assert "damaged" in message


@pytest.mark.parametrize("ending", PACKED)
def test_of_a_truncated_array_the_elements_before_the_damage_are_read(tmp_path: Path, ending: str) -> None:
    array = b"[" + b",\n".join(LINES.split(b"\n")[:-1]) + b"]"
    packed = PACKED[ending](array)
    found = []
    with pytest.raises(DataError, match="truncated"):
        found.extend(row.data for row in read(file(tmp_path, packed[: len(packed) // 2], f"x.json{ending}")))
    assert len(found) > 5000
    assert found == ROWS[: len(found)]


@pytest.mark.parametrize("ending", PACKED)
def test_of_a_truncated_csv_file_the_rows_before_the_damage_are_read(tmp_path: Path, ending: str) -> None:
    packed = PACKED[ending](b"n,text\n" + b"".join(b"%d,%d\n" % (n, n * 7919 % 10007) for n in range(50_000)))
    found = []
    with pytest.raises(DataError, match="truncated"):
        found.extend(row.data for row in read(file(tmp_path, packed[: len(packed) // 2], f"x.csv{ending}")))
    assert len(found) > 5000
    assert found == [{"n": str(n), "text": str(n * 7919 % 10007)} for n in range(len(found))]


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
PAGE = b"\n<!DOCTYPE html>\n<html><head><title>404</title></head></html>\n"


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.json.zst", "x.parquet", "x.csv"])
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (POINTER, "Git LFS pointer"),
        (PAGE, "web page"),
        (b"<html>Not found</html>", "web page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "web page or XML"),
        ("[1]".encode("utf-16"), "UTF-16"),
    ],
)
def test_what_only_bears_the_name_of_data_is_called_what_it_is(
    tmp_path: Path, name: str, content: bytes, what: str
) -> None:
    assert what in refused(file(tmp_path, content, name))


def test_a_gzipped_web_page_is_a_web_page(tmp_path: Path) -> None:
    assert "web page" in refused(file(tmp_path, gzip.compress(PAGE), "x.jsonl.gz"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_seen_with_and_without_its_mark(tmp_path: Path, encoding: str) -> None:
    assert "iconv" in refused(file(tmp_path, '{"a": 1}\n'.encode(encoding), "x.jsonl"))


def test_archives_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.json", "w") as archive:
        archive.writestr("x.json", b"[1]")
    assert "ZIP archive" in refused(tmp_path / "x.json")
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("x.jsonl"), io.BytesIO())
    assert "tar archive" in refused(tmp_path / "x.tar.gz")


@pytest.mark.parametrize(
    ("name", "content"), [("x.jsonl.gz", b'{"a":1}\n'), ("x.jsonl.zst", gzip.compress(b"{}", mtime=0))]
)
def test_a_name_that_promises_compression_must_hold(tmp_path: Path, name: str, content: bytes) -> None:
    assert "is not compressed that way" in refused(file(tmp_path, content, name))


def test_a_parquet_file_must_be_one(tmp_path: Path) -> None:
    assert "is not a Parquet file" in refused(file(tmp_path, b'{"a":1}\n', "x.parquet"))
    assert "compressed Parquet" in refused(file(tmp_path, gzip.compress(b"PAR1" + bytes(100)), "x.parquet.gz"))
    assert "damaged Parquet" in refused(file(tmp_path, b"PAR1" + bytes(100) + b"PAR1", "x.parquet"))
    assert "damaged Parquet" in refused(file(tmp_path, b"PAR1", "x.parquet"))


def test_what_is_not_there_or_no_file_is_one_clear_line(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "missing.jsonl")
    assert "is a folder" in refused(tmp_path)
    for look in (split, file_digest, kind_of):
        with pytest.raises(DataError, match="no such file"):
            look(tmp_path / "missing.jsonl")
        with pytest.raises(DataError, match="is a folder"):
            look(tmp_path)


def test_a_file_that_may_not_be_read_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(self: Path, *args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))  # root may read anything, so chmod would not do

    path = file(tmp_path, b"{}\n", "x.jsonl")
    monkeypatch.setattr(Path, "open", closed)
    assert "no permission" in refused(path)
    with pytest.raises(DataError, match="no permission"):
        file_digest(path)


def test_a_disk_that_fails_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(io.BytesIO):
        def peek(self, size: int = 0) -> bytes:
            return b"{"

        def read1(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    path = file(tmp_path, b"{}\n", "x.jsonl")
    monkeypatch.setattr(Path, "open", lambda self, mode: Failing())
    assert "cannot be read (Input/output error)" in refused(path)


@given(
    st.binary(max_size=300), st.sampled_from(["x", "x.jsonl", "x.json", "x.csv", "x.jsonl.gz", "x.zst", "x.parquet"])
)
def test_no_bytes_make_reading_fail_but_by_a_data_error(content: bytes, name: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for head in (b"", b"PAR1", b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd", b"[", b"{"):
            path = file(Path(folder), head + content, name)
            message = ""
            try:
                list(read(path))
            except DataError as error:
                message = str(error)
            assert message == "" or message.startswith(f"{path}: ")
            assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "ending", "bare"),
    [
        ("x.jsonl", ".jsonl", "x"),
        ("x.v2.jsonl.gz", ".jsonl", "x.v2"),
        ("x.JSON.ZST", ".json", "x"),
        ("x.parquet", ".parquet", "x"),
        ("x.json.jsonl", ".jsonl", "x.json"),
        ("x.gz", ".jsonl", "x"),
        ("x", ".jsonl", "x"),
        ("alpaca.v2", ".v2", "alpaca.v2"),
        (".jsonl", ".jsonl", ".jsonl"),
    ],
)
def test_a_name_has_a_format_and_a_stem(name: str, ending: str, bare: str) -> None:
    assert (suffix(Path(name)), stem(Path(name))) == (ending, bare)


def test_a_name_without_a_known_suffix_is_jsonl(tmp_path: Path) -> None:
    assert kind_of(file(tmp_path, b"{}\n", "alpaca.v2")) is Kind.LINES


def test_inputs_are_paths_patterns_and_folders_each_file_once(tmp_path: Path) -> None:
    a, b = file(tmp_path, b"", "a.jsonl"), file(tmp_path, b"", "b.jsonl")
    hidden = file(tmp_path, b"", ".c.jsonl.1.partial")
    (tmp_path / "a.meta").mkdir()
    assert expand([b, str(tmp_path / "*.jsonl")]) == [b, a]
    assert expand([tmp_path]) == [a, b]
    assert hidden not in expand([tmp_path / "*"])


def test_one_file_by_two_names_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a = file(tmp_path, b"", "a.jsonl")
    monkeypatch.chdir(tmp_path)
    assert expand(["a.jsonl", a, "./a.jsonl"]) == [Path("a.jsonl")]


def test_brackets_in_a_name_are_a_name_where_there_is_such_a_file(tmp_path: Path) -> None:
    path = file(tmp_path, b"", "a[1].jsonl")
    assert expand([path]) == [path]


@pytest.mark.parametrize("inputs", [["missing.jsonl"], ["*.jsonl"], [""], []])
def test_inputs_that_name_nothing_are_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: list[str]
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(UsageError, match=r"no such file|no files there"):
        expand(inputs)


@pytest.mark.parametrize(
    ("name", "content"), [("x.json", b"[1,\n2]"), ("x.csv", b"a\n1\n"), ("x.jsonl.gz", gzip.compress(LINES, mtime=0))]
)
def test_what_cannot_be_cut_is_one_span(tmp_path: Path, name: str, content: bytes) -> None:
    path = file(tmp_path, content, name)
    assert [span.path for span in split(path, 1)] == [path]
    assert list(read(split(path, 1)[0])) == list(read(path))


def test_of_the_public_files_only_those_are_refused_that_are_no_data(dev_data: Path) -> None:
    files = {item["file"]: item for item in msgspec.json.decode((dev_data / "MANIFEST.json").read_bytes())["files"]}
    bad, refusals = {}, {}
    for path in sorted(path for path in (dev_data / "raw").rglob("*") if path.is_file()):
        name, good = path.relative_to(dev_data).as_posix(), 0
        try:
            for row in read(path):
                good += isinstance(row, Row)
                if not isinstance(row, Row):
                    bad[name, row.line] = row.error.reason
            assert files[name]["rows"] in {good, None}, name
        except DataError as error:
            refusals[name] = str(error).partition(": ")[2].partition(",")[0]
    assert refusals == {
        "raw/not-instructions/hh-helpful-base-test.lfs-pointer.jsonl.gz": "is a Git LFS pointer",
    }
    assert bad == {
        ("raw/instructionwild/user_2.jsonl", 134): "invalid_json",
        ("raw/instructionwild/user_2.jsonl", 168): "invalid_json",
    }
