"""Questions on disk: a file of requests as canonical JSON, one a line, for as many as memory should not hold.

A line's key is the digest of the line, so the file says by itself which question is which.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from phase0.records import Request, key_of

request_of = msgspec.json.Decoder(Request).decode


class Question(NamedTuple):
    """A request with the bytes that its key is the digest of."""

    key: str
    body: bytes

    @property
    def request(self) -> Request:
        return request_of(self.body)


class Questions:
    """A file of questions that grows at its end and is read from its beginning. It is made when first written to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: BinaryIO | None = None

    def append(self, body: bytes) -> None:
        if self._file is None:
            self._file = self.path.open("ab")
        self._file.write(body + b"\n")
        self.count += 1

    def close(self, *, sync: bool = False) -> None:
        """Have everything in the file; on the disk where `sync`. It may grow again afterwards."""
        if self._file is not None:
            with self._file:
                self._file.flush()
                if sync:
                    os.fsync(self._file.fileno())
            self._file = None

    def __iter__(self) -> Iterator[Question]:
        self.close()
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for line in file:
                body = line.rstrip(b"\n")
                yield Question(key_of(body), body)

    def remove(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)


class Index:
    """Where each question of a file lies, so that any of them can be read without holding the others."""

    def __init__(self, path: Path) -> None:
        self._places: dict[str, tuple[int, int]] = {}
        self._file = path.open("rb")
        at = 0
        for line in self._file:
            body = line.rstrip(b"\n")
            self._places[key_of(body)] = (at, len(body))
            at += len(line)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __getitem__(self, key: str) -> Question:
        at, length = self._places[key]
        self._file.seek(at)
        return Question(key, self._file.read(length))

    def close(self) -> None:
        self._file.close()


def copy(source: Path, keys: Container[str], target: Questions) -> int:
    """Append those questions of a file that have one of these keys; how many there were."""
    before = target.count
    for question in Questions(source):
        if question.key in keys:
            target.append(question.body)
    target.close()
    return target.count - before
