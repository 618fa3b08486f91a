"""Files in, the same lines out: near-duplicates go with their evidence, all else stays byte for byte."""

from __future__ import annotations

import errno
import gzip
import json
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from phase0.dataset import manifest_of
from phase0.dataset.manifest import is_whole
from phase0.dataset.writing import file_digest, writer
from phase0.dedup import exact, memory, near, shelf
from phase0.errors import DataError, UsageError
from phase0.progress import Silent
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
    monkeypatch.setattr("phase0.stages.dedup_writing._WINDOW", 3000)
    monkeypatch.setattr("phase0.stages.row_bytes._NEAR", 300)
    monkeypatch.setattr("phase0.stages.row_bytes._TOGETHER", 3000)
    monkeypatch.setattr("phase0.dedup.decide._CONFIRMED", 16)
    monkeypatch.setattr("phase0.dedup.decide._MOST_AGAIN", 20_000)
    for workers in (1, 2, 4):
        assert outcome([source], tmp_path / f"out-{workers}.jsonl", workers=workers) == (kept, dropped)


def as_line(row, form):
    """A row as its line, or as something that only a strict reader reads, or none can."""
    plain = json.dumps(row).encode()
    spelled = {
        "escaped": plain.replace(b'"id"', b'"\\u0069d"'),
        "bad": plain[:-1],
        "blank": b" \t",
        "crlf": plain + b"\r",
    }
    return spelled.get(form, plain)


@pytest.mark.parametrize("window", [1, 500, 1 << 20])
@pytest.mark.parametrize("ending", [b"\n", b""])
def test_every_row_goes_to_its_place_whatever_stands_between_and_however_files_end(
    tmp_path, monkeypatch, window, ending
):
    """Several files; bad and blank lines, CRLF, rows that are read strictly; ids of any kind."""
    draw = random.Random(window)
    rows, others = made(draw, 160), made(draw, 20)
    rows += [dict(draw.choice(others)) for _ in range(20)]
    for row in rows:
        row["id"] = draw.choice([None, 5, 'é/\\"\u2028', row["id"], row["id"], row["id"]])
    forms = draw.choices(["plain", "escaped", "bad", "blank", "crlf"], [8, 2, 2, 1, 2], k=len(rows))
    lines = [as_line(row, form) for row, form in zip(rows, forms, strict=True)]
    paths = []
    for number, part in enumerate((lines[:50], [], lines[50:51], [b"{", b"["], lines[51:])):
        paths.append(tmp_path / f"{number}.jsonl")
        paths[-1].write_bytes(b"\n".join(part) + (ending if part else b""))
    against = written(tmp_path / "against.jsonl", [json.dumps(row).encode() for row in others] + [b"{"])
    monkeypatch.setattr("phase0.stages.dedup_writing._WINDOW", window)
    kept, dropped = outcome(paths, tmp_path / "out.jsonl", workers=2, against=[against])

    gone = {(row["file"], row["line"]): row for row in dropped}
    assert [(row["file"], row["line"]) for row in dropped] == sorted(gone)
    stay, read = [], {}
    for path in (*paths, against):
        for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
            if line.strip(b" \t\r"):
                read[path.name, number] = line.strip(b" \t\r")
                if path is not against and (path.name, number) not in gone:
                    stay.append(line.strip(b" \t\r") + b"\n")
    assert kept == b"".join(stay)
    assert {row["reason"] for row in dropped} == {"near_duplicate", "invalid_json", "bad_row"}
    assert any(row["evidence"].get("kept_file") == "against.jsonl" for row in dropped)
    for place, row in gone.items():
        raw = read[place]
        if row["reason"] != "near_duplicate":
            assert row["row"] == {"raw": raw.decode()}
            continue
        assert row["row"] == json.loads(raw)
        told = row["evidence"]
        witness = json.loads(read[told["kept_file"], told["kept_line"]])
        assert told["kept_id"] == (witness["id"] if isinstance(witness["id"], str) else None)
        assert told["jaccard"] == round(told["shared"] / told["union"], 6) >= 0.6
    manifest = manifest_of(tmp_path / "out.jsonl")
    assert is_whole(tmp_path / "out.jsonl", manifest)
    assert [item.read for item in manifest.inputs] == [sum(name == path.name for name, _ in read) for path in paths]


