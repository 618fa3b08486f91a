"""How well `phase0.scoring.category.categorise` agrees with a person, and how fast it is.

The labelled sample is benchmarks/data/categories.jsonl: labels say what a row means, not what the classifier says. Cues
were tuned on its `dev` rows. The `test` rows were written after most cues; of them only totals were looked at since, so
that `test` is the figure to believe. Rows and cues have one author, so sets made by others are counted beside them:
public ones whose rows were binned by their makers, read where PHASE0_DEV_DATA names a folder that holds them.

    python benchmarks/categories.py [--write]
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from phase0.records import CATEGORIES
from phase0.scoring.category import categorise

HERE = Path(__file__).parent
SAMPLE = HERE / "data" / "categories.jsonl"
RESULTS = HERE / "results" / "categories.md"
SPEED_ROWS = 20_000


class Labelled(NamedTuple):
    instruction: str
    response: str | None
    category: str
    split: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"keep the output in {RESULTS.name}")
    write = parser.parse_args().write
    text = "\n".join(report())
    print(text)
    if write:
        RESULTS.parent.mkdir(exist_ok=True)
        data = "PHASE0_DEV_DATA=... " if os.environ.get("PHASE0_DEV_DATA") else ""
        command = f"{data}python benchmarks/categories.py --write"
        RESULTS.write_text(f"# Categories\n\n`{command}`\n\n```text\n{text}\n```\n", encoding="utf-8", newline="\n")


def report() -> Iterator[str]:
    rows = sample()
    for split in ("dev", "test"):
        yield from agreement(f"{split} rows", [row for row in rows if row.split == split])
    answerless = [row._replace(response=None) for row in rows if row.split == "test"]
    yield f"test rows, instructions alone (no response): accuracy {accuracy(answerless):.3f}"
    foreign = [row for row in rows if row.split == "test" and not row.instruction.isascii()]
    yield f"test rows, instructions that are not plain ASCII: {len(foreign)} rows, accuracy {accuracy(foreign):.3f}"
    yield ""
    yield from on_public_sets()
    yield from speed(rows)


def sample() -> list[Labelled]:
    with SAMPLE.open(encoding="utf-8", newline="\n") as lines:
        return [Labelled(**json.loads(line)) for line in lines]


def accuracy(rows: list[Labelled]) -> float:
    return sum(categorise(row.instruction, row.response) == row.category for row in rows) / len(rows)


def agreement(title: str, rows: list[Labelled]) -> Iterator[str]:
    """Accuracy, the three figures of each class, and the confusion matrix."""
    pairs = Counter((row.category, categorise(row.instruction, row.response)) for row in rows)
    right = sum(pairs[name, name] for name in CATEGORIES)
    yield f"{title}: {len(rows)} rows, accuracy {right / len(rows):.3f} ({right} right)"
    yield f"{'':10} {'precision':>9} {'recall':>7} {'F1':>7} {'rows':>5}"
    for name in CATEGORIES:
        labelled = sum(pairs[name, other] for other in CATEGORIES)
        answered = sum(pairs[other, name] for other in CATEGORIES)
        precision = pairs[name, name] / answered if answered else 0.0
        recall = pairs[name, name] / labelled if labelled else 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        yield f"{name:10} {precision:9.3f} {recall:7.3f} {f1:7.3f} {labelled:5}"
    yield f"{'label, answer →':16}" + "".join(f"{name:>10}" for name in CATEGORIES)
    for name in CATEGORIES:
        yield f"{name:16}" + "".join(f"{pairs[name, other]:10}" for other in CATEGORIES)
    yield ""


class PublicSet(NamedTuple):
    """Rows that their makers put into one bin, which stands for one of our categories."""

    title: str
    file: str
    expected: str
    keys: tuple[str, str, str]  # of the instruction, its input, the response
    bin: tuple[str, str] | None = None  # (key, value) of the rows to take


ALPACA = ("instruction", "input", "output")
PROMPT = ("instruction", "", "")
TEXT = ("text", "", "")


def bins(name: str, file: str, keys: tuple[str, str, str], key: str, expected: dict[str, str]) -> list[PublicSet]:
    return [
        PublicSet(f"{name} {value}", file, category, keys, (key, value))
        for category, values in expected.items()
        for value in values.split(", ")
    ]


PUBLIC_SETS = (
    PublicSet("GSM8K train", "raw/gsm8k/train.jsonl.gz", "reasoning", ("question", "", "answer")),
    PublicSet("MATH-500, no answers", "eval/math500.jsonl.gz", "reasoning", TEXT),
    PublicSet("SVAMP, no answers", "eval/svamp_test.jsonl.gz", "reasoning", TEXT),
    PublicSet("Code Alpaca 2k", "raw/alpaca/code_alpaca_2k.json.gz", "code", ALPACA),
    PublicSet("GPTeacher codegen", "raw/alpaca/gpteacher-codegen-instruct.json.gz", "code", (*ALPACA[:2], "response")),
    PublicSet("HumanEval, no answers", "eval/humaneval.jsonl.gz", "code", TEXT),
    PublicSet(
        "GPTeacher role-play", "raw/alpaca/gpteacher-roleplay-instruct.json.gz", "creative", (*ALPACA[:2], "response")
    ),
    PublicSet(
        "GPTeacher toolformer",
        "raw/alpaca/gpteacher-toolformer-similarity-0.6.json.gz",
        "other",
        (*ALPACA[:2], "response"),
    ),
    PublicSet("identity", "raw/alpaca/identity.json", "other", ALPACA),
    *bins(
        "Dolly",
        "raw/dolly/dolly_3k.json.gz",
        ALPACA,
        "category",
        # its creative_writing holds advice, letters and facts too, so it says little
        {
            "general": "open_qa, general_qa, classification, brainstorming, "
            "information_extraction, closed_qa, summarization",
            "creative": "creative_writing",
        },
    ),
    *bins(
        "AlpacaEval",
        "teachers/prompts.jsonl",
        PROMPT,
        "category",
        {
            "general": "generic, knowledge, common-sense, counterfactual, writing, "
            "Gmail, Grammarly, merriam-webster.com",
            "code": "coding, Leetcode, StackOverflow",
            "reasoning": "math, fermi, Wolfram alpha",
            "creative": "roleplay",
        },
    ),
    *bins(
        "MT-bench",
        "raw/mt_bench/question.jsonl",
        ("turns", "", ""),
        "category",
        {
            "general": "extraction, humanities, writing, stem",
            "code": "coding",
            "reasoning": "math, reasoning",
            "creative": "roleplay",
        },
    ),
    *bins(
        "WizardLM test",  # no row of it was looked at while cues were tuned
        "raw/wizardlm/WizardLM_testset.jsonl",
        ("Instruction", "", ""),
        "Skill",
        {
            "general": "Common-Sense, Biology, Sport, Law, Medicine, "
            "Economy, History, Ethics, TruthfulQA, Entertainment, Art",
            "code": "Code Generation, Code Debug",
            "reasoning": "Math, Reasoning",
            "creative": "Roleplay",
        },
    ),
)


def on_public_sets() -> Iterator[str]:
    folder = os.environ.get("PHASE0_DEV_DATA")
    if not folder:
        yield "public sets: absent (PHASE0_DEV_DATA is not set)"
        yield ""
        return
    yield "public sets (labels are the set's own, given to all of its rows): share of the expected category, then all"
    for known in PUBLIC_SETS:
        path = Path(folder) / known.file
        if not path.exists():
            yield f"{known.title:36} absent ({known.file})"
            continue
        rows = [row for row in upstream(path) if known.bin is None or row.get(known.bin[0]) == known.bin[1]]
        found = Counter(categorise(*texts(row, known.keys)) for row in rows)
        shares = ", ".join(f"{category} {found[category]}" for category in CATEGORIES if found[category])
        yield f"{known.title:36} {found[known.expected] / len(rows):6.1%} {known.expected:9} of {len(rows):5}: {shares}"
    yield ""


@functools.cache
def upstream(path: Path) -> list[dict[str, object]]:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = raw.decode("utf-8")
    return json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.split("\n") if line.strip()]


def texts(row: dict[str, object], keys: tuple[str, str, str]) -> tuple[str, str | None]:
    """Instruction (joined with its input; the first of several turns) and response of an upstream row."""
    instruction, given, response = (row.get(key) for key in keys)
    asked = instruction[0] if isinstance(instruction, list) else instruction
    return (f"{asked}\n\n{given}" if given else str(asked)), (str(response) if response else None)


def speed(rows: list[Labelled]) -> Iterator[str]:
    """Rows per second on one core: the labelled sample, and rows that fill every part that is read."""
    long: list[tuple[str, str | None]] = [
        ("Explain the following notes to a colleague. " * 60, "It was a long and quiet evening, they said. " * 60)
    ]
    short = [(row.instruction, row.response) for row in rows]
    for title, pairs in (("labelled sample", short), ("longest read", long)):
        many = (pairs * (SPEED_ROWS // len(pairs) + 1))[:SPEED_ROWS]
        characters = sum(len(a) + len(b or "") for a, b in many) / len(many)
        start = time.process_time()
        for instruction, response in many:
            categorise(instruction, response)
        rate = len(many) / (time.process_time() - start)
        yield f"speed, {title}: {rate:,.0f} rows/s of CPU time on one core ({characters:.0f} characters a row)"


if __name__ == "__main__":
    sys.exit(main())
