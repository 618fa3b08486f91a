"""Label files: each layout says what it means, and what says nothing of which answer is better is left out by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from phase0.calibration.labels import Group, Scale
from phase0.calibration.layouts import load
from phase0.errors import DataError

ASKED = {"instruction": "Why?"}
PAIR = {**ASKED, "response_a": "Because.", "response_b": "It is so because of this."}


def written(folder: Path, rows: list[Any], name: str = "labels.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_preference_goes_from_1_to_2_and_draws_failures_and_strangers_are_counted(tmp_path: Path) -> None:
    said = [1, 2, 1.25, 1.9, 1.5, 0, None, 0.0, 3, "a", "b", "tie"]
    found = load(written(tmp_path, [{**PAIR, "preference": each} for each in said]))
    assert [pair.preference for pair in found.pairs] == pytest.approx([-1, 1, -0.5, 0.8, -1, 1])
    assert found.left_out == {"preference_1.5": 2, "preference_0": 2, "preference_null": 1, "preference_3": 1}
    assert {pair.first.response for pair in found.pairs} == {"Because."}


def test_what_a_row_says_of_its_annotator_models_and_subset_are_its_groups(tmp_path: Path) -> None:
    row = {**PAIR, "preference": 1, "annotator": "x", "model_a": "m", "model_b": "n", "subset": "s", "more": 1}
    (pair,) = load(written(tmp_path, [row])).pairs
    assert pair.groups == (Group("annotator", "x"), Group("model", "m"), Group("model", "n"), Group("subset", "s"))


def test_the_better_output_is_the_one_that_the_label_counts(tmp_path: Path) -> None:
    rows = [{**ASKED, "output_1": "a", "output_2": "b", "label": label, "subset": "s"} for label in (1, 2)]
    first, second = load(written(tmp_path, rows)).pairs
    assert (first.preference, second.preference) == (-1, 1)


def test_of_three_votes_most_count_and_a_draw_or_no_majority_is_left_out(tmp_path: Path) -> None:
    votes = [[1, 1, 1], [2, 2, 0], [2, 2, 1], [0, 0, 1], [0, 1, 2], [0, 0, 0]]
    rows = [{**PAIR, "labels": each, "models": "x-7b_y-7b", "gpt35_label": "1"} for each in votes]
    found = load(written(tmp_path, rows))
    assert [pair.preference for pair in found.pairs] == pytest.approx([-1, 2 / 3, 1 / 3])
    assert [pair.groups[0].name for pair in found.pairs] == ["unanimous", "majority", "majority"]
    assert found.pairs[0].groups[1:] == (Group("model", "x-7b"), Group("model", "y-7b"))
    assert found.left_out == {"draw": 2, "no_majority": 1}


def test_reviews_in_both_orders_are_one_pair_with_the_mean_difference(tmp_path: Path) -> None:
    one = {**PAIR, "score_a": 6, "score_b": 9.0, "model_a": "m", "model_b": "n", "annotator": "judge"}
    swapped = {
        **one, "response_a": one["response_b"], "response_b": one["response_a"], "score_a": 7, "score_b": 8,
        "model_a": "n", "model_b": "m",
    }  # fmt: skip
    found = load(written(tmp_path, [one, swapped, {**one, "score_a": -1, "score_b": -1}, {**one, "score_b": 0.0}]))
    (pair,) = found.pairs
    assert pair.first.response == "Because."
    assert pair.preference == pytest.approx((3 - 1) / 2 / 9)
    assert {point.answer.response: point.score for point in found.points} == {
        PAIR["response_a"]: 7.0,
        PAIR["response_b"]: 8.0,
    }
    assert found.scale == Scale(1, 10)
    assert found.left_out == {"score_-1": 1, "score_0": 1}


def test_two_orders_that_take_back_each_other_are_a_draw_of_two_reviews(tmp_path: Path) -> None:
    one = {**PAIR, "score_a": 6, "score_b": 8}
    other = {**PAIR, "response_a": PAIR["response_b"], "response_b": PAIR["response_a"], "score_a": 7, "score_b": 9}
    found = load(written(tmp_path, [one, other]))
    assert not found.pairs
    assert found.left_out == {"draw": 2}
    assert len(found.points) == 2


def test_samples_of_a_score_count_with_their_mean_and_one_that_was_not_read_does_not(tmp_path: Path) -> None:
    scores = [3, [4, 5, 3], [5, None, 4], [-1, 2], [], None, -1]
    rows = [{**ASKED, "response": f"answer {n}", "score": score} for n, score in enumerate(scores)]
    found = load(written(tmp_path, rows))
    assert [point.score for point in found.points] == [3, 4, 4.5, 2]
    assert found.left_out == {"no_score": 3}


@pytest.mark.parametrize(
    ("scores", "scale"),
    [([1, 5], (1, 5)), ([2, 3], (1, 5)), ([1, 6], (1, 10)), ([10], (1, 10)), ([0, 1], (0, 1)), ([30, 90], (30, 90))],
)
def test_a_scale_is_1_to_5_or_1_to_10_where_the_scores_lie_there_and_else_their_range(tmp_path, scores, scale) -> None:
    rows = [{**ASKED, "response": "x", "score": score} for score in scores]
    assert load(written(tmp_path, rows)).scale == Scale(*scale)


def test_marks_of_good_and_bad_are_scores_of_1_and_0_and_an_unmarked_row_is_left_out(tmp_path: Path) -> None:
    marks = ["good", "bad", None, "goood"]
    rows = [{"id": str(n), **ASKED, "response": f"{n}", "label": mark} for n, mark in enumerate(marks)]
    found = load(written(tmp_path, rows))
    assert [point.score for point in found.points] == [1, 0]
    assert found.scale == Scale(0, 1, marks=True)
    assert found.left_out == {"no_label": 1, "bad_row": 1}


def test_of_lists_by_rating_only_the_random_one_is_a_fair_sample(tmp_path: Path) -> None:
    rows = [
        {**ASKED, "response": "a", "in_claude_t45": True, "in_helpfulness_t45": False, "from": "random_9k.json"},
        {**ASKED, "response": "b", "in_claude_t45": False, "in_helpfulness_t45": True, "from": "random_9k.json"},
        {**ASKED, "response": "c", "in_claude_t45": True, "in_helpfulness_t45": True, "from": "claude_t45.json"},
    ]
    found = load(written(tmp_path, rows))
    assert [(point.answer.response, point.score) for point in found.points] == [("a", 1), ("b", 0)]
    assert found.left_out == {"chosen_by_rating": 1}


def test_rows_that_are_not_what_the_first_one_is_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path, [{**PAIR, "preference": 1}, {**PAIR, "preference": [1]}, ["x"], {"instruction": "Why?"}])
    path.write_bytes(path.read_bytes() + b"{half\n")
    assert load(path).left_out == {"bad_row": 2, "not_an_object": 1, "invalid_json": 1}


def test_earlier_turns_and_a_system_prompt_belong_to_the_answer(tmp_path: Path) -> None:
    row = {**PAIR, "preference": 1, "system": "Be brief.", "history": [{"role": "user", "content": "Hello"}]}
    (pair,) = load(written(tmp_path, [row])).pairs
    assert pair.first.system == "Be brief."
    assert [turn.content for turn in pair.second.history] == ["Hello"]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"text": "x"}], "its first row has 'text'"),
        ([], "it has no row"),
        ([{**PAIR, "preference": 1.5}], "preference_1.5 1"),
        ([{**ASKED, "response": "x"}], "score or label"),
    ],
)
def test_a_file_without_a_label_that_could_be_used_is_refused_with_what_it_has(tmp_path, rows, told) -> None:
    with pytest.raises(DataError, match=told.replace("(", r"\(")):
        load(written(tmp_path, rows))


@pytest.mark.parametrize(
    ("name", "layout", "pairs", "points", "left_out"),
    [
        ("adversarial_nullmodel", "pairs", 805, 0, 0),
        ("alpaca_eval_cot", "pairs", 805, 0, 0),
        ("alpaca_eval_pairs", "pairs", 7196, 0, 49),
        ("llmbar", "outputs", 885, 0, 0),
        ("pandalm_human", "votes", 894, 0, 105),
        ("gpt4_scores_1to10_vicuna80", "reviews", 3591, 3188, 311),
        ("gpt4_scores_1to5_prometheus", "scores", 0, 320, 0),
        ("alpagasus_membership", "lists", 0, 9229, 5901),
    ],
)
def test_public_label_files_are_read_to_their_last_row(
    dev_data: Path, name: str, layout: str, pairs: int, points: int, left_out: int
) -> None:
    found = load(dev_data / "judge" / f"{name}.jsonl.gz")
    assert (found.layout, len(found.pairs), len(found.points), found.left_out.total()) == (
        layout,
        pairs,
        points,
        left_out,
    )


def test_scores_without_their_texts_cannot_be_compared_with_anything(dev_data: Path) -> None:
    with pytest.raises(DataError, match="over several lines"):
        load(dev_data / "judge" / "gpt4llm_cmp_data_scores.json.gz")
