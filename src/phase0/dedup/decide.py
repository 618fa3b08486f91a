"""Which rows go, from pairs of sets: greedy by rank, each removal confirmed on the words before it counts.

Rows are decided all at once, or, where their pairs are too many to be held, block by block from the best on: a block
meets what was kept before it, and only what resembles none of that is joined within. The answer is the same, because a
row that goes never decides about another.

Shapes: R rows, D sets (numbered by their first row), P pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from phase0.dedup.canonical import Canonical, canonical_rows, room_for
from phase0.dedup.flat import I64, U8, Piece, Readable, marked
from phase0.dedup.jaccard import Overlap
from phase0.dedup.keep import greedy
from phase0.dedup.kernels.choosing import adjacent, choose, connect
from phase0.dedup.kernels.confirming import confirm
from phase0.dedup.memory import PAIR
from phase0.dedup.pages import Reused
from phase0.dedup.search import I32, NO_LIMIT, Ordered, Pairs, Search, all_of, by_size
from phase0.dedup.sets import Sets
from phase0.dedup.threads import in_order
from phase0.progress import Progress, many

_CONFIRMED = 2048  # pairs that are confirmed by one thread at a time
_MOST_AGAIN = 1 << 30  # bytes of rows whose words are held together
_LEAST_PAIRS, _PAIRS_A_ROW = 1 << 18, 16  # real rows have about half a pair each


class Removals(NamedTuple):
    """Rows that go, ascending, each with the row that stays for it and what the two share and have together."""

    rows_R: I64  # noqa: N815 - the suffix is the shape
    kept_R: I64  # noqa: N815
    shared_R: I64  # noqa: N815
    union_R: I64  # noqa: N815


class Known(NamedTuple):
    """What is known when rows are chosen: the sets, who has which, and how those that resemble each other are found."""

    texts: Readable
    width: int
    threshold: Fraction
    sets: Sets
    same: I32  # of each row, the first row with its set; -1 for none
    fixed: int  # so many rows come first that are of another dataset: they stay, whatever they resemble
    search: Search
    room: int  # bytes for pairs
    pages: Reused  # of entries while pairs are looked for, of words while they are confirmed
    workers: int
    method: str
    exact: bool  # whether every pair is found
    missed_share: float  # expected share of pairs at the threshold that are never compared (see `Banding.missed`)

    def limit(self) -> int:
        """So many pairs are held at once."""
        return min(max(_LEAST_PAIRS, _PAIRS_A_ROW * len(self.same)), max(1, self.room // PAIR))


class Rank(Protocol):
    """Which of any two rows is better."""

    def classes(self) -> I64:
        """Of every row a number, less for a better one; equal where `best_first` must tell."""
        ...

    def best_first(self, rows: I64, groups: I64) -> I64:
        """These rows, which come in ascending order, so that of rows of the same group the better one is before."""
        ...


class Decided(NamedTuple):
    """What goes, and how many pairs were compared to find out."""

    removals: Removals
    compared: int


def removed_greedily(known: Known, rank: Rank, progress: Progress) -> Decided:
    """Every removed row reaches the threshold with the kept row it names; no two kept rows do."""
    choice = _Choice(known, rank, progress)
    rows = np.flatnonzero(known.same >= 0)
    rows = rows[rows >= known.fixed]
    if not choice.decide(rows, known.limit()):
        progress.say("these rows are alike in so many pairs that they are decided in blocks, from the best on")
        _by_blocks(choice, rows, rank)
    return Decided(choice.removals(), choice.compared)


def _by_blocks(choice: _Choice, rows: I64, rank: Rank) -> None:
    """Decide rows from the best on, in blocks that grow while their pairs can be held, and are quartered where not."""
    classes = rank.classes()[rows]
    order = np.argsort(classes, kind="stable")
    rows, classes = rows[order], classes[order]
    at, size = 0, max(1, len(rows) // 4)
    while at < len(rows):
        end = min(at + size, len(rows))
        if end < len(rows) and classes[end] == classes[end - 1]:
            first, last = (int(np.searchsorted(classes, classes[end], side)) for side in ("left", "right"))
            if first > at:
                end = first
            else:  # all of these are equal so far: they must be looked at
                rows[first:last] = rank.best_first(np.sort(rows[first:last]), np.zeros(last - first, np.int64))
                classes[last:] += last - first
                classes[first:last] += np.arange(last - first)
        if choice.decide(np.sort(rows[at:end]), choice.known.limit() if end - at > 1 else NO_LIMIT):
            at, size = end, 2 * size
        else:
            size = max(1, (end - at) // 4)  # pairs grow with the square, and a block that fails costs time as well


class _Choice:
    """Who stays and who goes so far. Mutable: `decide` adds a block of rows that rank below all those before."""

    def __init__(self, known: Known, rank: Rank, progress: Progress) -> None:
        self.known, self._rank, self._progress = known, rank, progress
        self._stays = np.full(len(known.same), -1, np.int64)  # of each set the row that is kept for it
        fixed = np.flatnonzero(known.same[: known.fixed] == np.arange(known.fixed))
        self._stays[fixed] = fixed
        self._gone: list[Removals] = []
        self.compared = 0

    def removals(self) -> Removals:
        """What goes of all that was decided."""
        parts = self._gone or [_none()]
        columns = [np.concatenate([part[i] for part in parts]) for i in range(4)]
        order = np.argsort(columns[0])
        return Removals(*(column[order] for column in columns))

    def decide(self, rows: I64, limit: int) -> bool:
        """Decide a block; False, and nothing happens, where there are more pairs than that."""
        pairs = self._pairs(rows, limit)
        if pairs is None:
            return False
        known = self.known
        ranked = self._ranked(rows, pairs)
        claimed = _chosen(known, ranked, pairs)
        self._progress.start("choose what stays", len(claimed.rows_R))
        gone = _confirmed(known, claimed, self._progress)
        if not _holds(claimed, gone, known.threshold):
            pairs = self._every_pair(rows)  # two hashes were one: look at the words each time
            gone = _carefully(known, self._ranked(rows, pairs), pairs)
        self._progress.finish(f"{len(gone.rows_R):,} of {many(len(rows), 'row')} removed")
        kept = rows[~self._marked(gone.rows_R)[rows]]
        self._stays[known.same[kept]] = kept
        self._gone.append(gone)
        return True

    def _pairs(self, rows: I64, limit: int) -> Pairs | None:
        """Every pair that may decide about one of the rows: of those with what stays, and among those that may stay."""
        new, old = self._new(rows), np.flatnonzero(self._stays >= 0)
        if not len(old):
            return self._found(new, None, limit)
        met = self._found(new, old, limit)
        if met is None:
            return None
        resembling = self._resembling(met)
        free = new[~self._marked(resembling)[new]]
        among = self._found(free, None, limit)
        if among is None:
            return None
        # What stays of this block may be a better witness for a row that resembles something older as well.
        free_rows = rows[self._marked(free)[self.known.same[rows]]]
        gone = _chosen(self.known, self._ranked(free_rows, among), among).rows_R
        staying = np.flatnonzero(self._marked(self.known.same[free_rows[~self._marked(gone)[free_rows]]]))
        later = self._found(resembling, staying, limit)
        return None if later is None else all_of([met, among, later])

    def _every_pair(self, rows: I64) -> Pairs:
        new, old = self._new(rows), np.flatnonzero(self._stays >= 0)
        found = [self._found(new, None, NO_LIMIT), self._found(new, old, NO_LIMIT)]
        return all_of([pairs for pairs in found if pairs is not None])

    def _new(self, rows: I64) -> I64:
        return np.flatnonzero(self._marked(self.known.same[rows]) & (self._stays < 0))

    def _found(self, sets: I64, others: I64 | None, limit: int) -> Pairs | None:
        """Pairs among sets, or those of each with one of the others."""
        if not len(sets) or (others is not None and not len(others)):
            return all_of([])
        found = self.known.search.find(by_size(self.known.sets, sets, others), limit, self._progress)
        self.compared += found.compared if found is not None else 0
        return found

    def _resembling(self, met: Pairs) -> I64:
        """Of pairs with sets that stay, the others."""
        return np.flatnonzero(self._marked(met.ones_P, met.others_P) & (self._stays < 0))

    def _marked(self, *numbers: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Of each row, or set, whether it is among some. (Numbers are small: to sort or to hash them takes longer.)"""
        marks = np.zeros(len(self.known.same), np.bool_)
        for some in numbers:
            marks[some] = True
        return marks

    def _ranked(self, rows: I64, pairs: Pairs) -> I64:
        """Those of the rows that compete with another or with what stays, and of what stays their rivals: best first
        among rows that are connected."""
        known = self.known
        own = known.same[rows]
        contested = self._marked(pairs.ones_P, pairs.others_P) | (np.bincount(own, minlength=len(known.same)) > 1)
        rivals = self._marked(pairs.ones_P, pairs.others_P, own) & (self._stays >= 0)
        competing = self._marked(self._stays[rivals], rows[contested[own] | rivals[own]])
        return best_first(known, self._rank, np.flatnonzero(competing), pairs)


