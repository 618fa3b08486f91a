"""Answers out of a ledger: the same whatever the order in which they were bought, follow-up questions included."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept import Kept, bought, read, refused, replied
from made import record

from phase0.catalog.models import teachers
from phase0.errors import Transient
from phase0.exchanges.original import Original
from phase0.exchanges.teach import Teach
from phase0.gateway.policy import SECOND_DRAW, follow_up
from phase0.ledger import Batch, Bought, Failure
from phase0.records import Reply, Request
from phase0.stages.answers import Answers, reader

LARGER = 400
AGAIN = follow_up(LARGER)


def question(number: int, **fields: Any) -> Request:
    return Request(model="m", messages=(("user", f"Question {number}"),), params={"max_tokens": 100}, **fields)


def larger(request: Request) -> Request:
    return msgspec.structs.replace(request, params={"max_tokens": LARGER})


def second(request: Request) -> Request:
    return msgspec.structs.replace(request, draw=SECOND_DRAW)


def answers(*found: Bought, failed: tuple[Failure, ...] = ()) -> Answers:
    return Answers(Kept(found, failed), AGAIN, read)  # type: ignore[arg-type]


Q = question(1)
CHAINS: dict[str, tuple[list[Bought], tuple[str | None, str | None, int]]] = {
    "a whole reply": ([replied(Q, "Yes.")], ("Yes.", None, 1)),
    "refused by the model": (
        [bought(Q, raw=msgspec.json.encode(Reply(text="", refusal="No.", finish_reason="stop")))],
        (None, "refused", 1),
    ),
    "filtered": ([replied(Q, "Half", "content_filter")], (None, "content_filter", 1)),
    "refused by the provider": ([refused(Q, "too_long")], (None, "too_long", 0)),
    "no reply at all": ([bought(Q, raw=b"<html>")], (None, "malformed_reply", 1)),
    "cut off, then whole": ([replied(Q, "Ye", "length"), replied(larger(Q), "Yes.")], ("Yes.", None, 2)),
    "cut off twice": ([replied(Q, "Y", "length"), replied(larger(Q), "Ye", "length")], (None, "truncated", 2)),
    "cut off, and more is not to be had": (
        [replied(Q, "Y", "length"), refused(larger(Q), "too_long")],
        (None, "truncated", 1),
    ),
    "empty, then whole": ([replied(Q, " "), replied(second(Q), "Yes.")], ("Yes.", None, 2)),
    "empty twice": ([replied(Q, ""), replied(second(Q), "")], (None, "empty_answer", 2)),
    "empty, then cut off, then whole": (
        [replied(Q, ""), replied(second(Q), "Y", "length"), replied(larger(second(Q)), "Yes.")],
        ("Yes.", None, 3),
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_an_answer_is_the_last_whole_reply_of_its_chain_and_costs_what_all_of_it_did(name: str) -> None:
    chain, (text, reason, paid) = CHAINS[name]
    (answer,) = answers(*chain).of([Q])
    assert (answer.reply.text if answer.reply else None, answer.reason) == (text, reason)
    assert (answer.cost, answer.tokens_in, answer.tokens_out) == (Decimal("0.01") * paid, 3 * paid, 5 * paid)
    assert not answer.open


FAILED = Failure(Q.key, "server_error", "500 six times", "r")


def test_a_question_that_nobody_answered_is_open_and_says_why_if_anybody_knows() -> None:
    (silent,) = answers().of([Q])
    assert (silent.reply, silent.reason, silent.open, silent.cost) == (None, "not_asked", True, 0)
    (failed,) = answers(failed=(FAILED,)).of([Q])
    assert (failed.reason, failed.detail, failed.open) == ("server_error", "500 six times", True)


def test_a_follow_up_that_is_missing_leaves_the_reason_of_the_first_answer_and_the_question_open() -> None:
    (cut,) = answers(replied(Q, "Y", "length")).of([Q])
    assert (cut.reason, cut.open, cut.cost) == ("truncated", True, Decimal("0.01"))
    failure = Failure(larger(Q).key, "server_error", "500", "r")
    (failed,) = answers(replied(Q, "Y", "length"), failed=(failure,)).of([Q])
    assert (failed.reason, failed.open) == ("truncated", True)


def test_a_cost_that_is_not_known_makes_that_of_the_whole_answer_unknown() -> None:
    (one,) = answers(replied(Q, cost=None, tokens_out=None)).of([Q])
    assert (one.cost, one.tokens_out) == (None, 0)
    (two,) = answers(replied(Q, "Y", "length"), replied(larger(Q), cost=None)).of([Q])
    assert two.cost is None


chains = st.lists(st.sampled_from(sorted(CHAINS)) | st.none(), max_size=30)


@given(chains, st.randoms(use_true_random=False))
def test_answers_come_in_the_order_of_the_questions_whatever_the_order_of_the_ledger(
    names: list[str | None], chance: Any
) -> None:
    found: list[Bought] = []
    wanted: list[tuple[str | None, str | None]] = []
    for number, name in enumerate(names):
        chain, (text, reason, _) = CHAINS[name] if name else ([], (None, "not_asked", 0))
        found += [renumbered(each, number) for each in chain]
        wanted.append((text, reason))
    chance.shuffle(found)
    order = list(range(len(names)))
    chance.shuffle(order)
    kept = answers(*found)
    for some in (range(len(names)), order, [*order, *order]):
        got = [
            (answer.reply.text if answer.reply else None, answer.reason)
            for answer in kept.of([question(number) for number in some])
        ]
        assert got == [wanted[number] for number in some]
    assert [answer.open for answer in kept.each(map(question, range(len(names))))] == [name is None for name in names]


def renumbered(kept: Bought, number: int) -> Bought:
    """The same answer to another question."""
    asked = msgspec.json.decode(kept.request, type=Request)
    asked = msgspec.structs.replace(asked, messages=(("user", f"Question {number}"),))
    return kept._replace(key=asked.key, request=msgspec.json.encode(asked))


def test_a_stream_of_questions_is_looked_up_some_hundred_at_a_time() -> None:
    kept = Kept([])
    seen = Answers(kept, AGAIN, read).each(map(question, range(2000)))  # type: ignore[arg-type]
    next(seen)
    assert len(kept.looked_up) == 1
    assert sum(1 for _ in seen) == 1999
    assert max(kept.looked_up) <= 512


def test_records_are_missing_until_every_question_about_them_has_an_answer() -> None:
    teach = Teach(teachers()["gpt-4o"])
    rows = [record(number) for number in range(700)]
    found = [replied(teach.ask(row)[0]) for row in rows[::2]]
    assert list(answers(*found).missing(rows, teach)) == rows[1::2]
    assert list(answers().missing(rows, Original())) == []


def test_what_is_in_a_batch_that_is_out_is_not_missing_for_it_is_asked_already() -> None:
    teach = Teach(teachers()["gpt-4o"])
    rows = [record(number) for number in range(30)]
    keys = [teach.ask(row)[0].key for row in rows]
    kept = Kept([replied(teach.ask(row)[0]) for row in rows[:10]])
    kept.out = [Batch("tag", "openai", "gpt-4o", tuple(keys[10:25]), "sent", "id", None, 0.0, "r")]
    assert list(Answers(kept, AGAIN, read).missing(rows, teach)) == rows[25:]  # type: ignore[arg-type]


OPENAI = (
    b'{"choices":[{"message":{"content":"Hi."},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":2}}'
)
REPLICATE = (
    b'{"id":"p","status":"succeeded","output":["H","i."],"error":null,'
    b'"metrics":{"input_token_count":1,"output_token_count":2}}'
)


@pytest.mark.parametrize(
    ("server", "raw"), [("openai", OPENAI), ("replicate", REPLICATE), ("127.0.0.1:8123", OPENAI), ("gone", OPENAI)]
)
def test_what_any_server_sent_is_read_without_a_connection(server: str, raw: bytes) -> None:
    reply = reader()(bought(Q, server=server, raw=raw))
    assert (reply.text, reply.finish_reason, reply.tokens_in, reply.tokens_out) == ("Hi.", "stop", 1, 2)
    with pytest.raises(Transient):
        reader()(bought(Q, server=server, raw=b"<html>"))
