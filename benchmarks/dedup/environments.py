"""The peers and the parsers, each at one version."""

from __future__ import annotations

from pathlib import Path

from shared.tools import Tool

SCRIPTS = Path(__file__).parent / "peers"
POLARS = "polars==2.1.0"  # reads and cuts for every peer that has no reader of its own


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
