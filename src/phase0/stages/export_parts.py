"""What workers do of an export: they measure the rows of a piece of the input, and write them, in every form that is
wanted, to parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import IO, NamedTuple

import msgspec
import numpy as np
import xxhash

from phase0.dataset import BadRow, Span, read_records, split, whole
from phase0.dataset.manifest import dropped
from phase0.partitioned.arrays import mapped, store
from phase0.partitioned.site import Site
from phase0.records import Record
from phase0.stages.formats import FORMATS, chat, prompt
from phase0.stages.output import Sums
from phase0.stages.parts import Lost, bad_row
from phase0.stages.token_counts import ENCODING

MARKUP = 5  # tokens around a message: ChatML's and Llama's begin, role, end of the role, end, and a line end
ROW = 4  # numbers of a row that was measured: its place among the rows of the piece that can be read, and three hashes
_BATCH_ROWS, _BATCH_CHARS = 1024, 4_000_000  # whose tokens are counted in one call, on every core


class Form(NamedTuple):
    """One of the forms that are wanted."""

    name: str
    files: Sequence[str]  # what its dropped rows call the inputs


class Piece(NamedTuple):
    """Some rows of an input, of which a task makes parts."""

    at: int  # its place among all
    file: int
    span: Span
    folder: Path

    @property
    def extent(self) -> int:
        """Its bytes."""
        return self.span.path.stat().st_size if self.span.stop is None else self.span.stop - self.span.start

    def rows(self) -> Path:
        """Shape (R, ROW): the rows that may be written; their hashes are of all that they say, of the first turn, and
        of all that comes before the response."""
        return self.folder / f"{self.at:06}.rows.npy"

    def too_long(self) -> Path:
        """Shape (R, 2): the others that have a response, by place, and their tokens."""
        return self.folder / f"{self.at:06}.long.npy"


def pieces(inputs: Sequence[Path], folder: Path, size: int) -> list[Piece]:
    """The inputs in pieces of about so many bytes, cut by the bytes of the files."""
    spans = [(file, span) for file, path in enumerate(inputs) for span in split(path, size)]
    return [Piece(at, file, span, folder) for at, (file, span) in enumerate(spans)]


class Measured(NamedTuple):
    """Pieces whose rows were measured."""

    pieces: Sequence[Piece]
    bases: Sequence[int]  # the number of the first row of each that can be read, and behind them how many there are


def measured(site: Site, given: Sequence[Piece], max_tokens: int | None, seed: int) -> Measured:
    """Measure the rows of all pieces: those of more tokens are not to be written; their hashes depend on the seed."""
    counts = []
    site.progress.start("measure rows", None)
    for count in site.engine.map(partial(_measure, max_tokens, seed), given):
        counts.append(count)
        site.progress.advance(count)
    site.progress.finish()
    return Measured(given, [0, *accumulate(counts)])


def _measure(max_tokens: int | None, seed: int, piece: Piece) -> int:
    """Write what is to be known of the rows of a piece; answers how many can be read."""
    rows, long, readable = list[tuple[int, ...]](), list[tuple[int, int]](), 0
    for batch in _batches(piece):
        lengths = lengths_of([record for _, record in batch]) if max_tokens is not None else [0] * len(batch)
        for (place, record), tokens in zip(batch, lengths, strict=True):
            readable = place + 1
            if record.response is None:
                continue
            if max_tokens is not None and tokens > max_tokens:
                long.append((place, tokens))
                continue
            first = record.history[0].content if record.history else record.instruction
            said = xxhash.xxh3_64_intdigest(record.id.encode(), seed=seed)
            rows.append((place, said, _hash(first), _hash(prompt(record))))
    store(piece.rows(), np.array(rows, np.uint64).reshape(-1, ROW))
    store(piece.too_long(), np.array(long, np.int64).reshape(-1, 2))
    return readable


def _hash(text: str) -> int:
    """Of the words of a text: other case and other spaces are no other text."""
    return xxhash.xxh3_64_intdigest(" ".join(text.casefold().split()).encode())


def records_of(span: Span) -> Iterator[Record]:
    """The rows that can be read."""
    return (item[2] for item in read_records(span) if not isinstance(item, BadRow))


def _batches(piece: Piece) -> Iterator[list[tuple[int, Record]]]:
    """The rows that can be read, with their places, some at a time."""
    waiting: list[tuple[int, Record]] = []
    chars = 0
    for row in enumerate(records_of(piece.span)):
        waiting.append(row)
        chars += len(row[1].instruction) + len(row[1].response or "")
        if len(waiting) == _BATCH_ROWS or chars >= _BATCH_CHARS:
            yield waiting
            waiting, chars = [], 0
    yield waiting


def lengths_of(records: Sequence[Record]) -> list[int]:
    """Tokens of whole conversations, as a trainer sees them: every message, `MARKUP` around each, and one to begin.

    An estimate: the encoding is o200k_base, and the trainer's own tokenizer and chat template decide.
    """
    import toktok

    turns = [chat(record) for record in records]
    counts = iter(toktok.batch_count([turn["content"] for row in turns for turn in row], ENCODING))
    return [1 + sum(next(counts) + MARKUP for _ in row) for row in turns]


class Part(NamedTuple):
    """What a task wrote of a piece in one form."""

    kept: Path
    held: Path  # for validation
    lost: Path
    sums: Sums  # of all but those for validation
    rows: int  # for validation


class Fates(NamedTuple):
    """What is decided of rows before they are written."""

    bases: Sequence[int]  # see `Measured`
    held: Path | None  # for each row that can be read, whether it is for validation


def written(site: Site, given: Sequence[Piece], forms: Sequence[Form], known: Fates | None) -> Iterator[list[Part]]:
    """Write the rows of all pieces, in every form, to parts; these in the order of pieces, one for each form."""
    bases = known.bases if known is not None else [0] * len(given)
    held = known.held if known is not None else None
    return site.engine.map(partial(_write, tuple(forms), held), zip(given, bases, strict=False))


def _write(forms: Sequence[Form], held: Path | None, item: tuple[Piece, int]) -> list[Part]:
    piece, base = item
    known = _known(piece, base, held)
    with ExitStack() as files:
        sinks = [_Sink(files, piece, form) for form in forms]
        place = 0
        for row in read_records(piece.span):
            for sink in sinks:
                sink.put(row, place, known)
            place += not isinstance(row, BadRow)
    return [sink.part for sink in sinks]


class _Known(NamedTuple):
    """What was decided of the rows of a piece, by their places."""

    too_long: dict[int, int]  # → tokens
    held: frozenset[int]


def _known(piece: Piece, base: int, held: Path | None) -> _Known:
    too_long = dict(np.load(piece.too_long()).tolist()) if piece.too_long().exists() else {}
    if held is None:
        return _Known(too_long, frozenset())
    places = np.load(piece.rows())[:, 0].astype(np.int64)
    return _Known(too_long, frozenset(places[mapped(held)[base + places]].tolist()))


class _Sink:
    """Where the rows of a piece go in one form. Mutable: sums grow."""

    def __init__(self, files: ExitStack, piece: Piece, form: Form) -> None:
        paths = [piece.folder / f"{piece.at:06}.{form.name}.{name}" for name in ("kept", "held", "lost")]
        self._form, self._file = form.name, form.files[piece.file]
        self._kept, self._held, self._lost = (files.enter_context(whole(path)) for path in paths)
        self._paths, self._sums, self._rows = paths, Sums(), 0

    @property
    def part(self) -> Part:
        kept, held, lost = self._paths
        return Part(kept, held, lost, self._sums, self._rows)

    def put(self, item: BadRow | tuple[int, bytes, Record], place: int, known: _Known) -> None:
        """Send a row to where it belongs."""
        self._sums.read += 1
        if isinstance(item, BadRow):
            self._drop(bad_row(item))
            return
        line, raw, record = item
        if (tokens := known.too_long.get(place)) is not None:
            self._drop(Lost(raw, line, "too_long", {"tokens": tokens}))
            return
        row = FORMATS[self._form](record) if record.response is not None else "no_response"
        if isinstance(row, str):
            self._drop(Lost(raw, line, row, {"format": self._form}))
        elif place in known.held:
            _put(self._held, row)
            self._rows += 1
        else:
            _put(self._kept, row)
            self._sums.kept += 1

    def _drop(self, row: Lost) -> None:
        line = dropped(
            stage="export", reason=row.reason, evidence=row.evidence, file=self._file, line=row.line, raw=row.raw
        )
        self._lost.write(line + b"\n")
        self._sums.reasons[row.reason] += 1


def _put(file: IO[bytes], row: object) -> None:
    file.write(msgspec.json.encode(row) + b"\n")
