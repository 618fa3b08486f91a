"""The license ledger: every row is counted under what it is under, and what is unknown is never allowed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import records

import phase0
from phase0 import steps
from phase0.catalog.datasets import find
from phase0.cli import status_of
from phase0.doctor import Here, doctor
from phase0.errors import PlanError, UnfitLicense, UsageError
from phase0.licenses import LicenseLedger, check_fit, ledger_of, license_ledger, planned, unfit, why
from phase0.plan import plan_from
from phase0.records import Meta, Origin, Record, encode, make
from phase0.stages.publish import publish

Line = tuple[str, str | None, str]  # dataset, licence, who answered


def row(number: int, dataset: str, license_: str | None, writer: str, *judges: str) -> Record:
    origin = Origin(dataset=dataset, revision=None, row=f"{dataset}:{number}")
    meta = Meta(origin=origin, license=license_, judges=judges)
    return make(instruction=f"Ask {number}", response=f"Say {number}", source=writer, meta=meta)


def written(path: Path, lines: Sequence[Record]) -> Path:
    path.write_bytes(b"".join(encode(line) + b"\n" for line in lines))
    return path


def ledger(folder: Path, *lines: tuple[Any, ...]) -> LicenseLedger:
    return ledger_of(written(folder / "rows.jsonl", [row(at, *line) for at, line in enumerate(lines)]))


def told(found: LicenseLedger) -> dict[str | None, bool | None]:
    return {one.dataset: one.commercial for one in found.origins}


def test_rows_are_counted_by_dataset_licence_writer_and_judges(tmp_path: Path) -> None:
    found = ledger(
        tmp_path,
        ("dolly", "CC-BY-SA-3.0", "dolly"),
        ("dolly", "CC-BY-SA-3.0", "gpt-4o"),
        ("dolly", "CC-BY-SA-3.0", "gpt-4o", "gpt-4o-mini"),
        ("dolly", "CC-BY-SA-3.0", "dolly"),
    )
    assert [(one.writer, one.judges, one.rows) for one in found.origins] == [
        ("dolly", (), 2),
        ("gpt-4o", (), 1),
        ("gpt-4o", ("gpt-4o-mini",), 1),
    ]
    assert {one.name: one.rows for one in found.terms} == {"CC-BY-SA-3.0": 4, "openai": 2}


def test_what_each_kind_of_terms_asks_for_is_there(tmp_path: Path) -> None:
    found = ledger(
        tmp_path,
        ("alpaca", "CC-BY-NC-4.0", "text-davinci-003"),
        ("dolly", "CC-BY-SA-3.0", "llama-3.1-405b-instruct"),
        ("magpie", "LicenseRef-llama3", "llama-3-70b-instruct"),
    )
    terms = {one.name: one for one in found.terms}
    assert terms["CC-BY-NC-4.0"].commercial is False
    assert terms["CC-BY-SA-3.0"].share_alike
    assert "Built with Llama" in (terms["LicenseRef-llama3.1"].naming or "")
    assert "improve language models other than Llama 3" in (terms["LicenseRef-llama3"].restriction or "")
    assert "compete with OpenAI" in (terms["openai"].restriction or "")
    assert told(found) == {"alpaca": False, "dolly": True, "magpie": True}


@pytest.mark.parametrize(
    ("line", "unknown"),
    [
        (("mine", None, "mine"), "no licence is declared"),
        (("mine", "Proprietary", "mine"), "licence Proprietary is not in the catalogue"),
        (("dolly", "CC-BY-SA-3.0", "a-new-model"), "the terms of a-new-model are unknown"),
        (("dolly", "CC-BY-SA-3.0", "dolly", "muse-spark-open-816b-a42b"), "the terms of muse-spark-open-816b-a42b"),
        (("tulu-3", "ODC-By-1.0", "tulu-3"), "licences of several sources"),
        (("ultrafeedback", "MIT", "ultrafeedback"), "terms of several models"),
    ],
)
def test_what_nobody_knows_is_unknown_and_blocks(tmp_path: Path, line: tuple[Any, ...], unknown: str) -> None:
    found = ledger(tmp_path, line)
    assert told(found) == {line[0]: None}
    assert unknown in "; ".join(found.origins[0].unknown)
    with pytest.raises(UnfitLicense, match=f"1 rows of {line[0]}.*{unknown}"):
        check_fit(found, "commercial")


def test_a_new_answer_does_not_wash_the_prompt_s_licence_off(tmp_path: Path) -> None:
    found = ledger(tmp_path, ("alpaca", "CC-BY-NC-4.0", "qwen3-coder-480b-a35b-instruct"))
    assert told(found) == {"alpaca": False}
    assert {one.name for one in found.terms} == {"CC-BY-NC-4.0", "openai", "Apache-2.0"}


def test_what_a_dataset_was_made_from_counts_although_its_card_says_otherwise(tmp_path: Path) -> None:
    found = ledger(tmp_path, ("alpaca-cleaned", "CC-BY-4.0", "alpaca-cleaned"))
    assert why(found.origins[0]) == ("CC-BY-NC-4.0 is non-commercial",)


def test_the_embedded_scorer_has_no_terms_and_a_student_those_of_its_judges(tmp_path: Path) -> None:
    found = ledger(
        tmp_path,
        ("gsm8k", "MIT", "gsm8k", "local"),
        ("gsm8k", "MIT", "gsm8k", "student:gpt-4o-mini+a-new-judge"),
    )
    by = {one.judges: (one.terms, one.unknown) for one in found.origins}
    assert by["local",] == (("MIT",), ())
    assert by["student:gpt-4o-mini+a-new-judge",] == (("MIT", "openai"), ("the terms of a-new-judge are unknown",))


@settings(max_examples=40)
@given(st.lists(records, max_size=12))
def test_every_row_is_counted_once_whatever_it_says(tmp_path_factory: pytest.TempPathFactory, lines: list[Any]) -> None:
    found = ledger_of(written(tmp_path_factory.mktemp("any") / "rows.jsonl", lines))
    assert found.rows == sum(one.rows for one in found.origins) == len(lines)
    assert found.rows == found.commercial_rows + found.non_commercial_rows + found.unknown_rows
    assert all(one.unknown or one.commercial is not None for one in found.origins)
    assert not any(one.commercial for one in found.origins if one.license is None)


def test_a_row_that_cannot_be_read_is_unknown_and_not_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.jsonl", [row(1, "gsm8k", "MIT", "gsm8k")])
    path.write_bytes(path.read_bytes() + b'{"source": 7}\n[]\n{broken\n')
    found = ledger_of(path)
    assert (found.rows, found.commercial_rows, found.unknown_rows) == (4, 1, 3)


def test_a_published_file_is_looked_up_in_its_full_rows(tmp_path: Path) -> None:
    rows = written(tmp_path / "rows.jsonl", [row(1, "dolly", "CC-BY-SA-3.0", "dolly")])
    publish([rows], tmp_path / "dataset.jsonl")
    assert told(license_ledger(tmp_path)) == told(license_ledger(tmp_path / "dataset.jsonl")) == {"dolly": True}


def test_full_rows_of_other_rows_are_not_believed(tmp_path: Path) -> None:
    rows = written(tmp_path / "rows.jsonl", [row(1, "dolly", "CC-BY-SA-3.0", "dolly")])
    publish([rows], tmp_path / "dataset.jsonl")
    (tmp_path / "dataset.jsonl").write_text(
        '{"instruction": "a", "response": "b", "source": "c", "quality_score": 8}\n'
    )
    assert told(license_ledger(tmp_path)) == {None: None}


def test_the_author_that_a_download_states_counts_also_for_a_plan_s_own_dataset(tmp_path: Path) -> None:
    upstream = tmp_path / "up.jsonl"
    upstream.write_text(json.dumps({"instruction": "Why?", "response": "Because it is so."}) + "\n")
    own = {"files": ["up.jsonl"], "license": "MIT", "author": "gpt-4"}
    data = {"name": "t", "download": {"datasets": ["own"]}, "datasets": {"own": own}, "score": {"threshold": 1}}
    plan = plan_from(data, folder=tmp_path)
    phase0.run(plan, tmp_path / "run")
    raw = ledger_of(tmp_path / "run/raw/combined.jsonl", answered=False)
    assert [(one.writer, one.terms) for one in raw.origins] == [(None, ("MIT", "openai"))]


def test_without_a_dataset_there_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no dataset\.jsonl in it"):
        license_ledger(tmp_path)
    with pytest.raises(UsageError, match="there is no such file"):
        license_ledger(tmp_path / "x.jsonl")


def test_many_origins_are_named_in_the_ledger_and_the_first_of_them_in_the_error() -> None:
    found = planned(find(["alpaca", "alpaca-cleaned", "tulu-3", "openhermes", "ultrafeedback"]), [None, "gpt-4o"])
    assert len(unfit(found, "commercial")) == 10
    with pytest.raises(UnfitLicense, match="and 5 more"):
        check_fit(found, "commercial")


# ---- plans ----------------------------------------------------------------------------------------------------------


def plan(
    names: Sequence[str] = ("sample",),
    teacher: str = "original",
    judge: str = "local",
    folder: Path | None = None,
    **more: Any,
) -> phase0.Plan:
    data = {"name": "t", "download": {"datasets": list(names)}, "distill": {"mix": {teacher: 100}}}
    data |= {"score": {"model": judge, "threshold": 5.0}, "publish": {"require_license": "commercial"}}
    return plan_from({**data, **more}, folder=folder)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (plan(["sample", "alpaca"]), "alpaca answered by text-davinci-003: CC-BY-NC-4.0 is non-commercial"),
        (plan(teacher="deepseek-v4-pro"), "the terms of deepseek-v4-pro-0813 are unknown"),
        (plan(judge="muse-spark-816b"), "the terms of muse-spark-open-816b-a42b are unknown"),
        (
            plan([], download={"inputs": ["mine.jsonl"]}),
            r"mine\.jsonl: no licence is declared.*\[datasets\.NAME\] license",
        ),
    ],
)
def test_a_plan_that_cannot_be_licensed_is_told_before_anything_is_done(wanted: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=f"{told}.*Nothing was spent"):
        phase0.run(wanted, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_plan_whose_rows_are_free_runs_to_its_end(tmp_path: Path) -> None:
    made = phase0.run(plan(), tmp_path / "run")
    assert made.verification.rows > 0


def test_an_author_that_only_the_rows_name_is_told_before_anybody_is_asked(tmp_path: Path) -> None:
    upstream = tmp_path / "up.jsonl"
    answer = "Because rain falls on the hills, runs down to the valley and gathers there, year after year."
    upstream.write_text(json.dumps({"instruction": "Why are there rivers?", "response": answer, "source": "who-knows"}))
    own = {"files": ["up.jsonl"], "license": "MIT"}
    with pytest.raises(UnfitLicense, match="1 rows of own answered by who-knows: the terms of who-knows are unknown"):
        phase0.run(plan(["own"], datasets={"own": own}, folder=tmp_path), tmp_path / "run")
    assert not (tmp_path / "run/distilled").exists()
    assert not (tmp_path / "run/dataset.jsonl").exists()


def test_rows_are_checked_again_before_they_are_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def counted(path: Path, *, answered: bool) -> LicenseLedger:
        looked.append(path.relative_to(tmp_path).as_posix())
        if path.name == "deduped.jsonl":
            path = written(tmp_path / "other.jsonl", [row(1, "alpaca", "CC-BY-NC-4.0", "alpaca")])
        return ledger_of(path, answered=answered)

    monkeypatch.setattr(steps, "ledger_of", counted)
    with pytest.raises(UnfitLicense, match=r"CC-BY-NC-4\.0 is non-commercial"):
        phase0.run(plan(), tmp_path / "run")
    assert looked == ["run/raw/combined.jsonl", "run/deduped/deduped.jsonl"]
    assert not (tmp_path / "run/dataset.jsonl").exists()


def test_the_doctor_tells_of_licences_where_a_plan_asks_for_them() -> None:
    here = Here({}, phase0.catalog.licenses.licenses().as_of, 10**12)
    found = {one.verdict: one.detail for one in doctor(plan(["alpaca"]), here) if one.who == "licences"}
    assert "CC-BY-NC-4.0 is non-commercial" in found["fail"]
    assert [one.verdict for one in doctor(plan(), here) if one.who == "licences"] == ["ok"]
    assert not [one for one in doctor(plan(publish={}), here) if one.who == "licences"]


# ---- the command ----------------------------------------------------------------------------------------------------


def test_the_command_blocks_and_names_the_rows_origins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(
        tmp_path / "rows.jsonl", [row(1, "alpaca", "CC-BY-NC-4.0", "gpt-4o"), row(2, "gsm8k", "MIT", "gsm8k")]
    )
    assert status_of(["licenses", str(path)]) == 0
    assert "no legal advice" not in capsys.readouterr().err
    assert status_of(["licenses", str(path), "--require-license", "commercial"]) == 1
    out, err = capsys.readouterr()
    assert "not legal advice" in out
    assert err.count("\n") == 1
    assert "1 rows of alpaca answered by gpt-4o: CC-BY-NC-4.0 is non-commercial" in err
    assert "gsm8k" not in err


def test_the_command_prints_the_whole_ledger_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "rows.jsonl", [row(1, "gsm8k", "MIT", "gsm8k")])
    assert status_of(["licenses", str(path), "--json", "--require-license", "commercial"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["commercial_rows"], told["origins"][0]["terms"]) == (1, 1, ["MIT"])


def test_names_from_data_cannot_write_to_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "rows.jsonl", [row(1, "d\x1b[31m", "l\x1b[2J\u202e", "w\x07", "j\x1b]0;x\x07")])
    assert status_of(["licenses", str(path), "--require-license", "commercial"]) == 1
    out, err = capsys.readouterr()
    assert not {"\x1b", "\x07", "\u202e"} & set(out + err)


def test_of_very_many_origins_the_first_are_shown_and_the_others_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "rows.jsonl", [row(at, f"d{at}", None, "w") for at in range(100)])
    assert status_of(["licenses", str(path)]) == 0
    out = capsys.readouterr().out
    assert "… and 60 more; --json has all" in out
    assert out.count("\n") < 100
