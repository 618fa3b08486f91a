"""Read what came of a batch: both files, in any order, joined by custom_id alone, every answer stored before it counts.

What a batch did not answer is found by what is missing, never by what its provider counted.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

from phase0.catalog.prices import cost
from phase0.errors import Fatal, ProviderError, Refused, Transient
from phase0.gateway.line import input_tokens, largest_reply, usage, worst_case
from phase0.gateway.policy import FINAL
from phase0.gateway.questions import Index, Question
from phase0.gateway.receipt import Place, Usage, refused, replied
from phase0.gateway.shop import Shop
from phase0.ledger import Batch, Bought, Failure
from phase0.providers import BatchLine, BatchState
from phase0.records import Request

_AT_ONCE = 1000  # replies on their way to the disk


class Collected:
    """What came of one batch."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.missing = set(keys)  # no answer yet
        self.replies = self.refused = self.failed = self.unknown = self.duplicates = self.unreadable = 0
        self.tokens_in = self.tokens_out = 0
        self.cost = self.lost = Decimal(0)
        self.following: list[Request] = []  # questions that follow from its answers
        self.doubt: Refused | None = None  # the last of `failed`: no word of why
        self.fatal: Fatal | None = None
        self.gone = ""  # why a file of its answers cannot be had any more

    def told(self) -> str:
        """What a person should know of lines that were not as they should be."""
        odd = {
            "with an unknown id": self.unknown,
            "that came twice": self.duplicates,
            "that cannot be read": self.unreadable,
        }
        lines = ", ".join(f"{count:,} lines {what}" for what, count in odd.items() if count)
        return "; ".join(filter(None, (lines, self.gone)))


async def collect(batch: Batch, state: BatchState, shop: Shop) -> Collected:
    """Store all answers of a batch that has ended. Raises Transient where the download broke off: it may be called
    again, and the ledger keeps what it has. A file that is gone takes with it only the answers that were in it."""
    got = Collected(batch.keys)
    shop = shop._replace(options=shop.options._replace(run=batch.run))
    index = Index(shop.questions(batch).path)
    stored: list[asyncio.Future[bool]] = []
    try:
        async for each in shop.batches.lines(state):
            question = _asked(each, index, got)
            entry = question and _read(question, each, got, shop)
            if isinstance(entry, Bought):
                stored.append(asyncio.wrap_future(shop.ledger.store(entry)))
            elif entry is not None:
                stored.append(asyncio.wrap_future(shop.ledger.fail(*entry)))
            if len(stored) >= _AT_ONCE:
                await _durable(stored)
    except Refused as error:
        got.gone = str(error)
        for key in got.missing:  # answered, for all we know, and billed
            got.lost += _worst(index[key].request, shop)
    finally:
        index.close()
    await _durable(stored)
    return got


async def _durable(stored: list[asyncio.Future[bool]]) -> None:
    for each in stored:
        await each
    stored.clear()


def _asked(each: BatchLine, index: Index, got: Collected) -> Question | None:
    """The question that a line answers, where it is one of this batch that has no answer yet."""
    if each.custom_id is None:
        got.unreadable += 1
    elif each.custom_id not in index:
        got.unknown += 1
    elif each.custom_id not in got.missing:
        got.duplicates += 1
    else:
        return index[each.custom_id]
    return None


def _read(question: Question, each: BatchLine, got: Collected, shop: Shop) -> Bought | Failure | None:
    """What the ledger gets of a line; None where there is nothing, and the question stays missing."""
    request = question.request
    place = Place(request.model, shop.route.name, "batch", shop.options.run)
    failure, raw = each.failure, each.raw or b""
    if failure is None:
        try:
            reply = shop.route.provider.read(raw)
        except ProviderError as error:
            failure = error
            if isinstance(error, Transient):  # it was answered, and billed, but cannot be read
                got.lost += _worst(request, shop)
        else:
            got.replies += 1
            got.missing.discard(question.key)
            following = shop.again(request, reply) if shop.again else None
            if following is not None:
                got.following.append(following)
            counted = Usage(*usage(reply), _price(request, *usage(reply), got, shop))
            return replied(question, place, raw, counted, shop.options.date())
    if isinstance(failure, Fatal):
        got.fatal = got.fatal or failure
    if not isinstance(failure, Refused):
        return None
    got.missing.discard(question.key)
    if failure.reason in FINAL:
        got.refused += 1
        return refused(question, place, failure, shop.options.date())
    got.failed += 1
    got.doubt = failure
    return Failure(question.key, failure.reason, str(failure), place.run)


def _price(
    request: Request, tokens_in: int | None, tokens_out: int | None, got: Collected, shop: Shop
) -> Decimal | None:
    """What an answer cost, counted; None where its usage is not known, and then its worst case is counted."""
    if tokens_in is None or tokens_out is None:
        worst = _worst(request, shop)
        got.cost += worst
        return None if worst else worst
    price = cost(shop.route.price, tokens_in, tokens_out, batch=True)
    got.cost += price
    got.tokens_in += tokens_in
    got.tokens_out += tokens_out
    return price


def _worst(request: Request, shop: Shop) -> Decimal:
    line = shop.line
    (tokens_in,) = (line.tokens_of or input_tokens)([request])
    return worst_case(shop.route.price, tokens_in, largest_reply(request, line.max_output), batch=True)
