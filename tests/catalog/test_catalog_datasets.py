"""What the catalogue of datasets promises: strict data, real pins, and names that are found or nearly found."""

from __future__ import annotations

import re
from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.catalog.datasets import Dataset, catalog, datasets, find, parse
from phase0.errors import DataError, UsageError

LAYOUTS = {
    *("standard", "alpaca", "hh", "oasst", "sharegpt", "messages", "question_answer", "prompt_completion"),
    *("preference", "instruction_only", "self_instruct"),
}
SHIPPED = (
    *("alpaca", "alpaca-cleaned", "anthropic-hh", "wizardlm", "wizardlm-v2", "oasst1", "oasst2", "dolly"),
    *("code-alpaca", "slim-orca", "openhermes", "tulu-3", "ultrafeedback", "gsm8k", "helpsteer2", "magpie", "sample"),
)
ENTRIES = [pytest.param(entry, id=name) for name, entry in datasets().items()]
TABLE = """
as_of = 2026-01-31
[mine]
hub = "owner/mine"
files = ["*.jsonl"]
"""


def test_the_catalogue_holds_these_datasets_in_this_order() -> None:
    assert tuple(datasets()) == SHIPPED
    assert catalog().as_of == date(2026, 11, 22)


def test_the_catalogue_is_read_once() -> None:
    assert datasets() is datasets()


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_layout_is_one_that_exists(entry: Dataset) -> None:
    assert entry.layout in LAYOUTS or (entry.builtin and entry.layout == "auto")


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_is_on_the_hub_is_pinned_to_a_commit_or_follows_a_named_branch(entry: Dataset) -> None:
    if entry.hub is None:
        assert entry.builtin
        assert entry.revision is None
    else:
        assert entry.revision is not None
        assert re.fullmatch(r"[0-9a-f]{40}|[a-z][\w./-]{0,30}", entry.revision)


def test_no_two_datasets_share_a_commit() -> None:
    pins = [entry.revision for entry in datasets().values() if entry.revision and len(entry.revision) == 40]
    assert len(pins) == len(set(pins))


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_person_can_decide_by_the_entry(entry: Dataset) -> None:
    assert entry.description
    assert entry.license or entry.license_note
    if entry.hub is not None:
        assert entry.rows
        assert entry.megabytes


def test_all_is_near_the_size_that_the_recipe_starts_from() -> None:
    chosen = find(["all"])
    assert sum(entry.rows or 0 for entry in chosen) == 717_131
    assert {"alpaca", "anthropic-hh", "wizardlm", "oasst1"} <= {entry.name for entry in chosen}
    assert not any(entry.builtin or entry.gated for entry in chosen)


def test_rows_carry_the_model_that_wrote_them_else_the_dataset() -> None:
    known = datasets()
    assert known["alpaca"].source == "text-davinci-003"
    assert known["dolly"].source == "dolly"


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("alpaca", "alpaca"),
        ("openassistant", "oasst1"),
        ("Anthropic/hh-rlhf", "anthropic-hh"),
        ("ANTHROPIC-HH", "anthropic-hh"),
        ("sample", "sample"),
    ],
)
def test_a_dataset_is_found_by_name_alias_or_id(asked: str, got: str) -> None:
    assert [entry.name for entry in find([asked])] == [got]


def test_order_is_kept_and_repeats_fall_away() -> None:
    assert [entry.name for entry in find(["gsm8k", "oasst1", "openassistant", "alpaca", "gsm8k"])] == [
        "gsm8k",
        "oasst1",
        "alpaca",
    ]


def test_all_beside_names_adds_what_is_missing() -> None:
    everything = [entry.name for entry in find(["all"])]
    mixed = [entry.name for entry in find(["tulu-3", "magpie", "all"])]
    assert mixed == ["tulu-3", "magpie", *(name for name in everything if name != "magpie")]


