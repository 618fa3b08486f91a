"""The second, independent count of near-duplicates: every pair at or above the threshold, and no other.

It shares only the tokens with the remover. Its own hashes (polynomials of bytes, then of words, 62 bits: a chance below
1e-3 of any collision among 50 million shingles), its own collapse of equal rows, and another algorithm: an inverted
index with prefix and length filters (Bayardo, Ma and Srikant 2007; Xiao et al. 2008). Each set is looked at
in one order of all shingles, rare ones first. Two sets that reach the threshold must share one of their first
|A| - ceil(t|A|) + 1 shingles, so partners are looked for there. The entries of the index are sorted by shingle, and
those that one set alone holds, nearly all where no duplicates are left, are dropped. What partners share is counted.

Shapes: D different sets by size, S shingles, E entries of the index, P pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from heapq import nsmallest
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from phase0.dedup.canonical import canonical_rows, room_for
from phase0.dedup.flat import Chunk
from phase0.dedup.kernels.recounting import (
    COUNTER_BITS,
    by_owner,
    meetings,
    near_pairs,
    prefixes,
    row_keys,
    row_sets,
    sample,
)
from phase0.dedup.pages import Scratch, untouched
from phase0.dedup.results import Pair, Remaining
from phase0.dedup.threads import in_order
from phase0.progress import Progress, many

EXAMPLES = 20

SAMPLED = 4_000_000  # keys that tell which shingles are common
_BYTES_A_SHINGLE = 5  # of English; a guess that only decides how much address space is reserved
_scratch = Scratch()  # of canonical text
_PAIRS_AT_ONCE = 1_000_000
_SETS_AT_ONCE = 20_000

_U64 = npt.NDArray[np.uint64]
_I64 = npt.NDArray[np.int64]


class Made(NamedTuple):
    """The sets of some rows, one behind the other. Sets are equal where sizes, prints and checks are."""

    keys_S: _U64  # noqa: N815 - the suffix is the shape
    sizes_D: _I64  # noqa: N815
    prints_D: _U64  # noqa: N815
    checks_D: _U64  # noqa: N815


_NONE = Made(np.empty(0, np.uint64), np.empty(0, np.int64), *np.empty((2, 0), np.uint64))


class _Distinct(NamedTuple):
    """The different sets, smallest first: set d is keys_S[starts_D[d]:starts_D[d] + sizes_D[d]], ascending."""

    keys_S: _U64  # noqa: N815
    starts_D: _I64  # noqa: N815
    sizes_D: _I64  # noqa: N815
    copies_D: _I64  # noqa: N815 - how many rows have it
    firsts_D: _I64  # noqa: N815 - the first of these
    seconds_D: _I64  # noqa: N815 - and the second; any row where there is one alone
    wordless: int


class _Index(NamedTuple):
    """Entries (shingle, set) of all prefixes that may bring two sets together, by shingle and within it by set.

    The partners of entry e are those from `begins_E[e]` up to itself: smaller sets, yet large enough to reach the
    threshold with it. The entries of set d that have any are places_E[ends_D[d - 1]:ends_D[d]].
    """

    owners_E: _I64  # noqa: N815
    begins_E: _I64  # noqa: N815
    places_E: _I64  # noqa: N815
    ends_D: _I64  # noqa: N815


class _Near(NamedTuple):
    """Pairs of sets that reach the threshold."""

    larger_P: _I64  # noqa: N815
    smaller_P: _I64  # noqa: N815
    shared_P: _I64  # noqa: N815


def recount(
    chunks: Iterable[Chunk],
    threshold: Fraction,
    width: int,
    *,
    extent: int,
    expected: int | None,
    workers: int,
    progress: Progress,
) -> Remaining:
    """See `phase0.dedup.remaining`. Texts are drawn in order by the thread that calls; they have about `extent` bytes,
    or 0 where nobody knows."""
    progress.start("read the words", expected)
    with ThreadPoolExecutor(workers) as pool:
        calls = ((sets_of, chunk, width) for chunk in chunks)
        sets = _together(_told(in_order(pool, workers, calls), progress), extent // _BYTES_A_SHINGLE)
    return _counted(sets, threshold, progress)


def _told(parts: Iterable[Made], progress: Progress) -> Iterator[Made]:
    for part in parts:
        yield part
        progress.advance(len(part.sizes_D))
    progress.finish()


def _counted(sets: Made, threshold: Fraction, progress: Progress) -> Remaining:
    distinct = _distinct(sets)
    tally = _Tally(distinct)
    progress.start("count pairs", len(distinct.sizes_D))
    for near in _near(distinct, _index(distinct, threshold), threshold, progress):
        tally.add(near)
    result = tally.result()
    progress.finish(f"{many(result.pairs, 'pair')} of near-duplicates, with {many(result.rows, 'row')} in them")
    return result


def lowest(known: Sequence[Pair], first: _I64, second: _I64, shared: _I64, union: _I64) -> list[Pair]:
    """Of the pairs that are known and some more those of the lowest row numbers, as examples."""
    few = np.arange(len(first))
    if len(first) > EXAMPLES:
        few = np.flatnonzero(first <= np.partition(first, EXAMPLES)[EXAMPLES])
    fresh = zip(*(column[few].tolist() for column in (first, second, shared, union)), strict=True)
    return nsmallest(EXAMPLES, [*known, *(Pair(*pair) for pair in fresh)])


def prefix_lengths(sizes_D: _I64, threshold: Fraction) -> _I64:  # noqa: N803
    """In how many of its first keys each set, of which none is empty, must share one with any that is near enough."""
    return sizes_D + -sizes_D * threshold.numerator // threshold.denominator + 1


class _Tally:
    """Sums pairs of sets into pairs of rows. Keeps no list of pairs: there may be far more pairs than rows."""

    def __init__(self, distinct: _Distinct) -> None:
        self._distinct = distinct
        copies = distinct.copies_D
        self._paired = copies > 1
        self._pairs = int((copies * (copies - 1) // 2).sum())
        identical = np.flatnonzero(self._paired)
        sizes = distinct.sizes_D[identical]
        self._examples: list[Pair] = []
        self._show(distinct.firsts_D[identical], distinct.seconds_D[identical], sizes, sizes)

    def add(self, near: _Near) -> None:
        one, other, shared = near
        distinct = self._distinct
        self._pairs += int((distinct.copies_D[one] * distinct.copies_D[other]).sum())
        self._paired[one] = self._paired[other] = True
        first, second = distinct.firsts_D[one], distinct.firsts_D[other]
        union = distinct.sizes_D[one] + distinct.sizes_D[other] - shared
        self._show(np.minimum(first, second), np.maximum(first, second), shared, union)

    def _show(self, *columns: _I64) -> None:
        self._examples = lowest(self._examples, *columns)

    def result(self) -> Remaining:
        rows = int(self._distinct.copies_D[self._paired].sum())
        return Remaining(self._pairs, rows, self._examples, self._distinct.wordless)


def _together(made: Iterable[Made], expected: int) -> Made:
    """All sets, one behind the other; about so many keys are expected."""
    keys, used, parts = untouched(max(expected, 1 << 16), np.uint64), 0, [_NONE]
    for part in made:
        end = used + len(part.keys_S)
        if end > len(keys):
            grown = untouched(max(end, len(keys) * 3 // 2), np.uint64)
            grown[:used] = keys[:used]
            keys = grown
        keys[used:end] = part.keys_S
        used = end
        parts.append(part._replace(keys_S=_NONE.keys_S))
    rest = (np.concatenate([part[i] for part in parts]) for i in (1, 2, 3))
    return Made(keys[:used], *rest)


def sets_of(chunk: Chunk, width: int) -> Made:
    """The sets of some texts."""
    texts = chunk.read()
    room = room_for(int(texts.starts_D1[-1]), len(texts.starts_D1) - 1)
    text, begins, ends = canonical_rows(texts, _scratch.room(room))
    sizes, keys = np.empty(len(begins), np.int64), untouched(len(text) // 2 + len(begins), np.uint64)
    row_keys(text, begins, ends, width, keys, sizes)
    prints, checks = np.empty((2, len(begins)), np.uint64)
    total = row_sets(keys, sizes, prints, checks)
    return Made(keys[:total], sizes, prints, checks)  # the room behind them was not touched


def _distinct(made: Made) -> _Distinct:
    """Equal sets become one. Equal means of one size, with the same print and the same check: 128 bits."""
    sizes, prints, checks = made.sizes_D, made.prints_D, made.checks_D
    order = np.lexsort((checks, prints, sizes))  # stable: of equal sets the first row comes first
    wordless = int((sizes == 0).sum())
    order = order[wordless:]
    fresh = np.ones(len(order), np.bool_)
    for column in (sizes, prints, checks):
        ordered = column[order]
        fresh[1:] &= ordered[1:] == ordered[:-1]
    fresh[1:] = ~fresh[1:]
    leads = np.flatnonzero(fresh)
    firsts = order[leads]
    return _Distinct(
        keys_S=made.keys_S,
        starts_D=(np.cumsum(sizes) - sizes)[firsts],
        sizes_D=sizes[firsts],
        copies_D=np.diff(leads, append=len(order)),
        firsts_D=firsts,
        seconds_D=order[np.minimum(leads + 1, len(order) - 1)],
        wordless=wordless,
    )


def _index(distinct: _Distinct, threshold: Fraction) -> _Index:
    """Everything that two sets may meet on."""
    p, q = threshold.numerator, threshold.denominator
    sizes = distinct.sizes_D
    entries = _entries(distinct, prefix_lengths(sizes, threshold))
    owners, begins = untouched(len(entries), np.int64), untouched(len(entries), np.int64)
    counts = np.zeros(len(sizes), np.int64)
    met = meetings(entries, _bits(distinct), sizes, p, q, owners, begins, counts)
    owners, begins = owners[:met].copy(), begins[:met].copy()
    places, ends = np.empty(int(counts.sum()), np.int64), np.cumsum(counts) - counts
    by_owner(owners, begins, ends, places)
    return _Index(owners, begins, places, ends)


def _entries(distinct: _Distinct, lengths_D: _I64) -> _U64:  # noqa: N803
    """The first keys of each set, rare ones first, in the order of keys and within them of sets."""
    keys_S, starts, sizes = distinct.keys_S, distinct.starts_D, distinct.sizes_D  # noqa: N806
    tally = np.zeros(1 << COUNTER_BITS, np.uint8)
    sample(keys_S, starts, sizes, 1 + len(keys_S) // SAMPLED, tally)
    entries = untouched(int(lengths_D.sum()), np.uint64)
    prefixes(keys_S, starts, sizes, lengths_D, tally, _bits(distinct), entries)
    entries.sort()
    return entries


def _bits(distinct: _Distinct) -> int:
    """What the number of a set takes."""
    return max(2, len(distinct.sizes_D).bit_length())


def _near(distinct: _Distinct, index: _Index, threshold: Fraction, progress: Progress) -> Iterator[_Near]:
    """Every pair that reaches the threshold, once, and some at a time."""
    p, q = threshold.numerator, threshold.denominator
    sets = len(distinct.sizes_D)
    near = _Near(*np.empty((3, max(_PAIRS_AT_ONCE, sets)), np.int64))
    seen, reached = np.full(sets, -1, np.int64), np.zeros(1, np.int64)
    while (first := int(reached[0])) < sets:
        last = min(sets, first + _SETS_AT_ONCE)
        sets_of = (distinct.keys_S, distinct.starts_D, distinct.sizes_D)
        found = near_pairs(*sets_of, p, q, first, last, *index, seen, *near, reached)
        yield _Near(*(column[:found] for column in near))
        progress.advance(int(reached[0]) - first)
