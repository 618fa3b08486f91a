"""What a plan will cost and how long it will take, before anything is spent: arithmetic on rows, prices and limits.

Prompts are counted, answers are assumed, and the estimate says what was assumed. Online and batch stand side by side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from itertools import islice
from typing import Literal, NamedTuple

from phase0.catalog.prices import Price, amount, rates
from phase0.gateway.budget import shown

USUAL_ANSWER = 400  # tokens: four models of 70B and more answer 805 prompts with 345 to 427 in the mean
_FRAME = 7  # tokens that a chat adds to one message and its answer
_MESSAGE = 4  # tokens that it adds to a further message
_HEAD, _EVERY = 10_000, 20  # rows: all of the first are counted, behind them one in so many
_AT_ONCE = 1_000  # rows to one call of the counter
_ENCODING = "o200k_base"
_WINDOW = 24  # hours in which a batch is to be done


class Row(NamedTuple):
    """What is asked, and the answer that the row has already, if any."""

    prompt: str
    answer: str | None = None


class Measured(NamedTuple):
    """How long the rows are, in tokens of o200k; for models with another vocabulary an estimate."""

    rows: int
    counted: int  # of them by token; the rest by their letters
    prompts: int
    answered: int  # rows with an answer of their own
    answers: int


class Ask(NamedTuple):
    """One model that is asked about a share of the rows."""

    name: str
    role: Literal["teacher", "judge"]
    share: Decimal  # percent of the rows
    price: Price
    system: str = ""  # text that goes with every question
    fixed: int = 0  # further tokens that go with every question
    draws: int = 1  # questions to a row
    sees_answer: bool = False  # whether the question holds the teacher's answer, as a judge's does
    tokens_out: int | None = None  # of an answer; None: as long as teachers' usually are
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    batch: bool = False  # whether it can be asked in batches
    batch_requests: int = 50_000  # at most in one


class Part(NamedTuple):
    """What one model comes to. `batch` is None where it takes none, `minutes` where nobody knows its limits."""

    ask: Ask
    requests: int
    tokens_in: int
    tokens_out: int
    online: Decimal  # US dollars
    batch: Decimal | None
    minutes: float | None  # online, at the full rate that is allowed
    batches: int

    @property
    def cheapest(self) -> Decimal:
        return self.online if self.batch is None else min(self.online, self.batch)


class Estimate(NamedTuple):
    """What all models come to. `fits` is the largest number of such rows that the budget pays for."""

    measured: Measured
    parts: tuple[Part, ...]
    online: Decimal
    cheapest: Decimal  # each model in batches where that costs less
    budget: Decimal | None
    fits: int | None
    fits_online: int | None
    assumed: tuple[str, ...]


def measure(rows: Iterable[Row], *, every_row: bool = False) -> Measured:
    """Count rows, in bounded memory. Behind the first 10,000 only one in 20 is counted by token, and the others by
    their letters, of which there are as many to a token."""
    total, counted, answered = 0, 0, 0
    exact = [0, 0]  # tokens of prompts and of answers
    letters, sampled, tokens = [0, 0], [0, 0], [0, 0]  # behind the head: of all, of the counted, and their tokens
    for chunk in _chunks(rows):
        whole = every_row or total < _HEAD
        picked = chunk if whole else chunk[::_EVERY]
        found = _tokens(picked)
        if whole:
            exact = [exact[side] + found[side] for side in (0, 1)]
        else:
            for side in (0, 1):
                letters[side] += sum(len(row[side] or "") for row in chunk)
                sampled[side] += sum(len(row[side] or "") for row in picked)
                tokens[side] += found[side]
        total += len(chunk)
        counted += len(picked)
        answered += sum(row.answer is not None for row in chunk)
    prompts, answers = (
        exact[side] + (round(Fraction(letters[side] * tokens[side], sampled[side])) if sampled[side] else 0)
        for side in (0, 1)
    )
    return Measured(total, counted, prompts, answered, answers)


def estimate(
    measured: Measured, asks: Sequence[Ask], *, budget: Decimal | None = None, own_answers: bool = False
) -> Estimate:
    """What it costs to ask these models about these rows. `own_answers`: those that the rows have are those that judges
    see; else teachers are still to give them."""
    own = math.ceil(measured.answers / measured.answered) if measured.answered else 0
    usual = own if own and own_answers else max(own, USUAL_ANSWER)
    parts = tuple(_part(measured, ask, usual) for ask in asks)
    online = sum((part.online for part in parts), Decimal(0))
    cheapest = sum((part.cheapest for part in parts), Decimal(0))
    return Estimate(
        measured,
        parts,
        online,
        cheapest,
        budget,
        _fits(measured.rows, cheapest, budget),
        _fits(measured.rows, online, budget),
        tuple(_assumed(measured, asks, own, usual)),
    )


def table(found: Estimate) -> list[list[str]]:
    """The estimate as cells of text: a line of titles, one for each model, and the sums."""
    titles = ["", "requests", "tokens in", "tokens out", "online", "batch", "time online", "price per million"]
    lines = [
        [
            f"{part.ask.role} {part.ask.name}",
            f"{part.requests:,}",
            f"{part.tokens_in:,}",
            f"{part.tokens_out:,}",
            shown(part.online),
            "none" if part.batch is None else shown(part.batch),
            "unknown" if part.minutes is None else duration(part.minutes),
            _price(part.ask.price),
        ]
        for part in found.parts
    ]
    sums = [f"{sum(getattr(part, name) for part in found.parts):,}" for name in ("requests", "tokens_in", "tokens_out")]
    return [titles, *lines, ["together", *sums, shown(found.online), shown(found.cheapest), "", ""]]


def verdict(found: Estimate) -> str:
    """Whether the budget holds it, and how many rows it holds."""
    rows, budget = found.measured.rows, found.budget
    best = f"{shown(found.cheapest)}{' with batches' if found.cheapest < found.online else ''}"
    if budget is None:
        return f"{rows:,} rows cost about {best}; no budget is set."
    if found.cheapest <= budget:
        tight = "" if found.online <= budget else f" Online alone they would cost {shown(found.online)}, too much."
        return f"{rows:,} rows cost about {best}, within the budget of {shown(budget)}.{tight}"
    online = "" if found.fits == found.fits_online else f", or {found.fits_online or 0:,} online alone"
    return (
        f"{rows:,} rows cost about {best}, which exceeds the budget of {shown(budget)}. It pays for about "
        f"{found.fits or 0:,} rows like these{online}."
    )


def duration(minutes: float) -> str:
    """A time for a person: `under a minute`, `35 min`, `7 h 5 min`, `3 d 2 h`."""
    whole = math.ceil(minutes)
    if whole <= 1:
        return "under a minute"
    if whole < 120:
        return f"{whole} min"
    hours, rest = divmod(whole, 60)
    return f"{hours} h {rest} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def _part(measured: Measured, ask: Ask, usual: int) -> Part:
    requests = round(Fraction(measured.rows) * Fraction(ask.share) / 100) * ask.draws
    mean = Fraction(measured.prompts, measured.rows) if measured.rows else Fraction(0)
    fixed = _FRAME + ask.fixed + (_tokens([Row(ask.system)])[0] + _MESSAGE if ask.system else 0)
    each = mean + fixed + (usual if ask.sees_answer else 0)
    tokens_in = math.ceil(each * requests)
    tokens_out = requests * (usual if ask.tokens_out is None else ask.tokens_out)
    here = rates(ask.price, math.ceil(each))  # the tier of the mean prompt: few rows are near an edge
    return Part(
        ask,
        requests,
        tokens_in,
        tokens_out,
        amount(here, tokens_in, tokens_out, batch=False),
        amount(here, tokens_in, tokens_out, batch=True) if ask.batch else None,
        _minutes(ask, requests, tokens_in + tokens_out),
        -(-requests // ask.batch_requests) if ask.batch else 0,
    )


def _minutes(ask: Ask, requests: int, tokens: int) -> float | None:
    """The shortest time that the limits allow."""
    times = [
        amount / limit
        for amount, limit in ((requests, ask.requests_per_minute), (tokens, ask.tokens_per_minute))
        if limit is not None
    ]
    return max(times) if times else None


def _fits(rows: int, cost: Decimal, budget: Decimal | None) -> int | None:
    """The largest number of rows for which the same cost a row stays within the budget."""
    if budget is None:
        return None
    if cost <= budget:
        return rows
    return int((budget * rows / cost).to_integral_value(ROUND_FLOOR))


def _assumed(measured: Measured, asks: Sequence[Ask], own: int, usual: int) -> Iterator[str]:
    if measured.counted < measured.rows:
        yield f"tokens counted in {measured.counted:,} of {measured.rows:,} rows, the others by their letters"
    if any(ask.tokens_out is None or ask.sees_answer for ask in asks):
        why = "as the rows' own answers have" if own == usual else "as large models have in the mean"
        yield f"{usual:,} tokens to an answer, {why}"
    for ask in asks:
        if ask.tokens_out is not None:
            yield f"{ask.tokens_out:,} tokens to an answer of {ask.name}"
        if ask.batch:
            yield f"batches of {ask.name} are done within {_WINDOW} hours of being sent"
    sources = sorted({f"{ask.price.source} {ask.price.as_of}".strip() for ask in asks if ask.price.source})
    yield f"prices: {'; '.join(sources) or 'given'}"


def _price(price: Price) -> str:
    online = f"${price.input:f} in, ${price.output:f} out"
    if price.batch_input is None or price.batch_output is None:
        return online
    return f"{online}; batch ${price.batch_input:f}, ${price.batch_output:f}"


def _tokens(rows: Sequence[Row]) -> list[int]:
    """Tokens of all prompts, and of all answers."""
    import toktok  # 60 MB of vocabulary

    counts = toktok.batch_count([text or "" for row in rows for text in row], _ENCODING)
    return [sum(counts[::2]), sum(counts[1::2])]


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while chunk := list(islice(left, _AT_ONCE)):
        yield chunk
