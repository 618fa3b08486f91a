"""A program to compare with: a script and the packages it needs, at one version, in a virtual environment of its own.

An environment is made when it is first needed, and kept in the benchmark's cache.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


class Tool(NamedTuple):
    name: str
    script: Path
    packages: tuple[str, ...]


def python_of(tool: Tool, cache: Path) -> Path:
    """The interpreter of a tool's environment. An interrupted installation is made again."""
    folder = cache / "environments" / tool.name.replace(" ", "-").lower()
    python = folder / "bin" / "python"
    ready = folder / "installed.txt"
    wanted = "\n".join(tool.packages)
    if not ready.exists() or ready.read_text() != wanted:
        print(f"making an environment for {tool.name}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *tool.packages]
        subprocess.run(pip, check=True)
        ready.write_text(wanted)
    return python
