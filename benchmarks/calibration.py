"""How well scores agree with every labelled file of the development data, and how the embedded scorer meets its bar.

    python benchmarks/calibration.py --data DIR [--write]
    python benchmarks/calibration.py --data DIR --model NAME | --scored FILE…

DIR (default: PHASE0_DEV_DATA of the environment) holds the folder judge/. Without a model three scorers are measured:
the embedded one, a student that learns from the file itself, and a student of GPT-4's scores of vicuna80. What the
embedded scorer may learn from: its constants come from reasoning, and from the labels of vicuna80 and PandaLM, which
were looked at while it was made. AlpacaEval, LLMBar, Prometheus and AlpaGasus only measure.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import phase0
from phase0.calibration import Calibration
from phase0.cli.calibrating import TITLES, notes, table
from phase0.cli.printing import columns

RESULTS = Path(__file__).parent / "results"
ADVERSARIAL = ("GPTInst", "GPTOut", "Manual", "Neighbor")
LESSONS = "gpt4_scores_1to10_vicuna80.jsonl.gz"
BESIDE = ("labels", "pairs", "local", "own student", "vicuna80 student", "longer", "chance")
WHO = f"""local: the embedded scorer. own student: it learns from the labels of the file itself, and every answer is
scored by one of five students, one that was taught no answer to its question. vicuna80 student: it learns from GPT-4's
scores in {LESSONS}; it knows nothing of the other files, and questions
that they share with it are held out in the same way. longer: the longer answer wins. Told is the share of pairs in
which the better answer scores higher, with 95 % intervals over questions; + or - stands where the whole interval of the
difference to longer is above or below 0."""

Found = Mapping[str, Calibration]  # by file


class Demand(NamedTuple):
    what: str
    figure: float | None
    wanted: str
    met: bool


def bar(found: Found) -> Iterator[Demand]:
    """What the embedded scorer is held to."""
    pairs, people, llmbar = (found[name] for name in ("alpaca_eval_pairs", "pandalm_human", "llmbar"))
    for name, each in (("AlpacaEval, all pairs", pairs), ("PandaLM, unanimous", people.groups["unanimous"])):
        low = (each.difference_to_longer.interval or (None,))[0]
        yield Demand(f"{name}: low end of the difference to length", low, "above 0", low is not None and low > 0)
    natural = llmbar.groups["LLMBar/Natural"]
    ours, longer = natural.pairwise_accuracy or 0.0, natural.baselines.longer_wins.pairwise_accuracy or 0.0
    yield Demand("LLMBar natural", ours, f"at least {longer:.3f}, which length has", ours >= longer)
    for part in ADVERSARIAL:
        value = llmbar.groups[f"LLMBar/Adversarial/{part}"].pairwise_accuracy
        yield Demand(f"LLMBar adversarial, {part}", value, "at least 0.500", (value or 0.0) >= 0.5)


def held(found: Found) -> str:
    return "\n".join(
        f"{what}: {'unknown' if value is None else f'{value:.3f}'}, {wanted}: {'met' if met else 'MISSED'}"
        for what, value, wanted, met in bar(found)
    )


def tables(found: Found, without: Sequence[str]) -> str:
    """What `phase0 calibrate` prints of every file."""
    parts = [
        "\n".join([columns([TITLES, *table(each)]), *(f"  {note}" for note in notes(each))]) for each in found.values()
    ]
    return "\n\n".join([*parts, *without])


def side_by_side(by_scorer: Sequence[Found]) -> str:
    """Every file, and what it is divided into, under all scorers."""
    lines = []
    for files in zip(*(found.values() for found in by_scorer), strict=True):
        lines.append(_beside(Path(files[0].labels).name, files))
        lines += [_beside(f"  {name}", [each.groups[name] for each in files]) for name in files[0].groups]
    return columns([BESIDE, *lines])


def _beside(name: str, scorers: Sequence[Calibration]) -> list[str]:
    first = scorers[0]
    longer, chance = first.baselines.longer_wins.pairwise_accuracy, first.baselines.chance.pairwise_accuracy
    plain = ["–" if value is None else f"{value:.3f}" for value in (longer, chance)]
    return [name, f"{first.pairs:,}", *map(_share, scorers), *plain]


def _share(found: Calibration) -> str:
    if found.pairwise_accuracy is None or found.interval is None or found.difference_to_longer.interval is None:
        return "–"
    low, high = found.difference_to_longer.interval
    sign = "+" if low > 0 else "-" if high < 0 else " "
    return f"{found.pairwise_accuracy:.3f} [{found.interval[0]:.3f}, {found.interval[1]:.3f}] {sign}"


def measured(files: Sequence[Path], **how: Any) -> tuple[dict[str, Calibration], list[str]]:
    """By name of the file; and of those without labels, why."""
    found, without = {}, []
    for path in files:
        try:
            (found[path.name.partition(".")[0]],) = phase0.calibrate([path], **how)
        except phase0.DataError as error:
            without.append(f"{path.name}: no labels: {str(error).partition(': ')[2]}")
    return found, without


def all_scorers(files: Sequence[Path]) -> list[str]:
    hows: dict[str, Any] = {
        "The embedded scorer": {"model": "local"},
        "A student of each file's own labels": {"model": "student"},
        "A student of GPT-4's scores of vicuna80": {
            "model": "student",
            "train": [path for path in files if path.name == LESSONS],
        },
    }
    found = {title: measured(files, **how) for title, how in hows.items()}
    by_scorer = [each for each, _ in found.values()]
    told = ["## All scorers", WHO, _block(side_by_side(by_scorer))]
    told += ["## The bar of the embedded scorer", _block(held(by_scorer[0]))]
    for title, (each, without) in found.items():
        told += [f"## {title}", _block(tables(each, without))]
    return told


def _block(text: str) -> str:
    return f"```text\n{text}\n```"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("PHASE0_DEV_DATA"), help="folder that holds judge/")
    parser.add_argument("--model", help="one scorer of the registry alone, or student")
    parser.add_argument("--scored", nargs="+", default=[], help="rows that carry scores, in place of a model")
    parser.add_argument("--write", action="store_true", help=f"keep what is printed of all scorers in {RESULTS.name}/")
    options = parser.parse_args()
    if not options.data:
        parser.error("give --data, or set PHASE0_DEV_DATA")
    files = sorted((Path(options.data) / "judge").glob("*.json*"))
    if options.model or options.scored:
        if options.write:
            parser.error("--write keeps what is printed of all scorers; leave --model and --scored out")
        found, without = measured(files, model=options.model or "local", scored=options.scored)
        print(f"{tables(found, without)}\n\n{held(found)}")
        return
    told = all_scorers(files)
    print("\n\n".join(told))
    if options.write:
        command = "python benchmarks/calibration.py --data DIR --write"
        text = "\n\n".join(["# Agreement with labels", f"`{command}` printed:", *told])
        (RESULTS / "calibration.md").write_text(text + "\n")


if __name__ == "__main__":
    main()
