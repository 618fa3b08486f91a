"""Evaluation sets of any layout are read as questions, and what cannot be looked for is counted."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from evaluations import PROBLEM, SHORT

from phase0.decontamination.questions import Counted, Fields, Question, questions_of
from phase0.errors import DataError


def read(path: Path, *items: Any, fields: Fields | None = None) -> tuple[list[Question], Counted]:
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    questions, (counted,) = questions_of([path], fields or Fields(), 13, 3)
    return questions, counted


@pytest.mark.parametrize(
    "item",
    [
        {"question": PROBLEM, "answer": "324"},
        {"Question": PROBLEM, "Best Answer": "324"},
        {"problem": PROBLEM, "solution": "It is 324."},
        {"prompt": PROBLEM, "canonical_solution": "324"},
        {"instruction": PROBLEM, "input": "", "output": "324"},
        {"text": PROBLEM, "benchmark": "pencils"},
        {"goal": PROBLEM, "sol1": "324", "sol2": "325"},
        {"messages": [{"role": "user", "content": PROBLEM}, {"role": "assistant", "content": "324"}]},
        {"conversations": [{"from": "human", "value": PROBLEM}, {"from": "gpt", "value": "324"}]},
        {"passage": "Mira is a trader.", "question": PROBLEM},
    ],
    ids=lambda item: next(iter(item)),
)
def test_the_question_of_an_item_is_found_under_its_usual_names_and_no_answer_with_it(
    item: dict[str, Any], tmp_path: Path
) -> None:
    (question,), counted = read(tmp_path / "set.jsonl", item)
    assert question.text == PROBLEM
    assert counted == Counted(items=1, unread=0, too_short=0)


def test_fields_that_make_a_question_together_are_joined(tmp_path: Path) -> None:
    (question,), _ = read(tmp_path / "set.jsonl", {"Body": "Mira has 14 boxes.", "Question": "How many has Tom?"})
    assert question.text == "Mira has 14 boxes.\nHow many has Tom?"
    (question,), _ = read(tmp_path / "set.jsonl", {"instruction": "Translate.", "input": "Der Hund bellt."})
    assert question.text == "Translate.\nDer Hund bellt."


def test_every_turn_of_a_conversation_is_a_question(tmp_path: Path) -> None:
    questions, counted = read(tmp_path / "set.jsonl", {"turns": [PROBLEM, SHORT], "question_id": 81})
    assert [question.text for question in questions] == [PROBLEM, SHORT]
    assert {question.places[0].item for question in questions} == {"81"}
    assert counted.items == 1


def test_fields_that_are_named_are_taken_whatever_they_are_called(tmp_path: Path) -> None:
    item = {"frage": PROBLEM, "question": "not this one, which has some words too"}
    (question,), _ = read(tmp_path / "set.jsonl", item, fields=Fields(question=("frage",)))
    assert question.text == PROBLEM


def test_a_short_question_takes_its_choices_along_and_a_long_one_does_not(tmp_path: Path) -> None:
    choices = ["mercury", "iron", "copper", "zinc"]
    (short,), _ = read(tmp_path / "set.jsonl", {"question": SHORT, "choices": choices})
    assert short.text == f"{SHORT}\nA. mercury\nB. iron\nC. copper\nD. zinc"
    assert short.own == 11
    (long,), _ = read(tmp_path / "set.jsonl", {"question": PROBLEM, "choices": choices})
    assert long.text == PROBLEM


@pytest.mark.parametrize(
    "choices",
    [
        {"choices": {"text": ["mercury", "iron"], "label": ["A", "B"]}},
        {"options": {"A": "mercury", "B": "iron"}},
        {"choices": [{"label": "A", "text": "mercury"}, {"label": "B", "text": "iron"}]},
        {"A": "mercury", "B": "iron", "C": "zinc", "D": "lead"},
    ],
)
def test_choices_are_read_from_lists_and_objects_and_columns(choices: dict[str, Any], tmp_path: Path) -> None:
    (question,), _ = read(tmp_path / "set.jsonl", {"question": SHORT} | choices)
    assert question.text.split("\n")[:3] == [SHORT, "A. mercury", "B. iron"]


@pytest.mark.parametrize(
    "form", ["\nA. {}\nB. {}", "\n(A) {}\n(B) {}", "\nOptions:\nA){}\nB){}", "\nChoices:\nA: {}\nB: {}"]
)
def test_lettered_choices_in_the_text_of_a_question_are_not_the_question(form: str, tmp_path: Path) -> None:
    (question,), _ = read(tmp_path / "set.jsonl", {"text": PROBLEM + form.format("324 cents", "108 cents")})
    assert question.text == PROBLEM


def test_a_short_question_with_lettered_choices_is_looked_for_as_it_stands(tmp_path: Path) -> None:
    text = f"{SHORT}\nOptions:\n(A) mercury\n(B) iron"
    (question,), _ = read(tmp_path / "set.jsonl", {"text": text})
    assert question.text == text
    assert question.own == 11


def test_a_text_that_merely_begins_a_line_with_a_letter_keeps_all_of_it(tmp_path: Path) -> None:
    text = f"{PROBLEM}\nA. Smith wrote this."
    (question,), _ = read(tmp_path / "set.jsonl", {"text": text})
    assert question.text == text


def test_questions_of_the_same_words_are_one_with_several_places(tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    one.write_text(json.dumps({"question": PROBLEM, "id": "a"}) + "\n")
    two.write_text(json.dumps({"prompt": PROBLEM.upper() + "!", "task_id": 7}) + "\n")
    (question,), _ = questions_of([one, two], Fields(), 13, 3)
    assert [(place.set, place.item, place.line) for place in question.places] == [(0, "a", 1), (1, "7", 1)]


def test_items_without_a_question_and_questions_that_say_too_little_are_counted(tmp_path: Path) -> None:
    questions, counted = read(
        tmp_path / "set.jsonl", {"question": PROBLEM}, {"answer": "324"}, ["no object"], {"question": "Hello?"}
    )
    assert len(questions) == 1
    assert counted == Counted(items=4, unread=2, too_short=1)


def test_the_same_items_are_read_from_every_kind_of_file(tmp_path: Path) -> None:
    items = [{"id": "1", "question": PROBLEM}, {"id": "2", "question": SHORT}]
    lines = "".join(json.dumps(item) + "\n" for item in items)
    (tmp_path / "a.jsonl").write_text(lines)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "a.json").write_text(json.dumps(items, indent=1))
    (tmp_path / "b.json").write_text(json.dumps({"canary": "x", "examples": items}, indent=1))
    (tmp_path / "c.json").write_text(json.dumps({"version": 1, "data": items}))
    (tmp_path / "a.csv").write_text(f'id,question\n1,"{PROBLEM}"\n2,"{SHORT}"\n')
    pq.write_table(pa.Table.from_pylist(items), tmp_path / "a.parquet")
    for path in sorted(tmp_path.iterdir()):
        questions, (counted,) = questions_of([path], Fields(), 13, 3)
        assert [question.text for question in questions] == [PROBLEM, SHORT], path.name
        assert [question.places[0].item for question in questions] == ["1", "2"], path.name
        assert counted.items == 2, path.name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no items to compare with"),
        ('{"answer": "324"}\n', "none of its 1 items has a field that is known to be a question"),
        ('{"question": "What is this worth?"}\n{"question": \n', "2: not valid JSON"),
    ],
)
def test_a_set_that_cannot_be_read_to_its_end_is_told_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        questions_of([path], Fields(), 13, 3)
    assert str(path) in str(error.value)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_field_that_no_item_has_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of its 1 items has a field frage"):
        read(tmp_path / "set.jsonl", {"question": PROBLEM}, fields=Fields(question=("frage",)))
