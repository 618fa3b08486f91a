"""Files in, the same lines out: near-duplicates go with their evidence, all else stays byte for byte."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from phase0.dataset import manifest_of
from phase0.dataset.writing import writer
from phase0.errors import UsageError
from phase0.stages import row_files
from phase0.stages.deduplicate import deduplicate

WORDS = [
    "amber",
    "birch",
    "Cedar",
    "délta",
    "日本",
    "ember,",
    "fjord.",
    '"grove"',
    "heath\n",
    "inlet\t",
    "jetty\\",
    "Σας",
    "İstanbul",
    "éa",
    "🙂",
]


def made(draw, count):
    """Rows of which half are copies with a word or two changed."""
    rows = []
    for number in range(count):
        if rows and draw.random() < 0.5:
            row = dict(draw.choice(rows))
            words = (row["response"] or "").split(" ")
            for _ in range(draw.randrange(3)):
                words[draw.randrange(len(words))] = draw.choice(WORDS)
            row["response"] = " ".join(words)
        else:
            text = " ".join(draw.choices(WORDS, k=draw.randint(20, 60)))
            row = {"instruction": " ".join(draw.choices(WORDS, k=4)), "response": text}
        row["source"] = draw.choice(["a", "b", "é"])
        row["quality_score"] = draw.choice([None, 7.1, 8, 9.25])
        row["id"] = f"row-{number}"
        rows.append(row)
    return rows


def spelled(draw, row):
    separators = draw.choice([(",", ":"), (", ", ": ")])
    return json.dumps(row, ensure_ascii=draw.random() < 0.5, separators=separators).encode()


@pytest.fixture
def lines():
    draw = random.Random(7)
    return [spelled(draw, row) for row in made(draw, 600)]


def written(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def outcome(paths, output: Path, **how):
    manifest = deduplicate(paths, output, threshold="0.6", shingle=2, **how)
    dropped = [
        json.loads(line) for line in (output.parent / f"{output.stem}.meta/dropped.jsonl").read_bytes().splitlines()
    ]
    assert manifest.counts.rows_in == manifest.counts.kept + manifest.counts.dropped
    return output.read_bytes(), dropped


def test_output_is_the_same_for_any_number_of_workers_and_blocks(lines, tmp_path, monkeypatch):
    source = written(tmp_path / "in.jsonl", lines)
    kept, dropped = outcome([source], tmp_path / "out.jsonl")
    assert 50 < len(dropped) < 550
    monkeypatch.setattr(row_files, "_BLOCK", 5000)
    monkeypatch.setattr("phase0.stages.dedup_files._WINDOW", 3000)
    for workers in (1, 2, 4):
        assert outcome([source], tmp_path / f"out-{workers}.jsonl", workers=workers) == (kept, dropped)


@pytest.mark.parametrize("shards", [7, 50])
def test_output_is_the_same_for_any_number_of_shards(lines, tmp_path, shards):
    kept, dropped = outcome([written(tmp_path / "in.jsonl", lines)], tmp_path / "out.jsonl")
    folder = tmp_path / "shards"
    folder.mkdir()
    size = -(-len(lines) // shards)
    paths = [written(folder / f"{at:03}.jsonl", lines[at * size : (at + 1) * size]) for at in range(shards)]
    kept_again, dropped_again = outcome([folder], tmp_path / "again.jsonl", workers=2)
    assert kept_again == kept
    assert [row["row"] for row in dropped_again] == [row["row"] for row in dropped]
    for row in dropped_again:
        place = paths[[path.name for path in paths].index(row["file"])].read_bytes().splitlines()
        assert json.loads(place[row["line"] - 1]) == row["row"]


def test_shuffled_input_gives_the_same_lines_with_the_same_evidence(lines, tmp_path):
    lines = list(dict.fromkeys(lines))
    kept, dropped = outcome([written(tmp_path / "in.jsonl", lines)], tmp_path / "out.jsonl")
    said = {row["row"]["id"]: (row["evidence"]["kept_id"], row["evidence"]["shared"]) for row in dropped}
    for seed in range(3):
        shuffled = random.Random(seed).sample(lines, len(lines))
        again, dropped = outcome([written(tmp_path / "again.jsonl", shuffled)], tmp_path / "out2.jsonl")
        assert sorted(again.splitlines()) == sorted(kept.splitlines())
        assert {row["row"]["id"]: (row["evidence"]["kept_id"], row["evidence"]["shared"]) for row in dropped} == said


def test_kept_rows_leave_in_input_order_as_the_bytes_they_came_in(lines, tmp_path):
    kept, dropped = outcome([written(tmp_path / "in.jsonl", lines)], tmp_path / "out.jsonl")
    gone = {row["line"] for row in dropped}
    assert kept.splitlines() == [line for number, line in enumerate(lines, 1) if number not in gone]


def test_evidence_names_the_kept_row_its_place_and_an_exact_jaccard(lines, tmp_path):
    _, dropped = outcome([written(tmp_path / "in.jsonl", lines)], tmp_path / "out.jsonl")
    gone = {row["line"] for row in dropped}
    for row in dropped:
        evidence = row["evidence"]
        kept = json.loads(lines[evidence["kept_line"] - 1])
        assert (kept["id"], evidence["kept_file"], row["reason"]) == (evidence["kept_id"], "in.jsonl", "near_duplicate")
        assert evidence["kept_line"] not in gone
        assert evidence["jaccard"] == round(evidence["shared"] / evidence["union"], 6) >= 0.6
        rank = [(one["quality_score"] or -1, len(one["response"])) for one in (kept, row["row"])]
        assert rank[0] >= rank[1]


@pytest.mark.parametrize("name", ["in.jsonl.gz", "in.jsonl.zst", "in.parquet", "in.json"])
def test_other_layouts_give_the_same_rows_under_their_own_numbers(lines, tmp_path, name):
    rows = [json.dumps(json.loads(line), ensure_ascii=False, separators=(",", ":")).encode() for line in lines]
    kept, dropped = outcome([written(tmp_path / "in.jsonl", rows)], tmp_path / "out.jsonl")
    with writer(tmp_path / name) as file:
        for row in rows:
            file.write(row)
    other, dropped_other = outcome([tmp_path / name], tmp_path / "other.jsonl", workers=2)
    assert [json.loads(row)["id"] for row in other.splitlines()] == [json.loads(row)["id"] for row in kept.splitlines()]
    assert [(row["line"], row["evidence"]["kept_line"]) for row in dropped_other] == [
        (row["line"], row["evidence"]["kept_line"]) for row in dropped
    ]


MESSY = [
    b'\xef\xbb\xbf{"instruction":"one two three","response":"four"}',
    b"",
    b' \t{"response":"FOUR!","instruction":"One, two. Three"} \r',
    b"{",
    b'{"instruction":5,"response":"x"}',
    b'{"instruction":"a","response":"\\ud800"}',
    b'{"instruction":"a","response":"\xff"}',
    b'{"instruct\\u0069on":"one two three","response":"four","quality_score":true}',
    b'{"instruction":"nothing else is like this","response":null,"z":' + b"[" * 99 + b"]" * 99 + b"}",
    b"   ",
    b'{"instruction":"?!","response":""}',
    b'{"instruction":"...","response":null,"quality_score":"8"}',
    b"[1]",
]  # fmt: skip


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("block", [20, 1 << 20])
def test_lines_in_doubt_are_read_strictly_and_only_bad_ones_are_dropped(tmp_path, monkeypatch, block, pack):
    monkeypatch.setattr(row_files, "_BLOCK", block)
    source = tmp_path / ("in.jsonl.gz" if pack else "in.jsonl")
    source.write_bytes(gzip.compress(b"\n".join(MESSY)) if pack else b"\n".join(MESSY))
    manifest = deduplicate([source], tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes().splitlines() == [MESSY[7], MESSY[8], MESSY[10], MESSY[11]]
    dropped = [json.loads(line) for line in (tmp_path / "out.meta/dropped.jsonl").read_bytes().splitlines()]
    assert [(row["line"], row["reason"]) for row in dropped] == [
        *((1, "near_duplicate"), (3, "near_duplicate"), (4, "invalid_json"), (5, "bad_row"), (6, "lone_surrogate")),
        *((7, "not_utf8"), (13, "bad_row")),
    ]
    assert manifest.counts.read == manifest.counts.rows_in == 11
    assert manifest.figures["wordless"] == 2


def test_of_equal_rank_the_greater_line_stays_and_of_equal_lines_the_first(tmp_path):
    row = '{{"instruction":"the same words","response":"in each","source":"{}"}}'
    lines = [row.format(name).encode() for name in ("b", "c", "a", "c")]
    kept, dropped = outcome([written(tmp_path / "in.jsonl", lines)], tmp_path / "out.jsonl")
    assert kept.splitlines() == [lines[1]]
    assert [row["evidence"]["kept_line"] for row in dropped] == [2, 2, 2]


def test_a_source_that_loses_more_than_half_is_named(tmp_path):
    rows = [
        {"instruction": f"text {number // 3} of many words", "response": "r", "source": "weak"} for number in range(9)
    ]
    rows += [{"instruction": f"quite another text {number}", "response": "s", "source": None} for number in range(3)]
    source = written(tmp_path / "in.jsonl", [json.dumps(row).encode() for row in rows])
    figures = deduplicate([source], tmp_path / "out.jsonl").figures
    assert figures["sources_over_half_removed"] == ["weak"]
    assert (figures["before"], figures["removed"], figures["clusters"], figures["exact"]) == (12, 6, 3, True)


FIRST = b'{"instruction":"first","response":null}'


def test_a_line_that_is_too_long_is_dropped_and_those_behind_it_keep_their_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(row_files, "_BLOCK", 64)
    monkeypatch.setattr(row_files, "MAX_ROW", 300)
    lines = [FIRST, b'{"instruction":"' + b"x" * 5000 + b'"}', FIRST, b"{"]
    source = written(tmp_path / "in.jsonl", lines)
    deduplicate([source], tmp_path / "out.jsonl")
    dropped = [json.loads(line) for line in (tmp_path / "out.meta/dropped.jsonl").read_bytes().splitlines()]
    assert [(row["line"], row["reason"]) for row in dropped] == [
        (2, "row_too_long"),
        (3, "near_duplicate"),
        (4, "invalid_json"),
    ]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"{\n"])
def test_files_without_rows_are_no_error(tmp_path, content):
    (tmp_path / "in.jsonl").write_bytes(content)
    manifest = deduplicate([tmp_path / "in.jsonl"], tmp_path / "out.jsonl")
    assert (manifest.counts.kept, (tmp_path / "out.jsonl").read_bytes()) == (0, b"")


def test_an_unknown_field_to_compare_is_refused_before_anything_is_written(tmp_path):
    source = written(tmp_path / "in.jsonl", [b'{"instruction":"a"}'])
    with pytest.raises(UsageError, match="compared on"):
        deduplicate([source], tmp_path / "out.jsonl", on="source")
    assert manifest_of(tmp_path / "out.jsonl") is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl"]


def test_naming_the_stage_loads_no_compiler():
    code = (
        "import sys, phase0.stages.deduplicate, phase0.runs; sys.exit('numba' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("threshold", ["0.5", "0.8"])
def test_the_manifest_names_the_method_and_what_it_may_miss(lines, tmp_path, threshold):
    source = written(tmp_path / "in.jsonl", lines)
    usual = deduplicate([source], tmp_path / "out.jsonl", threshold=threshold)
    assert usual.figures["exact"] == (threshold == "0.8")
    assert "method" not in usual.settings
    asked = deduplicate(
        [source], tmp_path / "other.jsonl", threshold=threshold, method="minhash", clusters="transitive"
    )
    assert (asked.settings["method"], asked.settings["clusters"]) == ("minhash", "transitive")
    assert 0 < asked.figures["missed_share"] <= 0.005
