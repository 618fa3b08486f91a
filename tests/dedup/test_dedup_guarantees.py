"""What de-duplication promises, on a thousand made rows: by comparing all with all, and whatever else may change."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from neardup import chosen, components, made_rows, near_pairs, rank, spelled, text_of, written

from phase0.dataset import meta_folder
from phase0.dataset.writing import writer
from phase0.dedup import memory, near, remaining, shelf
from phase0.dedup.memory import Storage
from phase0.stages.deduplicate import deduplicate

ROWS = 1000
WAYS: dict[str, dict[str, Any]] = {
    "exact": {"method": "exact"},
    "minhash": {"method": "minhash"},
    "transitive": {"method": "exact", "clusters": "transitive"},
}
STORES = {"in memory": None, "prefixes alone": Storage(prefixes=True), "on disk": Storage(on_disk=True)}
"""How the sets are held. Whatever is added here must not change a byte."""
STINTED: dict[str, dict[str, Any]] = {"all memory": {}, "little memory": {"max_memory": 150_000}}
COUNTED = [(memory, "BASE"), (memory, "ROW"), (near, "BASE"), (near, "ROW")]
"""What the program itself and a row take; with nothing for these, some hundred rows are too many for so little."""

ways = pytest.mark.parametrize("way", WAYS)


class Outcome(NamedTuple):
    kept: bytes
    dropped: bytes
    figures: dict[str, Any]

    def gone(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.dropped.splitlines()]


def outcome(inputs: Sequence[Path], output: Path, **how: Any) -> Outcome:
    manifest = deduplicate(inputs, output, **how)
    assert manifest.counts.rows_in == manifest.counts.kept + manifest.counts.dropped
    return Outcome(output.read_bytes(), (meta_folder(output) / "dropped.jsonl").read_bytes(), manifest.figures)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    storage, written_B = STORES[request.param], list[int]()
    if storage:
        # Not every way of looking for pairs can do with prefixes: the others then find out that keys do not fit.
        def planned(held: memory.Memory, *_: Any) -> Storage:
            return storage._replace(prefixes=storage.prefixes and held.prefixes)

        monkeypatch.setattr(near, "plan", planned)
        for place, name in COUNTED:
            monkeypatch.setattr(place, name, 0)
        write = shelf._write
        monkeypatch.setattr(
            shelf, "_write", lambda file, values: written_B.append(values.nbytes) or write(file, values)
        )
    yield STINTED["little memory"] if storage else {}
    if storage is None or storage.on_disk:
        assert bool(storage) == (sum(written_B) > 100_000), "keys that do not fit, and no others, go to disk"


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return spelled(made_rows(ROWS, seed=1))


@pytest.fixture(scope="module")
def source(lines: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("rows") / "in.jsonl", lines)


@pytest.fixture(scope="module")
def calm(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """What one worker makes of one file, each way."""
    folder = tmp_path_factory.mktemp("calm")
    return {name: outcome([source], folder / f"{name}.jsonl", workers=1, **how) for name, how in WAYS.items()}


@pytest.fixture(scope="module")
def pairs(lines: list[bytes]) -> dict[tuple[int, int], tuple[int, int]]:
    found = near_pairs([text_of(json.loads(line)) for line in lines], Fraction(4, 5))
    assert len(found) > 200
    return found


def by_rank(lines: Sequence[bytes]) -> list[int]:
    return sorted(range(len(lines)), key=lambda row: rank(lines[row]), reverse=True)


def numbers(made: Outcome, lines: Sequence[bytes]) -> set[int]:
    """The rows that are kept."""
    places = {line: row for row, line in enumerate(lines)}
    return {places[line] for line in made.kept.splitlines()}


def test_what_goes_is_what_comparing_all_with_all_removes_and_the_evidence_is_its_counts(
    lines: list[bytes], calm: dict[str, Outcome], pairs: dict[tuple[int, int], tuple[int, int]]
) -> None:
    told = {
        item["line"] - 1: (item["evidence"]["kept_line"] - 1, item["evidence"]["shared"], item["evidence"]["union"])
        for item in calm["exact"].gone()
    }
    assert told == chosen(pairs, by_rank(lines))
    assert numbers(calm["exact"], lines) == set(range(ROWS)) - told.keys()


@pytest.mark.parametrize("way", ["exact", "minhash"])
def test_every_removed_row_reaches_the_threshold_with_the_kept_row_it_names(
    way: str, lines: list[bytes], calm: dict[str, Outcome], pairs: dict[tuple[int, int], tuple[int, int]]
) -> None:
    kept = numbers(calm[way], lines)
    gone = calm[way].gone()
    assert len(gone) > 100
    for item in gone:
        row, evidence = item["line"] - 1, item["evidence"]
        witness = evidence["kept_line"] - 1
        assert witness in kept
        assert row not in kept
        assert evidence["kept_id"] == json.loads(lines[witness])["id"]
        assert pairs[min(row, witness), max(row, witness)] == (evidence["shared"], evidence["union"])
        assert evidence["jaccard"] == round(evidence["shared"] / evidence["union"], 6)
        assert rank(lines[witness]) > rank(lines[row])


def test_no_two_kept_rows_reach_the_threshold_and_minhash_leaves_no_more_than_it_says(
    lines: list[bytes], calm: dict[str, Outcome], pairs: dict[tuple[int, int], tuple[int, int]]
) -> None:
    exact, minhash = (numbers(calm[way], lines) for way in ("exact", "minhash"))
    assert not [pair for pair in pairs if exact.issuperset(pair)]
    left = [pair for pair in pairs if minhash.issuperset(pair)]
    assert calm["exact"].figures["missed_share"] == 0
    assert len(left) <= 2 * calm["minhash"].figures["missed_share"] * len(pairs)


def test_of_rows_that_pairs_connect_exactly_the_best_stays_where_clusters_are_transitive(
    lines: list[bytes], calm: dict[str, Outcome], pairs: dict[tuple[int, int], tuple[int, int]]
) -> None:
    root = components(ROWS, pairs)
    best: dict[int, int] = {}
    for row in by_rank(lines):
        best.setdefault(root[row], row)
    assert numbers(calm["transitive"], lines) == set(best.values())
    assert {item["line"] - 1: item["evidence"]["kept_line"] - 1 for item in calm["transitive"].gone()} == {
        row: best[root[row]] for row in range(ROWS) if best[root[row]] != row
    }


@ways
def test_verify_s_count_of_what_is_left_is_that_of_comparing_all_with_all(
    way: str, lines: list[bytes], calm: dict[str, Outcome], pairs: dict[tuple[int, int], tuple[int, int]]
) -> None:
    kept = numbers(calm[way], lines)
    texts = [text_of(json.loads(lines[row])) for row in sorted(kept)]
    assert remaining(texts).pairs == sum(kept.issuperset(pair) for pair in pairs)


@ways
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_change_no_byte(
    way: str, store: dict[str, Any], workers: int, source: Path, calm: dict[str, Outcome], tmp_path: Path
) -> None:
    made = outcome([source], tmp_path / f"{way}.jsonl", workers=workers, **WAYS[way], **store)
    assert made == calm[way]


@ways
@pytest.mark.parametrize("shards", [7, 50])
def test_shards_change_no_line_and_no_evidence_but_the_place(
    way: str, store: dict[str, Any], shards: int, lines: list[bytes], calm: dict[str, Outcome], tmp_path: Path
) -> None:
    size = -(-len(lines) // shards)
    for at in range(shards):
        written(tmp_path / "shards" / f"{at:03}.jsonl", lines[at * size : (at + 1) * size])
    made = outcome([tmp_path / "shards"], tmp_path / f"{way}.jsonl", workers=2, **WAYS[way], **store)
    assert made.kept == calm[way].kept
    assert [placed(item, size) for item in made.gone()] == [placed(item, size) for item in calm[way].gone()]


def placed(item: dict[str, Any], size: int) -> dict[str, Any]:
    """A dropped row with its places counted over all shards."""
    evidence = item["evidence"]
    for where, file, line in ((item, "file", "line"), (evidence, "kept_file", "kept_line")):
        if where[file] != "in.jsonl":
            where[line] += int(Path(where[file]).stem) * size
        del where[file]
    return item


@ways
def test_the_order_of_rows_changes_neither_which_stay_nor_why_the_others_go(
    way: str, store: dict[str, Any], lines: list[bytes], calm: dict[str, Outcome], tmp_path: Path
) -> None:
    shuffled = random.Random(way).sample(lines, len(lines))
    source = written(tmp_path / "in.jsonl", shuffled)
    made = outcome([source], tmp_path / "out.jsonl", workers=2, **WAYS[way], **store)
    assert sorted(made.kept.splitlines()) == sorted(calm[way].kept.splitlines())
    assert sorted(map(reason, made.gone())) == sorted(map(reason, calm[way].gone()))
    assert made.figures == calm[way].figures


def reason(item: dict[str, Any]) -> tuple[str, str, int, int]:
    evidence = item["evidence"]
    return item["row"]["id"], evidence["kept_id"], evidence["shared"], evidence["union"]


@ways
def test_parts_of_one_input_may_be_plain_gzip_zstd_and_parquet(
    way: str, store: dict[str, Any], tmp_path: Path, lines: list[bytes]
) -> None:
    rows = [{"instruction": "", "response": None, "quality_score": None, **json.loads(line)} for line in lines]
    compact = [json.dumps(keep_known(row), ensure_ascii=False, separators=(",", ":")).encode() for row in rows]
    plain = outcome([written(tmp_path / "in.jsonl", compact)], tmp_path / "plain.jsonl", **WAYS[way])
    folder = tmp_path / "mixed"
    quarter = -(-len(compact) // 4)
    for at, name in enumerate(["0.jsonl", "1.jsonl.gz", "2.jsonl.zst", "3.parquet"]):
        folder.mkdir(exist_ok=True)
        with writer(folder / name) as file:
            for row in compact[at * quarter : (at + 1) * quarter]:
                file.write(row)
    mixed = outcome([folder], tmp_path / "mixed.jsonl", workers=2, **WAYS[way], **store)
    assert ids(mixed.kept) == ids(plain.kept)
    assert list(map(reason, mixed.gone())) == list(map(reason, plain.gone()))


def keep_known(row: dict[str, Any]) -> dict[str, Any]:
    """A row that a table holds as it is: the same columns in every row, each of one type."""
    score = row["quality_score"]
    columns = ("instruction", "response", "source", "quality_score", "id")
    return {name: row[name] for name in columns} | {"quality_score": None if score is None else float(score)}


def ids(kept: bytes) -> list[str]:
    return [json.loads(line)["id"] for line in kept.splitlines()]


@pytest.mark.parametrize("held", STINTED)
def test_another_interpreter_with_other_string_hashes_writes_the_same_bytes(
    held: str, source: Path, calm: dict[str, Outcome], tmp_path: Path
) -> None:
    asked = [([str(source)], str(tmp_path / f"{way}.jsonl"), WAYS[way] | STINTED[held]) for way in WAYS]
    code = f"""
from phase0.dedup import memory, near
from phase0.stages.deduplicate import deduplicate
if {bool(STINTED[held])}:
    memory.BASE = memory.ROW = near.BASE = near.ROW = 0
for inputs, output, how in {asked!r}:
    deduplicate(inputs, output, workers=2, **how)
"""
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONHASHSEED": seed})
    for way in WAYS:
        output = tmp_path / f"{way}.jsonl"
        dropped = (meta_folder(output) / "dropped.jsonl").read_bytes()
        assert (output.read_bytes(), dropped) == calm[way][:2]


def test_what_a_reader_of_gzip_sees_is_what_a_reader_of_the_plain_file_sees(
    source: Path, calm: dict[str, Outcome], tmp_path: Path
) -> None:
    packed = tmp_path / "in.jsonl.gz"
    packed.write_bytes(gzip.compress(source.read_bytes()))
    made = outcome([packed], tmp_path / "out.jsonl", **WAYS["exact"])
    assert made.kept == calm["exact"].kept
    assert made.dropped.replace(b"in.jsonl.gz", b"in.jsonl") == calm["exact"].dropped
