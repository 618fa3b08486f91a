"""What models answered, out of the ledger: nothing here asks anybody, so the same ledger gives the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

from phase0.errors import ProviderError
from phase0.exchanges import Asks
from phase0.gateway.policy import Again, reason_of
from phase0.ledger import Bought, Failure, Ledger
from phase0.providers import reading
from phase0.records import Record, Reply, Request

NOT_ASKED = "not_asked"
_TOGETHER = 512  # questions whose answers are looked up together


class Answer(NamedTuple):
    """A whole reply, or the reason why there is none; and what all that led to it cost, None where one part is not
    known. `open`: a question that led to it, or would, is still to be asked."""

    reply: Reply | None
    reason: str | None
    detail: str
    cost: Decimal | None
    tokens_in: int
    tokens_out: int
    open: bool = False


class Answers:
    """A ledger as the answers to questions. `read` finds the reply in what a server sent."""

    def __init__(self, ledger: Ledger, again: Again, read: Callable[[Bought], Reply]) -> None:
        self._ledger, self._again, self._read = ledger, again, read

    def of(self, requests: Sequence[Request]) -> list[Answer]:
        """The answer to each, in their order. A question that led to another is answered by what the other one
        brought, if that is a whole answer."""
        open_ = list(enumerate(requests))
        answers = [Answer(None, NOT_ASKED, "", Decimal(0), 0, 0)] * len(requests)
        while open_:
            keys = [request.key for _, request in open_]
            found = self._ledger.find(keys)
            failed = self._ledger.failures([key for key in keys if key not in found])
            following = []
            for (place, request), key in zip(open_, keys, strict=True):
                if key in found:
                    answers[place], next_ = self._answered(answers[place], request, found[key])
                    following += [(place, next_)] if next_ is not None else []
                else:
                    answers[place] = _without(answers[place], failed.get(key))
            open_ = following
        return answers

    def each(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """The answers to a stream of questions."""
        rest = iter(requests)
        while part := list(islice(rest, _TOGETHER)):
            yield from self.of(part)

    def missing(self, records: Iterable[Record], exchange: Asks) -> Iterator[Record]:
        """Those records about which something is still to be asked. What is in a batch that is out has been."""
        rest = iter(records)
        out = self.out()
        while part := list(islice(rest, _TOGETHER)):
            questions = [list(exchange.ask(record)) for record in part]
            unasked = iter(self.unasked([request for some in questions for request in some], out))
            for record, some in zip(part, questions, strict=True):
                if any(list(islice(unasked, len(some)))):
                    yield record

    def out(self) -> frozenset[str]:
        """The keys of the questions that are in batches that are out."""
        return frozenset(key for batch in self._ledger.open_batches() for key in batch.keys)

    def unasked(self, requests: Sequence[Request], out: frozenset[str]) -> list[bool]:
        """Of each question whether it has no answer, and is not `out` either."""
        known = self._ledger.known(request.key for request in requests)
        return [request.key not in known and request.key not in out for request in requests]

    def _answered(self, so_far: Answer, request: Request, bought: Bought) -> tuple[Answer, Request | None]:
        answer = so_far._replace(
            cost=None if so_far.cost is None or bought.cost is None else so_far.cost + bought.cost,
            tokens_in=so_far.tokens_in + (bought.tokens_in or 0),
            tokens_out=so_far.tokens_out + (bought.tokens_out or 0),
        )
        if bought.status == "refused" and so_far.reason == NOT_ASKED:
            detail = bought.raw[:500].decode("utf-8", "replace")
            return answer._replace(reason=bought.reason or "refused", detail=detail), None
        if bought.status == "refused":  # a larger cap, say, that the model does not have: what was cut off stays so
            return answer, None
        try:
            reply = self._read(bought)
        except ProviderError as error:
            return answer._replace(reason="malformed_reply", detail=str(error)), None
        reason = reason_of(reply)
        if reason is None:
            return answer._replace(reply=reply, reason=None), None
        detail = reply.refusal or ""
        return answer._replace(reason=reason, detail=detail), self._again(request, reply)


def _without(so_far: Answer, failure: Failure | None) -> Answer:
    """A question that has no answer. One that only followed from another says nothing about why."""
    if failure is None or so_far.reason != NOT_ASKED:
        return so_far._replace(open=True)
    return so_far._replace(reason=failure.reason, detail=failure.detail, open=True)


def reader() -> Callable[[Bought], Reply]:
    """Reads what any server of the catalogue sent; a server that nobody knows is taken to speak OpenAI's API."""
    return lambda bought: reading(bought.server).read(bought.raw)
