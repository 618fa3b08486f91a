"""What commands print when they are done: sums that close, reasons, and a way out where the sums look bad."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from phase0.dataset import Manifest, Rejected, meta_folder
from phase0.story import Event

_SHOWN = 6  # reasons named in one line
_LOW, _HIGH = 0.3, 0.4  # shares beyond which something is probably wrong


def summary(manifest: Manifest, output: Path) -> str:
    """One stage in one or two lines."""
    counts = manifest.counts
    name = "acquire" if manifest.stage == "download" else manifest.stage
    of = f"{counts.read:,} rows read; " if counts.read != counts.rows_in else ""
    sums = f"{counts.rows_in:,} in = {counts.kept:,} kept + {counts.dropped:,} dropped"
    line = f"{name}: {of}{sums} → {output}"
    if not counts.dropped:
        return line
    by_size = sorted(counts.reasons.items(), key=lambda item: (-item[1], item[0]))
    told = ", ".join(f"{reason} {rows:,}" for reason, rows in by_size[:_SHOWN])
    more = f", and {len(by_size) - _SHOWN} other reasons" if len(by_size) > _SHOWN else ""
    return f"{line}\n  dropped: {told}{more}; each row is in {meta_folder(output) / 'dropped.jsonl'}"


def hint(manifest: Manifest) -> str:
    """A way out, where a stage kept far fewer rows than it usually does."""
    counts = manifest.counts
    if not counts.rows_in:
        return "  hint: there were no rows to work on. Look at the stage before this one."
    if manifest.stage == "score" and counts.kept < _LOW * counts.rows_in:
        return (
            f"  hint: only {counts.kept / counts.rows_in:.0%} of the rows score above the threshold. Their reasons are "
            "in dropped.jsonl (evidence.reasons); docs/troubleshooting.md, 'Low scores', says what to do."
        )
    if manifest.stage == "dedup" and counts.dropped > _HIGH * counts.rows_in:
        return (
            f"  hint: {counts.dropped / counts.rows_in:.0%} of the rows are near-duplicates. The same dataset twice? "
            "docs/troubleshooting.md, 'Many duplicates', says how to find out."
        )
    return ""


def print_rejected(rejected: Sequence[Rejected]) -> int:
    """Name every file that was not read to its end; the exit status that follows from it."""
    for item in rejected:
        print(f"phase0: not read: {item.reason}", file=sys.stderr)
    return 2 if rejected else 0


def dataset_list() -> str:
    """The catalogue as a table."""
    from phase0.catalog.datasets import catalog

    entries = catalog().datasets.values()
    width = max(len(entry.name) for entry in entries)
    lines = [
        f"{entry.name:<{width}}  {entry.rows or 0:>9,} rows  {entry.license or 'no licence declared':<18} "
        f"{'all ' if entry.in_all else '    '} {entry.description}"
        for entry in entries
    ]
    total = sum(entry.rows or 0 for entry in entries if entry.in_all)
    return "\n".join([*lines, f"\n`--datasets all` takes those marked all: {total:,} rows. As of {catalog().as_of}."])


def event_lines(event: Event) -> str:
    """One thing that happened to a row, with what matters of the row itself."""
    row = event.row
    origin = (row.get("meta") or {}).get("origin") or {}
    what = {"kept": "kept", "dropped": f"dropped: {event.reason}", "stands_for": "kept instead of a near-duplicate"}
    lines = [f"{event.stage}: {what[event.what]} ({event.file}, line {event.line})"]
    if row.get("id"):
        lines[0] += f", id {row['id']}"
    if origin:
        at = f" at {origin['revision']}" if origin.get("revision") else ""
        lines.append(f"  from {origin.get('dataset')}{at}, {origin.get('row')}")
    if row.get("quality_score") is not None:
        lines.append(f"  quality_score {row['quality_score']}")
    lines += [f"  {name}: {value}" for name, value in event.evidence.items()]
    lines += [
        f"  {name}: {_short(str(row[name]))}" for name in ("instruction", "response") if row.get(name) is not None
    ]
    return "\n".join(lines)


def _short(text: str) -> str:
    """Text from data on one line: control characters must not reach a terminal."""
    shown = "".join(char if char.isprintable() else " " for char in text[:200])
    return shown + ("…" if len(text) > len(shown) else "")
