"""phase0's gateway beside other clients: one provider on loopback answers them all, at any rate, in its own process.

    python benchmarks/gateway/compare.py --cache DIR [--repeat 5] [--write]

    --requests 5000         of every run
    --concurrent 64,256     in flight at once
    --many 10000,100000     requests of one more run each, for its memory
    --only phase0,aiohttp   some of them, by parts of names

An answer of phase0 counts when it is durable in the ledger; the others keep none, but for curator, which writes files.
Each round runs every client once, so that a busy moment of the machine does not meet one client alone. Told are medians
over the rounds; a ratio is the median of the ratios within each.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from clients import BARE, CLIENTS, CURATOR, OPENAI, OURS, Run, python, run
from shared.machine import machine
from shared.results import keep, table
from shared.tools import Tool

from phase0.simulator import Settings, Simulated, simulated

HEAD = ("", "runs", "answers/s", "CPU ms", "server ms", "peak MiB", "rate / bare", "CPU / bare", "phase0's rate / its")
LEGEND = """CPU: user and system time of the client for one answer, from its first question to its last answer; server:
of the provider for the same answer. peak: what the client held at most, from its start. bare: the loop
over aiohttp. What every client does before, its imports and as many requests as run at once, is not counted. What
phase0 holds grows with the ledger's file until SQLite's page caches are full: 16 MB for writing, 16 MB for reading."""
RESULT = "gateway"

Runs = dict[Tool, list[Run]]


def main() -> None:
    options = parsed()
    clients = [tool for tool in CLIENTS if options.only is None or any(part in tool.name for part in options.only)]
    for client in clients:
        python(client, options.cache)
    told = [f"{machine()}, {options.repeat} round(s)."]
    with simulated(Settings(plain=True)) as provider:
        for concurrent in options.concurrent:
            runs = rounds(clients, provider, options, concurrent)
            told.append(section(runs, options.requests, concurrent))
            print(told[-1], flush=True)
        if options.many:
            told.append(memory(clients, provider, options))
            print(told[-1], flush=True)
    if options.write:
        keep(RESULT, "Gateway", [*told, LEGEND], Path(__file__), options.cache)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=5_000)
    parser.add_argument("--concurrent", type=counts, default=[64, 256])
    parser.add_argument("--many", type=counts, default=[10_000, 100_000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", type=lambda value: value.split(","))
    parser.add_argument("--cache", type=Path, required=True, help="folder for environments and for what clients write")
    parser.add_argument("--write", action="store_true", help=f"keep what is printed in results/{RESULT}.md")
    options = parser.parse_args()
    options.cache = options.cache.resolve()
    options.cache.mkdir(parents=True, exist_ok=True)
    return options


def counts(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def rounds(clients: Sequence[Tool], provider: Simulated, options: argparse.Namespace, concurrent: int) -> Runs:
    runs: Runs = {client: [] for client in clients}
    for _ in range(options.repeat):
        for client in clients:
            runs[client].append(run(client, provider, options.requests, concurrent, options.cache))
            print(concurrent, client.name, runs[client][-1], file=sys.stderr, flush=True)
    return runs


def section(runs: Runs, requests: int, concurrent: int) -> str:
    told = [f"## {requests:,} requests, {concurrent} at once", table(HEAD, [line(runs, client) for client in runs])]
    if OURS in runs:
        told.append("\n".join(bars(runs)))
    return "\n\n".join(told)


def line(runs: Runs, client: Tool) -> list[str]:
    figures = [median(runs[client], column) for column in Run._fields]
    shown = [f"{figure:{how}}" for figure, how in zip(figures, (",.0f", ".3f", ".3f", ",.0f"), strict=True)]
    against = [(client, BARE, "rate"), (client, BARE, "cpu"), (OURS, client, "rate")]
    return [client.name, str(len(runs[client])), *shown, *(times(runs, *each) for each in against)]


def times(runs: Runs, over: Tool, under: Tool, column: str) -> str:
    found = ratio(runs, over, under, column)
    return "–" if found is None else f"{found:.2f}"


def ratio(runs: Runs, over: Tool, under: Tool, column: str) -> float | None:
    if over not in runs or under not in runs:
        return None
    return statistics.median(
        getattr(one, column) / getattr(other, column) for one, other in zip(runs[over], runs[under], strict=True)
    )


def median(runs: Iterable[Run], column: str) -> float:
    return statistics.median(getattr(each, column) for each in runs)


def bars(runs: Runs) -> list[str]:
    """What phase0 asks of itself, and what it did."""
    cpu = median(runs[OURS], "cpu")
    found = [bar("CPU of a durable answer", cpu, 0.4, "at most", lambda figure: f"{figure:.2f} ms")]
    for peer, least in ((BARE, 1 / 3), (OPENAI, 3.0), (CURATOR, 5.0)):
        rate = ratio(runs, OURS, peer, "rate")
        if rate is not None:
            found.append(
                bar(f"rate, as a multiple of {peer.name}", rate, least, "at least", lambda figure: f"{figure:.2f}")
            )
    return found


def bar(what: str, figure: float, limit: float, kind: str, shown: Callable[[float], str]) -> str:
    met = figure <= limit if kind == "at most" else figure >= limit
    return f"- {what}: {shown(figure)}, {kind} {shown(limit)}: {'met' if met else 'MISSED'}"


def memory(clients: Sequence[Tool], provider: Simulated, options: argparse.Namespace) -> str:
    """What each client holds for few and for many requests."""
    concurrent = options.concurrent[0]
    head = ["", *(f"peak MiB, {count:,}" for count in options.many), "more", "answers/s", "CPU ms"]
    lines = []
    for client in clients:
        runs = [run(client, provider, count, concurrent, options.cache) for count in options.many]
        print(concurrent, client.name, *runs, file=sys.stderr, flush=True)
        more, last = runs[-1].peak / runs[0].peak - 1, runs[-1]
        peaks = [f"{each.peak:,.0f}" for each in runs]
        lines.append([client.name, *peaks, f"{more:+.0%}", f"{last.rate:,.0f}", f"{last.cpu:.3f}"])
    return f"## Memory, {concurrent} at once\n\n{table(head, lines)}"


if __name__ == "__main__":
    main()
