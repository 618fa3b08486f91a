"""On public data: teachers' prompts that are an evaluation set are found, every one."""

from __future__ import annotations

from pathlib import Path

from made import record
from stagefiles import check_sums, dropped_of, rows_of, write

import phase0
from phase0.records import encode
from phase0.text import tokens


def test_prompts_of_an_evaluation_are_all_found_but_those_that_say_too_little(dev_data: Path, tmp_path: Path) -> None:
    prompts = [row["instruction"] for row in rows_of(dev_data / "teachers/prompts.jsonl")]
    rows = write(tmp_path / "in.jsonl", *(encode(record(at, instruction=text)) for at, text in enumerate(prompts)))
    phase0.decontaminate([rows], tmp_path / "out.jsonl", against=[dev_data / "eval/alpaca_eval.jsonl.gz"])
    made = check_sums(tmp_path / "out.jsonl")
    too_short = sum(len(tokens(text)) < 3 for text in prompts)
    assert (made.counts.kept, made.counts.dropped) == (too_short, 805 - too_short)
    assert {lost["evidence"]["rule"] for lost in dropped_of(tmp_path / "out.jsonl")} == {"whole"}
    (told,) = made.figures["sets"]
    assert (told["items"], told["too_short"], told["found"]) == (805, too_short, 805 - too_short)
