"""The same rows through phase0 on one machine, phase0 on Ray clusters of this machine, and datatrove's MinHash pipeline.

    PHASE0_DEV_DATA=… python benchmarks/scale/compare.py --cache DIR [--rows 100k] [--write]

    --only local,ray,datatrove     parts of names
    --write                        keep what is printed in ../results/scale.md

Every tool has the same cores (--workers). Those of a cluster are dealt out among its nodes, at least one to each: more
nodes than cores share them. What phase0 writes is compared byte by byte; recall and precision are judged by the exact
set of true pairs, as in ../dedup/compare.py.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "dedup")]

from rows import Made, count_of, make
from shared import measure, results
from shared.tools import Tool, python_of
from truth import Truth, Verdict, judge, kept_lines, truth_of

from phase0.dedup import ratio

DATATROVE = Tool(
    "datatrove 0.10.1",
    HERE.parent / "run_datatrove.py",
    ("datatrove[io,processing]==0.10.1", "polars==2.1.0"),
)
THRESHOLD = "0.8"
NODES = {"phase0 ray, 1 node": 1, "phase0 ray, 2 nodes": 2, "phase0 ray, 4 nodes": 4}
OURS = ("phase0 local", "phase0 ray, own cluster", *NODES)
HEAD = ("", "wall s", "CPU s", "peak GiB", "shuffled B/row", "removed", "recall", "precision", "bytes")
LEGEND = """CPU: user and system time of all processes, Ray's own (raylets, head, idle workers) included: what each had
taken when it was last seen, 20 times a second. peak: what all processes hold at once, shared pages counted for each.
shuffled: what the stages of the join wrote for each other. recall: share of the true pairs of which not both rows are
kept. precision: share of the removed rows that are near-duplicates of a row that is kept. bytes: whether the output is
that of phase0 local. datatrove has no threshold to set: its documented 14 buckets of 8 stand for some 0.72."""


class Outcome(NamedTuple):
    took: measure.Measured
    shuffled: float | None  # bytes for a row
    verdict: Verdict
    digest: str | None  # of what phase0 wrote


class Bench(NamedTuple):
    made: Made
    rows: int
    workers: int
    cache: Path
    scratch: Path


def command(bench: Bench, name: str, kept: Path) -> list[str | Path]:
    if name == DATATROVE.name:
        asked = ["--threshold", THRESHOLD, "--workers", str(bench.workers)]
        return [python_of(DATATROVE, bench.cache), DATATROVE.script, bench.made.rows, kept, *asked]
    shared = ["--input", bench.made.rows, "--output", kept, "--method", "exact", "--threshold", THRESHOLD]
    if name in NODES:
        cores = max(1, bench.workers // NODES[name])
        return [sys.executable, HERE.with_name("run_ray.py"), str(NODES[name]), str(cores), *shared]
    ray = ["--engine", "ray"] if "ray" in name else []
    return [sys.executable, "-m", "phase0", "dedup", *shared, "--workers", str(bench.workers), *ray]


def run(bench: Bench, name: str, truth: Truth) -> Outcome:
    kept, log = bench.scratch / f"{re.sub(r'[ ,]+', '-', name)}.jsonl", bench.scratch / "said.txt"
    took = measure.run(command(bench, name, kept), os.environ, bench.workers, log)
    said = log.read_text(errors="replace")
    if name == DATATROVE.name:
        return Outcome(took, shuffled(said, bench.rows), judge(truth, np.loadtxt(kept, np.int64, ndmin=1)), None)
    verdict = judge(truth, kept_lines(bench.made.rows, kept))
    return Outcome(took, shuffled(said, bench.rows), verdict, hashlib.sha256(kept.read_bytes()).hexdigest())


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
    return [name, *costs, f"{verdict.removed:,}", f"{verdict.recall:.4f}", f"{verdict.precision:.4f}", same]


def warm(bench: Bench, names: list[str]) -> None:
    """The file into the page cache, the environment made, and what phase0 compiles once compiled."""
    subprocess.run(["cat", bench.made.rows], stdout=subprocess.DEVNULL, check=True)
    if DATATROVE.name in names:
        python_of(DATATROVE, bench.cache)
    few = bench.scratch / "few.jsonl"
    with bench.made.rows.open("rb") as rows:
        few.write_bytes(b"".join(row for row, _ in zip(rows, range(8_000), strict=False)))
    for name in ("phase0 local", "phase0 ray, own cluster"):
        if name in names:
            small = bench._replace(made=Made(few, bench.made.truth))
            subprocess.run(command(small, name, bench.scratch / "few.out.jsonl"), capture_output=True, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=count_of, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", type=lambda value: value.split(","), help="parts of names")
    parser.add_argument("--cache", type=Path, required=True, help="folder for rows, environments and exact pairs")
    parser.add_argument("--data", default=os.environ.get("PHASE0_DEV_DATA"), help="folder that holds corpus/")
    parser.add_argument("--write", action="store_true", help="keep it in results/scale.md")
    options = parser.parse_args()
    if not options.data:
        parser.error("give --data, or set PHASE0_DEV_DATA")
    options.cache = options.cache.resolve()
    made = make(options.rows, 0, options.cache, Path(options.data))
    truth = truth_of(made.rows, ratio(THRESHOLD))
    names = [name for name in (*OURS, DATATROVE.name) if not options.only or any(part in name for part in options.only)]
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(dir=options.cache) as scratch:
        bench = Bench(made, options.rows, options.workers, options.cache, Path(scratch))
        warm(bench, names)
        for name in names:
            outcomes[name] = run(bench, name, truth)
            print(name, outcomes[name], file=sys.stderr, flush=True)
    table = results.table(HEAD, [line(name, found, outcomes.get(OURS[0])) for name, found in outcomes.items()])
    size = f"{options.rows:,} rows, {made.rows.stat().st_size / 1e6:,.0f} MB of JSONL, threshold {THRESHOLD}"
    told = [f"{os.cpu_count()} cores, Python {platform.python_version()}, {options.workers} of them used", size, table]
    print("\n\n".join(told))
    if options.write:
        results.keep("scale", "De-duplication past one machine", [*told, LEGEND], HERE, options.cache)


if __name__ == "__main__":
    main()
