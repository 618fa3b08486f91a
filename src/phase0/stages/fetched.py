"""Inputs that are URLs as files of a folder: fetched once, and again when they have changed where they came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from phase0.dataset import whole
from phase0.dataset.places import Remote, fetch, is_url, listed
from phase0.engine import Engine
from phase0.progress import Progress
from phase0.records import digest


class _Copy(NamedTuple):
    """A file of a store, and where it goes."""

    remote: Remote
    path: Path

    @property
    def mark(self) -> Path:
        """Says which version the copy is of."""
        return self.path.with_name(f".{self.path.name}.version")

    def is_current(self) -> bool:
        try:
            return self.path.exists() and self.mark.read_text() == self.remote.version
        except OSError:
            return False


def fetched(inputs: Iterable[str | Path], folder: Path, engine: Engine, progress: Progress) -> list[str | Path]:
    """The inputs, with the files that a URL names in its place, copied into `folder`, which all nodes must see.

    Raises DataError for a store that cannot be read, UsageError for a URL that names no file.
    """
    found: list[str | Path | _Copy] = []
    for item in inputs:
        found += _copies(str(item), folder) if is_url(item) else [item]
    wanted = [one for one in found if isinstance(one, _Copy) and not one.is_current()]
    if wanted:
        progress.start("fetch", sum(one.remote.bytes or 0 for one in wanted) or None, "bytes")
        for size in engine.map(_fetch, wanted):
            progress.advance(size)
        progress.finish()
    return [one.path if isinstance(one, _Copy) else one for one in found]


def _copies(url: str, folder: Path) -> Sequence[_Copy]:
    return [_Copy(one, folder / digest((one.url.rpartition("/")[0],))[:16] / one.name) for one in listed(url)]


def _fetch(copy: _Copy) -> int:
    size = fetch(copy.remote.url, copy.path).stat().st_size
    with whole(copy.mark) as mark:
        mark.write(copy.remote.version.encode())
    return size
