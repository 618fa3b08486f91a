"""De-duplication at 20,000, 100,000 and all rows of a corpus: time, memory, what was removed, what remains.

    PHASE0_DEV_DATA=… python benchmarks/dedup_small.py [ROWS …]

Rows are spread evenly over the corpus. Each size runs in a process of its own, so that its peak memory is its own; the
texts of the whole corpus are read first, are not timed, and count in every peak. `remaining` is timed on what `dedup`
kept.
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from phase0.dedup import dedup, remaining, text_of

SIZES = ("20000", "100000", "all")
HEAD = (
    *("rows", "dedup s", "CPU s", "rows/s", "peak GiB", "pairs counted", "removed", "pairs before", "pairs after"),
    *("`remaining` s", "CPU s", "peak GiB"),
)


def corpus() -> list[str]:
    texts = []
    for path in sorted((Path(os.environ["PHASE0_DEV_DATA"]) / "corpus").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            rows = map(json.loads, lines)
            texts += [text_of(row["instruction"], row["response"]) for row in rows]
    return texts


class Took(NamedTuple):
    wall: float
    cpu: float


Answer = TypeVar("Answer")


def timed(work: Callable[[], Answer]) -> tuple[Answer, Took]:
    wall, cpu = time.perf_counter(), time.process_time()
    answer = work()
    return answer, Took(time.perf_counter() - wall, time.process_time() - cpu)


def peak() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def measure(size: str) -> None:
    texts = corpus()
    if size != "all":
        texts = [texts[i * len(texts) // int(size)] for i in range(int(size))]
    result, removing = timed(lambda: dedup(texts))
    dedup_peak = peak()
    kept = [texts[row] for row in result.kept]
    left, counting = timed(lambda: remaining(kept))
    before, _ = timed(lambda: remaining(texts))
    cells = (
        *(f"{len(texts):,}", f"{removing.wall:.1f}", f"{removing.cpu:.1f}", f"{len(texts) / removing.wall:,.0f}"),
        *(f"{dedup_peak:.2f}", f"{result.candidates:,}", f"{len(result.removed):,}", f"{before.pairs:,}"),
        *(f"{left.pairs:,}", f"{counting.wall:.1f}", f"{counting.cpu:.1f}", f"{peak():.2f}"),
    )
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2])
        return
    print(f"| {' | '.join(HEAD)} |")
    print("|---:" * len(HEAD) + "|", flush=True)
    for size in sys.argv[1:] or SIZES:
        subprocess.run([sys.executable, __file__, "--measure", size], check=True)


if __name__ == "__main__":
    main()
