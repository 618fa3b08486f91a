"""The second, independent count of near-duplicates: every pair at or above the threshold, and no other.

It shares only the tokens with the remover. Its own hashes (FNV-1a per token, combined as a polynomial, 62 bits: a
chance below 1e-3 of any collision among 50 million shingles), its own collapse of equal rows, and another algorithm:
an inverted index with prefix and length filters (Bayardo, Ma and Srikant 2007; Xiao et al. 2008). Each set is sorted by
one order of all shingles, rare ones first. Two sets that reach the threshold must share one of their first
|A| - ceil(t|A|) + 1 shingles, so partners are looked for there; how many of these they share bounds the whole.

Shapes: D different sets by size, S shingles, E entries of the index.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from hashlib import blake2b
from heapq import nsmallest
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from phase0.dedup.canonical import canonical_rows
from phase0.dedup.flat import Chunk, Texts
from phase0.dedup.kernels.recounting import row_keys
from phase0.dedup.results import Pair, Remaining
from phase0.dedup.threads import in_order
from phase0.progress import Progress, many

EXAMPLES = 20

_KEY_BITS = 62  # the two bits above hold how common the shingle is
_TABLE_BITS = 27  # at most 128 MB; 16 buckets per shingle up to 8 million shingles, 2.7 at 50 million
_COMMON = ((2, 1), (8, 2), (64, 3))  # rows that hold the shingle → class, from rare to common
_PARTNERS_AT_ONCE = 4_000_000
_LOOKED_UP = 4_000_000  # keys searched for at once

_U64 = npt.NDArray[np.uint64]
_I64 = npt.NDArray[np.int64]


class _Distinct(NamedTuple):
    """The different sets, smallest first, with the rows that have them."""

    keys_S: _U64  # noqa: N815 - each set's keys, rare first
    starts_D1: _I64  # noqa: N815
    rows: list[list[int]]
    wordless: int

    def sizes(self) -> _I64:
        return np.diff(self.starts_D1)

    def keys(self, index: int) -> _U64:
        return self.keys_S[self.starts_D1[index] : self.starts_D1[index + 1]]


class _Index(NamedTuple):
    """Entries (shingle, set) of all prefixes, by shingle and within it by set; `begin` is an entry's first partner."""

    owner_E: _I64  # noqa: N815
    begin_E: _I64  # noqa: N815
    by_owner_E: _I64  # noqa: N815 - entries in the order of their sets


def recount(texts: Texts, threshold: Fraction, width: int, *, workers: int, progress: Progress) -> Remaining:
    """See `phase0.dedup.remaining`."""
    distinct = _read(texts, width, workers, progress)
    tally = _Tally(distinct)
    sizes = distinct.sizes()
    progress.start("count pairs", len(sizes))
    for larger, smaller in _promising(distinct, _index(distinct, threshold), threshold, progress):
        shared = _shared(distinct, larger, smaller)
        union = sizes[larger] + sizes[smaller] - shared
        enough = shared * threshold.denominator >= union * threshold.numerator
        tally.add(larger[enough], smaller[enough], shared[enough], union[enough])
    result = tally.result()
    progress.finish(f"{many(result.pairs, 'pair')} of near-duplicates, with {many(result.rows, 'row')} in them")
    return result


