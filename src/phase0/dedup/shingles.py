"""Rows of text as sets of hashed word n-grams in flat arrays: no Python object per row or shingle is kept.

A row is the set of its runs of n tokens; a row with fewer tokens is one shingle, all of it; a row without tokens is the
empty set. Shingles are compared by 64-bit hashes: among 50 million different ones the chance that any two collide is
below 1e-4, and `jaccard.Confirmation` looks at the tokens themselves before a row is removed.

Shapes: D rows, T tokens, V different tokens, S shingles.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import xxhash

from phase0.pool import ordered
from phase0.progress import SILENT, Progress
from phase0.text import tokens

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

_Kind = TypeVar("_Kind", bound=np.generic)

_WORD = (1 << 64) - 1
_MULTIPLIER = 0x9FB21C651E98DF25  # odd, so that multiplying is one-to-one modulo 2**64
_CHUNK_CHARACTERS = 4_000_000  # texts that are tokenised together
_BLOCK_TOKENS = 2_000_000  # tokens that are hashed together: 16 MB per temporary array


class Tokenised(NamedTuple):
    """Every row as numbers of tokens. Two numbers are equal exactly when the tokens are the same string."""

    ids_T: I32  # noqa: N815 - the suffix is the shape
    starts_D1: I64  # noqa: N815 - row d is ids_T[starts_D1[d]:starts_D1[d + 1]]
    hashes_V: U64  # noqa: N815 - xxh3_64 of each token's UTF-8

    def row(self, row: int) -> I32:
        """The tokens of one row."""
        return self.ids_T[self.starts_D1[row] : self.starts_D1[row + 1]]


class Sets(NamedTuple):
    """One sorted set of distinct hashes per row."""

    hashes_S: U64  # noqa: N815
    starts_D1: I64  # noqa: N815

    def row(self, row: int) -> U64:
        """The hashes of one row, ascending."""
        return self.hashes_S[self.starts_D1[row] : self.starts_D1[row + 1]]

    def sizes(self) -> I64:
        """How many shingles each row has."""
        return np.diff(self.starts_D1)

    def take(self, rows: I64) -> Sets:
        """The sets of these rows, in this order."""
        counts = self.sizes()[rows]
        return Sets(self.hashes_S[runs(self.starts_D1[rows], counts)], edges(counts))


def edges(counts: I64) -> I64:
    """Where runs of these lengths start when laid end to end, and the end of the last."""
    result = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=result[1:])
    return result


def runs(starts: I64, counts: I64) -> I64:
    """The indices start, start + 1, … (`count` of them) of every run, one run after another."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - ends + counts, counts) + np.arange(total, dtype=np.int64)


def tokenise(texts: Iterable[str], *, workers: int = 1, progress: Progress = SILENT) -> Tokenised:
    """Read every text once. Texts are not kept; what is kept takes 4 bytes a token. Workers change only the time."""
    known: defaultdict[str, int] = defaultdict()
    known.default_factory = known.__len__  # an unseen token gets the next number
    parts: list[I32] = []
    lengths: list[I64] = []
    progress.start("read the words", len(texts) if isinstance(texts, Sequence) else None)
    for vocabulary, local_ids, local_lengths in ordered(encode, _chunks(texts), workers):
        numbers = np.fromiter(map(known.__getitem__, vocabulary), np.int32, len(vocabulary))
        parts.append(numbers[local_ids])
        lengths.append(local_lengths)
        progress.advance(len(local_lengths))
    progress.finish()
    hashes = np.fromiter((xxhash.xxh3_64_intdigest(token.encode()) for token in known), np.uint64, len(known))
    return Tokenised(_joined(parts, np.int32), edges(_joined(lengths, np.int64)), hashes)


