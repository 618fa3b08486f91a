"""What commands print when they are done: sums that close, reasons, and a way out where the sums look bad."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phase0.dataset import Manifest, meta_folder
from phase0.dataset.places import spelled
from phase0.progress import many
from phase0.report.escape import visible
from phase0.stages.rounds import in_round, round_of
from phase0.story import Event

if TYPE_CHECKING:
    from phase0.hub import Pushed
    from phase0.licenses import LicenseLedger, TermsInUse
    from phase0.rehearsal import Rehearsal

_MOST = 40  # origins in a table
_SHOWN = 6  # reasons named in one line
_LOW, _HIGH = 0.3, 0.4  # shares beyond which something is probably wrong
_OTHER_LAYOUT = ("unknown_field", "missing_field", "bad_type", "not_an_object", "bad_row")


def summary(manifest: Manifest, output: Path) -> str:
    """One stage in one to three lines."""
    counts = manifest.counts
    name = "acquire" if manifest.stage == "download" else in_round(manifest.stage, round_of(output))
    of = f"{many(counts.read, 'row')} read; " if counts.read != counts.rows_in else ""
    sums = f"{counts.rows_in:,} in = {counts.kept:,} kept + {counts.dropped:,} dropped"
    line = f"{name}: {of}{sums} → {spelled(output)}{_method(manifest)}{_student(manifest)}{_held_out(manifest)}"
    if not counts.dropped:
        return line
    by_size = sorted(counts.reasons.items(), key=lambda item: (-item[1], item[0]))
    told = ", ".join(f"{reason} {rows:,}" for reason, rows in by_size[:_SHOWN])
    more = f", and {len(by_size) - _SHOWN} other reasons" if len(by_size) > _SHOWN else ""
    return f"{line}\n  dropped: {told}{more}; each row is in {spelled(meta_folder(output) / 'dropped.jsonl')}"


def _method(manifest: Manifest) -> str:
    """How de-duplication looked for pairs, and what that may have missed."""
    figures = manifest.figures
    if manifest.stage == "decontaminate":
        return _sets(manifest)
    if manifest.stage != "dedup" or "method" not in figures:
        return ""
    share = f"about {1 - figures['missed_share']:.1%} of the pairs at exactly the threshold, more above it"
    share += " (up to 0.8 percentage points fewer of rows of few words)"
    return f"\n  found by {figures['method']}: {'every pair' if figures['exact'] else share}"


def _sets(manifest: Manifest) -> str:
    """Which evaluation sets were looked for, and which of them were found."""
    sets = manifest.figures["sets"]
    items = sum(each["items"] for each in sets)
    found = [f"{each['name']} {each['rows']:,}" for each in sets if each["rows"]]
    told = f"; rows with questions of {', '.join(found)}" if found else "; none of them found"
    return f"\n  {many(items, 'item')} of {many(len(sets), 'evaluation set')}{told}"


def _held_out(manifest: Manifest) -> str:
    """How many rows an export holds out for validation, and what keeps them apart from those for training."""
    held = manifest.figures.get("validation") if manifest.stage == "export" else None
    if not held:
        return ""
    share = "" if held["share"] is None else f" ({held['share']:.2%}; {held['asked']:.2%} asked)"
    return (
        f"\n  held out: {many(held['rows'], 'row')}{share} in {many(held['groups'], 'group')} that no row of training "
        f"resembles (Jaccard {held['threshold']}); the largest of all groups has {many(held['largest_group'], 'row')}"
    )


def _student(manifest: Manifest) -> str:
    """Who scored, where a student did; what that saved, and what its audit states."""
    from phase0.report.student import student_numbers, told

    numbers = student_numbers(manifest)
    return "" if numbers is None else "".join(f"\n  {line}" for line in told(numbers))


def hint(manifest: Manifest) -> str:
    """A way out, where a stage kept far fewer rows than it usually does."""
    counts = manifest.counts
    if not counts.rows_in:
        return "  hint: there were no rows to work on. Look at the stage before this one."
    foreign = sum(counts.reasons.get(reason, 0) for reason in _OTHER_LAYOUT)
    if foreign > _HIGH * counts.rows_in:
        return (
            f"  hint: {foreign / counts.rows_in:.0%} of the rows are not standard rows. `phase0 download --from` makes "
            "standard rows of any known layout."
        )
    if manifest.stage == "score" and counts.kept < _LOW * counts.rows_in:
        return (
            f"  hint: only {counts.kept / counts.rows_in:.0%} of the rows score above the threshold. Their reasons are "
            "in dropped.jsonl (evidence.reasons); docs/troubleshooting.md, 'Low scores', says what to do."
        )
    alike = counts.reasons.get("near_duplicate", 0)
    if alike > _HIGH * counts.rows_in:
        return (
            f"  hint: {alike / counts.rows_in:.0%} of the rows are near-duplicates. The same dataset twice? "
            "docs/troubleshooting.md, 'Many duplicates', says how to find out."
        )
    return ""


def columns(lines: Sequence[Sequence[str]]) -> str:
    """Cells in columns: the first to the left, figures to the right."""
    widths = [max(len(line[place]) for line in lines if place < len(line)) for place in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=False))
        ).rstrip()
        for line in lines
    )


def rehearsed(rehearsal: Rehearsal) -> str:
    """What a rehearsal would have cost, by its ledger and by the simulator's bill."""
    from phase0.gateway.budget import shown

    titles = ["rehearsed", "requests", "tokens in", "tokens out", "ledger, $", "simulator's bill, $"]
    lines = [
        [
            f"{each.model} at {each.server}",
            *(f"{count:,}" for count in (each.requests, each.tokens_in, each.tokens_out)),
            f"{each.cost:,.6f}",
            f"{each.billed:,.6f}",
        ]
        for each in rehearsal.bought
    ]
    now = sum((each.cost for each in rehearsal.bought), Decimal(0))
    before = "" if now == rehearsal.cost else f" Of that, {shown(rehearsal.cost - now)} was bought before."
    return f"{columns([titles, *lines])}\nNothing was paid. It would have cost {shown(rehearsal.cost)}.{before}"


