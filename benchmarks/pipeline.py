"""Rows per second and peak memory of every stage of an offline run, at one quarter of the corpus and at all of it.

    python benchmarks/pipeline.py --data DIR [--write]

Each stage is a process of its own, so that its peak is its own. What streams must need as much memory for all rows as
for a quarter of them; de-duplication and the exact count of what remains hold word sets and may grow.
"""

from __future__ import annotations

import argparse
import gzip
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from shared.machine import machine

RESULT = Path(__file__).parent / "results" / "pipeline.md"


class Measured(NamedTuple):
    stage: str
    rows: int
    seconds: float
    cpu: float
    peak: float  # MiB, of the largest process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("PHASE0_DEV_DATA"), help="folder that holds corpus/")
    parser.add_argument("--write", action="store_true", help=f"keep what is printed in {RESULT.name}")
    options = parser.parse_args()
    if not options.data:
        parser.error("give --data, or set PHASE0_DEV_DATA")
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(options.data) / "corpus"
        quarter = take(whole, Path(folder) / "quarter", every=4)
        tables = [table(source, Path(folder) / f"run-{number}") for number, source in enumerate((quarter, whole))]
    told = "\n\n".join([machine(), *tables])
    print(told)
    if options.write:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(
            f"# The whole line, offline\n\n`python benchmarks/pipeline.py --data DIR --write` printed:\n\n{told}\n"
        )


def take(source: Path, target: Path, *, every: int) -> Path:
    target.mkdir()
    for path in sorted(source.glob("*.jsonl.gz")):
        with gzip.open(path, "rb") as lines, (target / path.stem).open("wb") as out:
            out.writelines(line for number, line in enumerate(lines) if number % every == 0)
    return target


def table(source: Path, run: Path) -> str:
    raw, distilled, scored, deduped, final = (
        run / place
        for place in ("raw", "distilled/original.jsonl", "scored/all.jsonl", "deduped/deduped.jsonl", "dataset.jsonl")
    )
    combined = raw / "combined.jsonl"
    done = [measure("acquire", ["download", "--from", source, "--output", raw], combined)]
    done.append(measure("distill", ["distill", "--input", combined, "--output", distilled], combined))
    done.append(measure("score", ["score", "--input", distilled, "--output", scored], distilled))
    done.append(measure("dedup", ["dedup", "--input", scored, "--output", deduped], scored))
    done.append(measure("publish", ["publish", "--input", deduped, "--output", final], deduped))
    done.append(measure("verify", ["verify", "--input", final], final))
    rows = [
        f"| {name} | {count:,} | {wall:.1f} | {cpu:.1f} | {count / wall:,.0f} | {peak:,.0f} |"
        for name, count, wall, cpu, peak in done
    ]
    head = "| stage | rows in | wall s | CPU s | rows/s | peak MiB |\n|---|--:|--:|--:|--:|--:|"
    total = f"\n\nall stages: {sum(item.seconds for item in done):.0f} s"
    return "\n".join([head, *rows]) + total


def measure(stage: str, arguments: list[object], counted: Path) -> Measured:
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "phase0", *map(str, arguments)], stdout=subprocess.DEVNULL)
    _, code, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    if os.waitstatus_to_exitcode(code) not in {0, 1}:  # 1: a criterion of the verification fails
        raise SystemExit(f"{stage} failed")
    with counted.open("rb") as lines:
        rows = sum(1 for _ in lines)
    return Measured(stage, rows, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
