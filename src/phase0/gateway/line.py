"""Where answers of one model are bought: its endpoints with their prices and limits, and what a request may cost there.

The worst case of a request is what a budget sets aside for it, so it must never be less than the bill.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from phase0.catalog.prices import Price, cost
from phase0.gateway.questions import request_of
from phase0.ledger import Bought, Destination, Ledger
from phase0.providers import Provider
from phase0.records import Reply, Request

_PER_MESSAGE, _PER_REPLY = 4, 3  # tokens of a chat's frame
_MOST_COUNTED = (
    1 << 22
)  # tokens; at the dearest price that may be given so many on both sides are a sum the ledger holds
_OTHERS = 5, 4  # other vocabularies than the one counted with need up to a quarter more for most texts


class Route(NamedTuple):
    """One endpoint with one key."""

    name: str  # of the server: what the ledger and messages call it
    provider: Provider
    price: Price
    rank: int = 0  # the lowest that works is asked; routes of one rank share the work
    requests: int | None = None  # per minute; None: nobody knows before the first answer
    tokens: int | None = None  # per minute
    most: int = 512  # in flight
    batch: bool = True  # whether the model is taken in batches there, if the server takes any
    enqueued: int | None = None  # tokens that may wait in batches
    destination: Destination | None = None  # what the ledger keeps of a batch that is sent there


class Line(NamedTuple):
    """All routes to one model."""

    model: str
    routes: tuple[Route, ...]
    max_output: int = 4096  # tokens of an answer, where the request does not say
    tokens_of: Callable[[Sequence[Request]], Sequence[int]] | None = None  # of prompts; None: `input_tokens`


def input_tokens(requests: Sequence[Request]) -> list[int]:
    """Tokens of each prompt in o200k, the frame of the chat included. For other vocabularies it is an estimate."""
    import toktok  # 60 MB of vocabulary

    texts = list({content: None for request in requests for _, content in request.messages})  # a rubric once, not each
    counts = dict(zip(texts, toktok.batch_count(texts, "o200k_base", threads=1), strict=True))
    return [_PER_REPLY + sum([counts[content] + _PER_MESSAGE for _, content in one.messages]) for one in requests]


def largest_reply(request: Request, max_output: int) -> int:
    """The most tokens that its answer can have."""
    params = request.params
    cap = params.get("max_tokens") or params.get("max_completion_tokens") or max_output
    return int(cap) * int(params.get("n") or 1)


def usage(reply: Reply) -> tuple[int | None, int | None]:
    """Tokens of its prompt and of itself, as its server counts them; None for a count that no request can have. What
    is stored and what it cost depend on these: a slip of a server's must not lose an answer that was paid for."""
    given, made = (
        count if count is not None and 0 <= count <= _MOST_COUNTED else None
        for count in (reply.tokens_in, reply.tokens_out)
    )
    return given, made


def worst_case(price: Price, tokens_in: int, largest: int, *, batch: bool = False) -> Decimal:
    """The most that a request can cost, in US dollars."""
    more, than = _OTHERS
    return cost(price, -(-tokens_in * more // than), largest, batch=batch)


def spent_at_most(ledger: Ledger, run: str, line: Line) -> Decimal:
    """The most that a run can have paid so far: an answer whose usage was not told counts at its worst case, and what
    is at stake (lost, in flight when the run was killed, out in batches) counts whole.

    Answers of another model are taken to cost what this line's do: the ledger knows no prices.
    """
    unpriced = (_at_most(bought, line) for bought in ledger.unpriced(run))
    return ledger.spent(run) + sum(unpriced, sum(ledger.stakes(run).values(), Decimal(0)))


def _at_most(bought: Bought, line: Line) -> Decimal:
    request = request_of(bought.request)
    (tokens_in,) = (line.tokens_of or input_tokens)([request])
    largest, batch = largest_reply(request, line.max_output), bought.mode == "batch"
    there = [route for route in line.routes if route.name == bought.server] or line.routes
    return max(worst_case(route.price, tokens_in, largest, batch=batch) for route in there)
