"""Near-duplicates as a report shows them: how many rows each kept one stands for, and the largest of them in words.

De-duplication drops every row in favour of one that stays: a cluster is that one with all that went for it.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from phase0.dataset import BadRow, Made, meta_folder, raw_rows
from phase0.dataset.rows import NOT_JSON
from phase0.report.shown import Part, parts_of
from phase0.stages.output import relative
from phase0.stages.provenance import Chain

LARGEST = 4  # clusters that are shown
MEMBERS = 2  # dropped rows of each that are shown: the least similar ones


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was dropped, and how similar it is to the one that stays."""

    file: str
    line: int
    jaccard: float
    parts: tuple[Part, ...]


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """A row that stays with those that went for it. `kept` is empty where the file it was in is no longer there."""

    rows: int  # the kept one too
    file: str
    line: int
    kept: tuple[Part, ...]
    members: tuple[Member, ...]


class ClusterNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """The clusters of one de-duplication. `sizes` counts clusters by their rows."""

    output: str
    clusters: int
    removed: int
    sizes: dict[int, int]
    largest: tuple[Cluster, ...]


class _Place(NamedTuple):
    file: str
    line: int


class _Evidence(msgspec.Struct, frozen=True):
    kept_file: str
    kept_line: int
    jaccard: float


class _Drop(msgspec.Struct, frozen=True):
    """A line of `dropped.jsonl`, of which only near-duplicates have this evidence."""

    evidence: _Evidence
    file: str
    line: int
    row: msgspec.Raw


_decode = msgspec.json.Decoder(_Drop).decode


def clusters(made: Made, known: Chain, root: Path) -> Iterator[ClusterNumbers]:
    """Those of one stage; nothing where it removed no near-duplicates."""
    if not made.manifest.counts.reasons.get("near_duplicate"):
        return
    went = Counter(_place(drop) for drop in _near_duplicates(made.path))
    if not went:
        return
    largest = sorted(went, key=lambda place: (-went[place], place))[:LARGEST]
    members = _members(made.path, largest)
    kept = _kept(made, known, largest)
    yield ClusterNumbers(
        output=relative(made.path, root),
        clusters=len(went),
        removed=went.total(),
        sizes=dict(sorted(Counter(rows + 1 for rows in went.values()).items())),
        largest=tuple(
            Cluster(
                rows=went[place] + 1,
                file=place.file,
                line=place.line,
                kept=kept.get(place, ()),
                members=tuple(members[place]),
            )
            for place in largest
        ),
    )


def _near_duplicates(path: Path) -> Iterator[_Drop]:
    dropped = meta_folder(path) / "dropped.jsonl"
    for item in raw_rows(dropped) if dropped.is_file() else ():
        if not isinstance(item, BadRow):
            try:
                yield _decode(item[1])
            except NOT_JSON:
                continue


def _place(drop: _Drop) -> _Place:
    return _Place(drop.evidence.kept_file, drop.evidence.kept_line)


def _members(path: Path, places: Sequence[_Place]) -> dict[_Place, list[Member]]:
    """The least similar rows that went for each, those that say the same once."""
    found: dict[_Place, list[Member]] = {place: [] for place in places}
    for drop in _near_duplicates(path):
        chosen = found.get(_place(drop))
        if chosen is None or (len(chosen) == MEMBERS and drop.evidence.jaccard >= chosen[-1].jaccard):
            continue
        parts = parts_of(_value(bytes(drop.row)))
        if all(parts != other.parts for other in chosen):
            member = Member(file=drop.file, line=drop.line, jaccard=drop.evidence.jaccard, parts=parts)
            insort(chosen, member, key=lambda each: each.jaccard)
            del chosen[MEMBERS:]
    return found


def _kept(made: Made, known: Chain, places: Sequence[_Place]) -> dict[_Place, tuple[Part, ...]]:
    """What the kept rows say, where the files that they were in are still there."""
    found = {}
    for name in {place.file for place in places}:
        path = _file(made, known, name)
        lines = {place.line: place for place in places if place.file == name}
        for item in raw_rows(path) if path is not None else ():
            if not isinstance(item, BadRow) and item[0] in lines:
                found[lines.pop(item[0])] = parts_of(_value(item[1]))
                if not lines:
                    break
    return found


def _file(made: Made, known: Chain, name: str) -> Path | None:
    """The file that a stage called so: an input, or an output of an earlier round."""
    folder = made.path.parent
    inputs = [(folder / source.path).resolve() for source in made.manifest.inputs]
    for path in (*inputs, *(step.path for step in known.made)):
        if name in {path.name, relative(path, folder)} and path.is_file():
            return path
    return None


def _value(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except NOT_JSON:
        return raw.decode("utf-8", "backslashreplace")