def shingle_sets(tokenised: Tokenised, width: int) -> Sets:
    """The shingle set of every row, in blocks of rows so that temporary arrays stay small."""
    lengths = np.diff(tokenised.starts_D1)
    block_of = tokenised.starts_D1[:-1] // _BLOCK_TOKENS
    firsts = np.flatnonzero(np.diff(block_of, prepend=-1))
    parts: list[U64] = []
    sizes: list[I64] = []
    for first, end in pairwise([*firsts.tolist(), len(lengths)]):
        ids = tokenised.ids_T[tokenised.starts_D1[first] : tokenised.starts_D1[end]]
        hashes, counts = _hashed(tokenised.hashes_V[ids], lengths[first:end], width)
        part, part_sizes = _sorted_distinct(hashes, counts)
        parts.append(part)
        sizes.append(part_sizes)
    return Sets(_joined(parts, np.uint64), edges(_joined(sizes, np.int64)))


def fold(columns: Sequence[U64]) -> U64:
    """The hash of tokens a, b, c, … from their hashes, in wrapping uint64 arithmetic; column k holds the k-th tokens.

    acc starts as the number of tokens; for each token acc = (acc ^ token) * 0x9FB21C651E98DF25 mod 2**64, then
    acc ^= acc >> 32. For fixed other tokens each step is one-to-one, and order matters.
    """
    accumulated = np.full(len(columns[0]), len(columns), np.uint64)
    for column in columns:
        accumulated ^= column
        accumulated *= np.uint64(_MULTIPLIER)
        accumulated ^= accumulated >> np.uint64(32)
    return accumulated


def shingles_of(words: Sequence[str], width: int) -> set[int]:
    """What `shingle_sets` holds for one row, said slowly: its twin for tests."""
    grams = [words[i : i + width] for i in range(max(1, len(words) - width + 1))] if words else []
    return {_fold_one([xxhash.xxh3_64_intdigest(word.encode()) for word in gram]) for gram in grams}


def _fold_one(hashes: Sequence[int]) -> int:
    accumulated = len(hashes)
    for value in hashes:
        accumulated = (accumulated ^ value) * _MULTIPLIER & _WORD
        accumulated ^= accumulated >> 32
    return accumulated


def _hashed(tokens_T: U64, lengths_D: I64, width: int) -> tuple[U64, I64]:  # noqa: N803
    """The hash of every shingle, repeated ones too, and how many each row has."""
    starts = edges(lengths_D)[:-1]
    counts = np.where(lengths_D >= width, lengths_D - width + 1, np.minimum(lengths_D, 1))
    hashes = np.empty(int(counts.sum()), np.uint64)
    targets = edges(counts)[:-1]
    full = lengths_D >= width
    windows = runs(starts[full], counts[full])
    hashes[runs(targets[full], counts[full])] = fold([tokens_T[windows + k] for k in range(width)])
    for length in np.unique(lengths_D[~full & (lengths_D > 0)]):
        short = lengths_D == length
        hashes[targets[short]] = fold([tokens_T[starts[short] + k] for k in range(length)])
    return hashes, counts


def _sorted_distinct(hashes: U64, counts: I64) -> tuple[U64, I64]:
    """Each run of `hashes` sorted, without its repetitions, and what is left of its length."""
    bounds = edges(counts)
    for start, end in pairwise(bounds.tolist()):
        hashes[start:end].sort()
    fresh = np.ones(len(hashes), np.bool_)
    fresh[1:] = hashes[1:] != hashes[:-1]
    fresh[bounds[:-1][counts > 0]] = True  # a row's first shingle is its own, whatever the row before ends with
    return hashes[fresh], np.diff(edges(fresh.astype(np.int64))[bounds])


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    characters = 0
    for text in texts:
        chunk.append(text)
        characters += len(text) + 100  # empty texts take room too
        if characters >= _CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


class _Encoded(NamedTuple):
    vocabulary: list[str]
    ids: I32
    lengths: I64


def encode(texts: Sequence[str]) -> _Encoded:
    """Texts as numbers into a vocabulary of their own. At module level: worker processes must find it by name."""
    known: defaultdict[str, int] = defaultdict()
    known.default_factory = known.__len__
    rows = [np.fromiter(map(known.__getitem__, tokens(text)), np.int32) for text in texts]
    return _Encoded(list(known), _joined(rows, np.int32), np.array([len(row) for row in rows], np.int64))


def _joined(parts: Sequence[npt.NDArray[_Kind]], kind: type[_Kind]) -> npt.NDArray[_Kind]:
    return np.concatenate(parts) if parts else np.empty(0, kind)
