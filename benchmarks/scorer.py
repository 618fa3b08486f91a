"""How the embedded scorer uses the scale, what it makes of a text that games judges, and its speed, on the corpus.

    python benchmarks/scorer.py --data DIR [--sample N] [--write]

DIR (default: PHASE0_DEV_DATA of the environment) holds the folders judge/, teachers/ and corpus/ of the development
data. How well it agrees with labels is printed by calibration.py beside this file.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from phase0.scoring.local import Judgement, judge

RESULT = Path(__file__).parent / "results" / "scorer.md"
SPEED_RUNS = 5
SMALL_SOURCE = 200  # rows: models with fewer are not ranked
REPUTED_WEAK = (
    "text_davinci_001",
    "alpaca-7b",
    "falcon-7b-instruct",
    "oasst-sft-pythia-12b",
    "chatglm2-6b",
    "oasst-sft-llama-33b",
    "baize-v2-7b",
    "guanaco-7b",
)


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        yield from map(json.loads, lines)


# The scale


def corpus(data: Path, every: int) -> Iterator[dict[str, Any]]:
    """Every so-manieth row of each shard."""
    for path in sorted((data / "corpus").glob("*.jsonl.gz")):
        yield from (row for at, row in enumerate(rows(path)) if at % every == 0)


def histogram(values: Sequence[float]) -> None:
    counts = Counter(values)
    top, most = counts.most_common(1)[0]
    above = sum(value > 7 for value in values) / len(values)
    print(f"rows {len(values)}, distinct values {len(counts)}, above 7.0: {above:.1%}")
    print(f"most frequent value {top}: {most / len(values):.1%} of rows (must stay under 25 %)")
    for half in range(2, 21):
        share = sum(count for value, count in counts.items() if half / 2 <= value < half / 2 + 0.5) / len(values)
        print(f"  {half / 2:>4.1f} to {half / 2 + 0.4:>4.1f}  {share:>6.1%}  {'#' * round(share * 200)}")


def by_group(scored: Iterable[tuple[str, Judgement]]) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = defaultdict(list)
    for group, judgement in scored:
        groups[group].append(judgement.scores.mean())
    return groups


def gap(data: Path, by_source: dict[str, list[float]], smallest: int) -> None:
    teachers = []
    for name in ("llama-3.1-405b", "gpt-4o"):
        found = [judge(r["instruction"], r["response"]).scores.mean() for r in rows(data / f"teachers/{name}.jsonl.gz")]
        teachers += found
        print(f"  {name:<34} {statistics.fmean(found):.2f}")
    mean = statistics.fmean(teachers)
    models = {
        source.removeprefix("alpaca_eval/"): statistics.fmean(values)
        for source, values in by_source.items()
        if source.startswith("alpaca_eval/") and len(values) >= smallest
    }
    ranked = sorted(models, key=models.__getitem__)
    print(f"  {len(models)} AlpacaEval models have at least {smallest} rows in the sample; the lowest:")
    for name in ranked[:8]:
        print(f"    {name:<32} {models[name]:.2f}")
    honest = [name for name in ranked if name != "NullModel"]  # a constant injection is no model to be better than
    _gap("the five lowest (without NullModel)", mean, [models[name] for name in honest[:5]])
    reputed = [name for name in REPUTED_WEAK if name in models][:5]
    _gap(f"five weak by reputation ({', '.join(reputed)})", mean, [models[name] for name in reputed])


def _gap(name: str, teachers: float, weak: Sequence[float]) -> None:
    low = statistics.fmean(weak)
    print(f"  teachers {teachers:.2f} minus {name} {low:.2f} = {teachers - low:.2f} (must be at least 1)")


def speed(sample: Sequence[dict[str, Any]]) -> None:
    words = statistics.fmean(len(row["response"].split()) for row in sample)
    rates = []
    for _ in range(SPEED_RUNS):
        start = time.process_time()
        for row in sample:
            judge(row["instruction"], row["response"])
        rates.append(len(sample) / (time.process_time() - start))
    print(f"{len(sample)} rows of {words:.0f} words on average, CPU time of one process, {SPEED_RUNS} runs")
    print(f"median {statistics.median(rates):,.0f} rows/s (from {min(rates):,.0f} to {max(rates):,.0f})")


def whole_stage(data: Path) -> None:
    """`phase0 score` over all rows of the corpus, reading and writing included, on one core and on all."""
    with tempfile.TemporaryDirectory() as folder:
        source, scored = Path(folder) / "rows.jsonl", Path(folder) / "scored.jsonl"
        count = 0
        with source.open("w", encoding="utf-8") as file:
            for row in corpus(data, 1):
                file.write(json.dumps(row | {"quality_score": None}, ensure_ascii=False) + "\n")
                count += 1
        for cores in sorted({1, os.cpu_count() or 1}):
            command = ["score", "--input", source, "--output", scored, "--workers", str(cores)]
            began = time.monotonic()
            process = subprocess.Popen([sys.executable, "-m", "phase0", *command], stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
            if status:
                raise SystemExit("phase0 score failed")
            cpu = usage.ru_utime + usage.ru_stime
            print(
                f"phase0 score, {count:,} rows, {cores} worker{'s' * (cores > 1)}: {seconds:.1f} s, "
                f"{count / seconds:,.0f} rows/s; {cpu:.1f} s of CPU, {count / cpu:,.0f} rows/s of CPU"
            )


def report(data: Path, every: int) -> None:
    print("## The constant text of adversarial_nullmodel\n")
    null = [
        judge(r["instruction"], r["response_b"]).scores.mean()
        for r in rows(data / "judge/adversarial_nullmodel.jsonl.gz")
    ]
    print(f"{len(null)} instructions: lowest {min(null)}, highest {max(null)} (must stay under 4)")

    print("\n## The scale, on the corpus\n")
    sample = list(corpus(data, every))
    judged = [(row["source"], judge(row["instruction"], row["response"])) for row in sample]
    histogram([judgement.scores.mean() for _, judgement in judged])
    print("\nshare above 7.0 by origin")
    for origin, values in sorted(by_group((source.split("/")[0], judgement) for source, judgement in judged).items()):
        above = sum(value > 7 for value in values) / len(values)
        print(f"  {origin:<20} {len(values):>7} rows, mean {statistics.fmean(values):.2f}, above 7.0 {above:.0%}")

    print("\n## Teachers against weak models\n")
    gap(data, by_group(judged), max(1, SMALL_SOURCE // every))

    print("\n## Speed\n")
    speed(random.Random(0).sample(sample, min(len(sample), 5_000)))
    whole_stage(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("PHASE0_DEV_DATA"), help="folder of development data"
    )
    parser.add_argument(
        "--sample", type=int, default=1, metavar="N", help="score every N-th row of the corpus (1: all)"
    )
    parser.add_argument("--write", action="store_true", help=f"keep what is printed in {RESULT.name}")
    options = parser.parse_args()
    if options.data is None:
        parser.error("no data: give --data or set PHASE0_DEV_DATA")
    with contextlib.redirect_stdout(io.StringIO()) as told:
        report(Path(options.data), options.sample)
    print(told.getvalue(), end="")
    if options.write:
        asked = "python benchmarks/scorer.py --data DIR --write"
        RESULT.write_text(f"# The embedded scorer, measured\n\n`{asked}` printed:\n\n```\n{told.getvalue()}```\n")


if __name__ == "__main__":
    main()
