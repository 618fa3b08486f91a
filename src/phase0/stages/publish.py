"""The last stage: strip every row to the four standard fields. The full rows stay beside it, in `X.meta/full.jsonl`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Unpack

import msgspec

from phase0.dataset import BadRow, Manifest, Row, expand, meta_folder, read
from phase0.dataset.rows import STANDARD, standard_record
from phase0.errors import RowError, UsageError
from phase0.progress import SILENT, Progress
from phase0.stages.deduplicate import Work, deduplicate
from phase0.stages.output import check_output, stage_output
from phase0.stages.parts import finished
from phase0.stages.shards import names_a_folder

FULL = "full.jsonl"


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the finished dataset: the standard fields and nothing else, in this order."""

    instruction: str
    response: str
    source: str
    quality_score: float | None


def publish(inputs: Iterable[str | Path], output: str | Path, *, progress: Progress = SILENT) -> Manifest:
    """Write the finished dataset: rows with instruction, response, source and quality_score alone.

    A row without a response, or with a field of the wrong type, is dropped with its reason. Earlier turns and system
    prompts are not standard fields: they stay in `X.meta/full.jsonl`, row for row in the same order.
    """
    paths, output = expand(inputs), Path(output)
    full = meta_folder(output) / FULL
    with stage_output("publish", output, paths, {}) as out:
        progress.start("publish", None)
        rows = out.beside(full)
        for file, path in enumerate(paths):
            for item in map(_published, read(path)):
                out.sums[file].read += 1
                progress.advance(1)
                if isinstance(item, BadRow):
                    out.drop_bad(item, file)
                else:
                    rows.write(item.full)
                    out.keep(item.row, file)
        progress.finish()
    return finished(output)


class Finished(NamedTuple):
    """Both steps of `publish_distinct`."""

    deduplicated: Manifest
    published: Manifest


def publish_distinct(
    inputs: Iterable[str | Path],
    output: str | Path,
    *,
    progress: Progress = SILENT,
    **how: Unpack[Work],
) -> Finished:
    """De-duplicate rows as `deduplicate` does and publish what stays.

    The rows between the two steps stay in `X.meta/deduped.jsonl`.
    """
    if names_a_folder(output):
        raise UsageError(f"{output} is a folder, and a finished dataset is one file, such as {Path(output)}.jsonl")
    paths, output = expand(inputs), Path(output)
    check_output(output, paths)
    between = meta_folder(output) / "deduped.jsonl"
    deduplicated = deduplicate(paths, between, **how, progress=progress)
    return Finished(deduplicated, publish([between], output, progress=progress))


class _Row(NamedTuple):
    """A published row, and the full row that it was."""

    row: bytes
    full: bytes


def _published(item: Row | BadRow) -> _Row | BadRow:
    """The row to publish, checked: only its standard fields matter, whatever else it holds."""
    if isinstance(item, BadRow):
        return item
    data = item.data
    fields = {name: data[name] for name in STANDARD if name in data} if isinstance(data, dict) else data
    try:
        record = standard_record(fields, dataset="", row="")
    except RowError as error:
        return BadRow(item.line, item.raw, error)
    if record.response is None or not record.response.strip():
        return BadRow(item.line, item.raw, RowError("no_response", "the row has no response", field="response"))
    row = Published(
        instruction=record.instruction,
        response=record.response,
        source=record.source,
        quality_score=record.quality_score,
    )
    return _Row(msgspec.json.encode(row), item.raw)