def print_rejected(reasons: Sequence[str]) -> int:
    """Say of every file that was not read to its end why; the exit status that follows from it."""
    for reason in reasons:
        print(f"phase0: not read: {reason}", file=sys.stderr)
    return 2 if reasons else 0


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


def story(events: Sequence[Event]) -> str:
    """Everything that happened to a row. What the row says is shown where it is first met, or said otherwise."""
    lines: list[str] = []
    shown: set[str] = set()
    for event in events:
        row = event.row
        what = {"kept": "kept", "dropped": f"dropped: {event.reason}", "stands_for": "kept instead of a near-duplicate"}
        number = f", id {row['id']}" if row.get("id") else ""
        lines.append(f"{event.stage}: {what[event.what]} ({event.file}, line {event.line}{number})")
        lines += [f"  {name}: {_short(str(value))}" for name, value in event.evidence.items()]
        lines += _judged(event)
        said = _said(row)
        if (text := "\n".join(said)) not in shown:
            lines += said
            shown.add(text)
    return "\n".join(lines)


def _judged(event: Event) -> list[str]:
    """The scores that a row got in this stage, and the reasons for them."""
    scores = _part(_part(event.row, "meta"), "scores")
    if event.stage != "score" or not scores:
        return []
    four = ", ".join(f"{name} {value}" for name, value in scores.items())
    meta = event.row["meta"]
    judges = ", ".join(meta.get("judges", ()))
    apart = f", {meta['disagreement']} apart" if meta.get("disagreement") is not None else ""
    by = [f"  judged by {_short(judges)}{apart}"] if judges else []
    reasons = [] if event.evidence else [f"  reasons: {_short(', '.join(meta.get('flags', ())))}"]
    return [f"  quality_score {event.row.get('quality_score')}: {four}", *by, *reasons]


def _said(row: Mapping[str, Any]) -> list[str]:
    origin = _part(_part(row, "meta"), "origin")
    at = f" at {origin['revision']}" if origin.get("revision") else ""
    lines = [f"  from {origin.get('dataset')}{at}, {origin.get('row')}"] if origin else []
    return lines + [
        f"  {name}: {_short(str(row[name]))}" for name in ("instruction", "response") if row.get(name) is not None
    ]


def _part(row: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """An object in a row; empty where there is none. Upstream rows have a `meta` of any kind."""
    value = row.get(field)
    return value if isinstance(value, dict) else {}


def _short(text: str) -> str:
    """Text from data on one line: control characters must not reach a terminal."""
    shown = "".join(char if char.isprintable() else " " for char in text[:200])
    return shown + ("…" if len(text) > len(shown) else "")


def licenses_told(ledger: LicenseLedger) -> str:
    """The license ledger as plain lines: origins, what they are under, and what that asks for."""
    from phase0.licenses import why

    allowed = {True: "yes", False: "no", None: "unknown"}
    titles = ["dataset", "licence", "answered by", "judged by", "rows", "commercial"]
    origins = [
        [
            *(visible(text) for text in (one.dataset or "unknown", one.license or "unknown", one.writer or "–")),
            visible(", ".join(one.judges)) or "–",
            f"{one.rows:,}",
            allowed[one.commercial],
        ]
        for one in ledger.origins[:_MOST]
    ]
    terms = [f"{one.name}: {one.title}, {one.rows:,} rows{_asks(one)}" for one in ledger.terms]
    reasons = dict.fromkeys(
        f"{visible(one.dataset or 'rows')}: {visible(reason)}" for one in ledger.origins for reason in why(one)
    )
    sums = (
        f"Commercial use: {ledger.commercial_rows:,} rows allow it, {ledger.non_commercial_rows:,} forbid it, "
        f"of {ledger.unknown_rows:,} it is not known."
    )
    more = [f"… and {len(ledger.origins) - _MOST:,} more; --json has all"] if len(ledger.origins) > _MOST else []
    table = [columns([titles, *origins]), *more]
    parts = ["\n".join(lines) for lines in (table, terms, list(reasons)[:_MOST]) if lines]
    return "\n\n".join([*parts, f"{sums}\n{ledger.disclaimer} Terms as of {ledger.as_of}."])


def _asks(terms: TermsInUse) -> str:
    """What terms ask for, behind their name."""
    asked = [f"say: {terms.naming}"] if terms.naming else []
    asked += ["non-commercial"] if terms.commercial is False else []
    asked += ["share alike"] if terms.share_alike else []
    asked += ["name the source"] if terms.attribution else []
    asked += [terms.restriction] if terms.restriction else []
    return f"; {'; '.join(asked)}" if asked else ""


def pushed(done: Pushed, *, dry_run: bool) -> str:
    """What a push did, or would do, in a line for each file."""
    would = "would be " if dry_run else ""
    lines = [f"{name}: {would}sent" for name in done.sent] + [f"{name}: there already" for name in done.same]
    if done.created and done.sent:
        lines.append(f"{done.repo}: {would}made")
    end = f"commit {done.commit}" if done.commit else "nothing was committed"
    return "\n".join([*lines, f"{done.page} ({done.revision}): {end}"])
