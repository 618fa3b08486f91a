"""A student of a judge against that judge: agreement, what is saved, what is kept wrongly, and how long it takes.

    python benchmarks/student.py --data DIR [--write] [--sample N]

Real labels are replayed: the student may ask for any of them, and is held against all. No label of the development data
is one judge's word about four dimensions of 300,000 rows, so the whole corpus has a judge that is made up, as the table
says. Speed is of two worker processes: the look at every row, and then teaching, scoring and the audit.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash
from shared.machine import machine
from shared.results import FOLDER, table

import phase0
from phase0.dataset import BadRow, read_records
from phase0.engine.local import Local
from phase0.gateway.estimate import estimate, measure
from phase0.progress import SILENT
from phase0.scoring.audit import Terms
from phase0.scoring.distilling import BY_STUDENT, Distilled, Held, Rows, distil
from phase0.scoring.features import Exchange, features, stacked
from phase0.scoring.sampling import Frame
from phase0.scoring.student import Cut, fit
from phase0.stages.estimating import judge_asks, rows_asked
from phase0.stages.means import Means
from phase0.stages.survey import survey

SEEDS = range(5)
TERMS = (
    "Asked for: agreement on {terms.agreement:.0%} of the rows with {terms.confidence:.0%} confidence; "
    "{terms.judge_share:.0%} labels at first, an audit of {terms.audit_share:.0%} or as many rows as it needs."
)
HEAD = (
    "seed",
    "rows",
    "judge keeps",
    "rounds",
    "labels",
    "audit",
    "doubt",
    "student",
    "stated ≥",
    "true agreement",
    "kept wrongly",
    "missed",
)


class Labelled(NamedTuple):
    name: str
    threshold: float
    rows: list[tuple[str, str, float]]  # instruction, response, score from 1 to 10


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as rows:
        yield from map(json.loads, rows)


def vicuna(data: Path) -> Labelled:
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in lines(data / "judge/gpt4_scores_1to10_vicuna80.jsonl.gz"):
        for side in "ab":
            if 1 <= row[f"score_{side}"] <= 10:
                found[row["instruction"], row[f"response_{side}"]].append(row[f"score_{side}"])
    rows = [(*pair, float(np.mean(scores))) for pair, scores in found.items()]
    return Labelled("vicuna80: GPT-4's mean score of each response, kept above 7", 7.0, rows)


def alpaca_eval(data: Path) -> Labelled:
    found = {}
    for row in lines(data / "judge/alpaca_eval_pairs.jsonl.gz"):
        if row["annotator"].startswith("weighted") and row["preference"] is not None and row["preference"] >= 1:
            found.setdefault((row["instruction"], row["response_b"]), 1 + 9 * (row["preference"] - 1))
    rows = [(*pair, score) for pair, score in found.items()]
    return Labelled("AlpacaEval: GPT-4-turbo's chance for a response against GPT-4's, kept above one half", 5.5, rows)


def alpagasus(data: Path) -> Labelled:
    rows = [
        (row["instruction"], row["response"], 9.0 if row["in_claude_t45"] else 5.0)
        for row in lines(data / "judge/alpagasus_membership.jsonl.gz")
        if "random_9k" in str(row["from"])
    ]
    return Labelled("AlpaGasus, random 9k: rated 4.5 of 5 or better, or not", 7.0, rows)


def held(labelled: Labelled) -> tuple[Held, np.ndarray]:
    """Distinct exchanges with their features, and the judge's scores of them."""
    distinct = {(instruction, response): score for instruction, response, score in labelled.rows}
    exchanges = [Exchange(*pair) for pair in distinct]
    seen = stacked([features(exchanges[start : start + 1000]) for start in range(0, len(exchanges), 1000)])
    keys = np.array([xxhash.xxh3_64_intdigest("\0".join(pair).encode()) for pair in distinct], np.uint64)
    frame = Frame(keys, np.array([np.rint(seen.local_R * 2).astype(np.int64)]))
    return Held(frame, seen), np.repeat(np.array(list(distinct.values()), np.float64)[:, None], 4, axis=1)


