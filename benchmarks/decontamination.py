"""Leaks of known kinds among clean rows: which of them decontamination finds, and what it takes of the clean rows.

    python benchmarks/decontamination.py --data DIR [--write]

Clean rows are those of the corpus whose source is not known to be made of evaluation prompts. Among their prompts stand
questions of the sixteen sets in eval/, changed in one way each, the same questions for every method. The methods of
open-instruct (Tülu 3), datatrove and GPT-3 are said again here as their code and papers have them, so that all of them
see the same rows; each is named with what it does.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from shared.machine import machine
from shared.results import FOLDER, table

from phase0.text import tokens

CLEAN = (
    "t0_train/",
    "alpagasus/",
    "gpteacher/",
    "gsm8k/train",
    "alpacadatacleaned/",
    "codealpaca/",
    "hh-rlhf/",
    "llama-factory/",
    "h2o-wizardlm/",
)
"""Sources that nobody made from evaluation prompts. All others answer such prompts, or quote them."""
PUZZLES = "bbh"
"""Generated puzzles, many of which differ in nothing but names and choices: with other names, another of them."""
EACH = 1500  # questions of a kind, or as many as can be changed in that way
LENGTHS = ((3, 7), (8, 12), (13, None))
_NUMBER = re.compile(r"\d+")
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]{2,}\b")
_PUNCTUATION = re.compile(r"[.,;:!?'\"()]")
_NAMES = ["Odalys", "Thaddeus", "Ximena", "Bartholomew", "Ingeborg", "Cuthbert", "Zuleika", "Leocadia"]
_DATATROVE = str.maketrans(
    "", "", "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»"
)


class Row(NamedTuple):
    kind: str  # clean, or the way in which a question was changed
    text: str
    length: int  # words of the question
    origin: str


Finder = Callable[[list[str], list[str]], list[bool]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("PHASE0_DEV_DATA"), help="folder that holds corpus/ and eval/")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="show N clean rows that phase0 flags")
    parser.add_argument("--write", action="store_true", help="keep what is printed in results/decontamination.md")
    options = parser.parse_args()
    if not options.data:
        parser.error("give --data, or set PHASE0_DEV_DATA")
    data = Path(options.data)
    sets = questions_of(data / "eval")
    questions = list(sets)
    clean = list(clean_rows(data / "corpus"))
    rows = clean + planted(sets, [row.text for row in clean])
    methods: dict[str, Finder] = {
        "phase0": lambda _, texts: phase0(data / "eval", texts, "0.8"),
        "phase0 without variants": lambda _, texts: phase0(data / "eval", texts, "0"),
        "open-instruct, 8-grams cover half": open_instruct,
        "datatrove, any 12-gram": datatrove,
        "GPT-3, any 13-gram": gpt3,
    }
    flags, seconds = {}, {}
    for name, find in methods.items():
        began = time.monotonic()
        flags[name] = find(questions, [row.text for row in rows])
        seconds[name] = time.monotonic() - began
        print(f"{name}: {seconds[name]:.0f} s", file=sys.stderr)
    told = [
        (
            f"{machine()}; {len(clean):,} clean prompts, "
            f"{len({row.text for row in clean}):,} of them different; {len(rows) - len(clean):,} planted; "
            f"{len(questions):,} different items"
        ),
        recall(rows, flags),
        by_length(rows, flags["phase0"]),
        taken(clean, flags),
        speed(data),
    ]
    print("\n\n".join(told))
    for row in shown(clean, flags["phase0"])[: options.show]:
        print(f"[{row.origin}] {row.text[:300]!r}", file=sys.stderr)
    if options.write:
        asked = "`python benchmarks/decontamination.py --data DIR --write` printed:"
        (FOLDER / "decontamination.md").write_text("\n\n".join(["# Decontamination", asked, *told]) + "\n")


def questions_of(folder: Path) -> dict[str, str]:
    """Every question with the set it is first found in."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            for line in lines:
                found.setdefault(json.loads(line)["text"], path.name.split(".")[0])
    return found


