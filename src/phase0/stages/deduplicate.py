"""Remove near-duplicate rows. Kept rows leave as the bytes they came in; every dropped one names the row that stays."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from phase0.dataset import BadRow, Manifest, expand, raw_rows
from phase0.dataset.reading import not_json
from phase0.dataset.rows import NOT_JSON
from phase0.dedup import Deduplicated, On, Removed, dedup, ratio, text_of
from phase0.errors import RowError
from phase0.progress import SILENT, Progress
from phase0.stages.output import StageOutput, stage_output
from phase0.stages.parts import finished

_NAMED = 5
ALARM = 0.5  # a source that loses more than this share of its rows is named


class _Texts(msgspec.Struct, frozen=True):
    """What is compared and ranked. Other fields, known or not, are none of this stage's business."""

    instruction: str
    response: str | None
    source: Any = None
    quality_score: Any = None
    id: Any = None


class _Seen(NamedTuple):
    """What is remembered of every row that could be read, in input order. `ranks` hold the lines: all of the text."""

    ranks: list[tuple[float, int, bytes]]
    ids: list[str | None]
    sources: list[str]
    files: array[int]
    lines: array[int]


def deduplicate(
    inputs: Iterable[str | Path],
    output: str | Path,
    *,
    threshold: str | float | Decimal = "0.8",
    on: On = "both",
    shingle: int = 5,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Keep one row of any rows whose word sets reach a Jaccard similarity of `threshold`.

    Words and Jaccard are as `phase0.dedup` defines them. Of two rows the one with the higher quality_score stays, then
    the one with the longer response, then the one whose line is greater as bytes; so what stays does not depend on the
    order of rows or files. Kept rows leave in input order, byte for byte.
    """
    exact = ratio(threshold)
    paths = expand(inputs)
    settings = dedup_settings(threshold, on, shingle)
    with stage_output("dedup", Path(output), paths, settings) as out:
        seen = _Seen([], [], [], array("L"), array("Q"))
        result = dedup(
            _texts(paths, on, seen),
            threshold=exact,
            shingle=shingle,
            rank=seen.ranks,
            workers=workers or 1,
            progress=progress,
        )
        progress.start("write kept rows", len(seen.ids))
        _write(out, paths, seen, result, progress)
        out.figures = _figures(result, seen, settings)
        _alarm(out.figures["sources_over_half_removed"], progress)
        progress.finish()
    return finished(Path(output))


def _alarm(sources: Sequence[str], progress: Progress) -> None:
    """Name the sources that lose more than half of their rows, as far as a person would read on."""
    if sources:
        more = f", and {len(sources) - _NAMED} more (all are in the manifest)" if len(sources) > _NAMED else ""
        progress.warn(f"more than half of the rows are near-duplicates in: {', '.join(sources[:_NAMED])}{more}")


def dedup_settings(threshold: str | float | Decimal, on: On, shingle: int) -> dict[str, Any]:
    """What a manifest says of how rows were compared."""
    return {"threshold": str(Decimal(str(threshold)).normalize()), "on": on, "shingle": shingle}


_decode = msgspec.json.Decoder(_Texts).decode


def _rows(path: Path) -> Iterator[tuple[int, bytes, _Texts] | BadRow]:
    for item in raw_rows(path):
        if isinstance(item, BadRow):
            yield item
            continue
        line, raw = item
        try:
            yield line, raw, _decode(raw)
        except msgspec.ValidationError as error:
            yield BadRow(line, raw, RowError("bad_row", str(error)))
        except NOT_JSON as error:
            yield BadRow(line, raw, not_json(raw, error))


def _texts(paths: Sequence[Path], on: On, seen: _Seen) -> Iterator[str]:
    for file, path in enumerate(paths):
        for item in _rows(path):
            if isinstance(item, BadRow):
                continue
            line, raw, row = item
            quality = row.quality_score if isinstance(row.quality_score, (int, float)) else float("-inf")
            seen.ranks.append((quality, len(row.response or ""), raw))
            seen.ids.append(row.id if isinstance(row.id, str) else None)
            seen.sources.append(row.source if isinstance(row.source, str) else "unknown")
            seen.files.append(file)
            seen.lines.append(line)
            yield text_of(row.instruction, row.response, on)


def _write(out: StageOutput, paths: Sequence[Path], seen: _Seen, result: Deduplicated, progress: Progress) -> None:
    """Read the rows again and send each to where it belongs."""
    gone = {removed.row: removed for removed in result.removed}
    number = 0
    for file, path in enumerate(paths):
        for item in _rows(path):
            out.sums[file].read += 1
            if isinstance(item, BadRow):
                out.drop_bad(item, file)
                continue
            line, raw, _ = item
            if number in gone:
                evidence = _evidence(gone[number], out.names, seen)
                out.drop(raw, line=line, reason="near_duplicate", evidence=evidence, file=file)
            else:
                out.keep(raw, file)
            number += 1
            progress.advance(1)


def _evidence(removed: Removed, names: Sequence[str], seen: _Seen) -> dict[str, Any]:
    return {
        "kept_id": seen.ids[removed.kept],
        "kept_file": names[seen.files[removed.kept]],
        "kept_line": seen.lines[removed.kept],
        "jaccard": round(removed.jaccard, 6),
        "shared": removed.shared,
        "union": removed.union,
    }


def _figures(result: Deduplicated, seen: _Seen, settings: dict[str, Any]) -> dict[str, Any]:
    before = Counter(seen.sources)
    lost = Counter(seen.sources[removed.row] for removed in result.removed)
    return {
        "before": len(seen.ids),
        "removed": len(result.removed),
        "after": len(result.kept),
        "threshold": settings["threshold"],
        "method": result.method,
        "exact": result.exact,
        "missed_share": result.missed_share,
        "wordless": result.wordless,
        "clusters": len({removed.kept for removed in result.removed}),
        "sources_over_half_removed": sorted(name for name, rows in lost.items() if rows > ALARM * before[name]),
    }
