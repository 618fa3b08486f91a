"""The same rows through phase0 on one machine, on Ray clusters of this machine, and datatrove's MinHash pipeline.

    PHASE0_DEV_DATA=… python benchmarks/scale/compare.py --cache DIR [--rows 100k] [--write]

    --only local,ray,datatrove     parts of names, or whole ones
    --max-memory 12GiB             what phase0 may take
    --write [NAME]                 keep what is printed in ../results/NAME.md (scale)

Every tool has the same cores (--workers). Those of a cluster are dealt out among its nodes, at least one to each: more
nodes than cores share them. What phase0 writes is compared byte by byte; recall and precision are judged by the exact
set of true pairs, as in ../dedup/compare.py.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parents[1] / "dedup"))

from rows import Made, count_of, make
from shared import measure, results
from shared.machine import machine
from shared.options import parsed as typed
from shared.tools import Tool, python_of
from truth import Truth, Verdict, judge, judge_recorded, kept_lines, truth_of

from phase0.dedup import ratio
from phase0.dedup.flat import I64

HERE = Path(__file__).resolve()
DATATROVE = Tool(
    "datatrove 0.10.1",
    HERE.parent / "run_datatrove.py",
    ("datatrove[io,processing]==0.10.1", "polars==2.1.0"),
)
THRESHOLD = "0.8"
LOCAL, SHARDS = "phase0 local", "phase0 local, shards"
NODES = {"phase0 ray, 1 node": 1, "phase0 ray, 2 nodes": 2, "phase0 ray, 4 nodes": 4}
BUCKETS = {"datatrove 0.10.1, 14 × 8": ("14", "8"), "datatrove 0.10.1, 9 × 13": ("9", "13")}  # of hashes
NAMES = (LOCAL, SHARDS, *NODES, *BUCKETS)
MOST_ROWS_JUDGED = 1_000_000  # beyond, the exact set of pairs would need more memory than the tools
HEAD = ("", "wall s", "CPU s", "peak GiB", "shuffled B/row", "removed", "recall", "precision", "bytes")
LEGEND = """local, shards: the same work in partitions as on a cluster, without one, into a folder. CPU: user and system
time of all processes, Ray's own (raylets, head, idle workers) included: what each had taken when it was last seen.
peak: what all processes hold at once, shared pages counted for each, Ray's own included. shuffled: what the stages of
the join wrote for each other. recall: share of the true pairs of which not both rows are kept. precision: share of the
removed rows that are near-duplicates of a row that is kept. bytes: whether the output, shards in the order of their
names, is that of phase0 local. datatrove has buckets of hashes and no threshold: 14 of 8 are its documented ones and
stand for some 0.72, 9 of 13 for some 0.84."""


class Outcome(NamedTuple):
    took: measure.Measured
    shuffled: float | None  # bytes for a row
    verdict: Verdict
    digest: str | None  # of what phase0 wrote


class Bench(NamedTuple):
    made: Made
    rows: int
    workers: int
    max_memory: str | None
    cache: Path
    scratch: Path


def command(bench: Bench, name: str, kept: Path) -> list[str | Path]:
    if name in BUCKETS:
        asked = [*BUCKETS[name], bench.made.rows, kept, "--threshold", THRESHOLD, "--workers", str(bench.workers)]
        return [python_of(DATATROVE, bench.cache), DATATROVE.script, *asked]
    shared = ["--input", bench.made.rows, "--output", kept, "--method", "exact", "--threshold", THRESHOLD]
    shared += ["--max-memory", bench.max_memory] if bench.max_memory else []
    if name in NODES:
        cores = max(1, bench.workers // NODES[name])
        return [sys.executable, HERE.with_name("run_ray.py"), str(NODES[name]), str(cores), *shared]
    return [sys.executable, "-m", "phase0", "dedup", *shared, "--workers", str(bench.workers)]


def run(bench: Bench, name: str, truth: Truth | None) -> Outcome:
    kept, log = bench.scratch / f"{re.sub(r'[ ,]+', '-', name)}.jsonl", bench.scratch / "said.txt"
    if name == SHARDS:
        kept = kept.with_suffix("")
        kept.mkdir()
    took = measure.run(command(bench, name, kept), os.environ, bench.workers, log)
    moved = shuffled(log.read_text(errors="replace"), bench.rows)
    if name in BUCKETS:
        return Outcome(took, moved, judged(bench, truth, np.loadtxt(kept, np.int64, ndmin=1)), None)
    if name == SHARDS:
        kept = joined(kept)
    verdict = judged(bench, truth, kept_lines(bench.made.rows, kept))
    with kept.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    kept.unlink()
    return Outcome(took, moved, verdict, digest)


def judged(bench: Bench, truth: Truth | None, kept: I64) -> Verdict:
    if truth is not None:
        return judge(truth, kept)
    return judge_recorded(bench.made.truth, bench.rows, kept, ratio(THRESHOLD))


def joined(folder: Path) -> Path:
    """The shards of a folder as one file."""
    whole = folder.with_suffix(".jsonl")
    with whole.open("wb") as file:
        for shard in sorted(folder.glob("part-*.jsonl")):
            with shard.open("rb") as lines:
                shutil.copyfileobj(lines, file)
    shutil.rmtree(folder)
    return whole


def shuffled(said: str, rows: int) -> float | None:
    """Bytes for a row, as a tool told them, if it did."""
    if found := re.search(r"shuffled (\d+) bytes", said):
        return int(found[1]) / rows
    found = re.search(r"([\d,]+) bytes were shuffled for a row", said)
    return float(found[1].replace(",", "")) if found else None


def line(name: str, outcome: Outcome, local: Outcome | None) -> list[str]:
    took, verdict = outcome.took, outcome.verdict
    same = "–" if outcome.digest is None or local is None else "equal" if outcome.digest == local.digest else "OTHER"
    moved = "–" if outcome.shuffled is None else f"{outcome.shuffled:,.0f}"
    costs = [f"{took.wall:.1f}", f"{took.cpu:.1f}", f"{took.peak:.2f}", moved]
    shares = ["–" if share is None else f"{share:.4f}" for share in (verdict.recall, verdict.precision)]
    return [name, *costs, f"{verdict.removed:,}", *shares, same]


def warm(bench: Bench, names: list[str]) -> None:
    """The file into the page cache, the environment made, and what phase0 compiles once compiled."""
    subprocess.run(["cat", bench.made.rows], stdout=subprocess.DEVNULL, check=True)
    if set(BUCKETS).intersection(names):
        python_of(DATATROVE, bench.cache)
    few = bench.scratch / "few.jsonl"
    with bench.made.rows.open("rb") as rows:
        few.write_bytes(b"".join(islice(rows, 8_000)))
    small = bench._replace(made=Made(few, bench.made.truth))
    for name in {LOCAL, SHARDS}.intersection(names):
        kept = bench.scratch / f"few-{name == SHARDS}"
        if name == SHARDS:
            kept.mkdir()
        subprocess.run(command(small, name, kept), capture_output=True, check=True)


def chosen(only: list[str] | None) -> list[str]:
    """Those that are named in whole, or of which a part is."""
    parts = [part for part in only or [""] if part not in NAMES]
    return [name for name in NAMES if name in (only or []) or any(part in name for part in parts)]


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=count_of, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", type=lambda value: value.split(","), help="parts of names, or whole ones")
    parser.add_argument("--max-memory", help="handed to phase0")
    return typed(parser, "scale")


def main() -> None:
    options = parsed()
    made = make(options.rows, 0, options.cache, Path(options.data))
    truth = truth_of(made.rows, ratio(THRESHOLD)) if options.rows <= MOST_ROWS_JUDGED else None
    names = chosen(options.only)
    outcomes: dict[str, Outcome] = {}
    failures = []
    with tempfile.TemporaryDirectory(dir=options.cache) as scratch:
        bench = Bench(made, options.rows, options.workers, options.max_memory, options.cache, Path(scratch))
        warm(bench, names)
        for name in names:
            try:
                outcomes[name] = run(bench, name, truth)
                print(name, outcomes[name], file=sys.stderr, flush=True)
            except measure.RunFailed as failed:
                failures.append(f"{name} {failed}")
    table = results.table(HEAD, [line(name, found, outcomes.get(LOCAL)) for name, found in outcomes.items()])
    size = f"{options.rows:,} rows, {made.rows.stat().st_size / 1e6:,.0f} MB of JSONL, threshold {THRESHOLD}."
    if truth is None:
        size += " Recall is over the recorded edits alone."
    told = [f"{machine()}, {options.workers} of them used.", size, table]
    told += failures
    print("\n\n".join(told))
    if options.write:
        results.keep(options.write, "De-duplication past one machine", [*told, LEGEND], HERE, options.cache)


if __name__ == "__main__":
    main()