def clean_rows(folder: Path) -> Iterator[Row]:
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                row = json.loads(line)
                if row["source"].startswith(CLEAN):
                    yield Row("clean", row["instruction"], 0, f"{path.name}:{number}")


def planted(sets: dict[str, str], clean: list[str]) -> list[Row]:
    """Of every kind the same number of questions, where so many can be changed in that way."""
    draw = random.Random(3)
    different = sorted(text for text in sets if len(tokens(text)) >= 3)
    rows = []
    for kind, change in changes(draw, clean).items():
        of = [
            text for text in different if (sets[text] == PUZZLES) == (kind == "names in puzzles") or "names" not in kind
        ]
        able = [(text, made) for text in of if (made := change(text)) is not None]
        rows += [Row(kind, made, len(tokens(text)), "") for text, made in draw.sample(able, min(EACH, len(able)))]
    return rows


def changes(draw: random.Random, clean: list[str]) -> dict[str, Callable[[str], str | None]]:
    def embedded(text: str) -> str:
        return f"{draw.choice(clean)[-400:]}\n\n{text}\n\n{draw.choice(clean)[:400]}"

    def numbers(text: str) -> str | None:
        changed = _NUMBER.sub(lambda number: str(int(number[0]) + draw.randint(1, 40)), text)
        return changed if changed != text else None

    def names(text: str) -> str | None:
        found = list(dict.fromkeys(_NAME.findall(text)))
        others = dict(zip(found, draw.sample(_NAMES, min(len(found), len(_NAMES))), strict=False))
        changed = re.sub(r"[A-Za-z]+", lambda word: others.get(word[0], word[0]), text)
        return changed if changed != text else None

    def both(text: str) -> str | None:
        renamed = names(text)
        return numbers(renamed) if renamed else None

    return {
        "verbatim": lambda text: text,
        "case and punctuation": lambda text: _PUNCTUATION.sub(" ", text).swapcase(),
        "embedded": embedded,
        "numbers": numbers,
        "names": names,
        "names and numbers": both,
        "names in puzzles": names,
        "embedded, numbers": lambda text: embedded(changed) if (changed := numbers(text)) else None,
    }


def phase0(sets: Path, texts: list[str], variants: str) -> list[bool]:
    """The command itself, reading and writing files."""
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "in.jsonl", Path(folder) / "out.jsonl"
        source.write_text(
            "".join(json.dumps({"instruction": text or " ", "response": "", "source": "x"}) + "\n" for text in texts)
        )
        command = ["decontaminate", "--input", source, "--output", output, "--against", sets, "--on", "prompt"]
        run([*command, "--variants", variants])
        lost = [json.loads(line) for line in (Path(folder) / "out.meta/dropped.jsonl").open(encoding="utf-8")]
    flagged = {row["line"] for row in lost if row["reason"] == "contaminated"}
    return [at in flagged for at in range(1, len(texts) + 1)]


def run(arguments: list[object]) -> None:
    subprocess.run([sys.executable, "-m", "phase0", *map(str, arguments)], check=True, capture_output=True)


def open_instruct(questions: list[str], texts: list[str]) -> list[bool]:
    """Its decontamination/search.py with --ngram_size 8 --match_threshold 0.5, as Tülu 3 was made: of the words of a
    question more than half must be in 8-grams that the text holds. Phrases are compared by lower-case words, as its
    index does; where that hands out ten texts to an n-gram, all count here."""
    grams: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
    lengths = []
    for number, question in enumerate(questions):
        words = re.findall(r"\w+", question.lower())
        lengths.append(len(words))
        for at in range(len(words) - 7):
            grams[tuple(words[at : at + 8])].append((number, at))

    def holds(text: str) -> bool:
        covered: dict[int, set[int]] = defaultdict(set)
        words = re.findall(r"\w+", text.lower())
        for at in range(len(words) - 7):
            for number, place in grams.get(tuple(words[at : at + 8]), ()):
                covered[number].update(range(place, place + 8))
        return any(len(places) > 0.5 * lengths[number] for number, places in covered.items())

    return each(holds, texts)


