"""How a file came to be: its manifest, those of its inputs, and so on back to the upstream files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from phase0.dataset.manifest import Manifest, OutputFile, manifest_of


class Made(NamedTuple):
    """A file that phase0 wrote, or a folder of shards, with its manifest."""

    path: Path
    manifest: Manifest

    def told_of(self, path: Path) -> OutputFile | None:
        """What the manifest says of this path: of the output, or of one of its shards."""
        if path == self.path:
            return self.manifest.output
        name = f"{self.path.name}/{path.name}"
        shards = self.manifest.others if path.parent == self.path else ()
        return next((shard for shard in shards if shard.path == name), None)


def lineage(path: Path) -> list[Made]:
    """Every step that led to a file, upstream first, each once. Files without a manifest are where it ends."""
    found: dict[Path, Made] = {}
    _follow(path.resolve(), found, set())
    return list(found.values())


def _follow(path: Path, found: dict[Path, Made], on_the_way: set[Path]) -> None:
    if not {path, path.parent}.isdisjoint(found.keys() | on_the_way):
        return
    made = _made_by(path)
    if made is None:
        return
    on_the_way.add(made.path)
    for source in made.manifest.inputs:
        _follow((made.path.parent / source.path).resolve(), found, on_the_way)
    found[made.path] = made


def _made_by(path: Path) -> Made | None:
    """The step that wrote a file, or the folder of shards that it is in; None where phase0 wrote neither."""
    for place in (path, path.parent):
        manifest = manifest_of(place)
        if manifest is not None:
            made = Made(place, manifest)
            return made if made.told_of(path) else None
    return None
