"""Calibration as a whole: what is compared with what, what is counted, and what the command prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

import phase0
from phase0.calibration import write_answers
from phase0.dataset import meta_folder
from phase0.stages.judges import SCORERS

LONG = "It is so because of many things, of which this is the first and that is the second and the last."


def written(folder: Path, rows: list[Any], name: str = "labels.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def pair(number: int, better: str, worse: str, **more: Any) -> dict[str, Any]:
    return {
        "instruction": f"Why {number}?", "response_a": better, "response_b": worse, "preference": 1.0, **more,
    }  # fmt: skip


def shortest(instruction, response, *, system=None, history=()):
    """Likes short answers; thinks the same of all that have a length in common."""
    worth = max(1.0, 10 - len(response) / 10)
    scores = phase0.Scores(correctness=worth, helpfulness=worth, clarity=worth, safety=worth)
    return type("Judged", (), {"scores": scores})


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCORERS, "shortest", f"{__name__}:shortest")


def test_a_tie_of_the_scorer_counts_one_half_and_length_is_the_other_way_round(tmp_path: Path) -> None:
    rows = [pair(1, "ab", "abcd"), pair(2, "abc", "a"), pair(3, "ab", "ba"), pair(4, "x", "xyz")]
    (found,) = phase0.calibrate([written(tmp_path, rows)], model="shortest", bootstrap=50)
    assert (found.pairs, found.ties) == (4, 1)
    assert found.pairwise_accuracy == pytest.approx(2.5 / 4)
    assert found.baselines.longer_wins.pairwise_accuracy == pytest.approx(1.5 / 4)
    assert found.difference_to_longer.value == pytest.approx(0.25)
    assert found.baselines.chance.pairwise_accuracy == 0.5
    assert found.interval is not None
    assert found.interval[0] <= 0.625 <= found.interval[1]


def test_every_group_is_measured_like_the_whole_and_one_that_is_the_whole_is_none(tmp_path: Path) -> None:
    rows = [
        pair(1, "a", "abc", annotator="x", subset="all"),
        pair(2, "a", "abc", annotator="x", subset="all"),
        pair(3, "abc", "a", annotator="y", subset="all"),
    ]
    (found,) = phase0.calibrate([written(tmp_path, rows)], model="shortest", bootstrap=20)
    assert {name: (each.by, each.pairs, each.pairwise_accuracy) for name, each in found.groups.items()} == {
        "x": ("annotator", 2, 1.0),
        "y": ("annotator", 1, 0.0),
    }


def test_a_name_that_is_a_model_and_a_subset_stands_for_neither_alone(tmp_path: Path) -> None:
    rows = [pair(1, "a", "abc", model_a="koala", subset="koala"), pair(2, "a", "abc", model_a="z", subset="s")]
    (found,) = phase0.calibrate([written(tmp_path, rows)], model="shortest", bootstrap=20)
    assert set(found.groups) == {"model koala", "subset koala", "z", "s"}


def test_scores_of_answers_to_one_question_make_the_pairs_that_differ(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Why?", "response": response, "score": score, "model": model}
        for response, score, model in (("a", 5, "m"), ("ab", 3, "n"), ("abc", 3, "o"))
    ]
    (found,) = phase0.calibrate([written(tmp_path, rows)], model="shortest", bootstrap=20)
    assert (found.compared, found.pairs, found.points, found.scale) == ("pairs", 2, 3, (1.0, 5.0))
    assert found.pairwise_accuracy == 1.0
    assert found.groups["m"].pairs == 2
    assert found.groups["n"].pairs == 1


def test_marks_compare_every_good_row_with_every_bad_one_and_kappa_asks_what_is_kept(tmp_path: Path) -> None:
    marks = [("a" * 5, "good"), ("a" * 15, "good"), ("a" * 25, "bad"), ("a" * 60, "bad"), ("a" * 5, "bad")]
    rows = [
        {"id": f"{n}", "instruction": f"Why {n}?", "response": said, "label": label}
        for n, (said, label) in enumerate(marks)
    ]
    path = written(tmp_path, rows)
    (found,) = phase0.calibrate([path], model="shortest", bootstrap=200)
    assert (found.compared, found.pairs, found.ties) == ("all", 6, 1)
    assert found.pairwise_accuracy == pytest.approx(4.5 / 6)
    (strict,) = phase0.calibrate([path], model="shortest", threshold=9.4, bootstrap=20)
    assert found.kappa.value != strict.kappa.value


def test_an_answer_without_a_score_is_left_out_and_counted(tmp_path: Path) -> None:
    labels = written(tmp_path, [pair(1, "abc", "a"), pair(2, "abc", LONG)])
    row = {"instruction": "Why 1?", "response": "abc", "source": "x", "quality_score": 8.0}
    other = {**row, "response": "a", "quality_score": 3.0}
    scored = written(tmp_path, [row, other], "scored.jsonl")
    (found,) = phase0.calibrate([labels], scored=[scored], bootstrap=20)
    assert (found.pairs, found.pairwise_accuracy) == (1, 1.0)
    assert found.left_out == {"unscored": 1}
    assert found.model == str(scored)


def test_labelled_answers_scored_by_the_stage_are_what_the_scorer_itself_says(tmp_path: Path) -> None:
    labels = written(tmp_path, [pair(n, LONG[n:], "No."[: n % 3 + 1], preference=1 + n / 9) for n in range(10)])
    rows, kept = tmp_path / "rows.jsonl", tmp_path / "scored.jsonl"
    assert write_answers([labels], rows) == 20
    phase0.score([rows], kept, threshold=5.0)
    assert (meta_folder(kept) / "dropped.jsonl").stat().st_size > 0
    (direct,) = phase0.calibrate([labels], bootstrap=20)
    (through,) = phase0.calibrate([labels], scored=[kept], bootstrap=20)
    assert msgspec.structs.replace(through, model="local") == direct
    assert direct.left_out == {}


def test_two_scores_for_one_answer_are_no_scorer(tmp_path: Path) -> None:
    labels = written(tmp_path, [pair(1, "abc", "a")])
    row = {"instruction": "Why 1?", "response": "abc", "source": "x", "quality_score": 8.0}
    scored = written(tmp_path, [row, {**row, "quality_score": 3.0}], "scored.jsonl")
    with pytest.raises(phase0.DataError, match="different scores"):
        phase0.calibrate([labels], scored=[scored])


def test_files_without_a_score_are_refused(tmp_path: Path) -> None:
    labels = written(tmp_path, [pair(1, "abc", "a")])
    row = {"instruction": "Why 1?", "response": "abc", "source": "x", "quality_score": None}
    with pytest.raises(phase0.DataError, match="no row has a score"):
        phase0.calibrate([labels], scored=[written(tmp_path, [row], "scored.jsonl")])


def test_the_intervals_come_from_the_seed_alone(tmp_path: Path) -> None:
    labels = written(tmp_path, [pair(n, "ab"[: n % 2 + 1], "abc"[: n % 3 + 1]) for n in range(40)])
    first, again, other = (
        phase0.calibrate([labels], model="shortest", bootstrap=99, seed=seed)[0] for seed in (1, 1, 2)
    )
    assert first == again
    assert first.interval != other.interval
    assert first.pairwise_accuracy == other.pairwise_accuracy


def test_questions_are_resampled_not_rows_so_repeating_a_question_adds_no_certainty(tmp_path: Path) -> None:
    rows = [pair(n, "ab"[: n % 2 + 1], "abc"[: n % 3 + 1]) for n in range(40)]
    (once,) = phase0.calibrate([written(tmp_path, rows)], model="shortest", bootstrap=200)
    (often,) = phase0.calibrate([written(tmp_path, rows * 9)], model="shortest", bootstrap=200)
    assert often.pairs == 9 * once.pairs
    assert often.interval == once.interval


def test_an_unknown_model_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(phase0.UsageError, match="Did you mean 'local'"):
        phase0.calibrate([written(tmp_path, [pair(1, "a", "b")])], model="locl")


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "phase0", "calibrate", *map(str, arguments)],
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip


def test_one_file_is_printed_as_one_object_with_the_promised_keys(tmp_path: Path) -> None:
    rows = [pair(n, LONG, "No.", annotator="xy"[n % 2]) for n in range(4)]
    labels = written(tmp_path, [*rows, {**rows[0], "preference": None}])
    done = command("--model", "local", "--labels", labels, "--json", "--bootstrap", "20")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found)[:9] == [
        "labels", "model", "pairs", "ties", "pairwise_accuracy", "interval", "baselines", "difference_to_longer",
        "groups",
    ]  # fmt: skip
    assert (found["labels"], found["model"], found["pairs"]) == (str(labels), "local", 4)
    assert set(found["baselines"]) == {"longer_wins", "chance"}
    assert set(found["baselines"]["longer_wins"]) == {"pairwise_accuracy", "interval"}
    assert set(found["difference_to_longer"]) == {"value", "interval"}
    assert set(found["groups"]) == {"x", "y"}
    assert set(found["groups"]["x"]) == set(found)
    assert found["left_out"] == {"preference_null": 1}


def test_several_files_are_printed_as_an_array(tmp_path: Path) -> None:
    files = [written(tmp_path, [pair(1, LONG, "No.")], f"{name}.jsonl") for name in "ab"]
    done = command("--labels", *files, "--json", "--bootstrap", "5")
    assert [Path(each["labels"]).name for each in json.loads(done.stdout)] == ["a.jsonl", "b.jsonl"]


def test_without_a_terminal_the_table_is_plain_lines(tmp_path: Path) -> None:
    labels = written(tmp_path, [pair(n, LONG, "No.") for n in range(3)] + [pair(9, "a", "b", preference=0)])
    done = command("--labels", labels, "--bootstrap", "20")
    title, line, note = done.stdout.splitlines()
    assert title.split() == ["labels", "pairs", "ties", "scorer", "longer", "difference", "spearman", "kappa", "error"]
    assert line.startswith("labels.jsonl      3")
    assert "1.000 [1.000, 1.000]" in line
    assert note == "  left out: preference_0 1"


def test_names_in_data_reach_the_screen_without_control_characters(tmp_path: Path) -> None:
    names = ["\x1b[31mred", "[bold]b[/bold]"]
    labels = written(tmp_path, [pair(n, LONG, "No.", annotator=name) for n, name in enumerate(names)])
    done = command("--labels", labels, "--bootstrap", "5")
    assert "\x1b" not in done.stdout
    assert "[bold]b[/bold]" in done.stdout


def test_a_file_that_holds_no_labels_ends_with_status_2_and_one_line(tmp_path: Path) -> None:
    done = command("--labels", written(tmp_path, [{"text": "x"}]))
    assert done.returncode == 2
    assert "is no file of labels" in done.stderr


def test_the_embedded_scorer_on_public_labels_is_what_the_page_of_results_says(dev_data: Path) -> None:
    (found,) = phase0.calibrate([dev_data / "judge" / "llmbar.jsonl.gz"], bootstrap=20)
    assert found.pairs == 885
    assert found.groups["LLMBar/Natural"].pairs == 100
    assert found.groups["LLMBar/Natural"].baselines.longer_wins.pairwise_accuracy == pytest.approx(0.565)
