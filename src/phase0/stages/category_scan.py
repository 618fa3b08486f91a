"""What stands in many rows that tells their categories, from one pass over their bytes: words, cues and marks.

It finds what `phase0.scoring.seeing` finds by looking, and counts what the rules of `phase0.scoring.category` count.
What kernels cannot tell, which is little where text is ASCII, is asked of these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from phase0.dedup import load_kernels
from phase0.records import CATEGORIES
from phase0.scoring import category
from phase0.scoring.bounds import MAKING, Scanned, is_addressed
from phase0.scoring.marks import EQUATION, LATEX, LINE, NUMBER, QUESTION, SUM, TOOL
from phase0.scoring.seeing import (
    MATTER,
    MATTER_MOST,
    OPENING_CHARS,
    PRIORS,
    RESPONSE_CHARS,
    Parts,
    gapped,
    has_tool_mark,
    is_unspaced,
    joined,
    latin_words,
    opening_marks,
    opening_of,
    parts_at,
    split_at,
    text_of,
)
from phase0.stages.category_tables import of_openings, of_parts, vocabulary

KERNELS = ("scanning", "counting")

_COMMA = ord(",")
_FEW = 12  # words of a request that may all be none

_I64 = npt.NDArray[np.int64]
_U8 = npt.NDArray[np.uint8]
_FLAGS = npt.NDArray[np.bool_]


class Uncategorised(Protocol):
    """What a category is made from."""

    @property
    def instruction(self) -> str: ...
    @property
    def response(self) -> str | None: ...
    @property
    def system(self) -> str | None: ...


def scanned(read: Read) -> Scanned:
    """What stands in rows."""
    load_kernels(files=KERNELS)
    unspaced = _where(~read.texts.is_ascii, lambda at: is_unspaced(read.texts.strings[at]))
    weighing, (some, every, first, behind, beyond, thing, words) = _weighed(read, unspaced)
    text, answer = _text_marks(read), _marks(read.answers)
    asked_equations, equations, numbers = _counts(read, text, answer)
    is_alone = read.cuts_D2[:, 0] == read.cuts_D2[:, 1]
    return Scanned(
        weights_DC=weighing,
        text_D=text,
        answer_D=answer,
        opening_D=_openings(read),
        some_D=some,
        every_D=every,
        first_D=first,
        behind_D=behind,
        beyond_D=beyond,
        thing_D=thing,
        words_D=words,
        asked_equations_D=asked_equations,
        equations_D=equations,
        numbers_D=numbers,
        of_system_D=np.array([category.weight_of_system(one) if one else 0 for one in read.systems], np.int64),
        is_alone_D=is_alone,
        is_unspaced_D=unspaced,
        is_asked_D=_where(
            is_alone & (text & QUESTION != 0), lambda at: category.states_and_asks(read.texts.strings[at])
        ),
        is_brief_D=np.array([len(answer) <= category.BRIEF for answer in read.answers.strings], np.bool_),
        is_addressed_D=_where(is_addressed(first), lambda at: category.may_be_addressed(read.texts.strings[at])),
        is_muddled_D=_where(is_alone & (words <= _FEW), lambda at: category.may_be_muddled(read.texts.strings[at])),
    )


class _Flat(NamedTuple):
    """Strings, and their UTF-8 one behind the other."""

    strings: list[str]
    bytes_B: _U8  # noqa: N815 - the suffix is the shape
    spans_D2: _I64  # noqa: N815 - where each of them begins and ends
    is_ascii: _FLAGS


class Read(NamedTuple):
    """What is read of rows."""

    texts: _Flat
    answers: _Flat
    systems: list[str | None]
    cuts_D2: _I64  # noqa: N815 - of each text: in characters where what is handed over begins and ends

    def ask(self, row: int) -> str:
        """The request of a row."""
        return joined(self.texts.strings[row], *self.cuts_D2[row].tolist())

    def parts(self, row: int) -> Parts:
        """The parts of a row."""
        return parts_at(self.texts.strings[row], self.answers.strings[row], *self.cuts_D2[row].tolist())


def read_rows(rows: Sequence[Uncategorised]) -> Read:
    """What tells the categories of rows."""
    texts = [text_of(row.instruction) for row in rows]
    cuts = np.fromiter(chain.from_iterable(map(split_at, texts)), np.int64, 2 * len(texts))
    return Read(
        texts=_flat(texts),
        answers=_flat([(row.response or "")[:RESPONSE_CHARS] for row in rows]),
        systems=[row.system for row in rows],
        cuts_D2=cuts.reshape(-1, 2),
    )


def _flat(strings: list[str]) -> _Flat:
    """Half a surrogate pair, which UTF-8 cannot say, is said all the same: it is in no mark."""
    encoded = [string.encode("utf-8", "surrogatepass") for string in strings]
    ends = np.cumsum([0, *map(len, encoded)])
    is_ascii = np.fromiter(map(str.isascii, strings), np.bool_, len(strings))
    return _Flat(strings, np.frombuffer(b"".join(encoded), np.uint8), np.column_stack((ends[:-1], ends[1:])), is_ascii)


def _weighed(read: Read, unspaced: _FLAGS) -> tuple[_I64, _I64]:
    """The weights of the cues in each row, and the columns of kinds of the words of its request."""
    from phase0.dedup.kernels.scanning import weighed

    rows = len(read.cuts_D2)
    sums, kinds_D7 = np.zeros(2 * rows * len(CATEGORIES), np.int64), np.empty((rows, 7), np.int64)  # noqa: N806
    weighed(*_spelled(read, unspaced), *vocabulary(), len(CATEGORIES), np.array(MAKING), sums, kinds_D7)
    own, handed = sums.reshape(-1, 2, len(CATEGORIES)).swapaxes(0, 1)
    return own + np.minimum(MATTER * handed // 100, MATTER_MOST) + np.array(PRIORS), kinds_D7.T.copy()


def _spelled(read: Read, unspaced: _FLAGS) -> tuple[_U8, _I64]:
    """The bytes of texts, and in them where the two parts of each request begin and end, and what is handed over.

    What a letter is beyond ASCII only Python knows: such texts are added in lower case, without characters that are
    neither ASCII nor part of a word.
    """
    texts = read.texts
    heads, tails = _asked_spans(read)
    spans = np.column_stack((heads, tails, heads[:, 1], tails[:, 0]))
    added, at = list[bytes](), len(texts.bytes_B)
    for row in np.flatnonzero(~texts.is_ascii).tolist():
        ask, matter = read.ask(row), texts.strings[row][slice(*read.cuts_D2[row].tolist())]
        if unspaced[row]:
            ask = " ".join([ask, *latin_words(ask)])
        added += (gapped(part).encode("utf-8", "replace") for part in (ask, matter))
        middle, end = at + len(added[-2]), at + len(added[-2]) + len(added[-1])
        spans[row] = (at, middle, 0, 0, middle, end)
        at = end
    return np.concatenate((texts.bytes_B, np.frombuffer(b"".join(added), np.uint8))), spans


def _asked_spans(read: Read) -> tuple[_I64, _I64]:
    """Where in the bytes the two parts of each request begin and end, where texts are ASCII."""
    begins, ends = read.texts.spans_D2.T
    cuts, lasts = read.cuts_D2.T
    return np.column_stack((begins, begins + cuts)), np.column_stack((begins + lasts, ends))


def _text_marks(read: Read) -> _I64:
    """What stands in the texts. LATEX is confirmed too."""
    found = _marks(read.texts)
    for at in np.flatnonzero(found & LATEX).tolist():
        found[at] ^= 0 if category.has_latex(read.texts.strings[at]) else LATEX
    return found


def _marks(parts: _Flat) -> _I64:
    """What stands in texts, or in answers. TOOL and NUMBER are confirmed: other scripts have digits of their own."""
    from phase0.dedup.kernels.scanning import marked

    bits = np.empty(len(parts.strings), np.uint64)
    marked(parts.bytes_B, parts.spans_D2, *of_parts(), LINE, -1, bits)
    found = bits.astype(np.int64)
    for at in np.flatnonzero(~parts.is_ascii & (found & NUMBER == 0)).tolist():
        found[at] |= NUMBER if category.numbers_in(parts.strings[at]) else 0
    for at in np.flatnonzero(found & TOOL).tolist():
        found[at] ^= 0 if has_tool_mark(parts.strings[at]) else TOOL
    return found


def _openings(read: Read) -> _I64:
    """What the answers begin with: scanned for where that is ASCII, and confirmed."""
    from phase0.dedup.kernels.scanning import marked

    answers, bits = read.answers, np.empty(len(read.cuts_D2), np.uint64)
    begins, ends = answers.spans_D2.T
    spans = np.column_stack((begins, np.minimum(ends, begins + OPENING_CHARS)))
    marked(answers.bytes_B, spans, *of_openings(), 0, _COMMA, bits)
    found = bits.astype(np.int64)
    for at in np.flatnonzero((found != 0) | ~answers.is_ascii).tolist():
        if found[at] or not answers.strings[at][:OPENING_CHARS].isascii():
            found[at] = opening_marks(opening_of(answers.strings[at]))
    return found


class _Counting(NamedTuple):
    """How something is counted: in the bytes of ASCII, and in any text."""

    in_bytes: Callable[[_U8, _I64, _I64], None]
    in_text: Callable[[str], int]


def _counts(read: Read, text: _I64, answer: _I64) -> tuple[_I64, _I64, _I64]:
    """How many equations the requests have, and the answers where they count, and how many numbers the requests."""
    from phase0.dedup.kernels.counting import equations, numbers

    of_equations, of_numbers = _Counting(equations, category.equations_in), _Counting(numbers, category.numbers_in)
    texts, answers, asked = read.texts, read.answers, _asked_spans(read)
    answered = (answer & EQUATION != 0) & (answer & SUM != 0)
    return (
        _counted(of_equations, texts, asked, text & EQUATION != 0, read.ask),
        _counted(of_equations, answers, [answers.spans_D2], answered, answers.strings.__getitem__),
        _counted(of_numbers, texts, asked, text & NUMBER != 0, read.ask),
    )


def _counted(
    what: _Counting, parts: _Flat, spans: Sequence[_I64], chosen: _FLAGS, text_at: Callable[[int], str]
) -> _I64:
    """How many there are in all these spans of each row that is chosen."""
    found = np.zeros(len(chosen), np.int64)
    rows = np.flatnonzero(chosen & parts.is_ascii)
    for one in spans:
        counts = np.empty(len(rows), np.int64)
        what.in_bytes(parts.bytes_B, one[rows], counts)
        found[rows] += counts
    for at in np.flatnonzero(chosen & ~parts.is_ascii).tolist():
        found[at] = what.in_text(text_at(at))
    return found


def _where(chosen: _FLAGS, is_so: Callable[[int], bool]) -> _FLAGS:
    """Which of those chosen it is so of."""
    found = np.zeros(len(chosen), np.bool_)
    for at in np.flatnonzero(chosen).tolist():
        found[at] = is_so(at)
    return found
