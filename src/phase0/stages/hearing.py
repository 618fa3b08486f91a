"""What judges said about rows, out of the ledger: nothing here asks anybody.

An answer that is no verdict stands in the ledger like any other. Where a further one was asked for, the last that was
bought counts, so that nothing that was paid is lost and the same ledger gives the same rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from phase0.exchanges.rubric import Verdict
from phase0.records import Record, Request
from phase0.stages.buying import Shop, shop_of
from phase0.stages.judges import Judge

if TYPE_CHECKING:
    from phase0.ledger import Ledger
    from phase0.stages.answers import Answer

_FURTHER = 1 << 24
"""Draws from here on are further tries of a question whose answer was no verdict: so many times this."""
_WARMER = 0.5  # the least temperature of a further try: at 0 a model would say the same again
_CUT = frozenset({"truncated", "empty_answer"})
_REFUSED = frozenset({"refused", "content_filter", "too_long", "bad_request", "not_found"})


class Heard(NamedTuple):
    """The answer that counts for one question, and how often it was asked beyond the first time."""

    answer: Answer
    verdict: Verdict
    tries: int


class Seat:
    """One judge on the bench, with the ledger that keeps what it answers."""

    def __init__(self, judge: Judge, ledger: Ledger) -> None:
        self.judge, self.rubric = judge, judge.rubric
        self.shop: Shop = shop_of(judge.model, ledger, largest=judge.rubric.max_tokens)
        self.states: Counter[str] = Counter()

    def hear(self, records: Sequence[Record], questions: Sequence[Sequence[Request]]) -> list[list[Heard]]:
        """What is known of each question about each record: the first answer, or the last of further tries."""
        flat = [(record, request) for record, some in zip(records, questions, strict=True) for request in some]
        answers = self.shop.answers.of([request for _, request in flat])
        heard = [Heard(each, self._verdict(record, each), 0) for (record, _), each in zip(flat, answers, strict=True)]
        open_ = [at for at, one in enumerate(heard) if worth_another(one)]
        while open_:
            again = self.shop.answers.of([another(flat[at][1], heard[at].tries + 1) for at in open_])
            following = []
            for at, answer in zip(open_, again, strict=True):
                if not answer.open:
                    heard[at] = _later(heard[at], answer, self._verdict(flat[at][0], answer))
                    following += [at] if worth_another(heard[at]) else []
            open_ = following
        rest = iter(heard)
        return [list(islice(rest, len(some))) for some in questions]

    def to_ask(self, records: Sequence[Record], out: frozenset[str], *, again: bool) -> list[int]:
        """How many questions about each record are still to be asked; with `again`, those too whose answer is no
        verdict. What is `out` in batches has been asked."""
        questions = [self.rubric.ask(record) for record in records]
        wanted = iter(self.shop.answers.unasked([request for some in questions for request in some], out))
        counts = [sum(islice(wanted, len(some))) for some in questions]
        if not again:
            return counts
        return [
            count + sum(worth_another(one) and another(request, one.tries + 1).key not in out for request, one in pairs)
            for count, pairs in zip(counts, map(zip, questions, self.hear(records, questions)), strict=True)
        ]

    def judged(self, record: Record, heard: Sequence[Heard]) -> Verdict:
        """The verdict about a row, of all that was heard about it."""
        replies = [one.answer.reply for one in heard]
        verdict = heard[0].verdict if len(heard) == 1 else self.rubric.judged(record, replies)
        if verdict.state == "failed":  # the rubric knows only that there is no reply, not why
            verdict = next(one.verdict for one in heard if one.answer.reply is None)
        self.states[verdict.state] += 1
        return verdict

    def _verdict(self, record: Record, answer: Answer) -> Verdict:
        if answer.reply is not None:
            return self.rubric.judged(record, [answer.reply])
        detail = f"{answer.reason}: {answer.detail}" if answer.detail else str(answer.reason)
        return Verdict(_state_of(answer), None, (), detail)


def _state_of(answer: Answer) -> str:
    """Of an answer without a whole reply."""
    if answer.reason in _REFUSED:
        return "refused"
    if answer.reason in _CUT or (answer.reason == "malformed_reply" and not answer.open):
        return "unreadable"
    return "failed"


def worth_another(heard: Heard) -> bool:
    """Whether another try may bring a verdict. A question that failed is asked again as it was, whenever it is met."""
    return heard.verdict.state in {"unreadable", "refused"}


def another(request: Request, number: int) -> Request:
    """A question for the `number`-th further try: warmer, and with another seed where a server knows seeds."""
    draw = request.draw + number * _FURTHER
    warm = max(request.params.get("temperature", 0), _WARMER)
    return msgspec.structs.replace(request, draw=draw, params=request.params | {"temperature": warm, "seed": draw})


def _later(before: Heard, answer: Answer, verdict: Verdict) -> Heard:
    cost = None if before.answer.cost is None or answer.cost is None else before.answer.cost + answer.cost
    tokens_in = before.answer.tokens_in + answer.tokens_in
    tokens_out = before.answer.tokens_out + answer.tokens_out
    paid = answer._replace(cost=cost, tokens_in=tokens_in, tokens_out=tokens_out)
    return Heard(paid, verdict, before.tries + 1)
