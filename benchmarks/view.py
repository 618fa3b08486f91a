"""How quick `phase0 view` answers over many rows: seconds to make the index, and milliseconds for pages of the site.

    python benchmarks/view.py [RUN] [--rows 300000] [--write]

Without RUN a file of so many rows is made: 60 to 400 words each, drawn by rank from a Zipf distribution over 50,000.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import msgspec
import numpy as np
from shared.machine import machine

from phase0.view import Catalogue, open_catalogue, serve

RESULT = Path(__file__).parent / "results" / "view.md"
LIMITS = {"first page": 1000, "any other": 500}  # ms that a page may take when it is first asked for
REPEATS = 5
CATEGORIES = ("general", "code", "reasoning", "creative", "other")
PAGES = {
    "first page": "",
    "kept rows": "?what=kept",
    "a category": "?category=code",
    "a source": "?source={source}",
    "a score": "?low=8&high=9",
    "a category, best first": "?category=code&order=best",
    "a rare word": "?q={rare}",
    "two words": "?q={rare}+{common}",
    "the most common word": "?q={common}",
    "the most common word, longest first": "?q={common}&order=longest",
    "the last page": "?page={last}",
    "a row": "?at={middle}&page={page}",
}


def made(path: Path, rows: int) -> None:
    """Rows of made-up words, the same at every call."""
    draw = np.random.default_rng(0)
    words = np.array([f"w{number:x}" for number in range(50_000)])
    with path.open("wb") as file:
        for number in range(rows):
            said = " ".join(words[np.minimum(draw.zipf(1.2, int(draw.integers(60, 400))), 50_000) - 1])
            row = {
                "instruction": said[:200],
                "response": said[200:],
                "source": f"source-{number % 40}",
                "quality_score": float(draw.integers(10, 101)) / 10,
                "id": f"{number:032x}",
                "meta": {"category": CATEGORIES[number % 5]},
            }
            file.write(msgspec.json.encode(row) + b"\n")


async def measured(catalogue: Catalogue, known: dict[str, object], say: Callable[[str], None]) -> None:
    """Ask for each page, first and again, and say how long it took."""
    done = asyncio.Event()
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(catalogue, 0, address.set_result, done))
    url = await address
    say(f"{'page':<38}{'first, ms':>10}{'again, ms':>10}{'KB':>8}")
    late = []
    async with aiohttp.ClientSession() as session:
        for title, query in PAGES.items():
            took = []
            for _ in range(REPEATS):
                began = time.perf_counter()
                async with session.get(url + query.format(**known)) as answer:
                    body = await answer.read()
                    assert answer.status == 200
                took.append(1000 * (time.perf_counter() - began))
            say(f"{title:<38}{took[0]:>10.0f}{statistics.median(took[1:]):>10.0f}{len(body) / 1000:>8.0f}")
            late += [title] if took[0] > LIMITS.get(title, LIMITS["any other"]) else []
    limits = f"the first page within {LIMITS['first page']} ms, any other within {LIMITS['any other']} ms"
    say(f"\n{limits}: {'all' if not late else 'not ' + ', '.join(late)}")
    done.set()
    await serving


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rare", default="wc351", help="a word that few rows have")
    parser.add_argument("--common", default="w0", help="the word that most rows have")
    parser.add_argument("--write", action="store_true", help=f"keep what is printed in {RESULT.name}")
    given = parser.parse_args()
    told: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        told.append(line)

    with tempfile.TemporaryDirectory() as place:
        target = given.run
        if target is None:
            target = Path(place) / "rows.jsonl"
            made(target, given.rows)
        began = time.perf_counter()
        catalogue = open_catalogue(target)
        took, size = time.perf_counter() - began, catalogue.index.path.stat().st_size
        made_anew = "made" if catalogue.index.made else "was there"
        say(f"{catalogue.index.rows:,} rows; index {made_anew}: {took:.1f} s, {size / 1e6:.0f} MB")
        middle = catalogue.index.rows // 2
        known = {"rare": given.rare, "common": given.common, "middle": middle, "page": middle // 50 + 1}
        known |= {"last": catalogue.index.rows // 50, "source": "source-7"}
        asyncio.run(measured(catalogue, known, say))
    if given.write:
        keep(given.run, told)


def keep(run: Path | None, told: list[str]) -> None:
    """Write what was said, with the command and the machine."""
    words = ("RUN" if run and word == str(run) else word for word in sys.argv[1:])
    load = f"load {os.getloadavg()[0]:.1f} on {machine()}"
    about = (
        "Milliseconds from the request to the last byte of the page: of the first request, and of the median later one."
    )
    head = (
        f"# How quickly phase0 view answers\n\n`{' '.join(('python benchmarks/view.py', *words))}` printed, at {load}."
    )
    RESULT.write_text("\n".join([f"{head} {about}\n\n```text", *told, "```\n"]))


if __name__ == "__main__":
    main()
