"""How well a scorer agrees with every labelled file of the development data, and whether it meets its bar.

    python benchmarks/calibration.py --data DIR [--model NAME | --scored FILE…] [--write]

DIR (default: PHASE0_DEV_DATA of the environment) holds the folder judge/. What the embedded scorer may learn from: its
constants come from reasoning, and from the labels of vicuna80 and PandaLM, which were looked at while it was made.
AlpacaEval, LLMBar, Prometheus and AlpaGasus only measure.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import phase0
from phase0.calibration import Calibration
from phase0.cli.calibrating import TITLES, notes, table
from phase0.cli.printing import columns

RESULTS = Path(__file__).parent / "results"
ADVERSARIAL = ("GPTInst", "GPTOut", "Manual", "Neighbor")


def bar(found: dict[str, Calibration]) -> Iterator[tuple[str, float | None, str, bool]]:
    """(what, the figure, what it has to be, whether it is) for each demand."""
    pairs, people, llmbar = (found[name] for name in ("alpaca_eval_pairs", "pandalm_human", "llmbar"))
    for name, each in (("AlpacaEval, all pairs", pairs), ("PandaLM, unanimous", people.groups["unanimous"])):
        low = (each.difference_to_longer.interval or (None,))[0]
        yield f"{name}: low end of the difference to length", low, "above 0", low is not None and low > 0
    natural = llmbar.groups["LLMBar/Natural"]
    ours, longer = natural.pairwise_accuracy or 0.0, natural.baselines.longer_wins.pairwise_accuracy or 0.0
    yield "LLMBar natural", ours, f"at least {longer:.3f}, which length has", ours >= longer
    for part in ADVERSARIAL:
        value = llmbar.groups[f"LLMBar/Adversarial/{part}"].pairwise_accuracy
        yield f"LLMBar adversarial, {part}", value, "at least 0.500", (value or 0.0) >= 0.5


def measured(data: Path, model: str, scored: Sequence[str]) -> str:
    """The tables of all files, then the bar."""
    parts, found = [], {}
    for path in sorted((data / "judge").glob("*.json*")):
        name = path.name.partition(".")[0]
        try:
            (each,) = phase0.calibrate([path], model=model, scored=scored)
        except phase0.DataError as error:
            parts.append(f"{path.name}: no labels: {str(error).partition(': ')[2]}")
            continue
        found[name] = each
        parts.append("\n".join([columns([TITLES, *table(each)]), *(f"  {note}" for note in notes(each))]))
    met = [
        f"{what}: {'unknown' if value is None else f'{value:.3f}'}, {wanted}: {'met' if kept else 'MISSED'}"
        for what, value, wanted, kept in bar(found)
    ]
    return "\n\n".join([*parts, "\n".join(met)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("PHASE0_DEV_DATA"), help="folder that holds judge/")
    parser.add_argument("--model", default="local", help="a scorer of the registry")
    parser.add_argument("--scored", nargs="+", default=[], help="rows that carry scores, in place of a model")
    parser.add_argument("--name", default=None, help="file of results, without its suffix")
    parser.add_argument("--write", action="store_true", help=f"keep what is printed in {RESULTS.name}/")
    options = parser.parse_args()
    if not options.data:
        parser.error("give --data, or set PHASE0_DEV_DATA")
    told = measured(Path(options.data), options.model, options.scored)
    print(told)
    if options.write:
        which = f"--scored {' '.join(Path(each).name for each in options.scored)}" if options.scored else ""
        asked = f"python benchmarks/calibration.py --data DIR {which or f'--model {options.model}'} --write"
        name = options.name or ("calibration" if options.model == "local" else f"calibration_{options.model}")
        title = f"# Agreement with labels: {'scores in rows' if options.scored else options.model}"
        (RESULTS / f"{name}.md").write_text(f"{title}\n\n`{asked}` printed:\n\n```text\n{told}\n```\n")


if __name__ == "__main__":
    main()
