"""De-duplication over an engine: the bytes of the local engine, however the work is cut and wherever it runs."""

from __future__ import annotations

import gzip
import json
import os
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from neardup import made_rows, spelled, written

import phase0
from phase0 import acquire
from phase0.dataset import Manifest, manifest_of, meta_folder
from phase0.dataset.manifest import is_whole
from phase0.dataset.writing import writer
from phase0.dedup.kernels.hashing import shingles
from phase0.engine.local import Local
from phase0.errors import DataError
from phase0.partitioned.bounds import bounds
from phase0.stages import dedup_settling, dedup_spread
from phase0.stages.deduplicate import deduplicate

SAMPLE = Path(phase0.__file__).parent / "sample"
COLUMNS = ("instruction", "response", "source", "quality_score", "id")


def spread(inputs: list[Path], output: Path | str, *, workers: int = 1, units: int = 3, **how: Any) -> Manifest:
    """De-duplicate in partitions, with the largest file cut into about so many units."""
    unit = -(-max(path.stat().st_size for path in inputs) // units) or 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dedup_spread, "UNIT", unit)
        return deduplicate(inputs, output, engine=Local(workers, spread=True), **how)


def said(manifest: Any) -> Any:
    """A manifest without times and the name of the output."""
    told = msgspec.to_builtins(manifest)
    for name in ("started", "seconds", "output", "others", "recipe"):
        del told[name]
    return told


def check_same(inputs: list[Path], place: Path, *, workers: int = 1, units: int = 3, **how: Any) -> int:
    """The local engine and the partitioned one leave the same bytes; answers what was removed."""
    local, other = place / "local.jsonl", place / "other.jsonl"
    wanted = deduplicate(inputs, local, **how)
    found = spread(inputs, other, workers=workers, units=units, **how)
    assert other.read_bytes() == local.read_bytes()
    assert dropped(other) == dropped(local)
    assert said(found) == said(wanted)
    assert found.output.digest == wanted.output.digest
    assert not list(meta_folder(other).glob(".parts-*"))
    return wanted.figures["removed"]


def dropped(output: Path) -> bytes:
    return (meta_folder(output) / "dropped.jsonl").read_bytes()


@pytest.fixture
def lines() -> list[bytes]:
    return spelled(made_rows(400, seed=3))


@pytest.mark.parametrize("units", [1, 3, 7, 100])
def test_output_and_evidence_are_the_same_for_any_number_of_units(lines, tmp_path, units):
    paths = [written(tmp_path / "a.jsonl", lines[:150]), written(tmp_path / "b.jsonl", lines[150:])]
    assert check_same(paths, tmp_path, units=units) > 50


@pytest.mark.parametrize(
    "how",
    [
        {"clusters": "transitive"},
        {"keep": "first"},
        {"keep": "longest"},
        {"method": "minhash"},
        {"threshold": "0.5"},
        {"threshold": "0.5", "method": "minhash", "clusters": "transitive"},
        {"on": "response", "shingle": 2},
    ],
    ids=str,
)
def test_every_rule_gives_what_it_gives_on_one_machine(lines, tmp_path, how):
    assert check_same([written(tmp_path / "in.jsonl", lines)], tmp_path, **how) > 20


@pytest.mark.parametrize("clusters", ["greedy", "transitive"])
@pytest.mark.parametrize("keep", ["best", "first"])
def test_rows_of_another_dataset_remove_and_are_not_removed(lines, tmp_path, clusters, keep):
    others = [written(tmp_path / "x.jsonl", [*lines[:80], b"{"]), written(tmp_path / "y.jsonl", lines[70:100])]
    paths = [written(tmp_path / "in.jsonl", lines[60:])]
    removed = check_same(paths, tmp_path, against=others, clusters=clusters, keep=keep)
    assert manifest_of(tmp_path / "other.jsonl").figures["against"]["removed"] > 50
    assert removed > 100


def test_bad_lines_are_dropped_with_the_line_of_their_file(lines, tmp_path):
    messy = [b"{", *lines[:100], b"", b'{"instruction":5}', *lines[100:200], b"[", b"\xff"]
    (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress(b"\n".join(messy)))
    (tmp_path / "array.json").write_bytes(b"[" + b",".join(lines[200:300]) + b"]")
    (tmp_path / "none.jsonl").write_bytes(b"")
    (tmp_path / "bad.jsonl").write_bytes(b"{\n\n{")
    plain = written(tmp_path / "plain.jsonl", messy)
    paths = [tmp_path / name for name in ("packed.jsonl.gz", "none.jsonl", "bad.jsonl", "array.json")]
    for units in (1, 5):
        assert check_same([paths[0], plain, *paths[1:]], tmp_path, units=units) > 200
    lost = [json.loads(line) for line in dropped(tmp_path / "other.jsonl").splitlines()]
    bad = [(row["file"], row["line"]) for row in lost if row["reason"] != "near_duplicate"]
    assert ("plain.jsonl", 1) in bad
    assert ("packed.jsonl.gz", 103) in bad
    assert [place for place in bad if place[0] == "bad.jsonl"] == [("bad.jsonl", 1), ("bad.jsonl", 3)]


@pytest.mark.parametrize("suffix", ["jsonl.gz", "json", "parquet"])
def test_files_of_every_form_come_and_go(tmp_path, suffix):
    lines = [
        json.dumps(dict.fromkeys(COLUMNS) | row).encode() for row in made_rows(120, seed=8) if "unknown" not in row
    ]
    path = tmp_path / f"in.{suffix}"
    with writer(path) as out:
        for line in lines:
            out.write(line)
    for output in ("here", "there"):
        (tmp_path / output).mkdir()
    wanted = deduplicate([path], tmp_path / "here" / f"out.{suffix}")
    found = spread([path], tmp_path / "there" / f"out.{suffix}")
    assert (tmp_path / f"there/out.{suffix}").read_bytes() == (tmp_path / f"here/out.{suffix}").read_bytes()
    assert said(found) == said(wanted)
    assert found.counts.dropped > 10


def test_the_bundled_sample_leaves_what_it_leaves_on_one_machine(tmp_path):
    acquire([SAMPLE], tmp_path / "raw")
    assert check_same([tmp_path / "raw" / "combined.jsonl"], tmp_path, units=4) > 0


@pytest.mark.skipif("PHASE0_DEV_DATA" not in os.environ, reason="PHASE0_DEV_DATA is not set")
def test_real_rows_leave_what_they_leave_on_one_machine(tmp_path):
    """5,000 rows of each of four files, spread over three, of which one is compressed."""
    files = sorted((Path(os.environ["PHASE0_DEV_DATA"]) / "corpus").glob("*.jsonl.gz"))[:6:2]
    lines = [line for path in files for line in first(path, 5000)]
    paths = [written(tmp_path / f"{number}.jsonl", lines[number::3]) for number in range(2)]
    paths.append(tmp_path / "2.jsonl.gz")
    paths[2].write_bytes(gzip.compress(b"\n".join(lines[2::3])))
    for how in ({}, {"method": "minhash", "threshold": "0.5"}, {"clusters": "transitive"}):
        assert check_same(paths, tmp_path, units=2, workers=1 if how else 2, **how) > 100


def first(path: Path, rows: int) -> list[bytes]:
    with gzip.open(path) as file:
        return [line.rstrip(b"\n") for line in islice(file, rows)]


def test_slices_groups_and_small_rooms_change_nothing(lines, tmp_path, monkeypatch):
    """Components by stars, many groups, and pairs of a component that do not fit: it is decided block by block."""
    groups, said = [], []
    monkeypatch.setattr(dedup_spread, "_SMALL", 40)
    monkeypatch.setattr(dedup_spread, "bounds", lambda *given: bounds(*given)._replace(room=60_000))
    monkeypatch.setattr("phase0.dedup.decide._LEAST_PAIRS", 4)
    monkeypatch.setattr("phase0.dedup.decide._PAIRS_A_ROW", 0)
    monkeypatch.setattr("phase0.partitioned.dealing.BLOCK", 64)
    settle = dedup_spread.settle

    def heard(site, job, found, number):
        groups.append(number)
        progress = SimpleNamespace(start=print, advance=print, finish=print, say=said.append)
        return settle(site._replace(progress=progress), job, found, number)

    monkeypatch.setattr(dedup_spread, "settle", heard)
    words = [f"word{number}" for number in range(60)]
    alike = [{"instruction": "Say it", "response": " ".join([*words[:at], "x", *words[at:]])} for at in range(40)]
    path = written(tmp_path / "in.jsonl", [*lines[:150], *spelled(alike)])
    for clusters in ("greedy", "transitive"):
        assert check_same([path], tmp_path, units=2, clusters=clusters) > 50
    assert min(groups) > 2
    assert any("decided in blocks" in one for one in said)


def test_a_component_whose_rows_do_not_fit_into_a_worker_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setattr(dedup_settling, "ROW", 30 << 20)
    line = b'{"instruction":"the same","response":"again","id":"%d"}'
    path = written(tmp_path / "in.jsonl", [line % number for number in range(21)])
    how = {"max_memory": "800MiB"}
    with pytest.raises(DataError, match=r"^21 rows are connected .* takes 630 MiB; it may take 600 MiB: allow more"):
        spread([path], tmp_path / "out.jsonl", **how)
    assert not (tmp_path / "out.jsonl").exists()
    path.write_bytes(path.read_bytes().partition(b"\n")[2])
    assert spread([path], tmp_path / "out.jsonl", **how).counts.kept == 1


@pytest.mark.parametrize("mask", [0xF, 0xFFF])
def test_hashes_that_collide_remove_what_they_remove_on_one_machine(tmp_path, monkeypatch, mask):
    """The words have the last word on every removal, in every group."""

    def colliding(text, begins, ends, width, hashes, counts):
        total = shingles(text, begins, ends, width, hashes, counts)
        hashes[:total] &= np.uint64(mask << 2)
        return total

    monkeypatch.setattr("phase0.dedup.sets.shingles", colliding)
    path = written(tmp_path / "in.jsonl", spelled(made_rows(120, seed=4)))
    assert check_same([path], tmp_path, threshold="0.6") > 10


def test_two_processes_leave_the_same(lines, tmp_path):
    assert check_same([written(tmp_path / "in.jsonl", lines)], tmp_path, workers=2) > 50


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(0, 60),
    units=st.sampled_from([1, 3, 7]),
    threshold=st.sampled_from(["0.3", "0.6", "0.8", "1"]),
    clusters=st.sampled_from(["greedy", "transitive"]),
    keep=st.sampled_from(["best", "first", "longest"]),
    own=st.integers(0, 60),
)
def test_any_rows_under_any_rule_leave_what_one_machine_leaves(
    seed, rows, units, threshold, clusters, keep, own, tmp_path_factory
):
    place = tmp_path_factory.mktemp("any")
    lines = spelled(made_rows(rows, seed), seed)
    paths = [written(place / "in.jsonl", lines[: own + 1])]
    against = [written(place / "against.jsonl", lines[own:])] if seed % 2 else []
    how = {"threshold": threshold, "shingle": 2, "clusters": clusters, "keep": keep, "against": against}
    check_same(paths, place, units=units, **how)


# ---- a folder of shards ---------------------------------------------------------------------------------------------


def test_shards_in_the_order_of_their_names_are_the_file(lines, tmp_path):
    path = written(tmp_path / "in.jsonl", lines)
    wanted = deduplicate([path], tmp_path / "local.jsonl")
    for units in (5, 2):  # fewer shards than before
        found = spread([path], f"{tmp_path}/out/", units=units)
        shards = sorted((tmp_path / "out").iterdir())
        assert [shard.name for shard in shards] == [f"part-{number:06}.jsonl" for number in range(units)]
        assert b"".join(shard.read_bytes() for shard in shards) == (tmp_path / "local.jsonl").read_bytes()
        assert dropped(tmp_path / "out") == dropped(tmp_path / "local.jsonl")
        assert said(found) == said(wanted)
        assert (found.output.rows, found.output.bytes) == (wanted.output.rows, wanted.output.bytes)
        assert sum(shard.rows for shard in found.others) == found.counts.kept
        assert is_whole(tmp_path / "out", found)
    with shards[0].open("ab") as file:
        file.write(b"x")
    assert not is_whole(tmp_path / "out", found)
    shards[0].unlink()
    assert not is_whole(tmp_path / "out", found)
