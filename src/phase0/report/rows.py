"""What a report tells of rows themselves: lengths, scores by source, near-duplicates, and rows to look at.

Every file is read once or twice from its first row to its last; memory is for counters and for the few rows that are
shown, each of them cut. Which rows are shown depends on their bytes alone.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import xxhash

from phase0.dataset import BadRow, Made, meta_folder, raw_rows
from phase0.dataset.rows import NOT_JSON
from phase0.progress import Progress
from phase0.report.clusters import ClusterNumbers, clusters
from phase0.report.shown import Part, parts_of, reasons_of
from phase0.stages.output import relative
from phase0.stages.provenance import Chain
from phase0.stages.publish import FULL
from phase0.stages.rounds import in_round, round_of
from phase0.stages.statistics import bucket_of
from phase0.stages.token_counts import ENCODING

KEPT, BORDERLINE, PER_REASON = 6, 4, 2  # rows that are shown: of finished ones, on each side of a threshold, dropped
MOST_REASONS = 24
_MICRO = 1_000_000  # scores are summed as whole millionths, so that a mean does not depend on the order of rows
_BATCH_ROWS, _BATCH_CHARS = 4096, 4_000_000  # counted in one call

Group = Literal["kept", "above", "below", "dropped"]
Text = Literal["instruction", "response"]
_TEXTS: tuple[Text, ...] = ("instruction", "response")


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A row to look at. `above` and `below` are the finished and the dropped rows that are nearest to the threshold."""

    group: Group
    stage: str
    reason: str | None
    file: str
    line: int
    score: float | None
    source: str | None
    parts: tuple[Part, ...]
    why: tuple[str, ...]


class Lengths(msgspec.Struct, frozen=True, kw_only=True):
    """Rows by tokens. The keys of `bins` are the least of a bin, which reaches to twice as many."""

    what: Text
    bins: dict[int, int]
    median: int
    most_of: int  # 95 % of the rows have at most so many
    longest: int


class SourceScores(msgspec.Struct, frozen=True, kw_only=True):
    """The finished rows of one source by the bucket of their score."""

    source: str
    rows: int
    mean: float | None
    buckets: dict[str, int]


class RowNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """What reading the rows told."""

    encoding: str
    lengths: tuple[Lengths, ...]
    sources: tuple[SourceScores, ...]  # most rows first
    clusters: tuple[ClusterNumbers, ...]  # of each de-duplication
    samples: tuple[Sample, ...]
    unread: int  # finished rows that are no rows: a verification names them


UNREAD = RowNumbers(encoding=ENCODING, lengths=(), sources=(), clusters=(), samples=(), unread=0)
"""What is told of rows that nobody read."""


def row_numbers(dataset: Path, known: Chain, root: Path, threshold: float | None, progress: Progress) -> RowNumbers:
    """Read the finished rows, and what every stage dropped."""
    finished, dropped = _Finished(threshold), _Lost(threshold)
    full = meta_folder(dataset) / FULL
    place = relative(dataset, root)
    for item in raw_rows(full if full.exists() else dataset):
        finished.add(item, place)
        progress.advance(1)
    finished.count()
    for made in known.made:
        dropped.read(made, progress)
    return RowNumbers(
        encoding=ENCODING,
        lengths=finished.lengths(),
        sources=finished.sources(),
        clusters=tuple(found for made in known.made for found in clusters(made, known, root)),
        samples=(*finished.kept.rows, *finished.near.rows, *dropped.near.rows, *dropped.by_reason()),
        unread=finished.unread,
    )


class _Found(NamedTuple):
    """A row that may be shown, and why it was dropped if it was."""

    stage: str
    reason: str | None
    file: str
    line: int
    raw: bytes
    evidence: bytes | None = None


