"""The digests of a stage's inputs, worked out while the stage begins its work."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from phase0.dataset import file_digest
from phase0.errors import DataError


class Digests(threading.Thread):
    """The digests of files. That they are still those files is for others to check, who saw them before."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__(daemon=True)
        self._paths, self._halt = paths, threading.Event()
        self._found: list[str] = []
        self._error: DataError | None = None
        self.start()

    def run(self) -> None:
        try:
            for path in self._paths:
                self._found.append(_digest(path, self._halt))
        except DataError as error:
            self._error = error

    def all(self) -> list[str]:
        """Of every file, in order; waits for them."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._found

    def end(self) -> None:
        """Nobody wants to know any more."""
        self._halt.set()
        self.join()


def _digest(path: Path, halt: threading.Event) -> str:
    try:
        return file_digest(path, halt)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