def outcome(seed: int, done: Distilled, labels: np.ndarray, cut: Cut) -> list[str]:
    mine, judge = cut.keeps(done.scores_N4), cut.keeps(labels)
    shares = [f"{share:.1%}" for share in np.bincount(done.who_N, minlength=5)[[1, 2, 3, 0]] / len(mine)]
    accepted = done.accepted
    return [
        str(seed),
        f"{len(mine):,}",
        f"{judge.mean():.1%}",
        str(len(done.rounds)),
        *shares,
        "full judge" if accepted is None or accepted.stated is None else f"{accepted.stated:.2%}",
        f"{(mine == judge).mean():.2%}",
        f"{(mine & ~judge).sum() / max(1, mine.sum()):.2%}",
        f"{(judge & ~mine).sum() / max(1, judge.sum()):.2%}",
    ]


def replayed(labelled: Labelled, terms: Terms) -> str:
    rows, labels = held(labelled)
    cut = Cut(labelled.threshold)
    told = [outcome(seed, distil(rows, lambda n: labels[n], cut, terms, seed=seed), labels, cut) for seed in SEEDS]
    return f"### {labelled.name}\n\n{table(HEAD, told)}"


# Other ways that were tried: how many rows must go back to the judge so that 95 % of all end as it would have them, if
# the best band were known.


def needed(doubts: np.ndarray, wrong: np.ndarray, rows: int) -> float:
    order = np.argsort(doubts, kind="stable")
    return float(len(order) - np.searchsorted(np.cumsum(wrong[order]), 0.05 * rows, side="right")) / rows


