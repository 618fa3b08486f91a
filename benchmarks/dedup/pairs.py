"""Every pair of near-duplicate rows, and no other, by a join of its own: what phase0 is judged by cannot be phase0.

Of phase0 it shares the tokens and the definition of the threshold: other hashes, another join. A row without a word is
in no pair.

Shapes: R rows, D different sets by size, E entries of the index, P pairs.
"""

# ruff: noqa: N803, N806, N815 - letters of shapes
from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, combinations, islice, product
from typing import NamedTuple

import msgspec
import numba
import numpy as np
import numpy.typing as npt
import xxhash

from phase0.dedup import text_of
from phase0.text import tokens

WIDTH = 5
LINES = 5_000  # of one piece of work
PROCESSES = 2

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]


class Pairs(NamedTuple):
    """Rows at or above the threshold, `first` before `second`, sorted."""

    first_P: I64
    second_P: I64


class Sets(NamedTuple):
    """Rows as sets of shingle hashes, one row after another, and what tells equal sets."""

    keys: U64
    sizes_R: I64
    digests: list[bytes]


def shingles(text: str, width: int = WIDTH) -> set[tuple[str, ...]]:
    """phase0's definition, said slowly: a text with fewer words is one shingle, one without any is none."""
    words = tokens(text)
    return {tuple(words[start : start + width]) for start in range(max(1, len(words) - width + 1))} if words else set()


def true_pairs(sets: Sets, threshold: Fraction) -> Pairs:
    """Equal sets collapsed, the different ones joined, and their pairs told as pairs of rows."""
    starts = np.cumsum(sets.sizes_R) - sets.sizes_R
    groups: dict[bytes, list[int]] = {}
    for row in np.flatnonzero(sets.sizes_R).tolist():
        groups.setdefault(sets.digests[row], []).append(row)
    members = sorted(groups.values(), key=lambda group: (sets.sizes_R[group[0]], group[0]))
    leaders = np.array([group[0] for group in members], np.int64)
    sizes = sets.sizes_R[leaders]
    ranks, counts = common_ranks(sets.keys, starts[leaders], sizes)
    one, other = _join(ranks, counts, sizes, threshold.numerator, threshold.denominator)
    pairs = chain(
        (pair for group in members for pair in combinations(group, 2)),
        (pair for a, b in zip(one.tolist(), other.tolist(), strict=True) for pair in product(members[a], members[b])),
    )
    both = np.sort(np.fromiter(chain.from_iterable(pairs), np.int64).reshape(-1, 2), axis=1)
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    return Pairs(both[:, 0], both[:, 1])


def read_sets(lines: Iterable[bytes]) -> Sets:
    source = iter(lines)
    pieces = iter(lambda: list(islice(source, LINES)), [])
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        done = list(pool.imap(_piece, pieces))
    keys, sizes, digests = zip(*done, strict=True)
    return Sets(np.concatenate(keys), np.concatenate(sizes), list(chain.from_iterable(digests)))


class _Row(msgspec.Struct):
    instruction: str
    response: str | None = None


_decode = msgspec.json.Decoder(_Row).decode
_word_hashes: dict[str, int] = {}


def _piece(lines: list[bytes]) -> Sets:
    sets = [_keys(text_of(row.instruction, row.response)) for row in map(_decode, lines)]
    digests = [xxhash.xxh3_128_digest(keys.data) for keys in sets]
    return Sets(np.concatenate(sets), np.array([len(keys) for keys in sets], np.int64), digests)


def _keys(text: str) -> U64:
    """The different shingles as 64-bit numbers: a polynomial in the words' xxh3, mixed. Any collision among 10**8
    different shingles has a chance of 3e-4."""
    words = np.fromiter(_hashed(tokens(text)), np.uint64)
    if not len(words):
        return words
    width = min(WIDTH, len(words))
    key = np.full(len(words) - width + 1, width, np.uint64)
    for place in range(width):
        key = key * np.uint64(0x9E3779B97F4A7C15) + words[place : place + len(key)]
    key ^= key >> np.uint64(29)
    return np.unique(key * np.uint64(0xBF58476D1CE4E5B9))


