"""The peers and the parsers, each at one version in a virtual environment of its own, made when it is first needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

SCRIPTS = Path(__file__).parent / "peers"
POLARS = "polars==2.1.0"  # reads and cuts for every peer that has no reader of its own


class Tool(NamedTuple):
    name: str
    script: Path
    packages: tuple[str, ...]


def _peer(name: str, script: str, *packages: str) -> Tool:
    return Tool(name, SCRIPTS / script, packages)


FLOOR = (
    _peer("polars parse", "parse_polars.py", POLARS),
    _peer("pyarrow parse", "parse_pyarrow.py", "pyarrow==26.0.1"),
)
PEERS = (
    _peer("daft 0.7.26", "run_daft.py", "daft==0.7.26", "numpy==2.4.6", "scipy==1.17.1"),
    _peer("gaoya 0.2.2", "run_gaoya.py", "gaoya==0.2.2", POLARS),
    _peer("rensa 0.5.0", "run_rensa.py", "rensa==0.5.0", POLARS),
    _peer("text-dedup 0.4.0", "run_text_dedup.py", "text-dedup==0.4.0", POLARS),
    _peer("datasketch 2.0.0", "run_datasketch.py", "datasketch==2.0.0", POLARS),
)
PAIRS = _peer("SetSimilaritySearch", "pairs_setsimilarity.py", "SetSimilaritySearch==1.0.1", "numpy==2.4.6")
PLOT = _peer("plot", "plot_growth.py", "matplotlib==3.11.2")


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