def best_first(known: Known, rank: Rank, rows: I64, pairs: Pairs) -> I64:
    """Rows so that of those that pairs connect the better ones are first; before them all, those of another dataset."""
    roots = np.arange(len(known.same), dtype=np.int32)
    connect(pairs.ones_P, pairs.others_P, roots)
    ranked = rank.best_first(rows, roots[known.same[rows]].astype(np.int64))
    return ranked[np.argsort(ranked >= known.fixed, kind="stable")] if known.fixed else ranked


def removed_by_component(known: Known, rank: Rank, progress: Progress) -> Decided:
    """Of rows that a chain of near-duplicates connects the best stays, also where the chain's ends are unlike; none
    where the chain holds a row of another dataset."""
    firsts = np.flatnonzero(known.same == np.arange(len(known.same)))
    own = firsts[firsts >= known.fixed]
    pairs = _connecting(known, by_size(known.sets, own), progress)
    if known.fixed:
        others = by_size(known.sets, own, firsts[firsts < known.fixed])
        pairs = all_of([pairs, _connecting(known, others, progress)])
    near = np.bincount(known.same[known.same >= 0], minlength=len(known.same)) > 1
    near[pairs.ones_P] = near[pairs.others_P] = True
    rows = np.flatnonzero((known.same >= 0) & near[known.same])
    ranked = best_first(known, rank, rows, pairs)
    roots = np.arange(len(known.same), dtype=np.int32)
    connect(pairs.ones_P, pairs.others_P, roots)
    _, leads, number = np.unique(roots[known.same[ranked]], return_index=True, return_inverse=True)
    kept = ranked[leads[number]]
    gone = np.flatnonzero((kept != ranked) & (ranked >= known.fixed))
    gone = gone[np.argsort(ranked[gone])]
    unknown = np.zeros(len(gone), np.int64)
    progress.start("choose what stays", len(gone))
    removals = _confirmed(known, Removals(ranked[gone], kept[gone], unknown, unknown), progress)
    progress.finish(f"{len(gone):,} of {many(len(known.same) - known.fixed, 'row')} removed")
    return Decided(removals, pairs.compared)


