"""Files of rows: reading every layout of bytes people use, writing so that nobody ever sees half a file, and the
manifest that says what a finished file holds."""

from __future__ import annotations

from phase0.dataset.lineage import Made, lineage
from phase0.dataset.manifest import (
    Counts,
    Dropped,
    InputFile,
    Manifest,
    OutputFile,
    Rejected,
    manifest_of,
    meta_folder,
)
from phase0.dataset.reading import expand, raw_rows, read, read_records, split
from phase0.dataset.rows import BadRow, Row, Span
from phase0.dataset.writing import atomic, file_digest, whole, write_json, writer

__all__ = [
    "BadRow",
    "Counts",
    "Dropped",
    "InputFile",
    "Made",
    "Manifest",
    "OutputFile",
    "Rejected",
    "Row",
    "Span",
    "atomic",
    "expand",
    "file_digest",
    "lineage",
    "manifest_of",
    "meta_folder",
    "raw_rows",
    "read",
    "read_records",
    "split",
    "whole",
    "write_json",
    "writer",
]
