"""The ledger keeps what was bought, as it came, and counts what it cost."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bought import answer, answers, money, request
from hypothesis import given, settings
from hypothesis import strategies as st

from phase0.catalog.prices import Price, Rates, Tier
from phase0.errors import DataError, Phase0Error, UsageError
from phase0.ledger import Batch, Bought, Destination, Ledger, Spend, blocks, schema
from phase0.ledger.entries import dollars, units, units_up
from phase0.records import digest


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / ".phase0" / "ledger.sqlite"


@pytest.fixture
def ledger(place: Path) -> Iterator[Ledger]:
    with Ledger(place, clock=iter(range(1000, 2000)).__next__) as opened:
        yield opened


def store(ledger: Ledger, *bought: Bought) -> list[bool]:
    """Store answers, and wait until they are on the disk."""
    return [each.result() for each in [ledger.store(one) for one in bought]]


def sql(place: Path, statement: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(place, isolation_level=None)) as connection:
        return connection.execute(statement, values).fetchall()


# What was bought.


@given(bought=st.lists(answers, max_size=20))
@settings(max_examples=30)
def test_every_answer_comes_back_as_it_went_in(bought: list[Bought]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with Ledger(Path(folder) / "l.sqlite") as ledger:
            store(ledger, *bought)
        first: dict[str, Bought] = {}
        for each in bought:
            first.setdefault(each.key, each)
        with Ledger(Path(folder) / "l.sqlite") as ledger:
            assert ledger.find([each.key for each in bought]) == first
            assert ledger.known([each.key for each in bought]) == set(first)


def test_answers_of_any_size_come_back(ledger: Ledger) -> None:
    sizes = [0, 1, blocks.FULL - 1, blocks.FULL, 3 * blocks.FULL, 5, 10_000_000]
    bought = [
        answer(number, raw=bytes(range(256)) * (size // 256) + b"x" * (size % 256)) for number, size in enumerate(sizes)
    ]
    store(ledger, *bought)
    found = ledger.find([each.key for each in bought])
    assert [len(found[each.key].raw) for each in bought] == sizes
    assert found == {each.key: each for each in bought}


def test_what_was_not_bought_is_not_found(ledger: Ledger) -> None:
    store(ledger, answer(1))
    missing = [digest(request(number)) for number in range(2, 2500)]
    assert ledger.find([*missing, answer(1).key]) == {answer(1).key: answer(1)}
    assert ledger.known(missing) == set()
    assert ledger.find([]) == {}


def test_answers_are_kept_in_the_words_of_an_event_loop_too(place: Path) -> None:
    async def buy(ledger: Ledger) -> list[bool]:
        return await asyncio.gather(*[ledger.store(answer(number)) for number in range(500)])

    with Ledger(place) as ledger:
        assert asyncio.run(buy(ledger)) == [True] * 500
        assert len(ledger.known([answer(number).key for number in range(500)])) == 500


def test_a_loop_that_gave_up_waiting_does_not_stop_the_others(place: Path) -> None:
    async def give_up(ledger: Ledger) -> None:
        for number in range(50):
            later = ledger.store(answer(number))
            if number % 2:
                later.cancel()

    with Ledger(place) as ledger:
        asyncio.run(give_up(ledger))  # the loop is closed before most of it is written
        cancelled = ledger.store(answer(99))
        cancelled.cancel()
        assert store(ledger, answer(100)) == [True]
        assert len(ledger.known([answer(number).key for number in range(50)])) == 50


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"key": answer(2).key}, "is not the digest of its request"),
        ({"request": b"{}"}, "is not the digest of its request"),
        ({"cost": Decimal("0.0000000000001")}, "at most 6 decimals"),
        ({"cost": Decimal("-0.01")}, "not a sum of dollars"),
        ({"cost": Decimal("Infinity")}, "not a sum of dollars"),
        ({"cost": Decimal("1e6")}, "more than the ledger counts"),
        ({"run": "\udc80"}, "surrogates not allowed"),
        ({"tokens_in": -1}, "tokens_in is -1"),
        ({"tokens_out": 2**63}, "not a number of tokens"),
    ],
)
def test_an_answer_that_is_none_is_refused_before_others_wait_with_it(
    ledger: Ledger, fields: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        ledger.store(answer(1, **fields))
    assert store(ledger, answer(1)) == [True]


def test_a_closed_ledger_takes_nothing(place: Path) -> None:
    ledger = Ledger(place)
    waiting = [ledger.store(answer(number)) for number in range(100)]
    ledger.close()
    assert all(each.result(0) for each in waiting)
    with pytest.raises(UsageError, match="is closed"):
        ledger.store(answer(100))
    ledger.close()


def test_many_threads_store_and_find_at_once(ledger: Ledger) -> None:
    def work(first: int) -> None:
        for number in range(first, first + 40):
            ledger.store(answer(number)).result()
            assert ledger.find([answer(number).key]) == {answer(number).key: answer(number)}

    threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 320, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.known([answer(number).key for number in range(320)])) == 320


# Bought twice.


def test_the_first_answer_stands_and_the_second_is_paid_for(ledger: Ledger) -> None:
    first, second = answer(1), answer(1, raw=b"another", run="second")
    assert store(ledger, first) == [True]
    assert store(ledger, second, second) == [False, False]
    assert ledger.find([first.key]) == {first.key: first}
    assert [(each.name, each.requests, each.again) for each in ledger.spend("run")] == [
        ("second", 2, 2),
        ("first", 1, 0),
    ]
    assert sum(each.cost for each in ledger.spend("run")) == first.cost * 3


def test_two_answers_of_one_commit_are_told_apart(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = answer(1), answer(1, raw=b"another")
    with sqlite3.connect(ledger.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")  # so that the next two wait together behind one that waits for the lock
        waiting = [ledger.store(answer(0)), ledger.store(first), ledger.store(second)]
        other.execute("ROLLBACK")
    other.close()
    assert [each.result() for each in waiting] == [True, True, False]
    assert ledger.find([first.key]) == {first.key: first}


@pytest.mark.parametrize("together", [True, False])
def test_a_batch_that_is_read_again_is_not_paid_for_again(ledger: Ledger, together: bool) -> None:
    lines = [answer(number, mode="batch") for number in range(100)]
    if together:
        store(ledger, *lines, *lines)
    else:
        store(ledger, *lines)
        store(ledger, *lines)
    (spend,) = ledger.spend("model")
    assert (spend.requests, spend.again, spend.cost) == (100, 0, sum(each.cost for each in lines))
    store(ledger, answer(3, mode="batch", raw=b"of another batch"))
    assert ledger.spend("model")[0].again == 1


# What it cost.


@given(cost=money)
def test_money_is_kept_to_the_last_digit(cost: Decimal) -> None:
    assert dollars(units(cost)) == cost


@given(bought=st.lists(answers, max_size=30), by=st.sampled_from(["model", "server", "run", "day"]))
@settings(max_examples=30)
def test_spend_is_the_sum_of_what_was_stored(bought: list[Bought], by: Any) -> None:
    bought = [each._replace(mode="online") for each in bought]
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "l.sqlite") as ledger:
        store(ledger, *bought)
        found = {each.name: each for each in ledger.spend(by)}
    assert sum(each.requests for each in found.values()) == len(bought)
    assert sum(each.cost for each in found.values()) == sum(each.cost or 0 for each in bought)
    if by != "day":
        counts = Counter(getattr(each, by) for each in bought)
        assert {name: each.requests for name, each in found.items()} == counts
        for name, each in found.items():
            mine = [one for one in bought if getattr(one, by) == name]
            assert each.cost == sum(one.cost or 0 for one in mine)
            assert each.unpriced == sum(one.cost is None for one in mine)
            assert each.refused == sum(one.status == "refused" for one in mine)
            assert each.tokens_in == sum(one.tokens_in or 0 for one in mine)
            assert each.tokens_out == sum(one.tokens_out or 0 for one in mine)


def test_spend_is_told_by_day_dearest_first(ledger: Ledger) -> None:
    store(
        ledger,
        answer(1, at=1_763_769_599.0, cost=Decimal("0.1")),
        answer(2, at=1_763_769_600.0, cost=Decimal("0.25")),
        answer(3, at=1_763_856_000.0, cost=None, tokens_in=None),
    )
    assert ledger.spend("day") == [
        Spend("2025-11-22", 1, 0, 0, 0, 10, 2, Decimal("0.25")),
        Spend("2025-11-21", 1, 0, 0, 0, 10, 1, Decimal("0.1")),
        Spend("2025-11-23", 1, 0, 0, 1, 0, 3, Decimal(0)),
    ]


def test_what_a_run_paid_without_knowing_how_much_is_told_as_often_as_it_did(ledger: Ledger) -> None:
    """The second answer to a question was paid for as well, though the first one stands."""
    unknown = {"cost": None, "tokens_out": None}
    for number, fields in ((0, {}), (1, unknown), (1, unknown), (2, unknown | {"run": "second"})):
        ledger.store(answer(number, **fields)).result()  # type: ignore[union-attr]
    assert [each.key for each in ledger.unpriced("first")] == [answer(1).key] * 2
    assert [each.key for each in ledger.unpriced("second")] == [answer(2).key]
    assert not list(ledger.unpriced("third"))


def test_what_a_run_spent_is_known_to_the_cent_and_below(ledger: Ledger) -> None:
    store(ledger, answer(1, cost=Decimal("0.000000000001")), answer(2, cost=Decimal("12.34")), answer(3, run="other"))
    assert ledger.spent("first") == Decimal("12.340000000001")
    assert ledger.spent("nothing") == 0


# What failed.


def test_a_failure_is_noted_until_its_question_is_answered(ledger: Ledger) -> None:
    one, two = answer(1).key, answer(2).key
    ledger.fail(one, "timeout", "no answer in 600 s", "first").result()
    ledger.fail(one, "rate_limit", "half a pair: \ud800", "second").result()
    ledger.fail(two, "server", "500", "first").result()
    assert set(ledger.failures()) == {one, two}
    noted = ledger.failures([one, answer(3).key])
    assert [tuple(each) for each in noted.values()] == [(one, "rate_limit", "half a pair: ?", "second")]
    store(ledger, answer(1))
    assert set(ledger.failures()) == {two}


# Batches.


def test_a_batch_goes_from_intent_to_sent_to_settled(ledger: Ledger) -> None:
    keys = [answer(number).key for number in range(3)]
    ledger.intend("tag-1", "openai", "gpt-4o", keys)
    (batch,) = ledger.open_batches()
    assert (batch.tag, batch.server, batch.model, batch.keys) == ("tag-1", "openai", "gpt-4o", tuple(keys))
    assert (batch.state, batch.batch_id, batch.status, batch.at) == ("intent", None, None, 1000)
    ledger.sent("tag-1", "batch_abc")
    assert ledger.batch("tag-1") == batch._replace(state="sent", batch_id="batch_abc")
    ledger.intend("tag-2", "openai", "gpt-4o", [])
    assert [each.tag for each in ledger.open_batches()] == ["tag-1", "tag-2"]
    ledger.settled("tag-1", "expired")
    assert ledger.batch("tag-1") == batch._replace(state="settled", batch_id="batch_abc", status="expired")
    assert [each.tag for each in ledger.open_batches()] == ["tag-2"]
    assert ledger.batch("tag-3") is None


def test_a_batch_of_50000_keys_keeps_them_all_in_order(ledger: Ledger) -> None:
    keys = [digest(number) for number in range(50_000)]
    ledger.intend("big", "openai", "gpt-4o", keys)
    assert ledger.open_batches()[0].keys == tuple(keys)


def test_a_tag_names_one_batch_and_is_known_before_it_is_sent(ledger: Ledger) -> None:
    ledger.intend("tag", "openai", "gpt-4o", [])
    with pytest.raises(UsageError, match="there is a batch tag already"):
        ledger.intend("tag", "openai", "gpt-4o", [])
    with pytest.raises(UsageError, match="there is no batch other"):
        ledger.sent("other", "id")
    with pytest.raises(UsageError, match="there is no batch other"):
        ledger.settled("other", "completed")


# What may have been paid beyond the answers.


def test_a_stake_is_what_was_noted_last_under_its_name_and_nothing_is_no_stake(place: Path, ledger: Ledger) -> None:
    ledger.stake("a", "r", Decimal("0.5"))
    ledger.stake("b", "r", Decimal("0.000000000001"))
    ledger.stake("c", "another", Decimal(7))
    ledger.stake("a", "r", Decimal("0.25"))
    assert ledger.stakes("r") == {"a": Decimal("0.25"), "b": Decimal("0.000000000001")}
    ledger.stake("a", "r", Decimal(0))
    with Ledger(place) as another:
        assert another.stakes("r") == {"b": Decimal("0.000000000001")}
    assert ledger.spend("run") == []


@given(cost=st.decimals(0, 10**9, allow_nan=False, allow_infinity=False))
def test_what_may_have_been_paid_is_never_rounded_down(cost: Decimal) -> None:
    noted = dollars(units_up(cost))
    assert noted >= min(cost, Decimal(10**6))
    assert noted - cost <= Decimal("1e-12")


def test_a_batch_is_at_stake_from_intent_until_it_is_settled_and_then_what_it_lost(ledger: Ledger) -> None:
    ledger.intend("tag-1", "openai", "gpt-4o", [], "r", cost=Decimal(3))
    ledger.intend("tag-2", "openai", "gpt-4o", [], "r", cost=Decimal(4))
    ledger.intend("tag-3", "openai", "gpt-4o", [], "r")
    ledger.sent("tag-1", "id")
    assert ledger.stakes("r") == {"tag-1": Decimal(3), "tag-2": Decimal(4)}
    ledger.settled("tag-1", "completed")
    ledger.settled("tag-2", "expired", Decimal("0.5"))
    ledger.settled("tag-3", "completed")
    assert ledger.stakes("r") == {"tag-2": Decimal("0.5")}


def test_batches_can_be_noted_on_an_event_loop(place: Path) -> None:
    async def note(ledger: Ledger) -> None:
        ledger.intend("tag", "openai", "gpt-4o", [answer(1).key])
        ledger.sent("tag", "id")

    with Ledger(place) as ledger:
        asyncio.run(note(ledger))
        assert ledger.open_batches()[0].batch_id == "id"


def test_where_a_batch_was_sent_is_kept_with_it(ledger: Ledger) -> None:
    price = Price(Decimal("2.5"), Decimal(10), None, None, "tests", "2026-11-22", (Tier(9, Rates(*[Decimal(1)] * 4)),))
    where = Destination(url="https://host/v1", account="0123abcd", key_env="OPENAI_API_KEY", model_id="m", price=price)
    ledger.intend("tag", "openai", "gpt-4o", [], destination=where)
    (batch,) = ledger.open_batches()
    assert (batch.destination, batch.where) == (where, "host/v1")


def test_a_question_is_in_one_open_batch_at_a_time_and_in_none_once_it_is_answered(ledger: Ledger) -> None:
    keys = [answer(number).key for number in range(4)]
    assert ledger.intend("one", "openai", "gpt-4o", keys[:2])
    assert not ledger.intend("two", "elsewhere", "gpt-4o", keys[1:])
    assert ledger.batch("two") is None
    assert ledger.intend("three", "elsewhere", "gpt-4o", keys[2:])
    ledger.settled("one", "expired")
    store(ledger, answer(0))
    assert not ledger.intend("four", "openai", "gpt-4o", keys[:2])
    assert ledger.intend("five", "openai", "gpt-4o", keys[1:2])


# The file.


OLD_BATCH = """
DROP TABLE stake;
DROP TABLE batch;
CREATE TABLE batch (
    tag TEXT PRIMARY KEY, server TEXT NOT NULL, model TEXT NOT NULL, keys BLOB NOT NULL, state TEXT NOT NULL,
    batch_id TEXT, status TEXT, at REAL NOT NULL, run TEXT NOT NULL
) STRICT;
INSERT INTO batch VALUES ('old', 'openai', 'gpt-4o', x'00112233445566778899aabbccddeeff', 'sent', 'id', NULL, 5, 'r');
PRAGMA user_version = 1;
"""
"""Makes of a ledger what the version before `destination` and stakes would have written."""


def test_a_ledger_of_version_1_is_brought_up_to_date_and_keeps_what_it_holds(place: Path) -> None:
    with Ledger(place) as ledger:
        store(ledger, answer(1), answer(2))
    with closing(sqlite3.connect(place)) as connection:
        connection.executescript(OLD_BATCH)
    old = Batch("old", "openai", "gpt-4o", ("00112233445566778899aabbccddeeff",), "sent", "id", None, 5.0, "r", None)
    for _ in range(2):
        with Ledger(place) as ledger:
            assert ledger.known([answer(1).key, answer(2).key]) == {answer(1).key, answer(2).key}
            assert ledger.batch("old") == old
            assert old.where == "openai"
    assert sql(place, "PRAGMA user_version") == [(2,)]
    with Ledger(place) as ledger:
        assert ledger.intend("new", "openai", "gpt-4o", [answer(3).key], "r", cost=Decimal(1))
        assert ledger.stakes("r") == {"new": Decimal(1)}
        assert [each.tag for each in ledger.open_batches()] == ["old", "new"]


def test_a_ledger_that_two_open_at_once_is_brought_up_to_date_once(place: Path) -> None:
    Ledger(place).close()
    with closing(sqlite3.connect(place)) as connection:
        connection.executescript(OLD_BATCH)
    failed: list[Phase0Error] = []

    def opens() -> None:
        try:
            Ledger(place).close()
        except Phase0Error as error:
            failed.append(error)

    threads = [threading.Thread(target=opens) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sql(place, "PRAGMA user_version") == [(2,)]


def test_a_commit_is_synced_before_it_is_confirmed(place: Path, ledger: Ledger) -> None:
    assert sql(place, "PRAGMA journal_mode") == [("wal",)]
    with closing(schema.connect(place)) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_ledger_of_a_newer_version_is_left_alone(place: Path) -> None:
    Ledger(place).close()
    sql(place, "PRAGMA user_version = 3")
    before = place.read_bytes()
    with pytest.raises(DataError, match=r"newer phase0 \(version 3 of the ledger; this program knows 2\)"):
        Ledger(place)
    assert place.read_bytes() == before


def test_another_database_is_not_taken_for_a_ledger(place: Path) -> None:
    place.parent.mkdir()
    sql(place, "CREATE TABLE accounts (id INTEGER)")
    with pytest.raises(DataError, match="is an SQLite database, but no ledger of phase0"):
        Ledger(place)
    assert sql(place, "SELECT name FROM sqlite_schema") == [("accounts",)]


@pytest.mark.parametrize("content", [b"not a database at all" * 300, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_told_in_one_line(place: Path, content: bytes) -> None:
    place.parent.mkdir()
    place.write_bytes(content)
    with pytest.raises(DataError, match="is damaged") as caught:
        Ledger(place)
    assert "\n" not in str(caught.value)
    assert place.read_bytes() == content


def test_a_folder_in_place_of_the_ledger_is_told_in_one_line(place: Path) -> None:
    place.mkdir(parents=True)
    with pytest.raises(DataError, match="cannot be written"):
        Ledger(place)


def found_or_told(place: Path) -> str:
    with Ledger(place) as ledger, contextlib.suppress(DataError):
        assert ledger.find([answer(1).key]) == {answer(1).key: answer(1)}
        return "found"
    return "told"


@pytest.mark.parametrize("column", ["body", "hash"])
def test_a_reply_that_has_changed_on_disk_is_not_handed_out(place: Path, column: str) -> None:
    with Ledger(place) as ledger:
        store(ledger, answer(1))
    (block,) = sql(place, f"SELECT {column} FROM block")[0]
    told = 0
    for at in range(len(block)):
        changed = bytearray(block)
        changed[at] ^= 0x20
        sql(place, f"UPDATE block SET {column} = ?", bytes(changed))
        told += found_or_told(place) == "told"
    assert told > len(block) // 2  # a few bits mean nothing to the compression
    sql(place, "DELETE FROM block")
    with Ledger(place) as ledger, pytest.raises(DataError, match="1 blocks are missing"):
        ledger.find([answer(1).key])


def test_damage_met_while_writing_is_told_and_the_thread_goes_on(place: Path) -> None:
    with Ledger(place) as ledger:
        store(ledger, answer(1, mode="batch"))
    sql(place, "UPDATE block SET hash = x'00'")
    with Ledger(place) as ledger:
        with pytest.raises(DataError, match="is damaged"):
            store(ledger, answer(1, mode="batch", raw=b"another"))
        assert store(ledger, answer(2)) == [True]


def test_a_full_disk_is_told_in_one_line_and_what_was_confirmed_stays(place: Path) -> None:
    import random

    rng = random.Random(5)
    with Ledger(place) as ledger:
        confirmed = [answer(number) for number in range(50)]
        store(ledger, *confirmed)
        (pages,) = sql(place, "PRAGMA page_count")[0]
        ledger._writer._connection.execute(f"PRAGMA max_page_count = {pages + 20}")
        late = [answer(number, raw=rng.randbytes(9000)) for number in range(100, 130)]
        waiting = [ledger.store(each) for each in late]
        failed = [each for each, later in zip(late, waiting, strict=True) if later.exception()]
        kept = [each for each in late if each not in failed]
        assert failed
        assert all("the disk is full" in str(later.exception()) for later in waiting if later.exception())
        ledger._writer._connection.execute("PRAGMA max_page_count = 4294967294")
        assert store(ledger, answer(200, model="a new name"), *failed) == [True] * (1 + len(failed))
    with Ledger(place) as ledger:
        all_of_them = [*confirmed, *kept, *failed, answer(200, model="a new name")]
        assert ledger.find([each.key for each in all_of_them]) == {each.key: each for each in all_of_them}
    assert sql(place, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of files are POSIX")
def test_a_write_that_fails_in_the_middle_costs_nothing_that_was_confirmed(place: Path) -> None:
    with Ledger(place) as ledger:
        store(ledger, *[answer(number) for number in range(50)])
    code = """
