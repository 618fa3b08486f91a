"""What it costs to verify, beside what it cannot do without: toktok over the same text and `phase0 dedup` of the file.

    PHASE0_DEV_DATA=… python benchmarks/verify.py --cache DIR [--rows 150000] [--repeat 3] [--file FILE] [--write]

The rows are those that de-duplication is measured on (`benchmarks/dedup/rows.py`), or the first of another file. Three
processes run one after the other on the same rows, and the CPU time of each, with all its threads and its start, is
counted by the operating system; of several such rounds the one with the median ratio is told. Two forms are verified:
published rows of four fields alone, whose categories must be worked out, and the same with their full rows beside them,
as `phase0 publish` leaves them, which hold the categories that were set when the rows were acquired.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent / "dedup"))

from rows import make
from shared.machine import machine
from shared.results import FOLDER

RESULT = FOLDER / "verify.md"
BAR = 1.5  # verify's CPU time over the sum of the other two
WARMING = 200  # rows on which every command runs once, so that nobody compiles kernels while it is measured
_COUNT = """
import sys, msgspec, toktok
class Row(msgspec.Struct):
    instruction: str
    response: str | None = None
decode, texts, total = msgspec.json.Decoder(Row).decode, [], 0
with open(sys.argv[1], "rb") as rows:
    for line in rows:
        row = decode(line)
        texts += (row.instruction, row.response or "")
        if len(texts) >= 8192:
            total += sum(toktok.batch_count(texts, "o200k_base"))
            texts.clear()
print(f"{total + sum(toktok.batch_count(texts, 'o200k_base')):,} tokens")
"""


class Measured(NamedTuple):
    cpu: float  # seconds, of all threads
    seconds: float
    told: str  # the first line that was printed


class Costs(NamedTuple):
    tokens: Measured
    dedup: Measured
    verify: Measured

    @property
    def ratio(self) -> float:
        return self.verify.cpu / (self.tokens.cpu + self.dedup.cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=600_000, help="measure so many")
    parser.add_argument("--repeat", type=int, default=3, help="rounds")
    parser.add_argument("--file", type=Path, help="the first rows of this JSONL file, instead of made ones")
    parser.add_argument("--cache", type=Path, help="folder for made rows")
    parser.add_argument("--data", default=os.environ.get("PHASE0_DEV_DATA"), help="folder that holds corpus/")
    parser.add_argument("--write", action="store_true", help=f"keep what is printed in {RESULT.name}")
    options = parser.parse_args()
    if options.file is None and not (options.cache and options.data):
        parser.error("give --file; or --cache, and --data or PHASE0_DEV_DATA")
    source = options.file or make(options.rows, 0, options.cache, Path(options.data)).rows
    with tempfile.TemporaryDirectory() as folder:
        told = table(source, options.rows, options.repeat, Path(folder))
    print(told)
    if options.write:
        where = "--file FILE" if options.file else "--cache DIR"
        asked = f"python benchmarks/verify.py {where} --rows {options.rows} --repeat {options.repeat} --write"
        RESULT.write_text(f"# What it costs to verify\n\n`{asked}` printed:\n\n{told}\n")


def table(source: Path, rows: int, repeat: int, folder: Path) -> str:
    forms(source, min(rows, WARMING), 1, folder / "warming")
    found = forms(source, rows, repeat, folder / "measured")
    lines = ["| rows | what | CPU, s | clock, s | of toktok and dedup |", "|---|---|---|---|---|"]
    for name, rounds in found.items():
        costs = sorted(rounds, key=lambda one: one.ratio)[len(rounds) // 2]
        spread = f"{min(one.ratio for one in rounds):.2f} to {max(one.ratio for one in rounds):.2f}"
        lines += [
            line(name, f"toktok alone: {costs.tokens.told}", costs.tokens),
            line(name, "`phase0 dedup`", costs.dedup),
            line(name, "`phase0 verify`", costs.verify, f"{costs.ratio:.2f} ({spread}; wanted: {BAR})"),
        ]
    size = (folder / "measured" / "published.jsonl").stat().st_size
    head = f"{machine()}; {rows:,} rows, {size / 1e6:,.0f} MB; {repeat} rounds"
    return "\n".join([head, "", *lines])


def forms(source: Path, rows: int, repeat: int, folder: Path) -> dict[str, list[Costs]]:
    """What both forms of so many rows cost, round by round. They hold the same lines."""
    folder.mkdir()
    taken, bare = folder / "taken.jsonl", folder / "bare.jsonl"
    with source.open("rb") as lines, taken.open("wb") as out:
        out.writelines(islice(lines, rows))
    run(phase0("download", "--from", taken, "--output", folder / "raw"))
    published = folder / "published.jsonl"
    run(phase0("publish", "--input", folder / "raw" / "combined.jsonl", "--output", published))
    bare.write_bytes(published.read_bytes())
    rounds = [(costs(bare), costs(published)) for _ in range(repeat)]
    return dict(zip(("four fields alone", "with full rows"), map(list, zip(*rounds, strict=True)), strict=True))


def costs(path: Path) -> Costs:
    return Costs(
        run([sys.executable, "-c", _COUNT, str(path)]),
        run(phase0("dedup", "--input", path, "--output", path.with_name(f"distinct-{path.name}"))),
        run(phase0("verify", "--input", path, "--max-duplicate-rate", "1")),
    )


def line(name: str, what: str, found: Measured, ratio: str = "") -> str:
    return f"| {name} | {what} | {found.cpu:.1f} | {found.seconds:.1f} | {ratio} |"


def phase0(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "phase0", *map(str, arguments)]


def run(command: list[str]) -> Measured:
    """Run a command to its end; 1 is a verdict. SystemExit where it fails otherwise."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        told = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 1}:
        sys.exit(f"{' '.join(command[:5])} … failed with {process.returncode}")
    return Measured(used.ru_utime + used.ru_stime, time.perf_counter() - start, told.partition("\n")[0])


if __name__ == "__main__":
    main()
