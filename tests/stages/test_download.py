"""Datasets of the catalogue, from a hub on loopback through the real client, from the package, and from a folder."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hubserver import HubServer
from stagefiles import check_sums, rows_of, write

from phase0.catalog.datasets import Dataset, datasets
from phase0.engine.local import Local
from phase0.errors import BusyError, DataError, HubError, UsageError
from phase0.stages.acquire import COMBINED
from phase0.stages.download import Acquired, Hub, download, local_files
from phase0.workspace import MARK

GSM8K, ALPACA, HH = (datasets()[name] for name in ("gsm8k", "alpaca", "anthropic-hh"))


def parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def alpaca_rows(count: int) -> list[dict[str, Any]]:
    return [
        {"instruction": f"Name {n} rivers.", "input": "", "output": f"The {n} are …", "text": ""} for n in range(count)
    ]


def hh_rows(count: int) -> bytes:
    rows = [
        {"chosen": f"\n\nHuman: {n}?\n\nAssistant: Yes, {n}.", "rejected": f"\n\nHuman: {n}?\n\nAssistant: No."}
        for n in range(count)
    ]
    return gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in rows))


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        assert ALPACA.hub
        assert HH.hub
        server.add(ALPACA.hub, {"data/train-0.parquet": parquet(alpaca_rows(9))}, revision=str(ALPACA.revision))
        server.add(HH.hub, {name: hh_rows(4) for name in HH.files}, revision=str(HH.revision))
        yield server


def fetch(hub: HubServer, folder: Path, *names: str, **options: Any) -> Acquired:
    return download(names, folder, hub=Hub(endpoint=hub.url), engine=Local(1), **options)


def test_every_row_names_the_commit_it_came_from_and_its_licence(hub: HubServer, tmp_path: Path) -> None:
    made = fetch(hub, tmp_path / "raw", "alpaca", "anthropic-hh")
    commits = {name: next(iter(hub.repos[name])) for name in hub.repos}
    rows = rows_of(tmp_path / "raw" / COMBINED)
    assert len(rows) == 9 + 4 * 4
    for row in rows:
        origin = row["meta"]["origin"]
        entry = datasets()[origin["dataset"]]
        assert origin["revision"] == commits[str(entry.hub)]
        assert row["meta"]["license"] == entry.license
        assert row["source"] == (entry.author or entry.name)
    assert {row["meta"]["origin"]["row"].split(":")[0] for row in rows} == {"data/train-0.parquet", *HH.files}
    for manifest in made.datasets:
        check_sums(tmp_path / "raw" / manifest.output.path)
        assert manifest.settings["revision"] in commits.values()


def test_what_was_downloaded_is_not_downloaded_again(hub: HubServer, tmp_path: Path) -> None:
    fetch(hub, tmp_path / "raw", "alpaca")
    fetch(hub, tmp_path / "raw", "alpaca")
    assert len(hub.downloads("train-0.parquet")) == 1
    assert len(rows_of(tmp_path / "raw" / COMBINED)) == 9
    assert (tmp_path / MARK / "hub").is_dir()


def test_a_broken_download_is_continued_where_it_broke_off(hub: HubServer, tmp_path: Path) -> None:
    name = "data/train-0.parquet"
    hub.fail[name] = 503
    hub.cut[name] = []
    from phase0 import hub as client

    def patched(*args: Any, **options: Any) -> Any:
        return real(*args, **options, pauses=())

    real = client.fetch
    try:
        client.fetch = patched
        with pytest.raises(HubError, match="HTTP 503"):
            fetch(hub, tmp_path / "raw", "alpaca")
        assert not (tmp_path / "raw" / COMBINED).exists()
        del hub.fail[name]
        hub.cut[name] = [1000]
        with pytest.raises(HubError, match="the same call continues it"):
            fetch(hub, tmp_path / "raw", "alpaca")
        fetch(hub, tmp_path / "raw", "alpaca")
    finally:
        client.fetch = real
    assert hub.downloads(name)[-1].range == "bytes=1000-"
    assert len(rows_of(tmp_path / "raw" / COMBINED)) == 9


def test_another_revision_replaces_the_rows_of_the_pinned_one(hub: HubServer, tmp_path: Path) -> None:
    fetch(hub, tmp_path / "raw", "alpaca")
    commit = hub.add(str(ALPACA.hub), {"data/train-0.parquet": parquet(alpaca_rows(5))}, revision="next")
    made = fetch(hub, tmp_path / "raw", "alpaca", revision="next")
    rows = rows_of(tmp_path / "raw" / COMBINED)
    assert len(rows) == made.combined.counts.kept == 5
    assert {row["meta"]["origin"]["revision"] for row in rows} == {commit}


def test_an_unknown_revision_is_told_in_one_line(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(HubError, match="has no revision 'nosuch'"):
        fetch(hub, tmp_path / "raw", "alpaca", revision="nosuch")


def test_a_dataset_acquired_twice_is_replaced_and_a_second_one_is_added(hub: HubServer, tmp_path: Path) -> None:
    fetch(hub, tmp_path / "raw", "alpaca")
    fetch(hub, tmp_path / "raw", "anthropic-hh", limit=3)
    made = fetch(hub, tmp_path / "raw", "stanford-alpaca", limit=2)
    assert made.combined.figures == {"datasets": ["alpaca", "anthropic-hh"]}
    assert [row["meta"]["origin"]["dataset"] for row in rows_of(tmp_path / "raw" / COMBINED)] == ["alpaca"] * 2 + [
        "anthropic-hh"
    ] * 3
    assert len(made.datasets) == 1


def test_offline_a_downloaded_dataset_is_read_and_another_is_refused(hub: HubServer, tmp_path: Path) -> None:
    fetch(hub, tmp_path / "raw", "alpaca")
    asked = len(hub.seen)
    offline = Hub(endpoint=hub.url, offline=True)
    assert download(["alpaca"], tmp_path / "raw", hub=offline).combined.counts.kept == 9
    with pytest.raises(HubError, match=r"Offline, and openai/gsm8k at .* was never downloaded"):
        download(["gsm8k"], tmp_path / "raw", hub=offline)
    assert len(hub.seen) == asked


def test_a_hub_that_cannot_be_reached_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phase0.hub.PAUSES", ())
    with pytest.raises(HubError, match="--from DIR reads files that are already on disk") as told:
        download(["gsm8k"], tmp_path / "raw", hub=Hub(endpoint="http://127.0.0.1:9"))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("name", "near"), [("alpca", "alpaca"), ("Antropic-HH", "anthropic-hh"), ("al", "all")])
def test_an_unknown_dataset_suggests_the_nearest_before_anything_is_done(tmp_path: Path, name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"Did you mean '{near}'") as told:
        download(["alpaca", name], tmp_path / "raw", hub=Hub(endpoint="http://127.0.0.1:9"))
    assert "\n" not in str(told.value)
    assert not (tmp_path / "raw").exists()


def test_a_revision_of_files_on_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--revision main names a version on the hub"):
        download(["alpaca"], tmp_path / "raw", source=tmp_path, revision="main")


def test_a_second_acquisition_into_the_same_folder_is_told_who_is_at_it(hub: HubServer, tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()
    real = hub._reply

    def slow(seen: Any) -> Any:
        entered.set()
        leave.wait(20)
        return real(seen)

    hub._reply = slow  # type: ignore[method-assign]
    first = threading.Thread(target=fetch, args=(hub, tmp_path / "raw", "alpaca"))
    first.start()
    try:
        assert entered.wait(20)
        with pytest.raises(BusyError, match=rf"raw is in use by process {os.getpid()} on "):
            fetch(hub, tmp_path / "raw", "anthropic-hh")
        with pytest.raises(BusyError, match=r"tatsu-lab--alpaca is in use by process"):
            fetch(hub, tmp_path / "other", "alpaca", workspace=tmp_path)
    finally:
        leave.set()
        first.join()
    assert len(rows_of(tmp_path / "raw" / COMBINED)) == 9


# ---- the package and the disk ---------------------------------------------------------------------------------------


def test_the_bundled_sample_needs_no_network(tmp_path: Path) -> None:
    made = download(["sample"], tmp_path / "raw", hub=Hub(offline=True), engine=Local(1))
    assert made.rejected == ()
    check_sums(tmp_path / "raw" / "sample.jsonl", one_to_one=False)
    assert made.combined.counts.kept > 400
    assert {row["meta"]["license"] for row in rows_of(tmp_path / "raw" / COMBINED)} == {"Apache-2.0"}


@pytest.mark.parametrize(
    "place", ["data/train-0.parquet", "train-0.parquet", "alpaca/data/train-0.parquet", "alpaca/train-0.parquet"]
)
def test_files_on_disk_are_found_under_the_names_they_have_on_the_hub(tmp_path: Path, place: str) -> None:
    path = tmp_path / "in" / place
    path.parent.mkdir(parents=True)
    path.write_bytes(parquet(alpaca_rows(3)))
    download(["alpaca"], tmp_path / "raw", source=tmp_path / "in")
    rows = rows_of(tmp_path / "raw" / COMBINED)
    assert len(rows) == 3
    assert {(row["meta"]["license"], row["source"]) for row in rows} == {(ALPACA.license, ALPACA.author)}
    assert {row["meta"]["origin"]["revision"] for row in rows} == {None}


@pytest.mark.parametrize("place", ["alpaca.jsonl", "alpaca/part.json", "alpaca/deep/x.jsonl"])
def test_files_on_disk_with_the_datasets_name_are_taken_in_any_layout(tmp_path: Path, place: str) -> None:
    write(tmp_path / "in" / place, *({"prompt": f"Say {n}.", "completion": str(n)} for n in range(3)))
    write(tmp_path / "in" / "alpaca-eval.jsonl", {"prompt": "not this", "completion": "x"})
    made = download(["alpaca"], tmp_path / "raw", source=tmp_path / "in")
    assert made.combined.counts.kept == 3
    assert made.datasets[0].inputs[0].note == "prompt_completion"


def test_absolute_patterns_of_a_plan_find_their_files_and_no_row_says_where(tmp_path: Path) -> None:
    far = tmp_path / "far"
    for part in ("a", "b"):
        write(far / part / "rows.jsonl", alpaca_rows(3))
    mine = Dataset(name="mine", files=(f"{far}/*/rows.jsonl",))
    (tmp_path / "plans").mkdir()
    found = local_files(mine, tmp_path / "plans")
    assert [file.path for file in found.files] == [far / "a/rows.jsonl", far / "b/rows.jsonl"]
    assert [file.file for file in found.files] == ["a/rows.jsonl", "b/rows.jsonl"]
    with pytest.raises(DataError, match="none of its files"):
        local_files(Dataset(name="mine", files=(f"{far}/none-*.jsonl",)), far / "a")


def test_a_pattern_that_is_none_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mine: '' is no pattern of file names"):
        local_files(Dataset(name="mine", files=("",)), tmp_path)


def test_a_dataset_that_is_not_in_the_folder_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    write(tmp_path / "in" / "alpaca.jsonl", *alpaca_rows(3))
    made = download(["gsm8k", "alpaca"], tmp_path / "raw", source=tmp_path / "in")
    assert [item.path for item in made.rejected] == ["gsm8k"]
    assert "none of its files (main/train" in made.rejected[0].reason
    assert made.combined.counts.kept == 3
    with pytest.raises(DataError, match="gsm8k: none of its files"):
        download(["gsm8k"], tmp_path / "raw", source=tmp_path / "in")
    with pytest.raises(UsageError, match="there is no such folder"):
        download(["gsm8k"], tmp_path / "raw", source=tmp_path / "nowhere")


# ---- the command ----------------------------------------------------------------------------------------------------


def command(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "phase0", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**{k: v for k, v in os.environ.items() if not k.startswith(("HF_", "PHASE0_"))}, **environment},
    )


def test_the_command_respects_hf_endpoint_and_sends_hf_token(hub: HubServer, tmp_path: Path) -> None:
    names = ("--datasets", "alpaca", "anthropic-hh", "--output", f"{tmp_path}/raw/")
    made = command("download", *names, HF_ENDPOINT=hub.url, HF_TOKEN="secret")
    assert (made.returncode, made.stderr.count("Traceback")) == (0, 0), made.stderr
    assert "combine: 25 in = 25 kept + 0 dropped → " in made.stdout
    about_data = [seen for seen in hub.seen if "datasets/" in seen.path]
    assert {seen.authorization for seen in about_data} == {"Bearer secret"}
    again = command("download", *names, HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="1")
    assert again.returncode == 0, again.stderr


def test_the_command_ends_with_2_and_one_line_where_a_file_or_the_hub_fails(hub: HubServer, tmp_path: Path) -> None:
    write(tmp_path / "in" / "good.jsonl", *alpaca_rows(3))
    (tmp_path / "in" / "bad.jsonl").write_bytes(b"<html>")
    made = command("download", "--from", tmp_path / "in", "--output", tmp_path / "raw")
    assert made.returncode == 2
    assert made.stderr.startswith(f"phase0: not read: {tmp_path}/in/bad.jsonl: is a web page")
    assert made.stderr.count("\n") == 1
    assert "3 kept" in made.stdout
    hub.gated.add("openai/gsm8k")
    hub.add("openai/gsm8k", {"main/train-0.parquet": b"x"}, revision=str(GSM8K.revision))
    made = command("download", "--datasets", "gsm8k", "--output", tmp_path / "raw", HF_ENDPOINT=hub.url)
    assert made.returncode == 2
    assert made.stderr.count("\n") == 1
    assert "is gated" in made.stderr
