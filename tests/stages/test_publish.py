"""The finished dataset has four fields and no others; the full rows stay beside it, one for one."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import record, records, text
from stagefiles import check_sums, dropped_of, rows_of, write

from phase0.dataset import lineage, meta_folder
from phase0.engine.local import Local
from phase0.errors import UsageError
from phase0.records import encode
from phase0.stages.distill import distill
from phase0.stages.publish import publish, publish_distinct
from phase0.stages.score import score

FIELDS = ["instruction", "response", "source", "quality_score"]


def test_a_row_has_the_four_fields_in_their_order_whatever_it_came_with(tmp_path: Path) -> None:
    rows: list[Any] = [
        encode(record(1, quality_score=8.5, system="Be brief.")),
        {"quality_score": 7, "extra": {"a": 1}, "source": "x", "response": "b", "instruction": "a"},
        {"instruction": "a", "response": "b", "source": "x"},
    ]
    path = write(tmp_path / "in.jsonl", *rows)
    manifest = publish([path], tmp_path / "out.jsonl")
    published = rows_of(tmp_path / "out.jsonl")
    assert [list(row) for row in published] == [FIELDS] * 3
    assert [row["quality_score"] for row in published] == [8.5, 7, None]
    full = meta_folder(tmp_path / "out.jsonl") / "full.jsonl"
    assert full.read_bytes() == path.read_bytes()
    assert [(item.path, item.rows) for item in manifest.others] == [("out.meta/full.jsonl", 3)]
    check_sums(tmp_path / "out.jsonl")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"instruction": "a", "response": None, "source": "x"}, "no_response"),
        ({"instruction": "a", "response": " \n", "source": "x"}, "no_response"),
        ({"instruction": "a", "source": "x"}, "missing_field"),
        ({"instruction": "", "response": "b", "source": "x"}, "empty_instruction"),
        ({"instruction": "a", "response": "b", "source": ""}, "no_source"),
        ({"instruction": "a", "response": ["b"], "source": "x"}, "bad_type"),
        ({"instruction": "a", "response": "b", "source": "x", "quality_score": "8"}, "bad_type"),
        ({"instruction": "a", "response": "b", "source": "x", "quality_score": 10.5}, "score_out_of_range"),
        ([1], "not_an_object"),
        (b"{broken", "invalid_json"),
    ],
)
def test_a_row_that_is_not_fit_to_publish_is_dropped_with_its_reason(tmp_path: Path, row: Any, reason: str) -> None:
    good = {"instruction": "a", "response": "b", "source": "x", "quality_score": 8.0}
    publish([write(tmp_path / "in.jsonl", good, row)], tmp_path / "out.jsonl")
    assert check_sums(tmp_path / "out.jsonl").counts.kept == 1
    (lost,) = dropped_of(tmp_path / "out.jsonl")
    assert (lost["reason"], lost["line"]) == (reason, 2)


line = records.map(encode) | st.sampled_from(
    [b"", b"null", b"{", b"[]", b'{"instruction":"a","response":"b","source":"c"}']
)
loose = st.builds(
    lambda i, r, s: json.dumps({"instruction": i, "response": r, "source": s}).encode(), text, text | st.none(), text
)


@settings(max_examples=60)
@given(lines=st.lists(line | loose, max_size=12))
def test_published_and_full_rows_are_the_same_rows_one_for_one(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("publish")
    path = write(folder / "in.jsonl", b'{"instruction":"first","response":"x","source":"y"}', *lines)
    publish([path], folder / "out.jsonl")
    manifest = check_sums(folder / "out.jsonl")
    published, full = rows_of(folder / "out.jsonl"), rows_of(meta_folder(folder / "out.jsonl") / "full.jsonl")
    assert manifest.counts.read == sum(bool(item) for item in lines) + 1
    assert len(published) == len(full)
    for short, long in zip(published, full, strict=True):
        assert list(short) == FIELDS
        assert short["response"].strip()
        assert all(short[field] == long.get(field) for field in FIELDS)


def test_the_columns_of_a_parquet_dataset_are_the_four_fields(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = write(tmp_path / "in.jsonl", encode(record(1, quality_score=8.0)), encode(record(2)))
    publish([path], tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").column_names == FIELDS
    assert len(rows_of(meta_folder(tmp_path / "out.parquet") / "full.jsonl")) == 2


def test_the_full_rows_cannot_be_published_over_themselves(tmp_path: Path) -> None:
    publish([write(tmp_path / "in.jsonl", encode(record(1)))], tmp_path / "out.jsonl")
    full = meta_folder(tmp_path / "out.jsonl") / "full.jsonl"
    with pytest.raises(UsageError, match="both an input and the output"):
        publish([full], tmp_path / "out.jsonl")
    assert len(rows_of(full)) == 1
    check_sums(tmp_path / "out.jsonl")
    assert publish([full], tmp_path / "again.jsonl").counts.kept == 1


def scored(folder: Path) -> Path:
    """Rows that went through distillation and scoring, some of them twice."""
    texts = [f"There are {n} ways to cross the river, and the {n}th of them is by boat at dawn." for n in range(8)]
    rows = [record(n, instruction=f"How does one cross river {n}?", response=texts[n % 8]) for n in range(8)]
    again = [
        record(n, instruction=f"How does one cross river {n}?", response=texts[n], source="other") for n in range(3)
    ]
    raw = write(folder / "raw" / "combined.jsonl", *(encode(item) for item in rows + again))
    distill([raw], folder / "distilled" / "a.jsonl")
    score([folder / "distilled" / "a.jsonl"], folder / "scored" / "all.jsonl", threshold=1, engine=Local(1))
    return folder / "scored" / "all.jsonl"


def test_deduplicating_and_publishing_at_once_leaves_a_chain_of_manifests(tmp_path: Path) -> None:
    output = tmp_path / "public.jsonl"
    made = publish_distinct([scored(tmp_path)], output, workers=1)
    assert (made.deduplicated.counts.rows_in, made.deduplicated.counts.kept) == (11, 8)
    assert made.published.counts.kept == 8
    steps = lineage(output)
    assert [step.manifest.stage for step in steps] == ["distill", "score", "dedup", "publish"]
    for step in steps:
        check_sums(step.path)
    for before, after in pairwise(steps):
        assert [item.digest for item in after.manifest.inputs] == [before.manifest.output.digest]
    assert rows_of(meta_folder(output) / "full.jsonl") == rows_of(meta_folder(output) / "deduped.jsonl")
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["public.jsonl"]


def test_deduplicating_a_file_over_itself_is_refused_and_leaves_it_alone(tmp_path: Path) -> None:
    path = scored(tmp_path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="both an input and the output"):
        publish_distinct([path], path)
    assert path.read_bytes() == before
    assert not (meta_folder(path) / "deduped.jsonl").exists()


def test_a_finished_dataset_is_one_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is a folder, and a finished dataset is one file, such as .*public\.jsonl"):
        publish_distinct([scored(tmp_path)], f"{tmp_path}/public/")
