"""What asking models about rows will cost: who is asked, for which share, at which price. Nothing is spent here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from phase0.catalog.models import Endpoint, Teacher, located
from phase0.catalog.models import teacher as find_teacher
from phase0.catalog.prices import Price, price_of
from phase0.dataset import BadRow, read_records
from phase0.errors import UsageError
from phase0.exchanges.rubric import Rubric
from phase0.gateway.estimate import Ask, Row
from phase0.records import Record
from phase0.stages.judges import bare
from phase0.stages.means import Means, wanted

ASKS_ABOVE = Decimal(10)  # US dollars; what costs more is not bought before a person has agreed

_VERDICT = 25  # tokens of four scores in JSON


def ask_of(name: str, means: Means, *, share: Decimal, judges: bool = False, draws: int = 1) -> Ask:
    """A model of the catalogue as an estimate wants it, at the endpoint that would be asked first if every key were
    there. Raises UsageError where nobody knows its price."""
    model = wanted(find_teacher(name), means)
    endpoint, price = _first(model, means, datetime.now(UTC).date())
    takes_batches = means.mode != "online" and endpoint.batch and endpoint.server.batch is not None
    limits = endpoint.limits
    return Ask(
        name=name,
        role="judge" if judges else "teacher",
        share=share,
        price=price,
        system=_told(model) if judges else model.style_of(None).system or "",
        draws=draws,
        sees_answer=judges,
        tokens_out=_VERDICT if judges else None,
        requests_per_minute=limits.requests_per_minute,
        tokens_per_minute=limits.tokens_per_minute,
        batch=takes_batches,
        batch_requests=endpoint.server.batch.max_requests if endpoint.server.batch else 50_000,
    )


def judge_asks(names: Sequence[str], samples: int, means: Means, *, share: Decimal = Decimal(100)) -> list[Ask]:
    """All judges of a panel, each asked so many times about a row."""
    return [ask_of(name, means, share=share, judges=True, draws=samples) for name in names]


def _told(judge: Teacher) -> str:
    """All that a judge is told besides the row."""
    return "\n".join(content for _, content in bare(Rubric(judge)).messages)


def _first(model: Teacher, means: Means, on: date) -> tuple[Endpoint, Price]:
    """The first endpoint with a price, of those with a key if there are any."""
    given = means.price or means.prices.get(model.name)
    keyed = [
        endpoint
        for endpoint in model.endpoints
        if endpoint.server.key_env is None or means.variables.get(endpoint.server.key_env, "").strip()
    ]
    wrong: UsageError | None = None
    for endpoint in keyed or model.endpoints:
        try:
            place = located(endpoint, means.variables) if keyed else endpoint
            return place, price_of(model, place, given=given, on=on)
        except UsageError as error:
            wrong = wrong or error
    raise wrong or UsageError(f"{model.name} has no endpoint")


def rows_of(paths: Sequence[Path]) -> Iterator[Row]:
    """The rows of files as an estimate wants them; those that cannot be read cost nothing."""
    for path in paths:
        for item in read_records(path):
            if not isinstance(item, BadRow):
                yield row_of(item[2])


def row_of(record: Record) -> Row:
    """What is asked about a row, and the answer it has."""
    before = [turn.content for turn in record.history]
    return Row("\n".join([*([record.system] if record.system else []), *before, record.instruction]), record.response)


def rows_asked(records: Iterable[Record]) -> Iterator[Row]:
    """The same of records."""
    return map(row_of, records)
