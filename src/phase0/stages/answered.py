"""Rows with the answers of models: the models are asked for what the ledger lacks, then rows are written from it alone.

So the same ledger gives the same bytes, and answers never wait in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from phase0.catalog.models import Teacher
from phase0.dataset import BadRow
from phase0.exchanges import Exchange
from phase0.progress import Progress
from phase0.records import Record, Request, encode
from phase0.stages.buying import Shop, Spent, agree, buy, can_be_asked, shop_of
from phase0.stages.means import Asking
from phase0.stages.output import StageOutput
from phase0.stages.parts import numbered

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from phase0.stages.answers import Answer, Answers

    Mine: TypeAlias = npt.NDArray[np.bool_]

_TOGETHER = 512  # rows whose answers are looked up together

Item: TypeAlias = BadRow | tuple[int, bytes, Record]


def ask_and_write(
    out: StageOutput, mine: Mine, exchange: Exchange, model: Teacher, asking: Asking, *, progress: Progress
) -> None:
    """Ask about the rows that are `mine` and write them. Without a key that works only where all is answered."""
    from phase0.stages.estimating import ask_of

    with _shop(model, asking.workspace) as shop:
        if can_be_asked(model, asking.means):
            missing = shop.answers.missing(_records(out.inputs, mine), exchange)
            agree(missing, lambda: [ask_of(model.name, asking.means, share=Decimal(100))], asking.means)
        buy(shop, partial(_requests, out.inputs, mine, exchange), asking, progress=progress)
        spent = write_answered(out, mine, exchange, shop.answers, progress)
    out.cost_usd = spent.usd
    out.figures |= {"model": model.model, "tokens_in": spent.tokens_in, "tokens_out": spent.tokens_out}


def all_answered(paths: Sequence[Path], mine: Mine, exchange: Exchange, model: Teacher, workspace: Path) -> bool:
    """Whether the ledger has every answer about the rows that are `mine`."""
    with _shop(model, workspace) as shop:
        return not any(answer.open for answer in shop.answers.each(_requests(paths, mine, exchange)))


@contextmanager
def _shop(model: Teacher, workspace: Path) -> Iterator[Shop]:
    """A model that answers, and the ledger of a workspace."""
    from phase0.stages.asking import ledger_of

    largest = max(style.params.get("max_tokens", 0) for style in (model.style, *model.styles.values()))
    with ledger_of(workspace) as ledger:
        yield shop_of(model, ledger, largest=largest)


def write_answered(
    out: StageOutput, mine: Mine, exchange: Exchange, answers: Answers | None, progress: Progress
) -> Spent:
    """Write rows with their answers, some hundred at a time. What all answers cost."""
    progress.start("write answered rows", int(mine.sum()))
    spent = Spent()
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
    for at, (number, item) in enumerate(numbered(paths)):
        if mine[at]:
            yield number, item


def _records(paths: Sequence[Path], mine: Mine) -> Iterator[Record]:
    return (item[2] for _, item in _rows(paths, mine) if not isinstance(item, BadRow))


def _requests(paths: Sequence[Path], mine: Mine, exchange: Exchange) -> Iterator[Request]:
    """Every question about these rows."""
    for record in _records(paths, mine):
        yield from exchange.ask(record)
