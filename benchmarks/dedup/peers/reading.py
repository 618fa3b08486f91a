"""What every peer is given: the rows' texts as lower-cased `\\w+` with one space between, read and cut by polars.

A peer script is called as `run_x.py ROWS KEPT --threshold 0.8 --workers 2` by the interpreter of its own environment
and writes the numbers of the rows it keeps. All use 128 permutations and let the tool choose its own bands.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

WIDTH = 5
PERMUTATIONS = 128
SEED = 42


class Arguments(NamedTuple):
    rows: Path
    kept: Path
    threshold: float
    workers: int


def arguments() -> Arguments:
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=Path)
    parser.add_argument("kept", type=Path)
    parser.add_argument("--threshold", type=float, default=0.8)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    return Arguments(given.rows, given.kept, given.threshold, given.workers)


def word_texts(path: Path) -> list[str]:
    import polars as pl

    frame = pl.read_ndjson(path)
    text = pl.concat_str("instruction", "response", separator="\n")
    return frame.select(text.str.to_lowercase().str.extract_all(r"\w+").list.join(" ")).to_series().to_list()


def word_grams(text: str) -> list[str]:
    """The 5-grams of a text of words; a text with fewer words is one."""
    words = text.split(" ")
    return [" ".join(words[start : start + WIDTH]) for start in range(max(1, len(words) - WIDTH + 1))]


def write_kept(path: Path, kept: Iterable[int]) -> None:
    path.write_text("".join(f"{row}\n" for row in kept))
