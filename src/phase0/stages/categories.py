"""The categories of many rows: what `phase0.scoring.category.categorise` says of each, from one pass over their bytes.

Cues and marks are looked for all at once; the patterns and the rules are those of `scoring/`, one row after another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from phase0.dedup import load_kernels
from phase0.records import CATEGORIES
from phase0.scoring.category import decided
from phase0.scoring.cues import CUES
from phase0.scoring.seeing import (
    LETTERS,
    MATTER,
    MATTER_MOST,
    NUMBER,
    PRIORS,
    Parts,
    Seen,
    parts_of,
    sought,
    weights,
    words_of,
)

KERNELS = ("scanning",)

SPACE, PLUS, HASH = b" +#"

_I64, _U8 = npt.NDArray[np.int64], npt.NDArray[np.uint8]


class Uncategorised(Protocol):
    """What a category is made from."""

    @property
    def instruction(self) -> str: ...
    @property
    def response(self) -> str | None: ...
    @property
    def system(self) -> str | None: ...


def categories(rows: Iterable[Uncategorised]) -> list[str]:
    """The category of every row."""
    known = list(rows)
    parts = [parts_of(row.instruction, row.response) for row in known]
    return [decided(part, found, row.system) for part, found, row in zip(parts, _seen(parts), known, strict=True)]


class _Automaton(NamedTuple):
    """Finds any of some strings. See `phase0.dedup.kernels.scanning`."""

    classes: _U8
    following: npt.NDArray[np.uint16]
    bits: int
    ends: list[list[int]]  # which strings end in each state


def _automaton(strings: Sequence[bytes]) -> _Automaton:
    used = sorted(set(b"".join(strings)))
    classes = np.zeros(256, np.uint8)
    classes[used] = np.arange(1, len(used) + 1)
    children, ends = list[dict[int, int]]([{}]), list[list[int]]([[]])
    for number, string in enumerate(strings):
        state = 0
        for step in classes[list(string)].tolist():
            if step not in children[state]:
                children[state][step] = len(children)
                children.append({})
                ends.append([])
            state = children[state][step]
        ends[state].append(number)
    bits = len(used).bit_length()
    following = np.zeros((len(children), 1 << bits), np.uint16)
    falls = [0] * len(children)  # the state of the longest end of what was read that begins another string
    waiting = deque([0])
    while waiting:
        state = waiting.popleft()
        following[state] = following[falls[state]]
        for step, child in children[state].items():
            falls[child] = int(following[state, step])  # as far as it is the fall's
            ends[child] += ends[falls[child]]
            following[state, step] = child
            waiting.append(child)
    return _Automaton(classes, following.reshape(-1), bits, ends)


class _Cues(NamedTuple):
    """The cues between spaces, as `scanning.weighed` takes them."""

    automaton: _Automaton
    ends_A1: _I64  # noqa: N815 - the suffix is the shape
    ending_X: _I64  # noqa: N815
    weights_K: _I64  # noqa: N815
    categories_K: _I64  # noqa: N815


@cache
def _cues() -> _Cues:
    known = list(weights(CUES))
    automaton = _automaton([f" {cue} ".encode() for cue, _, _ in known])
    return _Cues(
        automaton,
        np.cumsum([0, *map(len, automaton.ends)]),
        np.array(list(chain.from_iterable(automaton.ends)), np.int64),
        np.array([weight for _, _, weight in known], np.int64),
        np.array([CATEGORIES.index(category) for _, category, _ in known], np.int64),
    )


@cache
def _marks() -> tuple[_Automaton, npt.NDArray[np.uint64]]:
    """The automaton of marks, and the bits of its states."""
    known = list(sought())
    automaton = _automaton([mark for mark, _ in known])
    states = [sum({known[number][1] for number in ended}) for ended in automaton.ends]  # the bits differ
    return automaton, np.array(states, np.uint64)


@cache
def _letters() -> _U8:
    """What each byte is in a word: zero for what is between words. Text that is not ASCII comes as words."""
    letters = np.frombuffer(LETTERS, np.uint8).copy()
    letters[letters == SPACE] = 0
    letters[[PLUS, HASH]] = PLUS, HASH
    return letters


def _seen(parts: Sequence[Parts]) -> list[Seen]:
    """What stands in the parts of each row."""
    load_kernels(files=KERNELS)
    from phase0.dedup.kernels.scanning import marked, weighed

    cues, (automaton, marks) = _cues(), _marks()
    both = [
        one if one.isascii() else " ".join(words_of(one) if words is None else words)
        for part in parts
        for one, words in ((part.ask, part.asked), (part.matter, None))
    ]
    text, starts, _ = _flat(both)
    sums = np.zeros(len(both) * len(CATEGORIES), np.int64)
    weighed(text, starts, _letters(), *cues.automaton[:3], *cues[1:], len(CATEGORIES), sums)
    own, handed = sums.reshape(-1, 2, len(CATEGORIES)).swapaxes(0, 1)
    weighing = own + np.minimum(MATTER * handed // 100, MATTER_MOST) + np.array(PRIORS)
    scanned = [one for part in parts for one in (f"\n{part.text}", f"\n{part.answer}", part.opening)]
    text, starts, is_ascii = _flat(scanned)
    bits = np.empty(len(scanned), np.int64)
    marked(text, starts, *automaton[:3], marks, bits)
    bits[~is_ascii] |= NUMBER
    return [Seen(weight, *three) for weight, three in zip(weighing.tolist(), bits.reshape(-1, 3).tolist(), strict=True)]


class _Flat(NamedTuple):
    """Texts in UTF-8, laid behind one another."""

    text_B: _U8  # noqa: N815
    starts_D1: _I64  # noqa: N815
    is_ascii_D: npt.NDArray[np.bool_]  # noqa: N815


def _flat(texts: list[str]) -> _Flat:
    """Half a surrogate pair, which UTF-8 cannot say, becomes a question mark, which is in no cue and no mark."""
    is_ascii = np.fromiter(map(str.isascii, texts), np.bool_, len(texts))
    starts = np.zeros(len(texts) + 1, np.int64)
    starts[1:] = np.fromiter(map(len, texts), np.int64, len(texts))
    for at in np.flatnonzero(~is_ascii).tolist():
        starts[at + 1] = len(texts[at].encode("utf-8", "replace"))
    return _Flat(np.frombuffer("".join(texts).encode("utf-8", "replace"), np.uint8), starts.cumsum(), is_ascii)