def test_reading_tells_how_many_bytes_it_is_of_how_many(lines, tmp_path, monkeypatch):
    heard = []

    class Heard(Silent):
        def start(self, step, total, unit="rows"):
            heard.append([step, total, unit, 0])

        def advance(self, units):
            heard[-1][3] += units

    paths = [written(tmp_path / "a.jsonl", lines[:300]), tmp_path / "b.jsonl.gz", tmp_path / "c.jsonl"]
    paths[1].write_bytes(gzip.compress(b"\n".join(lines[300:])))
    paths[2].write_bytes(b"")
    monkeypatch.setattr(row_files, "_BLOCK", 1000)
    outcome(paths, tmp_path / "out.jsonl", workers=2, progress=Heard())
    packed, plain = paths[1].stat().st_size, sum(map(len, lines[300:])) + len(lines[300:])
    assert heard[:2] == [
        ["lay rows out", packed, "bytes", packed],
        ["read the words", paths[0].stat().st_size + plain, "bytes", paths[0].stat().st_size + plain],
    ]


def test_a_file_that_is_cut_short_before_it_is_written_is_one_clear_line(lines, tmp_path, monkeypatch):
    source = written(tmp_path / "in.jsonl", lines)
    from phase0.stages import dedup_files

    def cut(*arguments):
        source.write_bytes(b"".join(line + b"\n" for line in lines[:300]))
        return write(*arguments)

    write = dedup_files.write
    monkeypatch.setattr(dedup_files, "write", cut)
    with pytest.raises(DataError, match=r"in\.jsonl was cut short while it was being read; run the same again"):
        outcome([source], tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


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
    monkeypatch.setattr("phase0.stages.row_lines.MAX_ROW", 300)
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


def test_rows_like_those_of_another_dataset_go_and_nothing_of_it_is_written(lines, tmp_path):
    others = [*lines[:200], b"{", b"no row"]
    written(tmp_path / "in.jsonl", [*lines[200:], b"[]"])
    written(tmp_path / "old.jsonl", others)
    kept, dropped = outcome([tmp_path / "in.jsonl"], tmp_path / "out.jsonl", against=[tmp_path / "old.jsonl"])
    rows = [row for row in dropped if row["reason"] == "near_duplicate"]
    by_other = [row for row in rows if row["evidence"]["kept_file"] == "old.jsonl"]
    assert 20 < len(by_other) < len(rows)
    for row in by_other:
        assert json.loads(others[row["evidence"]["kept_line"] - 1])["id"] == row["evidence"]["kept_id"]
    assert set(kept.splitlines()) <= set(lines[200:])
    manifest = manifest_of(tmp_path / "out.jsonl")
    assert manifest.figures["against"] == {"rows": 200, "unreadable": 2, "removed": len(by_other)}
    assert (manifest.figures["before"], manifest.figures["removed"]) == (400, len(rows))
    assert (manifest.counts.read, manifest.counts.dropped) == (401, len(rows) + 1)
    assert manifest.settings["against"][0]["path"] == "old.jsonl"
    assert manifest.settings["against"][0]["digest"] == file_digest(tmp_path / "old.jsonl")


def test_what_a_dataset_keeps_against_another_is_what_it_keeps_behind_it(lines, tmp_path):
    """Of both together, in which the other's rows are the best and have no duplicates, the same rows stay."""
    others = outcome([written(tmp_path / "a.jsonl", lines[:300])], tmp_path / "old.jsonl")[0].splitlines()
    own = written(tmp_path / "in.jsonl", lines[300:])
    kept, _ = outcome([own], tmp_path / "out.jsonl", against=[tmp_path / "old.jsonl"])
    ranked = [json.dumps(json.loads(line) | {"quality_score": 99}).encode() for line in others]
    both, _ = outcome([written(tmp_path / "both.jsonl", [*ranked, *lines[300:]])], tmp_path / "all.jsonl")
    assert both.splitlines() == [*ranked, *kept.splitlines()]


def test_a_file_that_is_input_and_compared_with_is_refused(lines, tmp_path):
    source = written(tmp_path / "in.jsonl", lines)
    with pytest.raises(UsageError, match="all of its rows would go"):
        deduplicate([source], tmp_path / "out.jsonl", against=[source])
    with pytest.raises(UsageError, match="both an input and the output"):
        deduplicate([source], tmp_path / "old.jsonl", against=[written(tmp_path / "old.jsonl", lines)])


@pytest.mark.parametrize("how", [{}, {"against": True}, {"method": "minhash"}, {"clusters": "transitive"}])
def test_output_is_the_same_when_keys_are_on_disk_and_joined_in_many_parts(lines, tmp_path, monkeypatch, how):
    source = written(tmp_path / "in.jsonl", lines)
    if "against" in how:
        how = {"against": [written(tmp_path / "old.jsonl", lines[::7])]}
    monkeypatch.setattr(row_files, "_BLOCK", 5000)
    expected = outcome([source], tmp_path / "out.jsonl", **how)
    for name in ("BASE", "ROW"):
        monkeypatch.setattr(memory, name, 0)
    monkeypatch.setattr(near, "BASE", 0)
    monkeypatch.setattr(near, "ROW", 0)
    monkeypatch.setattr(exact, "_ENTRIES_A_PARTITION", 20)
    said, passes, entries = [], [], exact._entries
    monkeypatch.setattr(exact, "_entries", lambda *given, room: passes.append(given[-1]) or entries(*given, room=room))
    progress = SimpleNamespace(
        **dict.fromkeys(("start", "advance", "finish", "warn"), lambda *a: None), say=said.append
    )
    for size in (40_000, 150_000):
        again = outcome([source], tmp_path / f"out{size}.jsonl", max_memory=size, workers=2, progress=progress, **how)
        assert again == expected
    assert "go to" in said[0]
    assert len(passes) > 8 or how.get("method") == "minhash"


def test_too_little_memory_or_disk_is_one_clear_line_and_no_output(lines, tmp_path, monkeypatch):
    source = written(tmp_path / "in.jsonl", lines)
    with pytest.raises(DataError, match=r"need at least \d+ MiB of memory, and 10 MiB are allowed"):
        deduplicate([source], tmp_path / "out.jsonl", max_memory="10MiB")
    for name in ("BASE", "ROW"):
        monkeypatch.setattr(memory, name, 0)
    monkeypatch.setattr(near, "BASE", 0)
    monkeypatch.setattr(memory.shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    with pytest.raises(DataError, match="make room"):
        deduplicate([source], tmp_path / "out.jsonl", max_memory=80_000)
    assert sorted(path.name for path in tmp_path.iterdir()) in (["in.jsonl"], ["in.jsonl", "out.meta"])


def test_a_disk_that_fills_while_keys_are_written_is_one_clear_line_and_no_output(lines, tmp_path, monkeypatch):
    source = written(tmp_path / "in.jsonl", lines)
    for name in ("BASE", "ROW"):
        monkeypatch.setattr(memory, name, 0)
    monkeypatch.setattr(near, "BASE", 0)

    def no_room(file, values):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shelf, "_write", no_room)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\); make room"):
        deduplicate([source], tmp_path / "out.jsonl", max_memory=80_000)
    assert not (tmp_path / "out.jsonl").exists()


