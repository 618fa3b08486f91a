"""Short names for the tests of layouts: what a layout makes of some rows."""

from phase0 import sources
from phase0.errors import RowError
from phase0.sources import Example, Found


def found(layout: str, *rows: object) -> list[Found]:
    return list(sources.layout(layout).read(enumerate(rows, 1)))


def examples(layout: str, *rows: object) -> list[Example]:
    outcomes = [item.outcome for item in found(layout, *rows)]
    assert all(isinstance(outcome, Example) for outcome in outcomes), outcomes
    return outcomes


def example(layout: str, row: object) -> Example:
    (only,) = examples(layout, row)
    return only


def reason(layout: str, row: object) -> RowError:
    (only,) = found(layout, row)
    assert isinstance(only.outcome, RowError), only.outcome
    return only.outcome


def said(example: Example) -> list[tuple[str, str]]:
    return [(turn.role, turn.content) for turn in example.history]


def recognised(*rows: object) -> str:
    return sources.recognise(rows).name
