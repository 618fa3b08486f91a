"""Which rows of two files are one and the same, decided over digests alone. Pure.

Rows are matched as often as both sides have them: of three equal rows on one side and two on the other, one is left.
Shapes: O rows of the old side, N of the new one, P pairs.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

U64: TypeAlias = NDArray[np.uint64]
I64: TypeAlias = NDArray[np.int64]
F64: TypeAlias = NDArray[np.float64]

_MIX = tuple(map(np.uint64, (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)))
"""Odd factors, so that sums of digests in different roles are different digests."""


class Digests(NamedTuple):
    """What rows say, as 64 bits of BLAKE2b of each part. 0 of `own_R`: the row has no id of its own.

    Among 600,000 rows two different ones share a digest in one of 100 million comparisons.
    """

    question_R: U64  # noqa: N815 - the suffix is the shape
    answer_R: U64  # noqa: N815
    source_R: U64  # noqa: N815
    own_R: U64  # noqa: N815
    score_R: F64  # NaN: none  # noqa: N815
    line_R: I64  # noqa: N815

    def said(self) -> U64:
        """Of all that a row says, and who said it."""
        said: U64 = self.question_R * _MIX[0] + self.answer_R * _MIX[1] + self.source_R * _MIX[2]
        return said

    def taken(self, rows: I64) -> Digests:
        """Those of some rows."""
        return Digests(
            self.question_R[rows],
            self.answer_R[rows],
            self.source_R[rows],
            self.own_R[rows],
            self.score_R[rows],
            self.line_R[rows],
        )


class Pairs(NamedTuple):
    """Rows that both sides have, by their places; `old_P` rises."""

    old_P: I64  # noqa: N815
    new_P: I64  # noqa: N815


class Matched(NamedTuple):
    """Every row of both sides, once."""

    same: Pairs
    rescored: Pairs
    answered: Pairs
    went_O: I64  # noqa: N815
    came_N: I64  # noqa: N815


def match(old: Digests, new: Digests) -> Matched:
    """Match rows by all they say and their score, then without the score, then by their ids, by question and author,
    and last by the question alone: each step takes from what the one before left."""
    left = Pairs(np.arange(len(old.line_R)), np.arange(len(new.line_R)))
    same, left = _step(_with_score(old), _with_score(new), left)
    rescored, left = _step(old.said(), new.said(), left)
    by_id, left = _step(old.own_R, new.own_R, left, without=0)
    by_author, left = _step(_asked(old), _asked(new), left)
    by_question, left = _step(old.question_R, new.question_R, left)
    answered = (by_id, by_author, by_question)
    return Matched(same, rescored, _joined(answered), left.old_P, left.new_P)


def _with_score(of: Digests) -> U64:
    """A score that is none is one value, whatever its bits."""
    scores = np.where(np.isnan(of.score_R), np.nan, of.score_R + 0.0)
    return of.said() + scores.view(np.uint64) * _MIX[3]


def _asked(of: Digests) -> U64:
    return of.question_R * _MIX[0] + of.source_R * _MIX[2]


def _step(old: U64, new: U64, left: Pairs, *, without: int | None = None) -> tuple[Pairs, Pairs]:
    """Pairs of equal keys among what is left, and what is left then."""
    ours, theirs = left
    if without is not None:
        ours, theirs = ours[old[ours] != without], theirs[new[theirs] != without]
    at_old, at_new = matched(old[ours], new[theirs])
    pairs = _sorted(Pairs(ours[at_old], theirs[at_new]))
    return pairs, Pairs(*(np.setdiff1d(all_, some, assume_unique=True) for all_, some in zip(left, pairs, strict=True)))


def matched(old: U64, new: U64) -> Pairs:
    """Places of equal keys: the k-th of a key on one side with the k-th of it on the other."""
    by_old, by_new = np.argsort(old, kind="stable"), np.argsort(new, kind="stable")
    old, new = old[by_old], new[by_new]
    ordinal = np.arange(len(new)) - np.searchsorted(new, new, "left")
    at = np.searchsorted(old, new, "left") + ordinal
    found = at < np.searchsorted(old, new, "right")
    return Pairs(by_old[at[found]], by_new[found])


def _joined(parts: tuple[Pairs, ...]) -> Pairs:
    return _sorted(
        Pairs(np.concatenate([part.old_P for part in parts]), np.concatenate([part.new_P for part in parts]))
    )


def _sorted(pairs: Pairs) -> Pairs:
    order = np.argsort(pairs.old_P, kind="stable")
    return Pairs(pairs.old_P[order], pairs.new_P[order])


def found_in(wanted: U64, among: U64) -> I64:
    """Of each wanted key the first place among others, -1 where it is not there."""
    order = np.argsort(among, kind="stable")
    at = np.searchsorted(among, wanted, sorter=order)
    inside = np.minimum(at, max(0, len(among) - 1))
    if not len(among):
        return np.full(len(wanted), -1)
    places = order[inside]
    return np.where((at < len(among)) & (among[places] == wanted), places, -1)
