"""What is viewed: the rows of a run, found by words, fields and marks, and read from their own files."""

from __future__ import annotations

import gzip
import json
from itertools import count
from pathlib import Path

import msgspec
import pytest
from hostile import BROKEN
from made import write_records
from viewed import hostile_rows, make_run, rows

import phase0
from phase0.errors import DataError, UsageError
from phase0.view import Catalogue, open_catalogue
from phase0.view.catalogue import Listed
from phase0.view.queries import PAGE, Query, query_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("view") / "run")


@pytest.fixture(scope="module")
def catalogue(folder: Path) -> Catalogue:
    return open_catalogue(folder)


def every(catalogue: Catalogue, query: Query) -> list[Listed]:
    """The rows of all pages."""
    found: list[Listed] = []
    for page in count(1):
        found += catalogue.page(msgspec.structs.replace(query, page=page))
        if len(found) < page * PAGE:
            return found
    raise AssertionError


def said(catalogue: Catalogue, query: Query) -> list[str]:
    """What was asked in the rows that are rows."""
    found = [catalogue.row(listed)[0].fields for listed in every(catalogue, query)]
    return [fields["instruction"] for fields in found if "instruction" in fields]


def test_every_row_of_the_run_is_there_once_as_finished_or_as_dropped(catalogue: Catalogue) -> None:
    found = every(catalogue, Query())
    assert len(found) == catalogue.index.rows == catalogue.counts(Query()).rows == len(rows()) + len(BROKEN)
    asked = said(catalogue, Query(stage="publish")) + said(catalogue, Query(what="dropped"))
    assert set(asked) >= {row["instruction"] for row in rows()}
    assert {listed.stage for listed in found if not listed.dropped} == {"publish"}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("grain", ["Name a grain."]),
        ("Grüße bäck", ["Was ist Brot?"]),
        ("backer", ["Was ist Brot?"]),
        ("食物", ["面包是什么?"]),
        ('grain" OR "bread', []),
        ("!!!", []),
        ("nosuchword", []),
    ],
)
def test_rows_are_found_by_all_their_words(catalogue: Catalogue, words: str, found: list[str]) -> None:
    assert said(catalogue, Query(q=words)) == found
    assert catalogue.counts(Query(q=words)).rows == len(found)


def test_a_row_is_found_by_its_id_and_by_the_first_digits_of_it(catalogue: Catalogue) -> None:
    some = catalogue.page(Query())[2]
    assert some.row_id is not None
    for words in (some.row_id, some.row_id[:8], some.row_id.upper()):
        assert [listed.number for listed in catalogue.page(Query(q=words))] == [some.number]


def test_filters_hold_and_their_counts_are_what_choosing_them_would_find(catalogue: Catalogue) -> None:
    counts = catalogue.counts(Query(what="dropped"))
    assert {"near_duplicate", "invalid_json", "not_utf8", "lone_surrogate"} <= set(counts.by["reason"])
    assert counts.by["what"]["kept"] == catalogue.counts(Query(what="kept")).rows
    for kind in ("stage", "reason", "source", "category"):
        for name, number in counts.by[kind].items():
            chosen = query_of({"what": "dropped", kind: name})
            assert catalogue.counts(chosen).rows == number == len(every(catalogue, chosen))
    assert catalogue.page(query_of({"source": "nobody"})) == []


def test_orders_and_scores(catalogue: Catalogue) -> None:
    best = [listed.score for listed in every(catalogue, Query(order="best"))]
    known = [score for score in best if score is not None]
    assert known == sorted(known, reverse=True)
    assert best[len(known) :] == [None] * (len(best) - len(known))
    assert [listed.score for listed in every(catalogue, Query(order="worst"))][: len(known)] == sorted(known)
    high = catalogue.page(Query(low=known[0]))
    assert high
    assert {listed.score for listed in high} == {known[0]}
    assert said(catalogue, Query(order="longest"))[0] == "Say it at length."


def test_what_an_address_says_wrongly_asks_for_nothing() -> None:
    odd = {"page": "-1", "low": "nan", "high": "x", "order": "rows; DROP TABLE rows", "what": "all", "label": "?"}
    assert query_of(odd) == Query()
    full = Query(q="a b&c", what="kept", source="x/y", low=2.5, order="best", page=3)
    from urllib.parse import parse_qsl

    assert query_of(dict(parse_qsl(full.address()))) == full


