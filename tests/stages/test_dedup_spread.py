"""De-duplication over an engine: the bytes of the local engine, however the work is cut and wherever it runs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from neardup import made_rows, spelled, written

from phase0.dataset import Manifest, manifest_of, meta_folder
from phase0.dataset.manifest import is_whole
from phase0.engine.local import Local
from phase0.partitioned.bounds import bounds
from phase0.stages import dedup_spread
from phase0.stages.deduplicate import deduplicate


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


def test_slices_groups_and_small_rooms_change_nothing(lines, tmp_path, monkeypatch):
    """Components by stars, many groups, and pairs of a component that do not fit: it is decided block by block."""
    groups, said = [], []
    monkeypatch.setattr(dedup_spread, "_SMALL", 40)
    monkeypatch.setattr(dedup_spread, "bounds", lambda *given: bounds(*given)._replace(room=2000))
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
    path = written(tmp_path / "in.jsonl", [*lines[:200], *spelled(alike)])
    for clusters in ("greedy", "transitive"):
        assert check_same([path], tmp_path, units=2, clusters=clusters) > 50
    assert min(groups) > 10
    assert any("decided in blocks" in one for one in said)


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
