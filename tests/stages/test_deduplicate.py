"""Of near-duplicates the best row stays, byte for byte, whatever the order; every other row names it."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import record
from stagefiles import check_sums, dropped_of, rows_of, write

from phase0.dataset import manifest_of, meta_folder
from phase0.dedup import remaining, text_of
from phase0.errors import UsageError
from phase0.progress import Silent
from phase0.records import encode
from phase0.stages.deduplicate import deduplicate

WORDS = ["the", "river", "flows", "past", "old", "stones", "while", "seven", "birds", "count", "every", "lamp"]


class Told(Silent):
    def __init__(self) -> None:
        self.warned: list[str] = []

    def warn(self, message: str) -> None:
        self.warned.append(message)


def text(seed: int, length: int = 40) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def row(seed: int, **fields: Any) -> dict[str, Any]:
    return {"instruction": f"Say {seed}.", "response": text(seed), "source": "x", "quality_score": 8.0} | fields


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        (row(1), row(1, quality_score=8.1)),
        (row(1, quality_score=None), row(1, quality_score=1.0)),
        ({k: v for k, v in row(1).items() if k != "quality_score"}, row(1, quality_score=1.0)),
        (row(1, response=text(1) + " "), row(1, response=text(1) + "  ")),
        (row(1, quality_score=8.0, response=text(1) + "     "), row(1, quality_score=8.1)),
        (row(1, source="a"), row(1, source="b")),
        (row(1, quality_score=7.0), row(1, quality_score=7)),
    ],
    ids=["score", "scored", "no score", "length", "score before length", "bytes", "bytes of equal numbers"],
)
def test_the_best_row_stays_then_the_longest_then_the_greatest_bytes(
    tmp_path: Path, worse: dict[str, Any], better: dict[str, Any]
) -> None:
    for order in ([worse, better], [better, worse]):
        deduplicate([write(tmp_path / "in.jsonl", *order)], tmp_path / "out.jsonl")
        assert rows_of(tmp_path / "out.jsonl") == [better]
        assert lines_of(tmp_path / "out.jsonl") == [json.dumps(better).encode()]


def test_kept_rows_are_the_bytes_they_came_in(tmp_path: Path) -> None:
    lines = [
        b'{"response" : "b",   "instruction":"a" , "extra": [1,  2], "source":"x"}',
        json.dumps(row(2) | {"response": ""}).encode(),
        '{"instruction":"é\u2028","response":"日本","source":"x","quality_score":7}'.encode(),
        b'{"instruction":"\\u0041 c d","response":null}',
        b'{"instruction":"scores","response":"of an odd kind","quality_score":"high","source":5,"id":7}',
    ]
    path = write(tmp_path / "in.jsonl", *lines)
    deduplicate([path], tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == path.read_bytes()
    assert check_sums(tmp_path / "out.jsonl").counts.kept == 5


def test_answers_under_another_name_are_not_taken_for_none(tmp_path: Path) -> None:
    """Compared by their instructions alone, two good answers to one question would be duplicates."""
    lines = [json.dumps({"instruction": "Name a colour.", "output": colour}).encode() for colour in ("red", "blue")]
    deduplicate([write(tmp_path / "in.jsonl", *lines)], tmp_path / "out.jsonl")
    assert check_sums(tmp_path / "out.jsonl").counts.reasons == {"bad_row": 2}


def test_line_ends_and_a_byte_order_mark_are_no_part_of_a_row(tmp_path: Path) -> None:
    lines = [json.dumps(row(n)).encode() for n in range(3)]
    (tmp_path / "in.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines))
    deduplicate([tmp_path / "in.jsonl"], tmp_path / "out.jsonl")
    assert lines_of(tmp_path / "out.jsonl") == lines


def test_a_dropped_row_names_the_row_that_stays_and_how_alike_they_are(tmp_path: Path) -> None:
    kept, lost = encode(record(1, response=text(1), quality_score=9.0)), encode(record(1, response=text(1) + " bank"))
    one, two = write(tmp_path / "one.jsonl", encode(record(5)), lost), write(tmp_path / "two.jsonl", b"", kept)
    deduplicate([one, two], tmp_path / "out.jsonl")
    (told,) = dropped_of(tmp_path / "out.jsonl")
    shared, union = told["evidence"]["shared"], told["evidence"]["union"]
    assert (told["reason"], told["file"], told["line"]) == ("near_duplicate", "one.jsonl", 2)
    assert told["row"] == json.loads(lost)
    assert told["evidence"] == {
        "kept_id": json.loads(kept)["id"],
        "kept_file": "two.jsonl",
        "kept_line": 2,
        "jaccard": round(shared / union, 6),
        "shared": shared,
        "union": union,
    }
    assert 0.8 <= shared / union < 1


def test_rows_that_cannot_be_read_are_dropped_with_their_line(tmp_path: Path) -> None:
    path = write(
        tmp_path / "in.jsonl", row(1), b"{broken", b"", b'{"instruction": 5}', b"[]", b'{"response": "x"}', row(2)
    )
    deduplicate([path], tmp_path / "out.jsonl")
    manifest = check_sums(tmp_path / "out.jsonl")
    assert manifest.counts.kept == 2
    assert [(item["line"], item["reason"]) for item in dropped_of(tmp_path / "out.jsonl")] == [
        (2, "invalid_json"),
        (4, "bad_row"),
        (5, "bad_row"),
        (6, "bad_row"),
    ]
    assert manifest.figures["before"] == 2


alike = st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from([None, 1.0, 8.5, 9]))
rows = st.lists(alike, max_size=14).map(
    lambda drawn: [
        json.dumps(row(seed, response=text(seed) + " " + " ".join(WORDS[:more]), quality_score=score)).encode()
        for seed, more, score in drawn
    ]
)


@settings(max_examples=50)
@given(lines=rows, seed=st.integers(0, 99), cut=st.integers(0, 14))
def test_the_same_rows_stay_in_whatever_order_and_files_they_come(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], seed: int, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("dedup")
    straight = write(folder / "in.jsonl", *lines)
    shuffled = random.Random(seed).sample(lines, len(lines))
    parts = [write(folder / "one.jsonl", *shuffled[:cut]), write(folder / "two.jsonl", *shuffled[cut:])]
    deduplicate([straight], folder / "a.jsonl")
    deduplicate(parts, folder / "b.jsonl")
    one, two = lines_of(folder / "a.jsonl"), lines_of(folder / "b.jsonl")
    assert sorted(one) == sorted(two)
    for name in ("a", "b"):
        check_sums(folder / f"{name}.jsonl")
    said = [json.loads(line) for line in one]
    assert remaining([text_of(item["instruction"], item["response"]) for item in said]).pairs == 0
    by_place = {(item.name, n): line for item in (straight, *parts) for n, line in enumerate(lines_of(item), 1)}
    for item in dropped_of(folder / "b.jsonl"):
        evidence = item["evidence"]
        assert evidence["shared"] * 5 >= evidence["union"] * 4
        assert by_place[evidence["kept_file"], evidence["kept_line"]] in two


def test_kept_rows_leave_in_the_order_they_came(tmp_path: Path) -> None:
    order = random.Random(3).sample(range(200), 200)
    path = write(tmp_path / "in.jsonl", *(row(n) for n in order))
    deduplicate([path], tmp_path / "out.jsonl")
    assert [int(item["instruction"][4:-1]) for item in rows_of(tmp_path / "out.jsonl")] == order


def test_workers_change_nothing_but_the_time(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", *(row(n % 150, quality_score=n % 9 + 1) for n in range(300)))
    seen = set()
    for workers in (1, 2, 4):
        output = tmp_path / str(workers) / "out.jsonl"
        deduplicate([path], output, workers=workers)
        seen.add((output.read_bytes(), (meta_folder(output) / "dropped.jsonl").read_bytes()))
    assert len(seen) == 1


def test_compressed_and_columnar_inputs_give_the_rows_of_the_plain_one(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = [row(n % 6, quality_score=float(n % 4 + 1)) for n in range(12)]
    plain = write(tmp_path / "in.jsonl", *made)
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    pq.write_table(pa.Table.from_pylist(made), tmp_path / "in.parquet")
    (tmp_path / "in.json").write_text(json.dumps(made))
    outputs = []
    for number, name in enumerate(("in.jsonl", "in.jsonl.gz", "in.parquet", "in.json")):
        deduplicate([tmp_path / name], tmp_path / f"out{number}.jsonl")
        check_sums(tmp_path / f"out{number}.jsonl")
        outputs.append(rows_of(tmp_path / f"out{number}.jsonl"))
    assert len(outputs[0]) == 6
    assert all(item == outputs[0] for item in outputs)


def test_a_source_that_loses_more_than_half_of_its_rows_is_named(tmp_path: Path) -> None:
    made = [row(1, source="copies"), row(1, source="copies"), row(1, source="copies"), row(2, source="fresh")]
    made += [row(3, source="half", quality_score=9.0), row(3, source="half")]
    told = Told()
    manifest = deduplicate([write(tmp_path / "in.jsonl", *made)], tmp_path / "out.jsonl", progress=told)
    assert manifest.figures["sources_over_half_removed"] == ["copies"]
    assert told.warned == ["more than half of the rows are near-duplicates in: copies"]


def test_what_is_compared_can_be_the_instruction_or_the_response_alone(tmp_path: Path) -> None:
    made = [row(1, instruction=text(50)), row(2, instruction=text(50)), row(1, instruction=text(60))]
    path = write(tmp_path / "in.jsonl", *made)
    kept = {
        on: deduplicate([path], tmp_path / f"{on}.jsonl", on=on).counts.kept
        for on in ("both", "instruction", "response")
    }
    assert kept == {"both": 3, "instruction": 2, "response": 2}


@pytest.mark.parametrize("threshold", ["0", "1.1", "-1", "x", "nan", "inf", ""])
def test_an_impossible_threshold_is_refused_before_anything_is_written(tmp_path: Path, threshold: str) -> None:
    with pytest.raises(UsageError):
        deduplicate([write(tmp_path / "in.jsonl", row(1))], tmp_path / "out.jsonl", threshold=threshold)
    assert not meta_folder(tmp_path / "out.jsonl").exists()


def test_a_threshold_is_the_same_however_it_is_written(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", row(1))
    recipes = {deduplicate([path], tmp_path / "out.jsonl", threshold=given).recipe for given in ("0.8", 0.8, "0.80")}
    assert len(recipes) == 1
    with pytest.raises(UsageError):
        deduplicate([path], tmp_path / "out.jsonl", shingle=0)


def test_the_figures_say_what_was_done(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", row(1), row(1), row(1), row(2), {"instruction": "!?", "response": ""})
    figures = deduplicate([path], tmp_path / "out.jsonl").figures
    assert {key: figures[key] for key in ("before", "removed", "after", "clusters", "wordless", "threshold")} == {
        "before": 5,
        "removed": 2,
        "after": 3,
        "clusters": 1,
        "wordless": 1,
        "threshold": "0.8",
    }
    assert manifest_of(tmp_path / "out.jsonl") is not None


def test_no_rows_at_all_are_no_error(tmp_path: Path) -> None:
    assert deduplicate([write(tmp_path / "in.jsonl")], tmp_path / "out.jsonl").counts.kept == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    ("keep", "stays"),
    [("best", "good"), ("longest", "long"), ("first", "poor")],
)
def test_keep_says_which_of_near_duplicates_stays(tmp_path: Path, keep: Any, stays: str) -> None:
    poor = row(1, source="poor", quality_score=7.1)
    long = row(1, source="long", quality_score=7.2, response=text(1) + "    ")
    good = row(1, source="good", quality_score=9.0)
    manifest = deduplicate([write(tmp_path / "in.jsonl", poor, long, good)], tmp_path / "out.jsonl", keep=keep)
    assert [kept["source"] for kept in rows_of(tmp_path / "out.jsonl")] == [stays]
    assert manifest.settings.get("keep", "best") == keep


@pytest.mark.parametrize("keep", ["best", "longest"])
def test_what_stays_does_not_depend_on_the_order_unless_it_is_asked_to(tmp_path: Path, keep: Any) -> None:
    made = [row(seed // 4, source=f"s{seed}", quality_score=float(seed % 3)) for seed in range(40)]
    outputs = set()
    for seed in range(3):
        random.Random(seed).shuffle(made)
        deduplicate([write(tmp_path / "in.jsonl", *made)], tmp_path / "out.jsonl", keep=keep)
        outputs.add(frozenset(lines_of(tmp_path / "out.jsonl")))
    assert len(outputs) == 1
    deduplicate([write(tmp_path / "in.jsonl", *made)], tmp_path / "out.jsonl", keep="first")
    firsts = {made[i]["response"]: made[i] for i in reversed(range(40))}
    assert rows_of(tmp_path / "out.jsonl") == [one for one in made if firsts[one["response"]] is one]


def test_chains_leave_one_row_only_where_it_is_asked_for(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(60)]
    chain = [row(0, instruction="", response=" ".join(words[start : start + 50])) for start in (0, 5, 10)]
    path = write(tmp_path / "in.jsonl", chain[1] | {"quality_score": 1.0}, chain[0], chain[2])
    kept = {
        clusters: deduplicate([path], tmp_path / "out.jsonl", clusters=clusters).counts.kept
        for clusters in ("greedy", "transitive")
    }
    assert kept == {"greedy": 2, "transitive": 1}


@pytest.mark.parametrize("wrong", [{"keep": "worst"}, {"method": "lsh"}, {"clusters": "all"}])
def test_an_unknown_choice_is_refused_before_anything_is_written(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"best, first, longest|auto, exact, minhash|greedy, transitive"):
        deduplicate([write(tmp_path / "in.jsonl", row(1))], tmp_path / "out.jsonl", **wrong)
    assert not meta_folder(tmp_path / "out.jsonl").exists()


def test_the_alarm_can_be_silenced_and_the_figures_still_tell(tmp_path: Path) -> None:
    told = Told()
    path = write(tmp_path / "in.jsonl", *(row(1, source="copies") for _ in range(3)))
    manifest = deduplicate([path], tmp_path / "out.jsonl", per_source_alarm=False, progress=told)
    assert told.warned == []
    assert manifest.figures["sources_over_half_removed"] == ["copies"]
