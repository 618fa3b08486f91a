"""Plans: strict TOML, where each mistake is named before anything is spent."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from phase0.errors import PlanError
from phase0.plan import Plan, load_plan, plan_from

SMALL = """\
name = "small"

[download]
inputs = ["x.jsonl"]
"""
PLANS = Path(__file__).parent.parent / "plans"


def load(folder: Path, text: str, *settings: str) -> Plan:
    path = folder / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return load_plan(path, settings)


def refused(folder: Path, text: str, *settings: str) -> str:
    """What a plan is refused with, less the name of its file."""
    with pytest.raises(PlanError) as caught:
        load(folder, text, *settings)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(str(folder / "plan.toml"))


def test_a_plan_needs_a_name_and_something_to_read(tmp_path: Path) -> None:
    plan = load(tmp_path, SMALL)
    assert (plan.name, plan.download.inputs, plan.folder) == ("small", ("x.jsonl",), str(tmp_path.resolve()))
    assert plan.distill.mix == {"original": Decimal(100)}
    assert (plan.score.model, plan.score.threshold) == ("local", 7.0)
    assert (plan.dedup.threshold, plan.dedup.shingle, plan.dedup.on) == (Decimal("0.8"), 5, "both")
    assert plan.verify.target_rows is None
    assert "name" in refused(tmp_path, '[download]\ninputs = ["x"]\n')
    assert "neither datasets nor inputs" in refused(tmp_path, 'name = "x"\n[download]\n')


@pytest.mark.parametrize("name", ["", " ", "/tmp/x", "a/b", "..", ".hidden", "c:x"])
def test_a_name_that_leads_out_of_the_folder_of_runs_is_refused(tmp_path: Path, name: str) -> None:
    assert f"name is {name!r}" in refused(tmp_path, f'name = "{name}"\n[download]\ninputs = ["x"]\n')


@pytest.mark.parametrize("path", sorted(PLANS.glob("*.toml")), ids=lambda path: path.name)
def test_the_plans_that_ship_are_valid(path: Path) -> None:
    plan = load_plan(path)
    assert sum(plan.distill.mix.values()) == 100
    assert plan.folder == str(path.parent.resolve())


def test_shares_are_exact_decimals(tmp_path: Path) -> None:
    plan = load(tmp_path, SMALL + "[distill.mix]\na = 33.3\nb = 33.3\nc = 33.4\n")
    assert plan.distill.mix == {"a": Decimal("33.3"), "b": Decimal("33.3"), "c": Decimal("33.4")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SMALL + "[scores]\nthreshold = 7\n", ":5: unknown key 'scores'. Did you mean 'score'?"),
        (SMALL + "[score]\ntreshold = 7\n", ":6: unknown key 'treshold' in [score]. Did you mean 'threshold'?"),
        (SMALL + "limits = 5\n", ":5: unknown key 'limits' in [download]. Did you mean 'limit'?"),
        (SMALL + "score.treshold = 7\n", "unknown key"),
        ('folder = "/"\n' + SMALL, "unknown key 'folder'"),
        (SMALL + '[datasets.mine]\nfiles = ["x"]\nlayot = "alpaca"\n', ":7: unknown key 'layot' in [datasets.mine]."),
    ],
)
def test_an_unknown_key_is_named_with_its_line_and_the_near_miss(tmp_path: Path, text: str, message: str) -> None:
    assert message in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('[score]\nthreshold = "7"', ["score.threshold", "float", "str"]),
        ("[score]\nthreshold = 10", ["score.threshold is 10"]),
        ("[score]\nthreshold = 0.5", ["score.threshold is 0.5"]),
        ('[score]\nmodel = "gpt-4o"\njudges = ["gpt-4o"]', ["a model, gpt-4o, and judges"]),
        ("[score]\nsamples = 0", ["score.samples is 0"]),
        ("[score]\nmin_safety = 11", ["score.min_safety is 11"]),
        ("[score]\nmax_failures = 2", ["score.max_failures is 2"]),
        ("[score.weights]\ncorrectnes = 2", ["'correctnes'", "Did you mean 'correctness'"]),
        ("[dedup]\nthreshold = 0", ["dedup.threshold is 0"]),
        ("[dedup]\nthreshold = 1.1", ["dedup.threshold is 1.1"]),
        ("[dedup]\nshingle = 0", ["dedup.shingle is 0"]),
        ("[dedup]\nshingle = 2.5", ["dedup.shingle", "int"]),
        ('[dedup]\non = "answer"', ["answer"]),
        ("[prompts]\nthreshold = 80", ["prompts.threshold is 80"]),
        ("[prompts]\nshingle = 0", ["prompts.shingle is 0"]),
        ('[distill]\nallocation = "routed"', ["distill.allocation", "routed"]),
        ("[distill.mix]\noriginal = 99", ["distill.mix sums to 99"]),
        ("[distill.mix]\na = 110\nb = -10", ["above 0"]),
        ("[distill.mix]\na = nan", ["distill.mix"]),
        ('[distill]\nmix = "original"', ["distill.mix"]),
        ("[categories]\npoems = 100", ["poems"]),
        ("[categories]\ncode = 50", ["[categories] sums to 50"]),
        ("[verify]\ntarget_rows = true", ["verify.target_rows", "bool"]),
        ("[datasets.mine]\nfiles = []", ["files is empty"]),
        ('[datasets."../mine"]\nfiles = ["x"]', ["'../mine'", "no name"]),
        ('[datasets.combined]\nfiles = ["x"]', ["'combined'", "no name"]),
        ('[datasets.mine]\nfiles = ["x"]\nhub = "no-owner"', ["owner/name"]),
    ],
)
def test_a_value_that_cannot_be_is_named(tmp_path: Path, table: str, words: list[str]) -> None:
    message = refused(tmp_path, SMALL + table + "\n")
    assert all(word in message for word in words), message


@pytest.mark.parametrize("setting", ["budget_usd=-1", "download.limit=0", "rows=0"])
def test_a_setting_is_checked_like_the_file(tmp_path: Path, setting: str) -> None:
    assert setting.partition("=")[0] in refused(tmp_path, SMALL, setting)


def test_settings_take_the_place_of_what_the_file_says(tmp_path: Path) -> None:
    plan = load(
        tmp_path,
        SMALL + "[score]\nthreshold = 6\n",
        "score.threshold=7.5",
        "name=a plain word",
        "download.limit = 10",
        'download.inputs=["y.jsonl", "z.jsonl"]',
        "distill.mix={ original = 100 }",
        "dedup.threshold=0.75",
    )
    assert (plan.score.threshold, plan.name, plan.download.limit) == (7.5, "a plain word", 10)
    assert plan.download.inputs == ("y.jsonl", "z.jsonl")
    assert plan.dedup.threshold == Decimal("0.75")


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("score.threshold", "--set takes key=value"),
        ("=5", "--set takes key=value"),
        ("score.treshold=5", "Did you mean 'threshold'"),
        ("name.x=5", "'name' is a value, not a table"),
        ("score=5", "score"),
    ],
)
def test_a_setting_that_cannot_be_is_named(tmp_path: Path, setting: str, word: str) -> None:
    assert word in refused(tmp_path, SMALL, setting)


def test_a_file_that_is_no_plan_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="there is no such plan"):
        load_plan(tmp_path / "missing.toml")
    with pytest.raises(PlanError, match="cannot be read as a plan"):
        load_plan(tmp_path)
    assert "is not valid TOML" in refused(tmp_path, "name = \n")
    (tmp_path / "plan.toml").write_bytes(b"name = '\xff'\n")
    with pytest.raises(PlanError, match="cannot be read as a plan"):
        load_plan(tmp_path / "plan.toml")


def test_a_plan_can_be_made_of_values(tmp_path: Path) -> None:
    plan = plan_from({"name": "x", "download": {"datasets": ["alpaca"]}}, folder=tmp_path)
    assert (plan.download.datasets, plan.folder) == (("alpaca",), str(tmp_path))
