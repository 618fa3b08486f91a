"""`phase0 diff`: what changed between two runs or two files, and where the rows went that are no longer there."""

from __future__ import annotations

import csv
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest
from made import record, write_lines

import phase0
from phase0.changes import Changes, diff
from phase0.changes.found import NOT_TAKEN, NOT_THERE, NOT_TOLD
from phase0.changes.text import render
from phase0.cli import status_of
from phase0.dataset import lineage
from phase0.records import encode
from phase0.report.escape import visible

PLAN = Path(__file__).resolve().parents[2] / "plans" / "quickstart.toml"


class Runs:
    """A run, and one of the same plan with a higher threshold, a budget and more rows to reach."""

    def __init__(self, root: Path) -> None:
        self.old, self.new = root / "old", root / "new"
        phase0.run(PLAN, self.old)
        phase0.run(PLAN, self.new, settings=["score.threshold=8.0", "budget_usd=1", "verify.target_rows=300"])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("diff"))


@pytest.fixture(scope="module")
def changes(runs: Runs) -> Changes:
    return diff(runs.old, runs.new)


def rows_file(path: Path, rows: list[dict[str, Any]]) -> Path:
    return write_lines(path, [msgspec.json.encode(row) for row in rows])


def row(number: int, **fields: Any) -> dict[str, Any]:
    plain = {"instruction": f"Count to {number}.", "response": f"1 to {number}.", "source": "tests"}
    return {**plain, "quality_score": 8.0, **fields}


def test_a_plan_is_told_key_by_key(changes: Changes) -> None:
    told = {each.key: (each.old, each.new) for each in changes.plan}
    assert told == {"score.threshold": (7.0, 8.0), "budget_usd": (None, "1"), "verify.target_rows": (250, 300)}
    assert not changes.settings  # the plan told of the threshold already


def test_stages_with_other_sums_are_told_and_no_others(changes: Changes, runs: Runs) -> None:
    assert [each.stage for each in changes.sums] == ["score", "dedup", "publish"]
    for each in changes.sums:
        assert each.old is not None
        assert each.new is not None
        assert each.old.rows_in == each.old.kept + each.old.dropped
        assert each.new.kept < each.old.kept


def test_sums_of_rows_close_and_every_row_that_went_is_accounted_for(changes: Changes) -> None:
    rows = changes.rows
    assert changes.old.rows == rows.same + rows.rescored + rows.answered + rows.went
    assert changes.new.rows == rows.same + rows.rescored + rows.answered + rows.came
    assert sum(each.rows for each in rows.went_to) == rows.went > 0
    assert (rows.came, rows.rescored, rows.answered) == (0, 0, 0)
    told = {(each.stage, each.reason) for each in rows.went_to}
    assert ("score", "low_score") in told
    assert told <= {("score", "low_score"), ("dedup", "near_duplicate")}


def test_what_went_on_the_way_of_a_run_is_what_its_stages_dropped(runs: Runs) -> None:
    found = diff(runs.old / "raw/combined.jsonl", runs.old / "dataset.jsonl").rows
    dropped = {
        (made.manifest.stage, reason): rows
        for made in lineage(runs.old / "dataset.jsonl")
        for reason, rows in made.manifest.counts.reasons.items()
        if made.manifest.stage != "download"
    }
    assert {(each.stage, each.reason): each.rows for each in found.went_to} == dropped
    assert found.came == found.answered == 0


def test_rows_that_came_are_told_where_the_older_run_lost_them(runs: Runs) -> None:
    back = diff(runs.new, runs.old).rows
    assert back.went == 0
    assert {each.stage for each in back.came_from} <= {"score", "dedup"}
    assert back.first_came[0].stage == "score"
    assert back.first_came[0].score is not None
    assert 7.0 < back.first_came[0].score <= 8.0


def test_the_first_rows_that_went_lead_to_their_story(changes: Changes, runs: Runs) -> None:
    first = changes.rows.first_went
    assert len(first) == 5
    assert first[0].id is not None
    events = phase0.explain(runs.new, first[0].id)
    assert (first[0].stage, first[0].reason) in {(event.stage, event.reason) for event in events}


