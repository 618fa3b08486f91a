"""What a benchmark printed, kept in benchmarks/results/ with the command that printed it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "results"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table: names to the left, numbers to the right."""
    rows = (" | ".join(head), "|".join(["---", *["--:"] * (len(head) - 1)]), *map(" | ".join, lines))
    return "\n".join(f"| {row} |" for row in rows)


def keep(name: str, title: str, told: Sequence[str], script: Path, cache: Path | None = None) -> None:
    """Write what was told, after the command line, in which the cache folder is DIR."""
    words = ("DIR" if cache and Path(word).resolve() == cache else word for word in sys.argv[1:])
    asked = shlex.join(("python", f"benchmarks/{script.parent.name}/{script.name}", *words))
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.md").write_text("\n\n".join([f"# {title}", f"`{asked}` printed:", *told]) + "\n")
