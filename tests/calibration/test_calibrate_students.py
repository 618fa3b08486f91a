"""A student as a scorer: what it is taught, and that it never scores a question that it was taught."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from taught import exchanges, verdicts

import phase0
from phase0.calibration import pupils
from phase0.calibration.labels import Answer
from phase0.calibration.layouts import load
from phase0.calibration.lessons import lessons_in, lessons_of
from phase0.calibration.pupils import Pupils
from phase0.dataset import meta_folder
from phase0.progress import SILENT

COUNT = 300


def written(folder: Path, rows: list[Any], name: str = "labels.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def scored(count: int = COUNT) -> list[dict[str, Any]]:
    """Answers with the score of a judge whose taste is known: a question for every three of them."""
    return [
        {"instruction": f"Case {at // 3}?", "response": each.response, "score": int(said.mean().round())}
        for at, (each, said) in enumerate(zip(exchanges(count), verdicts(count), strict=True))
    ]


def test_a_student_of_the_file_itself_orders_answers_as_its_judge_does(tmp_path: Path) -> None:
    (found,) = phase0.calibrate([written(tmp_path, scored())], model="student", bootstrap=20)
    (local,) = phase0.calibrate([written(tmp_path, scored())], bootstrap=20)
    assert found.pairwise_accuracy is not None
    assert local.pairwise_accuracy is not None
    assert found.pairwise_accuracy > max(0.8, local.pairwise_accuracy)
    assert found.model == "student of labels.jsonl"
    assert found.taught is not None
    assert (found.taught.answers, found.taught.questions, found.taught.held_out) == (COUNT, COUNT // 3, COUNT)
    assert local.taught is None


def test_no_student_scores_a_question_that_it_was_taught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer says the name of its question, and the score is that name: whoever was taught it would know it."""
    draw = np.random.default_rng(0)
    rows = [
        {"instruction": f"Case {at // 2}?", "response": f"word{at // 2} " * (8 + at % 2), "score": float(score)}
        for at, score in enumerate(np.repeat(draw.integers(1, 11, 120), 2))
    ]
    (honest,) = phase0.calibrate([written(tmp_path, rows)], model="student", bootstrap=20)
    monkeypatch.setattr(pupils.Pupils, "_fold", lambda self, answer: pupils._ALL)
    (cheating,) = phase0.calibrate([written(tmp_path, rows)], model="student", bootstrap=20)
    assert cheating.spearman.value is not None
    assert honest.spearman.value is not None
    assert cheating.spearman.value > 0.9
    assert abs(honest.spearman.value) < 0.5


def test_questions_that_differ_in_spaces_and_capitals_are_one(tmp_path: Path) -> None:
    lessons = lessons_of(load(written(tmp_path, scored())), 7.0)
    students = Pupils(lessons, "x", 7.0, SILENT)
    told = students.taught([Answer("CASE  1?", "a"), Answer("case 2", "b"), Answer("Case two?", "c")])
    assert told.held_out == 2


def test_questions_of_their_own_are_scored_by_a_student_of_all_lessons(tmp_path: Path) -> None:
    lessons = written(tmp_path, scored())
    others = [row | {"instruction": f"Question {at // 3}?"} for at, row in enumerate(scored())]
    shared = written(tmp_path, [*scored()[:30], *others], "other.jsonl")
    (found,) = phase0.calibrate([shared], model="student", train=[lessons], bootstrap=20)
    assert found.taught is not None
    assert (found.taught.answers, found.taught.held_out) == (COUNT, 30)
    assert found.model == "student of labels.jsonl"


def test_rows_that_were_scored_teach_their_four_scores_kept_or_dropped(tmp_path: Path) -> None:
    rows = [
        {"instruction": each.instruction, "response": each.response, "source": "x", "quality_score": None}
        for each in exchanges(60)
    ]
    kept = tmp_path / "kept.jsonl"
    made = phase0.score([written(tmp_path, rows, "rows.jsonl")], kept, threshold=6.0)
    assert made.counts.kept
    assert made.counts.dropped
    lessons = lessons_in([kept], 7.0)
    assert len(lessons) == 60
    first = json.loads(kept.read_text(encoding="utf-8").splitlines()[0])
    assert lessons[Answer(first["instruction"], first["response"])] == tuple(first["meta"]["scores"].values())
    (found,) = phase0.calibrate([written(tmp_path, scored(60))], model="student", train=[kept], bootstrap=5)
    assert found.pairs > 0


