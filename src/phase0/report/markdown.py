"""The report as a Markdown page. Pure: numbers in, text out; whatever comes from data is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from phase0.report.escape import code, prose
from phase0.report.markdown_licenses import licenses_page
from phase0.report.markdown_samples import samples_page
from phase0.report.markdown_scores import scores_page
from phase0.report.numbers import Balance, Goal, MixPart, Numbers, StageNumbers
from phase0.report.tables import NONE, Lines, table
from phase0.report.text import (
    MOST_SOURCES,
    REHEARSAL,
    amount,
    bytes_of,
    contamination_rows,
    duration,
    near,
    read_from,
    remaining_duplicates,
)
from phase0.stages.certificate import Contamination
from phase0.stages.statistics import share
from phase0.stages.verification import SourceShare, Verification

_READ_AND_IN = (
    "*Read* are the rows of the files, *in* those that the stage had to decide on: one upstream row may hold several "
    "examples, or several make one, and a teacher takes its own share alone."
)

_PICTURED = {
    "What went in, what came out": ("flow",),
    "Dropped, by reason": ("reasons",),
    "Who answered": ("mix",),
    "Sources": ("sources",),
    "Quality": ("scores", "dimensions", "teachers"),
    "Categories": ("categories",),
    "De-duplication": ("clusters",),
    "Length": ("length-instruction", "length-response"),
    "Cost": ("cost",),
    "Time": ("time",),
}
"""Which charts stand under which heading."""


class Image(NamedTuple):
    """A chart in a file of its own, beside the page."""

    name: str
    path: str
    alt: str


def markdown(numbers: Numbers, images: Sequence[Image] = ()) -> str:
    """The whole page. Images stand under the heading that their figures belong to."""
    checked = numbers.verification
    sections = {
        "What went in, what came out": _stages(numbers),
        "Dropped, by reason": _reasons(numbers.stages),
        "Upstream files": _upstream(numbers),
        "Files that were rejected": _rejected(numbers),
        "Who answered": _mix(numbers.mix),
        "Rows that were asked for": _goal(numbers.goal),
        "Sources": _sources(checked.sources) if checked else [],
        "Quality": [*_buckets(checked), *(line for item in numbers.scores for line in scores_page(item))],
        "Categories": _categories(checked),
        "De-duplication": [*_dedup(numbers), *_remaining(checked)],
        "Evaluations kept out": _contamination(numbers.contamination),
        "Licences and terms": licenses_page(numbers.licenses),
        "Length": _lengths(checked),
        "Cost": _cost(numbers),
        "Time": _time(numbers.stages),
        "Rows to look at": samples_page(numbers.seen),
        "Criteria": _criteria(checked),
        "Settings and versions": _settings(numbers.stages),
        "What is not known": [f"- {prose(note)}" for note in numbers.notes],
    }
    pages = [_section(heading, lines, _images(heading, images)) for heading, lines in sections.items()]
    return "\n".join(line for lines in (_title(numbers), *pages) for line in lines)


def _section(heading: str, lines: Sequence[str], images: Lines) -> Lines:
    """A heading with its lines; nothing at all where there is nothing to say."""
    return [f"## {heading}", "", *images, *(lines if lines[-1] else lines[:-1]), ""] if lines else []


def _images(heading: str, images: Sequence[Image]) -> Lines:
    here = [image for image in images if image.name.rstrip("-0123456789") in _PICTURED.get(heading, ())]
    return [line for image in here for line in (f"![{prose(image.alt)}](<{image.path}>)", "")]


def _title(numbers: Numbers) -> Lines:
    lines = [f"# {prose(numbers.title)}{', rehearsed' if numbers.rehearsal else ''}", ""]
    if numbers.rehearsal:
        lines += [f"**{REHEARSAL}** Costs are what the catalogue's prices make of the same tokens.", ""]
    if numbers.description:
        lines += [prose(numbers.description), ""]
    came = f"made from {numbers.balance.entered:,} examples"
    lines += [f"**{numbers.rows:,} rows** in {code(numbers.dataset)} ({bytes_of(numbers.bytes)}), {came}.", ""]
    lines += [_verdict(numbers.verification), ""]
    return lines


def _verdict(checked: Verification | None) -> str:
    if checked is None:
        return "Not verified."
    failed = [prose(item.name) for item in checked.criteria if item.failed]
    return f"**Not met: {', '.join(failed)}.**" if failed else "**All criteria are met.**"


def _stages(numbers: Numbers) -> Lines:
    rows = [
        (
            prose(stage.stage),
            code(stage.output),
            f"{stage.read:,}",
            f"{stage.rows_in:,}",
            f"{stage.kept:,}",
            f"{stage.dropped:,}",
            f"{stage.seconds:,.1f}",
            NONE if stage.rows_per_second is None else f"{stage.rows_per_second:,.0f}",
        )
        for stage in numbers.stages
    ]
    lines = table("stage | output | >read | >in | >kept | >dropped | >seconds | >rows/s", rows)
    if any(stage.read != stage.rows_in for stage in numbers.stages):
        lines += [_READ_AND_IN, ""]
    return [*lines, _balance(numbers.balance)]


def _balance(sums: Balance) -> str:
    parts = [f"{sums.published:,} kept to the end", f"{sums.dropped:,} dropped with a reason"]
    if sums.not_taken:
        parts.append(f"{sums.not_taken:,} in no teacher's share")
    entered = f"{sums.entered:,} in"
    if sums.asked_again:
        entered += f" + {sums.asked_again:,} that further teachers answered too"
    if sums.closes:
        return f"**The sums close**: {entered} = {' + '.join(parts)}."
    faults = "; ".join(prose(fault) for fault in sums.faults)
    return f"**The sums do not close**: {entered}, {', '.join(parts)}. {faults}."


def _reasons(stages: Sequence[StageNumbers]) -> Lines:
    rows = [
        (prose(stage.stage), code(stage.output), code(reason), f"{count:,}", f"{share(count, stage.rows_in):.1%}")
        for stage in stages
        for reason, count in sorted(stage.reasons.items(), key=lambda item: (-item[1], item[0]))
    ]
    return table("stage | output | reason | >rows | >of rows in", rows) if rows else []


def _upstream(numbers: Numbers) -> Lines:
    rows = [
        (
            code(file.dataset),
            code(near(file.path)),
            NONE if file.layout is None else code(file.layout),
            f"{file.read:,}",
            f"{file.rows_in:,}",
            f"{file.kept:,}",
            f"{file.dropped:,}",
        )
        for file in numbers.upstream
    ]
    return table("dataset | file | layout | >read | >in | >kept | >dropped", rows) if rows else []


def _rejected(numbers: Numbers) -> Lines:
    return [f"- {code(item.path)}: {prose(item.reason)}" for item in numbers.rejected]


def _mix(mix: Sequence[MixPart]) -> Lines:
    rows = [
        (
            code(part.teacher),
            NONE if part.wanted_percent is None else f"{part.wanted_percent:g}%",
            f"{share(part.taken, part.rows):.1%}",
            f"{part.taken:,}",
            f"{part.answered:,}",
        )
        for part in mix
    ]
    return table("teacher | >wanted | >got | >rows taken | >answered", rows) if rows else []


def _goal(goal: Goal | None) -> Lines:
    """How many finished rows each share was to have, and which is short."""
    if goal is None:
        return []
    total = sum(part.kept for part in goal.shares)
    rows = [
        (
            code(part.name),
            f"{float(part.percent):g}%",
            f"{share(part.kept, total):.1%}",
            f"{part.wanted:,}",
            f"{part.asked:,}",
            f"{part.finished:,}",
            f"{part.kept:,}",
        )
        for part in goal.shares
    ]
    lines = table("share | >wanted | >got | >rows wanted | >asked | >finished | >kept", rows)
    rounds = "one round" if goal.rounds == 1 else f"{goal.rounds} rounds"
    left = f"{goal.reserve:,} prompts are left" if goal.reserve else "the reserve of prompts is empty"
    short = [f"{code(part.name)} by {part.short:,} rows" for part in goal.shares if part.short]
    end = f"**Short: {', '.join(short)}.**" if short else "No share is short."
    return [*lines, f"{total:,} of {goal.rows:,} rows in {rounds}; {left}. {end}"]


def _sources(sources: Sequence[SourceShare]) -> Lines:
    rows = [(code(item.source), f"{item.rows:,}", f"{item.share:.1%}") for item in sources[:MOST_SOURCES]]
    if rest := sources[MOST_SOURCES:]:
        rows.append(
            (f"{len(rest):,} more", f"{sum(item.rows for item in rest):,}", f"{sum(i.share for i in rest):.1%}")
        )
    return table("source of the answer | >rows | >share", rows) if rows else []


def _buckets(checked: Verification | None) -> Lines:
    if checked is None or checked.quality.average is None:
        return []
    quality = checked.quality
    unscored = f" {quality.unscored:,} rows are not scored." if quality.unscored else ""
    lines = [f"The average score of the finished rows is **{quality.average:.2f}**.{unscored}", ""]
    rows = [(prose(bucket.name), f"{bucket.rows:,}", f"{bucket.share:.1%}") for bucket in quality.buckets]
    return [*lines, *table("quality | >rows | >share", rows)]


def _categories(checked: Verification | None) -> Lines:
    if checked is None or not checked.valid:
        return []
    rows = [
        (
            prose(item.category),
            f"{item.rows:,}",
            f"{item.share:.1%}",
            NONE if item.wanted is None else f"{item.wanted:.1%}",
            NONE if item.wanted is None else f"{(item.share - item.wanted) * 100:+.1f}",
        )
        for item in checked.categories
    ]
    lines = table("category | >rows | >got | >wanted | >points off", rows)
    return [*lines, f"Categories were read from {read_from(checked)}."]


def _dedup(numbers: Numbers) -> Lines:
    rows = [
        (
            code(done.output),
            f"{done.before:,}",
            f"{done.removed:,}",
            f"{done.after:,}",
            code(done.threshold) if done.threshold else NONE,
            prose(done.method) if done.method else NONE,
        )
        for done in numbers.dedup
    ]
    return table("output | >before | >removed | >after | >threshold | method", rows) if rows else []


def _remaining(checked: Verification | None) -> Lines:
    if checked is None:
        return []
    left = checked.duplicates
    lines = [
        f"Remaining near-duplicates, counted again by another exact method: **{prose(remaining_duplicates(left))}**.",
        "",
    ]
    rows = [(code(pair.first), code(pair.second), f"{pair.jaccard:.3f}") for pair in left.examples]
    return [*lines, *(table("row | and row | >Jaccard", rows) if rows else [])]


def _contamination(checks: Sequence[Contamination]) -> Lines:
    """Which evaluation sets rows were checked against, and of which of them something was found."""
    rows = [(code(output), *(prose(cell) for cell in cells)) for output, *cells in contamination_rows(checks)]
    if not rows:
        return []
    how = sorted({f"{one.certificate.ngram} words, share {one.certificate.share}" for one in checks})
    told = f"N-grams of {'; '.join(how)}. Digests of the sets are in each output's `contamination.json`."
    return [*table("output | set | >items | >found | >rows dropped", rows), prose(told)]


def _lengths(checked: Verification | None) -> Lines:
    if checked is None or checked.tokens.instruction_average is None or checked.tokens.response_average is None:
        return []
    tokens = checked.tokens
    rows = [
        ("instruction", f"{tokens.instruction_average:,.1f}", f"{tokens.instruction_total:,}"),
        ("response", f"{tokens.response_average:,.1f}", f"{tokens.response_total:,}"),
    ]
    return table(f"tokens ({prose(tokens.encoding)}) | >average | >total", rows)


def _cost(numbers: Numbers) -> Lines:
    cost = numbers.cost
    rows = [
        (prose(stage.stage), code(stage.who) if stage.who else NONE, code(stage.output), amount(stage.usd))
        for stage in cost.stages
        if stage.who or stage.usd != "0"
    ]
    total = amount(cost.usd) if cost.usd is not None else f"not known, at least {amount(cost.known_usd)}"
    budget = "" if numbers.budget_usd is None else f" The budget is {amount(str(numbers.budget_usd))}."
    lines = table("stage | who | output | >cost", rows) if rows else []
    return [*lines, f"In all: **{total}**.{budget}"]


def _time(stages: Sequence[StageNumbers]) -> Lines:
    seconds: dict[str, float] = {}
    for stage in stages:
        seconds[stage.stage] = seconds.get(stage.stage, 0.0) + stage.seconds
    total = sum(seconds.values())
    rows = [(prose(name), duration(took), f"{took / total if total else 0:.1%}") for name, took in seconds.items()]
    return table("stage | >time | >share", [*rows, ("all", duration(total), "")])


def _criteria(checked: Verification | None) -> Lines:
    if checked is None:
        return []
    rows = [
        (
            prose(item.name),
            prose(item.wanted),
            prose(item.got),
            f"**{item.state.upper()}**" if item.failed else item.state,
        )
        for item in checked.criteria
    ]
    return table("criterion | wanted | got | ", rows)


def _settings(stages: Sequence[StageNumbers]) -> Lines:
    rows = [
        (
            prose(stage.stage),
            code(stage.output),
            code(msgspec.json.encode(stage.settings).decode()),
            code(stage.started),
        )
        for stage in stages
    ]
    lines = table("stage | output | settings | started", rows)
    versions = sorted({(name, version) for stage in stages for name, version in stage.versions.items()})
    return [*lines, ", ".join(f"{prose(name)} {prose(version)}" for name, version in versions)]
