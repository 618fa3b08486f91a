"""The words, cues and marks that tell categories, in the form in which kernels look for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from phase0.records import CATEGORIES
from phase0.scoring.bounds import kinds
from phase0.scoring.cues import CUES
from phase0.scoring.marks import LINES, Place, of_a_part, of_an_opening, weights

_I64 = npt.NDArray[np.int64]
_U8 = npt.NDArray[np.uint8]
_U16 = npt.NDArray[np.uint16]
_U64 = npt.NDArray[np.uint64]


class Vocabulary(NamedTuple):
    """All words of cues and kinds, and the cues, as `scanning.weighed` takes them."""

    slots_S: _U16  # noqa: N815 - the suffix is the shape
    keys_V: _U64  # noqa: N815
    kinds_V: _I64  # noqa: N815
    ends_V: _I64  # noqa: N815
    cues_K5: _I64  # noqa: N815
    words_R: _I64  # noqa: N815


class _Cue(NamedTuple):
    words: list[str]
    category: int
    weight: int
    key: int  # the word by which it is looked for


@cache
def vocabulary() -> Vocabulary:
    """Each cue is looked for by that one of its words which the fewest cues have."""
    found = [(cue.split(" "), CATEGORIES.index(category), weight) for cue, category, weight in weights(CUES)]
    often = Counter(word for words, _, _ in found for word in words)
    cues = [_Cue(*cue, key=_rarest(cue[0], often)) for cue in found]
    words = sorted({*often, *kinds()})
    numbers = {word: number for number, word in enumerate(words, 1)}
    cues.sort(key=lambda cue: cue.words[cue.key])
    cues_of = Counter(cue.words[cue.key] for cue in cues)
    ends = np.cumsum([len(cue.words) for cue in cues]).tolist()
    return Vocabulary(
        *learned([word.encode() for word in words]),
        kinds_V=np.array([0, *(kinds().get(word, 0) for word in words)], np.int64),
        ends_V=np.cumsum([0, 0, *(cues_of[word] for word in words)]),
        cues_K5=np.array(
            [
                (cue.category, cue.weight, end - len(cue.words), end, cue.key)
                for cue, end in zip(cues, ends, strict=True)
            ],
            np.int64,
        ),
        words_R=np.array([numbers[word] for cue in cues for word in cue.words], np.int64),
    )


def _rarest(words: Sequence[str], often: Mapping[str, int]) -> int:
    return min(range(len(words)), key=lambda at: often[words[at]])


def learned(words: Sequence[bytes]) -> tuple[_U16, _U64]:
    """The slots and the keys of a vocabulary in which the words are numbered from 1 on."""
    from phase0.dedup.kernels.runs import PADDING
    from phase0.dedup.kernels.scanning import WIDTH, learn

    spelled = b"\0".join(words)
    if (longest := max(map(len, words), default=0)) > 8 * WIDTH:
        raise ValueError(f"a word has {longest} bytes, and there is room for {8 * WIDTH}")
    slots = np.zeros(1 << (4 * len(words)).bit_length(), np.uint16)
    keys = np.zeros((WIDTH + 1) * (len(words) + 1), np.uint64)
    padded = np.frombuffer(spelled + bytes(PADDING), np.uint8).copy()
    learn(padded, len(spelled), slots, keys, np.empty(len(padded), np.int64))
    return slots, keys


@cache
def listed(words: frozenset[str]) -> tuple[_U8, _I64]:
    """A list of words as `parting.parts` takes it: one behind the other, and where each begins."""
    spelled = [word.encode() for word in sorted(words)]
    return np.frombuffer(b"".join(spelled), np.uint8), np.cumsum([0, *map(len, spelled)])


class Patterns(NamedTuple):
    """Marks, and what lines begin with, as `scanning.marked` takes them."""

    places: _U64
    first: _U64
    meanings_P: _U64  # noqa: N815
    bytes_256: _U64
    lines_B: _U8  # noqa: N815
    lines_L1: _I64  # noqa: N815
    heads: _I64


@cache
def of_parts() -> Patterns:
    """What is looked for in instructions and answers."""
    return patterns(of_a_part(), LINES)


@cache
def of_openings() -> Patterns:
    """What is looked for in the first words of an answer."""
    return patterns(of_an_opening(), ())


def patterns(marks: Mapping[tuple[Place, ...], int], lines: Iterable[str]) -> Patterns:
    """Marks with their bits, and beginnings of lines. ValueError where there are too many places."""
    from phase0.dedup.kernels.scanning import PLACES

    places, meanings, bytes_256 = np.zeros((256, 2), np.uint64), np.zeros(PLACES, np.uint64), np.zeros(256, np.uint64)
    first, ends = np.zeros(2, np.uint64), [0, PLACES // 2]  # by half
    for mark, bits in sorted(marks.items(), key=lambda item: -len(item[0])):
        if len(mark) == 1:
            bytes_256[list(mark[0])] |= np.uint64(bits)
            continue
        half = int(ends[0] + len(mark) > PLACES // 2)
        first[half] |= np.uint64(1 << ends[half] % 64)
        for place in mark:
            places[list(place), half] |= np.uint64(1 << ends[half] % 64)
            ends[half] += 1
        if ends[half] > PLACES:
            raise ValueError(f"the marks have more places than there is room for, which is {PLACES}")
        meanings[ends[half] - 1] |= np.uint64(bits)
    words = sorted(line.encode() for line in lines)
    return Patterns(
        places=places.reshape(-1),
        first=first,
        meanings_P=meanings,
        bytes_256=bytes_256,
        lines_B=np.frombuffer(b"".join(words), np.uint8),
        lines_L1=np.cumsum([0, *map(len, words)]),
        heads=np.searchsorted([word[0] for word in words], np.arange(257)).astype(np.int64),
    )
