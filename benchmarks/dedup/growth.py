"""Seconds against rows, drawn from the tables that compare.py has kept.

python benchmarks/dedup/growth.py PICTURE.png --cache DIR
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import environments
from shared.tools import python_of

RESULTS = Path(__file__).parents[1] / "results"
TITLE = re.compile(r"## ([\d,]+) rows, threshold 0\.8, 2 worker\(s\)")
MEASURED = re.compile(r"\| ([^|]*\w) \| \d+ \| ([\d.]+) \|")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="folder for environments")
    options = parser.parse_args()
    growth: dict[str, dict[int, float]] = {}
    for kept in sorted(RESULTS.glob("dedup*.md")):
        for tool, rows, seconds in measured(kept.read_text()):
            growth.setdefault(tool, {})[rows] = seconds
    with tempfile.TemporaryDirectory() as folder:
        points = Path(folder) / "measured.json"
        points.write_text(json.dumps({tool: sorted(seconds.items()) for tool, seconds in growth.items()}))
        asked = [python_of(environments.PLOT, options.cache.resolve()), environments.PLOT.script, points]
        options.picture.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([*asked, options.picture.resolve()], check=True)


def measured(page: str) -> Iterator[tuple[str, int, float]]:
    """Tool, rows and wall seconds of each line of the tables at 0.8 with two workers."""
    rows = None
    for line in page.split("\n"):
        if line.startswith("## "):
            title = TITLE.fullmatch(line)
            rows = int(title[1].replace(",", "")) if title else None
        found = MEASURED.match(line)
        if found and rows is not None:
            yield found[1], rows, float(found[2])


if __name__ == "__main__":
    main()
