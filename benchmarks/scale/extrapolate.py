"""What de-duplicating very many rows would cost, COMPUTED from what ../results/scale_stages.md says was measured.

    python benchmarks/scale/extrapolate.py [--rows 1000000000] [--write]

    --instance NAME:CORES:GIB:DOLLARS   what a machine is called, has, and costs in an hour; may be given again
    --cores 512                         in the whole cluster
    --write                             keep what is printed in ../results/scale_billion.md

The formula. A step that takes c CPU seconds, r and w bytes for n rows is given, for N rows,
    CPU      C = c · N / n             for steps whose tasks are as many as there are units (64 MiB of input each)
             C = c · (N / n) ** e      for those where rows meet, e fitted to the two sizes that were measured, e ≥ 1
    bytes    the same with r + w
    hours    ΣC / cores / busy / 3600, busy = 0.7 of the time, plus what the command itself does alone, C = c · N / n
    dollars  hours · machines · price
Prices are assumptions, those of ASSUMED at its date: give your own.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve()
sys.path.append(str(HERE.parents[1]))

from shared import results

ASSUMED = "2026-11, on demand, us-east-1, from memory and not looked up"
BUSY = 0.7  # share of the time that cores have work: nodes wait at the end of every step
MEETING = ("find equal rows", "join", "count pairs")  # steps whose work may grow faster than rows
ALONE = "between"
HEAD = ("step", "CPU s / million rows", "exponent", "core-hours", "TB read", "TB written")


class Instance(NamedTuple):
    name: str
    cores: int
    memory: int  # GiB
    dollars: float  # an hour


INSTANCES = (
    Instance("c7i.16xlarge", 64, 128, 2.856),
    Instance("m7i.16xlarge", 64, 256, 3.2256),
    Instance("c7g.16xlarge", 64, 128, 2.32),
)


class Cost(NamedTuple):
    """What was measured of a step, or is computed of it."""

    cpu: float  # seconds
    read: float  # bytes
    written: float


class Measured(NamedTuple):
    rows: int
    steps: dict[str, Cost]
    peak: int  # MiB of a worker at most
    bound: str  # as it was stated


def measured(text: str) -> list[Measured]:
    """The sections of a file of results, by number of rows."""
    found = []
    for part in text.split("\n## ")[1:]:
        rows = int(part.split(" ", 1)[0].replace(",", ""))
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if "|" in line]
        steps = {
            name: Cost(float(cpu), float(read) * 1e6, float(written) * 1e6)
            for name, _, _, cpu, read, written, _ in cells[2:]
        }
        told = re.search(r"took ([\d,]+) MiB at most, \w+ the ([\d.]+ \wiB)", part)
        if told is None:
            raise SystemExit(f"the section of {rows:,} rows does not say what a worker took")
        found.append(Measured(rows, steps, int(told[1].replace(",", "")), told[2]))
    return sorted(found)


def exponent(name: str, few: Measured, many: Measured) -> float:
    """How a step's time grows with the rows; no less than they do, for what is measured on few rows is noise."""
    one, other = few.steps.get(name), many.steps[name]
    if name not in MEETING or one is None or few.rows == many.rows or not one.cpu or not other.cpu:
        return 1.0
    return max(1.0, math.log(other.cpu / one.cpu) / math.log(many.rows / few.rows))


def computed(cost: Cost, growth: float, times: float) -> Cost:
    return Cost(*(part * times**growth for part in cost))


def told(sizes: list[Measured], rows: int, cores: int, instances: tuple[Instance, ...]) -> list[str]:
    few, many = sizes[0], sizes[-1]
    times = rows / many.rows
    table, total, alone = [], Cost(0, 0, 0), 0.0
    for name, cost in many.steps.items():
        growth = exponent(name, few, many)
        there = computed(cost, growth, times)
        if name == ALONE:
            alone = there.cpu
        else:
            total = Cost(*(one + other for one, other in zip(total, there, strict=True)))
        moved = [f"{there.read / 1e12:.1f}", f"{there.written / 1e12:.1f}"]
        table.append([name, f"{cost.cpu / many.rows * 1e6:.1f}", f"{growth:.2f}", f"{there.cpu / 3600:.1f}", *moved])
    hours = total.cpu / cores / BUSY / 3600 + alone / 3600
    prices = [
        [each.name, f"{each.dollars}", f"{(count := -(-cores // each.cores))}", f"{hours * count * each.dollars:.0f}"]
        for each in instances
    ]
    return [
        f"COMPUTED, not measured: {rows:,} rows from what was measured at {few.rows:,} and {many.rows:,}.",
        results.table(HEAD, table),
        f"{total.cpu / 3600:,.0f} core-hours of tasks; on {cores} cores, {BUSY:.0%} of the time busy, {hours:.1f} hours,",
        f"of which {alone / 3600:.1f} hours are the command itself, alone: joining parts does not spread.",
        f"Through the shared folder go {total.read / 1e12:.1f} TB to nodes and {total.written / 1e12:.1f} TB from them, "
        f"{(total.read + total.written) / rows:,.0f} bytes for a row.",
        f"A worker took {many.peak:,} MiB where {many.bound} were stated; the statement does not depend on the rows.",
        results.table(("instance", "$ / hour, assumed", "machines", "$ in all"), prices),
        f"Prices: {ASSUMED}.",
    ]


def instance(given: str) -> Instance:
    try:
        name, cores, memory, dollars = given.split(":")
        return Instance(name, int(cores), int(memory), float(dollars))
    except ValueError:
        told = f"{given!r} is not NAME:CORES:GIB:DOLLARS, as c7i.16xlarge:64:128:2.856"
        raise argparse.ArgumentTypeError(told) from None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000_000)
    parser.add_argument("--cores", type=int, default=512)
    parser.add_argument("--instance", type=instance, action="append")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    sizes = measured((results.FOLDER / "scale_stages.md").read_text())
    lines = told(sizes, options.rows, options.cores, tuple(options.instance or INSTANCES))
    print("\n\n".join(lines))
    if options.write:
        results.keep("scale_billion", "Computed: de-duplication of very many rows", lines, HERE)


if __name__ == "__main__":
    main()
