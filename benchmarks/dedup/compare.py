"""phase0, its peers and the mere parsing of the file, side by side in one run, each judged by the exact set of pairs.

    PHASE0_DEV_DATA=… python benchmarks/dedup/compare.py --rows 674k --cache DIR [--repeat 3] [--write]

    --only exact,minhash,floor,daft,…    some of them
    --once gaoya,datasketch,…            slow ones, that run in the first round only
    --peers-up-to 674k                   more rows than this for phase0 and the parsers alone
    --max-memory 12GiB                   what phase0 may hold
    --threshold 0.5,0.7,0.9              other thresholds
    --workers 1,2                        as many processes or threads, on as many cores
    --check                              up to 100k rows: the set of pairs against SetSimilaritySearch's
    --write [dedup]                      keep what is printed in ../results/dedup.md

phase0 is measured through its command, with the kept lines and all it drops written; the peers write row numbers.
Each round runs every tool once, so that a busy moment of the machine does not meet one tool alone; medians are told.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))

import environments
from rows import Made, count_of, make
from shared import measure
from shared.machine import machine
from shared.options import parsed as typed
from shared.tools import python_of
from truth import Truth, Verdict, judge, judge_recorded, kept_lines, surplus, truth_of

from phase0.dedup import ratio

METHODS = ("exact", "minhash")
MOST_ROWS_JUDGED = 1_000_000  # beyond, the exact set of pairs would need more memory than the tools
MOST_ROWS_CHECKED = 100_000  # SetSimilaritySearch holds every set as a Python object: 24 GiB do not suffice for 674,000
RESULTS = Path(__file__).parent.parent / "results"
HEAD = (
    *("", "runs", "wall s", "CPU s", "peak GiB", "wall / polars", "CPU / polars", "wall / exact", "removed", "recall"),
    *("precision", "lost", "left"),
)
LEGEND = """recall: share of the true pairs of which not both rows are kept. precision: share of the removed rows that
are near-duplicates of a row that is kept. lost: clusters of near-duplicates of which no row is kept. left: rows that
would still have to go. CPU: user and system time of all processes. peak: what all processes hold at once. Each ratio is
the median of those of every round: a round that met a busy machine slowed both."""


class Setting(NamedTuple):
    rows: int
    threshold: str
    workers: int


class Outcome(NamedTuple):
    runs: list[measure.Measured]
    verdict: Verdict | None
    failure: str | None


class Bench(NamedTuple):
    """One file of rows, and where runs on it leave what they write."""

    made: Made
    setting: Setting
    cache: Path
    scratch: Path
    max_memory: str | None


def main() -> None:
    options = parsed()
    told = [f"{machine()}, {options.repeat} run(s) each"]
    for rows, threshold, workers in product(options.rows, options.threshold, options.workers):
        setting = Setting(rows, threshold, workers)
        made = make(rows, options.seed, options.cache, Path(options.data))
        outcomes = compared(made, setting, options)
        told.append(section(made, setting, outcomes))
        print(told[-1], flush=True)
        if options.check and rows <= MOST_ROWS_CHECKED:
            told.append(checked(made, setting, options.cache))
            print(told[-1], flush=True)
    if options.write:
        keep("\n\n".join([*told, LEGEND]), RESULTS / f"{options.write}.md", options.cache)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=lambda value: [count_of(part) for part in value.split(",")], default=[100_000])
    parser.add_argument("--threshold", "--thresholds", type=lambda value: value.split(","), default=["0.8"])
    parser.add_argument("--workers", type=lambda value: [int(part) for part in value.split(",")], default=[2])
    parser.add_argument("--only", type=lambda value: value.split(","), help="parts of names; 'floor' for the parsers")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--once", type=lambda value: value.split(","), default=[], help="parts of names")
    parser.add_argument("--peers-up-to", type=count_of, default=MOST_ROWS_JUDGED)
    parser.add_argument("--max-memory", help="handed to phase0")
    parser.add_argument("--check", action="store_true", help="compare the set of pairs with SetSimilaritySearch's")
    parser.add_argument("--seed", type=int, default=0)
    return typed(parser, "dedup")


def compared(made: Made, setting: Setting, options: argparse.Namespace) -> dict[str, Outcome]:
    truth = truth_of(made.rows, ratio(setting.threshold)) if setting.rows <= MOST_ROWS_JUDGED else None
    names = (name for name in chosen(options.only) if ours(name) or setting.rows <= options.peers_up_to)
    outcomes = {name: Outcome([], None, None) for name in names}
    with tempfile.TemporaryDirectory(dir=options.cache) as scratch:
        bench = Bench(made, setting, options.cache, Path(scratch), options.max_memory)
        warm(bench, outcomes)
        for turn in range(options.repeat):
            for name, before in outcomes.items():
                if before.failure is None and not (turn and any(part in name for part in options.once)):
                    outcomes[name] = again(bench, name, before, truth)
                    print(name, outcomes[name], file=sys.stderr, flush=True)
    return outcomes


def chosen(only: list[str] | None) -> Iterator[str]:
    for tool in environments.FLOOR:
        if only is None or "floor" in only:
            yield tool.name
    for name in (*(f"phase0 {method}" for method in METHODS), *(tool.name for tool in environments.PEERS)):
        if only is None or any(part in name for part in only):
            yield name


def ours(name: str) -> bool:
    return name.startswith("phase0") or name.endswith("parse")


def warm(bench: Bench, names: dict[str, Outcome]) -> None:
    """The file into the page cache, every environment made, and what phase0 compiles once compiled."""
    subprocess.run(["cat", bench.made.rows], stdout=subprocess.DEVNULL, check=True)
    for tool in (*environments.FLOOR, *environments.PEERS):
        if tool.name in names:
            python_of(tool, bench.cache)
    few = bench.scratch / "few.jsonl"
    with bench.made.rows.open("rb") as lines:
        few.write_bytes(b"".join(line for line, _ in zip(lines, range(2_000), strict=False)))
    for name in names:
        if name.startswith("phase0"):
            small = bench._replace(made=Made(few, bench.made.truth))
            subprocess.run(command(small, name, bench.scratch / "few.out.jsonl"), capture_output=True, check=False)


def again(bench: Bench, name: str, before: Outcome, truth: Truth | None) -> Outcome:
    kept = bench.scratch / f"{name.replace(' ', '-')}.out.jsonl"
    workers = bench.setting.workers
    limits = dict.fromkeys(("POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS"), str(workers))
    try:
        measured = measure.run(
            command(bench, name, kept), {**os.environ, **limits}, workers, bench.scratch / "said.txt"
        )
    except measure.RunFailed as failed:
        return before._replace(failure=str(failed))
    verdict = before.verdict
    if verdict is None and not name.endswith("parse"):
        rows = kept_lines(bench.made.rows, kept) if name.startswith("phase0") else np.loadtxt(kept, np.int64, ndmin=1)
        verdict = (
            judge(truth, rows)
            if truth
            else judge_recorded(bench.made.truth, bench.setting.rows, rows, ratio(bench.setting.threshold))
        )
    return Outcome([*before.runs, measured], verdict, None)


def command(bench: Bench, name: str, kept: Path) -> list[str | Path]:
    setting = bench.setting
    shared = ["--threshold", setting.threshold, "--workers", str(setting.workers)]
    if name.startswith("phase0"):
        asked = ["--input", bench.made.rows, "--output", kept, "--method", name.removeprefix("phase0 ")]
        bound = ["--max-memory", bench.max_memory] if bench.max_memory else []
        return [sys.executable, "-m", "phase0", "dedup", *asked, *shared, *bound]
    tool = next(tool for tool in (*environments.FLOOR, *environments.PEERS) if tool.name == name)
    return [python_of(tool, bench.cache), tool.script, bench.made.rows, kept, *shared]


def median(runs: list[measure.Measured]) -> measure.Measured:
    return measure.Measured(*(statistics.median(column) for column in zip(*runs, strict=True)))


def in_rounds(runs: list[measure.Measured], others: list[measure.Measured], what: str) -> str:
    ratios = [getattr(one, what) / getattr(other, what) for one, other in zip(runs, others, strict=False)]
    return f"{statistics.median(ratios):.1f}" if ratios else "–"


def section(made: Made, setting: Setting, outcomes: dict[str, Outcome]) -> str:
    title = f"## {setting.rows:,} rows, threshold {setting.threshold}, {setting.workers} worker(s)"
    size = f"{made.rows.stat().st_size / 1e6:,.0f} MB of JSONL."
    if setting.rows <= MOST_ROWS_JUDGED:
        truth = truth_of(made.rows, ratio(setting.threshold))
        pairs = len(truth.first_P)
        size += f" {pairs:,} true pairs; first come, first kept, {surplus(truth.first_P, truth.second_P):,} rows go."
    else:
        size += " Recall is over the recorded edits alone."
    parse, exact = (outcomes.get(name) for name in (environments.FLOOR[0].name, "phase0 exact"))
    against = [parse.runs if parse else [], exact.runs if exact else []]
    lines = [" | ".join(line(name, outcome, *against)) for name, outcome in outcomes.items()]
    table = "\n".join(f"| {row} |" for row in (" | ".join(HEAD), "|".join(["---", *["--:"] * (len(HEAD) - 1)]), *lines))
    return "\n\n".join([f"{title}\n\n{size}\n\n{table}", *failures(outcomes)])


def failures(outcomes: dict[str, Outcome]) -> list[str]:
    """What ended tools before their rounds were over: their rows tell of the rounds before."""
    return [
        f"{name} failed in round {len(outcome.runs) + 1}: {outcome.failure}"
        for name, outcome in outcomes.items()
        if outcome.failure is not None and outcome.runs
    ]


def line(name: str, outcome: Outcome, parse: list[measure.Measured], exact: list[measure.Measured]) -> list[str]:
    if not outcome.runs:
        return [name, "0", f"{outcome.failure}", *[""] * (len(HEAD) - 3)]
    took, verdict = median(outcome.runs), outcome.verdict
    times = [str(len(outcome.runs)), f"{took.wall:.2f}", f"{took.cpu:.2f}", f"{took.peak:.2f}"]
    ratios = [in_rounds(outcome.runs, *other) for other in ((parse, "wall"), (parse, "cpu"), (exact, "wall"))]
    if verdict is None:
        return [name, *times, *ratios, *["–"] * 5]
    shares = ["–" if share is None else f"{share:.4f}" for share in (verdict.recall, verdict.precision)]
    counts = ["–" if count is None else f"{count:,}" for count in (verdict.lost, verdict.left)]
    return [name, *times, *ratios, f"{verdict.removed:,}", *shares, *counts]


def checked(made: Made, setting: Setting, cache: Path) -> str:
    """The exact set of pairs, against another program's."""
    truth = truth_of(made.rows, ratio(setting.threshold))
    tool = environments.PAIRS
    theirs = made.rows.with_suffix(f".{setting.threshold}.setsimilarity.txt")
    source = Path(__file__).resolve().parents[2] / "src"
    asked = [python_of(tool, cache), tool.script, made.rows, theirs, "--threshold", setting.threshold]
    subprocess.run(asked, check=True, env={**os.environ, "PYTHONPATH": str(source)})
    found = np.loadtxt(theirs, np.int64, ndmin=2).reshape(-1, 2)
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    equal = np.array_equal(found, np.stack([truth.first_P, truth.second_P], axis=1))
    said = "the same pairs" if equal else "OTHER PAIRS"
    return f"{tool.packages[0]} finds {said}: {len(found):,} against {len(truth.first_P):,}."


def keep(told: str, result: Path, cache: Path) -> None:
    asked = " ".join("DIR" if Path(part).resolve() == cache else part for part in sys.argv[1:])
    result.parent.mkdir(exist_ok=True)
    result.write_text(f"# De-duplication\n\n`python benchmarks/dedup/compare.py {asked}` printed:\n\n{told}\n")


if __name__ == "__main__":
    main()
