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
from phase0.dataset import Manifest, lineage, manifest_of, meta_folder
from phase0.dataset.manifest import is_whole
from phase0.dataset.writing import writer
from phase0.dedup.kernels.hashing import shingles
from phase0.engine.local import Local
from phase0.errors import DataError, UsageError
from phase0.partitioned.bounds import bounds
from phase0.report.numbers import balance
from phase0.stages import dedup_settling, dedup_spread
from phase0.stages.deduplicate import deduplicate
from phase0.stages.provenance import chain

SAMPLE = Path(phase0.__file__).parent / "sample"
COLUMNS = ("instruction", "response", "source", "quality_score", "id")


def spread(
    inputs: list[Path], output: Path | str, *, workers: int = 1, units: int = 3, unit: int = 0, **how: Any
) -> Manifest:
    """De-duplicate in partitions, with the largest file cut into about so many units, or in units of so many bytes."""
    unit = unit or -(-max(path.stat().st_size for path in inputs) // units) or 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dedup_spread, "UNIT", unit)
        return deduplicate(inputs, output, engine=Local(workers, spread=True), **how)


def said(manifest: Any) -> Any:
    """A manifest without times and the name of the output."""
    told = msgspec.to_builtins(manifest)
    for name in ("started", "seconds", "output", "others", "recipe"):
        del told[name]
    return told


def check_same(inputs: list[Path], place: Path, *, workers: int = 1, units: int = 3, unit: int = 0, **how: Any) -> int:
    """The local engine and the partitioned one leave the same bytes; answers what was removed."""
    local, other = place / "local.jsonl", place / "other.jsonl"
    wanted = deduplicate(inputs, local, **how)
    found = spread(inputs, other, workers=workers, units=units, unit=unit, **how)
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


MESSY = [
    b"",
    b" \t",
    b"{",
    b"[1]",
    b'\xef\xbb\xbf{"instruction":"one two three","response":"four"}',
    b' {"response":"FOUR!","instruction":"One, two. Three","id":"\xc3\xa9\\/"} \r',
    b'{"instruction":"one two three","response":"four","quality_score":9,"source":"a"}',
    b'{"instruct\\u0069on":"one two three","response":"four","id":7}',
    b'{"instruction":"a","response":"\xff"}',
    b'{"instruction":"?!","response":null}',
    b'{"instruction":"' + b"a b c " * 40 + b'"}',
    b'{"instruction":"' + b"a b c " * 40 + b'","response":"d"}',
]


@settings(max_examples=15, deadline=None)
@given(
    files=st.lists(st.lists(st.sampled_from(MESSY), max_size=8), min_size=1, max_size=3),
    against=st.lists(st.sampled_from(MESSY), max_size=3),
    ends=st.booleans(),
    unit=st.integers(20, 400),
)
def test_lines_of_every_kind_are_the_same_wherever_a_file_is_cut(files, against, ends, unit, tmp_path_factory):
    place, paths = tmp_path_factory.mktemp("cut"), []
    for number, lines in enumerate([against, *files]):
        paths.append(place / f"{number}.jsonl")
        paths[-1].write_bytes(b"\n".join(lines) + (b"\n" if ends and lines else b""))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("phase0.stages.row_files.MAX_ROW", 250)
        patch.setattr("phase0.stages.row_lines.MAX_ROW", 250)
        check_same(paths[1:], place, unit=unit, against=paths[:1], shingle=2, threshold="0.5")


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


def test_what_is_made_of_shards_knows_where_they_came_from(lines, tmp_path):
    path = written(tmp_path / "in.jsonl", lines)
    first = deduplicate([path], tmp_path / "first.jsonl", threshold="0.95")
    spread([tmp_path / "first.jsonl"], f"{tmp_path}/out/", units=3)
    last = deduplicate([tmp_path / "out"], tmp_path / "last.jsonl", threshold="0.5")
    assert [step.path.name for step in lineage(tmp_path / "last.jsonl")] == ["first.jsonl", "out", "last.jsonl"]
    known = chain([tmp_path / "last.jsonl"])
    assert known.gaps == ("in.jsonl, from which first.jsonl was made, has no manifest: what came before is not known",)
    sums = balance(known)
    assert sums.closes, sums.faults
    assert (sums.entered, sums.published) == (first.counts.rows_in, last.counts.kept)
    shards = sorted((tmp_path / "out").iterdir())
    assert len(chain(shards).made) == 2
    shards[1].write_bytes(b"")
    assert any("part-000001.jsonl was changed after its manifest" in gap for gap in chain(shards).gaps)


@pytest.mark.parametrize("name", ["rows.jsonl", "part-000000.jsonl", "part-000000.jsonl.gz"])
def test_a_folder_with_files_of_others_is_refused(lines, tmp_path, name):
    path, folder = written(tmp_path / "in.jsonl", lines[:20]), tmp_path / "out"
    written(folder / name, lines[:1])
    with pytest.raises(UsageError, match=f"{name}, which is not phase0's"):
        spread([path], folder)
    assert (folder / name).read_bytes() == lines[0] + b"\n"


def test_a_folder_is_no_output_for_its_own_shards_nor_for_a_file_of_its_name(lines, tmp_path):
    path = written(tmp_path / "in.jsonl", lines[:20])
    spread([path], f"{tmp_path}/out/")
    shards = sorted((tmp_path / "out").iterdir())
    with pytest.raises(UsageError, match=r"part-000000\.jsonl is an input in the folder of the output"):
        spread(shards, tmp_path / "out")
    with pytest.raises(UsageError, match="is a file, and the output is a folder"):
        spread([path], f"{path}/")
    with pytest.raises(UsageError, match="holds the manifest and the dropped rows of out"):
        deduplicate([path], tmp_path / "out.jsonl")
