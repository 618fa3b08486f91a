"""What the embedded scorer is worth: agreement with people and strong judges, its use of the scale, its speed.

Run `python benchmarks/scorer.py --data DIR [--sample N]`; DIR (default: PHASE0_DEV_DATA of the environment) holds the
folders judge/, teachers/ and corpus/ of the development data. Weights were set by hand while looking at the vicuna80
labels, at Prometheus, at the bundled sample and, for short answers, at PandaLM. AlpacaEval and LLMBar only measure:
their agreement was printed along the way, but chose no weight.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from phase0.records import DIMENSIONS
from phase0.scoring.local import Judgement, judge

RESAMPLES = 1_000
SPEED_RUNS = 5
SMALL_SOURCE = 200  # rows: models with fewer are not ranked
REPUTED_WEAK = (
    "text_davinci_001",
    "alpaca-7b",
    "falcon-7b-instruct",
    "oasst-sft-pythia-12b",
    "chatglm2-6b",
    "oasst-sft-llama-33b",
    "baize-v2-7b",
    "guanaco-7b",
)


class Pair(NamedTuple):
    """Two answers to one instruction, of which somebody found one better."""

    instruction: str
    worse: str
    better: str


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        yield from map(json.loads, lines)


def worth(instruction: str, response: str) -> float:
    """The mean of the four dimensions before it is rounded to a tenth, so that fewer pairs tie."""
    scores = judge(instruction, response).scores
    return round(sum(getattr(scores, dimension) for dimension in DIMENSIONS), 1)


# Agreement


def verdicts(pairs: Sequence[Pair]) -> tuple[list[float], list[float]]:
    """For each pair 1 if the better answer wins, 0 if the worse does, 0.5 for a tie: the scorer's, and by length."""
    scored = [_verdict(worth(pair.instruction, pair.better), worth(pair.instruction, pair.worse)) for pair in pairs]
    longer = [_verdict(len(pair.better), len(pair.worse)) for pair in pairs]
    return scored, longer


def _verdict(better: float, worse: float) -> float:
    return 0.5 if better == worse else float(better > worse)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The bootstrap's 95 % interval of a mean."""
    draw = random.Random(0)
    means = sorted(statistics.fmean(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES)]


def agreement(name: str, pairs: Sequence[Pair]) -> None:
    scored, longer = verdicts(pairs)
    low, high = interval(scored)
    ties = scored.count(0.5)
    print(
        f"{name:<62} {len(pairs):>5} {statistics.fmean(scored):>7.3f}  [{low:.3f}, {high:.3f}] {ties:>5}"
        f" {statistics.fmean(longer):>8.3f} {0.5:>7.3f}"
    )


def ordered(instruction: str, first: str, second: str, second_better: bool) -> Pair:
    return Pair(instruction, first, second) if second_better else Pair(instruction, second, first)


def alpaca_eval(data: Path) -> Iterator[tuple[str, list[Pair]]]:
    by_annotator: dict[str, list[Pair]] = defaultdict(list)
    left_out: Counter[str] = Counter()
    for row in rows(data / "judge/alpaca_eval_pairs.jsonl.gz"):
        preference = row["preference"]
        if preference in (None, 0, 1.5):
            left_out[str(preference)] += 1
            continue
        pair = ordered(row["instruction"], row["response_a"], row["response_b"], preference > 1.5)
        by_annotator[f"{row['annotator']}"].append(pair)
        by_annotator[f"{row['annotator']} {row['model_b']}"].append(pair)
    yield "alpaca_eval, all", [pair for name, pairs in by_annotator.items() if " " not in name for pair in pairs]
    yield from sorted(by_annotator.items())
    print(f"  left out of alpaca_eval (failed, draw, draw): {dict(sorted(left_out.items()))}")


def llmbar(data: Path) -> Iterator[tuple[str, list[Pair]]]:
    subsets: dict[str, list[Pair]] = defaultdict(list)
    for row in rows(data / "judge/llmbar.jsonl.gz"):
        subsets[row["subset"]].append(ordered(row["instruction"], row["output_1"], row["output_2"], row["label"] == 2))
    yield from subsets.items()


def pandalm(data: Path) -> Iterator[tuple[str, list[Pair]]]:
    pairs = [
        ordered(row["instruction"], row["response_a"], row["response_b"], row["labels"][0] == 2)
        for row in rows(data / "judge/pandalm_human.jsonl.gz")
        if len(set(row["labels"])) == 1 and row["labels"][0]
    ]
    yield "pandalm, three people agree (looked at)", pairs


def prometheus(data: Path) -> Iterator[tuple[str, list[Pair]]]:
    answers: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for row in rows(data / "judge/gpt4_scores_1to5_prometheus.jsonl.gz"):
        scores = [float(score) for score in row["score"] if score is not None]
        if scores:
            answers[row["instruction"]].append((row["response"], statistics.fmean(scores)))
    pairs = [
        ordered(instruction, a, b, score_b > score_a)
        for instruction, given in answers.items()
        for at, (a, score_a) in enumerate(given)
        for b, score_b in given[:at]
        if score_a != score_b
    ]
    yield "prometheus, within an instruction", pairs


def vicuna(data: Path) -> Iterator[tuple[str, list[Pair]]]:
    """GPT-4's scores of 1 to 10, the mean over the reviews of a pair, for most were reviewed in both orders."""
    reviews: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in rows(data / "judge/gpt4_scores_1to10_vicuna80.jsonl.gz"):
        a, b = float(row["score_a"]), float(row["score_b"])
        if min(a, b) <= 0:
            continue
        first, second = sorted((row["response_a"], row["response_b"]))
        reviews[row["instruction"], first, second].append(b - a if row["response_a"] == first else a - b)
    means = {pair: statistics.fmean(gaps) for pair, gaps in reviews.items()}
    yield "vicuna80, gpt-4 scores (developed on)", [ordered(*pair, gap > 0) for pair, gap in means.items() if gap]


