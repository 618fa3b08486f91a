"""The floor: polars reads and parses the file, and nothing else."""

from __future__ import annotations

import polars as pl
from reading import arguments

pl.read_ndjson(
    arguments().rows,
    schema={"instruction": pl.String, "response": pl.String, "source": pl.String, "quality_score": pl.Float64},
)
