"""What all verdicts of a stage come to: states, scores, dimensions, teachers and lengths, out of a tally. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from phase0.records import DIMENSIONS
from phase0.stages.parts import Key

MOST_SOURCES = 50  # told by name; the rest are told together
OTHERS = "(others)"


def figures(tally: Mapping[Key, int]) -> dict[str, Any]:
    """The figures of a manifest, from what `verdicts.tallied` counts. Scores are keys, as text in points."""
    parts: defaultdict[str, dict[Key, int]] = defaultdict(dict)
    for (kind, *values), rows in tally.items():
        parts[kind][tuple(values)] = rows
    scores = {tenths: rows for (tenths,), rows in parts["score"].items()}
    scored = sum(scores.values())
    return {
        "scored": scored,
        "mean": _mean(scores),
        "histogram": _histogram(scores),
        "states": {state: rows for (state,), rows in sorted(parts["state"].items())},
        "dimensions": {name: _histogram(_of(parts["dimension"], name)) for name in DIMENSIONS} if scored else {},
        "sources": _sources(parts["source"]),
        "lengths": _lengths(parts["length"], parts["kept"]),
        "length_correlation": correlation(parts["length"]),
    }


def failed_share(found: Mapping[str, Any]) -> float:
    """The share of judged rows that have no score, by a manifest's figures; 0 where they tell of none. What a student
    scored was not judged."""
    states = found.get("states")
    counts = {name: rows for name, rows in states.items() if isinstance(rows, int)} if isinstance(states, dict) else {}
    lost = sum(rows for state, rows in counts.items() if state != "scored")
    total = sum(counts.values()) - by_student(found)
    return lost / total if total else 0.0


def by_student(found: Mapping[str, Any]) -> int:
    """The rows that a student scored, by a manifest's figures."""
    student = found.get("student")
    rows = student.get("rows") if isinstance(student, dict) else None
    count = rows.get("student") if isinstance(rows, dict) else None
    return count if isinstance(count, int) else 0


def correlation(pairs: Mapping[Key, int]) -> float | None:
    """Spearman's rank correlation of pairs (x, y), each there so many times; ties share the mean of their ranks. None
    where one side does not vary."""
    count = sum(pairs.values())
    sides = [_ranks(Counter[int](), ((pair[side], rows) for pair, rows in pairs.items())) for side in (0, 1)]
    middle = (count + 1) / 2
    products = [0.0, 0.0, 0.0]
    for (x, y), rows in pairs.items():
        a, b = sides[0][x] - middle, sides[1][y] - middle
        for at, product in enumerate((a * b, a * a, b * b)):
            products[at] += product * rows
    together, first, second = products
    return round(together / (first * second) ** 0.5, 3) if first and second else None


def _ranks(counts: Counter[int], values: Iterable[tuple[int, int]]) -> dict[int, float]:
    for value, rows in values:
        counts[value] += rows
    below, ranks = 0, {}
    for value in sorted(counts):
        ranks[value] = below + (counts[value] + 1) / 2
        below += counts[value]
    return ranks


def _of(found: Mapping[Key, int], name: str) -> dict[int, int]:
    return {tenths: rows for (of, tenths), rows in found.items() if of == name}


def _mean(tenths: Mapping[int, int]) -> float | None:
    rows = sum(tenths.values())
    return round(sum(value * count for value, count in tenths.items()) / rows / 10, 3) if rows else None


def _histogram(tenths: Mapping[int, int]) -> dict[str, int]:
    return {f"{value / 10:.1f}": tenths[value] for value in sorted(tenths)}


def _sources(found: Mapping[Key, int]) -> dict[str, dict[str, int]]:
    """How many rows of each source have a score, and how many of them were kept: most rows first."""
    scored, kept = Counter[str](), Counter[str]()
    for (source, fate), rows in found.items():
        scored[source] += rows
        kept[source] += rows if fate == "kept" else 0
    ranked = sorted(scored, key=lambda name: (-scored[name], name))
    told = {name: {"scored": scored[name], "kept": kept[name]} for name in ranked[:MOST_SOURCES]}
    if rest := ranked[MOST_SOURCES:]:
        told[OTHERS] = {"scored": sum(map(scored.__getitem__, rest)), "kept": sum(map(kept.__getitem__, rest))}
    return told


def _lengths(found: Mapping[Key, int], kept: Mapping[Key, int]) -> list[dict[str, Any]]:
    """Rows by the characters of their answers, each bin twice as wide as the one before."""
    bins: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for (bits, tenths), rows in found.items():
        bins[bits][tenths] = rows
    return [
        {
            "least": 1 << bits - 1 if bits else 0,
            "rows": sum(bins[bits].values()),
            "kept": kept.get((bits,), 0),
            "mean": _mean(bins[bits]),
        }
        for bits in sorted(bins)
    ]
