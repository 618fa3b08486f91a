"""What two folders that stages wrote must have alike: everything but the time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_OF_THE_MOMENT = {"started", "seconds", "versions"}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of rows, certificate and manifest by its name, manifests without what differs from day to day."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".jsonl" or path.name == "contamination.json":
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
        elif path.name == "manifest.json":
            found[path.relative_to(folder).as_posix()] = json.dumps(_lasting(json.loads(path.read_bytes()))).encode()
    return found


def _lasting(manifest: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in manifest.items() if name not in _OF_THE_MOMENT}
