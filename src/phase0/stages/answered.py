"""Rows with the answers of models: the models are asked for what the ledger lacks, then rows are written from it alone.

So the same ledger gives the same bytes, and answers never wait in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from phase0.catalog.models import Teacher
from phase0.dataset import BadRow, read_records
from phase0.errors import UsageError
from phase0.exchanges import Exchange
from phase0.progress import Progress
from phase0.records import Record, Request, encode
from phase0.stages.means import Asking, Means, line_to, places
from phase0.stages.output import StageOutput

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from phase0.gateway.policy import Again
    from phase0.ledger import Ledger
    from phase0.stages.answers import Answer, Answers

    Mine: TypeAlias = npt.NDArray[np.bool_]

_TOGETHER = 512  # rows whose answers are looked up together
_LARGER = 4  # times max_tokens, for an answer that was cut off

Item: TypeAlias = BadRow | tuple[int, bytes, Record]


class _Spent:
    """What the answers of an output cost when they were bought. Rows that ask the same share an answer, paid once."""

    def __init__(self) -> None:
        self.cost: Decimal | None = Decimal(0)  # None: of one of them nobody knows
        self.tokens_in = self.tokens_out = 0
        self._keys: set[bytes] = set()

    def add(self, requests: Sequence[Request], answers: Sequence[Answer]) -> None:
        for request, answer in zip(requests, answers, strict=True):
            key = bytes.fromhex(request.key)
            if key not in self._keys:
                self._keys.add(key)
                self.tokens_in += answer.tokens_in
                self.tokens_out += answer.tokens_out
                self.cost = None if self.cost is None or answer.cost is None else self.cost + answer.cost


def ask_and_write(
    out: StageOutput, mine: Mine, exchange: Exchange, model: Teacher, asking: Asking, *, progress: Progress
) -> None:
    """Ask about the rows that are `mine` and write them. Without a key that works only where all is answered."""
    from phase0.stages.asking import ask_models

    requests = partial(_requests, out.inputs, mine, exchange)
    with _answers(model, asking.workspace) as (ledger, answers, again):
        try:
            found = places(model, asking.means, datetime.now(UTC).date())
        except UsageError:
            if any(answer.open for answer in answers.each(requests())):
                raise
        else:
            _agree(answers.missing(_records(out.inputs, mine), exchange), model, asking.means)
            line = partial(line_to, model, found, speed=asking.means.speed)
            ask_models(requests, line, ledger, asking, again=again, progress=progress)
        spent = write_answered(out, mine, exchange, answers, progress)
    out.cost_usd = None if spent.cost is None else f"{spent.cost.normalize():f}"
    out.figures |= {"model": model.model, "tokens_in": spent.tokens_in, "tokens_out": spent.tokens_out}


def all_answered(paths: Sequence[Path], mine: Mine, exchange: Exchange, model: Teacher, workspace: Path) -> bool:
    """Whether the ledger has every answer about the rows that are `mine`."""
    with _answers(model, workspace) as (_, answers, _):
        return not any(answer.open for answer in answers.each(_requests(paths, mine, exchange)))


@contextmanager
def _answers(model: Teacher, workspace: Path) -> Iterator[tuple[Ledger, Answers, Again]]:
    """The ledger of a workspace as the answers of a model, and what is asked once more about an answer of it."""
    from phase0.gateway.policy import follow_up
    from phase0.stages.answers import Answers, reader
    from phase0.stages.asking import ledger_of

    largest = max(style.params.get("max_tokens", 0) for style in (model.style, *model.styles.values()))
    again = follow_up(_LARGER * largest)
    with ledger_of(workspace) as ledger:
        yield ledger, Answers(ledger, again, reader()), again


def _agree(records: Iterable[Record], model: Teacher, means: Means) -> None:
    """Tell what it will cost to ask about some records. Raises UsageError where that is too much for the caller."""
    if means.agree is None or means.budget_usd is not None:
        return
    from phase0.gateway.estimate import estimate, measure
    from phase0.stages.estimating import ask_of, rows_asked

    found = estimate(measure(rows_asked(records)), [ask_of(model.name, means, share=Decimal(100))])
    if found.measured.rows and not means.agree(found):
        raise UsageError("nothing was asked and nothing spent. --budget-usd sets a limit that is never exceeded.")


def write_answered(
    out: StageOutput, mine: Mine, exchange: Exchange, answers: Answers | None, progress: Progress
) -> _Spent:
    """Write rows with their answers, some hundred at a time. What all answers cost."""
    progress.start("write answered rows", int(mine.sum()))
    spent = _Spent()
    rows = _rows(out.inputs, mine)
    while part := list(islice(rows, _TOGETHER)):
        questions = [() if isinstance(item, BadRow) else exchange.ask(item[2]) for _, item in part]
        asked = [request for some in questions for request in some]
        found = answers.of(asked) if answers else []
        spent.add(asked, found)
        rest = iter(found)
        for (number, item), some in zip(part, questions, strict=True):
            if isinstance(item, BadRow):
                out.drop_bad(item, number)
            else:
                _write(out, number, item, _made(exchange, item[2], list(islice(rest, len(some)))))
        progress.advance(len(part))
    progress.finish()
    return spent


class _Lost(NamedTuple):
    """Why a row has no answer."""

    reason: str
    detail: str = ""


def _made(exchange: Exchange, record: Record, answers: Sequence[Answer]) -> Sequence[Record] | _Lost:
    """What becomes of a row."""
    failed = next((answer for answer in answers if answer.reply is None), None)
    if failed is not None:
        return _Lost(failed.reason or "no_reply", failed.detail)
    read = exchange.read(record, [answer.reply for answer in answers])
    return _Lost(read) if isinstance(read, str) else read


def _write(out: StageOutput, number: int, item: tuple[int, bytes, Record], made: Sequence[Record] | _Lost) -> None:
    line, raw, _ = item
    if isinstance(made, _Lost):
        evidence = {"detail": made.detail} if made.detail else {}
        out.drop(raw, line=line, reason=made.reason, evidence=evidence, file=number)
    else:
        for record in made:
            out.keep(encode(record), number)


def _rows(paths: Sequence[Path], mine: Mine) -> Iterator[tuple[int, Item]]:
    """The rows that are `mine`, of all inputs, each with the number of its file."""
    at = 0
    for number, path in enumerate(paths):
        for item in read_records(path):
            if mine[at]:
                yield number, item
            at += 1


def _records(paths: Sequence[Path], mine: Mine) -> Iterator[Record]:
    return (item[2] for _, item in _rows(paths, mine) if not isinstance(item, BadRow))


def _requests(paths: Sequence[Path], mine: Mine, exchange: Exchange) -> Iterator[Request]:
    """Every question about these rows."""
    for record in _records(paths, mine):
        yield from exchange.ask(record)
