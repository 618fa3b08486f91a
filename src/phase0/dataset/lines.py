r"""One JSON value to a line. A line ends at `\n` alone: U+2028, U+2029 and U+0085 are text like any other."""

from __future__ import annotations

import io
from collections.abc import Iterator

from phase0.dataset.containers import plain
from phase0.dataset.rows import MAX_ROW, BadRow, Span
from phase0.errors import RowError

_BLOCK = 1 << 20
_NEWLINE = ord("\n")


def lines(span: Span) -> Iterator[tuple[int, bytes] | BadRow]:
    """Every line that is not blank, with its number."""
    with plain(span.path) as stream:
        if span.start:
            stream.seek(span.start)
        left = None if span.stop is None else span.stop - span.start
        for number, line in enumerate(_cut(stream, left), span.line):
            if len(line) > MAX_ROW:
                detail = f"the line is longer than {MAX_ROW:,} bytes"
                yield BadRow(number, line[:1000], RowError("row_too_long", detail))
                continue
            text = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip(b" \t\r\n")
            if text:
                yield number, text


def newlines(block: bytes) -> int:
    """How many newlines there are. `bytes.count` takes six times as long."""
    import numpy as np

    text, step = np.frombuffer(block, np.uint8), 1 << 18  # what is compared at once stays in a core's cache
    return sum(int(np.count_nonzero(text[at : at + step] == _NEWLINE)) for at in range(0, len(text), step))


def _cut(stream: io.BufferedIOBase, left: int | None) -> Iterator[bytes]:
    """The stream's lines. Of an overlong line only the first MAX_ROW + 1 bytes are held."""
    held: list[bytes] = []
    size = 0
    while left is None or left > 0:
        block = stream.read1(_BLOCK if left is None else min(_BLOCK, left))
        if not block:
            break
        left = None if left is None else left - len(block)
        first, *rest = block.split(b"\n")
        if size <= MAX_ROW:
            held.append(first)
        size += len(first)
        if rest:
            yield b"".join(held)[: MAX_ROW + 1]
            yield from rest[:-1]
            held, size = [rest[-1]], len(rest[-1])
    if size:
        yield b"".join(held)[: MAX_ROW + 1]
