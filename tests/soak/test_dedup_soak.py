"""De-duplication on rows of the benchmark's generator, at full size: run by `make soak`, with counts printed."""

from __future__ import annotations

import gzip
import importlib
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from neardup import chosen, components, rank, shingles, text_of, written
from searched import joined_pairs
from SetSimilaritySearch import all_pairs

from phase0.dataset import manifest_of, meta_folder
from phase0.dataset.manifest import is_whole
from phase0.dedup import dedup, remaining
from phase0.stages.deduplicate import deduplicate

pytestmark = pytest.mark.soak

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "dedup"
NAMES = ("pairs", "rows")
T = Fraction(4, 5)
KILLS = 100
STORES: dict[str, dict[str, Any]] = {"in memory": {}, "on disk": {"max_memory": "320MiB"}}
"""How the sets are held. Whatever is added here must not change a byte."""

Pairs = dict[tuple[int, int], tuple[int, int]]


@pytest.fixture(scope="module")
def generate(dev_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Makes so many rows with the benchmark's generator, each file once."""
    cache = tmp_path_factory.mktemp("generated")
    sys.path.insert(0, str(BENCHMARK))
    rows = importlib.import_module("rows")
    yield lambda count: rows.make(count, 0, cache, dev_data).rows
    sys.path.remove(str(BENCHMARK))
    for name in NAMES:
        del sys.modules[name]


def sets_of(texts: Sequence[str]) -> list[np.ndarray]:
    """Each text's shingles as numbers: equal numbers are equal words, not equal hashes."""
    numbers: dict[tuple[str, ...], int] = {}
    return [np.array([numbers.setdefault(run, len(numbers)) for run in shingles(text)], np.int64) for text in texts]


def counted_pairs(texts: Sequence[str]) -> Pairs:
    """What every two texts share, counted whole: of each shingle all who hold it, without a filter."""
    sets = sets_of(texts)
    sizes = np.array([len(one) for one in sets])
    keys, owners = np.concatenate(sets), np.repeat(np.arange(len(sets)), sizes)
    order = np.argsort(keys, kind="stable")
    starts = np.searchsorted(keys[order], np.arange(keys.max() + 2))
    holders = owners[order]
    found: Pairs = {}
    for row, one in enumerate(sets):
        if not len(one):
            continue
        met = np.concatenate([holders[starts[key] : starts[key + 1]] for key in one.tolist()])
        others, shared = np.unique(met[met > row], return_counts=True)
        union = len(one) + sizes[others] - shared
        enough = shared * T.denominator >= union * T.numerator
        for other, *counts in zip(
            others[enough].tolist(), shared[enough].tolist(), union[enough].tolist(), strict=True
        ):
            found[row, other] = (counts[0], counts[1])
    return found


def run(inputs: Sequence[Path], output: Path, **how: Any) -> tuple[bytes, bytes]:
    deduplicate(inputs, output, **how)
    return output.read_bytes(), (meta_folder(output) / "dropped.jsonl").read_bytes()


def test_on_20000_generated_rows_both_guarantees_hold_by_counting_every_pair(generate: Any, tmp_path: Path) -> None:
    source = generate(20_000)
    lines = source.read_bytes().splitlines()
    pairs = counted_pairs([text_of(json.loads(line)) for line in lines])
    order = sorted(range(len(lines)), key=lambda row: rank(lines[row]), reverse=True)
    expected = chosen(pairs, order)
    kept_lines, dropped = run([source], tmp_path / "out.jsonl", workers=2)
    gone = {item["line"] - 1: item["evidence"] for item in map(json.loads, dropped.splitlines())}
    kept = set(range(len(lines))) - gone.keys()
    wrong = [
        row
        for row, why in gone.items()
        if why["kept_line"] - 1 not in kept
        or pairs.get(tuple(sorted((row, why["kept_line"] - 1)))) != (why["shared"], why["union"])
    ]
    left = [pair for pair in pairs if kept.issuperset(pair)]
    print(
        f"\n20,000 rows: {len(pairs):,} pairs at 0.8 or above by counting all; {len(gone):,} rows removed, {len(wrong)}"
    )
    print(f"of them wrongly; {len(left)} pairs left among {len(kept):,} kept rows")
    assert kept_lines.splitlines() == [lines[row] for row in sorted(kept)]
    assert wrong == left == []
    assert {row: (why["kept_line"] - 1, why["shared"], why["union"]) for row, why in gone.items()} == expected
    transitive = {
        json.loads(line)["line"] - 1
        for line in run([source], tmp_path / "t.jsonl", clusters="transitive")[1].splitlines()
    }
    assert len(lines) - len(transitive) == len(set(components(len(lines), pairs)))
    print(f"connected components: {len(transitive):,} rows removed")


def test_on_100000_generated_rows_the_pairs_are_those_of_setsimilaritysearch(generate: Any) -> None:
    texts = [text_of(json.loads(line)) for line in generate(100_000).read_bytes().splitlines()]
    counted = counted_pairs(texts)
    sets = [set(one.tolist()) for one in sets_of(texts)]
    rows = [row for row, one in enumerate(sets) if one]
    theirs = set()
    for i, j, _ in all_pairs([sets[row] for row in rows], "jaccard", 0.7999):
        one, other = sorted((rows[i], rows[j]))
        shared = len(sets[one] & sets[other])
        if shared * T.denominator >= (len(sets[one]) + len(sets[other]) - shared) * T.numerator:
            theirs.add((one, other))
    ours = joined(texts)
    print(f"\n100,000 rows: {len(theirs):,} pairs by SetSimilaritySearch, {len(counted):,} by counting all,")
    print(
        f"{len(ours):,} by the join: recall {len(ours & theirs) / len(theirs)}, "
        f"precision {len(ours & theirs) / len(ours)}"
    )
    assert ours == theirs == counted.keys()
    assert remaining(texts, workers=2).pairs == len(theirs)
    result = dedup(texts, workers=2)
    kept = set(result.kept)
    assert all(counted[min(gone[:2]), max(gone[:2])] == gone[2:] and gone.kept in kept for gone in result.removed)
    assert not any(kept.issuperset(pair) for pair in theirs)
    nearly = set(dedup(texts, method="minhash", workers=2).kept)
    print(f"{len(result.removed):,} rows removed; minhash leaves {sum(map(nearly.issuperset, theirs))} pairs")


def joined(texts: Sequence[str]) -> set[tuple[int, int]]:
    """The pairs of rows that the exact join finds."""
    from phase0.dedup.exact import distinct
    from phase0.dedup.flat import Strings
    from phase0.dedup.sets import read_sets
    from phase0.progress import SILENT

    sets = read_sets(Strings(texts), 5, 2, SILENT)
    same = distinct(sets)
    owners: dict[int, list[int]] = {}
    for row, first in enumerate(same.tolist()):
        if first >= 0:
            owners.setdefault(first, []).append(row)
    pairs = joined_pairs(sets, T, 2)
    meetings = [
        *((one, other) for rows in owners.values() for at, one in enumerate(rows) for other in rows[at + 1 :]),
        *(
            (one, other)
            for first, second in zip(pairs.ones_P.tolist(), pairs.others_P.tolist(), strict=True)
            for one in owners[first]
            for other in owners[second]
        ),
    ]
    found = Counter((min(pair), max(pair)) for pair in meetings)
    assert set(found.values()) == {1}, "a pair was told twice"
    return set(found)


WAYS: dict[str, dict[str, Any]] = {
    "exact": {"method": "exact"},
    "minhash": {"method": "minhash"},
    "transitive": {"method": "exact", "clusters": "transitive"},
}


@pytest.mark.parametrize("way", WAYS)
def test_on_100000_generated_rows_nothing_but_the_input_decides(way: str, generate: Any, tmp_path: Path) -> None:
    source = generate(100_000)
    lines = source.read_bytes().splitlines()
    kept, dropped = run([source], tmp_path / "calm.jsonl", workers=1, **WAYS[way])
    for store, held in STORES.items():
        for workers in (1, 2, 4):
            made = run([source], tmp_path / "out.jsonl", workers=workers, **WAYS[way], **held)
            assert made == (kept, dropped), (store, workers)
        for shards in (7, 50):
            assert run(sharded(lines, tmp_path / f"{shards}", shards), tmp_path / "s.jsonl", **WAYS[way])[0] == kept
        shuffled = random.Random(7).sample(lines, len(lines))
        again = run([written(tmp_path / "shuffled.jsonl", shuffled)], tmp_path / "again.jsonl", **WAYS[way], **held)
        assert sorted(again[0].splitlines()) == sorted(kept.splitlines())
        assert sorted(map(reason, again[1].splitlines())) == sorted(map(reason, dropped.splitlines()))
    removed = len(dropped.splitlines())
    print(f"\n{way}: {len(lines):,} rows, {removed:,} removed: the same bytes for 1, 2 and 4 workers,")
    print("7 and 50 shards (plain and gzip), and the same lines shuffled")


def sharded(lines: Sequence[bytes], folder: Path, shards: int) -> list[Path]:
    """Files of the same lines, every second one compressed."""
    size = -(-len(lines) // shards)
    paths = []
    for at in range(shards):
        path = written(folder / f"{at:03}.jsonl", lines[at * size : (at + 1) * size])
        if at % 2:
            packed = path.with_suffix(".jsonl.gz")
            packed.write_bytes(gzip.compress(path.read_bytes(), compresslevel=1))
            path = packed
        paths.append(path)
    return paths


def reason(line: bytes) -> tuple[bytes, int, int]:
    item = json.loads(line)
    return json.dumps(item["row"]).encode(), item["evidence"]["shared"], item["evidence"]["union"]


def test_a_hundred_kills_at_random_moments_leave_nothing_half_made(generate: Any, tmp_path: Path) -> None:
    source, output = generate(100_000), tmp_path / "out.jsonl"
    old = run([source], output, threshold="0.95")
    calm = tmp_path / "calm" / "out.jsonl"
    command = [sys.executable, "-m", "phase0", "dedup", "--input", str(source), "--workers", "2", "--output"]
    began = time.monotonic()
    subprocess.run([*command, str(calm)], check=True, capture_output=True)
    length = time.monotonic() - began
    new = calm.read_bytes(), (meta_folder(calm) / "dropped.jsonl").read_bytes()
    moment, seen = random.Random(20261122), Counter[str]()
    while sum(seen.values()) < KILLS:
        # Half of the kills fall into the last fifth, in which files are written and named.
        wait = length * (moment.uniform(0.1, 0.8) if moment.random() < 0.5 else moment.uniform(0.75, 1.05))
        process = subprocess.Popen([*command, str(output)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            seen[state(output, old, new)] += 1
        if manifest_of(output) is None or output.read_bytes() == new[0]:
            run([source], output, threshold="0.95")  # as it was before
    subprocess.run([*command, str(output)], check=True, capture_output=True)
    print(f"\n100,000 rows, {length:.1f} s undisturbed; {KILLS} kills with SIGKILL:")
    for name, times in sorted(seen.items()):
        print(f"  {times:>3} times {name}")
    assert (output.read_bytes(), (meta_folder(output) / "dropped.jsonl").read_bytes()) == new
    left = {path.relative_to(tmp_path).as_posix() for path in meta_folder(output).rglob("*") if path.is_file()}
    assert left == {f"out.meta/{name}" for name in ("dropped.jsonl", "manifest.json", ".lock/lock")}
    assert not list(tmp_path.glob(".*.partial"))


def state(output: Path, old: tuple[bytes, bytes], new: tuple[bytes, bytes]) -> str:
    """What a kill left, after seeing that it is one of the few things it may leave."""
    body, dropped = output.read_bytes(), (meta_folder(output) / "dropped.jsonl").read_bytes()
    manifest = manifest_of(output)
    assert body in (old[0], new[0])
    assert dropped in (old[1], new[1])
    assert {path.name for path in output.parent.rglob("*.jsonl")} <= {"out.jsonl", "dropped.jsonl"}
    if manifest is None:
        return "files without a manifest: made again"
    assert is_whole(output, manifest)
    assert manifest.counts.dropped == dropped.count(b"\n")
    return "the earlier output whole" if body == old[0] else "the new output whole"


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
def test_less_and_less_memory_ends_well_or_with_one_line(generate: Any, tmp_path: Path) -> None:
    source, output = generate(20_000), tmp_path / "out.jsonl"
    code = (
        "import resource, sys; from phase0.cli import status_of; limit = int(sys.argv[1]) << 20; "
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit)); sys.exit(status_of(sys.argv[2:]))"
    )
    asked = ["dedup", "--input", str(source), "--output", str(output), "--workers", "2"]
    ended: dict[int, str] = {}
    for megabytes in (*range(400, 600, 10), *range(600, 1000, 100)):
        done = subprocess.run(
            [sys.executable, "-c", code, str(megabytes), *asked], capture_output=True, text=True, check=False
        )
        told = done.stderr.splitlines()[-1] if done.stderr else ""
        ended[megabytes] = f"{done.returncode}: {told[:100]}"
        if done.returncode == 0:
            output.unlink()
        left = [path.name for path in tmp_path.rglob("*") if path.name.endswith(".partial") or ".parts-" in path.name]
        assert left == []
        assert not output.exists()
    print("\n".join(["", *(f"  {megabytes} MB of address space: {how}" for megabytes, how in ended.items())]))
    assert all(how.startswith(("0:", "2: phase0: ")) for how in ended.values())


def test_minhash_misses_as_many_pairs_at_the_threshold_as_it_says() -> None:
    """Of ten shingles and more: in smaller sets many slots borrow the same value, and agree or differ together."""
    print()
    for threshold, shared, union in [
        ("0.8", 8, 10),
        ("0.8", 40, 50),
        ("0.8", 160, 200),
        ("0.5", 10, 20),
        ("0.5", 90, 180),
    ]:
        texts = [text for number in range(4000) for text in pair(number, shared, union)]
        result = dedup(texts, method="minhash", threshold=threshold, workers=2)
        missed = 4000 - len(result.removed)
        print(
            f"  {shared} of {union} at {threshold}: {missed} of 4,000 missed, {4000 * result.missed_share:.1f} expected"
        )
        assert missed <= 3 * 4000 * result.missed_share
        assert missed <= 0.005 * 4000


def pair(number: int, shared: int, union: int) -> tuple[str, str]:
    base = [f"p{number}x{at}" for at in range(shared + 4)]
    return " ".join(base), " ".join([*base, *(f"q{number}y{at}" for at in range(union - shared))])