def _connecting(known: Known, ordered: Ordered, progress: Progress) -> Pairs:
    """All pairs, or, if they are too many, as few as connect the same sets."""
    pairs = known.search.find(ordered, known.limit(), progress)
    return known.search.connect(ordered, progress) if pairs is None else pairs


def _none() -> Removals:
    return Removals(*(np.empty(0, np.int64) for _ in range(4)))


def _chosen(known: Known, ranked: I64, pairs: Pairs) -> Removals:
    rows = len(known.same)
    degrees = np.bincount(pairs.ones_P, minlength=rows) + np.bincount(pairs.others_P, minlength=rows)
    starts = np.zeros(rows + 1, np.int64)
    np.cumsum(degrees, out=starts[1:])
    neighbours, counts = np.empty(2 * len(pairs.ones_P), np.int32), np.empty(2 * len(pairs.ones_P), np.int32)
    adjacent(pairs.ones_P, pairs.others_P, pairs.shared_P, starts[:-1].copy(), neighbours, counts)
    witness = np.full(rows, -1, np.int64)
    shared, union = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    choose(ranked, known.same, known.sets.sizes_D, starts, neighbours, counts, witness, shared, union)
    gone = np.flatnonzero(witness >= 0)
    return Removals(gone, witness[gone], shared[gone], union[gone])


def _holds(claimed: Removals, confirmed: Removals, threshold: Fraction) -> bool:
    """Whether the words say the same of every removal, and that it is one: near enough, to a row that stays."""
    same = all(np.array_equal(one, other) for one, other in zip(claimed, confirmed, strict=True))
    near = confirmed.shared_R * threshold.denominator >= confirmed.union_R * threshold.numerator
    return same and bool(near.all()) and not np.isin(confirmed.kept_R, confirmed.rows_R).any()