def test_scored_rows_are_told_from_labels_though_all_of_them_were_dropped(tmp_path: Path) -> None:
    rows = [{"instruction": "Why?", "response": "Because.", "source": "x", "quality_score": None}]
    kept = tmp_path / "kept.jsonl"
    phase0.score([written(tmp_path, rows, "rows.jsonl")], kept, threshold=9.9)
    assert kept.stat().st_size == 0
    assert (meta_folder(kept) / "dropped.jsonl").exists()
    assert len(lessons_in([kept], 7.0)) == 1


def test_labels_are_laid_from_1_to_10_without_a_look_at_the_answers(tmp_path: Path) -> None:
    def taught(*rows: dict[str, Any]) -> dict[str, float]:
        found = lessons_of(load(written(tmp_path, [{"instruction": "Why?"} | row for row in rows])), 7.0)
        assert all(len(set(scores)) == 1 and len(scores) == 4 for scores in found.values())
        return {answer.response: scores[0] for answer, scores in found.items()}

    assert taught({"response": "a", "score": 1}, {"response": "b", "score": 5}, {"response": "c", "score": 3}) == {
        "a": 1, "b": 10, "c": 5.5,
    }  # fmt: skip
    assert taught({"response": "a", "label": "good"}, {"response": "b", "label": "bad"}) == {"a": 9, "b": 5}
    pair = {"response_a": "a", "response_b": "b"}
    assert taught(pair | {"preference": 2}) == {"a": 1, "b": 10}
    assert taught(pair | {"preference": 1.25}, pair | {"response_b": "c", "preference": 2}) == {
        "a": 1 + 9 * (0.75 + 0) / 2, "b": 1 + 9 * 0.25, "c": 10,
    }  # fmt: skip


def test_an_answer_in_several_files_is_taught_their_mean(tmp_path: Path) -> None:
    one = written(tmp_path, [{"instruction": "Why?", "response": "a", "score": 2}] * 2, "one.jsonl")
    rows = [{"instruction": "Why?", "response": "a", "score": 4}, {"instruction": "Why?", "response": "b", "score": 9}]
    two = written(tmp_path, rows, "two.jsonl")
    lessons = lessons_in([one, two], 7.0)
    assert lessons[Answer("Why?", "a")] == (pytest.approx(((1 + 9 * 0.25) + 4) / 2),) * 4
    assert lessons[Answer("Why?", "b")] == (9,) * 4


def test_the_order_of_the_labels_changes_no_score(tmp_path: Path) -> None:
    rows = scored()
    (one,) = phase0.calibrate([written(tmp_path, rows)], model="student", bootstrap=5)
    lessons = written(tmp_path, rows[::-1], "turned.jsonl")
    (two,) = phase0.calibrate([written(tmp_path, rows)], model="student", train=[lessons], bootstrap=5)
    assert one.pairwise_accuracy == two.pairwise_accuracy
    assert one.spearman == two.spearman


def test_too_few_labels_teach_no_student(tmp_path: Path) -> None:
    with pytest.raises(phase0.DataError, match="learns from at least 50"):
        phase0.calibrate([written(tmp_path, scored(45))], model="student")
    same = [row | {"instruction": "Why?"} for row in scored(90)]
    with pytest.raises(phase0.DataError, match="0 of its 90 labelled answers are to questions other than those"):
        phase0.calibrate([written(tmp_path, same)], model="student")


def test_lessons_are_for_a_student_alone(tmp_path: Path) -> None:
    labels = written(tmp_path, scored(60))
    with pytest.raises(phase0.UsageError, match="`--model student` is one"):
        phase0.calibrate([labels], train=[labels])


def test_a_student_of_public_labels_beats_chance_on_questions_that_it_was_not_taught(dev_data: Path) -> None:
    (found,) = phase0.calibrate(
        [dev_data / "judge" / "gpt4_scores_1to5_prometheus.jsonl.gz"],
        model="student",
        train=[dev_data / "judge" / "gpt4_scores_1to5_prometheus.jsonl.gz"],
        bootstrap=50,
    )
    assert found.taught is not None
    assert found.taught.held_out == 320
    assert found.interval is not None
    assert found.interval[0] > 0.5
