"""What `diff` finds, as frozen values that go to JSON and back. What a side does not tell is None."""

from __future__ import annotations

from typing import Any

import msgspec


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two that are compared."""

    target: str
    dataset: str
    rows: int
    digest: str
    gaps: tuple[str, ...]  # what its manifests do not tell


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A value that differs, by its dotted key. None: that side has no such key."""

    key: str
    old: Any
    new: Any


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of one stage, in rows."""

    read: int
    rows_in: int = msgspec.field(name="in")
    kept: int
    dropped: int
    reasons: dict[str, int]


class StageChange(msgspec.Struct, frozen=True, kw_only=True):
    """A stage with other sums. None: that side has no such stage."""

    stage: str
    output: str
    old: Sums | None
    new: Sums | None


class ShareChange(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one source, teacher or category, their share of 1, and the share that each plan wanted."""

    name: str
    old: int
    new: int
    old_share: float
    new_share: float
    old_wanted: float | None = None
    new_wanted: float | None = None


class MixChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote the finished rows, which rows teachers took, and what the rows are about. Only what differs."""

    sources: tuple[ShareChange, ...]
    teachers: tuple[ShareChange, ...]
    categories: tuple[ShareChange, ...]


class JudgedChange(msgspec.Struct, frozen=True, kw_only=True):
    """One stage that scored, where it differs. `accepted` are shares of the rows with a score that were kept."""

    output: str
    old_scored: int
    new_scored: int
    old_mean: float | None
    new_mean: float | None
    old_accepted: float | None
    new_accepted: float | None
    dimensions: tuple[Changed, ...]  # means
    sources: tuple[Changed, ...]  # shares accepted


class ScoreChanges(msgspec.Struct, frozen=True, kw_only=True):
    """The scores of the finished rows in steps of half a point, and what the stages that scored tell."""

    old_mean: float | None
    new_mean: float | None
    histogram: tuple[Changed, ...]  # rows by the least score of a step
    judged: tuple[JudgedChange, ...]


class CostChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent, in dollars as decimals. None: not known."""

    old_usd: str | None
    new_usd: str | None
    old_budget_usd: str | None
    new_budget_usd: str | None
    stages: tuple[Changed, ...]


class Whereabouts(msgspec.Struct, frozen=True, kw_only=True):
    """Why rows are not in a dataset, as its own run tells: the stage that dropped them and its reason. `stage` is None
    for rows that no stage dropped; then `reason` is one of those below."""

    stage: str | None
    reason: str
    rows: int


NOT_THERE = "their question is none of its rows"
NOT_TAKEN = "their question is one of its rows, but nobody's answer to it was dropped or finished"
NOT_TOLD = "no manifest tells"


class ShownRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row to look at, its texts cut. `id` is one that `phase0 explain` takes, where rows have theirs."""

    line: int
    id: str | None
    source: str | None
    score: float | None
    instruction: str
    response: str
    stage: str | None = None  # where the other side lost it, and why
    reason: str | None = None


class RowPair(msgspec.Struct, frozen=True, kw_only=True):
    """One row as both sides have it."""

    old: ShownRow
    new: ShownRow


class RowChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows came and went. Sums: old = same + rescored + answered + went, new = same + rescored + answered + came.

    `rescored` rows say the same and have another score; `answered` ones have the same question (or the same id) and
    another response, or one by somebody else.
    """

    same: int
    rescored: int
    answered: int
    went: int
    came: int
    went_to: tuple[Whereabouts, ...]  # why the new side has not what the old one has; most rows first
    came_from: tuple[Whereabouts, ...]  # why the old side had not what the new one has
    first_went: tuple[ShownRow, ...]
    first_came: tuple[ShownRow, ...]
    first_rescored: tuple[RowPair, ...]
    first_answered: tuple[RowPair, ...]


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that differs between two runs or datasets."""

    old: Side
    new: Side
    same: bool  # nothing below differs
    plan: tuple[Changed, ...]
    settings: tuple[Changed, ...]  # of stages, and versions: as manifests have them
    sums: tuple[StageChange, ...]
    mix: MixChanges
    scores: ScoreChanges | None
    criteria: tuple[Changed, ...]  # what was wanted, what came, and the verdict
    cost: CostChanges | None
    rows: RowChanges