def _confirmed(known: Known, claimed: Removals, progress: Progress) -> Removals:
    """The same removals with what the words themselves say.

    As many pairs are held at once as fit, because rows are then read in the order of their places, and each once.
    """
    by_kept = np.argsort(claimed.kept_R, kind="stable")
    shared, union = np.empty_like(claimed.shared_R), np.empty_like(claimed.union_R)
    waiting = [by_kept] if len(by_kept) else []
    with ThreadPoolExecutor(known.workers) as pool:
        while waiting:
            held = waiting.pop()
            rows = marked(len(known.same), claimed.rows_R[held], claimed.kept_R[held])
            pieces = known.texts.again(rows)
            if len(held) > _CONFIRMED and sum(piece.room for piece in pieces) > min(known.room, _MOST_AGAIN):
                waiting += [held[len(held) // 2 :], held[: len(held) // 2]]
                continue
            words = _canonical(pieces, known, pool)
            count = _Counting(known, rows, words)
            parts = [held[first : first + _CONFIRMED] for first in range(0, len(held), _CONFIRMED)]
            calls = ((count.of, claimed.rows_R[part], claimed.kept_R[part]) for part in parts)
            for part, counted in zip(parts, in_order(pool, known.workers, calls), strict=True):
                shared[part], union[part] = counted
                progress.advance(len(part))
            known.pages.give(words.text_B)
    return claimed._replace(shared_R=shared, union_R=union)


class _Counting:
    """Counts the shingles of pairs among some rows, whose words were read again."""

    def __init__(self, known: Known, rows: I64, words: Canonical) -> None:
        self._width, self._words = known.width, words
        self._place_R = np.empty(len(known.same), np.int64)
        self._place_R[rows] = np.arange(len(rows))

    def of(self, ones: I64, others: I64) -> tuple[I64, I64]:
        """What the rows of each pair share, and have together."""
        shared, union = np.empty(len(ones), np.int64), np.empty(len(ones), np.int64)
        confirm(*self._words, self._place_R[ones], self._place_R[others], self._width, shared, union)
        return shared, union


def _canonical(pieces: Sequence[Piece], known: Known, pool: ThreadPoolExecutor) -> Canonical:
    """The canonical text of all pieces in one array. Each has room for the most it can be; pages that nothing is
    written to take no memory."""
    rooms = [room_for(piece.room, piece.rows) for piece in pieces]
    ends_of = np.cumsum([0, *rooms]).tolist()
    text = known.pages.take(ends_of[-1], np.uint8)
    places = zip(pieces, rooms, ends_of[1:], strict=True)
    calls = ((_canonical_piece, piece, text[end - room : end]) for piece, room, end in places)
    begins, ends, texts, used = [], [], [text], ends_of[-1]
    for at, made in zip(ends_of[:-1], in_order(pool, known.workers, calls), strict=True):
        place = at
        if not np.may_share_memory(made.text_B, text):  # longer than text is as a rule
            place = used
            texts.append(made.text_B)
            used += len(made.text_B)
        begins.append(made.begins_D + place)
        ends.append(made.ends_D + place)
    return Canonical(np.concatenate(texts) if len(texts) > 1 else text, np.concatenate(begins), np.concatenate(ends))


def _canonical_piece(piece: Piece, out_B: U8) -> Canonical:  # noqa: N803
    return canonical_rows(piece.read(), out_B)


def _carefully(known: Known, ranked: I64, pairs: Pairs) -> Removals:
    """The choice in Python, in which the words have the last word on every single removal."""

    def by_words(row: int, other: int) -> Overlap:
        rows = marked(len(known.same), np.array([row, other]))
        count = _Counting(known, rows, canonical_rows(known.texts.take(rows)))
        shared, union = count.of(np.array([row]), np.array([other]))
        return Overlap(other, int(shared[0]), int(union[0]))

    set_of = {int(row): int(known.same[row]) for row in ranked}
    index = _PairIndex(known.sets, pairs)
    removed = greedy(ranked.tolist(), set_of, index, by_words, threshold=known.threshold)
    columns = np.array([gone for gone in removed if gone.row >= known.fixed], np.int64).reshape(-1, 4).T
    return Removals(*(np.ascontiguousarray(column) for column in columns))


class _PairIndex:
    """The pairs as `keep.greedy` wants them."""

    def __init__(self, sets: Sets, pairs: Pairs) -> None:
        self._near: dict[int, list[Overlap]] = {}
        self._kept: set[int] = set()
        for one, other, shared in zip(*(column.tolist() for column in pairs[:3]), strict=True):
            union = int(sets.sizes_D[one] + sets.sizes_D[other]) - shared
            self._near.setdefault(one, []).append(Overlap(other, shared, union))
            self._near.setdefault(other, []).append(Overlap(one, shared, union))

    def near(self, one: int) -> list[Overlap]:
        return [overlap for overlap in self._near.get(one, []) if overlap.other in self._kept]

    def keep(self, one: int) -> None:
        self._kept.add(one)
