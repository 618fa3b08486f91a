"""verify: what is valid, what is counted, and when a criterion passes, fails or cannot be known."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.dataset import manifest_of, meta_folder, write_json
from phase0.dataset.reading import record_from
from phase0.errors import DataError, RowError, UsageError
from phase0.records import Meta, Origin, encode, make
from phase0.stages.criteria import telling
from phase0.stages.deduplicate import deduplicate
from phase0.stages.output import stage_output
from phase0.stages.publish import publish
from phase0.stages.score import score
from phase0.stages.statistics import Tally, bucket_of, valid_row
from phase0.stages.verification import Criterion, Verification
from phase0.stages.verify import verify

WORDS = "amber birch cedar delta ember fjord grove heath inlet jetty knoll ledge marsh north oasis plain quarry ridge"


def row(number: int, score: float | None = 8.0, source: str = "teacher-a", **more: object) -> dict[str, object]:
    """A row that shares few words with any other."""
    words = WORDS.split()
    text = " ".join(f"{words[(number * 7 + at * 5) % len(words)]}{number}" for at in range(12))
    return {
        "instruction": f"Describe {text}",
        "response": f"Well, {text}.",
        "source": source,
        "quality_score": score,
    } | more


def lines(path: Path, *rows: object) -> Path:
    body = (item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in rows)
    path.write_text("".join(f"{line}\n" for line in body), encoding="utf-8", newline="")
    return path


def full(number: int, category: str | None = "code") -> str:
    """A full row, as stages hand it on."""
    plain = row(number)
    made = make(
        instruction=str(plain["instruction"]),
        response=str(plain["response"]),
        source="teacher-a",
        quality_score=8.0,
        meta=Meta(origin=Origin(dataset="d", revision=None, row=f"d:{number}"), category=category),
    )
    return encode(made).decode()


def criterion(checked: Verification, name: str) -> Criterion:
    return next(item for item in checked.criteria if item.name == name)


def states(checked: Verification) -> dict[str, str]:
    return {item.name: item.state for item in checked.criteria}


def test_a_clean_foreign_file_passes_what_is_always_checked(tmp_path: Path) -> None:
    checked = verify([lines(tmp_path / "mine.jsonl", *(row(n) for n in range(20)))])
    assert checked.passed
    assert states(checked) == {"format": "pass", "score range": "pass", "duplicates": "pass"}
    assert (checked.rows, checked.valid, checked.faults.rows) == (20, 20, 0)
    assert checked.cost.usd is None
    assert "mine.jsonl has no manifest" in checked.notes[0]


def test_a_verification_goes_to_json_and_back(tmp_path: Path) -> None:
    checked = verify([lines(tmp_path / "x.jsonl", row(1), row(1), "{")], budget_usd="1.50", categories={"code": 100})
    assert msgspec.json.decode(msgspec.json.encode(checked), type=Verification) == checked


def test_every_bad_row_is_named_with_file_line_field_and_reason(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "bad.jsonl",
        row(1),
        "{not json",
        row(2, response=None),
        row(3, response="  "),
        row(4, instruction=" "),
        row(5, source=7),
        row(6, colour="red"),
        {"instruction": "a", "response": "b"},
        "[1, 2]",
    )
    checked = verify([path])
    found = [(fault.line, fault.field, fault.reason) for fault in checked.faults.first]
    assert found == [
        (2, None, "invalid_json"),
        (3, "response", "no_response"),
        (4, "response", "no_response"),
        (5, "instruction", "empty_instruction"),
        (6, "source", "bad_type"),
        (7, "colour", "unknown_field"),
        (8, "source", "missing_field"),
        (9, None, "not_an_object"),
    ]
    assert {fault.file for fault in checked.faults.first} == {str(path)}
    assert checked.faults.reasons["no_response"] == 2
    assert (checked.rows, checked.valid) == (9, 1)
    assert criterion(checked, "format").got == "8 of 9 rows not valid"
    assert not checked.passed


def test_all_bad_rows_are_counted_but_only_twenty_are_shown(tmp_path: Path) -> None:
    checked = verify([lines(tmp_path / "bad.jsonl", row(1), *["{"] * 50)])
    assert checked.faults.rows == 50
    assert len(checked.faults.first) == 20


def test_an_empty_file_is_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    checked = verify([tmp_path / "empty.jsonl"], min_quality=1, min_teachers=1)
    assert criterion(checked, "format").got == "no rows"
    assert states(checked) == {
        "format": "fail",
        "score range": "unknown",
        "duplicates": "unknown",
        "average quality": "unknown",
        "teachers": "unknown",
    }
    assert checked.tokens.response_average is None
    assert not checked.passed


def test_a_file_that_is_no_data_is_an_error_and_not_a_verdict(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(row(1)).encode() * 1000)[:-20])
    with pytest.raises(DataError, match="truncated"):
        verify([path])


def test_scores_out_of_range_fail_the_range_and_not_the_format(tmp_path: Path) -> None:
    checked = verify([lines(tmp_path / "x.jsonl", row(1, 0.5), row(2, 11), row(3, 5))])
    assert states(checked) == {"format": "pass", "score range": "fail", "duplicates": "pass"}
    assert (checked.quality.lowest, checked.quality.highest) == (0.5, 11.0)
    assert criterion(checked, "score range").got == "0.5 to 11, 2 rows outside"
    assert (checked.valid, checked.quality.average) == (1, 5.0)
    assert not checked.passed


def test_the_ends_of_the_scale_are_in_range(tmp_path: Path) -> None:
    assert verify([lines(tmp_path / "x.jsonl", row(1, 1), row(2, 10.0))]).passed


@pytest.mark.parametrize("missing", [{"quality_score": None}, {}])
def test_unscored_rows_are_counted_and_allowed(tmp_path: Path, missing: dict[str, None]) -> None:
    unscored = {key: value for key, value in row(1).items() if key != "quality_score"} | missing
    checked = verify([lines(tmp_path / "x.jsonl", unscored, row(2, 6.0))])
    assert (checked.quality.scored, checked.quality.unscored, checked.quality.average) == (1, 1, 6.0)
    assert checked.passed


def test_rows_that_nobody_scored_fail_an_average_only_when_it_is_asked_for(tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", row(1, None))
    assert verify([path]).passed
    asked = verify([path], min_quality=5)
    assert criterion(asked, "average quality").state == "unknown"
    assert not asked.passed


@pytest.mark.parametrize(
    ("value", "bucket"),
    [
        (10, "9–10 excellent"),
        (9.0, "9–10 excellent"),
        (8.9, "8–9 good"),
        (8.0, "8–9 good"),
        (7.9, "7–8 acceptable"),
        (7.0, "7–8 acceptable"),
        (6.9, "below 7"),
        (1, "below 7"),
    ],
)
def test_a_bucket_holds_its_lower_end_and_not_its_upper(value: float, bucket: str) -> None:
    assert bucket_of(value) == bucket


def test_buckets_and_the_average_count_scored_rows_alone(tmp_path: Path) -> None:
    scores = [7.0, 7.9, 8.0, 9.0, 10, 3.1, None]
    quality = verify([lines(tmp_path / "x.jsonl", *(row(n, value) for n, value in enumerate(scores)))]).quality
    assert [bucket.rows for bucket in quality.buckets] == [2, 1, 2, 1]
    assert [bucket.share for bucket in quality.buckets] == [2 / 6, 1 / 6, 2 / 6, 1 / 6]
    assert quality.average == 7.5


@given(st.permutations([1.1, 2.3, 3.7, 9.9, 8.2, 7.05]))
def test_the_average_does_not_depend_on_the_order_of_rows(scores: list[float]) -> None:
    tally = Tally()
    tally.count([valid_row(json.dumps(row(1, value)).encode()) for value in scores])
    assert tally.quality().average == 32.25 / 6


def test_lengths_are_tokens_of_o200k_and_special_tokens_are_plain_text(tmp_path: Path) -> None:
    rows = [row(1, instruction="hello world", response="<|endoftext|>"), row(2, instruction="hi", response="yes")]
    tokens = verify([lines(tmp_path / "x.jsonl", *rows)]).tokens
    assert tokens.encoding == "o200k_base"
    assert (tokens.instruction_total, tokens.instruction_average) == (3, 1.5)
    assert tokens.response_total > 2  # one token each would mean that the special token was obeyed


def test_tokens_of_many_batches_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lines(tmp_path / "x.jsonl", *(row(n) for n in range(50)))
    whole = verify([path]).tokens
    monkeypatch.setattr("phase0.stages.row_batches.BLOCK", 700)
    assert verify([path]).tokens == whole


def test_sources_are_listed_by_rows_then_by_name(tmp_path: Path) -> None:
    rows = [row(1, source="b"), row(2, source="a"), row(3, source="c"), row(4, source="c")]
    sources = verify([lines(tmp_path / "x.jsonl", *rows)]).sources
    assert [(item.source, item.rows, item.share) for item in sources] == [("c", 2, 0.5), ("a", 1, 0.25), ("b", 1, 0.25)]


def test_categories_are_those_that_the_rows_carry(tmp_path: Path) -> None:
    checked = verify([lines(tmp_path / "x.jsonl", full(1), full(2, "creative"))])
    assert {item.category: item.rows for item in checked.categories if item.rows} == {"code": 1, "creative": 1}
    assert checked.categories_from == {"rows": 2}


def test_categories_of_a_published_file_are_read_beside_it(tmp_path: Path) -> None:
    publish([lines(tmp_path / "in.jsonl", *(full(n, "reasoning") for n in range(5)))], tmp_path / "out.jsonl")
    checked = verify([tmp_path / "out.jsonl"])
    assert checked.categories_from == {"full rows": 5}
    assert {item.category: item.share for item in checked.categories if item.rows} == {"reasoning": 1.0}


def test_a_full_row_that_is_another_row_does_not_lend_its_category(tmp_path: Path) -> None:
    publish([lines(tmp_path / "in.jsonl", *(full(n, "other") for n in range(5)))], tmp_path / "out.jsonl")
    published = (tmp_path / "out.jsonl").read_text().splitlines()
    lines(tmp_path / "out.jsonl", published[0], *published[2:])  # row 2 was cut out by hand
    assert verify([tmp_path / "out.jsonl"]).categories_from == {"full rows": 1, "computed": 3}


def test_rows_without_a_category_are_sorted_by_their_text(tmp_path: Path) -> None:
    rows = [row(1, instruction="Write a Python function that reverses a list."), row(2, instruction="Write a poem.")]
    checked = verify([lines(tmp_path / "x.jsonl", *rows)])
    assert checked.categories_from == {"computed": 2}
    assert sum(item.rows for item in checked.categories) == 2
    assert next(item.rows for item in checked.categories if item.category == "code") == 1


def test_wanted_shares_stand_beside_what_was_got(tmp_path: Path) -> None:
    wanted = {"general": 50, "code": 25, "reasoning": 15, "creative": 6, "other": 4}
    checked = verify([lines(tmp_path / "x.jsonl", full(1))], categories=wanted)
    assert [item.wanted for item in checked.categories] == [0.5, 0.25, 0.15, 0.06, 0.04]
    assert all(item.wanted is None for item in verify([tmp_path / "x.jsonl"]).categories)


def test_remaining_duplicates_are_counted_and_named(tmp_path: Path) -> None:
    rows = [row(n) for n in range(10)]
    checked = verify([lines(tmp_path / "x.jsonl", rows[0], "{", *rows[1:], rows[0])])
    assert (checked.duplicates.pairs, checked.duplicates.rows, checked.duplicates.compared) == (1, 2, 11)
    assert checked.duplicates.rate == 2 / 11
    assert [(pair.first, pair.second) for pair in checked.duplicates.examples] == [("x.jsonl:1", "x.jsonl:12")]
    assert criterion(checked, "duplicates").state == "fail"


def test_duplicates_are_counted_on_the_text_that_was_de_duplicated(tmp_path: Path) -> None:
    path = lines(tmp_path / "d.jsonl", *(row(n, instruction="Say it.", response=f"{n} {n} only") for n in range(3)))
    pairs = {on: verify([path], on=on).duplicates.pairs for on in ("both", "instruction", "response")}
    assert pairs == {"both": 0, "instruction": 3, "response": 0}


def test_duplicates_are_found_across_files(tmp_path: Path) -> None:
    one = lines(tmp_path / "one.jsonl", row(1), row(2))
    two = lines(tmp_path / "two.jsonl", row(3), row(2))
    pair = verify([one, two]).duplicates.examples[0]
    assert (pair.first, pair.second, pair.jaccard) == ("one.jsonl:2", "two.jsonl:2", 1.0)


def test_the_duplicate_rate_must_be_below_its_limit_and_not_at_it(tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", *(row(n) for n in range(9)), row(0))
    assert criterion(verify([path], max_duplicate_rate=0.2), "duplicates").state == "fail"
    assert criterion(verify([path], max_duplicate_rate=0.21), "duplicates").state == "pass"


def test_no_duplicates_at_all_meet_a_limit_of_zero(tmp_path: Path) -> None:
    assert verify([lines(tmp_path / "x.jsonl", row(1), row(2))], max_duplicate_rate=0).passed


def test_a_row_with_a_wrong_score_can_still_be_a_duplicate(tmp_path: Path) -> None:
    assert verify([lines(tmp_path / "x.jsonl", row(1, 99), row(1, 8))]).duplicates.pairs == 1


@pytest.mark.parametrize(("target", "state"), [(3, "pass"), (4, "fail")])
def test_the_target_counts_valid_rows(tmp_path: Path, target: int, state: str) -> None:
    path = lines(tmp_path / "x.jsonl", row(1), row(2), row(3), "{")
    assert criterion(verify([path], target_rows=target), "rows").state == state


@pytest.mark.parametrize(("least", "state"), [(8.0, "pass"), (8.001, "fail")])
def test_the_average_may_be_the_very_limit(tmp_path: Path, least: float, state: str) -> None:
    path = lines(tmp_path / "x.jsonl", row(1, 7.9), row(2, 8.1))
    assert criterion(verify([path], min_quality=least), "average quality").state == state


@pytest.mark.parametrize(("least", "state"), [(2, "pass"), (3, "fail")])
def test_teachers_are_distinct_sources(tmp_path: Path, least: int, state: str) -> None:
    path = lines(tmp_path / "x.jsonl", row(1, source="a"), row(2, source="b"), row(3, source="b"))
    assert criterion(verify([path], min_teachers=least), "teachers").state == state


def test_what_is_not_asked_for_is_not_judged(tmp_path: Path) -> None:
    names = states(verify([lines(tmp_path / "x.jsonl", row(1))], target_rows=1))
    assert list(names) == ["format", "score range", "duplicates", "rows"]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"target_rows": 0}, "at least 1"),
        ({"min_quality": 80}, "from 1 to 10"),
        ({"min_teachers": 0}, "at least 1"),
        ({"max_duplicate_rate": 5}, r"Did you mean 0\.05"),
        ({"budget_usd": "lots"}, "not an amount"),
        ({"budget_usd": "-1"}, "not an amount"),
        ({"budget_usd": "NaN"}, "not an amount"),
        ({"categories": {"coding": 100}}, "Did you mean 'code'"),
        ({"categories": {"code": 50}}, "sum to 50"),
        ({"categories": {"code": 101, "other": -1}}, "101"),
        ({"threshold": "80"}, r"Did you mean 0\.8"),
        ({"shingle": 0}, "Use 1 or more"),
    ],
)
def test_a_limit_that_no_dataset_can_meet_is_refused(tmp_path: Path, limits: dict[str, object], words: str) -> None:
    path = lines(tmp_path / "x.jsonl", row(1))
    with pytest.raises(UsageError, match=words):
        verify([path], **limits)  # type: ignore[arg-type]


# What only manifests can tell


def made(path: Path, stage: str, inputs: list[Path], rows: list[str], cost: str | None = None, **settings: str) -> Path:
    """A file with a manifest, as a stage leaves it."""
    with stage_output(stage, path, inputs, settings) as out:
        for item in rows:
            out.keep(item.encode())
    if cost is not None:
        manifest = manifest_of(path)
        assert manifest is not None
        write_json(meta_folder(path) / "manifest.json", msgspec.structs.replace(manifest, cost_usd=cost))
    return path


def line_of(tmp_path: Path, *, teacher: str = "original", judge: str = "local", **costs: str | None) -> Path:
    """Upstream file → download → distill → score → dedup → publish."""
    rows = [full(n) for n in range(4)]
    upstream = lines(tmp_path / "upstream.jsonl", *rows)
    raw = made(tmp_path / "raw.jsonl", "download", [upstream], rows)
    answered = made(tmp_path / "distilled.jsonl", "distill", [raw], rows, costs.get("distill"), teacher=teacher)
    scored = made(tmp_path / "scored.jsonl", "score", [answered], rows, costs.get("score"), model=judge)
    deduplicate([scored], tmp_path / "deduped.jsonl")
    publish([tmp_path / "deduped.jsonl"], tmp_path / "dataset.jsonl")
    return tmp_path / "dataset.jsonl"


def test_a_line_that_buys_nothing_costs_nothing(tmp_path: Path) -> None:
    checked = verify([line_of(tmp_path)], budget_usd="0")
    assert (checked.cost.usd, checked.notes) == ("0", ())
    assert [stage.stage for stage in checked.cost.stages] == ["download", "distill", "score", "dedup", "publish"]
    assert criterion(checked, "cost").state == "pass"


@pytest.mark.parametrize(("budget", "state"), [("12.75", "pass"), (Decimal("12.74"), "fail"), ("$150", "pass")])
def test_what_stages_paid_is_summed_exactly(tmp_path: Path, budget: str | Decimal, state: str) -> None:
    path = line_of(tmp_path, teacher="gpt-4o", judge="gpt-4o-mini", distill="12.50", score="0.25")
    checked = verify([path], budget_usd=budget)
    assert checked.cost.usd == "12.75"
    assert criterion(checked, "cost").state == state


def test_a_paid_stage_that_does_not_say_what_it_cost_makes_the_sum_unknown(tmp_path: Path) -> None:
    path = line_of(tmp_path, teacher="gpt-4o", judge="gpt-4o-mini", score="0.25")
    assert verify([path]).passed
    checked = verify([path], budget_usd="150")
    assert (checked.cost.usd, checked.cost.known_usd) == (None, "0.25")
    assert criterion(checked, "cost").state == "unknown"
    assert not checked.passed


def test_an_unknown_sum_fails_once_its_known_part_is_over_budget(tmp_path: Path) -> None:
    path = line_of(tmp_path, teacher="gpt-4o", judge="gpt-4o-mini", score="0.25")
    assert criterion(verify([path], budget_usd="0.20"), "cost").state == "fail"


@pytest.mark.parametrize("nonsense", ["NaN", "Infinity", "twelve"])
def test_a_cost_that_is_no_amount_is_unknown(tmp_path: Path, nonsense: str) -> None:
    assert verify([line_of(tmp_path, teacher="gpt-4o", distill=nonsense)]).cost.usd is None


def test_a_missing_manifest_in_the_middle_makes_the_cost_unknown_and_is_named(tmp_path: Path) -> None:
    path = line_of(tmp_path)
    (tmp_path / "scored.meta" / "manifest.json").unlink()
    checked = verify([path], budget_usd="150")
    assert criterion(checked, "cost").state == "unknown"
    assert "scored.jsonl, from which deduped.jsonl was made, has no manifest" in checked.notes[0]
    assert [stage.stage for stage in checked.cost.stages] == ["dedup", "publish"]


def test_a_dataset_edited_by_hand_is_not_what_its_manifest_says(tmp_path: Path) -> None:
    path = line_of(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"8.0", b"9.0"))
    checked = verify([path])
    assert (checked.cost.usd, checked.dedup) == (None, ())
    assert "was changed after its manifest" in checked.notes[0]


def test_a_stage_made_again_no_longer_speaks_for_what_was_made_before(tmp_path: Path) -> None:
    path = line_of(tmp_path)
    made(tmp_path / "scored.jsonl", "score", [tmp_path / "distilled.jsonl"], [full(9)], model="local")
    checked = verify([path])
    assert checked.cost.usd is None
    assert "scored.jsonl is no longer what deduped.jsonl was made from" in checked.notes[0]


def test_a_broken_manifest_is_named_and_does_not_stop_the_check(tmp_path: Path) -> None:
    path = line_of(tmp_path)
    (tmp_path / "dataset.meta" / "manifest.json").write_text("{}")
    checked = verify([path])
    assert checked.valid == 4
    assert "is not a manifest" in checked.notes[0]


def test_what_dedup_removed_is_found_behind_the_dataset(tmp_path: Path) -> None:
    doubled = lines(tmp_path / "in.jsonl", *(full(n) for n in (1, 2, 2, 3)), "{")
    deduplicate([doubled], tmp_path / "deduped.jsonl", threshold="0.9")
    publish([tmp_path / "deduped.jsonl"], tmp_path / "dataset.jsonl")
    (impact,) = verify([tmp_path / "dataset.jsonl"]).dedup
    assert (impact.before, impact.removed, impact.after, impact.threshold) == (4, 1, 3, "0.9")
    assert impact.method


def test_the_real_stages_make_what_verify_accepts(tmp_path: Path) -> None:
    rows = [full(n) for n in range(12)]
    score([lines(tmp_path / "in.jsonl", *rows)], tmp_path / "scored.jsonl", threshold=1)
    deduplicate([tmp_path / "scored.jsonl"], tmp_path / "deduped.jsonl")
    manifest = publish([tmp_path / "deduped.jsonl"], tmp_path / "dataset.jsonl")
    checked = verify([tmp_path / "dataset.jsonl"])
    assert checked.passed
    assert checked.rows == manifest.output.rows > 0
    assert checked.files[0].digest == manifest.output.digest


@pytest.mark.parametrize("ending", [".jsonl.gz", ".jsonl.zst", ".json", ".csv", ".parquet"])
def test_a_dataset_is_verified_in_every_form_it_is_published_in(tmp_path: Path, ending: str) -> None:
    rows = lines(tmp_path / "in.jsonl", *(full(n) for n in range(5)), row(9, None))
    plain = publish([rows], tmp_path / "plain.jsonl")
    publish([rows], tmp_path / f"out{ending}")
    one, other = verify([tmp_path / "plain.jsonl"]), verify([tmp_path / f"out{ending}"])
    assert other.passed
    assert other.rows == plain.output.rows == 6
    for part in ("quality", "tokens", "sources", "categories", "categories_from"):
        assert getattr(other, part) == getattr(one, part)


VALUES = st.one_of(st.none(), st.text(max_size=3), st.integers(-1, 12), st.floats(0, 11), st.booleans(), st.just([]))
TEXT = st.one_of(st.just("some words"), st.just("some words"), VALUES)  # most rows should be wrong in one place at most
ROWS = st.fixed_dictionaries(
    {"instruction": TEXT, "response": TEXT},
    optional={"source": TEXT, "quality_score": VALUES, "system": VALUES, "colour": VALUES},
)


@given(ROWS)
def test_the_short_way_to_a_valid_row_is_as_strict_as_the_long_one(data: dict[str, object]) -> None:
    raw = msgspec.json.encode(data)
    try:
        found: object = valid_row(raw)[:4]
    except RowError as error:
        found = error.reason
    assert found == _slowly(raw)


def _slowly(raw: bytes) -> object:
    try:
        record = record_from(raw, dataset="", row="")
    except RowError as error:
        return error.reason
    if record.response is None or not record.response.strip():
        return "no_response"
    return record.instruction, record.response, record.source, record.quality_score


@given(st.floats(0, 10), st.floats(0, 10))
def test_a_rounded_number_never_contradicts_the_verdict(value: float, limit: float) -> None:
    assert (float(telling(value, limit)) < limit) == (value < limit)


def test_a_number_that_just_misses_its_limit_shows_it() -> None:
    assert telling(7.9996, 8.0) == "7.9996"
    assert telling(8.2, 8.0) == "8.20"
