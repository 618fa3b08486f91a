"""The share of pairs that MinHash misses, by how many shingles the two rows have together: stated and measured.

    python benchmarks/dedup/missed.py [--pairs 200000] [--write]

Pairs are of random shingles, and as little alike as a pair may be that reaches the threshold: the worst case, which is
what the stated share is about. Stated is (1 - J**rows) ** bands for the similarity J that such a pair has.
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from math import ceil, sqrt
from pathlib import Path

import numpy as np

from phase0.dedup.bands import Banding, choose
from phase0.dedup.kernels.minhashing import band_keys
from phase0.dedup.kernels.sorting import KEY_BITS
from phase0.dedup.minhash import borrowing_order

THRESHOLDS = ("0.3", "0.5", "0.7", "0.8", "0.9")
TOGETHER = (1, 2, 3, 4, 5, 6, 8, 10, 20, 50, 200)  # shingles of two rows
RESULT = Path(__file__).parents[1] / "results" / "dedup_missed.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help=f"keep it in results/{RESULT.name}")
    options = parser.parse_args()
    told = table(options.pairs, np.random.default_rng(options.seed))
    print(told)
    if options.write:
        asked = f"python benchmarks/dedup/missed.py --pairs {options.pairs} --seed {options.seed} --write"
        RESULT.write_text(f"# What MinHash misses\n\n`{asked}` printed:\n\n{told}\n")


def table(pairs: int, draw: np.random.Generator) -> str:
    """Of each threshold and number of shingles what is missed, in per cent, with one standard error."""
    lines = [
        "| threshold | bands | " + " | ".join(f"{together}" for together in TOGETHER) + " |",
        "|" + "|".join(["--:"] * (len(TOGETHER) + 2)) + "|",
    ]
    for threshold in map(Fraction, THRESHOLDS):
        banding = choose(threshold)
        stated, measured = [], []
        for together in TOGETHER:
            shared = ceil(together * threshold)
            stated.append(f"{banding.missed(shared / together):.2%}")
            share = missed(banding, together, shared, pairs, draw)
            measured.append(f"{share:.2%} ± {sqrt(max(share, 1 / pairs) * (1 - share) / pairs):.2%}")
        name = f"| {float(threshold)} | {banding.bands} of {banding.rows} |"
        lines += [f"{name} stated {' | '.join(stated)} |", f"{name} measured {' | '.join(measured)} |"]
    return "\n".join(lines)


def missed(banding: Banding, together: int, shared: int, pairs: int, draw: np.random.Generator) -> float:
    """The share of so many pairs that agree on no band. Of the shingles that one row alone has each has half."""
    apart = together - shared
    hashes = draw.integers(0, 1 << KEY_BITS, (pairs, together), np.uint64)
    ones, others = hashes[:, : shared + apart // 2], np.delete(hashes, np.s_[shared : shared + apart // 2], axis=1)
    found = [_bands(np.ascontiguousarray(rows), banding) for rows in (ones, others)]
    return float((found[0] != found[1]).all(axis=0).mean())


def _bands(rows: np.ndarray, banding: Banding) -> np.ndarray:
    count, size = rows.shape
    keys = np.empty((banding.bands, count), np.uint64)
    sizes = np.full(count, size, np.int64)
    arrays = (np.sort(rows, axis=1).reshape(-1), np.arange(count) * size, sizes)
    band_keys(*arrays, 0, count, borrowing_order(), 0, banding.rows, keys)
    return keys


if __name__ == "__main__":
    main()
