"""What looking for pairs is told and answers, by whichever method.

Shapes: D rows, N sets in ascending order of size, P pairs, Z sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from phase0.dedup.flat import I64, U8, marked
from phase0.dedup.kernels.choosing import connect
from phase0.dedup.kernels.joining import count_pairs
from phase0.dedup.memory import UNLIMITED, Memory
from phase0.dedup.pages import Reused, untouched
from phase0.dedup.sets import U64, Sets, whole_sets
from phase0.dedup.threads import in_order
from phase0.progress import Progress

I32 = npt.NDArray[np.int32]

NO_LIMIT = 1 << 62
TOO_MANY = "too many pairs to be held"
_CROWDED = 1 << 20  # possible pairs, repeated ones too, before they are sorted out
_COMPARED, _COMPARED_A_SET = 8, 512  # sketches that may be compared; 6.7 million real rows need 42 a set
_AROUND = 6  # times as much as is read becomes resident, as sets lie in the order of size only nearly
_MOST_SPANS = 512
_PAIR_ON_DISK = 80 << 10  # bytes that become resident for a pair: systems map some pages around the one that is read


class Pairs(NamedTuple):
    """Pairs of sets, numbered by their first row, and how many keys each pair shares."""

    ones_P: I32  # noqa: N815 - the suffix is the shape
    others_P: I32  # noqa: N815
    shared_P: I32  # noqa: N815
    compared: int  # pairs that met at a key


class Ordered(NamedTuple):
    """Different sets in ascending order of size."""

    rows_N: I32  # noqa: N815 - the first row of each
    starts_N: I64  # noqa: N815
    sizes_N: I64  # noqa: N815
    ends_Z: I64  # noqa: N815 - how many have no more keys than each size
    kinds_N: U8  # noqa: N815
    sketches_N8: U64  # noqa: N815
    apart: bool  # whether pairs of different kind are looked for, and not those of equal kind


class Looking(NamedTuple):
    """Among which sets pairs are looked for, and with what."""

    sets: Sets
    threshold: Fraction
    workers: int
    pages: Reused
    memory: Memory = UNLIMITED

    def room(self) -> int:
        """Bytes left beside what is kept of rows and the keys."""
        memory, sets = self.memory, self.sets
        keys = memory.window() if sets.shelf is not None else sets.keys_S.nbytes
        return max(memory.limit - memory.held(len(sets.sizes_D)) - keys, memory.limit // 16)

    def spans(self, ordered: Ordered, least: int) -> list[tuple[int, int]]:
        """All sets in pieces of work: at least so many, and so many that what is read from disk fits into memory."""
        read = self.workers * _AROUND * self.sets.keys_S.nbytes if self.sets.shelf is not None else 0
        spans = max(least, min(_MOST_SPANS, read // self.memory.window()), 1)
        return list(pairwise(np.linspace(0, len(ordered.rows_N), spans + 1).astype(np.int64).tolist()))


class Limits(NamedTuple):
    """How many pairs may be found, and how many sketches compared, before looking for pairs ends without an answer."""

    pairs: int
    compared: int

    @classmethod
    def of(cls, ordered: Ordered, pairs: int, repeated: int = 1) -> Limits:
        """With a limit to pairs, each of which may be met so many times. With what stays everything is compared, as
        smaller blocks would not compare less."""
        endless = ordered.apart or pairs >= NO_LIMIT // _COMPARED
        compared = max(pairs * _COMPARED, len(ordered.rows_N) * _COMPARED_A_SET)
        return cls(min(pairs * repeated, NO_LIMIT), NO_LIMIT if endless else compared)


class Search(Protocol):
    """A method to look for pairs that reach the threshold."""

    def find(self, ordered: Ordered, limit: int, progress: Progress) -> Pairs | None:
        """Pairs, each once, in no order that means anything; None where they are more than so many."""
        ...

    def connect(self, ordered: Ordered, progress: Progress) -> Pairs:
        """As few pairs as connect what all pairs would connect; nothing is known of what they share."""
        ...


def by_size(sets: Sets, firsts: I64, others: I64 | None = None) -> Ordered:
    """Sets, given by their first rows, in ascending order of size; with `others`, which are met and never meet."""
    rows = firsts if others is None else np.concatenate((firsts, others))
    kinds = np.zeros(len(rows), np.uint8)
    kinds[len(firsts) :] = 1
    sizes = sets.sizes_D[rows]
    narrow = sizes.astype(np.uint16) if sizes.max(initial=0) < 1 << 16 else sizes  # numpy sorts these by their digits
    order = np.argsort(narrow, kind="stable")
    rows_N = rows[order].astype(np.int32)  # noqa: N806
    shape = (len(rows_N), sets.sketches_D8.shape[1])
    sketches = untouched(shape[0] * shape[1], np.uint64).reshape(shape)
    np.take(sets.sketches_D8, rows_N, axis=0, out=sketches, mode="clip")  # with "raise" numpy would copy once more
    ends = np.cumsum(np.bincount(sizes))
    return Ordered(rows_N, sets.starts_D[rows_N], sizes[order], ends, kinds[order], sketches, apart=others is not None)


def all_of(parts: list[Pairs]) -> Pairs:
    """Pairs that were found part by part."""
    parts = parts or [no_pairs()]
    ones, others, shared = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return Pairs(ones, others, shared, sum(part.compared for part in parts))


def no_pairs() -> Pairs:
    """No pairs at all."""
    none = np.empty(0, np.int32)
    return Pairs(none, none, none, 0)


class Collected:
    """Pairs as they are found, as long as they are not too many. Mutable.

    Pairs that are only `possible` may come again and again, and are sorted out when there are many.
    """

    def __init__(self, limits: Limits, *, possible: bool) -> None:
        self._limits, self._possible = limits, possible
        self._parts: list[Pairs] = []
        self._held, self._compared, self._crowded = 0, 0, _CROWDED

    def add(self, part: Pairs | None) -> bool:
        """Take some more; False when it is enough."""
        if part is None:
            return False
        self._parts.append(part)
        self._held, self._compared = self._held + len(part.ones_P), self._compared + part.compared
        if self._possible and self._held > self._crowded:
            self._parts = [self.pairs()]
            self._held = len(self._parts[0].ones_P)
            self._crowded = 2 * self._held + _CROWDED
        return self._held <= self._limits.pairs and self._compared <= self._limits.compared

    def pairs(self) -> Pairs:
        """All that was found."""
        pairs = all_of(self._parts)
        return each_once(pairs) if self._possible else pairs


class Connected:
    """Sets that are connected so far. Mutable: what workers found out is put together."""

    def __init__(self, ordered: Ordered) -> None:
        self._ordered = ordered
        self._places = np.arange(len(ordered.rows_N), dtype=np.int32)
        self._compared = 0
        self.roots_N = self._places.copy()

    def add(self, roots_N: I32, compared: int) -> None:  # noqa: N803
        """What a worker made of the roots it was given."""
        connect(self._places, roots_N, self.roots_N)
        self._compared += compared

    def all(self, answers: Iterable[tuple[I32, int]], progress: Progress) -> Pairs:
        """What all workers made of it: each set with its root, by their first rows."""
        for roots, compared in answers:
            self.add(roots, compared)
        pairs = self.pairs()
        progress.finish(f"{len(pairs.ones_P):,} texts are connected with another")
        return pairs

    def pairs(self) -> Pairs:
        """Each set with its root, by their first rows."""
        rows, apart = self._ordered.rows_N, np.flatnonzero(self.roots_N != self._places)
        return Pairs(rows[apart], rows[self.roots_N[apart]], np.zeros(len(apart), np.int32), self._compared)


def emitted(work: Callable[..., int], room: int, limits: Limits) -> Pairs | None:
    """The pairs that a kernel writes into arrays with so much room, which are larger the next time where that was too
    little; None beyond the limits. It takes limits, three arrays for pairs and one to count what it compares."""
    while True:
        seen = np.zeros(1, np.int64)
        columns = [np.empty(room, np.int32) for _ in range(3)]
        found = work(np.array(limits, np.int64), *columns, seen)
        if found > limits.pairs:
            return None
        if found <= room:
            ones, others, shared = (column[:found].copy() for column in columns)
            return Pairs(ones, others, shared, int(seen[0]))
        room = found


def finished(ordered: Ordered, pairs: Pairs, limit: int, progress: Progress, note: str = "") -> Pairs | None:
    """Pairs of places in the order of size, as pairs of first rows; None where they are more than so many."""
    if len(pairs.ones_P) > limit:
        progress.finish(TOO_MANY)
        return None
    progress.finish(f"{len(pairs.ones_P):,} pairs of different texts{note}")
    rows = ordered.rows_N
    return pairs._replace(ones_P=rows[pairs.ones_P], others_P=rows[pairs.others_P])


def each_once(pairs: Pairs) -> Pairs:
    """Pairs without repetition, by the larger set and then by the smaller."""
    found = np.unique(pairs.ones_P.astype(np.int64) << 32 | pairs.others_P)
    ones, others = (found >> 32).astype(np.int32), (found & 0xFFFFFFFF).astype(np.int32)
    return Pairs(ones, others, np.zeros(len(found), np.int32), pairs.compared)


def counted(looking: Looking, ordered: Ordered, pairs: Pairs) -> Pairs:
    """Those of some possible pairs that reach the threshold. Where sets are on disk pairs come by the larger set and
    then by the smaller, so that neighbours share pages."""
    with ThreadPoolExecutor(looking.workers) as pool:
        if looking.sets.rest is None:
            _count(looking, pool, (looking.sets.keys_S, ordered.starts_N, ordered.sizes_N), pairs)
        else:
            _count_whole(looking, pool, ordered, pairs)
    true = pairs.shared_P >= 0
    return Pairs(pairs.ones_P[true], pairs.others_P[true], pairs.shared_P[true], pairs.compared)


def _count(looking: Looking, pool: ThreadPoolExecutor, arrays: tuple[U64, I64, I64], pairs: Pairs) -> None:
    """Count what sets share, -1 where that is too little, into `pairs`."""
    ratio = looking.threshold.as_integer_ratio()
    step = max(16, looking.memory.window() // (_PAIR_ON_DISK * looking.workers))

    def count(part: slice) -> None:
        count_pairs(*arrays, *ratio, pairs.ones_P[part], pairs.others_P[part], pairs.shared_P[part])
        looking.sets.release()

    parts = ((count, slice(at, at + step)) for at in range(0, len(pairs.ones_P), step))
    for _ in in_order(pool, looking.workers, parts):
        pass


def _count_whole(looking: Looking, pool: ThreadPoolExecutor, ordered: Ordered, pairs: Pairs) -> None:
    """The same with whole sets, which are read again: as many together as fit, for then most are read once."""
    sets = looking.sets
    place_D = np.empty(len(sets.sizes_D), np.int32)  # noqa: N806
    waiting = [np.arange(len(pairs.ones_P))] if len(pairs.ones_P) else []
    while waiting:
        part = waiting.pop()
        ones, others = ordered.rows_N[pairs.ones_P[part]], ordered.rows_N[pairs.others_P[part]]
        rows = marked(len(sets.sizes_D), ones, others)
        if len(part) > 1 and 8 * sets.sizes_D[rows].sum() > looking.room():
            part = part[np.argsort(ones, kind="stable")]  # so that each half is of fewer rows
            waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
            continue
        place_D[rows] = np.arange(len(rows), dtype=np.int32)
        some = Pairs(place_D[ones], place_D[others], np.empty(len(part), np.int32), 0)
        _count(looking, pool, whole_sets(sets, rows, looking.workers, pool), some)
        pairs.shared_P[part] = some.shared_P
