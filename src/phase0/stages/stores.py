"""Work on files of a store: what is read is fetched into the workspace first, what was made is published from there.

The manifest goes last, as on a disk: where it stands, so does what it speaks of.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from phase0.dataset import meta_folder
from phase0.dataset.places import is_url, join, names, publish, remove
from phase0.engine import Engine
from phase0.progress import Progress
from phase0.records import digest
from phase0.stages.fetched import fetched
from phase0.stages.shards import is_shard
from phase0.workspace import MARK

_MANIFEST = "manifest.json"


class OnDisk(NamedTuple):
    """Inputs and an output as files of a disk that every node sees."""

    inputs: list[str | Path]
    against: list[str | Path]
    output: str  # ends in a slash where it is a folder of shards


@contextmanager
def on_disk(
    inputs: Iterable[str],
    against: Iterable[str],
    output: str,
    *,
    workspace: Path,
    engine: Engine,
    progress: Progress,
) -> Iterator[OnDisk]:
    """For the block files of a disk take the place of URLs; the output is published when it ends well.

    Paths are left as they are. Raises DataError for a store that cannot be read or written.
    """
    kept = workspace / MARK
    given = [fetched(which, kept / "fetched", engine, progress) for which in (inputs, against)]
    if not is_url(output):
        yield OnDisk(given[0], given[1], output)
        return
    url = output.rstrip("/")
    place = kept / "stores" / digest((url,))[:16] / url.rpartition("/")[2]
    yield OnDisk(given[0], given[1], f"{place}/" if output != url else str(place))
    _publish(place, url, engine, progress)
    shutil.rmtree(place.parent, ignore_errors=True)


def _publish(place: Path, url: str, engine: Engine, progress: Progress) -> None:
    """Publish an output and what stands beside it, in place of what was published there before."""
    meta = meta_folder(place)
    beside = join(url.rpartition("/")[0], meta.name)
    made = [(path, join(url, path.name)) for path in _shown(place)] if place.is_dir() else [(place, url)]
    told = [(path, join(beside, path.relative_to(meta).as_posix())) for path in _shown(meta)]
    manifest = (meta / _MANIFEST, join(beside, _MANIFEST))
    remove(manifest[1])  # from here on the old one would be a lie
    first = [*made, *(pair for pair in told if pair != manifest)]
    progress.start("publish", len(first) + 1, "files")
    for _ in engine.map(_send, first):
        progress.advance(1)
    if place.is_dir():
        shards = {path.name for path, _ in made}
        for name in names(url):
            if is_shard(name) and name not in shards:
                remove(join(url, name))
    _send(manifest)
    progress.finish()


def _shown(folder: Path) -> Sequence[Path]:
    """The files in a folder and below it that are no locks and no work under way."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _send(item: tuple[Path, str]) -> None:
    publish(*item)
