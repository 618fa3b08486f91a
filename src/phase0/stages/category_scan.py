"""What stands in many rows that tells their categories, from one pass over their bytes: words, cues and marks.

It finds what `phase0.scoring.seeing` finds by looking, and counts what the rules of `phase0.scoring.category` count.
What kernels cannot tell, which is little where text is ASCII, is asked of these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from phase0.dedup import load_kernels
from phase0.dedup.flat import flat
from phase0.dedup.pages import Scratch
from phase0.records import CATEGORIES
from phase0.scoring import category
from phase0.scoring.bounds import MAKING, Scanned, is_addressed
from phase0.scoring.marks import EQUATION, LATEX, LINE, NUMBER, QUESTION, SUM, TOOL, WORDS_OF_KIND
from phase0.scoring.seeing import (
    ASK_CHARS,
    HEAD_CHARS,
    MATTER,
    MATTER_MOST,
    OPENING_CHARS,
    PRIORS,
    RESPONSE_CHARS,
    TAIL_CHARS,
    Parts,
    Seen,
    has_tool_mark,
    opening_marks,
    opening_of,
    parts_at,
    seen,
    text_of,
)
from phase0.stages.category_tables import listed, of_openings, of_parts, vocabulary

PADDING = 64  # bytes behind text that kernels read
KERNELS = ("scanning", "counting", "parting")

_scratch = Scratch()  # of the parts of rows
_COMMA = ord(",")
_FEW = 12  # words of a request that may all be none
_LIMITS = np.array((HEAD_CHARS, TAIL_CHARS, RESPONSE_CHARS, ASK_CHARS), np.int64)

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


class Read(NamedTuple):
    """What is read of rows: their parts one behind the other, one byte to a character, as `kernels.parting` has it."""

    rows: Sequence[Uncategorised]
    bytes_B: _U8  # noqa: N815 - the suffix is the shape
    texts_D2: _I64  # noqa: N815 - where in the bytes the text of each row begins and ends,
    answers_D2: _I64  # noqa: N815 - and its answer
    cuts_D2: _I64  # noqa: N815 - in each text where what is handed over begins and ends
    words_D6: _I64  # noqa: N815 - in the bytes where the words are of each request, and of what is handed over
    is_odd_D: _FLAGS  # noqa: N815 - these rows are looked at one by one

    def text(self, row: int) -> str:
        """What is read of an instruction."""
        return text_of(self.rows[row].instruction)

    def answer(self, row: int) -> str:
        """What is read of a response."""
        return (self.rows[row].response or "")[:RESPONSE_CHARS]

    def parts(self, row: int) -> Parts:
        """The parts of a row."""
        cut, last = self.cuts_D2[row].tolist()
        return parts_at(self.text(row), self.answer(row), cut, last, None if self.is_odd_D[row] else False)


class Laid(NamedTuple):
    """Instructions and responses in UTF-8, and PADDING zeros behind them. Halves of surrogate pairs are said as if they
    were characters."""

    text_B: _U8  # noqa: N815
    spans_D4: _I64  # noqa: N815 - where the instruction of each row begins and ends, and its response

    def of(self, rows: Sequence[int]) -> Laid:
        """Those of some rows."""
        return self if len(rows) == len(self.spans_D4) else self._replace(spans_D4=self.spans_D4[rows])


def laid_out(rows: Sequence[Uncategorised]) -> Laid:
    """Rows one behind the other, as they are compared: a newline stands before each response."""
    parts = [part for row in rows for part in (row.instruction, "\n", row.response or "")]
    text, starts = flat([*parts, "\0" * PADDING], "surrogatepass")
    return Laid(text, np.column_stack((starts[:-2:3], starts[1:-1:3], starts[2:-1:3], starts[3::3])))


def read_rows(rows: Sequence[Uncategorised], laid: Laid | None = None) -> Read:
    """What tells the categories of rows, which may be laid out already. It stays until this thread reads others."""
    load_kernels(files=KERNELS)
    from phase0.dedup.kernels.counting import LETTER, ODD, UNKNOWN, UNSPACED
    from phase0.dedup.kernels.parting import parts
    from phase0.stages.category_letters import learn, letters

    text, spans = laid or laid_out(rows)
    sizes = (spans[:, 1::2] - spans[:, ::2]).reshape(-1)
    texts, answers, cuts = np.empty((3, len(rows), 2), np.int64)
    out, words, kinds = (
        _scratch.room(_room(sizes) + PADDING),
        np.empty((len(rows), 6), np.int64),
        np.empty(len(rows), np.int64),
    )
    while True:
        lists = (*listed(WORDS_OF_KIND["announcing"]), *listed(WORDS_OF_KIND["asking"]))
        parts(text, spans, _LIMITS, letters(), *lists, out, texts, answers, cuts, words, kinds)
        is_odd = kinds & (1 << (ODD - LETTER) | 1 << (UNSPACED - LETTER)) != 0
        read = Read(rows, out, texts, answers, cuts, words, is_odd)
        unknown = np.flatnonzero(kinds & 1 << (UNKNOWN - LETTER)).tolist()
        if not unknown:
            return read
        learn("".join(f"{read.text(row)}{read.answer(row)}" for row in unknown))


def _room(sizes: _I64) -> int:
    """Bytes that parts need, from the sizes of instructions and responses in turn: a text, and its words in lower case,
    of which each takes 4 bytes at most and 3 where it took 2; and an answer."""
    most = HEAD_CHARS + 1 + TAIL_CHARS
    texts = np.minimum(sizes[::2], most) + np.minimum(2 * sizes[::2], 4 * most)
    return int(texts.sum() + np.minimum(sizes[1::2], RESPONSE_CHARS).sum())


def scanned(read: Read) -> Scanned:
    """What stands in rows. Of odd ones only the weights of cues and the marks are worth anything."""
    weighing, (some, every, first, behind, beyond, thing, words) = _weighed(read)
    text, answer, opening = _text_marks(read), _marks(read, read.answers_D2, read.answer), _openings(read)
    for row in np.flatnonzero(read.is_odd_D).tolist():
        weighing[row], text[row], answer[row], opening[row] = _looked_for(read, row)
    asked_equations, equations, numbers = _counts(read, text, answer)
    is_alone = read.cuts_D2[:, 0] == read.cuts_D2[:, 1]
    return Scanned(
        weights_DC=weighing,
        text_D=text,
        answer_D=answer,
        opening_D=opening,
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
        of_system_D=np.array(
            [category.weight_of_system(row.system) if row.system else 0 for row in read.rows], np.int64
        ),
        is_alone_D=is_alone,
        is_odd_D=read.is_odd_D,
        is_asked_D=_where(is_alone & (text & QUESTION != 0), lambda at: category.states_and_asks(read.text(at))),
        is_brief_D=read.answers_D2[:, 1] - read.answers_D2[:, 0] <= category.BRIEF,
        is_addressed_D=_where(is_addressed(first), lambda at: category.may_be_addressed(read.text(at))),
        is_muddled_D=_where(is_alone & (words <= _FEW), lambda at: category.may_be_muddled(read.text(at))),
    )


def _looked_for(read: Read, row: int) -> Seen:
    return seen(read.parts(row))


def _weighed(read: Read) -> tuple[_I64, _I64]:
    """The weights of the cues in each row, and the columns of kinds of the words of its request."""
    from phase0.dedup.kernels.scanning import weighed

    rows = len(read.rows)
    sums, kinds_D7 = np.zeros(2 * rows * len(CATEGORIES), np.int64), np.empty((rows, 7), np.int64)  # noqa: N806
    weighed(read.bytes_B, read.words_D6, *vocabulary(), len(CATEGORIES), np.array(MAKING), sums, kinds_D7)
    own, handed = sums.reshape(-1, 2, len(CATEGORIES)).swapaxes(0, 1)
    return own + np.minimum(MATTER * handed // 100, MATTER_MOST) + np.array(PRIORS), kinds_D7.T.copy()


def _asked_spans(read: Read) -> tuple[_I64, _I64]:
    """Where in the bytes the two parts of each request begin and end."""
    begins, ends = read.texts_D2.T
    cuts, lasts = read.cuts_D2.T
    return np.column_stack((begins, begins + cuts)), np.column_stack((begins + lasts, ends))


def _text_marks(read: Read) -> _I64:
    """What stands in the texts. LATEX is confirmed too."""
    found = _marks(read, read.texts_D2, read.text)
    for at in np.flatnonzero(found & LATEX).tolist():
        found[at] ^= 0 if category.has_latex(read.text(at)) else LATEX
    return found


def _marks(read: Read, spans_D2: _I64, part: Callable[[int], str]) -> _I64:  # noqa: N803
    """What stands in texts, or in answers. TOOL is confirmed."""
    from phase0.dedup.kernels.scanning import marked

    bits = np.empty(len(spans_D2), np.uint64)
    marked(read.bytes_B, spans_D2, *of_parts(), LINE, -1, bits)
    found = bits.astype(np.int64)
    for at in np.flatnonzero(found & TOOL).tolist():
        found[at] ^= 0 if has_tool_mark(part(at)) else TOOL
    return found


def _openings(read: Read) -> _I64:
    """What the answers begin with: scanned for, and confirmed."""
    from phase0.dedup.kernels.scanning import marked

    bits = np.empty(len(read.rows), np.uint64)
    begins, ends = read.answers_D2.T
    spans = np.column_stack((begins, np.minimum(ends, begins + OPENING_CHARS)))
    marked(read.bytes_B, spans, *of_openings(), 0, _COMMA, bits)
    found = bits.astype(np.int64)
    for at in np.flatnonzero(found).tolist():
        found[at] = opening_marks(opening_of(read.answer(at)))
    return found


def _counts(read: Read, text: _I64, answer: _I64) -> tuple[_I64, _I64, _I64]:
    """How many equations the requests have, and the answers where they count, and how many numbers the requests."""
    from phase0.dedup.kernels.counting import equations, numbers

    asked = _asked_spans(read)
    answered = (answer & EQUATION != 0) & (answer & SUM != 0)
    return (
        _counted(equations, read, asked, text & EQUATION != 0),
        _counted(equations, read, [read.answers_D2], answered),
        _counted(numbers, read, asked, text & NUMBER != 0),
    )


def _counted(what: Callable[[_U8, _I64, _I64], None], read: Read, spans: Sequence[_I64], chosen: _FLAGS) -> _I64:
    """How many there are in all these spans of each row that is chosen."""
    found, rows = np.zeros(len(chosen), np.int64), np.flatnonzero(chosen)
    for one in spans:
        counts = np.empty(len(rows), np.int64)
        what(read.bytes_B, one[rows], counts)
        found[rows] += counts
    return found


def _where(chosen: _FLAGS, is_so: Callable[[int], bool]) -> _FLAGS:
    """Which of those chosen it is so of."""
    found = np.zeros(len(chosen), np.bool_)
    for at in np.flatnonzero(chosen).tolist():
        found[at] = is_so(at)
    return found