class _Least:
    """The few rows with the least rank. Equal rows are shown once; only those that stay are decoded."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._ranked: list[tuple[tuple[float, int], Sample]] = []

    def look(self, rank: tuple[float, int], group: Group, found: _Found) -> None:
        if len(self._ranked) >= self._most and rank >= self._ranked[-1][0]:
            return
        if all(rank != other for other, _ in self._ranked):
            insort(self._ranked, (rank, _sample(group, found)), key=lambda item: item[0])
            del self._ranked[self._most :]

    @property
    def rows(self) -> list[Sample]:
        return [sample for _, sample in self._ranked]


class _Row(msgspec.Struct, frozen=True):
    """What is counted of a finished row."""

    instruction: str
    response: str
    source: str
    quality_score: float | None = None


_decode_row = msgspec.json.Decoder(_Row).decode


class _Finished:
    """Counts finished rows as they pass."""

    def __init__(self, threshold: float | None) -> None:
        self._threshold = threshold
        self.kept, self.near = _Least(KEPT), _Least(BORDERLINE)
        self.unread = 0
        self._rows: Counter[str] = Counter()
        self._micro: Counter[str] = Counter()
        self._buckets: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._texts: list[str] = []
        self._chars = 0
        self._tokens: tuple[Counter[int], Counter[int]] = Counter(), Counter()

    def add(self, item: tuple[int, bytes] | BadRow, place: str) -> None:
        if isinstance(item, BadRow):
            self.unread += 1
            return
        line, raw = item
        try:
            row = _decode_row(raw)
        except NOT_JSON:
            self.unread += 1
            return
        self._rows[row.source] += 1
        if row.quality_score is not None:
            self._micro[row.source] += round(row.quality_score * _MICRO)
            self._buckets[row.source][bucket_of(row.quality_score)] += 1
        self._texts += (row.instruction, row.response)
        self._chars += len(row.instruction) + len(row.response)
        if len(self._texts) >= 2 * _BATCH_ROWS or self._chars >= _BATCH_CHARS:
            self.count()
        digest = xxhash.xxh3_64_intdigest(raw)
        found = _Found("publish", None, place, line, raw)
        self.kept.look((0, digest), "kept", found)
        if self._threshold is not None and row.quality_score is not None and row.quality_score > self._threshold:
            self.near.look((row.quality_score - self._threshold, digest), "above", found)

    def count(self) -> None:
        import toktok

        if not self._texts:
            return
        counts = toktok.batch_count(self._texts, ENCODING)
        self._tokens[0].update(counts[::2])
        self._tokens[1].update(counts[1::2])
        self._texts, self._chars = [], 0

    def lengths(self) -> tuple[Lengths, ...]:
        return tuple(_lengths(what, counts) for what, counts in zip(_TEXTS, self._tokens, strict=True) if counts)

    def sources(self) -> tuple[SourceScores, ...]:
        ranked = sorted(self._rows.items(), key=lambda item: (-item[1], item[0]))
        return tuple(
            SourceScores(
                source=name,
                rows=rows,
                mean=_mean(self._micro[name], self._buckets[name].total()),
                buckets=dict(self._buckets[name]),
            )
            for name, rows in ranked
        )


def _mean(micro: int, rows: int) -> float | None:
    return round(micro / _MICRO / rows, 3) if rows else None


def _lengths(what: Text, counts: Counter[int]) -> Lengths:
    bins: Counter[int] = Counter()
    for tokens, rows in counts.items():
        bins[1 << tokens.bit_length() - 1 if tokens else 0] += rows
    ordered = sorted(counts.items())
    return Lengths(
        what=what,
        bins=dict(sorted(bins.items())),
        median=_quantile(ordered, 0.5),
        most_of=_quantile(ordered, 0.95),
        longest=ordered[-1][0],
    )


def _quantile(ordered: list[tuple[int, int]], part: float) -> int:
    """The least number of tokens that at least this part of the rows stays within."""
    wanted, seen = part * sum(rows for _, rows in ordered), 0
    for tokens, rows in ordered:
        seen += rows
        if seen >= wanted:
            return tokens
    return ordered[-1][0]


class _Drop(msgspec.Struct, frozen=True):
    """A line of `dropped.jsonl`; its row is decoded where it is shown."""

    reason: str
    evidence: msgspec.Raw
    file: str
    line: int
    row: msgspec.Raw


class _Score(msgspec.Struct, frozen=True):
    quality_score: float | None = None


_decode_drop = msgspec.json.Decoder(_Drop).decode
_decode_score = msgspec.json.Decoder(_Score).decode


class _Reason(NamedTuple):
    """Rows that one stage dropped for one reason."""

    stage: str
    reason: str


class _Lost:
    """Looks for rows to show among those that stages dropped."""

    def __init__(self, threshold: float | None) -> None:
        self._threshold = threshold
        self.near = _Least(BORDERLINE)
        self._reasons: dict[_Reason, _Least] = {}
        self._rows: Counter[_Reason] = Counter()

    def read(self, made: Made, progress: Progress) -> None:
        """What one stage dropped. Damaged lines are passed over."""
        stage = in_round(made.manifest.stage, round_of(made.path))
        for drop, raw in _drops(made.path):
            progress.advance(1)
            reason = _Reason(stage, drop.reason)
            self._rows[reason] += 1
            rank = (0.0, xxhash.xxh3_64_intdigest(raw))
            found = _Found(stage, drop.reason, drop.file, drop.line, bytes(drop.row), bytes(drop.evidence))
            self._reasons.setdefault(reason, _Least(PER_REASON)).look(rank, "dropped", found)
            score = _score(found) if made.manifest.stage == "score" and self._threshold is not None else None
            if score is not None and self._threshold is not None and score <= self._threshold:
                self.near.look((round(self._threshold - score, 6), rank[1]), "below", found)

    def by_reason(self) -> Iterator[Sample]:
        """Those of the most frequent reasons, in the order in which the stages were read."""
        frequent = {reason for reason, _ in self._rows.most_common(MOST_REASONS)}
        for reason, least in self._reasons.items():
            if reason in frequent:
                yield from least.rows


def _drops(path: Path) -> Iterator[tuple[_Drop, bytes]]:
    dropped = meta_folder(path) / "dropped.jsonl"
    for item in raw_rows(dropped) if dropped.is_file() else ():
        if not isinstance(item, BadRow):
            try:
                yield _decode_drop(item[1]), item[1]
            except NOT_JSON:
                continue


def _score(found: _Found) -> float | None:
    try:
        return _decode_score(found.evidence or b"{}").quality_score
    except NOT_JSON:
        return None


def _sample(group: Group, found: _Found) -> Sample:
    try:
        row: Any = msgspec.json.decode(found.raw)
    except NOT_JSON:
        row = found.raw.decode("utf-8", "backslashreplace")
    fields = row if isinstance(row, dict) else {}
    score, source = fields.get("quality_score"), fields.get("source")
    return Sample(
        group=group,
        stage=found.stage,
        reason=found.reason,
        file=found.file,
        line=found.line,
        score=float(score) if isinstance(score, (int, float)) and not isinstance(score, bool) else None,
        source=source[:200] if isinstance(source, str) else None,
        parts=parts_of(row),
        why=reasons_of(fields, found.evidence),
    )
