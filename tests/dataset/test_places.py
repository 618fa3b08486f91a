"""Places by URL: an S3 server on this machine, and plain folders, give and take the same files."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import until

import phase0
from phase0.dataset.places import fetch, is_url, join, listed, publish, refuse
from phase0.errors import DataError, UsageError

KEYS = {"AWS_ACCESS_KEY_ID": "of tests", "AWS_SECRET_ACCESS_KEY": "of tests", "AWS_DEFAULT_REGION": "us-east-1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An S3 server on this machine."""
    port, null = free_port(), subprocess.DEVNULL
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=null, stderr=null) as process:
        try:
            assert until(lambda: answers(port))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture(params=["s3", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty folder in a store."""
    if request.param == "file":
        (tmp_path / "store").mkdir()
        yield f"file://{tmp_path}/store"
        return
    s3fs = pytest.importorskip("s3fs")
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": request.getfixturevalue("server")}.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    bucket = f"bucket-{free_port()}"
    files.mkdir(bucket)
    yield f"s3://{bucket}/rows"
    files.rm(bucket, recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()


def put(folder: Path, url: str, text: str) -> None:
    (folder / "sent").write_text(text)
    publish(folder / "sent", url)


@pytest.mark.parametrize("place", ["s3://b/x.jsonl", "s3:/b/x.jsonl", Path("gs://b/x"), "file:///x", "HDFS://h/x"])
def test_a_url_is_known_also_as_the_path_that_was_made_of_it(place: str | Path) -> None:
    assert is_url(place)


@pytest.mark.parametrize("place", ["rows.jsonl", "/a/b", "C:/rows.jsonl", "a:b", "./s3://x", ""])
def test_a_path_is_no_url(place: str) -> None:
    assert not is_url(place)


def test_what_is_published_is_listed_in_the_order_of_names_and_comes_back(store: str, tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", ".hidden", "c.txt"):
        put(tmp_path, join(store, name), f"this is {name}\n")
    assert [one.name for one in listed(join(store, "*.jsonl"))] == ["a.jsonl", "b.jsonl"]
    assert [one.name for one in listed(f"{store}/")] == ["a.jsonl", "b.jsonl", "c.txt"]
    (only,) = listed(join(store, "a.jsonl"))
    assert only.bytes == len("this is a.jsonl\n")
    assert fetch(only.url, tmp_path / "got" / "a").read_text() == "this is a.jsonl\n"


def test_a_file_that_is_published_again_replaces_the_old_one_and_has_another_version(
    store: str, tmp_path: Path
) -> None:
    put(tmp_path, join(store, "a.jsonl"), "one\n")
    before = listed(join(store, "a.jsonl"))
    put(tmp_path, join(store, "a.jsonl"), "two, longer\n")
    after = listed(join(store, "a.jsonl"))
    assert before[0].version != after[0].version
    assert [one.name for one in listed(store)] == ["a.jsonl"]
    assert fetch(after[0].url, tmp_path / "a").read_text() == "two, longer\n"


def test_what_is_not_there_is_one_line(store: str, tmp_path: Path) -> None:
    put(tmp_path, join(store, "a.jsonl"), "one\n")
    with pytest.raises(DataError, match=r"b\.jsonl: there is no such file$"):
        listed(join(store, "b.jsonl"))
    with pytest.raises(DataError, match=r"b\.jsonl: there is no such file$"):
        fetch(join(store, "b.jsonl"), tmp_path / "b")
    with pytest.raises(UsageError, match=r"\*\.csv: there are no files there$"):
        listed(join(store, "*.csv"))
    assert not (tmp_path / "b").exists()


def test_files_of_a_store_are_acquired_and_fetched_again_only_when_they_have_changed(
    store: str, tmp_path: Path
) -> None:
    row = '{"instruction": "Name %s rivers.", "output": "They are: %s."}\n'
    put(tmp_path, join(store, "a.jsonl"), row % (3, 3))
    put(tmp_path, join(store, "b.jsonl"), row % (4, 4))
    made = phase0.acquire([join(store, "*.jsonl")], tmp_path / "raw")
    assert [manifest.output.path for manifest in made.datasets] == ["a.jsonl", "b.jsonl"]
    assert made.combined.counts.kept == 2
    copies = {path.name: path.stat().st_mtime_ns for path in (tmp_path / ".phase0").rglob("*.jsonl")}
    put(tmp_path, join(store, "b.jsonl"), row % (4, 4) + row % (5, 5))
    again = phase0.acquire([join(store, "*.jsonl")], tmp_path / "raw")
    assert again.combined.counts.kept == 3
    assert {
        path.name for path in (tmp_path / ".phase0").rglob("*.jsonl") if path.stat().st_mtime_ns != copies[path.name]
    } == {"b.jsonl"}


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(UsageError, match=r"^gs://b/x: needs a package that is not installed \(.*gcsfs"):
        listed("gs://b/x")


def test_a_store_that_nobody_knows_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"^floppy://b/x: Protocol not known: floppy"):
        listed("floppy://b/x")


def test_a_server_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    s3fs = pytest.importorskip("s3fs")
    url = f"http://127.0.0.1:{free_port()}"
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": url, "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(DataError, match=rf"^s3://b/x: .*{url}"):
        listed("s3://b/x")
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize("place", ["s3://b/run", Path("s3://b/run")])
def test_what_must_be_on_a_disk_is_refused_by_its_url(place: str | Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^s3://b/run: the folder of a run must be on a disk, not in a store"):
        refuse(place, "the folder of a run")
    with pytest.raises(UsageError, match=r"^s3://b/run: the folder of a run"):
        phase0.run(Path(phase0.__file__).parents[2] / "plans" / "quickstart.toml", place)
    with pytest.raises(UsageError, match=r"^s3://b/run: what is acquired must"):
        phase0.acquire([tmp_path], place)
