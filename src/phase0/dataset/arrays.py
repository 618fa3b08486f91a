"""The elements of one JSON array, cut out as they come: memory is that of the longest element, not of the array.

An element is found by its brackets and quotes alone and judged later, as a line of JSONL is: a bad one costs itself.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from phase0.dataset.containers import DAMAGE, plain
from phase0.dataset.rows import MAX_ROW, NOT_JSON, BadRow, Span
from phase0.errors import DataError

_BLOCK = 1 << 20
_SPACE = b" \t\r\n"

# The next mark that matters behind anything that does not; a quote is such a mark only where its string has no end.
# Possessive, so that a string of 50 MB is passed in constant memory. Escapes are masked before they are searched.
_OUTSIDE = re.compile(rb'[^"\[\]{},]*+(?:"[^"]*+"[^"\[\]{},]*+)*+(["\[\]{},])')
_INSIDE = re.compile(rb'[^"\[\]{}]*+(?:"[^"]*+"[^"\[\]{}]*+)*+(["\[\]{}])')


def array(span: Span) -> Iterator[tuple[int, bytes] | BadRow]:
    """Every element on one line of its own. Raises DataError where the array ends too early or too late."""
    with plain(span.path) as stream:
        for number, element in enumerate(_Elements(span.path, stream), 1):
            yield number, _on_one_line(element)


def _on_one_line(element: bytes) -> bytes:
    try:
        return msgspec.json.format(element, indent=-1)
    except NOT_JSON:
        return element


class _Elements:
    """A view of the array that slides over the stream and holds one element at a time."""

    def __init__(self, path: Path, stream: io.BufferedIOBase) -> None:
        self._path, self._stream = path, stream
        self._view = self._masked = b""
        self._at = self._number = 0
        self._damage: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        self._enter()
        is_last = False
        while not is_last:
            end = self._end()
            element = self._view[self._at : end].strip(_SPACE)
            is_last = self._view[end] == ord("]")
            self._at = end + 1
            if element or not is_last:  # an empty array, or a comma too many at its end, holds no element
                self._number += 1
                yield element
        self._leave()

    def _enter(self) -> None:
        """Pass the opening bracket, which `kind_of` has seen."""
        while b"[" not in self._view and self._grow():
            continue
        self._at = self._view.index(b"[") + 1

    def _end(self) -> int:
        """Where the comma or bracket stands that ends the element the view begins with."""
        depth, at = 0, self._at
        while True:
            found = (_INSIDE if depth else _OUTSIDE).match(self._masked, at)
            if found is None or found[1] == b'"':
                # The view doubles, so that looking again from the element's start stays linear in its length.
                if not self._grow():
                    raise DataError(f"{self._path}: element {self._number + 1}: the file ends inside the array")
                depth, at = 0, self._at
                continue
            mark = found[1]
            if mark in b"[{":
                depth += 1
            elif depth:
                depth -= 1
            elif mark in b",]":
                return found.end() - 1
            at = found.end()

    def _grow(self) -> bool:
        """Read on, at least as much as is held. False at the end; damage is raised once all before it was seen."""
        held = len(self._view) - self._at
        if held > MAX_ROW:
            raise DataError(f"{self._path}: element {self._number + 1} is longer than {MAX_ROW:,} bytes, or never ends")
        if self._damage:
            raise self._damage
        blocks, wanted = [self._view[self._at :]], max(_BLOCK, held)
        try:
            while wanted > 0 and (block := self._stream.read1(wanted)):
                blocks.append(block)
                wanted -= len(block)
        except DAMAGE as error:
            self._damage = error
        self._view, self._at = b"".join(blocks), 0
        self._masked = self._view.replace(b"\\\\", b"__").replace(b'\\"', b"__")
        return len(blocks) > 1 or self._damage is not None

    def _leave(self) -> None:
        rest = self._view[self._at :]
        while not rest.strip(_SPACE):
            if self._damage:
                raise self._damage
            rest = self._stream.read1(_BLOCK)
            if not rest:
                return
        raise DataError(
            f"{self._path}: something follows the end of the array after element {self._number}; it would be lost"
        )
