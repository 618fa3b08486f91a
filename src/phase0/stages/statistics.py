"""What is counted of finished rows: is each of them valid, and what do the valid ones look like. Memory is for
counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, get_args

import msgspec

from phase0.dataset.reading import record_from
from phase0.dataset.rows import NOT_JSON
from phase0.errors import RowError
from phase0.records import CATEGORIES
from phase0.stages.token_counts import ENCODING, count_tokens
from phase0.stages.verification import (
    Bucket,
    CategoryOrigin,
    CategoryShare,
    Fault,
    Faults,
    Quality,
    SourceShare,
    Tokens,
    VerifiedFile,
)

if TYPE_CHECKING:
    from phase0.stages.category_scan import Laid

SHOWN_FAULTS = 20
BUCKETS = (
    ("9–10 excellent", 9.0),
    ("8–9 good", 8.0),
    ("7–8 acceptable", 7.0),
    ("below 7", 1.0),
)
"""Each reaches from its least score up to the one before it; the first one includes 10."""

_MICRO = 1_000_000  # scores are summed as whole millionths, so that the average does not depend on the order of rows


class PublishedRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A published row: what most rows are, decoded in one step."""

    instruction: str
    response: str
    source: str
    quality_score: float | None = None

    category: ClassVar[None] = None
    system: ClassVar[None] = None


class _PeekedMeta(msgspec.Struct, frozen=True):
    category: str | None = None


class FullRow(msgspec.Struct, frozen=True):
    """What is read of the full row that a published one was made from."""

    instruction: str
    response: str | None = None
    meta: _PeekedMeta | None = None


class _Scored(msgspec.Struct, frozen=True):
    quality_score: float | None = None


class RecordedRow(NamedTuple):
    """A row that is a record, as far as it is counted."""

    instruction: str
    response: str
    source: str
    quality_score: float | None
    category: str | None
    system: str | None


ValidRow = PublishedRow | RecordedRow
"""A row that breaks no rule of the format."""


def valid_row(raw: bytes) -> ValidRow:
    """The row that a line of a finished dataset holds. Raises RowError for the first rule that it breaks.

    A row is valid when it is a record, or has the standard fields of one, and has a response. A `quality_score` that is
    null or absent is a row that nobody scored.
    """
    try:
        row = _plain(raw)
    except NOT_JSON:
        return _from_record(raw)
    return row if is_published(row) else _from_record(raw)  # it knows the words for what is wrong


def is_published(row: PublishedRow) -> bool:
    """Whether a row breaks no rule that types alone cannot say."""
    scored = row.quality_score is None or 1 <= row.quality_score <= 10
    return scored and bool(row.instruction.strip() and row.response.strip() and row.source.strip())


def _from_record(raw: bytes) -> RecordedRow:
    record = record_from(raw, dataset="", row="")
    if record.response is None or not record.response.strip():
        raise RowError("no_response", "the row has no response", field="response")
    return RecordedRow(
        record.instruction,
        record.response,
        record.source,
        record.quality_score,
        record.meta.category,
        record.system,
    )


_plain = msgspec.json.Decoder(PublishedRow).decode
_scored = msgspec.json.Decoder(_Scored).decode


def score_of(raw: bytes) -> float | None:
    """The score of a row whose other fields nobody looks at."""
    return _scored(raw).quality_score


class Examined(NamedTuple):
    """What one pass over the files found."""

    files: tuple[VerifiedFile, ...]
    rows: int
    valid: int
    faults: Faults
    quality: Quality
    tokens: Tokens
    sources: tuple[SourceShare, ...]
    categories: tuple[CategoryShare, ...]
    categories_from: dict[CategoryOrigin, int]


def _stored_category(row: ValidRow, twin: FullRow | None) -> str | None:
    """The category that the full row beside this one has, if it is the same row."""
    stored = twin.meta.category if twin is not None and twin.meta is not None else None
    same = twin is not None and (twin.instruction, twin.response) == (row.instruction, row.response)
    return stored if same and stored in CATEGORIES else None


