"""The card says of a dataset what its numbers say, in the form that the hub reads, and leaves others' words alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from huggingface_hub import DatasetCard
from markdown_it import MarkdownIt

import phase0
from phase0.catalog.datasets import find
from phase0.errors import UsageError
from phase0.licenses import LicenseLedger, planned
from phase0.plan import plan_from
from phase0.progress import Silent
from phase0.report.card import MARK, card, hub_license
from phase0.report.languages import LanguageShare, languages
from phase0.report.numbers import Numbers
from phase0.stages.certificate import Certificate, Contamination, SetChecked

NASTY = 'a|b`c`\n---\n"x": <img src=x onerror=alert(1)>\x1b[31m\u202e\U0001f600'


class Told(Silent):
    def __init__(self) -> None:
        self.warned: list[str] = []

    def warn(self, message: str) -> None:
        self.warned.append(message)


@pytest.fixture(scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card") / "run"
    plan = {"name": "small", "download": {"datasets": ["sample"], "limit": 120}, "score": {"threshold": 5.0}}
    phase0.run(plan_from(plan), folder)
    return folder


@pytest.fixture
def numbers(a_run: Path) -> Numbers:
    return msgspec.json.decode((a_run / "report.json").read_bytes(), type=Numbers)


def header(page: str) -> dict[str, Any]:
    """What the hub reads: YAML between the first two lines of three dashes."""
    first, text, _ = re.split(r"^---$", page, maxsplit=2, flags=re.MULTILINE)
    assert first == ""
    found = yaml.safe_load(text)
    assert isinstance(found, dict)
    return found


def under(page: str, heading: str) -> str:
    return page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_a_run_leaves_its_card_beside_its_report_and_the_command_writes_the_same(a_run: Path, numbers: Numbers) -> None:
    page = (a_run / "README.md").read_text(encoding="utf-8")
    assert page == card(numbers)
    (a_run / "README.md").unlink()
    assert phase0.write_card(a_run) == a_run / "README.md"
    assert (a_run / "README.md").read_text(encoding="utf-8") == page


def test_the_header_names_licence_size_language_and_the_file_of_the_rows(a_run: Path, numbers: Numbers) -> None:
    found = header(card(numbers))
    assert found["license"] == "apache-2.0"
    assert found["language"] == ["en"]
    assert found["size_categories"] == ["n<1K"]
    assert found["task_categories"] == ["text-generation"]
    files = found["configs"][0]["data_files"]
    assert files == [{"split": "train", "path": "dataset.jsonl"}]
    assert (a_run / files[0]["path"]).is_file()
    assert "synthetic" not in found["tags"]


def test_the_hub_s_own_reader_takes_the_header(numbers: Numbers) -> None:
    page = card(hostile(numbers, NASTY))
    assert DatasetCard(page).data.to_dict() == header(page)


@pytest.mark.parametrize(
    ("rows", "size"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (600_000, "100K<n<1M"), (10**7, "n>10M")],
)
def test_sizes_are_the_hub_s_own_words(numbers: Numbers, rows: int, size: str) -> None:
    assert header(card(msgspec.structs.replace(numbers, rows=rows)))["size_categories"] == [size]


def names(*datasets: str, writer: str | None = None) -> LicenseLedger:
    found = planned(find(datasets), [writer])
    return msgspec.structs.replace(found, unknown_rows=sum(one.commercial is None for one in found.origins))


@pytest.mark.parametrize(
    ("ledger", "license_"),
    [
        (names("gsm8k", "anthropic-hh"), "mit"),
        (names("dolly"), "cc-by-sa-3.0"),
        (names("dolly", writer="gpt-oss-120b"), "other"),
        (names("dolly", writer="gpt-4o"), "other"),
        (names("alpaca"), "other"),
        (names("gsm8k", "dolly"), "other"),
        (names("gsm8k", "tulu-3"), "unknown"),
        (names("gsm8k", writer="a-new-model"), "unknown"),
        (names(), "unknown"),
    ],
)
def test_the_header_names_one_licence_only_where_all_rows_are_under_it(ledger: LicenseLedger, license_: str) -> None:
    assert hub_license(ledger)["license"] == license_


def test_answers_of_models_make_a_dataset_synthetic_and_their_duties_are_told(numbers: Numbers) -> None:
    ledger = names("dolly", writer="llama-3.1-405b-instruct")
    page = card(msgspec.structs.replace(numbers, licenses=ledger))
    assert "synthetic" in header(page)["tags"]
    told = under(page, "Sources, licences and terms")
    assert "Say: Built with Llama" in told
    assert "keeps that licence" in told
    assert "not legal advice" in told


def test_the_recipe_is_told_stage_by_stage_with_who_did_it(numbers: Numbers) -> None:
    told = under(card(numbers), "How it was made")
    for stage in numbers.stages:
        assert f"| {stage.stage} |" in told
        assert f"| {stage.rows_in:,} | {stage.kept:,} | {stage.dropped:,} |" in told
    assert "threshold `5.0`" in told
    assert numbers.recipe in told
    assert numbers.digest in told


def test_no_path_of_the_machine_is_told(numbers: Numbers) -> None:
    stages = [
        msgspec.structs.replace(one, settings={**one.settings, "against": ["/home/me/x"]}) for one in numbers.stages
    ]
    page = card(msgspec.structs.replace(numbers, stages=tuple(stages)))
    assert not re.search(r"(?<![\w<])/\w+/\w+", re.sub(r"https://\S+", "", page))


def test_a_certificate_is_told_with_the_digests_of_its_sets(numbers: Numbers) -> None:
    assert "was not checked for questions of evaluation sets" in under(card(numbers), "Known limits")
    checked = SetChecked(name="gsm8k-test", digest="d1ge57", items=1319, unread=0, too_short=2, found=3, rows=4)
    certificate = Certificate(
        ngram=13, share="0.5", variants="0.8", common=10, on="both", normalisation="n", rows=120, contaminated=4,
        by_rule={}, sets=(checked,),
    )  # fmt: skip
    found = msgspec.structs.replace(numbers, contamination=(Contamination(output="o", certificate=certificate),))
    told = under(card(found), "Contamination")
    assert "120 rows were checked against 1 evaluation sets" in told
    assert "| gsm8k-test | `d1ge57` | 1,319 | 3 | 4 |" in told
    assert "was not checked" not in card(found)


def test_what_is_missing_is_a_known_limit_and_no_number(numbers: Numbers) -> None:
    page = card(msgspec.structs.replace(numbers, verification=None, notes=("a manifest is gone",)))
    assert "It was not verified." in page
    assert "Not known: a manifest is gone." in under(page, "Known limits")
    assert "average quality" not in page


def test_a_criterion_that_fails_and_a_rehearsal_stand_at_the_top(numbers: Numbers) -> None:
    checked = numbers.verification
    assert checked is not None
    failed = msgspec.structs.replace(checked.criteria[0], state="fail")
    verification = msgspec.structs.replace(checked, criteria=(failed,))
    page = card(msgspec.structs.replace(numbers, verification=verification, rehearsal=True))
    top = page.partition("\n## ")[0]
    assert f"Criteria that it does not meet: {failed.name}" in top
    assert "A rehearsal" in top


def hostile(found: Numbers, name: str) -> Numbers:
    change: Callable[..., Any] = msgspec.structs.replace
    checked = found.verification
    origins = tuple(
        change(one, dataset=name, license=name, writer=name, judges=(name,), unknown=(name,), notes=(name,))
        for one in found.licenses.origins
    )
    return change(
        found,
        title=name,
        description=name,
        notes=(name,),
        stages=tuple(
            change(one, who=name, settings={"dataset": name, "teacher": [name]}, versions={name: name})
            for one in found.stages
        ),
        licenses=change(found.licenses, origins=origins),
        verification=change(checked, sources=tuple(change(one, source=name) for one in checked.sources)),
    )


def test_names_from_data_stay_where_names_stand(numbers: Numbers) -> None:
    def shape(page: str) -> list[str]:
        body = page.partition("\n---\n")[2]
        tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(body)
        assert not {child.type for token in tokens for child in token.children or []} & {"html_inline", "image"}
        return [token.type for token in tokens]

    nasty, plain = card(hostile(numbers, NASTY)), card(hostile(numbers, "harmless"))
    assert shape(nasty) == shape(plain)
    assert header(nasty).keys() == header(plain).keys()
    assert not {"\x1b", "\u202e"} & set(nasty)


def test_a_card_of_somebody_s_own_is_never_written_over(a_run: Path) -> None:
    page, before = a_run / "README.md", (a_run / "README.md").read_text(encoding="utf-8")
    try:
        page.write_text(before.replace(MARK, "") + "My own words.\n", encoding="utf-8")
        with pytest.raises(UsageError, match="was not written by phase0"):
            phase0.write_card(a_run)
        told = Told()
        phase0.write_report(a_run, progress=told)
        assert page.read_text(encoding="utf-8").endswith("My own words.\n")
        assert any("stays as it is" in line for line in told.warned)
    finally:
        page.write_text(before, encoding="utf-8")


def test_the_card_of_a_file_goes_beside_its_manifest(a_run: Path) -> None:
    assert phase0.write_card(a_run / "dataset.jsonl") == a_run / "dataset.meta/README.md"
    assert header((a_run / "dataset.meta/README.md").read_text(encoding="utf-8"))["pretty_name"] == "dataset.jsonl"


def test_languages_are_read_from_responses_and_what_cannot_be_told_is_told_as_such(tmp_path: Path) -> None:
    english = "The answer is that it is not in the house, and you can see that for yourself."
    german = "Das ist nicht die Antwort, denn der Hund und die Katze sind auch mit dem Kind auf der Wiese."
    korean = "이것은 한국어로 쓰인 문장이며 대답의 예입니다."
    russian = "Это предложение написано по-русски и служит примером."
    rows = [english] * 5 + [german] * 2 + [korean, russian, "7"]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"response": text}) + "\n" for text in rows) + "{broken\n", encoding="utf-8")
    assert languages(path, 11) == tuple(
        LanguageShare(language=name, rows=count, share=count / 11)
        for name, count in (("en", 5), ("de", 2), ("ko", 1), (None, 3))
    )


def test_a_large_file_is_sampled_evenly(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"response": "7"}\n' * 5000)
    assert sum(one.rows for one in languages(path, 5000)) == 1000