import random, resource, signal, sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from bought import answer
from phase0.ledger import Ledger
rng, kept = random.Random(3), 0
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Ledger(Path(sys.argv[1])) as ledger:
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    for number in range(100, 200):
        error = ledger.store(answer(number, raw=rng.randbytes(9000))).exception()
        if error is None:
            print(number)
    print(error, file=sys.stderr)
"""
    paths = [path for path in sys.path if path]
    done = subprocess.run(
        [sys.executable, "-c", code, place, *paths], capture_output=True, encoding="utf-8", check=True
    )
    confirmed = [int(line) for line in done.stdout.split()]
    assert "reading or writing it failed" in done.stderr
    assert done.stderr.count("\n") == 1
    assert 0 < len(confirmed) < 100
    with Ledger(place) as ledger:
        keys = {answer(number).key for number in [*range(50), *confirmed]}
        assert ledger.known(keys) == keys
        assert len(ledger.find(keys)) == len(keys)
    assert sql(place, "PRAGMA integrity_check") == [("ok",)]


def test_a_lock_that_nobody_gives_back_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "_PATIENCE", 0.05)
    from phase0.errors import BusyError

    with Ledger(place) as ledger, closing(sqlite3.connect(place, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyError, match="another process has kept it locked"):
            store(ledger, answer(1))
        other.execute("ROLLBACK")
        assert store(ledger, answer(1)) == [True]


def test_a_bug_in_the_writer_leaves_nobody_waiting(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    with Ledger(place) as ledger:
        nonsense: Any = 5
        with pytest.raises(DataError, match="which is a bug in phase0"):
            store(ledger, answer(1, raw=nonsense))
        ledger._writer._thread.join()
        with pytest.raises(UsageError, match="is closed"):
            store(ledger, answer(2))
    assert [each.exc_type for each in seen] == [TypeError]
