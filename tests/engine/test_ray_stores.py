"""De-duplication from a store into a store: what is published is what a disk would hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from clusters import Nodes
from made import record, write_lines
from sames import contents

from phase0.dataset.places import fetch, join, listed, publish
from phase0.records import encode


@pytest.fixture
def filled(store: str, tmp_path: Path) -> str:
    """The URL of a folder with three shards, of which the last has been there before."""
    for part in range(3):
        rows = [record(number, response=f"The answer to question {number} is " * 9) for number in range(part, 60, 2)]
        sent = write_lines(tmp_path / "in" / f"p{part}.jsonl", [encode(row) for row in rows])
        publish(sent, join(store, sent.name))
    return store


def dedup(folder: Path, *options: str) -> str:
    command = [sys.executable, "-W", "error", "-m", "phase0", "dedup", *options]
    done = subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def brought(url: str, folder: Path) -> Path:
    """A copy of a folder of a store, and of what stands beside it."""
    for name in ("rows", "rows.meta"):
        for one in listed(f"{join(url, name)}/"):
            fetch(one.url, folder / name / one.name)
    return folder


def check_shards(store: str, folder: Path, *options: str) -> None:
    """Shards in a store are de-duplicated into shards in a store as shards on a disk are."""
    (folder / "work").mkdir()
    told = dedup(folder / "work", f"--input={store}/*.jsonl", f"--output={store}/out/rows/", *options)
    assert f"→ {store}/out/rows" in told
    dedup(folder, f"--input={folder}/in", f"--output={folder}/disk/rows/")
    found, wanted = contents(brought(f"{store}/out", folder / "brought")), contents(folder / "disk")
    assert {name: text for name, text in found.items() if name.endswith(".jsonl")} == {
        name: text for name, text in wanted.items() if name.endswith(".jsonl")
    }
    manifest = json.loads(found["rows.meta/manifest.json"])
    assert manifest["counts"]["kept"] == sum(text.count(b"\n") for name, text in found.items() if "/part-" in name)
    assert not list((folder / "work" / ".phase0").rglob("part-*"))  # nothing is kept twice


def test_shards_in_a_store_become_shards_in_a_store(filled: str, tmp_path: Path) -> None:
    check_shards(filled, tmp_path)


@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize("store", ["file"], indirect=True)  # the nodes know no key for the other one
def test_so_they_do_on_a_cluster(nodes: Nodes, filled: str, tmp_path: Path) -> None:
    check_shards(filled, tmp_path, "--engine", "ray", "--address", nodes.resize(2))


def test_what_is_published_again_leaves_no_shard_of_before(filled: str, tmp_path: Path) -> None:
    for number in range(9):
        publish(write_lines(tmp_path / "old", [b"{}"]), f"{filled}/out/rows/part-{number:06}.jsonl")
    dedup(tmp_path, f"--input={filled}/*.jsonl", f"--output={filled}/out/rows/")
    assert [one.name for one in listed(f"{filled}/out/rows/")] == [f"part-{number:06}.jsonl" for number in range(3)]


def test_a_file_in_a_store_is_written_with_its_dropped_rows_and_its_manifest(filled: str, tmp_path: Path) -> None:
    inputs = [f"--input={filled}/p0.jsonl", f"--input={filled}/p2.jsonl"]
    told = dedup(tmp_path, *inputs, f"--output={filled}/out/rows.jsonl")
    assert f"→ {filled}/out/rows.jsonl" in told
    assert f"{filled}/out/rows.meta/dropped.jsonl" in told
    names = {one.name for one in listed(f"{filled}/out/rows.meta/")}
    assert {"dropped.jsonl", "manifest.json"} <= names
