"""The floor: pyarrow reads and parses the file, and nothing else."""

from __future__ import annotations

import pyarrow as pa
from pyarrow import json
from reading import arguments

fields = {"instruction": pa.string(), "response": pa.string(), "source": pa.string(), "quality_score": pa.float64()}
given = arguments()
pa.set_cpu_count(given.workers)
options = json.ParseOptions(explicit_schema=pa.schema(list(fields.items())), unexpected_field_behavior="error")
json.read_json(given.rows, read_options=json.ReadOptions(block_size=4 << 20), parse_options=options)
