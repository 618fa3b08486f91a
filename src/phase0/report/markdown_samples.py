"""The rows to look at, as Markdown: their texts in fences that no text can end. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from phase0.report.escape import code, lines, prose
from phase0.report.rows import Group, RowNumbers, Sample
from phase0.report.shown import Part
from phase0.report.tables import Lines

LONGEST = 500  # characters of a text that are shown here; the page in HTML shows more
_GROUPS: dict[Group, tuple[str, str]] = {
    "kept": ("Kept", "Finished rows, with the reasons for their scores where the scorer gives any."),
    "above": ("Just above the threshold", "Kept, with the lowest scores."),
    "below": ("Just below the threshold", "Dropped, with the highest scores."),
    "dropped": ("Dropped", "Of each frequent reason, with what speaks against the row."),
}


def samples_page(seen: RowNumbers | None) -> Lines:
    """Kept, borderline and dropped rows; nothing where no row was read."""
    found: Lines = []
    for group, (title, about) in _GROUPS.items():
        rows = [sample for sample in seen.samples if sample.group == group] if seen else []
        if rows:
            found += [f"### {title}", "", about, "", *(line for row in rows for line in _row(row))]
    return found


def _row(row: Sample) -> Lines:
    stage = "" if row.stage == "publish" else f"{code(row.stage)} · "
    score = "" if row.score is None else f", score {row.score:.2f}"
    source = "" if row.source is None else f", by {code(row.source)}"
    reason = "" if row.reason is None else f": {code(row.reason)}"
    head = f"{stage}{code(f'{row.file}:{row.line}')}{reason}{score}{source}"
    why = [f"- {prose(line)}" for line in row.why]
    return [head, "", *(line for part in row.parts for line in _text(part)), *([*why, ""] if why else [])]


def _text(part: Part) -> Lines:
    """A text in a fence that is longer than any in it."""
    shown = lines(part.text[:LONGEST])
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", shown)), default=0))
    more = part.characters - min(len(part.text), LONGEST)
    cut: Sequence[str] = (f"{more:,} more of {part.characters:,} characters.", "") if more else ()
    return [f"{prose(part.name)}:", "", f"{fence}text", *shown.split("\n"), fence, "", *cut]
