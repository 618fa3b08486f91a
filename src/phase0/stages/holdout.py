"""Which rows are for validation: whole groups of rows that resemble each other, drawn by the hash of what they say.

A row that resembles one of training measures memory, not skill. So rows are on one side that a chain of these connects:
equal prompts, a common first turn, prompts or whole rows whose Jaccard similarity reaches 0.5.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import xxhash

from phase0.dataset import BadRow
from phase0.dedup import dedup
from phase0.errors import UsageError
from phase0.progress import Progress
from phase0.records import Record
from phase0.stages.formats import chat
from phase0.stages.parts import numbered
from phase0.stages.statistics import ENCODING

THRESHOLD = "0.5"  # Jaccard of word 5-grams: of two texts of 50 words it is reached with up to three of them changed
MARKUP = 5  # tokens around a message: ChatML's and Llama's begin, role, end of the role, end, and a line end
_BATCH_ROWS, _BATCH_CHARS = 1024, 4_000_000  # whose tokens are counted in one call, on every core


class Fates(NamedTuple):
    """What becomes of every row that could be read, in the order of the files."""

    too_long: dict[int, int]  # row → its tokens
    held: frozenset[int]  # rows for validation
    figures: dict[str, Any]  # what a manifest says of it


class Asked(NamedTuple):
    """What is wanted of an export."""

    validation: float | None  # share of the rows
    max_tokens: int | None
    seed: int
    workers: int


def fates(inputs: Sequence[Path], asked: Asked, progress: Progress) -> Fates:
    """Measure and draw rows. The inputs are read once for lengths and hashes, and again for each comparison.

    Raises UsageError where no group of rows fits into the share that was asked for.
    """
    if asked.validation is None and asked.max_tokens is None:
        return Fates({}, frozenset(), {})
    survey = _survey(inputs, asked, progress)
    if asked.validation is None:
        return Fates(survey.too_long, frozenset(), {})
    rows = _Rows(inputs, set(survey.too_long))
    groups, compared = _groups(rows, survey, asked.workers, progress)
    chosen = drawn(groups, survey.hashes, asked.validation)
    if not chosen:
        raise UsageError(
            f"no rows for validation: a share of {asked.validation:g} of {len(groups)} rows is "
            f"{round(asked.validation * len(groups))}, and no group of rows that resemble each other is that small"
        )
    sizes = Counter(groups)
    figures = {
        "asked": asked.validation,
        "share": round(len(chosen) / len(groups), 6),
        "rows": len(chosen),
        "groups": len({groups[at] for at in chosen}),
        "largest_group": max(sizes.values()),
        "threshold": THRESHOLD,
        "seed": asked.seed,
        **compared,
    }
    return Fates(survey.too_long, frozenset(survey.numbers[at] for at in chosen), figures)


def drawn(groups: Sequence[int], hashes: Sequence[int], share: float) -> list[int]:
    """Places of the rows to hold out: groups in the order of their least hash, each taken that still fits.

    The answer is of the rows alone, not of their order, as long as the hashes are.
    """
    members: dict[int, list[int]] = {}
    for at, group in enumerate(groups):
        members.setdefault(group, []).append(at)
    room, chosen = round(share * len(groups)), list[int]()
    for rows in sorted(members.values(), key=lambda rows: min(hashes[at] for at in rows)):
        if len(rows) <= room:
            chosen += rows
            room -= len(rows)
    return sorted(chosen)


class _Survey(NamedTuple):
    """Rows that may be written, by their place among them."""

    numbers: array[int]  # of each, its place among all rows that could be read
    hashes: array[int]  # of what it says
    openings: array[int]  # of its first turn
    prompts: array[int]  # of all that comes before the response
    too_long: dict[int, int]


def _survey(inputs: Sequence[Path], asked: Asked, progress: Progress) -> _Survey:
    survey = _Survey(array("q"), array("Q"), array("Q"), array("Q"), {})
    progress.start("measure rows", None)
    for number, record, tokens in _measured(inputs, count=asked.max_tokens is not None):
        progress.advance(1)
        if asked.max_tokens is not None and tokens > asked.max_tokens:
            survey.too_long[number] = tokens
            continue
        first = record.history[0].content if record.history else record.instruction
        survey.numbers.append(number)
        survey.hashes.append(xxhash.xxh3_64_intdigest(record.id.encode(), seed=asked.seed))
        survey.openings.append(_hash(first))
        survey.prompts.append(_hash(_prompt(record)))
    progress.finish()
    return survey


def _hash(text: str) -> int:
    """Of the words of a text: other case and other spaces are no other text."""
    return xxhash.xxh3_64_intdigest(" ".join(text.casefold().split()).encode())


def _measured(inputs: Sequence[Path], *, count: bool) -> Iterator[tuple[int, Record, int]]:
    """Rows that have a response, with their number and their tokens (0 where nobody asks)."""
    waiting: list[tuple[int, Record]] = []
    chars = 0
    for row in _answered(inputs):
        waiting.append(row)
        chars += len(row[1].instruction) + len(row[1].response or "")
        if len(waiting) == _BATCH_ROWS or chars >= _BATCH_CHARS:
            yield from _counted(waiting, count=count)
            waiting, chars = [], 0
    yield from _counted(waiting, count=count)


def _counted(rows: Sequence[tuple[int, Record]], *, count: bool) -> Iterator[tuple[int, Record, int]]:
    lengths = lengths_of([record for _, record in rows]) if count else [0] * len(rows)
    for (number, record), tokens in zip(rows, lengths, strict=True):
        yield number, record, tokens


def lengths_of(records: Sequence[Record]) -> list[int]:
    """Tokens of whole conversations, as a trainer sees them: every message, `MARKUP` around each, and one to begin.

    An estimate: the encoding is o200k_base, and the trainer's own tokenizer and chat template decide.
    """
    import toktok

    turns = [chat(record) for record in records]
    counts = iter(toktok.batch_count([turn["content"] for row in turns for turn in row], ENCODING))
    return [1 + sum(next(counts) + MARKUP for _ in row) for row in turns]


def _answered(inputs: Sequence[Path]) -> Iterator[tuple[int, Record]]:
    """Rows that have a response, each with its number among all rows that can be read."""
    number = 0
    for _, item in numbered(inputs):
        if isinstance(item, BadRow):
            continue
        if item[2].response is not None:
            yield number, item[2]
        number += 1


class _Rows(NamedTuple):
    """The rows of a survey, read again as often as they are asked for."""

    inputs: Sequence[Path]
    without: set[int]

    def texts(self, of: Callable[[Record], str]) -> _Texts:
        return _Texts(self, of)


class _Texts:
    """A text of each row: drawn as often as it is iterated."""

    def __init__(self, rows: _Rows, of: Callable[[Record], str]) -> None:
        self._rows, self._of = rows, of

    def __iter__(self) -> Iterator[str]:
        for number, record in _answered(self._rows.inputs):
            if number not in self._rows.without:
                yield self._of(record)


def _prompt(record: Record) -> str:
    return "\n".join(turn["content"] for turn in chat(record)[:-1] if turn["role"] != "system")


def _whole(record: Record) -> str:
    return f"{_prompt(record)}\n{record.response}"


def _groups(rows: _Rows, survey: _Survey, workers: int, progress: Progress) -> tuple[list[int], dict[str, Any]]:
    """Of each row the least place in its group, and how pairs were looked for."""
    roots = list(range(len(survey.numbers)))
    for keys in (survey.openings, survey.prompts):
        firsts: dict[int, int] = {}
        for at, key in enumerate(keys):
            _join(roots, at, firsts.setdefault(key, at))
    method, missed = "", 0.0
    for of in (_prompt, _whole):
        found = dedup(rows.texts(of), threshold=THRESHOLD, clusters="transitive", workers=workers, progress=progress)
        for removed in found.removed:
            _join(roots, removed.row, removed.kept)
        method, missed = found.method, found.missed_share
    return [_root(roots, at) for at in range(len(roots))], {"method": method, "missed_share": missed}


def _root(roots: list[int], at: int) -> int:
    while roots[at] != at:
        roots[at] = roots[roots[at]]
        at = roots[at]
    return at


def _join(roots: list[int], one: int, other: int) -> None:
    low, high = sorted((_root(roots, one), _root(roots, other)))
    roots[high] = low