class Tally:
    """Counts rows. Sums are of whole numbers, so that they come to the same however rows are cut."""

    def __init__(self) -> None:
        self.rows = self.valid = 0
        self.origins: Counter[CategoryOrigin] = Counter()
        self._reasons: Counter[str] = Counter()
        self._first: list[Fault] = []
        self._sources: Counter[str] = Counter()
        self._categories: Counter[str] = Counter()
        self._buckets: Counter[str] = Counter()
        self._scored = self._micro = 0
        self._seen: list[float] = []  # the lowest and the highest score
        self._tokens = [0, 0]

    def fault(self, path: Path, line: int, error: RowError) -> None:
        self._reasons[error.reason] += 1
        if len(self._first) < SHOWN_FAULTS:
            self._first.append(
                Fault(file=str(path), line=line, field=error.field, reason=error.reason, detail=error.detail)
            )

    def count(self, rows: Sequence[ValidRow], twins: Sequence[FullRow | None] = (), laid: Laid | None = None) -> None:
        """Some valid rows, with the full rows that may have been read beside them, one each or none at all, and where
        they are laid out, if they are."""
        counting = count_tokens([text for row in rows for text in (row.instruction, row.response)])
        self.valid += len(rows)
        self._sources.update(row.source for row in rows)
        for score, times in Counter(row.quality_score for row in rows).items():
            self.see(score, times)
        self._count_categories(rows, twins, laid)
        counts = counting.result()
        self._tokens = [self._tokens[0] + sum(counts[::2]), self._tokens[1] + sum(counts[1::2])]

    def _count_categories(self, rows: Sequence[ValidRow], twins: Sequence[FullRow | None], laid: Laid | None) -> None:
        """The category of a row is the one that was set when it was acquired, else the one that its text has."""
        known = [row.category for row in rows]
        left = [at for at, name in enumerate(known) if name is None]
        self.origins["rows"] += len(rows) - len(left)
        if twins:
            for at in left:
                known[at] = _stored_category(rows[at], twins[at])
            self.origins["full rows"] += len(left)
            left = [at for at in left if known[at] is None]
            self.origins["full rows"] -= len(left)
        self._categories.update(name for name in known if name is not None)
        if left:
            from phase0.stages.categories import categories  # with numpy, which nobody who names a stage waits for

            self._categories.update(categories([rows[at] for at in left], laid and laid.of(left)))
            self.origins["computed"] += len(left)

    def see(self, score: float | None, rows: int = 0) -> None:
        """A score that some valid rows have, or none."""
        if score is not None:
            self._seen = [min([score, *self._seen]), max([score, *self._seen])]
            self._scored += rows
            self._micro += rows * round(score * _MICRO)
            self._buckets[bucket_of(score)] += rows

    def add_all(self, other: Tally) -> None:
        """The sums of rows behind these."""
        self.rows, self.valid = self.rows + other.rows, self.valid + other.valid
        self._first = [*self._first, *other._first][:SHOWN_FAULTS]
        for mine, theirs in zip(self._counters(), other._counters(), strict=True):
            mine.update(theirs)
        self._scored, self._micro = self._scored + other._scored, self._micro + other._micro
        self._seen = [found(self._seen + other._seen) for found in (min, max)] if self._seen + other._seen else []
        self._tokens = [one + another for one, another in zip(self._tokens, other._tokens, strict=True)]

    def _counters(self) -> Sequence[Counter[Any]]:
        return self.origins, self._reasons, self._sources, self._categories, self._buckets

    def faults(self) -> Faults:
        return Faults(rows=self._reasons.total(), reasons=dict(sorted(self._reasons.items())), first=tuple(self._first))

    def quality(self) -> Quality:
        return Quality(
            scored=self._scored,
            unscored=self.valid - self._scored,
            lowest=self._seen[0] if self._seen else None,
            highest=self._seen[1] if self._seen else None,
            average=self._micro / (_MICRO * self._scored) if self._scored else None,
            buckets=tuple(
                Bucket(name=name, least=least, rows=self._buckets[name], share=share(self._buckets[name], self._scored))
                for name, least in BUCKETS
            ),
        )

    def tokens(self) -> Tokens:
        instruction, response = self._tokens
        return Tokens(
            encoding=ENCODING,
            instruction_total=instruction,
            response_total=response,
            instruction_average=instruction / self.valid if self.valid else None,
            response_average=response / self.valid if self.valid else None,
        )

    def source_shares(self) -> tuple[SourceShare, ...]:
        ranked = sorted(self._sources.items(), key=lambda item: (-item[1], item[0]))
        return tuple(SourceShare(source=name, rows=rows, share=share(rows, self.valid)) for name, rows in ranked)

    def category_origins(self) -> dict[CategoryOrigin, int]:
        """How many rows have their category from where, of where any have it."""
        return {origin: self.origins[origin] for origin in get_args(CategoryOrigin) if self.origins[origin]}

    def category_shares(self, wanted: Mapping[str, float]) -> tuple[CategoryShare, ...]:
        return tuple(
            CategoryShare(
                category=name,
                rows=self._categories[name],
                share=share(self._categories[name], self.valid),
                wanted=wanted.get(name, 0.0) / 100 if wanted else None,
            )
            for name in CATEGORIES
        )


def bucket_of(score: float) -> str:
    """The name of the bucket that a score falls into."""
    return next((name for name, least in BUCKETS if score >= least), BUCKETS[-1][0])


def share(rows: int, whole: int) -> float:
    """A part of a whole; 0 of nothing is 0."""
    return rows / whole if whole else 0.0
