"""The n-grams of questions as sorted hashes, and which of them some texts hold.

Words and their hashes are those of de-duplication. Shapes: G n-grams, H hits, P pairs of an n-gram and a question,
Q questions, T texts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from phase0.decontamination.questions import Question
from phase0.dedup.flat import flat
from phase0.dedup.sets import hashed
from phase0.text import tokens

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

SHORT = 8  # words of a short question that are looked for inside of a text
CLOSE = 5  # words of an n-gram by which questions with other numbers and names are found
_SHARED = 10  # questions with an n-gram, above which it tells none of them apart: a benchmark's own phrases
_SLOTS = 22  # bits of a hash that a table answers for; four megabytes stay in a cache
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


class Grams(NamedTuple):
    """N-grams of one width, and the questions each stands in: `questions_P[starts_G1[g]:starts_G1[g + 1]]`."""

    width: int
    keys_G: U64
    starts_G1: I64
    questions_P: I64
    total_Q: I64  # n-grams of each question; 0 where it is not looked for by these


class Index(NamedTuple):
    """What is looked for in a text."""

    overlap: Grams  # n-grams of questions; of a shorter question all its words, which match a whole text alone
    short: Grams  # of questions shorter than an n-gram, inside of texts
    close: Grams  # without numbers, of questions that have as many other words as an n-gram


class Hits(NamedTuple):
    """Which texts hold which n-grams, each pair once, in order."""

    text_H: I64
    gram_H: I64


class Found(NamedTuple):
    """What texts hold of each part of an index."""

    overlap: Hits
    short: Hits
    close: Hits


def numberless(text: str) -> str:
    """The text without its numbers: a question with other numbers is the same words."""
    return _NUMBER.sub(" ", text)


def save(index: Index, path: Path) -> None:
    """Write an index for other processes."""
    np.savez(
        path,
        **{
            f"{name}.{field}": value
            for name, grams in index._asdict().items()
            for field, value in grams._asdict().items()
        },
    )


def load(path: Path) -> Index:
    """Read an index that this version wrote."""
    with np.load(path) as arrays:
        return Index(
            *(
                Grams(int(arrays[f"{name}.width"]), *(arrays[f"{name}.{field}"] for field in Grams._fields[1:]))
                for name in Index._fields
            )
        )


def build(questions: Sequence[Question], width: int) -> Index:
    """Index some questions by n-grams of `width` words."""
    texts = [question.text for question in questions]
    others = [numberless(text) for text in texts]
    lengths, rest = (np.array([len(tokens(text)) for text in which], np.int64) for which in (texts, others))
    reach = np.array([question.own for question in questions], np.int64)
    everything = np.ones(len(texts), np.bool_)
    return Index(
        overlap=_grams(texts, width, reach, everything),
        short=_grams(texts, min(SHORT, width), reach, (lengths < width) & (lengths >= SHORT)),
        close=_grams(others, min(CLOSE, width), reach, rest >= width),
    )


def _grams(texts: Sequence[str], width: int, reach_Q: I64, wanted_Q: npt.NDArray[np.bool_]) -> Grams:
    """The n-grams that begin in a question's own words, less those that many questions share."""
    hashes, counts = hashed(flat(texts), width)
    owner = np.repeat(np.arange(len(texts)), counts)
    place = np.arange(len(hashes)) - np.repeat(np.cumsum(counts) - counts, counts)
    counted = (place < np.maximum(reach_Q, 1)[owner]) & wanted_Q[owner]
    keys, gram = np.unique(hashes[counted], return_inverse=True)
    pairs = np.unique(gram.astype(np.int64) * len(texts) + owner[counted])
    gram, question = np.divmod(pairs, max(1, len(texts)))
    shared = np.bincount(gram, minlength=len(keys))
    tells = shared[gram] <= _SHARED
    used, gram = np.unique(gram[tells], return_inverse=True)
    return Grams(
        width=width,
        keys_G=keys[used],
        starts_G1=np.searchsorted(gram, np.arange(len(used) + 1)).astype(np.int64),
        questions_P=question[tells],
        total_Q=np.bincount(question[tells], minlength=len(texts)).astype(np.int64),
    )


class Search:
    """Looks for the n-grams of an index in texts."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._tables = [_table(grams.keys_G) for grams in index]

    def found(self, texts: Sequence[str]) -> Found:
        """What the texts hold, by their places in the sequence."""
        plain, other = flat(texts), flat([numberless(text) for text in texts])
        each = zip(self._index, self._tables, (plain, plain, other), strict=True)
        return Found(*(_hits(grams, table, *hashed(what, grams.width)) for grams, table, what in each))


def _table(keys_G: U64) -> npt.NDArray[np.bool_]:
    table = np.zeros(1 << _SLOTS, np.bool_)
    table[keys_G >> np.uint64(64 - _SLOTS)] = True
    return table


def _hits(grams: Grams, table: npt.NDArray[np.bool_], hashes: U64, counts_T: I64) -> Hits:
    if not len(grams.keys_G):
        return Hits(np.empty(0, np.int64), np.empty(0, np.int64))
    maybe = np.flatnonzero(table[hashes >> np.uint64(64 - _SLOTS)])
    gram = np.minimum(np.searchsorted(grams.keys_G, hashes[maybe]), len(grams.keys_G) - 1)
    found = grams.keys_G[gram] == hashes[maybe]
    text = np.searchsorted(np.cumsum(counts_T), maybe[found], side="right")
    pairs = np.unique(text * len(grams.keys_G) + gram[found])
    return Hits(*np.divmod(pairs, len(grams.keys_G)))
