"""A verification as plain lines: the recipe's lines first, then the distributions, then the verdicts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import PurePosixPath

from phase0.report.escape import visible
from phase0.stages.certificate import Contamination
from phase0.stages.criteria import dollars
from phase0.stages.verification import Cost, Duplicates, Faults, Quality, SourceShare, Verification

REHEARSAL = (
    "A rehearsal: a simulator stood in for the teachers, so nothing was paid, and answers are replayed or made up."
)
MOST_SOURCES = 20
_EXAMPLES = 5
_READ_FROM = {"rows": "the rows", "full rows": "the full rows beside the dataset", "computed": "their text, just now"}

_WAYS_OUT = {
    "format": "`phase0 publish` drops rows that are not valid; `phase0 download --from` reads other layouts.",
    "score range": "Scores go from 1 to 10. `phase0 score` scores rows anew.",
    "duplicates": "`phase0 dedup` removes near-duplicates; give it the threshold, shingle and text of this check.",
    "rows": "Acquire more datasets, or lower the threshold of `phase0 score`; the report tells where rows were lost.",
    "average quality": "Raise the threshold of `phase0 score`: fewer rows stay, and better ones.",
    "cost": "A smaller share for paid teachers, or a cheaper judge. What no manifest tells is unknown and fails.",
    "teachers": "Let another teacher answer a share of the rows (`phase0 distill --teacher … --percentage …`).",
}


def render(checked: Verification) -> str:
    """All that a person wants to read of a verification. No colours, and safe for a terminal whatever the data hold."""
    sections = (
        [REHEARSAL] if checked.rehearsal else [],
        _headline(checked),
        _faults(checked.faults),
        _quality(checked.quality),
        _sources(checked.sources),
        _categories(checked),
        _examples(checked.duplicates),
        _dedup(checked),
        _contamination(checked.contamination),
        _cost(checked.cost),
        _criteria(checked),
        [f"Note: {visible(note, 500)}" for note in checked.notes],
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _headline(checked: Verification) -> list[str]:
    invalid = f" ({checked.faults.rows:,} of them not valid)" if checked.faults.rows else ""
    return _columns(
        ("Total examples:", f"{checked.rows:,}{invalid}"),
        ("Format:", format_state(checked)),
        ("Average quality score:", _average(checked.quality)),
        ("Duplicates:", remaining_duplicates(checked.duplicates)),
        ("Average instruction length:", _tokens(checked.tokens.instruction_average)),
        ("Average response length:", _tokens(checked.tokens.response_average)),
    )


def format_state(checked: Verification) -> str:
    """Whether every row is valid, in words."""
    if not checked.rows:
        return "not valid: no rows"
    return "valid" if not checked.faults.rows else f"not valid: {_counts(checked.faults.reasons)}"


def remaining_duplicates(left: Duplicates) -> str:
    """How many near-duplicates there still are, in words."""
    if left.rate is None:
        return "unknown (no rows to compare)"
    if not left.pairs:
        return f"0.00% (no two rows reach a Jaccard similarity of {left.threshold})"
    pairs = "1 pair" if left.pairs == 1 else f"{left.pairs:,} pairs"
    return f"{left.rate:.2%} ({left.rows:,} rows in {pairs} of Jaccard similarity ≥ {left.threshold})"


def _average(quality: Quality) -> str:
    if quality.average is None:
        return "unknown (no scored rows)"
    unscored = f", {quality.unscored:,} rows unscored" if quality.unscored else ""
    return f"{quality.average:.2f} (from {quality.lowest:g} to {quality.highest:g}{unscored})"


def _tokens(average: float | None) -> str:
    return "unknown" if average is None else f"{average:.1f} tokens"


def _counts(reasons: dict[str, int]) -> str:
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{rows:,} {visible(reason)}" for reason, rows in ranked)


def _faults(faults: Faults) -> list[str]:
    if not faults.first:
        return []
    more = faults.rows - len(faults.first)
    shown = [
        f"  {visible(fault.file)}:{fault.line}: {visible(fault.reason)}: {visible(fault.detail)}"
        for fault in faults.first
    ]
    return ["Rows that are not valid", *shown, *([f"  … and {more:,} more"] if more else [])]


def _quality(quality: Quality) -> list[str]:
    if not quality.scored:
        return []
    rows = [(bucket.name, f"{bucket.rows:,}", f"{bucket.share:.1%}") for bucket in quality.buckets]
    return table(("Quality", "rows", "share"), rows)


def _sources(sources: Sequence[SourceShare]) -> list[str]:
    if not sources:
        return []
    rows = [(visible(item.source, 60), f"{item.rows:,}", f"{item.share:.1%}") for item in sources[:MOST_SOURCES]]
    return table(("Source", "rows", "share"), rows) + _others(sources)


def _others(sources: Sequence[SourceShare]) -> list[str]:
    rest = sources[MOST_SOURCES:]
    return [f"  … and {len(rest):,} more with {sum(item.rows for item in rest):,} rows"] if rest else []


def _categories(checked: Verification) -> list[str]:
    if not checked.valid:
        return []
    wanted = any(item.wanted is not None for item in checked.categories)
    rows = [
        (item.category, f"{item.rows:,}", f"{item.share:.1%}", *([f"{item.wanted or 0:.1%}"] if wanted else []))
        for item in checked.categories
    ]
    header = ("Category", "rows", "share", *(["wanted"] if wanted else []))
    return [*table(header, rows), f"  read from {read_from(checked)}"]


def read_from(checked: Verification) -> str:
    """Where the categories of rows were read, in words."""
    several = len(checked.categories_from) > 1
    return ", ".join(
        f"{_READ_FROM[origin]} ({rows:,})" if several else _READ_FROM[origin]
        for origin, rows in checked.categories_from.items()
    )


def _examples(left: Duplicates) -> list[str]:
    shown = [
        f"  {visible(pair.first)} and {visible(pair.second)}: {pair.jaccard:.3f}" for pair in left.examples[:_EXAMPLES]
    ]
    return ["Remaining near-duplicates, the first of them", *shown] if shown else []


def _dedup(checked: Verification) -> list[str]:
    rows = [
        (visible(done.output), f"{done.before:,}", f"{done.removed:,}", f"{done.after:,}", done.threshold or "unknown")
        for done in checked.dedup
    ]
    return table(("De-duplication", "before", "removed", "after", "threshold"), rows) if rows else []


def _contamination(checks: Sequence[Contamination]) -> list[str]:
    rows = [tuple(map(visible, row)) for row in contamination_rows(checks)]
    return table(("Decontamination", "set", "items", "found", "rows dropped"), rows) if rows else []


def contamination_rows(checks: Sequence[Contamination]) -> list[tuple[str, ...]]:
    """A line for all sets of every certificate, and one for each set of which something was found."""
    rows: list[tuple[str, ...]] = []
    for output, told in ((one.output, one.certificate) for one in checks):
        found = [(each.name, each.items, each.found, each.rows) for each in told.sets if each.rows]
        total = (f"all {len(told.sets)}", sum(each.items for each in told.sets), sum(one[2] for one in found))
        for name, *counts in [(*total, told.contaminated), *found]:
            rows.append((output, name, *(f"{count:,}" for count in counts)))
    return rows


def _cost(cost: Cost) -> list[str]:
    if not cost.stages:
        return []
    paid = [
        (f"{stage.stage} {visible(stage.who or stage.output)}", amount(stage.usd))
        for stage in cost.stages
        if stage.usd is None or Decimal(stage.usd)
    ]
    total = amount(cost.usd) if cost.usd is not None else f"unknown, at least {amount(cost.known_usd)}"
    return table(("Cost", "USD"), [*paid, ("all stages", total)])


def amount(usd: str | None) -> str:
    """A decimal string as dollars."""
    return "unknown" if usd is None else dollars(Decimal(usd))


def near(path: str) -> str:
    """A path, less the long way out of the folder of the report."""
    return f"…/{'/'.join(PurePosixPath(path).parts[-2:])}" if path.startswith("../../") else path


def duration(seconds: float) -> str:
    """Seconds in the units that people say."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def bytes_of(size: int) -> str:
    """A number of bytes in decimal units."""
    amount_of, units = float(size), ["bytes", "kB", "MB", "GB", "TB"]
    while amount_of >= 1000 and len(units) > 1:
        amount_of, units = amount_of / 1000, units[1:]
    return f"{size:,} bytes" if units[0] == "bytes" else f"{amount_of:.1f} {units[0]}"


def _criteria(checked: Verification) -> list[str]:
    rows = [(item.name, item.wanted, item.got, item.state.upper()) for item in checked.criteria]
    failed = [item for item in checked.criteria if item.failed]
    verdict = "All criteria are met." if not failed else f"Not met: {', '.join(item.name for item in failed)}."
    ways = [f"  {item.name}: {_WAYS_OUT[item.name]}" for item in failed if item.name in _WAYS_OUT]
    return [*table(("Criterion", "wanted", "got", ""), rows, right=False), "", verdict, *ways]


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: bool = True) -> list[str]:
    """Lines of a table with a heading; columns after the first stand to the right if asked to."""
    lines = [tuple(header), *((f"  {row[0]}", *row[1:]) for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(header))]
    return ["  ".join(_cells(line, widths, right=right)).rstrip() for line in lines]


def _cells(line: Sequence[str], widths: Sequence[int], *, right: bool) -> Iterable[str]:
    for at, (cell, width) in enumerate(zip(line, widths, strict=True)):
        yield cell.rjust(width) if right and at else cell.ljust(width)


def _columns(*pairs: tuple[str, str]) -> list[str]:
    width = max(len(label) for label, _ in pairs)
    return [f"{label:<{width}}  {value}" for label, value in pairs]
