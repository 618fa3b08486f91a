"""Rows that hold questions of an evaluation are dropped with what says so, and a certificate tells what was checked."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from evaluations import PROBLEM, SHORT, TINY, sentence
from made import record
from stagefiles import check_sums, dropped_of, leftovers, rows_of, write

import phase0
from phase0.dataset import Manifest, file_digest
from phase0.engine.local import Local
from phase0.errors import DataError, UsageError
from phase0.estimating import estimate_plan
from phase0.plan import plan_from
from phase0.records import Turn, encode
from phase0.report.numbers import gather
from phase0.report.text import render
from phase0.runs import status

OTHERS = {"Mira": "Ludwig", "Tom": "Anna"}


def sets(folder: Path, *questions: str, **more: str) -> list[Path]:
    (folder / "eval").mkdir(exist_ok=True)
    items = [{"id": f"maths/{at}", "question": text, "answer": "324"} for at, text in enumerate(questions)]
    found = [write(folder / "eval/maths.jsonl", *items)]
    return found + [write(folder / f"eval/{name}.jsonl", {"prompt": text}) for name, text in more.items()]


def checked(folder: Path, rows: list[Any], *questions: str, **how: Any) -> Manifest:
    against = how.pop("against", None) or sets(folder, *questions)
    source = write(folder / "in.jsonl", *(encode(row) if not isinstance(row, bytes) else row for row in rows))
    phase0.decontaminate([source], folder / "out.jsonl", against=against, **how)
    assert leftovers(folder) == []
    return check_sums(folder / "out.jsonl")


def kept(folder: Path, texts: list[str], *questions: str, **how: Any) -> list[bool]:
    """Of each prompt whether it stays."""
    rows = [record(at, instruction=text) for at, text in enumerate(texts)]
    checked(folder, rows, *questions, **how)
    left = {row["id"] for row in rows_of(folder / "out.jsonl")}
    return [row.id in left for row in rows]


def renamed(text: str) -> str:
    return re.sub("|".join(OTHERS), lambda name: OTHERS[name[0]], text)


def renumbered(text: str) -> str:
    return re.sub(r"\d+", lambda number: str(int(number[0]) * 3 + 1), text)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (str, "whole"),
        (str.upper, "whole"),
        (lambda text: re.sub(r"[.,?]", " --", text), "whole"),
        (lambda text: f"{sentence('before', 40)}\n{text}\n{sentence('behind', 300)}", "whole"),
        (lambda text: text[: len(text) * 2 // 3], "overlap"),
        (renumbered, "variant"),
        (renamed, "variant"),
        (lambda text: f"{sentence('before', 300)} {renamed(renumbered(text))}", "variant"),
    ],
    ids=["verbatim", "case", "punctuation", "embedded", "cut", "numbers", "names", "embedded, both"],
)
def test_a_leaked_question_is_found_however_it_was_changed(change: Any, rule: str, tmp_path: Path) -> None:
    other = sentence("another question", 40)
    assert kept(tmp_path, [change(PROBLEM), other], PROBLEM) == [False, True]
    (lost,) = dropped_of(tmp_path / "out.jsonl")
    assert (lost["stage"], lost["reason"], lost["line"]) == ("decontaminate", "contaminated", 1)
    assert lost["evidence"]["rule"] == rule
    assert (lost["evidence"]["benchmark"], lost["evidence"]["item"]) == ("maths", "maths/0")
    assert lost["evidence"]["text"] == "prompt"


def test_the_evidence_tells_the_words_that_match_and_how_much_of_the_question_they_are(tmp_path: Path) -> None:
    asked = sentence("asked", 40)
    assert kept(tmp_path, [f"{' '.join(asked.split()[:30])} and nothing more"], asked, variants=0) == [False]
    (lost,) = dropped_of(tmp_path / "out.jsonl")
    assert lost["evidence"] == {
        "benchmark": "maths",
        "item": "maths/0",
        "item_line": 1,
        "text": "prompt",
        "rule": "overlap",
        "overlap": " ".join(asked.split()[:30]),
        "ngrams": 18,
        "of": 28,
        "share": round(18 / 28, 4),
    }


def test_a_short_question_is_found_inside_of_a_text_and_a_very_short_one_only_alone(tmp_path: Path) -> None:
    texts = [
        SHORT,
        f"Please tell me: {SHORT} Be brief.",
        TINY.upper(),
        f"My son asks: {TINY}",
        SHORT.replace("metal", "wax"),
    ]
    assert kept(tmp_path, texts, SHORT, TINY) == [False, False, False, True, True]


def test_answers_and_choices_alone_are_no_contamination(tmp_path: Path) -> None:
    choices = [sentence(letter, 20) for letter in "ABCD"]
    item = {"question": SHORT, "choices": choices, "answer": sentence("the reason for the answer", 30)}
    against = [write(tmp_path / "eval/set.jsonl", item)]
    texts = [
        " ".join(choices),
        item["answer"],
        "\n".join([SHORT, *(f"({letter}) {text}" for letter, text in zip("ABCD", choices, strict=True))]),
    ]
    assert kept(tmp_path, texts, against=against) == [True, True, False]


def test_a_licence_text_that_many_prompts_quote_is_no_contamination(tmp_path: Path) -> None:
    licence = sentence("licence", 60)
    question = (
        f"Which of these duties does the following text leave to whoever passes it on? {licence} {sentence('end', 9)}"
    )
    quoting = [f"{sentence(at, 10)} {licence}" for at in range(12)]
    assert kept(tmp_path, [*quoting, question], question) == [True] * 12 + [False]
    assert kept(tmp_path, [*quoting[:4], question], question) == [False] * 5


def test_a_conversation_is_searched_whole_and_responses_only_where_they_count(tmp_path: Path) -> None:
    turns = (Turn(role="user", content=PROBLEM), Turn(role="assistant", content="324"))
    rows = [
        record(0, instruction="Explain.", history=turns),
        record(1, instruction="Go on.", system=PROBLEM),
        record(2, instruction="Make up a problem.", response=PROBLEM),
        record(3, instruction="Make up another problem.", response=None),
    ]
    assert checked(tmp_path, rows, PROBLEM, on="prompt").counts.kept == 2
    assert checked(tmp_path, rows, PROBLEM, on="both").counts.kept == 1
    assert [lost["evidence"]["text"] for lost in dropped_of(tmp_path / "out.jsonl")] == ["prompt", "prompt", "response"]


def test_rows_with_questions_of_several_sets_name_them_all_and_count_once(tmp_path: Path) -> None:
    against = sets(tmp_path, PROBLEM, SHORT, copy=PROBLEM, unseen=sentence("unseen", 30))
    made = checked(tmp_path, [record(0, instruction=f"{PROBLEM}\n{SHORT}"), record(1)], against=against)
    (lost,) = dropped_of(tmp_path / "out.jsonl")
    assert lost["evidence"]["also"] == ["copy"]
    certificate = json.loads((tmp_path / "out.meta/contamination.json").read_text())
    assert certificate == made.figures
    assert (certificate["rows"], certificate["contaminated"], certificate["by_rule"]) == (2, 1, {"whole": 1})
    assert [{**told, "digest": None} for told in certificate["sets"]] == [
        {"name": name, "digest": None, "items": items, "unread": 0, "too_short": 0, "found": found, "rows": bool(found)}
        for name, items, found in (("maths", 2, 2), ("copy", 1, 1), ("unseen", 1, 0))
    ]
    assert [told["digest"] for told in certificate["sets"]] == [file_digest(path) for path in against]


def test_any_number_of_workers_leaves_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phase0.stages.decontaminate.SPAN", 4000)
    rows = [record(at, instruction=sentence(at, 30) if at % 5 else renamed(f"{PROBLEM} ({at})")) for at in range(200)]
    for workers in (1, 2):
        checked(tmp_path, rows, PROBLEM, SHORT, engine=Local(workers))
        made = [(tmp_path / "out.jsonl").read_bytes(), (tmp_path / "out.meta/dropped.jsonl").read_bytes()]
        made.append((tmp_path / "out.meta/contamination.json").read_bytes())
        if workers == 1:
            alone = made
    assert made == alone
    assert len(rows_of(tmp_path / "out.jsonl")) == 160


def test_rows_that_cannot_be_read_are_dropped_with_their_own_reason(tmp_path: Path) -> None:
    rows = [record(0), b"{broken", record(1, instruction=PROBLEM), b'{"instruction": 1}', record(2)]
    made = checked(tmp_path, rows, PROBLEM)
    assert made.counts.reasons == {"contaminated": 1, "invalid_json": 1, "missing_field": 1}
    assert [lost["line"] for lost in dropped_of(tmp_path / "out.jsonl")] == [2, 3, 4]
    assert made.figures["rows"] == 3


def test_kept_rows_leave_as_the_bytes_they_came_in(tmp_path: Path) -> None:
    raw = b'{"source": "me",  "instruction": "Say \\u0041.", "response": "A", "quality_score": null}'
    checked(tmp_path, [raw, record(1, instruction=PROBLEM)], PROBLEM)
    assert (tmp_path / "out.jsonl").read_bytes() == raw + b"\n"


def test_no_rows_at_all_are_certified_as_such(tmp_path: Path) -> None:
    made = checked(tmp_path, [], PROBLEM)
    assert (made.figures["rows"], made.figures["contaminated"]) == (0, 0)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"ngram": 3}, "an n-gram of 3 words is no evidence"),
        ({"share": "0"}, "share is 0; it is above 0 and at most 1"),
        ({"share": "half"}, "share is 'half', not a number"),
        ({"variants": 1.5}, "variants is 1.5; it is from 0"),
        ({"common": 0}, "common is 0"),
        ({"on": "answer"}, "not in 'answer'"),
    ],
)
def test_a_rule_that_finds_nothing_is_refused(how: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        checked(tmp_path, [record()], PROBLEM, **how)


def test_an_input_is_not_its_own_evaluation(tmp_path: Path) -> None:
    rows = write(tmp_path / "in.jsonl", encode(record()))
    with pytest.raises(UsageError, match="is an input and also an evaluation set"):
        phase0.decontaminate([rows], tmp_path / "out.jsonl", against=[rows])


def test_a_broken_set_leaves_neither_output_nor_certificate(tmp_path: Path) -> None:
    broken = write(tmp_path / "eval/set.jsonl", {"question": PROBLEM}, b'{"question": "cut of')
    with pytest.raises(DataError, match=r"set\.jsonl:2: "):
        checked(tmp_path, [record()], against=[broken])
    assert not (tmp_path / "out.jsonl").exists()
    assert not (tmp_path / "out.meta/contamination.json").exists()
    assert leftovers(tmp_path) == []


def a_plan(folder: Path, count: int = 60, leaks: int = 1, **changes: Any) -> phase0.Plan:
    asked = [f"Explain {sentence(at, 12)} in one sentence." for at in range(count)]
    asked[3], asked[10] = PROBLEM, renamed(PROBLEM)
    items = [
        {"instruction": text, "input": "", "output": f"This is about {sentence(('answer', at), 20)}."}
        for at, text in enumerate(asked)
    ]
    for item in items[20 : 20 + leaks]:
        item["output"] = f"A good one is: {PROBLEM} {item['output']}"
    (folder / "made.json").write_text(json.dumps(items))
    sets(folder, PROBLEM)
    data = {"name": "t", "download": {"inputs": [str(folder / "made.json")]}, "score": {"threshold": 1.0}}
    return plan_from({**data, "decontaminate": {"against": [str(folder / "eval")]}, **changes})


def test_a_run_checks_prompts_before_they_are_asked_and_finished_rows_once_more(tmp_path: Path) -> None:
    run = tmp_path / "run"
    made = phase0.run(a_plan(tmp_path), run)
    order = [step.stage for step in made.steps]
    assert order[1:] == ["combine", "decontaminate", "distill", "score", "dedup", "decontaminate", "publish"]
    dropped = [step.manifest.counts.reasons for step in made.steps if step.stage == "decontaminate"]
    assert dropped == [{"contaminated": 2}, {"contaminated": 1}]
    assert [(one.stage, one.state) for one in status(run) if one.stage == "decontaminate"] == [
        ("decontaminate", "done")
    ] * 2
    assert gather(run / "dataset.jsonl", run, run).balance.closes
    assert [step.skipped for step in phase0.run(a_plan(tmp_path), run).steps] == [True] * 8


def test_verify_and_the_report_tell_of_the_certificates(tmp_path: Path) -> None:
    run = tmp_path / "run"
    made = phase0.run(a_plan(tmp_path), run)
    checks = made.verification.contamination
    assert [(one.output, one.certificate.contaminated) for one in checks] == [
        ("decontaminated/prompts.jsonl", 2),
        ("decontaminated/rows.jsonl", 1),
    ]
    assert re.search(r"decontaminated/rows\.jsonl +all 1 +1 +1 +1", render(made.verification))
    assert "| `decontaminated/rows.jsonl` | all 1 |" in (run / "report.md").read_text()
    assert phase0.verify([run / "dataset.jsonl"]).contamination == checks


def test_another_evaluation_makes_the_stage_again(tmp_path: Path) -> None:
    phase0.run(a_plan(tmp_path), tmp_path / "run")
    (tmp_path / "eval/more.jsonl.gz").write_bytes(gzip.compress(json.dumps({"question": SHORT}).encode()))
    made = phase0.run(a_plan(tmp_path), tmp_path / "run")
    again = [step.stage for step in made.steps if not step.skipped]
    assert again[0] == "decontaminate"


def test_explain_tells_of_the_question_that_a_row_held(tmp_path: Path) -> None:
    phase0.run(a_plan(tmp_path), tmp_path / "run")
    before, after = (
        dropped_of(tmp_path / f"run/decontaminated/{name}.jsonl")[0]["row"] for name in ("prompts", "rows")
    )
    stages = [(event.stage, event.what) for event in phase0.explain(tmp_path / "run", before["id"])]
    assert stages == [("download", "kept"), ("decontaminate", "dropped")]
    stages = [(event.stage, event.what) for event in phase0.explain(tmp_path / "run", after["id"])]
    assert stages[0] == ("download", "kept")
    assert stages[1] == ("decontaminate", "kept")
    assert stages[-1] == ("decontaminate", "dropped")


def test_so_many_rows_are_those_that_hold_no_question(tmp_path: Path) -> None:
    made = phase0.run(a_plan(tmp_path, 200, 40, rows=150), tmp_path / "run")
    assert len(rows_of(tmp_path / "run/dataset.jsonl")) == 150
    assert not any(PROBLEM in row["response"] for row in rows_of(tmp_path / "run/dataset.jsonl"))
    assert gather(tmp_path / "run/dataset.jsonl", tmp_path, tmp_path).balance.closes
    assert "decontaminate.2" in [step.name for step in made.steps]
    assert made.steps[-2].stage == "mix"


def test_an_estimate_counts_prompts_that_stay_or_says_that_it_does_not_know_them(tmp_path: Path) -> None:
    wanted = a_plan(tmp_path)
    before = estimate_plan(wanted, tmp_path / "run")
    assert any("hold a question of an evaluation" in note for note in before.assumed)
    phase0.run(wanted, tmp_path / "run")
    after = estimate_plan(wanted, tmp_path / "run")
    assert not any("hold a question of an evaluation" in note for note in after.assumed)
    assert (before.measured.rows, after.measured.rows) == (60, 58)
