"""How fast a judge is asked beside a teacher, stage against stage, through the simulator on loopback.

    python benchmarks/judging.py [--rows 3000] [--repeat 3] [--write]

Every run is a process of its own with an empty ledger: `distill` has a model answer the rows, `score` has the same one
judge them by the rubric, both online, from files to a finished file. The provider runs beside them in another process,
without limits and without latency. A round runs both, one after the other; a ratio is the median of the ratios within
rounds, so that a busy moment of the machine does not meet one of them alone. What a process does first, its imports and
a few questions, is not counted.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, NamedTuple

from shared.machine import machine
from shared.results import FOLDER, table

import phase0
from phase0.ledger import FILE
from phase0.records import Meta, Origin, encode, make
from phase0.simulator import Model, Settings, Simulated, simulated
from phase0.stages.means import Means
from phase0.workspace import MARK

MODEL = "gpt-4o-mini"
PROVIDER = Settings(models=(Model(name=MODEL, price=(Decimal("0.15"), Decimal("0.60"))),))
WARM = 64  # rows of the run that is not counted
ASKED, ANSWERED = 32, 130  # words: about the tokens that the recipe states, 45 and 180
WORDS = "river bread chess rain glass bees wool maps iron tea stone light paper salt wheel garden north cloud".split()  # noqa: SIM905
HEAD = ("", "runs", "rows/s", "CPU ms", "provider ms", "tokens in", "tokens out", "ledger B")
LEGEND = """CPU: user and system time of the stage for one row, reading and writing included; provider: the same of the
simulator, which counts the tokens of question and answer; ledger: what a row's questions and answers take on the disk,
whole and compressed. A judge's question is the longer one, for it holds the rubric and the answer; a teacher's answer
is longer than a judge's sheet, but with a sheet come the probabilities of its tokens, 15 kB of them. Where both
processes share cores, rows/s is bounded by the sum of both."""

Stage = Literal["teaching", "judging"]


class Run(NamedTuple):
    rate: float  # rows per second
    cpu: float  # ms of a processor for each, in the stage
    served: float  # ms of a processor for each, in the provider
    tokens_in: float
    tokens_out: float
    ledger: float  # bytes on the disk for each


class Took(NamedTuple):
    seconds: float
    cpu: float
    served_before: float
    tokens_in: int
    tokens_out: int
    ledger: int  # bytes


def rows(path: Path, count: int) -> Path:
    """Rows of about the recipe's lengths, all different, each with an answer that a judge can be shown."""
    with path.open("wb") as file:
        for number in range(count):
            said = [WORDS[(number * 7 + at * at) % len(WORDS)] for at in range(ASKED + ANSWERED)]
            record = make(
                instruction=f"Case {number}: what has {' '.join(said[:ASKED])} to do with it?",
                response=f"In case {number}, {' '.join(said[ASKED:])}.",
                source="made",
                meta=Meta(origin=Origin(dataset="made", revision=None, row=str(number))),
            )
            file.write(encode(record) + b"\n")
    return path


def work(stage: Stage, source: Path, folder: Path, url: str) -> Any:
    """One stage over one file, with a ledger of its own."""
    means = Means({"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk"}, "online")
    how: dict[str, Any] = {"workspace": folder, "means": means}
    if stage == "teaching":
        return phase0.distill([source], folder / "out.jsonl", teacher=MODEL, **how)
    return phase0.score([source], folder / "out.jsonl", model=MODEL, threshold=1.0, max_failures=1.0, **how)


def timed(stage: Stage, count: int, provider: Simulated) -> Took:
    """In a process of its own: a few rows to warm up, then all of them against the clock."""
    with tempfile.TemporaryDirectory() as place:
        for name, many in (("warm", WARM), ("run", count)):
            folder = Path(place) / name
            folder.mkdir()
            source = rows(folder / "in.jsonl", many)
            served, cpu, began = provider.cpu_seconds(), _cpu(), time.perf_counter()
            made = work(stage, source, folder, provider.url)
            seconds, used = time.perf_counter() - began, _cpu() - cpu
        kept = (folder / MARK / FILE).stat().st_size
        if made.counts.rows_in != count or made.figures.get("scored", count) != count:
            raise SystemExit(f"{stage}: not every row was answered: {made.counts}, {made.figures.get('states')}")
    usage = made.figures
    return Took(seconds, used, served, usage["tokens_in"], usage["tokens_out"], kept)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run(stage: Stage, count: int, provider: Simulated) -> Run:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        took = process.submit(timed, stage, count, provider).result()
    served = provider.cpu_seconds() - took.served_before
    return Run(
        count / took.seconds,
        took.cpu / count * 1000,
        served / count * 1000,
        took.tokens_in / count,
        took.tokens_out / count,
        took.ledger / count,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="keep what is printed in results/judging.md")
    options = parser.parse_args()
    stages: tuple[Stage, ...] = ("teaching", "judging")
    runs: dict[Stage, list[Run]] = {stage: [] for stage in stages}
    with simulated(PROVIDER) as provider:
        for _ in range(options.repeat):
            for stage in stages:
                runs[stage].append(run(stage, options.rows, provider))
    lines = [
        [stage, str(len(found)), *(f"{figure:{how}}" for figure, how in zip(_medians(found), _SHOWN, strict=True))]
        for stage, found in runs.items()
    ]
    ratio = statistics.median(
        judged.rate / taught.rate for judged, taught in zip(runs["judging"], runs["teaching"], strict=True)
    )
    told = [
        f"{machine()}, {options.rows:,} rows, {options.repeat} rounds.",
        table(HEAD, lines),
        f"- rate of judging over teaching: {ratio:.2f}, at least 1.00: {'met' if ratio >= 1 else 'MISSED'}",
        LEGEND,
    ]
    print("\n\n".join(told))
    if options.write:
        asked = f"python benchmarks/judging.py --rows {options.rows} --repeat {options.repeat} --write"
        text = "\n\n".join(["# Judging beside teaching", f"`{asked}` printed:", *told])
        (FOLDER / "judging.md").write_text(text + "\n")


_SHOWN = (",.0f", ".3f", ".3f", ",.0f", ",.0f", ",.0f")


def _medians(found: list[Run]) -> list[float]:
    return [statistics.median(getattr(each, column) for each in found) for column in Run._fields]


if __name__ == "__main__":
    main()