# The scale


def corpus(data: Path, every: int) -> Iterator[dict[str, Any]]:
    """Every so-manieth row of each shard."""
    for path in sorted((data / "corpus").glob("*.jsonl.gz")):
        yield from (row for at, row in enumerate(rows(path)) if at % every == 0)


def histogram(values: Sequence[float]) -> None:
    counts = Counter(values)
    top, most = counts.most_common(1)[0]
    above = sum(value > 7 for value in values) / len(values)
    print(f"rows {len(values)}, distinct values {len(counts)}, above 7.0: {above:.1%}")
    print(f"most frequent value {top}: {most / len(values):.1%} of rows (must stay under 25 %)")
    for half in range(2, 21):
        share = sum(count for value, count in counts.items() if half / 2 <= value < half / 2 + 0.5) / len(values)
        print(f"  {half / 2:>4.1f} to {half / 2 + 0.4:>4.1f}  {share:>6.1%}  {'#' * round(share * 200)}")


def by_group(scored: Iterable[tuple[str, Judgement]]) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = defaultdict(list)
    for group, judgement in scored:
        groups[group].append(judgement.scores.mean())
    return groups


def gap(data: Path, by_source: dict[str, list[float]], smallest: int) -> None:
    teachers = []
    for name in ("llama-3.1-405b", "gpt-4o"):
        found = [judge(r["instruction"], r["response"]).scores.mean() for r in rows(data / f"teachers/{name}.jsonl.gz")]
        teachers += found
        print(f"  {name:<34} {statistics.fmean(found):.2f}")
    mean = statistics.fmean(teachers)
    models = {
        source.removeprefix("alpaca_eval/"): statistics.fmean(values)
        for source, values in by_source.items()
        if source.startswith("alpaca_eval/") and len(values) >= smallest
    }
    ranked = sorted(models, key=models.__getitem__)
    print(f"  {len(models)} AlpacaEval models have at least {smallest} rows in the sample; the lowest:")
    for name in ranked[:8]:
        print(f"    {name:<32} {models[name]:.2f}")
    honest = [name for name in ranked if name != "NullModel"]  # a constant injection is no model to be better than
    _gap("the five lowest (without NullModel)", mean, [models[name] for name in honest[:5]])
    reputed = [name for name in REPUTED_WEAK if name in models][:5]
    _gap(f"five weak by reputation ({', '.join(reputed)})", mean, [models[name] for name in reputed])


def _gap(name: str, teachers: float, weak: Sequence[float]) -> None:
    low = statistics.fmean(weak)
    print(f"  teachers {teachers:.2f} minus {name} {low:.2f} = {teachers - low:.2f} (must be at least 1)")


def speed(sample: Sequence[dict[str, Any]]) -> None:
    words = statistics.fmean(len(row["response"].split()) for row in sample)
    rates = []
    for _ in range(SPEED_RUNS):
        start = time.process_time()
        for row in sample:
            judge(row["instruction"], row["response"])
        rates.append(len(sample) / (time.process_time() - start))
    print(f"{len(sample)} rows of {words:.0f} words on average, CPU time of one process, {SPEED_RUNS} runs")
    print(f"median {statistics.median(rates):,.0f} rows/s (from {min(rates):,.0f} to {max(rates):,.0f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("PHASE0_DEV_DATA"), help="folder of development data"
    )
    parser.add_argument(
        "--sample", type=int, default=1, metavar="N", help="score every N-th row of the corpus (1: all)"
    )
    options = parser.parse_args()
    if options.data is None:
        parser.error("no data: give --data or set PHASE0_DEV_DATA")
    data = Path(options.data)

    print("## Agreement with labels (a tie of the scorer counts one half; 95 % bootstrap interval)\n")
    print(f"{'labels':<62} {'pairs':>5} {'scorer':>7}  {'interval':<14} {'ties':>5} {'longer':>8} {'chance':>7}")
    for source in (alpaca_eval, llmbar, pandalm, prometheus, vicuna):
        for name, pairs in source(data):
            agreement(name, pairs)

    print("\n## The constant text of adversarial_nullmodel\n")
    null = [
        judge(r["instruction"], r["response_b"]).scores.mean()
        for r in rows(data / "judge/adversarial_nullmodel.jsonl.gz")
    ]
    print(f"{len(null)} instructions: lowest {min(null)}, highest {max(null)} (must stay under 4)")

    print("\n## The scale, on the corpus\n")
    sample = list(corpus(data, options.sample))
    judged = [(row["source"], judge(row["instruction"], row["response"])) for row in sample]
    histogram([judgement.scores.mean() for _, judgement in judged])
    print("\nshare above 7.0 by origin")
    for origin, values in sorted(by_group((source.split("/")[0], judgement) for source, judgement in judged).items()):
        above = sum(value > 7 for value in values) / len(values)
        print(f"  {origin:<20} {len(values):>7} rows, mean {statistics.fmean(values):.2f}, above 7.0 {above:.0%}")

    print("\n## Teachers against weak models\n")
    gap(data, by_group(judged), max(1, SMALL_SOURCE // options.sample))

    print("\n## Speed\n")
    speed(random.Random(0).sample(sample, min(len(sample), 5_000)))


if __name__ == "__main__":
    main()
