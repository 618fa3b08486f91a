"""Answers leave one ledger and enter another whole, and nothing enters that is not what it says."""

from __future__ import annotations

import gzip
import json
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bought import answer, answers
from hypothesis import given, settings
from hypothesis import strategies as st

from phase0.errors import DataError, UsageError
from phase0.ledger import Bought, Imported, Ledger


def stored(path: Path, *bought: Bought) -> Path:
    with Ledger(path) as ledger:
        for later in [ledger.store(each) for each in bought]:
            later.result()
    return path


def exported(tmp_path: Path, *bought: Bought, name: str = "replies.jsonl") -> Path:
    with Ledger(stored(tmp_path / "from.sqlite", *bought)) as ledger:
        ledger.export_to(tmp_path / name)
    return tmp_path / name


def changed(path: Path, line: int, **fields: Any) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[line] = json.dumps(json.loads(lines[line]) | fields)
    path.write_text("\n".join(lines), encoding="utf-8")


@given(bought=st.lists(answers, max_size=15), packing=st.sampled_from(["", ".gz", ".zst"]))
@settings(max_examples=25)
def test_what_is_exported_and_imported_is_the_same(bought: list[Bought], packing: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = exported(folder, *bought, name=f"replies.jsonl{packing}")
        keys = [each.key for each in bought]
        with Ledger(folder / "from.sqlite") as source, Ledger(folder / "to.sqlite") as target:
            assert target.import_from(file) == Imported(len(set(keys)), len(set(keys)))
            assert target.find(keys) == source.find(keys)
            assert target.spend("model") == []  # somebody else paid
            target.export_to(folder / f"again.jsonl{packing}")
        assert (folder / f"again.jsonl{packing}").read_bytes() == file.read_bytes()


def test_an_import_says_how_many_were_new(tmp_path: Path) -> None:
    file = exported(tmp_path, *[answer(number) for number in range(2500)])
    with Ledger(stored(tmp_path / "to.sqlite", answer(7), answer(8, raw=b"ours"))) as ledger:
        assert ledger.import_from(file) == Imported(2500, 2498)
        assert ledger.import_from(file) == Imported(2500, 0)
        assert ledger.find([answer(8).key])[answer(8).key].raw == b"ours"
        assert [(each.requests, each.again) for each in ledger.spend("model")] == [(2, 0)]


def test_an_import_clears_failures(tmp_path: Path) -> None:
    file = exported(tmp_path, answer(1))
    with Ledger(tmp_path / "to.sqlite") as ledger:
        ledger.fail(answer(1).key, "timeout", "", "run").result()
        ledger.import_from(file)
        assert ledger.failures() == {}


def test_an_export_writes_answers_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    bought = [answer(number) for number in (5, 3, 9, 1)]
    rows = [json.loads(line) for line in exported(tmp_path, *bought).read_text(encoding="utf-8").splitlines()]
    assert [row["key"] for row in rows] == [each.key for each in bought]
    assert rows[0]["cost"] == "0.000075000000"
    assert rows[0]["body"] == bought[0].raw.decode()


def test_a_body_that_is_no_text_is_exported_all_the_same(tmp_path: Path) -> None:
    (row,) = map(json.loads, exported(tmp_path, answer(1, raw=b"\xff\x00cut")).read_text(encoding="utf-8").splitlines())
    assert "body" not in row
    assert row["body_base64"] == "/wBjdXQ="


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"request": {"model": "gpt-4o", "messages": [], "params": {}, "draw": 0}}, "is not the digest of its request"),
        ({"key": "0" * 32}, "is not the digest of its request"),
        ({"key": None}, "Expected `str`"),
        ({"body": None}, "needs a body or a body_base64"),
        ({"body_base64": "eA=="}, "needs a body or a body_base64"),
        ({"cost": "-1"}, "not a sum of dollars"),
        ({"cost": "NaN"}, "not a sum of dollars"),
        ({"cost": "much"}, "is not an exported reply"),
        ({"cost": "0.0000000000001"}, "at most 6 decimals"),
        ({"cost": 0.1}, "Expected `str | null`"),
        ({"mode": "carrier pigeon"}, "Invalid enum value"),
        ({"api_key": "secret"}, "unknown field"),
        ({"tokens_in": 2**70}, "not a number of tokens"),
        ({"tokens_in": -1}, "not a number of tokens"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_imported(tmp_path: Path, fields: dict[str, Any], told: str) -> None:
    file = exported(tmp_path, *[answer(number) for number in range(1200)])
    changed(file, 1100, **fields)
    with Ledger(tmp_path / "to.sqlite") as ledger:
        with pytest.raises(DataError, match="Nothing was imported") as caught:
            ledger.import_from(file)
        assert str(caught.value).startswith(f"{file}:1101: ")
        assert told in str(caught.value)
        assert ledger.known([answer(number).key for number in range(1200)]) == set()


@pytest.mark.parametrize("line", [b"not json", b"[1]", b"\xff", b'{"a":' * 5000, b"{}"])
def test_a_line_that_is_no_reply_is_named(tmp_path: Path, line: bytes) -> None:
    file = exported(tmp_path, answer(1))
    file.write_bytes(file.read_bytes() + line)
    with Ledger(tmp_path / "to.sqlite") as ledger, pytest.raises(DataError, match=r":2: is not an exported reply"):
        ledger.import_from(file)


def test_a_truncated_file_is_told_and_nothing_is_imported(tmp_path: Path) -> None:
    file = exported(tmp_path, *[answer(number) for number in range(50)], name="replies.jsonl.gz")
    file.write_bytes(file.read_bytes()[:-50])
    with Ledger(tmp_path / "to.sqlite") as ledger:
        with pytest.raises(DataError, match="truncated"):
            ledger.import_from(file)
        assert ledger.known([answer(number).key for number in range(50)]) == set()


def test_a_file_that_another_program_wrote_anew_is_still_taken(tmp_path: Path) -> None:
    file = exported(tmp_path, answer(1), answer(2))
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    body = "\n\n".join(json.dumps(dict(reversed(row.items())), indent=None) for row in rows)
    (tmp_path / "other.gz").write_bytes(gzip.compress(body.encode()))
    with Ledger(tmp_path / "to.sqlite") as ledger:
        assert ledger.import_from(tmp_path / "other.gz") == Imported(2, 2)
        assert ledger.find([answer(1).key]) == {answer(1).key: answer(1)}


def test_an_export_says_which_files_it_can_write(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.sqlite") as ledger, pytest.raises(UsageError, match=r"name the file \.jsonl"):
        ledger.export_to(tmp_path / "replies.parquet")


def test_an_import_of_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.sqlite") as ledger, pytest.raises(DataError, match="there is no such file"):
        ledger.import_from(tmp_path / "replies.jsonl")


def test_money_is_text_in_an_export_so_that_nobody_makes_a_float_of_it(tmp_path: Path) -> None:
    cost = Decimal("123456.000000000001")
    file = exported(tmp_path, answer(1, cost=cost))
    with Ledger(tmp_path / "to.sqlite") as ledger:
        ledger.import_from(file)
        assert ledger.find([answer(1).key])[answer(1).key].cost == cost