def test_duplicates_lead_to_each_other(catalogue: Catalogue) -> None:
    (lost,) = catalogue.page(Query(reason="near_duplicate"))
    (kept,) = catalogue.twins(lost)
    assert kept.row_id == lost.twin
    assert not kept.dropped
    assert [twin.number for twin in catalogue.twins(kept)] == [lost.number]


def test_a_row_tells_its_story(catalogue: Catalogue) -> None:
    (lost,) = catalogue.page(Query(reason="near_duplicate"))
    assert [event.stage for event in catalogue.story(lost)] == ["download", "distill", "score", "dedup"]


def test_an_index_is_made_once_and_again_when_a_file_changes(tmp_path: Path) -> None:
    path = write_records(tmp_path / "rows.jsonl", 3)
    assert open_catalogue(path).index.made
    assert not open_catalogue(path).index.made
    write_records(path, PAGE + 7)
    again = open_catalogue(path)
    assert again.index.made
    assert (again.index.rows, len(again.page(Query())), len(again.page(Query(page=2)))) == (PAGE + 7, PAGE, 7)
    again.places.index_file.write_bytes(b"no database")
    assert open_catalogue(path).index.made
    assert [item.name for item in (tmp_path / ".phase0" / "view").iterdir() if "partial" in item.name] == []


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.json"])
def test_rows_of_other_containers_are_read_like_any(tmp_path: Path, name: str) -> None:
    lines = write_records(tmp_path / "plain.jsonl", 5).read_bytes().splitlines()
    (tmp_path / name).write_bytes(gzip.compress(b"\n".join(lines)) if "gz" in name else b"[%s]" % b",".join(lines))
    catalogue = open_catalogue(tmp_path / name)
    assert said(catalogue, Query()) == [f"Count to {number}." for number in range(5)]
    with pytest.raises(UsageError, match="only rows that phase0 made have a story"):
        catalogue.story(catalogue.page(Query())[0])


def test_damaged_and_foreign_rows_are_shown_for_what_they_are(tmp_path: Path) -> None:
    lines = [b'{"question": "What?", "id": "\\ud800x"}', b"{broken", b"[1, 2]", b'"only text"', b"\xff\xfe"]
    (tmp_path / "odd.jsonl").write_bytes(b"\n".join(lines))
    catalogue = open_catalogue(tmp_path / "odd.jsonl")
    listed = catalogue.page(Query())
    assert len(listed) == 5
    assert [one.reason for one in listed].count("unreadable") >= 2
    with pytest.raises(UsageError, match="nothing to mark"):
        catalogue.mark(listed[0], "good")


def test_marks_are_kept_as_lines_of_which_the_last_counts(folder: Path) -> None:
    catalogue = open_catalogue(folder)
    bread, grain = (next(iter(catalogue.page(Query(q=word)))) for word in ("yes", "grain"))
    catalogue.mark(bread, "bad")
    with catalogue.places.labels.open("ab") as file:
        file.write(b'{"id": "torn')  # what a stopped writer left
    catalogue.mark(bread, "good")
    catalogue.mark(grain, "good")
    catalogue.mark(grain, "bad")
    assert catalogue.marked() == {"good": 1, "bad": 1}
    for seen in (catalogue, open_catalogue(folder)):
        assert [listed.number for listed in seen.page(Query(label="good"))] == [bread.number]
        assert seen.counts(Query(label="any")).rows == len(seen.page(Query(label="any"))) == 2
        assert seen.counts(Query(label="none")).rows == seen.index.rows - 2
    assert [
        json.loads(line)["label"] for line in catalogue.places.labels.read_bytes().splitlines() if line[-1:] == b"}"
    ] == [
        "bad",
        "good",
        "good",
        "bad",
    ]
    (found,) = phase0.calibrate([catalogue.places.labels], bootstrap=10)
    assert found.pairs == 1
    assert found.pairwise_accuracy == 1.0
    catalogue.mark(grain, None)
    assert open_catalogue(folder).marked() == {"good": 1}


def test_nothing_to_view_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file or folder"):
        open_catalogue(tmp_path / "gone")
    with pytest.raises(DataError, match="nothing here was made by phase0"):
        open_catalogue(tmp_path)


def test_a_file_that_goes_away_is_told(tmp_path: Path) -> None:
    path = write_records(tmp_path / "rows.jsonl", 3)
    catalogue = open_catalogue(path)
    listed = catalogue.page(Query())[0]
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        catalogue.row(listed)


def test_hostile_rows_are_indexed_whole(catalogue: Catalogue) -> None:
    asked = said(catalogue, Query())
    assert all(row["instruction"] in asked for row in hostile_rows())
