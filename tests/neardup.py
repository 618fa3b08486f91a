"""Rows with near-duplicates among them, and the definition said slowly: of phase0 it shares `text.tokens` alone."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

from phase0.text import tokens

Pairs = dict[tuple[int, int], tuple[int, int]]
"""Row numbers, the lower first → what the two share, and what they have together."""

_WORDS = [f"{stem}{end}" for stem in ("amber", "birch", "délta", "fjord", "Σας", "x_") for end in range(50)]
_UNSPACED = "日本語の文章を書く人々がいる中国话说得很好สวัสดีครับผม한국어로쓴글ខ្មែរ"
_MARKS = ("", "", "", ",", ".", "!", ";", " -", "\n")


def made_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Rows of which half are edits of another, near the threshold and far from it, and a few are short, empty, exact
    copies or not spaced. Ranks are often equal; fields may be unknown or absent."""
    draw = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for number in range(count):
        kind = draw.random()
        if rows and kind < 0.5:
            row = _edited(dict(draw.choice(rows)), draw)
        else:
            length = draw.choice([0, 1, 2, 3, 4, 5, 6]) if kind < 0.58 else draw.randint(10, 90)
            row = {"instruction": _said(draw.randint(0, 8), draw), "response": _said(length, draw)}
        row["source"] = draw.choice(["a", "b", "é"])
        row["quality_score"] = draw.choice([None, 7, 7.1, 8.0, 9.25])
        row["id"] = f"row-{number}"
        if draw.random() < 0.1:
            del row["quality_score"]
            row["unknown"] = [1, {"deep": None}]
        rows.append(row)
    return rows


def _said(words: int, draw: random.Random) -> str:
    if draw.random() < 0.1:
        return "".join(draw.choices(_UNSPACED, k=words))
    return " ".join(draw.choice(_WORDS) + draw.choice(_MARKS) for _ in range(words))


def _edited(row: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    words = (row["response"] or "").split(" ")
    for _ in range(draw.choice([0, 0, 1, 1, 1, 2, 3, 5])):
        at, how = draw.randrange(len(words)), draw.randrange(4)
        words[at : at + 1] = [] if how == 0 and len(words) > 1 else [draw.choice(_WORDS)] * (1 + (how == 1))
    if draw.random() < 0.3:
        at = draw.randrange(len(words))
        words[at] = words[at].upper() + "?"
    row["response"] = " ".join(words) or draw.choice([None, ""])
    return row


def spelled(rows: Iterable[dict[str, Any]], seed: int = 0) -> list[bytes]:
    """Lines of JSON, each spelled in one of several ways. No two are equal, as every row has its id."""
    draw = random.Random(seed)
    return [
        json.dumps(row, ensure_ascii=draw.random() < 0.5, separators=draw.choice([(",", ":"), (", ", ": ")])).encode()
        for row in rows
    ]


def written(path: Path, lines: Iterable[bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def text_of(row: dict[str, Any]) -> str:
    return f"{row['instruction']}\n{row.get('response') or ''}"


def shingles(text: str, width: int = 5) -> set[tuple[str, ...]]:
    words = tokens(text)
    return {tuple(words[at : at + width]) for at in range(max(1, len(words) - width + 1))} if words else set()


def near_pairs(texts: Sequence[str], threshold: Fraction, width: int = 5) -> Pairs:
    """Every pair of texts is compared."""
    numbers: dict[tuple[str, ...], int] = {}  # tuples hash slowly
    sets = [{numbers.setdefault(run, len(numbers)) for run in shingles(text, width)} for text in texts]
    found = {}
    for (i, one), (j, other) in combinations(enumerate(sets), 2):
        if one and other:
            shared = len(one & other)
            union = len(one) + len(other) - shared
            if Fraction(shared, union) >= threshold if shared else False:
                found[i, j] = (shared, union)
    return found


def rank(line: bytes) -> tuple[float, int, bytes]:
    row = json.loads(line)
    quality = row.get("quality_score")
    return (float("-inf") if quality is None else quality, len(row.get("response") or ""), line)


def chosen(pairs: Pairs, order: Sequence[int]) -> dict[int, tuple[int, int, int]]:
    """Greedy from the best row on: of each row that goes the kept row of highest Jaccard, of equals the best, and both
    counts."""
    near: dict[int, dict[int, tuple[int, int]]] = {row: {} for row in order}
    for (i, j), counts in pairs.items():
        near[i][j] = near[j][i] = counts
    kept: dict[int, int] = {}
    gone = {}
    for place, row in enumerate(order):
        witnesses = [(-Fraction(*near[row][one]), kept[one], one) for one in near[row] if one in kept]
        if witnesses:
            best = min(witnesses)[2]
            gone[row] = (best, *near[row][best])
        else:
            kept[row] = place
    return gone


def components(rows: int, pairs: Pairs) -> list[int]:
    """The lowest row that each row is connected with."""
    lowest = list(range(rows))
    near: dict[int, list[int]] = {row: [] for row in range(rows)}
    for one, other in pairs:
        near[one].append(other)
        near[other].append(one)
    for start in range(rows):
        waiting = [start] if lowest[start] == start else []
        while waiting:
            for other in near[waiting.pop()]:
                if lowest[other] > start:
                    lowest[other] = start
                    waiting.append(other)
    return lowest