def test_memory_that_the_machine_does_not_have_is_one_clear_line(lines, tmp_path, monkeypatch):
    source = written(tmp_path / "in.jsonl", lines)

    def no_more(*given):
        raise MemoryError("Unable to allocate 9 GiB")

    monkeypatch.setattr(exact, "_layout", no_more)
    with pytest.raises(DataError, match="too little memory"):
        deduplicate([source], tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_a_disk_that_fills_while_a_packed_file_is_unpacked_is_one_clear_line(lines, tmp_path, monkeypatch):
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines)))

    def no_room(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(row_files, "raw_rows", no_room)
    with pytest.raises(DataError, match=r"in.jsonl.gz cannot be laid out there \(No space left on device\)"):
        deduplicate([tmp_path / "in.jsonl.gz"], tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_another_dataset_that_changes_meanwhile_is_found_out(lines, tmp_path, monkeypatch):
    source, other = written(tmp_path / "in.jsonl", lines), written(tmp_path / "old.jsonl", lines[:9])
    again = row_files.RowFiles.again
    monkeypatch.setattr(
        row_files.RowFiles, "again", lambda files, rows: written(other, lines[:9]) and again(files, rows)
    )
    with pytest.raises(DataError, match=r"old.jsonl was changed while dedup was reading it"):
        deduplicate([source], tmp_path / "out.jsonl", against=[other])
    assert not (tmp_path / "out.jsonl").exists()
