"""Rows as they are compared: digests of what they say in arrays, 48 bytes to a row, and counters of the rest.

A row that is no standard row is compared by its bytes.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from functools import lru_cache
from hashlib import blake2b
from math import nan
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from phase0.changes.found import ShownRow
from phase0.changes.matching import U64, Digests
from phase0.dataset import BadRow, meta_folder, raw_rows
from phase0.dataset.rows import NOT_JSON
from phase0.progress import Progress
from phase0.report.shown import parts_of

MICRO = 1_000_000  # scores are summed as whole millionths, so that a mean does not depend on the order of rows
_CUT = 200  # characters of a text that is shown
_TOLD = 1000  # rows between two signs of life


class _Meta(msgspec.Struct, frozen=True):
    category: str | None = None


class _Row(msgspec.Struct, frozen=True):
    """What is compared of a row."""

    instruction: str
    response: str | None = None
    source: str | None = None
    quality_score: float | None = None
    system: str | None = None
    history: Any = None
    id: str | None = None
    meta: _Meta | None = None


class _Drop(msgspec.Struct, frozen=True):
    """A line of `dropped.jsonl`."""

    reason: str
    row: msgspec.Raw


_row = msgspec.json.Decoder(_Row).decode
_drop = msgspec.json.Decoder(_Drop).decode
_value = msgspec.json.decode


class ReadRows(NamedTuple):
    """The rows of one file. `steps` counts those with a score by the least of a step of half a point."""

    digests: Digests
    sources: Counter[str]
    categories: Counter[str]
    steps: Counter[float]
    micro: int  # the sum of the scores

    @property
    def mean(self) -> float | None:
        scored = self.steps.total()
        return round(self.micro / MICRO / scored, 3) if scored else None


class DroppedRows(NamedTuple):
    """The rows that one stage dropped: the reason of row r is `reasons[reason_R[r]]`."""

    digests: Digests
    reasons: tuple[str, ...]
    reason_R: Any  # noqa: N815 - the suffix is the shape


def read_rows(path: Path, progress: Progress, *, whole: bool) -> ReadRows:
    """Read a file of rows. `whole`: a question is all that came before the answer, not the instruction alone."""
    columns = _Columns(whole=whole)
    sources, categories, steps, micro = Counter[str](), Counter[str](), Counter[float](), 0
    for number, item in enumerate(raw_rows(path), 1):
        row = columns.add(item)
        if row is not None:
            if row.source is not None:
                sources[row.source] += 1
            if row.meta is not None and row.meta.category is not None:
                categories[row.meta.category] += 1
            if row.quality_score is not None:
                steps[min(9.5, row.quality_score * 2 // 1 / 2)] += 1
                micro += round(row.quality_score * MICRO)
        if number % _TOLD == 0:
            progress.advance(_TOLD)
    return ReadRows(columns.digests(), sources, categories, steps, micro)


def read_dropped(path: Path, *, whole: bool) -> DroppedRows:
    """Read what a stage dropped on its way to a file. Lines that are no drops are passed over."""
    columns, numbers, reasons = _Columns(whole=whole), dict[str, int](), array("l")
    lost = meta_folder(path) / "dropped.jsonl"
    for item in raw_rows(lost) if lost.is_file() else ():
        if isinstance(item, BadRow):
            continue
        try:
            drop = _drop(item[1])
        except NOT_JSON:
            continue
        columns.add((item[0], bytes(drop.row)))
        reasons.append(numbers.setdefault(drop.reason, len(numbers)))
    return DroppedRows(columns.digests(), tuple(numbers), np.array(reasons, np.int64))


def read_questions(path: Path, *, whole: bool) -> U64:
    """The digests of the questions of a file, each once."""
    columns = _Columns(whole=whole)
    for item in raw_rows(path):
        columns.add(item)
    return np.unique(columns.digests().question_R)


class _Columns:
    """Digests of rows, one array to a part."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._parts = [array("Q") for _ in range(4)]
        self._scores, self._lines = array("d"), array("q")

    def add(self, item: tuple[int, bytes] | BadRow) -> _Row | None:
        """Take a row; returns it where it is a standard one."""
        line, raw = (item.line, item.raw) if isinstance(item, BadRow) else item
        row: _Row | None = None
        if not isinstance(item, BadRow):
            try:
                row = _row(raw)
            except NOT_JSON:
                row = None
        parts = (_digest(raw), 0, 0, 0) if row is None else self._said(row)
        for column, part in zip(self._parts, parts, strict=True):
            column.append(part)
        self._scores.append(nan if row is None or row.quality_score is None else row.quality_score)
        self._lines.append(line)
        return row

    def _said(self, row: _Row) -> tuple[int, int, int, int]:
        earlier = (row.system or None, row.history or None) if self._whole else ()
        question = _digest(msgspec.json.encode((row.instruction, *earlier)))
        answer = _digest(msgspec.json.encode(row.response))
        return question, answer, _name(row.source or ""), 0 if row.id is None else _name(row.id)

    def digests(self) -> Digests:
        question, answer, source, own = (np.array(column, np.uint64) for column in self._parts)
        scores, lines = np.array(self._scores, np.float64), np.array(self._lines, np.int64)
        return Digests(question, answer, source, own, scores, lines)


def _digest(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little")


@lru_cache(4096)
def _name(text: str) -> int:
    return _digest(text.encode())


def shown(path: Path, lines: Collection[int]) -> dict[int, ShownRow]:
    """Some rows of a file by their lines, cut. The file is read to the last of them."""
    return {line: _shown(line, raw) for line, raw in _chosen(path, set(lines))}


def _chosen(path: Path, lines: set[int]) -> Iterator[tuple[int, bytes]]:
    for item in raw_rows(path) if lines else ():
        line, raw = (item.line, item.raw) if isinstance(item, BadRow) else item
        if line in lines:
            yield line, raw
            lines.discard(line)
            if not lines:
                return


def _shown(line: int, raw: bytes) -> ShownRow:
    try:
        value: Any = _value(raw)
    except NOT_JSON:
        value = raw.decode("utf-8", "backslashreplace")
    fields = value if isinstance(value, dict) else {}
    texts = {part.name: part.text for part in parts_of(value)}
    score, source, own = (fields.get(name) for name in ("quality_score", "source", "id"))
    return ShownRow(
        line=line,
        id=own[:_CUT] if isinstance(own, str) else None,
        source=source[:_CUT] if isinstance(source, str) else None,
        score=float(score) if isinstance(score, (int, float)) and not isinstance(score, bool) else None,
        instruction=_short(texts.get("instruction", texts.get("row", ""))),
        response=_short(texts.get("response", "")),
    )


def _short(text: str) -> str:
    return text if len(text) <= _CUT else f"{text[:_CUT]}…"
