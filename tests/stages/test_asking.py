"""Asking: what can be had is in the ledger when it returns, within the budget of the run; connections are closed."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kept import replied

from phase0.catalog.prices import Price
from phase0.errors import Fatal, Unfinished
from phase0.gateway.line import Line, Route
from phase0.gateway.policy import follow_up
from phase0.ledger import Ledger
from phase0.progress import SILENT
from phase0.providers import Sent
from phase0.records import Reply, Request
from phase0.stages.asking import ask_models, ledger_of, seldom_collected
from phase0.stages.means import Asking, Means
from phase0.workspace import MARK

PRICE = Price(Decimal(1000), Decimal(1000))  # a tenth of a cent for a token


class Answering:
    """Answers everything at once: 5 tokens each."""

    batches = None

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.loop: asyncio.AbstractEventLoop | None = None
        self.asked: list[str] = []
        self.closed = 0

    async def send(self, request: Request) -> Sent:
        self.loop = asyncio.get_running_loop()
        if self.failure is not None:
            raise self.failure
        self.asked.append(request.key)
        return Sent(msgspec.json.encode(Reply(text="Yes.", finish_reason="stop", tokens_in=2, tokens_out=3)), None)

    def read(self, raw: bytes) -> Reply:
        return msgspec.json.decode(raw, type=Reply)

    async def models(self) -> Any:
        return []

    async def close(self) -> None:
        assert asyncio.get_running_loop() is self.loop
        self.closed += 1


def questions(count: int) -> list[Request]:
    return [Request(model="m", messages=(("user", f"Q{n}"),), params={"max_tokens": 3}) for n in range(count)]


def line(provider: Answering) -> Callable[[], Line]:
    def made() -> Line:
        asyncio.get_running_loop()
        return Line("m", (Route(name="s", provider=provider, price=PRICE),))

    return made


def ask(ledger: Ledger, provider: Answering, count: int, *, run: str = "r", budget: str | None = None) -> Any:
    times = 0

    def requests() -> Iterable[Request]:
        nonlocal times
        times += 1
        return iter(questions(count))

    means = Means(budget_usd=None if budget is None else Decimal(budget))
    asking = Asking(means, ledger.path.parent.parent, run)
    return ask_models(requests, line(provider), ledger, asking, again=follow_up(100), progress=SILENT)


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    (tmp_path / MARK).mkdir()
    with ledger_of(tmp_path) as opened:
        yield opened


def test_everything_is_asked_once_stored_and_the_connections_closed(ledger: Ledger) -> None:
    provider = Answering()
    summary = ask(ledger, provider, 300)
    assert (summary.ended, summary.replies, summary.cost) == ("done", 300, Decimal("1.5"))
    assert ledger.known(request.key for request in questions(300)) == set(provider.asked)
    assert (len(provider.asked), provider.closed) == (300, 1)
    assert ask(ledger, provider, 400).replies == 100
    assert len(set(provider.asked)) == len(provider.asked) == 400


def test_a_budget_counts_what_was_bought_under_the_same_name_and_nothing_else(ledger: Ledger) -> None:
    ledger.store(replied(questions(1)[0], cost=Decimal(1000), run="another")).result()  # type: ignore[union-attr]
    provider = Answering()
    with pytest.raises(Unfinished, match=r"For the [0-9]+ that are missing, raise it to about") as error:
        ask(ledger, provider, 300, budget="0.5")
    assert error.value.how == "budget"
    first = ledger.spent("r")
    assert 0 < first <= Decimal("0.5")
    with pytest.raises(Unfinished):
        ask(ledger, provider, 300, budget="0.6")
    assert first < ledger.spent("r") <= Decimal("0.6")
    assert ask(ledger, provider, 300, budget="2").ended == "done"
    assert ledger.spent("r") == Decimal("0.005") * 299
    assert provider.closed == 3


def test_answers_without_usage_count_against_a_budget_at_their_worst_case(ledger: Ledger) -> None:
    for question in questions(40):
        ledger.store(replied(question, cost=None, tokens_in=None, tokens_out=None)).result()  # type: ignore[union-attr]
    provider = Answering()
    with pytest.raises(Unfinished):
        ask(ledger, provider, 60, budget="0.65")  # 0.6 of it may be spent: 15 tokens each, at most
    asked = len(provider.asked)
    assert 0 < asked < 10
    assert ask(ledger, provider, 60, budget="3").replies == 20 - asked


def test_what_may_have_been_paid_before_a_restart_counts_against_the_budget(ledger: Ledger) -> None:
    ledger.stake("killed", "r", Decimal("0.5"))
    ledger.stake("of another run", "another", Decimal(1000))
    provider = Answering()
    with pytest.raises(Unfinished):
        ask(ledger, provider, 60, budget="0.6")
    assert 0 < len(provider.asked) <= 20
    assert ledger.stakes("r") == {"killed": Decimal("0.5")}


def test_a_provider_that_will_not_answer_ends_it_with_its_own_words(ledger: Ledger) -> None:
    provider = Answering(Fatal("s: no credit is left. Add some.", reason="no_quota"))
    with pytest.raises(Unfinished, match=r"^s: no credit is left\. Add some\.$") as error:
        ask(ledger, provider, 20)
    assert (error.value.how, provider.closed) == ("fatal", 1)
    assert ledger.spend("run") == []


def test_models_can_be_asked_from_a_thread_that_gets_no_signals(ledger: Ledger) -> None:
    provider, ended = Answering(), []
    thread = threading.Thread(target=lambda: ended.append(ask(ledger, provider, 30).ended))
    thread.start()
    thread.join(60)
    assert (ended, len(provider.asked), provider.closed) == (["done"], 30, 1)


def test_garbage_is_looked_for_as_usual_when_all_is_asked_whoever_ends_first(ledger: Ledger) -> None:
    usual = gc.get_threshold()
    ask(ledger, Answering(), 5)
    with pytest.raises(Unfinished):
        ask(ledger, Answering(Fatal("s: no.", reason="no_quota")), 30)
    assert gc.get_threshold() == usual
    first, second = seldom_collected(), seldom_collected()
    with first:
        second.__enter__()
        assert gc.get_threshold()[0] > usual[0]
    second.__exit__(None, None, None)
    assert gc.get_threshold() == usual
