"""How well `phase0.scoring.category.categorise` agrees with people, and how fast it is.

The labelled sample is benchmarks/data/categories.jsonl. Cues were tuned on its `dev` half only; `test` is held out.
Public sets whose category is known as a whole are read where PHASE0_DEV_DATA names a folder that holds them.

    python benchmarks/categories.py [--write]
"""

from __future__ import annotations

import argparse
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
        command = "python benchmarks/categories.py --write"
        RESULTS.write_text(f"# Categories\n\n`{command}`\n\n```text\n{text}\n```\n", encoding="utf-8", newline="\n")


def report() -> Iterator[str]:
    rows = sample()
    for split in ("dev", "test"):
        yield from agreement(f"{split} half", [row for row in rows if row.split == split])
    answerless = [row._replace(response=None) for row in rows if row.split == "test"]
    yield f"test half, instructions alone (no response): accuracy {accuracy(answerless):.3f}"
    foreign = [row for row in rows if row.split == "test" and not row.instruction.isascii()]
    yield f"test half, instructions that are not plain ASCII: {len(foreign)} rows, accuracy {accuracy(foreign):.3f}"
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


# (title, file, expected category, keys of instruction, input and response, the value of `category` to choose or None)
PUBLIC_SETS = (
    ("GSM8K train", "raw/gsm8k/train.jsonl.gz", "reasoning", ("question", "", "answer"), None),
    ("MATH-500, no answers", "eval/math500.jsonl.gz", "reasoning", ("text", "", ""), None),
    ("SVAMP, no answers", "eval/svamp_test.jsonl.gz", "reasoning", ("text", "", ""), None),
    ("Code Alpaca 2k", "raw/alpaca/code_alpaca_2k.json.gz", "code", ("instruction", "input", "output"), None),
    ("GPTeacher codegen", "raw/alpaca/gpteacher-codegen-instruct.json.gz", "code", ("instruction", "input", "response"), None),
    ("HumanEval, no answers", "eval/humaneval.jsonl.gz", "code", ("text", "", ""), None),
    (
        "GPTeacher role-play",
        "raw/alpaca/gpteacher-roleplay-instruct.json.gz",
        "creative",
        ("instruction", "input", "response"),
        None,
    ),
    (
        "GPTeacher toolformer",
        "raw/alpaca/gpteacher-toolformer-similarity-0.6.json.gz",
        "other",
        ("instruction", "input", "response"),
        None,
    ),
    ("identity", "raw/alpaca/identity.json", "other", ("instruction", "input", "output"), None),
    *(
        (f"Dolly {kind}", "raw/dolly/dolly_3k.json.gz", expected, ("instruction", "input", "output"), kind)
        for kind, expected in (
            ("open_qa", "general"),
            ("general_qa", "general"),
            ("classification", "general"),
            ("brainstorming", "general"),
            ("information_extraction", "general"),
            ("closed_qa", "general"),
            ("summarization", "general"),
            ("creative_writing", "creative"),
        )
    ),
    *(
        (f"Vicuna {kind}", "teachers/prompts.jsonl", expected, ("instruction", "", ""), kind)
        for kind, expected in (
            ("generic", "general"),
            ("knowledge", "general"),
            ("common-sense", "general"),
            ("counterfactual", "general"),
            ("writing", "general"),
            ("roleplay", "creative"),
            ("coding", "code"),
            ("math", "reasoning"),
            ("fermi", "reasoning"),
        )
    ),
    *(
        (f"self-instruct {kind}", "teachers/prompts.jsonl", expected, ("instruction", "", ""), kind)
        for kind, expected in (
            ("Gmail", "general"),
            ("Grammarly", "general"),
            ("merriam-webster.com", "general"),
            ("Leetcode", "code"),
            ("StackOverflow", "code"),
            ("Wolfram alpha", "reasoning"),
        )
    ),
    *(
        (f"MT-bench {kind}", "raw/mt_bench/question.jsonl", expected, ("turns", "", ""), kind)
        for kind, expected in (
            ("extraction", "general"),
            ("humanities", "general"),
            ("writing", "general"),
            ("stem", "general"),
            ("coding", "code"),
            ("math", "reasoning"),
            ("reasoning", "reasoning"),
            ("roleplay", "creative"),
        )
    ),
)


def on_public_sets() -> Iterator[str]:
    folder = os.environ.get("PHASE0_DEV_DATA")
    if not folder:
        yield "public sets: absent (PHASE0_DEV_DATA is not set)"
        yield ""
        return
    yield "public sets (labels are the set's own, given to all of its rows): share of the expected category, then all"
    for title, name, expected, keys, kind in PUBLIC_SETS:
        path = Path(folder) / name
        if not path.exists():
            yield f"{title:36} absent ({name})"
            continue
        found = Counter(categorise(*texts(row, keys)) for row in upstream(path) if kind in (None, row.get("category")))
        total = found.total()
        shares = ", ".join(f"{category} {found[category]}" for category in CATEGORIES if found[category])
        yield f"{title:36} {found[expected] / total:6.1%} {expected:9} of {total:5}: {shares}"
    yield ""


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
    long = [("Explain the following notes to a colleague. " * 60, "It was a long and quiet evening, they said. " * 60)]
    for title, texts_ in (("labelled sample", [(row.instruction, row.response) for row in rows]), ("longest read", long)):
        many = (texts_ * (SPEED_ROWS // len(texts_) + 1))[:SPEED_ROWS]
        characters = sum(len(a) + len(b or "") for a, b in many) / len(many)
        start = time.process_time()
        for instruction, response in many:
            categorise(instruction, response)
        rate = len(many) / (time.process_time() - start)
        yield f"speed, {title}: {rate:,.0f} rows/s of CPU time on one core ({characters:.0f} characters a row on average)"


if __name__ == "__main__":
    sys.exit(main())
