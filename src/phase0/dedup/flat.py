"""Texts as flat UTF-8, without a Python object per row. All are read once, and what is about to be removed a second
time.

Shapes: B bytes, D rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from phase0.errors import UsageError

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]

_TAKEN = 1000  # rows of texts in memory that are looked at together the second time
_SAMPLED = 20_000  # rows from which it is told how much there will be, and which shingles are common
_CHARACTERS = 1000  # of a string, before it is looked at
_CHUNK = 1 << 20  # characters or bytes read together: they fit into a core's cache


class Flat(NamedTuple):
    """Some texts, one behind the other, in valid UTF-8."""

    text_B: U8  # noqa: N815 - the suffix is the shape
    starts_D1: I64  # noqa: N815 - text d is text_B[starts_D1[d]:starts_D1[d + 1]]

    @property
    def extent(self) -> int:
        return len(self.text_B)

    def read(self) -> Flat:
        """Itself: flat texts are a chunk that was read."""
        return self


class Chunk(Protocol):
    """Some texts that are still to be read, by any thread, once."""

    @property
    def extent(self) -> int:
        """Its share of the extent of all texts."""
        ...

    def read(self) -> Flat:
        """The texts."""
        ...


class Piece(Chunk, Protocol):
    """Some texts that were read before, to be read once more."""

    @property
    def rows(self) -> int:
        """How many."""
        ...

    @property
    def room(self) -> int:
        """Their bytes are not more."""
        ...

    def read(self) -> Flat:
        """The texts."""
        ...


class Part(NamedTuple):
    """Some of the texts, and how many times as much there is in all."""

    chunks: Sequence[Chunk]
    times: float


class Readable(Protocol):
    """Texts that were read, to be read again."""

    def take(self, rows: I64) -> Flat:
        """These texts."""
        ...

    def again(self, rows: I64) -> Sequence[Piece]:
        """These texts, in ascending order, cut into pieces of work."""
        ...


class Texts(Readable, Protocol):
    """Rows of text that can be had again once `chunks` has ended."""

    def chunks(self) -> Iterator[Chunk]:
        """Every text once, in order, some together."""
        ...

    def hint(self) -> int:
        """About how many bytes of text there will be; 0 where nobody knows."""
        ...

    def extent(self) -> int | None:
        """How many bytes are read when all chunks are; None where nobody knows."""
        ...

    def sample(self) -> Part | None:
        """Some of the texts that stand for all, to be read once more; None where texts can be drawn only once."""
        ...


class Taken(NamedTuple):
    """Texts that are in memory, as a piece."""

    texts: Flat

    @property
    def extent(self) -> int:
        return self.texts.extent

    @property
    def rows(self) -> int:
        return len(self.texts.starts_D1) - 1

    @property
    def room(self) -> int:
        return int(self.texts.starts_D1[-1])

    def read(self) -> Flat:
        return self.texts


def taken_again(texts: Texts, rows: I64) -> list[Piece]:
    """Some rows of texts that are in memory, in pieces."""
    return [Taken(texts.take(rows[at : at + _TAKEN])) for at in range(0, len(rows), _TAKEN)]


def flat(texts: Sequence[str], errors: str = "replace") -> Flat:
    """Texts laid behind one another. Half a surrogate pair, which UTF-8 cannot say, becomes a question mark: neither is
    part of a word."""
    encoded = [text.encode("utf-8", errors) for text in texts]
    starts = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=starts[1:])
    return Flat(np.frombuffer(b"".join(encoded), np.uint8), starts)


def texts_of(texts: Any, *, once: bool = False) -> Texts:
    """Strings, or an Arrow array of strings, as texts; `once` where none will be asked for again."""
    if hasattr(texts, "__arrow_c_array__") or hasattr(texts, "__arrow_c_stream__"):
        return Arrow(texts)
    return Strings(texts, once=once)


class Arrow:
    """An Arrow array of strings, chunked or not, read where it lies in memory."""

    def __init__(self, array: Any) -> None:
        self._chunks = [piece for chunk in getattr(array, "chunks", [array]) for piece in _arrow_pieces(chunk)]

    def hint(self) -> int:
        return sum(chunk.extent for chunk in self._chunks)

    def extent(self) -> int | None:
        return self.hint()

    def sample(self) -> Part | None:
        if not self._chunks:
            return None
        rows = [len(chunk.starts_D1) - 1 for chunk in self._chunks]
        chosen = np.unique(np.linspace(0, sum(rows) - 1, _SAMPLED).astype(np.int64))
        return Part([self.take(chosen)], sum(rows) / len(chosen))

    def chunks(self) -> Iterator[Chunk]:
        return iter(self._chunks)

    def take(self, rows: I64) -> Flat:
        return taken(self._chunks, rows)

    def again(self, rows: I64) -> Sequence[Piece]:
        return taken_again(self, rows)


def _arrow_pieces(array: Any) -> Iterator[Flat]:
    """An array in pieces of some megabytes, each with the part of the text that is its own."""
    kinds = {"string": np.int32, "large_string": np.int64}
    if str(array.type) not in kinds:
        raise UsageError(f"The Arrow array holds {array.type}, not strings. Cast it to string or large_string.")
    if array.null_count:
        raise UsageError(f"The Arrow array holds {array.null_count} nulls. Fill them, with '' for rows without text.")
    _, offsets, data = array.buffers()
    if not len(array):
        return
    starts = np.frombuffer(offsets, kinds[str(array.type)])[array.offset : array.offset + len(array) + 1]
    text = np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8)
    cuts = np.searchsorted(starts, np.arange(int(starts[0]), int(starts[-1]), _CHUNK))
    for first, last in pairwise(np.unique([0, *cuts.tolist(), len(array)]).tolist()):
        begin, end = int(starts[first]), int(starts[last])
        yield Flat(text[begin:end], starts[first : last + 1].astype(np.int64) - begin)


class Strings:
    """Python strings. Those that can be drawn only once are held in UTF-8 until the end, unless they are read once."""

    def __init__(self, texts: Iterable[str], *, once: bool = False) -> None:
        self._texts = texts
        self._is_held = not once and not isinstance(texts, Sequence)
        self._held: list[Flat] = []

    def hint(self) -> int:
        return 0 if not isinstance(self._texts, Sequence) else _CHARACTERS * len(self._texts)

    def extent(self) -> int | None:
        return None

    def sample(self) -> Part | None:
        if not isinstance(self._texts, Sequence) or not self._texts:
            return None
        rows = np.unique(np.linspace(0, len(self._texts) - 1, _SAMPLED).astype(np.int64))
        return Part([self.take(rows)], len(self._texts) / len(rows))

    def chunks(self) -> Iterator[Chunk]:
        for chunk in self._cut():
            made = flat(chunk)
            if self._is_held:
                self._held.append(made)
            yield made

    def take(self, rows: I64) -> Flat:
        if isinstance(self._texts, Sequence):
            return flat([self._texts[row] for row in rows.tolist()])
        return taken(self._held, rows)

    def again(self, rows: I64) -> Sequence[Piece]:
        return taken_again(self, rows)

    def _cut(self) -> Iterator[list[str]]:
        chunk: list[str] = []
        size = 0
        for text in self._texts:
            chunk.append(text)
            size += len(text) + 16  # empty texts take room too
            if size >= _CHUNK:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk


class Both:
    """Texts of another dataset, and behind them those that are de-duplicated."""

    def __init__(self, others: Texts, texts: Texts) -> None:
        self._others, self._texts = others, texts
        self._counted: list[Counted] = []

    def hint(self) -> int:
        return self._others.hint() + self._texts.hint()

    def extent(self) -> int | None:
        others, own = self._others.extent(), self._texts.extent()
        return None if others is None or own is None else others + own

    def sample(self) -> Part | None:
        larger = max(self._texts, self._others, key=lambda texts: texts.hint())
        part = larger.sample()
        return part and part._replace(times=part.times * self.hint() / max(1, larger.hint()))

    def chunks(self) -> Iterator[Chunk]:
        for chunk in self._others.chunks():
            self._counted.append(Counted(chunk))
            yield self._counted[-1]
        yield from self._texts.chunks()

    def firsts(self) -> int:
        """How many texts are of the other dataset. To be asked once every chunk was read."""
        return sum(chunk.rows for chunk in self._counted)

    def take(self, rows: I64) -> Flat:
        firsts = self.firsts()
        if not firsts:
            return self._texts.take(rows)
        is_other = rows < firsts
        others, own = self._others.take(rows[is_other]), self._texts.take(rows[~is_other] - firsts)
        parts = {True: _spans(others), False: _spans(own)}
        return joined([next(parts[which]) for which in is_other.tolist()])

    def again(self, rows: I64) -> Sequence[Piece]:
        return taken_again(self, rows)


class Counted:
    """A chunk that remembers how many texts it held."""

    def __init__(self, chunk: Chunk) -> None:
        self._chunk: Chunk | None = chunk
        self.rows, self.extent = 0, chunk.extent

    def read(self) -> Flat:
        if self._chunk is None:
            raise RuntimeError("a chunk is read once")
        made, self._chunk = self._chunk.read(), None
        self.rows = len(made.starts_D1) - 1
        return made


def _spans(texts: Flat) -> Iterator[U8]:
    return (texts.text_B[begin:end] for begin, end in pairwise(texts.starts_D1.tolist()))


def taken(chunks: Sequence[Flat], rows: I64) -> Flat:
    """Some rows of texts that are held in chunks."""
    ends = np.cumsum([len(chunk.starts_D1) - 1 for chunk in chunks])
    found = np.searchsorted(ends, rows, side="right")
    parts = []
    for number, row in zip(found.tolist(), rows.tolist(), strict=True):
        chunk = chunks[number]
        local = row - int(ends[number]) + len(chunk.starts_D1) - 1
        parts.append(chunk.text_B[chunk.starts_D1[local] : chunk.starts_D1[local + 1]])
    return joined(parts)


def marked(rows: int, *chosen: npt.NDArray[Any]) -> I64:
    """Which of so many rows are among these, ascending: what `np.unique` answers in ten times as long."""
    is_chosen = np.zeros(rows, np.bool_)
    for some in chosen:
        is_chosen[some] = True
    return np.flatnonzero(is_chosen)


def joined(parts: Sequence[U8]) -> Flat:
    """Texts laid behind one another."""
    starts = np.zeros(len(parts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, parts), np.int64, len(parts)), out=starts[1:])
    return Flat(np.concatenate(parts) if parts else np.empty(0, np.uint8), starts)