@given(st.lists(st.sampled_from([*SHIPPED, "all", "openassistant", "hh"])))
def test_nothing_is_found_twice_and_nothing_is_lost(names: list[str]) -> None:
    found = [entry.name for entry in find(names)]
    assert len(found) == len(set(found))
    assert {entry.name for name in names for entry in find([name])} == set(found)


@pytest.mark.parametrize(
    ("typed", "meant"), [("alpacca", "alpaca"), ("wizzardlm", "wizardlm"), ("Openasistant", "openassistant")]
)
def test_an_unknown_name_suggests_the_near_miss(typed: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"{typed!r}. Did you mean {meant!r}"):
        find(["alpaca", typed])


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"Known: all, alpaca, .*, sample, mine"):
        find(["qqqqqq"], {"mine": Dataset(files=("a.jsonl",))})


def test_a_plan_adds_files_of_its_own_and_they_take_its_name() -> None:
    (mine,) = find(["mine"], {"mine": Dataset(files=("rows/*.jsonl",))})
    assert (mine.name, mine.source, mine.layout) == ("mine", "mine", "auto")
    assert mine.hub is None
    assert not mine.builtin


def test_a_plan_s_entry_goes_before_one_of_the_catalogue() -> None:
    (alpaca,) = find(["alpaca"], {"alpaca": Dataset(files=("mine.json",))})
    assert alpaca.hub is None
    (oasst,) = find(["openassistant"], {"openassistant": Dataset(files=("mine.json",))})
    assert oasst.name == "openassistant"


def test_a_plan_s_entry_is_not_part_of_all_unless_it_says_so() -> None:
    extra = {"a": Dataset(files=("a",)), "b": Dataset(files=("b",), in_all=True)}
    names = [entry.name for entry in find(["all"], extra)]
    assert "a" not in names
    assert names[-1] == "b"


def test_an_entry_is_read_with_its_name() -> None:
    read = parse(TABLE, where="t.toml")
    assert read.as_of == date(2026, 1, 31)
    assert read.datasets["mine"] == Dataset(name="mine", hub="owner/mine", files=("*.jsonl",))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('licence = "MIT"', r"t.toml: \[mine\] has the unknown key 'licence'. Did you mean 'license'"),
        ('name = "other"', r"\[mine\] has the unknown key 'name'"),
        ('rows = "many"', r"\[mine\] Expected `int.*`, got `str` - at `\$.rows`"),
        ("builtin = true", r"\[mine\] hub and builtin exclude each other"),
        ('aliases = ["all"]', "calls itself 'all'"),
    ],
)
def test_a_wrong_entry_is_named_with_its_key(line: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        parse(TABLE + line, where="t.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("as_of = 2026-01-31\n[x]\nhub = 'a/b'", r"\[x\] Object missing required field `files`"),
        ("as_of = 2026-01-31\n[x]\nfiles = []", r"\[x\] files is empty"),
        ("as_of = 2026-01-31\n[x]\nfiles = ['a']\nhub = 'alone'", "owner/name"),
        ("as_of = 2026-01-31\n[x]\nfiles = ['a']\nrevision = 'main'", "hub is not given"),
        ("as_of = 2026-01-31\nx = 1", "x is a value, not the table of a dataset"),
        ("[x]\nfiles = ['a']", "as_of is None"),
        ("as_of = 'today'", "as_of is 'today'"),
        ("as_of = ", "not valid TOML"),
        (TABLE + "aliases = ['y']\n[y]\nfiles = ['a']", r"\[mine\] calls itself 'y', which is a name of y"),
    ],
)
def test_a_wrong_catalogue_is_refused_with_its_reason(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        parse(text, where="t.toml")


def test_a_plan_can_convert_its_own_table() -> None:
    entry = msgspec.convert({"files": ["a.jsonl"], "layout": "alpaca"}, Dataset)
    assert entry == Dataset(files=("a.jsonl",), layout="alpaca")
    with pytest.raises(msgspec.ValidationError, match="filez"):
        msgspec.convert({"files": ["a.jsonl"], "filez": 1}, Dataset)
