"""How a file came to be: its manifest, those of its inputs, and so on back to the upstream files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from phase0.dataset.manifest import Manifest, manifest_of


class Made(NamedTuple):
    """A file that phase0 wrote, with its manifest."""

    path: Path
    manifest: Manifest


def lineage(path: Path) -> list[Made]:
    """Every step that led to a file, upstream first, each once. Files without a manifest are where it ends."""
    found: dict[Path, Made] = {}
    _follow(path.resolve(), found, set())
    return list(found.values())


def _follow(path: Path, found: dict[Path, Made], on_the_way: set[Path]) -> None:
    if path in found or path in on_the_way:
        return
    manifest = manifest_of(path)
    if manifest is None:
        return
    on_the_way.add(path)
    for source in manifest.inputs:
        _follow((path.parent / source.path).resolve(), found, on_the_way)
    found[path] = Made(path, manifest)
