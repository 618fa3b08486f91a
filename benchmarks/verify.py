"""What it costs to verify, beside what it cannot do without: toktok over the same text and `phase0 dedup` of the file.

    python benchmarks/verify.py --rows FILE [--take N] [--write]

FILE holds finished rows; its first N lines are measured. Three processes run one after the other on the same file, and
the CPU time of each, with all its threads and its start, is counted by the operating system. Two forms are verified:
the bare rows, whose categories must be worked out, and the same with their full rows beside them, as `phase0 publish`
leaves them, which hold the categories that were set when the rows were acquired.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import NamedTuple

RESULT = Path(__file__).parent / "results" / "verify.md"
BAR = 1.5  # verify's CPU time over the sum of the other two
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, required=True, help="a JSONL file of finished rows")
    parser.add_argument("--take", type=int, default=600_000, help="measure so many of them")
    parser.add_argument("--write", action="store_true", help=f"keep what is printed in {RESULT.name}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told = table(options.rows, options.take, Path(folder))
    print(told)
    if options.write:
        RESULT.write_text(
            "# What it costs to verify\n\n"
            f"`python benchmarks/verify.py --rows FILE --take {options.take} --write` printed:\n\n{told}\n"
        )


def table(source: Path, take: int, folder: Path) -> str:
    bare = folder / "bare.jsonl"
    with source.open("rb") as rows, bare.open("wb") as out:
        out.writelines(islice(rows, take))
    published = folder / "published.jsonl"
    run(phase0("download", "--from", bare, "--output", folder / "raw"))
    run(phase0("publish", "--input", folder / "raw" / "combined.jsonl", "--output", published))
    lines = ["| rows | what | CPU, s | clock, s | of toktok and dedup |", "|---|---|---|---|---|"]
    for name, path in (("bare", bare), ("with full rows", published)):
        tokens = run([sys.executable, "-c", _COUNT, str(path)])
        dedup = run(phase0("dedup", "--input", path, "--output", folder / "distinct.jsonl"))
        verify = run(phase0("verify", "--input", path, "--max-duplicate-rate", "1"))
        whole = tokens.cpu + dedup.cpu
        lines += [
            line(name, f"toktok alone: {tokens.told}", tokens),
            line(name, "`phase0 dedup`", dedup),
            f"{line(name, '`phase0 verify`', verify)[:-2]} {verify.cpu / whole:.2f} (wanted: {BAR}) |",
        ]
    head = f"{os.cpu_count()} cores, Python {platform.python_version()}; {sum(1 for _ in bare.open('rb')):,} rows"
    return "\n".join([f"{head}, {bare.stat().st_size / 1e6:,.0f} MB", "", *lines])


def line(name: str, what: str, found: Measured) -> str:
    return f"| {name} | {what} | {found.cpu:.1f} | {found.seconds:.1f} | |"


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
