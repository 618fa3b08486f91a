"""Upstream files that tests of acquisition make, and short ways to read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from phase0.dataset import Manifest
from phase0.engine.local import Local
from phase0.progress import Silent
from phase0.stages.acquire import Upstream, acquire_dataset
from phase0.stages.download import Acquired, acquire


def alpaca(number: int, **fields: Any) -> dict[str, Any]:
    return {"instruction": f"Name {number} rivers.", "input": "", "output": f"The {number} rivers are …"} | fields


def take(folder: Path, *inputs: Path, **options: Any) -> Acquired:
    return acquire(inputs, folder, engine=Local(1), **options)


def read_all(path: Path, output: Path, **known: Any) -> Manifest:
    return acquire_dataset(
        [Upstream(path, path.name, "made", **known)],
        output,
        settings={},
        limit=None,
        engine=Local(1),
        progress=Silent(),
    )


GOOD = [alpaca(n) for n in range(60)]

MESSAGES = [
    {"message_id": "q", "parent_id": None, "message_tree_id": "q", "role": "prompter", "text": "Why?", "lang": "en"},
    {"message_id": "a", "parent_id": "q", "message_tree_id": "q", "role": "assistant", "text": "So.", "rank": 0},
    {"message_id": "b", "parent_id": "q", "message_tree_id": "q", "role": "assistant", "text": "Or so.", "rank": 1},
    {"message_id": "z", "parent_id": "gone", "message_tree_id": "gone", "role": "assistant", "text": "Lost."},
]