def datatrove(questions: list[str], texts: list[str]) -> list[bool]:
    """NGramsDecontIndexer and -Filter with find_query_ngrams: any of a question's 12-grams, after its simplify_text.
    Words are parted at spaces, where it asks NLTK, for its punctuation is gone by then."""

    def words_of(text: str) -> list[str]:
        text = re.sub(r"\s+", " ", text.lower().strip()).translate(_DATATROVE)
        text = "".join(char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char) != "Mn")
        return re.sub(r"\d+", "0", text).split()

    return any_gram(questions, texts, words_of, 12)


def gpt3(questions: list[str], texts: list[str]) -> list[bool]:
    """Any 13-gram of lower-case words without punctuation (Brown et al. 2020, appendix C; lm-evaluation-harness)."""
    return any_gram(questions, texts, lambda text: re.sub(r"[^\w\s]", "", text.lower()).split(), 13)


def any_gram(questions: list[str], texts: list[str], words_of: Callable[[str], list[str]], width: int) -> list[bool]:
    def grams(text: str) -> set[tuple[str, ...]]:
        words = words_of(text)
        return {tuple(words[at : at + width]) for at in range(len(words) - width + 1)}

    known = set().union(*map(grams, questions))
    return each(lambda text: not known.isdisjoint(grams(text)), texts)


def each(holds: Callable[[str], bool], texts: list[str]) -> list[bool]:
    known: dict[str, bool] = {}
    return [known[text] if text in known else known.setdefault(text, holds(text)) for text in texts]


def recall(rows: list[Row], flags: dict[str, list[bool]]) -> str:
    kinds = list(dict.fromkeys(row.kind for row in rows if row.kind != "clean"))
    lines = []
    for kind in kinds:
        at = [number for number, row in enumerate(rows) if row.kind == kind]
        lines.append(
            (kind, f"{len(at):,}", *(f"{sum(found[i] for i in at) / len(at):.1%}" for found in flags.values()))
        )
    return "Leaks found:\n\n" + table(("kind", "planted", *flags), lines)


def by_length(rows: list[Row], found: list[bool]) -> str:
    lines = []
    for kind in dict.fromkeys(row.kind for row in rows if row.kind != "clean"):
        line = [kind]
        for least, most in LENGTHS:
            at = [i for i, row in enumerate(rows) if row.kind == kind and least <= row.length <= (most or row.length)]
            line.append(f"{sum(found[i] for i in at) / len(at):.1%} of {len(at):,}" if at else "–")
        lines.append(line)
    head = ("kind", *(f"{least} to {most} words" if most else f"{least} and more" for least, most in LENGTHS))
    return "Leaks that phase0 finds, by the length of the question:\n\n" + table(head, lines)


def taken(clean: list[Row], flags: dict[str, list[bool]]) -> str:
    lines = []
    for name, found in flags.items():
        flagged = [row for row, is_found in zip(clean, found, strict=False) if is_found]
        texts = {row.text for row in flagged}
        lines.append((name, f"{len(flagged):,}", f"{len(flagged) / len(clean):.3%}", f"{len(texts):,}"))
    return "Clean prompts flagged:\n\n" + table(("method", "rows", "share", "different prompts"), lines)


def shown(clean: list[Row], found: list[bool]) -> list[Row]:
    return list({row.text: row for row, is_found in zip(clean, found, strict=False) if is_found}.values())


def speed(data: Path) -> str:
    """The whole corpus, prompts and responses, by all cores."""
    with tempfile.TemporaryDirectory() as folder:
        began, before = time.monotonic(), os.times()
        corpus = sorted((data / "corpus").glob("*.jsonl.gz"))
        run(["decontaminate", "--input", *corpus, "--output", Path(folder) / "out.jsonl", "--against", data / "eval"])
        wall, after = time.monotonic() - began, os.times()
        manifest = json.loads((Path(folder) / "out.meta/manifest.json").read_text())
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    counts, sets = manifest["counts"], manifest["figures"]["sets"]
    return (
        f"All of the corpus, prompts and responses: {counts['in']:,} rows against {len(sets)} sets in {wall:.0f} s "
        f"({cpu:.0f} s of processor time); {counts['dropped']:,} rows hold a question."
    )


if __name__ == "__main__":
    main()