class _Tally:
    """Sums pairs of sets into pairs of rows. Keeps no list of pairs: there may be far more pairs than rows."""

    def __init__(self, distinct: _Distinct) -> None:
        self._distinct = distinct
        self._copies = np.array([len(rows) for rows in distinct.rows], np.int64)
        self._firsts = np.array([rows[0] for rows in distinct.rows], np.int64)
        self._paired = self._copies > 1
        self._pairs = int((self._copies * (self._copies - 1) // 2).sum())
        sizes = distinct.sizes()
        identical = ((distinct.rows[i], int(sizes[i])) for i in np.flatnonzero(self._paired))
        self._examples = nsmallest(EXAMPLES, (Pair(rows[0], rows[1], size, size) for rows, size in identical))

    def add(self, one: _I64, other: _I64, shared: _I64, union: _I64) -> None:
        self._pairs += int((self._copies[one] * self._copies[other]).sum())
        self._paired[one] = self._paired[other] = True
        first = np.minimum(self._firsts[one], self._firsts[other])
        second = np.maximum(self._firsts[one], self._firsts[other])
        lowest = np.lexsort((second, first))[:EXAMPLES]
        fresh = zip(*(column[lowest].tolist() for column in (first, second, shared, union)), strict=True)
        self._examples = nsmallest(EXAMPLES, [*self._examples, *(Pair(*pair) for pair in fresh)])

    def result(self) -> Remaining:
        rows = int(self._copies[self._paired].sum())
        return Remaining(self._pairs, rows, self._examples, self._distinct.wordless)


def _read(texts: Texts, width: int, workers: int, progress: Progress) -> _Distinct:
    """Every text once, as a set; equal sets become one. Equal means the same 128-bit BLAKE2b of the keys."""
    found: dict[bytes, int] = {}
    sets: list[_U64] = []
    rows: list[list[int]] = []
    row = wordless = 0
    progress.start("read the words", None)
    with ThreadPoolExecutor(workers) as pool:
        for made in in_order(pool, workers, ((_keys, chunk, width) for chunk in texts.chunks())):
            for keys in made:
                if len(keys):
                    index = found.setdefault(blake2b(keys.data, digest_size=16).digest(), len(sets))
                    if index == len(sets):
                        sets.append(keys)
                        rows.append([])
                    rows[index].append(row)
                else:
                    wordless += 1
                row += 1
            progress.advance(len(made))
    progress.finish()
    by_size = sorted(range(len(sets)), key=lambda index: len(sets[index]))
    starts = np.cumsum([0, *(len(sets[index]) for index in by_size)])
    keys_S = np.concatenate([sets[index] for index in by_size]) if sets else np.empty(0, np.uint64)  # noqa: N806
    sets.clear()  # before the copy that sorting by rareness makes
    return _Distinct(_rare_first(keys_S, starts), starts, [rows[index] for index in by_size], wordless)


def _keys(chunk: Chunk, width: int) -> list[_U64]:
    """The distinct keys of each text, ascending."""
    text, begins, ends = canonical_rows(chunk.read())
    counts, keys = np.empty(len(begins), np.int64), np.empty(len(text) // 2 + len(begins), np.uint64)
    keys = keys[: row_keys(text, begins, ends, width, keys, counts)].copy()
    bounds = np.cumsum(counts)
    edges = pairwise([0, *bounds.tolist()])
    for start, end in edges:
        keys[start:end].sort()
    fresh = np.ones(len(keys), np.bool_)
    fresh[1:] = keys[1:] != keys[:-1]
    fresh[bounds[:-1][bounds[:-1] < len(keys)]] = True  # a row's first key is its own
    kept = np.concatenate(([0], np.cumsum(fresh)))[np.concatenate(([0], bounds))]
    keys = keys[fresh]
    return [keys[start:end] for start, end in pairwise(kept.tolist())]


def _rare_first(keys_S: _U64, starts: _I64) -> _U64:  # noqa: N803
    """Each set sorted by how many sets hold the shingle, in four classes, then by key.

    Classes come from a table of the keys' upper bits, so that a key may stand in too common a class: that costs time
    and nothing else, as every set sees the same order. Class 0 is exact in one direction: only one set holds that key.
    """
    ordered = np.sort(keys_S)
    leads = np.flatnonzero(np.diff(ordered, prepend=~np.uint64(0)))
    holders = np.diff(leads, append=len(ordered))
    table_bits = min(_TABLE_BITS, len(keys_S).bit_length() + 4)
    table = np.zeros(1 << table_bits, np.uint8)
    shift = np.uint64(_KEY_BITS - table_bits)
    for least, common in _COMMON:
        table[ordered[leads[holders >= least]] >> shift] = common
    del ordered
    classed: _U64 = keys_S | table[keys_S >> shift].astype(np.uint64) << np.uint64(_KEY_BITS)
    for start, end in pairwise(starts.tolist()):
        classed[start:end].sort()
    return classed


def _index(distinct: _Distinct, threshold: Fraction) -> _Index:
    """Everything that two sets may meet on. An entry's partners are those from `begin` up to itself: smaller sets, yet
    large enough to reach the threshold with it."""
    p, q = threshold.numerator, threshold.denominator
    sizes = distinct.sizes()
    prefixes = sizes + -sizes * p // q + 1
    owner = np.repeat(np.arange(len(sizes)), prefixes)
    keys = distinct.keys_S[_spans(distinct.starts_D1[:-1], prefixes)]
    met = keys >> np.uint64(_KEY_BITS) != 0  # a key that one set alone holds brings nobody together
    owner, keys = owner[met], keys[met]
    order = np.argsort(keys, kind="stable")  # stable: within a key, sets stay sorted by size
    owner, keys = owner[order], keys[order]
    shingle = np.cumsum(np.diff(keys, prepend=keys[:1]) != 0)
    smallest = np.searchsorted(sizes, -(-sizes * p // q))  # the first set that is large enough for this one
    begin = np.searchsorted(shingle * len(sizes) + owner, shingle * len(sizes) + smallest[owner])
    return _Index(owner, begin, np.argsort(owner, kind="stable"))


def _promising(
    distinct: _Distinct, index: _Index, threshold: Fraction, progress: Progress
) -> Iterator[tuple[_I64, _I64]]:
    """Pairs (larger, smaller) that may reach the threshold, each once and in order, some millions at a time."""
    owners = index.owner_E[index.by_owner_E]
    partners = (np.arange(len(index.owner_E)) - index.begin_E)[index.by_owner_E]
    done = 0
    for first, end in _blocks(owners, partners):
        entries = index.by_owner_E[first:end]
        larger = np.repeat(owners[first:end], partners[first:end])
        smaller = index.owner_E[_spans(index.begin_E[entries], partners[first:end])]
        pairs, common = np.unique(larger * len(distinct.rows) + smaller, return_counts=True)
        larger, smaller = np.divmod(pairs, len(distinct.rows))
        hopeful = _may_reach(distinct, larger, smaller, common, threshold)
        yield larger[hopeful], smaller[hopeful]
        progress.advance(int(owners[end - 1]) + 1 - done)
        done = int(owners[end - 1]) + 1
    progress.advance(len(distinct.rows) - done)  # sets that met nobody


def _may_reach(
    distinct: _Distinct, larger: _I64, smaller: _I64, common: _I64, threshold: Fraction
) -> npt.NDArray[np.bool_]:
    """Whether what two prefixes share, and all that may follow, is enough.

    Of the two prefixes, one ends first in the common order. What both sets hold up to there is in both prefixes and is
    counted in `common`; what they share beyond cannot exceed the rest of that set.
    """
    p, q = threshold.numerator, threshold.denominator
    sizes = distinct.sizes()
    prefixes = sizes + -sizes * p // q + 1
    lasts = distinct.keys_S[distinct.starts_D1[:-1] + prefixes - 1]
    rests = sizes - prefixes
    rest = np.where(lasts[larger] < lasts[smaller], rests[larger], rests[smaller])
    result: npt.NDArray[np.bool_] = (common + rest) * (p + q) >= (sizes[larger] + sizes[smaller]) * p
    return result


def _blocks(owners: _I64, partners: _I64) -> Iterator[tuple[int, int]]:
    """Runs of entries with at most some millions of partners together (one set alone may have more), never splitting
    the entries of a set."""
    if not len(owners):
        return
    leads = np.flatnonzero(np.diff(owners, prepend=-1))
    before = np.cumsum(partners) - partners
    cuts = leads[np.flatnonzero(np.diff(before[leads] // _PARTNERS_AT_ONCE, prepend=-1))]
    yield from pairwise([*cuts.tolist(), len(owners)])


def _shared(distinct: _Distinct, larger: _I64, smaller: _I64) -> _I64:
    """What each pair has in common: a set is searched for the keys of all its smaller partners at once."""
    shared = np.empty(len(larger), np.int64)
    leads = np.flatnonzero(np.diff(larger, prepend=-1))
    for first, end in pairwise([*leads.tolist(), len(larger)]):
        keys = distinct.keys(int(larger[first]))
        step = max(1, _LOOKED_UP // len(keys))  # partners are no larger than the set itself
        for start in range(first, end, step):
            partners = smaller[start : min(start + step, end)]
            sizes = distinct.starts_D1[partners + 1] - distinct.starts_D1[partners]
            wanted = distinct.keys_S[_spans(distinct.starts_D1[partners], sizes)]
            found = keys[np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)] == wanted
            shared[start : start + len(partners)] = np.add.reduceat(found.astype(np.int64), np.cumsum(sizes) - sizes)
    return shared


def _spans(starts: _I64, counts: _I64) -> _I64:
    """The indices of every run of `count` from `start`, one run after another."""
    ends = np.cumsum(counts)
    return np.repeat(starts - (ends - counts), counts) + np.arange(int(counts.sum()))
