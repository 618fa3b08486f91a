"""Scores are rounded first and compared strictly above the threshold afterwards; every row ends somewhere."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import record, records
from stagefiles import check_sums, dropped_of, leftovers, rows_of, write

from phase0.dataset import meta_folder, read_records, split
from phase0.engine.local import Local
from phase0.errors import DataError, UsageError
from phase0.records import Record, Scores, encode
from phase0.scoring.local import Judgement, judge
from phase0.stages import parts
from phase0.stages import score as stage
from phase0.stages.parts import Kept, Lost
from phase0.stages.score import score, score_row
from phase0.stages.verdicts import Rule

ONE = Local(1)


def scored(*values: float) -> Scores:
    return Scores(correctness=values[0], helpfulness=values[1], clarity=values[2], safety=values[3])


def with_scores(monkeypatch: pytest.MonkeyPatch, scores: Scores, *reasons: str) -> None:
    monkeypatch.setattr(stage, "_scorer", lambda name: lambda *args, **more: Judgement(scores, reasons))


@pytest.mark.parametrize(
    ("scores", "quality", "kept"),
    [
        (scored(7.0, 7.0, 7.0, 7.0), 7.0, False),
        (scored(7.1, 7.1, 7.1, 7.1), 7.1, True),
        (scored(6.9, 6.9, 7.0, 7.0), 7.0, False),  # the mean is 6.95: rounded to 7.0, which is not above 7.0
        (scored(7.0, 7.0, 7.1, 7.1), 7.1, True),  # the mean is 7.05: rounded half up to 7.1
        (scored(7.0, 7.0, 7.0, 7.1), 7.0, False),  # the mean is 7.025
        (scored(10.0, 10.0, 10.0, 10.0), 10.0, True),
        (scored(1.0, 1.0, 1.0, 1.0), 1.0, False),
    ],
)
def test_a_row_is_kept_when_its_rounded_score_is_strictly_above_the_threshold(
    scores: Scores, quality: float, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_scores(monkeypatch, scores)
    outcome = score_row("local", Rule(threshold=7.0), b"", record())
    assert isinstance(outcome, Kept if kept else Lost)
    assert f'"quality_score":{quality}'.encode() in outcome.raw
    assert ("score", round(quality * 10)) in outcome.tally
    assert ("source", "tests", "kept" if kept else "lost") in outcome.tally


def test_a_row_keeps_its_four_scores_and_why_it_has_them(tmp_path: Path) -> None:
    good = record(1, instruction="Name three rivers of Africa.", response="The Nile, the Niger and the Congo.")
    path = write(tmp_path / "in.jsonl", encode(good), encode(record(2, response="")))
    score([path], tmp_path / "out.jsonl", threshold=2.0, engine=ONE)
    (kept,) = rows_of(tmp_path / "out.jsonl")
    scores, reasons = judge(good.instruction, good.response)
    assert list(kept)[:4] == ["instruction", "response", "source", "quality_score"]
    assert kept["quality_score"] == scores.mean()
    assert kept["meta"]["scores"] == {name: getattr(scores, name) for name in scores.__struct_fields__}
    assert kept["meta"]["flags"] == list(reasons)
    assert kept["id"] == good.id
    (lost,) = dropped_of(tmp_path / "out.jsonl")
    assert (lost["reason"], lost["line"]) == ("low_score", 2)
    assert lost["row"]["quality_score"] == lost["evidence"]["quality_score"] == 2.0
    assert lost["evidence"]["threshold"] == 2.0
    assert lost["evidence"]["reasons"] == lost["row"]["meta"]["flags"] != []


def test_a_row_without_a_response_is_dropped_unscored(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", encode(record(1, response=None)))
    manifest = score([path], tmp_path / "out.jsonl", engine=ONE)
    (lost,) = dropped_of(tmp_path / "out.jsonl")
    assert lost["reason"] == "no_response"
    assert lost["row"]["quality_score"] is None
    told = manifest.figures
    assert (told["scored"], told["mean"], told["histogram"], told["states"]) == (0, None, {}, {})


def test_scoring_again_replaces_the_scores_and_keeps_the_flags_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = record(1)
    first = record(1, meta=msgspec.structs.replace(first.meta, flags=("tools", "cut_end")))
    path = write(tmp_path / "in.jsonl", encode(first))
    with_scores(monkeypatch, scored(8, 8, 8, 8), "correctness:old", "safety:old:x")
    score([path], tmp_path / "a.jsonl", engine=ONE)
    assert rows_of(tmp_path / "a.jsonl")[0]["meta"]["flags"] == ["tools", "cut_end", "correctness:old", "safety:old:x"]
    with_scores(monkeypatch, scored(9, 9, 9, 9), "clarity:new")
    score([tmp_path / "a.jsonl"], tmp_path / "b.jsonl", engine=ONE)
    (row,) = rows_of(tmp_path / "b.jsonl")
    assert row["meta"]["flags"] == ["tools", "cut_end", "clarity:new"]
    assert row["quality_score"] == 9.0


line = st.one_of(
    records.map(encode),
    st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b"")),
    st.sampled_from([b"", b"  ", b"null", b"{}", b'{"instruction":"a","response":"b","source":"c"}', b"[1]", b"\xff"]),
)


@settings(max_examples=60)
@given(lines=st.lists(line, max_size=10), threshold=st.floats(1, 9.9))
def test_every_line_is_kept_or_dropped(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], threshold: float
) -> None:
    folder = tmp_path_factory.mktemp("score")
    path = write(folder / "in.jsonl", *lines)
    path.write_bytes(b'{"instruction":"first","response":"so that it is JSONL","source":"x"}\n' + path.read_bytes())
    score([path], folder / "out.jsonl", threshold=threshold, engine=ONE)
    manifest = check_sums(folder / "out.jsonl")
    assert manifest.counts.read == sum(bool(part.strip(b" \t\r")) for part in path.read_bytes().split(b"\n"))
    assert all(row["quality_score"] > threshold for row in rows_of(folder / "out.jsonl"))
    low = [row for row in dropped_of(folder / "out.jsonl") if row["reason"] == "low_score"]
    assert all(row["evidence"]["quality_score"] <= threshold for row in low)
    assert manifest.figures["scored"] == manifest.counts.kept + len(low)


def big(path: Path, count: int) -> Path:
    """Rows for several parts, long and short, some of them bad."""
    lines = []
    for n in range(count):
        made: Record = record(n, response=f"The answer to {n} is found by counting. " * (n % 40))
        lines.append(b"{broken" if n % 97 == 0 else encode(made))
    return write(path, *lines)


def test_workers_change_neither_the_rows_nor_what_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "SPAN", 30_000)
    inputs = [big(tmp_path / "a.jsonl", 400), big(tmp_path / "b.jsonl", 98)]
    assert len(split(inputs[0], 30_000)) > 8
    seen = set()
    for workers in (1, 2, 4):
        output = tmp_path / str(workers) / "out.jsonl"
        manifest = score(inputs, output, threshold=5.0, engine=Local(workers))
        check_sums(output)
        assert leftovers(output.parent) == []
        dropped = (meta_folder(output) / "dropped.jsonl").read_bytes()
        seen.add((output.read_bytes(), dropped, str(manifest.figures), manifest.recipe))
    assert len(seen) == 1
    lost = [row["line"] for row in dropped_of(tmp_path / "2" / "out.jsonl") if row["reason"] == "invalid_json"]
    assert lost == [*range(1, 401, 97), *range(1, 99, 97)]


def test_the_figures_are_those_of_all_scored_rows(tmp_path: Path) -> None:
    path = big(tmp_path / "a.jsonl", 400)
    manifest = score([path], tmp_path / "out.jsonl", threshold=5.0, engine=ONE)
    values = [
        judge(item[2].instruction, item[2].response).scores.mean()
        for item in read_records(path)
        if isinstance(item, tuple) and len(item) == 3 and isinstance(item[2], Record)
    ]
    figures = manifest.figures
    assert figures["scored"] == len(values) == sum(figures["histogram"].values())
    assert figures["mean"] == pytest.approx(sum(values) / len(values), abs=0.001)
    assert list(figures["histogram"]) == sorted(figures["histogram"], key=float)


def test_rows_come_out_in_the_format_that_the_suffix_names(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", *(encode(record(n)) for n in range(20)))
    plain = score([path], tmp_path / "plain.jsonl", threshold=1, engine=ONE)
    for name in ("a.jsonl.gz", "b.parquet", "c.json", "d.csv", "e"):
        score([path], tmp_path / name, threshold=1, engine=ONE)
        again = score([tmp_path / name], tmp_path / "again.jsonl", threshold=1, engine=ONE)
        if not name.endswith(
            "csv"
        ):  # CSV has no objects: meta comes back as text, and the row is dropped with a reason
            assert again.counts.kept == plain.counts.kept, name
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()) == (tmp_path / "plain.jsonl").read_bytes()
    assert (tmp_path / "e").read_bytes() == (tmp_path / "plain.jsonl").read_bytes()


def test_a_damaged_input_is_an_error_and_leaves_the_old_output(tmp_path: Path) -> None:
    good = write(tmp_path / "in.jsonl", *(encode(record(n)) for n in range(20)))
    score([good], tmp_path / "out.jsonl", threshold=1, engine=ONE)
    before = (tmp_path / "out.jsonl").read_bytes()
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(good.read_bytes() * 50)[:-20])
    with pytest.raises(DataError, match=r"cut\.jsonl\.gz: the gzip stream ends early"):
        score([good, cut], tmp_path / "out.jsonl", threshold=1, engine=ONE)
    assert (tmp_path / "out.jsonl").read_bytes() == before
    check_sums(tmp_path / "out.jsonl")
    assert leftovers(tmp_path) == []


def test_an_empty_input_gives_an_empty_output(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl")
    assert score([path], tmp_path / "out.jsonl", engine=ONE).counts.kept == 0
    check_sums(tmp_path / "out.jsonl")


def test_no_side_file_is_picked_up_by_the_recipes_glob(tmp_path: Path) -> None:
    folder = tmp_path / "distilled"
    for name in ("a", "b"):
        path = write(tmp_path / f"{name}.jsonl", *(encode(record(n)) for n in range(5)), b"{broken")
        score([path], folder / f"{name}.jsonl", threshold=1, engine=ONE)
    assert len(list(tmp_path.rglob("dropped.jsonl"))) == 2
    for inputs in ([str(folder / "*.jsonl")], [str(folder)]):
        assert score(inputs, tmp_path / "out.jsonl", threshold=1, engine=ONE).counts.rows_in == 10


@pytest.mark.parametrize("threshold", [0.9, 10.0, 11, float("nan"), float("inf")])
def test_an_impossible_threshold_is_refused(tmp_path: Path, threshold: float) -> None:
    with pytest.raises(UsageError, match="scores go from 1 to 10"):
        score([tmp_path], tmp_path / "out.jsonl", threshold=threshold)


@pytest.mark.parametrize(
    ("model", "told"),
    [("locla", "Did you mean 'local'"), ("gpt-4o-mini", "cannot be asked without a key: set OPENAI_API_KEY")],
)
def test_a_model_that_cannot_be_asked_is_told_in_one_line(tmp_path: Path, model: str, told: str) -> None:
    path = write(tmp_path / "in.jsonl", encode(record(1)))
    with pytest.raises(UsageError, match=told):
        score([path], tmp_path / "out.jsonl", model=model)


def test_a_broken_worker_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*args: Any, **more: Any) -> None:
        raise ZeroDivisionError

    path = write(tmp_path / "in.jsonl", encode(record(1)))
    monkeypatch.setattr(stage, "_scorer", lambda name: breaks)
    with pytest.raises(ZeroDivisionError):
        score([path], tmp_path / "out.jsonl", engine=ONE)
    assert not (tmp_path / "out.jsonl").exists()
    assert leftovers(tmp_path) == []
