"""The rows of files as de-duplication wants them: their text flat, their rank and place in arrays.

Every row is a span of bytes of a JSONL file. Files that are not plain JSONL are first laid out as such.

Shapes: R rows.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from phase0.dataset import BadRow, raw_rows, whole
from phase0.dataset.containers import Kind, is_compressed, kind_of, opened
from phase0.dataset.rows import MAX_ROW
from phase0.dedup.flat import Chunk, Flat, Part
from phase0.dedup.kernels.json import PADDING
from phase0.errors import DataError
from phase0.progress import Progress
from phase0.stages.placed_rows import PlacedRows
from phase0.stages.row_bytes import to_the_end
from phase0.stages.row_lines import COLUMNS, Reading, Rows, no_rows, read_lines, strictly

_BLOCK = 1 << 21  # bytes of a file that are read together
_BEHIND = 1 << 13  # bytes behind a block that are read with it: they end its last line, mostly
_SAMPLE = 1 << 15  # bytes at each of some places that tell how much there will be, and what is common
_SAMPLES, _MOST_SAMPLES = 640, 3200  # places
_TOGETHER = 16  # places that are read together: for each by itself Python would take longer than kernels
_APART = 1300 << 10  # bytes from one place to the next: what is common among more rows takes more of them to see
_PADDING = bytes(PADDING)


class RowFiles(PlacedRows):
    """Files of rows as `Texts`, behind those of another dataset with which they are compared.

    Mutable: `chunks` learns where the rows are, then `rows` and `take` can tell.
    """

    def __init__(self, paths: Sequence[Path], reading: Reading, folder: Path, others: Sequence[Path] = ()) -> None:
        self.others = list(others)
        self._paths = [*others, *paths]
        super().__init__(self._paths, reading)
        self._folder = folder
        self._chunks: list[_Lines] = []
        self._numbers: dict[int, array[int]] = {}
        self._bad: list[tuple[int, BadRow]] = []

    def lay_out(self, progress: Progress) -> None:
        """Lay files that are not plain JSONL out as such. To be asked first, once."""
        packed = [file for file, path in enumerate(self._paths) if not are_lines(path)]
        if packed:
            progress.start("lay rows out", sum(self._paths[file].stat().st_size for file in packed), "bytes")
            for file in packed:
                self._plain[file] = self._laid_out(file, self._paths[file])
                progress.advance(self._paths[file].stat().st_size)
            progress.finish()

    def spans(self) -> list[tuple[int, int]]:
        """Of each file from which byte on it is read, and to which."""
        return [(0, path.stat().st_size) for path in self._plain]

    def hint(self) -> int:
        return sum(end - begin for begin, end in self.spans())

    def extent(self) -> int | None:
        return self.hint()

    def sample(self) -> Part | None:
        size = self.hint()
        step = max(_SAMPLE, size // min(max(_SAMPLES, size // _APART), _MOST_SAMPLES))
        places = [(path, range(*span, step)) for path, span in zip(self._plain, self.spans(), strict=True)]
        drawn = [
            _Places(path, begins[at : at + _TOGETHER], self._reading)
            for path, begins in places
            for at in range(0, len(begins), _TOGETHER)
        ]
        return Part(drawn, size / (_SAMPLE * sum(len(begins) for _, begins in places))) if drawn else None

    def chunks(self) -> Iterator[Chunk]:
        for file, (path, (first, last)) in enumerate(zip(self._plain, self.spans(), strict=True)):
            for begin in range(first, last, _BLOCK):
                chunk = _Lines(file, path, begin, min(begin + _BLOCK, last), self._reading)
                self._chunks.append(chunk)
                yield chunk

    def firsts(self) -> int:
        """How many rows are of the other dataset. To be asked once every chunk was read."""
        return int(np.searchsorted(self.rows().file_R, len(self.others)))

    def rows(self) -> Rows:
        """What was read. To be asked once every chunk was."""
        if self._rows is None:
            self._rows = self._gathered()
            self._chunks.clear()
        return self._rows

    def _gathered(self) -> Rows:
        sources: dict[str, int] = {}
        parts = [no_rows()]
        before, file = 0, -1
        for chunk in self._chunks:
            before, file = before if chunk.file == file else 1, chunk.file
            part = chunk.lines
            renamed = np.array([sources.setdefault(name, len(sources)) for name in part.sources], np.int64)
            numbers = self._numbers.get(chunk.file)
            line = part.line_R + before
            if numbers is not None:
                line = np.frombuffer(numbers, np.int64)[line - 1]
            for _, bad in part.bad:
                at = bad.line + before
                self._bad.append((chunk.file, bad._replace(line=at if numbers is None else numbers[at - 1])))
            before += chunk.newlines
            parts.append(
                part._replace(
                    file_R=np.full(len(line), chunk.file, np.int32),
                    begin_R=part.begin_R + chunk.begin,
                    end_R=part.end_R + chunk.begin,
                    line_R=line,
                    source_R=renamed[part.source_R],
                )
            )
        columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS}
        self._bad.sort(key=lambda item: (item[0], item[1].line))
        return Rows(**columns, sources=list(sources), bad=self._bad)

    def _laid_out(self, file: int, path: Path) -> Path:
        """The rows of a compressed file, a table or an array as lines of plain JSONL."""
        plain = self._folder / f"{file}.lines"  # what a killed run leaves is not to be taken for rows
        numbers = self._numbers[file] = array("q")
        try:
            with whole(plain) as out:
                for item in raw_rows(path):
                    # An element of an array that could not be laid on one line is not JSON.
                    row = item if isinstance(item, BadRow) or b"\n" not in item[1] else strictly(*item, self._reading)
                    if isinstance(row, BadRow):
                        self._bad.append((file, row))
                    elif isinstance(row, tuple):
                        numbers.append(row[0])
                        out.write(row[1] + b"\n")
        except OSError as error:
            raise DataError(f"{plain}: the rows of {path} cannot be laid out there ({error.strerror})") from error
        return plain


def are_lines(path: Path) -> bool:
    """Whether rows can be read where they lie."""
    return path.stat().st_size == 0 or (kind_of(path) is Kind.LINES and not is_compressed(path))


class _Lines:
    """The lines of a file that begin between two bytes of it, to be read once by any thread."""

    def __init__(self, file: int, path: Path, begin: int, end: int, reading: Reading) -> None:
        self.extent = end - begin
        self.file = file
        self._path, self._begin, self._end, self._reading = path, begin, end, reading
        self.begin, self.newlines = 0, 0
        self.lines: Rows

    def read(self) -> Flat:
        with opened(self._path) as file:
            self.begin, block, size = _whole_lines(file.fileno(), self._begin, self._end)
        made = read_lines(block, size, self._reading, is_first=self.begin == 0)
        self.lines, self.newlines = made.rows, made.newlines
        return made.texts


class _Places(NamedTuple):
    """The lines that begin in some places of a file, to be read by any thread as if one stood behind the other."""

    path: Path
    begins: Sequence[int]
    reading: Reading

    @property
    def extent(self) -> int:
        return _SAMPLE * len(self.begins)

    def read(self) -> Flat:
        with opened(self.path) as file:
            found = [_whole_lines(file.fileno(), begin, begin + _SAMPLE) for begin in self.begins]
        block = b"\n".join(lines[:size] for _, lines, size in found)
        return read_lines(block + _PADDING, len(block), self.reading, is_first=self.begins[0] == 0).texts


def _whole_lines(file: int, begin: int, end: int) -> tuple[int, memoryview, int]:
    """The lines that begin at byte `begin` or behind it and before `end`: where the first begins, their bytes with as
    many as PADDING behind them, and their length. Of a line that is too long only its begin."""
    before = 1 if begin else 0  # the byte that tells whether a line begins at `begin`
    block = os.pread(file, end - begin + before + _BEHIND, begin - before)
    first = block.find(b"\n") + 1 if before else 0
    if before and not 0 < first <= end - begin:
        return end, memoryview(_PADDING), 0  # no line begins here
    last = block.find(b"\n", end - begin + before - 1) + 1
    if last == 0:
        block, last = to_the_end(file, block, begin - before, most=MAX_ROW + 2, step=_BLOCK)
    if last + PADDING > len(block):
        block = block[:last] + _PADDING
    return begin - before + first, memoryview(block)[first:], last - first