def _hashed(words: list[str]) -> Iterator[int]:
    for word in words:
        value = _word_hashes.get(word)
        if value is None:
            value = _word_hashes[word] = xxhash.xxh3_64_intdigest(word.encode(), seed=5)
        yield value


def common_ranks(keys: U64, starts_D: I64, sizes_D: I64) -> tuple[I32, I64]:
    """Each set's shingles that another set has too, as ranks from rare to common, sorted; and how many those are."""
    taken = np.repeat(starts_D - (np.cumsum(sizes_D) - sizes_D), sizes_D) + np.arange(int(sizes_D.sum()))
    mine = keys[taken]
    del taken
    ordered = np.sort(mine)
    leads = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    holders = np.diff(leads, append=len(ordered))
    distinct, holders = ordered[leads[holders > 1]], holders[holders > 1]
    del ordered, leads
    rank = np.empty(len(distinct), np.int32)
    rank[np.argsort(holders, kind="stable")] = np.arange(len(distinct), dtype=np.int32)
    return _ranked(mine, sizes_D, distinct, rank)


@numba.njit(cache=True)
def _ranked(keys, sizes_D, distinct, rank):
    """Of every set the ranks of those keys that are among the distinct ones, sorted."""
    out = np.empty(len(keys), np.int32)
    counts_D = np.zeros(len(sizes_D), np.int64)
    read = written = 0
    for one in range(len(sizes_D)):
        begin = written
        for key in keys[read : read + sizes_D[one]]:
            at = np.searchsorted(distinct, key)
            if at < len(distinct) and distinct[at] == key:
                out[written] = rank[at]
                written += 1
        out[begin:written].sort()
        counts_D[one] = written - begin
        read += sizes_D[one]
    return out[:written].copy(), counts_D


@numba.njit(cache=True)
def _join(ranks, counts_D, sizes_D, p, q):
    """Pairs of different sets with shared * q >= union * p, in sets sorted by size.

    A set's order is: what it alone has, then common shingles from rare to common. Two sets that reach p/q share one of
    the first size - ceil(size * p / q) + 1, so partners are looked for among those that are common.
    """
    sets = len(sizes_D)
    starts_D1 = np.zeros(sets + 1, np.int64)
    starts_D1[1:] = np.cumsum(counts_D)
    prefix_D = sizes_D - (sizes_D * p + q - 1) // q + 1 - (sizes_D - counts_D)
    prefix_D = np.minimum(np.maximum(prefix_D, 0), counts_D)
    begin = np.zeros(ranks.max() + 2 if len(ranks) else 1, np.int64)
    for one in range(sets):
        for rank in ranks[starts_D1[one] : starts_D1[one] + prefix_D[one]]:
            begin[rank + 1] += 1
    begin = np.cumsum(begin)
    end = begin.copy()
    owner_E = np.empty(prefix_D.sum(), np.int64)
    seen_D = np.full(sets, -1)
    one_P, other_P = [np.int64(0) for _ in range(0)], [np.int64(0) for _ in range(0)]
    for one in range(sets):
        least = (sizes_D[one] * p + q - 1) // q
        mine = ranks[starts_D1[one] : starts_D1[one + 1]]
        for rank in mine[: prefix_D[one]]:
            while begin[rank] < end[rank] and sizes_D[owner_E[begin[rank]]] < least:
                begin[rank] += 1
            for entry in range(begin[rank], end[rank]):
                other = owner_E[entry]
                if seen_D[other] == one:
                    continue
                seen_D[other] = one
                shared = _shared(mine, ranks[starts_D1[other] : starts_D1[other + 1]])
                if shared * q >= (sizes_D[one] + sizes_D[other] - shared) * p:
                    one_P.append(other)
                    other_P.append(one)
            owner_E[end[rank]] = one
            end[rank] += 1
    return np.array(one_P, np.int64), np.array(other_P, np.int64)


@numba.njit(cache=True)
def _shared(mine, theirs):
    i = j = shared = 0
    while i < len(mine) and j < len(theirs):
        if mine[i] == theirs[j]:
            shared += 1
            i += 1
            j += 1
        elif mine[i] < theirs[j]:
            i += 1
        else:
            j += 1
    return shared
