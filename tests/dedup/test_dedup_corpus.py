"""On real rows: the pairs are those of another library's exact join, and the choice keeps its two promises."""

from __future__ import annotations

import gzip
import json
from fractions import Fraction

import numpy as np
import pytest
from searched import joined_pairs
from SetSimilaritySearch import all_pairs

from phase0.dedup import dedup, remaining
from phase0.dedup.exact import distinct
from phase0.dedup.flat import Strings
from phase0.dedup.sets import read_sets
from phase0.progress import SILENT
from phase0.text import tokens

T = Fraction(4, 5)


def corpus(dev_data, rows):
    """Rows from every file, and for every fourth of them an edited copy."""
    texts = []
    paths = sorted((dev_data / "corpus").glob("*.jsonl.gz"))
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            for _, line in zip(range(-(-rows * 4 // 5 // len(paths))), lines, strict=False):
                row = json.loads(line)
                texts.append(row["instruction"] + "\n" + row["response"])
    for number in range(0, len(texts), 4):
        words = texts[number].split(" ")
        words[number * 7 % len(words)] = f"edit{number}"
        texts.append(" ".join(words))
    return texts[:rows]


def grams(texts, width=5):
    numbers = {}  # tuples hash slowly
    for text in texts:
        words = tokens(text)
        runs = {tuple(words[i : i + width]) for i in range(max(1, len(words) - width + 1))} if words else set()
        yield {numbers.setdefault(run, len(numbers)) for run in runs}


def expected_pairs(texts):
    """By SetSimilaritySearch a little below the threshold, then in integers."""
    sets = list(grams(texts))
    rows = [row for row, one in enumerate(sets) if one]
    found = {}
    for i, j, _ in all_pairs([sets[row] for row in rows], "jaccard", 0.7999):
        one, other = sorted((rows[i], rows[j]))
        shared = len(sets[one] & sets[other])
        union = len(sets[one]) + len(sets[other]) - shared
        if shared * T.denominator >= union * T.numerator:
            found[one, other] = (shared, union)
    return found


def found_pairs(texts, workers):
    """All pairs of rows: those of different sets by the join, those of equal sets by their number."""
    sets = read_sets(Strings(texts), 5, workers, SILENT)
    same = distinct(sets)
    owners = {}
    for row, first in enumerate(same.tolist()):
        if first >= 0:
            owners.setdefault(first, []).append(row)
    found = {}
    for rows in owners.values():
        size = int(sets.sizes_D[rows[0]])
        found |= {(one, other): (size, size) for at, one in enumerate(rows) for other in rows[at + 1 :]}
    pairs = joined_pairs(sets, T, workers)
    for one, other, shared in zip(*(column.tolist() for column in pairs[:3]), strict=True):
        union = int(sets.sizes_D[one] + sets.sizes_D[other]) - shared
        for i in owners[one]:
            found |= {(min(i, j), max(i, j)): (shared, union) for j in owners[other]}
    return found


def check(texts):
    expected = expected_pairs(texts)
    assert found_pairs(texts, 2) == expected
    assert remaining(texts).pairs == len(expected)
    result = dedup(texts, workers=2)
    kept = set(result.kept)
    assert all(expected[tuple(sorted(gone[:2]))] == gone[2:] and gone.kept in kept for gone in result.removed)
    assert not any(one in kept and other in kept for one, other in expected)
    assert len(kept) + len(result.removed) == len(texts)
    return len(expected)


def test_on_5000_real_rows_pairs_are_those_of_setsimilaritysearch(dev_data):
    assert check(corpus(dev_data, 5000)) > 500


@pytest.mark.soak
def test_on_100000_real_rows_pairs_are_those_of_setsimilaritysearch(dev_data):
    pairs = check(corpus(dev_data, 100_000))
    print(f"\n100,000 rows, {pairs:,} pairs: recall 1, precision 1")


def test_many_rows_are_classed_by_a_sample_and_pairs_do_not_change(dev_data, monkeypatch):
    texts = corpus(dev_data, 3000)
    plain = found_pairs(texts, 1)
    monkeypatch.setattr("phase0.dedup.sets._PEEKED", 1)
    monkeypatch.setattr("phase0.dedup.sets._COMMON", (2, 4, 8))
    monkeypatch.setattr("phase0.dedup.exact._ENTRIES_A_PARTITION", 500)
    sets = read_sets(Strings(texts), 5, 2, SILENT)
    assert np.any(sets.keys_S >> np.uint64(62) == 3)
    assert found_pairs(texts, 2) == plain
