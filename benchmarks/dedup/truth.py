"""How any tool's choice of rows stands to the true pairs: what it found, what it took wrongly, lost and left.

    python benchmarks/dedup/truth.py ROWS KEPT [--threshold 0.8]

Shapes: R rows, P pairs of rows.
"""

# ruff: noqa: N803, N815 - letters of shapes
from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pairs import I64, Pairs, read_sets, true_pairs

from phase0.dedup import ratio

FORM = 1  # of cached pairs


class Truth(NamedTuple):
    """Every pair of rows at or above the threshold, `first` before `second`, and the cluster of each row in one."""

    rows: int
    first_P: I64
    second_P: I64
    cluster_R: I64  # its lowest row; of a row in no pair, the row itself


class Verdict(NamedTuple):
    removed: int
    recall: float  # share of the true pairs of which not both rows are kept
    precision: float | None  # share of the removed rows that are near-duplicates of a row that is kept
    lost: int | None  # clusters of which no row is kept
    left: int | None  # rows that would still have to go: first come, first kept


def judge(truth: Truth, kept: I64) -> Verdict:
    stays = np.zeros(truth.rows, bool)
    stays[kept] = True
    first, second = stays[truth.first_P], stays[truth.second_P]
    both = first & second
    justified = np.zeros(truth.rows, bool)
    justified[truth.first_P[second]] = justified[truth.second_P[first]] = True
    removed = truth.rows - int(stays.sum())
    clusters = np.unique(truth.cluster_R[np.union1d(truth.first_P, truth.second_P)])
    alive = np.unique(truth.cluster_R[stays])
    return Verdict(
        removed=removed,
        recall=1 - float(both.mean()) if len(both) else 1.0,
        precision=float(justified[~stays].mean()) if removed else 1.0,
        lost=len(np.setdiff1d(clusters, alive)),
        left=surplus(truth.first_P[both], truth.second_P[both]),
    )


def judge_recorded(recorded: Path, rows: int, kept: I64, threshold: Fraction) -> Verdict:
    """By the recorded edits alone, where every pair is too much to hold: recall of these pairs, and nothing else."""
    edit, base, shared, union = np.loadtxt(recorded, np.int64, skiprows=1, ndmin=2).T
    true = shared * threshold.denominator >= union * threshold.numerator
    stays = np.zeros(rows, bool)
    stays[kept] = True
    both = stays[edit[true]] & stays[base[true]]
    return Verdict(rows - int(stays.sum()), 1 - float(both.mean()), None, None, None)


def surplus(first_P: I64, second_P: I64) -> int:
    """How many rows go when rows are kept in input order, except near-duplicates of one that is kept."""
    gone: set[int] = set()
    order = np.lexsort((first_P, second_P))
    for one, other in zip(first_P[order].tolist(), second_P[order].tolist(), strict=True):
        if one not in gone:
            gone.add(other)
    return len(gone)


def kept_lines(rows: Path, output: Path) -> I64:
    """The numbers of the input lines that the output holds, as the same bytes in the same order."""
    kept = []
    with rows.open("rb") as lines, output.open("rb") as answers:
        wanted = next(answers, None)
        for number, line in enumerate(lines):
            if line == wanted:
                kept.append(number)
                wanted = next(answers, None)
    if wanted is not None:
        raise SystemExit(f"{output} holds a line that is not the input's next: {wanted[:80]!r}")
    return np.array(kept, np.int64)


def truth_of(rows: Path, threshold: Fraction) -> Truth:
    """All true pairs of a file of rows; kept beside it."""
    cached = rows.with_suffix(f".pairs-{threshold.numerator}-{threshold.denominator}-form-{FORM}.npz")
    if cached.exists():
        with np.load(cached) as held:
            return Truth(int(held["rows"]), held["first"], held["second"], held["cluster"])
    with rows.open("rb") as lines:
        sets = read_sets(lines)
    truth = clustered(len(sets.sizes_R), true_pairs(sets, threshold))
    partial = cached.with_suffix(".partial.npz")
    np.savez(partial, rows=truth.rows, first=truth.first_P, second=truth.second_P, cluster=truth.cluster_R)
    partial.replace(cached)
    return truth


def clustered(rows: int, pairs: Pairs) -> Truth:
    """With every row's lowest row of its connected component: labels sink until none moves."""
    label = np.arange(rows)
    while True:
        before = label.copy()
        least = np.minimum(label[pairs.first_P], label[pairs.second_P])
        np.minimum.at(label, pairs.first_P, least)
        np.minimum.at(label, pairs.second_P, least)
        label = label[label]
        if np.array_equal(before, label):
            return Truth(rows, *pairs, label)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, help="JSONL")
    parser.add_argument("kept", type=Path, help="numbers of the rows that are kept, from 0, one a line")
    parser.add_argument("--threshold", default="0.8")
    options = parser.parse_args()
    truth = truth_of(options.rows, ratio(options.threshold))
    print(f"{truth.rows} rows, {len(truth.first_P)} pairs; {surplus(truth.first_P, truth.second_P)} rows should go")
    print(judge(truth, np.loadtxt(options.kept, np.int64, ndmin=1)))


if __name__ == "__main__":
    main()
