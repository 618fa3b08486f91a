"""What de-duplicating very many rows would cost, COMPUTED from what ../results/scale_stages.md says was measured.

    python benchmarks/scale/extrapolate.py [--rows 1000000000] [--write]

    --cores 512                         in the whole cluster
    --folder 20                         GB a second that the shared folder gives and takes
    --wait 2                            milliseconds to open a file of it and read a piece
    --instance NAME:CORES:GIB:DOLLARS   what a machine is called, has, and costs in an hour; may be given again
    --write                             keep what is printed in ../results/scale_billion.md

The formula. n rows took a step c CPU seconds and moved b bytes through files; N rows are given
    CPU      C = c · N / n             for steps whose tasks are as many as there are units (64 MiB of input each)
             C = c · (N / n) ** e      for those where rows meet, e fitted to the two sizes that were measured, e ≥ 1
    bytes    B likewise, with an e of their own
    pieces   four shuffles, in each of which every unit has a piece for every partition: P = 4 · units · partitions,
             units = those measured · N / n, partitions as phase0 would choose for so many bytes
    hours    h = max(C / busy / cores, B / folder) / 3600 for each step, busy = 0.7; C / 3600 for the command itself
             H = Σh + P · wait / cores / 3600
    dollars  H · machines · price
Bytes of sets where pairs met are counted at most; a node that has them in its memory already does not ask for them.
Prices are assumptions, those of ASSUMED at its date: give your own.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).resolve().parents[1]))

from shared import results

from phase0.dedup.memory import memory_size, spelled
from phase0.partitioned.bounds import UNIT, bounds
from phase0.partitioned.layout import Rule

HERE = Path(__file__).resolve()
ASSUMED = "November 2026, on demand, us-east-1, written down from memory and not looked up"
BUSY = 0.7  # share of the time that cores have work: nodes wait at the end of every step
READING, SENDING, COUNTING = "read the words", "send what rows can meet at", "count pairs"
MEETING = ("find equal rows", "join", COUNTING, "choose what stays")  # steps whose work may grow faster than rows
ALONE, STARTING = "between", "start workers"
SHUFFLES = 4  # sets, later, entries, met: see phase0.partitioned.search
THRESHOLD, WIDTH = Fraction(4, 5), 5
HEAD = (
    "step",
    "CPU s / million rows",
    "e of it",
    "e read",
    "e written",
    "core-hours",
    "TB read",
    "TB written",
    "hours",
)
PRICED = ("instance", "$ / hour, assumed", "machines", "workers' GiB of its", "$ in all")


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
    size: float  # bytes of JSONL
    steps: dict[str, Cost]
    units: int
    peak: int  # MiB of a worker at most
    bound: int  # bytes that were stated


class Asked(NamedTuple):
    rows: int
    cores: int
    folder: float  # bytes a second
    wait: float  # seconds to a piece
    instances: tuple[Instance, ...]


class Computed(NamedTuple):
    """A step as it was measured with the more rows, how it grows, and what it comes to."""

    name: str
    measured: Cost
    growth: Cost  # exponents
    cost: Cost

    @property
    def moved(self) -> float:
        return self.cost.read + self.cost.written

    def hours(self, asked: Asked) -> float:
        """What the command does alone does not spread; of all else either cores or the folder are what limits."""
        if self.name == ALONE:
            return self.cost.cpu / 3600
        return max(self.cost.cpu / BUSY / asked.cores, self.moved / asked.folder) / 3600


def measured(text: str) -> list[Measured]:
    """The sections of a file of results, by number of rows."""
    return sorted((_section(part) for part in text.split("\n## ")[1:]), key=lambda section: section.rows)


def _section(part: str) -> Measured:
    rows = int(part.split(" ", 1)[0].replace(",", ""))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if "|" in line]
    steps, units = {}, 0
    for name, tasks, _, cpu, read, written, _ in cells[2:]:
        steps[name] = Cost(float(cpu), float(read) * 1e6, float(written) * 1e6)
        units = int(tasks) if name == READING else units
    size = _number(r"([\d,]+) MB of JSONL", part)
    looked = re.search(r"all were looked at once, ([\d,]+) MB.* pairs met, ([\d,]+) MB at most", part)
    peak = _number(r"took ([\d,]+) MiB at most", part)
    stated = re.search(r"\w+ the ([\d.]+ \wiB) that were stated", part)
    if looked is None or stated is None or not units:
        raise SystemExit(f"the section of {rows:,} rows is not one that stages.py writes")
    for name, found in ((SENDING, looked[1]), (COUNTING, looked[2])):
        steps[name] = steps[name]._replace(read=steps[name].read + float(found.replace(",", "")) * 1e6)
    return Measured(rows, size * 1e6, steps, units, int(peak), memory_size(stated[1]) or 0)


def _number(pattern: str, part: str) -> float:
    found = re.search(pattern, part)
    if found is None:
        raise SystemExit(f"nothing in the results is {pattern}; stages.py writes them")
    return float(found[1].replace(",", ""))


def exponents(name: str, few: Measured, many: Measured) -> Cost:
    """How what a step takes grows with the rows; no less than they do, for what is measured on few rows is noise."""
    one, other = few.steps.get(name), many.steps[name]
    if name not in MEETING or one is None or few.rows == many.rows:
        return Cost(1.0, 1.0, 1.0)
    return Cost(*(_exponent(*both, many.rows / few.rows) for both in zip(one, other, strict=True)))


def _exponent(one: float, other: float, times: float) -> float:
    return max(1.0, math.log(other / one) / math.log(times)) if one and other else 1.0


def computed(sizes: list[Measured], rows: int) -> list[Computed]:
    """Every step but the starting of workers, which is done once for each of them."""
    few, many = sizes[0], sizes[-1]
    found = []
    for name, cost in many.steps.items():
        growth = exponents(name, few, many)
        grown = Cost(*(part * (rows / many.rows) ** power for part, power in zip(cost, growth, strict=True)))
        if name != STARTING:
            found.append(Computed(name, cost, growth, grown))
    return found


def pieces(many: Measured, asked: Asked) -> tuple[int, int, int]:
    """Units, partitions, and how often a piece of a file is opened and read."""
    times = asked.rows / many.rows
    units = math.ceil(many.units * times)
    cut = bounds(int(many.size * times), UNIT, Rule(THRESHOLD, WIDTH, None), many.bound, asked.cores)
    return units, 1 << cut.bits, SHUFFLES * units << cut.bits


def told(sizes: list[Measured], asked: Asked) -> list[str]:
    few, many = sizes[0], sizes[-1]
    steps = computed(sizes, asked.rows)
    spread = Cost(*map(sum, zip(*(step.cost for step in steps if step.name != ALONE), strict=True)))
    alone = sum(step.cost.cpu for step in steps if step.name == ALONE)
    units, partitions, opened = pieces(many, asked)
    waiting = opened * asked.wait / asked.cores / 3600
    hours = sum(step.hours(asked) for step in steps) + waiting
    work = (
        f"{spread.cpu / 3600:,.0f} core-hours of tasks. On {asked.cores} cores, {BUSY:.0%} of the time busy: "
        f"{hours:.1f} hours, of which {alone / 3600:.1f} are the command itself, alone, and {waiting:.1f} are waiting "
        f"for {opened:,} pieces of files: {units:,} units, {partitions:,} partitions, {SHUFFLES} shuffles, "
        f"{asked.wait * 1000:g} ms each (assumed)."
    )
    bound = sum(step.moved / asked.folder * BUSY * asked.cores > step.cost.cpu for step in steps if step.name != ALONE)
    traffic = (
        f"Through the shared folder go {spread.read / 1e12:.1f} TB to nodes and {spread.written / 1e12:.1f} TB from "
        f"them, {sum(step.moved for step in steps) / asked.rows:,.0f} bytes for a row. At {asked.folder / 1e9:g} GB a "
        f"second (assumed) it is what limits {bound} of {len(steps) - 1} steps."
    )
    return [
        f"COMPUTED, not measured: {asked.rows:,} rows from what was measured at {few.rows:,} and {many.rows:,}.",
        results.table(HEAD, [line(step, many.rows, asked) for step in steps]),
        work,
        traffic,
        f"A worker took {many.peak:,} MiB where {spelled(many.bound)} were stated, however many rows there are.",
        results.table(PRICED, prices(many, asked, hours)),
        f"Prices: {ASSUMED}.",
    ]


def line(step: Computed, rows: int, asked: Asked) -> list[str]:
    each, cost = step.measured.cpu / rows * 1e6, step.cost
    moved = [f"{cost.read / 1e12:.1f}", f"{cost.written / 1e12:.1f}"]
    hours = f"{step.hours(asked):.2f}"
    grows = [f"{power:.2f}" for power in step.growth]
    return [step.name, f"{each:.2f}", *grows, f"{cost.cpu / 3600:.1f}", *moved, hours]


def prices(many: Measured, asked: Asked, hours: float) -> list[list[str]]:
    """What each kind of machine would cost, and whether all of its cores can have a worker at once."""
    found = []
    for each in asked.instances:
        count = -(-asked.cores // each.cores)
        held = f"{each.cores * many.bound / 2**30:.0f} of {each.memory}"
        found.append([each.name, f"{each.dollars}", f"{count}", held, f"{hours * count * each.dollars:,.0f}"])
    return found


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
    parser.add_argument("--folder", type=float, default=20.0, help="GB a second of the shared folder")
    parser.add_argument("--wait", type=float, default=2.0, help="milliseconds for a piece of a file")
    parser.add_argument("--instance", type=instance, action="append")
    parser.add_argument("--write", action="store_true", help="keep it in results/scale_billion.md")
    options = parser.parse_args()
    sizes = measured((results.FOLDER / "scale_stages.md").read_text())
    instances = tuple(options.instance or INSTANCES)
    asked = Asked(options.rows, options.cores, options.folder * 1e9, options.wait / 1000, instances)
    lines = told(sizes, asked)
    print("\n\n".join(lines))
    if options.write:
        results.keep("scale_billion", "Computed: de-duplication of very many rows", lines, HERE)


if __name__ == "__main__":
    main()