def test_scores_and_criteria_and_categories_are_compared(changes: Changes) -> None:
    assert changes.scores is not None
    assert changes.scores.new_mean is not None
    assert changes.scores.old_mean is not None
    assert changes.scores.new_mean > changes.scores.old_mean
    (judged,) = changes.scores.judged
    assert (judged.dimensions, judged.old_mean) == ((), judged.new_mean)  # the same rows were judged
    assert judged.old_accepted is not None
    assert judged.new_accepted is not None
    assert judged.new_accepted < judged.old_accepted
    assert {each.key: each.new["state"] for each in changes.criteria}["rows"] in {"pass", "fail"}
    assert sum(each.old for each in changes.mix.categories) <= changes.old.rows
    assert {each.old_wanted for each in changes.mix.categories} <= {0.5, 0.25, 0.15, 0.06, 0.04}
    assert changes.cost is not None
    assert (changes.cost.old_budget_usd, changes.cost.new_budget_usd) == (None, "1")


def test_the_text_names_what_changed_and_the_status_says_so(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["diff", str(runs.old), str(runs.new), "--show", "2"]) == 1
    told = capsys.readouterr().out
    for part in ("score.threshold", "7.0", "8.0", "score: low_score", "Went:", "mean of the finished rows", "budget"):
        assert part in told
    assert told.count("    asked: ") == 2


def test_a_run_beside_itself_differs_in_nothing(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["diff", str(runs.old), str(runs.old)]) == 0
    assert capsys.readouterr().out.startswith("Nothing differs: ")


def test_json_holds_everything_and_can_be_read_back(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["diff", str(runs.old), str(runs.new), "--json"]) == 1
    assert msgspec.json.decode(capsys.readouterr().out, type=Changes) == diff(runs.old, runs.new)


def test_what_is_not_there_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some = rows_file(tmp_path / "a.jsonl", [row(1)])
    assert status_of(["diff", str(some), str(tmp_path / "none.jsonl")]) == 2
    assert status_of(["diff", str(tmp_path), str(some)]) == 2
    assert "is it a run, and finished?" in capsys.readouterr().err


def test_a_published_file_alone_is_the_same_as_its_run(runs: Runs, tmp_path: Path) -> None:
    """The run has full rows beside its dataset, the copy has four fields; they are compared by those."""
    alone = tmp_path / "copy.jsonl"
    alone.write_bytes((runs.old / "dataset.jsonl").read_bytes())
    found = diff(runs.old, alone)
    assert found.rows.same == found.old.rows == found.new.rows
    assert found.mix.categories == ()
    assert not found.same  # the run tells of stages that the copy has not
    assert any("no manifest" in gap for gap in found.new.gaps)


def test_files_are_compared_by_what_rows_say_and_not_by_their_form(tmp_path: Path) -> None:
    some = [row(1, response="a,\nb"), row(2, response='say "x"')]
    lines = rows_file(tmp_path / "a.jsonl", some)
    with (tmp_path / "a.csv").open("w", newline="") as file:
        out = csv.DictWriter(file, list(some[0]))
        out.writeheader()
        out.writerows(some)
    assert diff(lines, tmp_path / "a.csv").same
    assert diff(lines, rows_file(tmp_path / "turned.jsonl", some[::-1])).same


def test_another_answer_and_another_score_are_told_apart(tmp_path: Path) -> None:
    old = rows_file(tmp_path / "a.jsonl", [row(1), row(2), row(3), row(4), row(4)])
    changed = [row(1), row(2, quality_score=9.0), row(3, response="I can count."), row(4), row(5)]
    rows = diff(old, rows_file(tmp_path / "b.jsonl", changed)).rows
    assert (rows.same, rows.rescored, rows.answered, rows.went, rows.came) == (2, 1, 1, 1, 1)
    (scored,), (answered,) = rows.first_rescored, rows.first_answered
    assert (scored.old.score, scored.new.score, scored.new.line) == (8.0, 9.0, 2)
    assert (answered.old.response, answered.new.response) == ("1 to 3.", "I can count.")
    assert [(each.instruction, each.line, each.reason) for each in rows.first_went] == [("Count to 4.", 5, NOT_TOLD)]
    assert rows.first_came[0].instruction == "Count to 5."


def test_a_row_with_an_id_of_its_own_is_found_by_it(tmp_path: Path) -> None:
    old = rows_file(tmp_path / "a.jsonl", [row(1, id="a"), row(2, id="b")])
    new = rows_file(tmp_path / "b.jsonl", [row(1, id="a"), row(2, id="b", instruction="Say it.", response="No.")])
    rows = diff(old, new).rows
    assert (rows.same, rows.answered, rows.went) == (1, 1, 0)


