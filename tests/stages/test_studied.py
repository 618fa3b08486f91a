"""Rows scored by a student of a judge: the judge is asked about some, and what it would have kept is kept."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from kept import bought
from made import record, write_lines
from stagefiles import check_sums, dropped_of, leftovers, rows_of
from taught import exchanges, verdicts

from phase0.catalog.models import teachers
from phase0.dataset import Made, Manifest, meta_folder
from phase0.engine.local import Local
from phase0.errors import PlanError, TooManyFailures, UsageError
from phase0.exchanges.rubric import Rubric
from phase0.ledger import FILE, Ledger
from phase0.plan import plan_from
from phase0.records import CATEGORIES, DIMENSIONS, Record, encode
from phase0.report.judging import score_numbers
from phase0.report.markdown_scores import scores_page
from phase0.report.student import student_numbers, told
from phase0.scoring.audit import Terms
from phase0.simulator import Model, Settings, simulated
from phase0.stages import survey
from phase0.stages.means import Means
from phase0.stages.score import score
from phase0.steps import rule_of
from phase0.workspace import MARK

MINI = teachers()["gpt-4o-mini"]
COUNT, THRESHOLD = 1_500, 6.5
TERMS = Terms()


def row(number: int, **more: Any) -> Record:
    made = exchanges(COUNT)[number]
    category = CATEGORIES[number % len(CATEGORIES)]
    meta = msgspec.structs.replace(record(number).meta, category=category)
    source = f"model-{number % 3}"
    return record(
        number, **({"instruction": made.instruction, "response": made.response, "meta": meta, "source": source} | more)
    )


def body(labels: Any) -> bytes:
    sheet = "I would rather not."
    if not np.isnan(labels).any():
        sheet = json.dumps(dict(zip(DIMENSIONS, map(int, labels), strict=True)))
    message = {"role": "assistant", "content": sheet}
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()


def judged(folder: Path, labels: np.ndarray, numbers: range | None = None) -> Path:
    """A workspace whose ledger knows what the judge says of these rows; a hundredth of a dollar each."""
    (folder / MARK).mkdir(parents=True)
    rubric = Rubric(MINI)
    with Ledger(folder / MARK / FILE) as ledger:
        stored = [
            ledger.store(bought(rubric.ask(row(number))[0], raw=body(labels[number])))
            for number in numbers or range(COUNT)
        ]
        for each in stored:
            each.result()  # type: ignore[union-attr]
    return folder


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return judged(tmp_path_factory.mktemp("asked"), verdicts(COUNT))


@pytest.fixture
def place(asked: Path, tmp_path: Path) -> Path:
    shutil.copytree(asked / MARK, tmp_path / MARK)
    write_lines(tmp_path / "in.jsonl", [encode(row(number)) for number in range(COUNT)])
    return tmp_path


def run(folder: Path, student: Terms | None = TERMS, name: str = "out.jsonl", **more: Any) -> Manifest:
    wanted: dict[str, Any] = {"model": "gpt-4o-mini", "threshold": THRESHOLD, "workspace": folder} | more
    return score([folder / "in.jsonl"], folder / name, student=student, **wanted)


def ids(folder: Path, name: str) -> set[str]:
    return {each["id"] for each in rows_of(folder / name)}


def test_what_the_judge_would_keep_is_kept_as_surely_as_the_manifest_states(place: Path) -> None:
    whole, made = run(place, None, "judge.jsonl"), run(place)
    check_sums(place / "out.jsonl")
    figures = made.figures["student"]
    same = 1 - len(ids(place, "out.jsonl") ^ ids(place, "judge.jsonl")) / COUNT
    assert 0.95 <= figures["agreement"]["at_least"] <= same
    assert sum(figures["rows"].values()) == COUNT == figures["questions"]
    assert figures["rows"]["labels"] == COUNT // 10
    assert figures["rows"]["student"] > COUNT // 4
    saved = float(figures["saved_usd"])
    assert saved == pytest.approx(figures["rows"]["student"] * 0.01)
    assert saved + float(made.cost_usd or "nan") == pytest.approx(float(whole.cost_usd or "nan"))
    assert made.figures["states"] == {"scored": COUNT}


def test_every_row_says_who_scored_it_and_has_four_scores(place: Path) -> None:
    made = run(place)
    rows = [*rows_of(place / "out.jsonl"), *(lost["row"] for lost in dropped_of(place / "out.jsonl"))]
    by = Counter(tuple(each["meta"]["judges"]) for each in rows)
    student = made.figures["student"]["rows"]["student"]
    assert by == {("gpt-4o-mini",): COUNT - student, ("student:gpt-4o-mini",): student}
    assert all(each["quality_score"] is not None and each["meta"]["scores"] for each in rows)


def test_the_judge_is_asked_about_no_row_that_its_student_scores(place: Path) -> None:
    run(place)
    rows = [*rows_of(place / "out.jsonl"), *(lost["row"] for lost in dropped_of(place / "out.jsonl"))]
    numbers = {row(number).id: number for number in range(COUNT)}
    own = [numbers[each["id"]] for each in rows if each["meta"]["judges"] == ["gpt-4o-mini"]]
    shutil.rmtree(place / MARK)
    lean = place / "lean"
    judged(lean, verdicts(COUNT), own)  # type: ignore[arg-type]
    shutil.copy(place / "in.jsonl", lean / "in.jsonl")
    run(lean)  # without a key: it would be missed, were one more row asked about
    assert (lean / "out.jsonl").read_bytes() == (place / "out.jsonl").read_bytes()


def test_what_is_missing_in_the_ledger_is_asked_for(tmp_path: Path) -> None:
    write_lines(tmp_path / "in.jsonl", [encode(row(number)) for number in range(COUNT)])
    with pytest.raises(UsageError, match="set OPENAI_API_KEY"):
        run(tmp_path)
    assert not (tmp_path / "out.jsonl").exists()
    assert leftovers(tmp_path) == []


def test_workers_and_the_size_of_parts_change_no_byte(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = run(place, engine=Local(1))
    two = run(place, name="two.jsonl", engine=Local(2))
    monkeypatch.setattr(survey, "_PART", 20_000)
    many = run(place, name="many.jsonl", engine=Local(1))
    assert one.figures == two.figures == many.figures
    assert len({(place / name).read_bytes() for name in ("out.jsonl", "two.jsonl", "many.jsonl")}) == 1


def test_rows_that_ask_the_same_are_one_question_and_the_rest_is_dropped_as_ever(place: Path) -> None:
    lines = [encode(row(number)) for number in range(COUNT)]
    more = [encode(row(number, source="again")) for number in range(0, COUNT, 2)]
    write_lines(place / "in.jsonl", [b"{broken", *more, encode(row(1, response=None)), *lines])
    made = run(place)
    check_sums(place / "out.jsonl")
    figures = made.figures["student"]
    assert figures["questions"] == COUNT
    assert sum(figures["rows"].values()) == COUNT + len(more)
    assert made.counts.reasons["invalid_json"] == made.counts.reasons["no_response"] == 1
    rows = [*rows_of(place / "out.jsonl"), *(lost["row"] for lost in dropped_of(place / "out.jsonl"))]
    by_question: dict[str, set[Any]] = {}
    for each in rows:
        if each.get("response") is not None:
            by_question.setdefault(each["instruction"], set()).add((each["quality_score"], *each["meta"]["judges"]))
    assert all(len(found) == 1 for found in by_question.values())


def test_few_rows_are_judged_by_the_judge_alone(place: Path) -> None:
    write_lines(place / "in.jsonl", [encode(row(number)) for number in range(200)])
    run(place, None, "judge.jsonl")
    made = run(place)
    assert made.figures["student"]["rows"] == {"student": 0, "labels": 0, "audit": 0, "doubt": 0, "judge": 200}
    assert (place / "out.jsonl").read_bytes() == (place / "judge.jsonl").read_bytes()
    numbers = student_numbers(made)
    assert numbers is not None
    assert "too few rows" in list(told(numbers))[1]


def other(tmp_path: Path, change: Callable[[np.ndarray], np.ndarray]) -> Path:
    judged(tmp_path / "w", change(verdicts(COUNT)))
    write_lines(tmp_path / "w" / "in.jsonl", [encode(row(number)) for number in range(COUNT)])
    return tmp_path / "w"


def test_a_judge_that_no_student_can_follow_judges_every_row(tmp_path: Path) -> None:
    folder = other(tmp_path, lambda labels: np.random.default_rng(0).permutation(labels))
    run(folder, None, "judge.jsonl")
    made = run(folder)
    assert [each["step"] for each in made.figures["student"]["rounds"]] == ["more labels", "more labels", "full judge"]
    assert made.figures["student"]["rows"]["student"] == 0
    assert (folder / "out.jsonl").read_bytes() == (folder / "judge.jsonl").read_bytes()
    numbers = student_numbers(made)
    assert numbers is not None
    assert "no student agreed with the judge on 95.0% of the rows" in list(told(numbers))[1]


def test_failures_are_a_share_of_what_the_judge_was_asked(tmp_path: Path) -> None:
    def unreadable(labels: np.ndarray) -> np.ndarray:
        labels[np.random.default_rng(1).random(COUNT) < 0.03] = np.nan
        return labels

    folder = other(tmp_path, unreadable)
    with pytest.raises(TooManyFailures, match=r"judged rows have no score \(\d+ unreadable\), and 2\.0% may"):
        run(folder, Terms(agreement=0.9))
    made = run(folder, Terms(agreement=0.9), max_failures=0.1)
    rows, lost = made.figures["student"]["rows"], made.figures["states"]["unreadable"]
    assert rows["student"] > 0
    assert 0.015 < lost / (COUNT - rows["student"]) < 0.045
    assert all(each["quality_score"] is not None for each in rows_of(folder / "out.jsonl"))


def test_the_report_says_who_judged_what_it_saved_and_how_wrong_it_is(place: Path) -> None:
    made = run(place)
    numbers = student_numbers(made)
    assert numbers is not None
    who, agreed, wrong = told(numbers)
    assert who.startswith(f"the judge scored {COUNT - numbers.rows['student']:,} rows (150 to learn from, ")
    assert f"its student {numbers.rows['student']:,}, which saved about ${numbers.rows['student'] / 100:.2f}" in who
    assert "at least 9" in agreed
    assert "(95.0% was asked for)" in agreed
    assert "of the kept rows the judge would drop" in wrong
    page = "\n".join(scores_page(score_numbers(Made(place / "out.jsonl", made), place)))
    assert who[1:30] in page
    assert "at least 9" in page


def test_terms_are_settings_so_that_other_terms_make_the_stage_again(place: Path) -> None:
    made, other_terms = run(place), run(place, Terms(agreement=0.9), "other.jsonl")
    assert made.settings["student"]["agreement"] == 0.95
    assert made.recipe != other_terms.recipe
    assert other_terms.figures["student"]["rows"]["student"] > made.figures["student"]["rows"]["student"]


def test_a_student_needs_a_judge_to_learn_from(place: Path) -> None:
    with pytest.raises(UsageError, match="a student learns from a model that judges, and local is none"):
        run(place, model="local")
    with pytest.raises(UsageError, match="agreement is 2"):
        run(place, Terms(agreement=2))


def test_the_features_of_a_stage_are_gone_when_it_is_done(place: Path) -> None:
    run(place)
    assert not list(meta_folder(place / "out.jsonl").rglob("*.npz"))
    assert leftovers(place) == []


def test_what_is_asked_over_the_network_is_what_the_judge_scored_and_it_is_bought_once(tmp_path: Path) -> None:
    settings = Settings(models=(Model(name="gpt-4o-mini", price=(Decimal("0.15"), Decimal("0.60"))),))
    write_lines(tmp_path / "in.jsonl", [encode(row(number)) for number in range(600)])
    with simulated(settings) as provider:
        means = Means({"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "sk"}, "online")
        made = run(tmp_path, Terms(agreement=0.85, audit_share=0.1), means=means, max_failures=1)
        asked = provider.bill().requests
        again = run(tmp_path, Terms(agreement=0.85, audit_share=0.1), means=means, max_failures=1)
        assert provider.bill().requests == asked
    rows = made.figures["student"]["rows"]
    assert asked == 600 - rows["student"]
    assert made.figures == again.figures
    check_sums(tmp_path / "out.jsonl")


def test_a_plan_asks_for_a_student_with_the_terms_of_its_score_table() -> None:
    wanted = {"model": "gpt-4o-mini", "scorer": "student", "judge_share": 0.2, "audit_share": 0.05, "agreement": 0.9}
    plan = plan_from({"name": "x", "download": {"datasets": ["sample"]}, "score": wanted})
    assert rule_of(plan.score).student == Terms(judge_share=0.2, audit_share=0.05, agreement=0.9)
    plain = plan_from({"name": "x", "download": {"datasets": ["sample"]}, "score": {"model": "gpt-4o-mini"}})
    assert rule_of(plain.score).student is None
    with pytest.raises(PlanError, match=r"score\.scorer"):
        plan_from({"name": "x", "download": {"datasets": ["sample"]}, "score": {"scorer": "pupil"}})


def test_an_empty_input_gives_an_empty_output(place: Path) -> None:
    write_lines(place / "in.jsonl", [])
    made = run(place)
    assert made.counts.rows_in == made.figures["student"]["questions"] == 0
    check_sums(place / "out.jsonl")
