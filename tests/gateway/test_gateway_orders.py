"""Orders: what is still to be bought, and what follows from answers that the ledger has, whoever sent them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from fakes import FakeLedger, FakeProvider, line, question

from phase0.gateway.orders import Orders
from phase0.gateway.policy import follow_up
from phase0.gateway.summary import Tally
from phase0.ledger import Bought
from phase0.records import canonical

CHAT = {"choices": [{"message": {"content": "The tide is"}, "finish_reason": "length"}]}
PREDICTION = {
    "id": "p",
    "status": "succeeded",
    "output": ["The tide ", "is"],
    "input": {"max_tokens": 100},
    "metrics": {"output_token_count": 100},
}


def kept(server: str, body: Any) -> Bought:
    asked = question(0)
    raw = msgspec.json.encode(body)
    return Bought(asked.key, canonical(asked), "m", server, "online", raw, "reply", None, 5, 100, Decimal(0), "r", 0.0)


@pytest.mark.parametrize(
    ("server", "body"),
    [("openai", CHAT), ("together", CHAT), ("my-own-host:8000", CHAT), ("replicate", PREDICTION)],
)
def test_an_answer_of_a_server_that_is_not_asked_any_more_is_read_as_that_server_speaks(server: str, body: Any) -> None:
    ledger, tally = FakeLedger(), Tally()
    ledger.bought[question(0).key] = kept(server, body)
    orders = Orders([question(0)], line(FakeProvider()), ledger, follow_up(400), tally)  # type: ignore[arg-type]
    orders.fill()
    assert [order.request for order in orders.waiting] == [question(0, max_tokens=400)]
    assert (tally.found, tally.follow_ups) == (1, 1)


def test_an_answer_of_a_server_that_is_asked_is_read_by_its_own_provider() -> None:
    ledger, tally = FakeLedger(), Tally()
    ledger.bought[question(0).key] = kept("server0", {"text": "The tide is", "finish_reason": "length"})
    orders = Orders([question(0)], line(FakeProvider()), ledger, follow_up(400), tally)  # type: ignore[arg-type]
    orders.fill()
    assert tally.follow_ups == 1


def test_what_cannot_be_read_leads_to_nothing_and_is_not_bought_again() -> None:
    ledger, tally = FakeLedger(), Tally()
    ledger.bought[question(0).key] = kept("replicate", CHAT)
    orders = Orders([question(0)], line(FakeProvider()), ledger, follow_up(400), tally)  # type: ignore[arg-type]
    orders.fill()
    assert (list(orders.waiting), tally.found, tally.follow_ups) == ([], 1, 0)
