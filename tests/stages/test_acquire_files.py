"""Bad files are named and the others go on; what was acquired before stays in combined.jsonl, once."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from stagefiles import check_sums, leftovers, rows_of, write
from upstream import GOOD, MESSAGES, alpaca, read_all, take

from phase0.engine.local import Local
from phase0.errors import DataError, UsageError
from phase0.progress import Silent
from phase0.stages.acquire import COMBINED, Upstream, acquire_dataset, combine

# ---- files ----------------------------------------------------------------------------------------------------------


def upstream_files(folder: Path) -> dict[str, str]:
    """Files that cannot be read, and what is said of them."""
    good = b"".join(json.dumps(alpaca(n)).encode() + b"\n" for n in range(2000))
    write(folder / "good.jsonl", *GOOD)
    (folder / "page.jsonl").write_bytes(b"<!DOCTYPE html><html>404</html>")
    (folder / "pointer.jsonl").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    (folder / "empty.jsonl").write_bytes(b"")
    (folder / "blank.jsonl").write_bytes(b"\n\n  \n")
    (folder / "cut.jsonl.gz").write_bytes(gzip.compress(good)[:-40])
    (folder / "text.jsonl").write_bytes(b'{"text": "Once upon a time."}\n' * 20)
    (folder / "odd.jsonl").write_bytes(b'{"foo": 1, "bar": 2}\n' * 20)
    (folder / "broken.json").write_bytes(b'[{"instruction": "a", "output": "b"}, {"instruction": ')
    (folder / "rubbish.jsonl").write_bytes(bytes(range(256)) * 4)
    return {
        "page": "is a web page or XML",
        "pointer": "is a Git LFS pointer",
        "empty": "holds no rows",
        "blank": "holds no rows",
        "cut": "truncated",
        "text": "running text",
        "odd": "No known layout has these fields: foo, bar",
        "broken": "element 2: the file ends inside the array",
        "rubbish": "",
    }


def test_bad_files_among_good_ones_are_named_and_the_others_go_on(tmp_path: Path) -> None:
    expected = upstream_files(tmp_path / "in")
    made = take(tmp_path / "raw", tmp_path / "in")
    told = {Path(item.reason.split(": ")[0]).name.split(".")[0]: item.reason for item in made.rejected}
    assert told.keys() == expected.keys()
    for name, reason in expected.items():
        assert reason in told[name], name
        assert "\n" not in told[name]
        assert str(tmp_path / "in" / name) in told[name]
    assert made.combined.rejected == made.rejected
    assert (tmp_path / "raw" / "good.jsonl").exists()
    for name in ("page", "pointer", "empty", "odd", "rubbish"):
        assert not (tmp_path / "raw" / f"{name}.jsonl").exists()
    for path in (tmp_path / "raw").glob("*.jsonl"):
        check_sums(path)
    assert leftovers(tmp_path / "raw") == []


def test_what_a_file_held_before_the_damage_is_kept_and_told(tmp_path: Path) -> None:
    upstream_files(tmp_path / "in")
    made = take(tmp_path / "raw", tmp_path / "in" / "cut.jsonl.gz", tmp_path / "in" / "broken.json")
    cut, broken = made.datasets
    assert cut.counts.kept > 1000
    assert f"; {cut.counts.kept:,} rows before it are kept" in cut.rejected[0].reason
    assert broken.counts.kept == 1
    assert made.combined.counts.kept == cut.counts.kept + 1


def test_a_damaged_file_of_a_layout_that_is_read_whole_keeps_what_came_before(tmp_path: Path) -> None:
    rows = [
        message | {key: f"{message[key]}{n}" for key in ("message_id", "message_tree_id")}
        for n in range(300)
        for message in MESSAGES[:1]
    ]
    packed = gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    path = tmp_path / "flat.jsonl.gz"
    path.write_bytes(packed[:-20])
    with pytest.raises(DataError, match="truncated"):
        read_all(path, tmp_path / "none.jsonl")  # questions without answers: nothing to keep
    replies = [
        message | {"message_id": f"a{n}", "parent_id": f"q{n}", "message_tree_id": f"q{n}"}
        for n in range(300)
        for message in MESSAGES[1:2]
    ]
    both = [row for pair in zip(rows, replies, strict=True) for row in pair]
    path.write_bytes(gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in both))[:-20])
    manifest = read_all(path, tmp_path / "out.jsonl")
    assert manifest.counts.kept > 200
    assert "rows before it are kept" in manifest.rejected[0].reason
    assert manifest.counts.read >= 2 * manifest.counts.kept


def test_when_no_file_can_be_read_nothing_is_touched(tmp_path: Path) -> None:
    upstream_files(tmp_path / "in")
    take(tmp_path / "raw", tmp_path / "in" / "good.jsonl")
    before = {path: path.read_bytes() for path in (tmp_path / "raw").rglob("*.json*")}
    (tmp_path / "in" / "good.jsonl").write_bytes(b"<html>")
    with pytest.raises(DataError, match="is a web page"):
        take(tmp_path / "raw", tmp_path / "in" / "good.jsonl", tmp_path / "in" / "page.jsonl")
    assert {path: path.read_bytes() for path in (tmp_path / "raw").rglob("*.json*")} == before


def test_a_dataset_whose_new_file_cannot_be_read_keeps_its_old_rows(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one.jsonl", alpaca(1)), write(tmp_path / "two.jsonl", alpaca(2))
    take(tmp_path / "raw", one, two)
    one.write_bytes(b"<html>")
    made = take(tmp_path / "raw", one, two)
    assert [item.path for item in made.rejected] == ["one"]
    assert made.combined.counts.kept == 2


def test_a_file_that_is_not_a_json_array_to_its_end_is_read_up_to_the_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(json.dumps(GOOD).encode()[:-1] + b", {]")
    made = take(tmp_path / "raw", path)
    assert made.datasets[0].counts.kept == 60
    assert "element 61" in made.rejected[0].reason


def containers(folder: Path, rows: Sequence[dict[str, Any]]) -> list[Path]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    table = io.StringIO()
    sheet = csv.DictWriter(table, fieldnames=list(rows[0]))
    sheet.writeheader()
    sheet.writerows(rows)
    with pa.CompressedOutputStream(str(folder / "z.jsonl.zst"), "zstd") as out:
        out.write(lines)
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / "p.parquet")
    files = {
        "a.json": json.dumps(rows).encode(),
        "b.jsonl": b"\xef\xbb\xbf" + lines.replace(b"\n", b"\r\n"),
        "c.csv": table.getvalue().encode(),
        "g.jsonl.gz": gzip.compress(lines),
    }
    for name, body in files.items():
        (folder / name).write_bytes(body)
    return [*(folder / name for name in files), folder / "z.jsonl.zst", folder / "p.parquet"]


def test_every_container_gives_the_same_rows(tmp_path: Path) -> None:
    made = take(tmp_path / "raw", *containers(tmp_path, GOOD))
    texts = {
        manifest.output.path: [
            (row["instruction"], row["response"]) for row in rows_of(tmp_path / "raw" / manifest.output.path)
        ]
        for manifest in made.datasets
    }
    assert len(texts) == 6
    assert all(rows == texts["b.jsonl"] for rows in texts.values())


def test_an_unreadable_file_among_good_ones_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from phase0.stages import digests

    good, secret = write(tmp_path / "good.jsonl", alpaca(1)), write(tmp_path / "secret.jsonl", alpaca(2))
    real = digests.file_digest

    def digest(path: Path, halt: threading.Event) -> str:
        if path.name == "secret.jsonl":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, halt)

    monkeypatch.setattr(digests, "file_digest", digest)
    made = take(tmp_path / "raw", good, secret)
    assert "secret.jsonl: cannot be read (Permission denied)" in made.rejected[0].reason
    assert made.combined.counts.kept == 1


def test_a_file_with_a_name_that_is_no_text_is_rejected_and_the_others_go_on(tmp_path: Path) -> None:
    good = write(tmp_path / "in" / "good.jsonl", alpaca(1))
    Path(os.fsdecode(os.fsencode(str(tmp_path / "in")) + b"/caf\xe9.jsonl")).write_bytes(good.read_bytes())
    made = take(tmp_path / "raw", tmp_path / "in")
    assert made.combined.counts.kept == 1
    assert "not UTF-8" in made.rejected[0].reason


# ---- datasets of several files -------------------------------------------------------------------------------------


def several(folder: Path, count: int) -> list[Upstream]:
    paths = [write(folder / f"{n}.jsonl", *(alpaca(100 * n + k) for k in range(20)), b"{bad") for n in range(count)]
    return [Upstream(path, path.name, "made", layout="alpaca") for path in paths]


def test_workers_change_nothing_but_the_time(tmp_path: Path) -> None:
    files = several(tmp_path / "in", 5)
    results = set()
    for workers in (1, 2, 4):
        output = tmp_path / f"{workers}" / "out.jsonl"
        acquire_dataset(files, output, settings={}, limit=None, engine=Local(workers), progress=Silent())
        check_sums(output)
        results.add((output.read_bytes(), (tmp_path / f"{workers}" / "out.meta" / "dropped.jsonl").read_bytes()))
    assert len(results) == 1


def test_the_sums_of_every_file_close_where_one_of_them_is_damaged(tmp_path: Path) -> None:
    files = several(tmp_path / "in", 3)
    files[1].path.write_bytes(files[1].path.read_bytes() + b'{"instruction": "no')
    gzipped = gzip.compress(files[2].path.read_bytes() * 50)
    files[2].path.write_bytes(gzipped[: len(gzipped) // 2])
    output = tmp_path / "out.jsonl"
    manifest = acquire_dataset(files, output, settings={}, limit=None, engine=Local(1), progress=Silent())
    check_sums(output)
    assert [item.dropped for item in manifest.inputs[:2]] == [1, 2]
    assert [item.path for item in manifest.rejected] == ["2.jsonl"]
    assert [item.note for item in manifest.inputs] == ["alpaca"] * 3


@pytest.mark.parametrize(
    ("limit", "per_file"), [(1, [1, 0, 0]), (20, [20, 0, 0]), (25, [20, 5, 0]), (999, [20, 20, 20])]
)
def test_a_limit_takes_the_first_rows_across_files(tmp_path: Path, limit: int, per_file: list[int]) -> None:
    output = tmp_path / "out.jsonl"
    manifest = acquire_dataset(
        several(tmp_path / "in", 3), output, settings={}, limit=limit, engine=Local(2), progress=Silent()
    )
    assert [item.kept for item in manifest.inputs] == per_file
    check_sums(output)


def test_progress_is_told_row_by_row_where_one_file_is_all_there_is(tmp_path: Path) -> None:
    class Told(Silent):
        seen: list[int] = []

        def advance(self, units: int) -> None:
            self.seen.append(units)

    told = Told()
    files = several(tmp_path / "in", 1)
    acquire_dataset(files, tmp_path / "o.jsonl", settings={}, limit=None, engine=Local(1), progress=told)
    assert sum(told.seen) == 21
    assert max(told.seen) == 1


# ---- combined.jsonl -------------------------------------------------------------------------------------------------


def test_a_dataset_acquired_twice_is_replaced_and_another_is_added(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one.jsonl", *GOOD[:4]), write(tmp_path / "two.jsonl", *GOOD[4:6])
    take(tmp_path / "raw", one)
    take(tmp_path / "raw", two)
    write(one, *GOOD[:3])
    made = take(tmp_path / "raw", one)
    origins = [row["meta"]["origin"]["row"] for row in rows_of(tmp_path / "raw" / COMBINED)]
    assert origins == ["one.jsonl:1", "one.jsonl:2", "one.jsonl:3", "two.jsonl:1", "two.jsonl:2"]
    assert made.combined.figures == {"datasets": ["one", "two"]}
    check_sums(tmp_path / "raw" / COMBINED)


def test_who_deletes_the_combined_file_starts_anew(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one.jsonl", GOOD[0]), write(tmp_path / "two.jsonl", GOOD[1])
    take(tmp_path / "raw", one)
    (tmp_path / "raw" / COMBINED).unlink()
    assert take(tmp_path / "raw", two).combined.figures == {"datasets": ["two"]}


def test_a_combined_dataset_whose_file_is_gone_is_named(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one.jsonl", GOOD[0]), write(tmp_path / "two.jsonl", GOOD[1])
    take(tmp_path / "raw", one)
    (tmp_path / "raw" / "one.jsonl").unlink()
    with pytest.raises(DataError, match=r"one\.jsonl is gone, but .*combined\.jsonl holds its rows"):
        take(tmp_path / "raw", two)


def test_an_old_rejection_is_not_told_again_by_a_call_that_had_none(tmp_path: Path) -> None:
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in GOOD * 30))[:-30])
    good = write(tmp_path / "good.jsonl", GOOD[0])
    assert len(take(tmp_path / "raw", cut).rejected) == 1
    again = take(tmp_path / "raw", good)
    assert again.rejected == ()
    assert len(again.combined.rejected) == 1


def test_combining_counts_rows_and_not_blank_lines(tmp_path: Path) -> None:
    take(tmp_path, write(tmp_path / "in" / "one.jsonl", *GOOD[:2]))
    with (tmp_path / "one.jsonl").open("ab") as file:
        file.write(b"\n\r\n")
    assert combine(tmp_path, ["one"], progress=Silent()).counts.kept == 2
    check_sums(tmp_path / COMBINED)


# ---- names and options ----------------------------------------------------------------------------------------------


def test_files_are_named_by_their_stems_and_by_their_folders_where_those_are_equal(tmp_path: Path) -> None:
    for name in ("a/train.jsonl", "b/train.json.gz", "b/rest.v2.jsonl", "combined.jsonl"):
        body = b"".join(json.dumps(row).encode() + b"\n" for row in GOOD)
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
    made = take(tmp_path / "raw", tmp_path / "in")
    names = sorted(manifest.output.path for manifest in made.datasets)
    assert names == ["a-train.jsonl", "b-train.jsonl", "combined-2.jsonl", "rest.v2.jsonl"]
    assert {row["meta"]["origin"]["dataset"] for row in rows_of(tmp_path / "raw" / COMBINED)} == {
        "a-train",
        "b-train",
        "combined-2",
        "rest.v2",
    }


def test_names_that_are_one_file_on_other_systems_are_told_apart(tmp_path: Path) -> None:
    """macOS and Windows do not tell `Train` from `train`, nor two spellings of one accent."""
    names = ["a/Train.jsonl", "b/train.jsonl", "a/caf\u00e9.jsonl", "b/cafe\u0301.jsonl", "a/COMBINED.jsonl"]
    for name in names:
        write(tmp_path / name, GOOD[0])
    made = take(tmp_path / "raw", *(tmp_path / name for name in names))
    assert [item.output.path for item in made.datasets] == [
        "a-Train.jsonl",
        "b-train.jsonl",
        "a-caf\u00e9.jsonl",
        "b-cafe\u0301.jsonl",
        "COMBINED-2.jsonl",
    ]


def test_a_folder_stands_for_its_data_files_and_for_nothing_else(tmp_path: Path) -> None:
    for name in ("x.jsonl", "sub/y.JSON", "notes.json.md", "README", ".hidden.jsonl", "x.meta/dropped.jsonl", "z.bak"):
        write(tmp_path / "in" / name, GOOD[0])
    assert [item.output.path for item in take(tmp_path / "raw", tmp_path / "in").datasets] == ["y.jsonl", "x.jsonl"]


def test_a_link_is_named_as_it_stands_and_a_file_is_read_once(tmp_path: Path) -> None:
    blob = write(tmp_path / "blobs" / "0123abcd", GOOD[0])
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "train.jsonl").symlink_to(blob)
    made = take(tmp_path / "raw", tmp_path / "in", tmp_path / "in" / "train.jsonl")
    assert [item.output.path for item in made.datasets] == ["train.jsonl"]
    assert made.combined.counts.kept == 1


def test_a_named_layout_is_taken_and_an_unknown_one_suggests_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *GOOD)
    assert take(tmp_path / "raw", path, layout="alpaca").datasets[0].inputs[0].note == "alpaca"
    with pytest.raises(UsageError, match=r"no layout called 'alpacca'\. Did you mean 'alpaca'"):
        take(tmp_path / "raw", path, layout="alpacca")


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(tmp_path: Path, limit: int) -> None:
    with pytest.raises(UsageError, match="must be at least 1"):
        take(tmp_path / "raw", write(tmp_path / "a.jsonl", GOOD[0]), limit=limit)


def test_the_output_is_a_folder_and_not_one_of_the_inputs(tmp_path: Path) -> None:
    path = write(tmp_path / "raw" / "a.jsonl", GOOD[0])
    with pytest.raises(UsageError, match="--output names a folder"):
        take(tmp_path / "raw.jsonl", path)
    with pytest.raises(UsageError, match="both an input and the output"):
        take(tmp_path / "raw", path)
    assert rows_of(path) == [GOOD[0]]


def test_a_folder_without_data_and_a_missing_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty: has no data files in it"):
        take(tmp_path / "raw", tmp_path / "empty")
    with pytest.raises(UsageError, match="gone: there is no such file"):
        take(tmp_path / "raw", tmp_path / "gone")
