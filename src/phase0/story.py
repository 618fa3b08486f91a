"""Everything that happened to a row: where it came from, what each stage made of it, and which rows it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from phase0.dataset import BadRow, Made, lineage, meta_folder, raw_rows
from phase0.dataset.rows import NOT_JSON
from phase0.errors import DataError, UsageError
from phase0.stages.publish import FULL
from phase0.stages.rounds import MOST, in_round, round_of

_SHORTEST = 6  # hex digits of an id that are enough to look for


class Event(NamedTuple):
    """One thing that happened to a row. `stands_for` is a row that was dropped in favour of this one."""

    stage: str
    what: Literal["kept", "dropped", "stands_for"]
    file: str
    line: int
    reason: str | None
    evidence: dict[str, Any]
    row: dict[str, Any]


def explain(folder: str | Path, row_id: str) -> list[Event]:
    """What happened to the rows with this id, stage by stage, and to the answers that teachers gave to them. Equal rows
    share an id: all of them are shown.

    `folder` is a run, or a file that phase0 wrote; the first six digits of an id suffice. Raises DataError when no row
    has it.
    """
    row_id = row_id.strip().lower()
    if len(row_id) < _SHORTEST or any(digit not in "0123456789abcdef" for digit in row_id):
        raise UsageError(f"{row_id!r} is not an id: 32 hex digits, of which at least {_SHORTEST} must be given")
    events = [event for step in steps(Path(folder)) for event in _events(step, row_id)]
    if not events:
        raise DataError(f"{folder}: no row has an id that starts with {row_id}")
    return events


def steps(target: Path) -> list[Made]:
    """Every step that led to the files of a run, or to one file, in order. Raises DataError where there are none."""
    if not target.is_dir():
        ends = [target]
    else:
        ends = [path for place in _places(target) for path in sorted((target / place).glob("*")) if path.is_file()]
    found: dict[Path, Made] = {}
    for end in ends:
        if end.resolve() not in found:
            found.update({made.path: made for made in lineage(end) if made.path not in found})
    if not found:
        raise DataError(f"{target}: nothing here was made by phase0")
    return sorted(found.values(), key=_order)


def _places(folder: Path) -> list[str]:
    """Where the outputs of a run are, last ones first. De-duplication after an earlier round is told by the last."""
    made = [step.path for step in lineage(folder / "dataset.jsonl")]
    begun = [path for stage in ("distilled", "deduped", "decontaminated") for path in folder.glob(f"{stage}.*/*")]
    last = max(map(round_of, made or begun), default=1)
    places = [".", "mixed", in_round("decontaminated", last), in_round("deduped", last)]
    for number in range(last, 0, -1):
        places += [in_round(stage, number) for stage in ("chosen", "scored", "distilled")]
    return [*places, "decontaminated", "prompts", "raw"]


_BEFORE, _IN_ROUNDS = ("download", "combine", "prompts"), ("distill", "score", "choose")
_AFTER = ("dedup", "decontaminate", "mix", "publish")


def _order(made: Made) -> tuple[int, int]:
    """Stages as they follow each other, the rounds one after the other."""
    stage = made.manifest.stage
    if stage in _IN_ROUNDS:
        return round_of(made.path), _IN_ROUNDS.index(stage)
    if stage in _BEFORE:
        return 0, _BEFORE.index(stage)
    if stage == "decontaminate" and _asks_nobody(made):
        return 0, len(_BEFORE)
    return MOST + 1, _AFTER.index(stage) if stage in _AFTER else len(_AFTER)


def _asks_nobody(made: Made) -> bool:
    """Whether it is a step before anybody was asked: nothing that led to it was answered."""
    return all(step.manifest.stage not in _IN_ROUNDS for step in lineage(made.path))


def _events(step: Made, row_id: str) -> Iterator[Event]:
    path = step.path
    stage = in_round(step.manifest.stage, round_of(path))
    if stage == "combine":  # the same rows as the datasets it joins
        return
    full = meta_folder(path) / FULL
    mark = f'"{row_id}'.encode()
    for line, row in _holding(full if stage == "publish" and full.exists() else path, mark):
        if _is(row, row_id):
            yield Event(stage, "kept", path.name, line, None, {}, row)
    for _, lost in _holding(meta_folder(path) / "dropped.jsonl", mark):
        told = Event(stage, "dropped", lost["file"], lost["line"], lost["reason"], lost["evidence"], lost["row"])
        if _is(lost["row"], row_id):
            yield told
        elif _starts(lost["evidence"], "kept_id", row_id):
            yield told._replace(what="stands_for")


def _holding(path: Path, mark: bytes) -> Iterator[tuple[int, Any]]:
    """Rows with these bytes somewhere: looking for bytes is far quicker than decoding every row. Damaged ones are
    passed over."""
    if not path.exists():
        return
    for item in raw_rows(path):
        if not isinstance(item, BadRow) and mark in item[1]:
            try:
                row = msgspec.json.decode(item[1])
            except NOT_JSON:
                continue
            yield item[0], row


def _is(row: Any, row_id: str) -> bool:
    """Whether this is the row, or the answer of a teacher to it."""
    return _starts(row, "id", row_id) or (isinstance(row, dict) and _starts(row.get("meta"), "parent", row_id))


def _starts(row: Any, field: str, row_id: str) -> bool:
    value = row.get(field) if isinstance(row, dict) else None
    return isinstance(value, str) and value.startswith(row_id)