def ways(labelled: Labelled) -> list[str]:
    from sklearn.linear_model import Ridge

    rows, labels = held(labelled)
    cut, seen = Cut(labelled.threshold), rows.features
    judge, count, found = cut.keeps(labels), len(labels), defaultdict(list)
    for seed in SEEDS:
        draw = np.random.default_rng(seed)
        order = draw.permutation(count)
        taught, left = np.sort(order[: count // 10]), np.sort(order[count // 10 :])
        middle = np.quantile(seen.local_R[taught], 1 - judge[taught].mean())  # as many kept as the judge keeps
        local = seen.local_R[left] - middle
        found["the embedded scorer alone"].append(needed(-np.abs(local), (local > 0) != judge[left], count))
        student = fit(seen.at(taught), labels[taught], rows.frame.keys_N[taught], cut)
        predicted = student.predict(seen.at(left))
        wrong = predicted.keeps_R != judge[left]
        found["the student"].append(needed(predicted.doubts_R, wrong, count))
        margins = cut.margins(predicted.scores_R4)
        found["its margin alone"].append(needed(-np.abs(margins), wrong, count))
        words, quality = seen.words_RW, cut.quality(labels)
        bags = []
        for _ in range(10):
            bag = draw.choice(taught, len(taught))
            bags.append(Ridge(alpha=1.0, solver="sparse_cg").fit(words[bag], quality[bag]).predict(words[left]))
        mean, spread = np.mean(bags, axis=0) - cut.threshold, np.std(bags, axis=0)
        found["ten bags, words alone, margin by their spread"].append(
            needed(-np.abs(mean) / (spread + 0.1 * spread.mean()), (mean > 0) != judge[left], count)
        )
    return [f"{np.mean(shares):.1%}" for shares in found.values()]


BEST = "Rows that must go back for 95 % agreement, at 10 % labels, if the best band were known; mean of five seeds."
WAYS = ("the embedded scorer alone", "the student", "its margin alone", "ten bags, words alone, margin by their spread")


MADE_UP = (
    "1.2 points for each point of the embedded scorer, a taste of its own for every word, a liking for each source, "
    "which no student sees, and noise of 0.7 points in each dimension: whole numbers from 1 to 10."
)


def made_up(seen: Rows, count: int) -> np.ndarray:
    """A judge for rows that nobody judged, as MADE_UP says."""
    draw = np.random.default_rng(7)
    taste = draw.normal(0, 1.0, 1 << 18)
    local, words = [], []
    for block in seen.blocks():
        local.append(block.local_R)
        words.append(block.words_RW @ taste)
    sources, which = np.unique(seen.frame.strata_SN[1], return_inverse=True)
    liking = draw.normal(0, 0.7, len(sources))[which]
    base = 6.9 + 1.2 * (np.concatenate(local) - 7) + np.concatenate(words) + liking
    return np.clip(np.rint(base[:, None] + draw.normal(0, 0.7, (count, 4))), 1, 10)


class Took(NamedTuple):
    wall: float
    cpu: float  # of this process and of those that it waited for


def now() -> Took:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Took(time.perf_counter(), sum(each.ru_utime + each.ru_stime for each in used))


def since(start: Took) -> Took:
    end = now()
    return Took(end.wall - start.wall, end.cpu - start.cpu)


def shown(took: Took) -> str:
    return f"{took.wall:.0f} s ({took.cpu:.0f} s CPU)"


def whole_corpus(data: Path, sample: int, terms: Terms) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        combined = corpus(data, Path(folder), sample)
        cost = judging(combined)
        start = now()
        seen = survey([combined], Path(folder), Local(2), SILENT)
        looked = since(start)
        count = len(seen.rows_N)
        labels, cut = made_up(seen, count), Cut()
        told, times = [], []
        for seed in SEEDS:
            start = now()
            done = distil(seen, lambda n: labels[n], cut, terms, seed=seed)
            times.append(since(start))
            rounds = len(done.rounds)
            saved = cost * Decimal(float((done.who_N == BY_STUDENT).mean()))
            told.append([*outcome(seed, done, labels, cut), f"${saved:,.2f}", f"{times[-1].cpu / rounds:.0f}"])
    slowest = max(times)
    return [
        f"The judge: {MADE_UP}",
        table((*HEAD, "saved", "CPU s a round"), told),
        f"The judge alone would cost ${cost:,.2f}: every row once, gpt-4o-mini's price online, by `phase0 estimate`.",
        f"Look at {len(seen.questions_L):,} rows, two processes: {shown(looked)}.",
        f"Teach, score and audit, one process: at most {shown(slowest)}.",
        f"Together {looked.wall + slowest.wall:.0f} s; on two idle cores it must stay under 300.",
    ]


def corpus(data: Path, folder: Path, sample: int) -> Path:
    source = folder / "source"
    source.mkdir()
    for path in sorted((data / "corpus").glob("*.jsonl.gz")):
        with gzip.open(path, "rb") as rows, (source / path.stem).open("wb") as out:
            out.writelines(row for at, row in enumerate(rows) if at % sample == 0)
    phase0.acquire([str(source)], folder / "raw", engine=Local(2))
    return folder / "raw" / "combined.jsonl"


def judging(path: Path) -> Decimal:
    """Dollars for a judge's verdict about every row."""
    records = (item[2] for item in read_records(path) if not isinstance(item, BadRow))
    found = estimate(measure(rows_asked(records)), judge_asks(["gpt-4o-mini"], 1, Means()), own_answers=True)
    return found.online


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("PHASE0_DEV_DATA"), help="folder of development data")
    parser.add_argument("--sample", type=int, default=1, metavar="N", help="every N-th row of the corpus (1: all)")
    parser.add_argument("--write", action="store_true", help="keep what is printed in results/student.md")
    options = parser.parse_args()
    if not options.data:
        parser.error("give --data, or set PHASE0_DEV_DATA")
    data, terms = Path(options.data), Terms()
    real = [read(data) for read in (vicuna, alpaca_eval, alpagasus)]
    found = [[labelled.name.split(":")[0].split(",")[0], *ways(labelled)] for labelled in real]
    told = [
        f"{machine()}. {TERMS.format(terms=terms)}",
        "## Real labels, replayed",
        *(replayed(labelled, terms) for labelled in real),
        "## Ways to know what is doubtful",
        BEST,
        table(("labels", *WAYS), found),
        "## The whole corpus, a judge that is made up",
        *whole_corpus(data, options.sample, terms),
    ]
    print("\n\n".join(told))
    if options.write:
        command = "python benchmarks/student.py --data DIR --write"
        text = "\n\n".join(["# A student of the judge", f"`{command}` printed:", *told])
        (FOLDER / "student.md").write_text(text + "\n")


if __name__ == "__main__":
    main()