def test_rows_of_another_run_are_dropped_not_taken_or_never_there(tmp_path: Path) -> None:
    """A published file whose manifests tell of every row that entered."""
    given = [row(number, response=f"A response of some words about {number}.") for number in range(40)]
    source = rows_file(tmp_path / "in.jsonl", [*given, row(77, response=" ")])
    phase0.acquire([source], tmp_path / "raw")
    phase0.distill([tmp_path / "raw/combined.jsonl"], tmp_path / "half.jsonl", percentage="50")
    phase0.publish([tmp_path / "half.jsonl"], tmp_path / "half/public.jsonl")
    wanted = [*given, row(77, response="Dropped there."), row(99)]
    found = diff(rows_file(tmp_path / "all.jsonl", wanted), tmp_path / "half/public.jsonl")
    where = {(each.stage, each.reason): each.rows for each in found.rows.went_to}
    assert where[None, NOT_THERE] == 1
    assert where[None, NOT_TAKEN] == 40 - found.new.rows > 0
    assert sum(where.values()) == found.rows.went


def test_equal_rows_have_each_an_end_of_its_own(tmp_path: Path) -> None:
    """Of three equal rows two are dropped as duplicates, and the third for its score."""
    given = [row(1, response="No."), row(2, response="The sum of two and two is four, as counting shows.")]
    source = rows_file(tmp_path / "in.jsonl", [given[0], given[0], given[0], given[1]])
    phase0.deduplicate([source], tmp_path / "run/deduped.jsonl")
    phase0.score([tmp_path / "run/deduped.jsonl"], tmp_path / "run/scored.jsonl", threshold=9.9)
    phase0.publish([tmp_path / "run/scored.jsonl"], tmp_path / "run/public.jsonl")
    found = diff(source, tmp_path / "run/public.jsonl").rows
    assert {(each.stage, each.reason): each.rows for each in found.went_to} == {
        ("dedup", "near_duplicate"): 2,
        ("score", "low_score"): 2,
    }


def test_rows_of_any_shape_are_compared_by_their_bytes(tmp_path: Path) -> None:
    old = write_lines(tmp_path / "a.jsonl", [b'{"x":1}', b"[2]", b"not json", b'{"instruction":3}'])
    new = write_lines(tmp_path / "b.jsonl", [b'{"x":1}', b"[2]", b"other", b'{"instruction":3}'])
    rows = diff(old, new).rows
    assert (rows.same, rows.went, rows.came) == (3, 1, 1)
    assert rows.first_went[0].instruction == "not json"


def test_an_edited_dataset_is_compared_as_it_is_now(runs: Runs, tmp_path: Path) -> None:
    edited = tmp_path / "run"
    (edited / "dataset.meta").mkdir(parents=True)
    for name in ("dataset.jsonl", "dataset.meta/full.jsonl", "dataset.meta/manifest.json"):
        (edited / name).write_bytes((runs.old / name).read_bytes())
    lines = (edited / "dataset.jsonl").read_bytes().splitlines(keepends=True)
    (edited / "dataset.jsonl").write_bytes(b"".join(lines[1:]))
    assert diff(runs.old, edited).rows.went == 1


def test_hostile_text_reaches_the_terminal_as_letters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = "\x1b[31mred\x07 \u202egpj.exe \u2028 \x9b2J"
    old = rows_file(tmp_path / "a.jsonl", [row(1, instruction=bad, source=bad), row(2, response=bad)])
    new = rows_file(tmp_path / "b.jsonl", [row(3, source=bad), row(2, response=bad + "!", source=bad)])
    assert status_of(["diff", str(old), str(new)]) == 1
    told = capsys.readouterr().out
    assert visible(bad, 40) in told
    assert all(char == "\n" or char.isprintable() for char in told)


def test_memory_is_for_digests_and_not_for_rows(tmp_path: Path) -> None:
    count, size = 12_000, 2_000
    old = write_lines(tmp_path / "a.jsonl", [encode(record(number, response="x" * size)) for number in range(count)])
    new = write_lines(tmp_path / "b.jsonl", [encode(record(number, response="y" * size)) for number in range(count)])
    diff(old, old)  # what is imported and cached at the first call is no row
    tracemalloc.start()
    try:
        found = diff(old, new)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.rows.answered == count
    assert 4 * peak < old.stat().st_size


def test_nothing_is_said_of_what_is_the_same(tmp_path: Path) -> None:
    old = rows_file(tmp_path / "a.jsonl", [row(1), row(2)])
    told = render(diff(old, rows_file(tmp_path / "b.jsonl", [row(1), row(2), row(3)])))
    assert "Came: where they are on the old side" in told
    for absent in ("Plan", "Settings", "Stage", "Category", "Criterion", "Cost", "Went"):
        assert absent not in told
