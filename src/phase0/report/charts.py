"""What a report draws: figures in, charts and their words out. Pure. Names from data are made safe to show first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

from phase0.report.escape import visible
from phase0.report.judging import ScoreNumbers
from phase0.report.numbers import Numbers, StageNumbers
from phase0.report.rows import UNREAD
from phase0.report.shapes import (
    BLUE,
    MOST_BARS,
    ORANGE,
    against_limit,
    against_wanted,
    columns,
    dimensions,
    distinct,
    histogram,
    in_order,
    most_first,
    ranked,
    stacked,
)
from phase0.stages.statistics import BUCKETS


class Chart(NamedTuple):
    """One chart: where it stands, what it says in words, and its Vega-Lite specification."""

    name: str
    alt: str
    spec: dict[str, Any]


def charts(numbers: Numbers) -> tuple[Chart, ...]:
    """Every chart that there are figures for."""
    return tuple(
        chart
        for draw in (
            _flow,
            _reasons,
            _mix,
            _sources,
            _scores,
            _teachers,
            _categories,
            _lengths,
            _clusters,
            _costs,
            _time,
        )
        for chart in draw(numbers)
    )


def _flow(numbers: Numbers) -> Iterator[Chart]:
    """Rows kept and dropped, by stage."""
    found = _in_turn(numbers)
    labels = distinct([name for name, _ in found])
    kept, lost = (
        [sum(getattr(stage, part) for stage in stages) for _, stages in found] for part in ("kept", "dropped")
    )
    values = [
        {"name": label, "part": part, "rows": rows, "order": order}
        for order, (part, counts) in enumerate((("kept", kept), ("dropped", lost)))
        for label, rows in zip(labels, counts, strict=True)
    ]
    told = ", ".join(f"{label} {stay:,} and {go:,}" for label, stay, go in zip(labels, kept, lost, strict=True))
    yield Chart("flow", f"Rows kept and dropped by stage: {told}.", stacked(values, labels, ("kept", "dropped")))


def _in_turn(numbers: Numbers) -> list[tuple[str, list[StageNumbers]]]:
    """Stages by name; those of one name are one where they follow each other: later they would count rows twice."""
    return [(name, list(stages)) for name, stages in groupby(numbers.stages, lambda stage: stage.stage)]


def _reasons(numbers: Numbers) -> Iterator[Chart]:
    lost = Counter[str]()
    for stage in numbers.stages:
        for reason, rows in stage.reasons.items():
            lost[f"{stage.stage}: {reason}"] += rows
    if lost:
        yield Chart("reasons", _told("Rows dropped by reason", lost), ranked(lost, "rows", ORANGE))


def _mix(numbers: Numbers) -> Iterator[Chart]:
    parts = [part for part in numbers.mix if part.rows and part.wanted_percent is not None]
    names = distinct([part.teacher for part in parts])
    values = [
        {"name": name, "got": part.taken / part.rows, "wanted": (part.wanted_percent or 0) / 100}
        for name, part in zip(names, parts, strict=True)
    ]
    if values:
        told = ", ".join(f"{item['name']} {item['got']:.1%} of {item['wanted']:.1%}" for item in values)
        yield Chart(
            "mix",
            f"Share of the rows that each teacher took, and that the plan wanted: {told}.",
            against_wanted(values),
        )


def _sources(numbers: Numbers) -> Iterator[Chart]:
    if (numbers.seen or UNREAD).sources:
        rows = Counter({item.source: item.rows for item in (numbers.seen or UNREAD).sources})
        yield Chart("sources", _told("Finished rows by source", rows), ranked(rows, "finished rows", BLUE))


def _scores(numbers: Numbers) -> Iterator[Chart]:
    for at, scores in enumerate((one for one in numbers.scores if one.scored), 1):
        suffix = "" if at == 1 else f"-{at}"
        values = list(_histogram(scores))
        told = f"Scores of {scores.scored:,} rows in steps of half a point"
        if scores.threshold is not None:
            told += f"; above {scores.threshold:g} they were kept"
        most = max(values, key=lambda item: item["rows"])
        told += f". Most rows, {most['rows']:,}, have {most['low']:g} to {most['high']:g}."
        yield Chart(f"scores{suffix}", told, histogram(values))
        if scores.dimensions:
            told = ", ".join(f"{each.dimension} {each.mean:.2f}" for each in scores.dimensions)
            yield Chart(f"dimensions{suffix}", f"Scores by dimension; the means are {told}.", dimensions(scores))


def _histogram(scores: ScoreNumbers) -> Iterator[dict[str, Any]]:
    counts = Counter[tuple[float, str]]()
    for score, rows in scores.histogram.items():
        low = min(9.5, float(score) * 2 // 1 / 2)
        part = "dropped" if scores.threshold is not None and float(score) <= scores.threshold else "kept"
        counts[low, part] += rows
    for (low, part), rows in sorted(counts.items()):
        yield {"low": low, "high": low + 0.5, "part": part, "rows": rows}


def _teachers(numbers: Numbers) -> Iterator[Chart]:
    scored = [item for item in (numbers.seen or UNREAD).sources if item.buckets][:MOST_BARS]
    labels = distinct([item.source for item in scored])
    names = [name for name, _ in BUCKETS]
    values = [
        {"name": label, "part": name, "rows": item.buckets.get(name, 0), "order": order}
        for label, item in zip(labels, scored, strict=True)
        for order, name in enumerate(names)
    ]
    if values:
        means = zip(labels, scored, strict=True)
        told = ", ".join(f"{label} {item.mean:.2f}" for label, item in means if item.mean is not None)
        present = [name for name in names if any(item["rows"] for item in values if item["part"] == name)]
        spec = stacked(values, labels, names, present, share=True)
        yield Chart("teachers", f"Scores of finished rows by source; the means are {told}.", spec)


def _categories(numbers: Numbers) -> Iterator[Chart]:
    checked = numbers.verification
    if checked is None or not checked.valid:
        return
    values = [{"name": item.category, "got": item.share, "wanted": item.wanted} for item in checked.categories]
    told = ", ".join(
        f"{item.category} {item.share:.1%}" + ("" if item.wanted is None else f" of {item.wanted:.1%}")
        for item in checked.categories
    )
    yield Chart("categories", f"Share of finished rows by category: {told}.", against_wanted(values))


def _lengths(numbers: Numbers) -> Iterator[Chart]:
    for found in (numbers.seen or UNREAD).lengths:
        leasts = _without_gaps(found.bins)
        names = [bin_of(least) for least in leasts]
        values = [{"name": bin_of(least), "rows": found.bins.get(least, 0)} for least in leasts]
        half = f"half of the rows have at most {found.median:,}, the longest {found.longest:,}"
        told = f"Tokens of the {found.what}: {half}."
        yield Chart(f"length-{found.what}", told, columns(values, names, "tokens"))


def _without_gaps(bins: Iterable[int]) -> list[int]:
    """The bins from the first to the last that has rows: 0, 1, 2, 4, 8 and so on."""
    first, last = min(bins), max(bins)
    return [least for least in (0, *(1 << power for power in range(last.bit_length()))) if first <= least <= last]


def bin_of(least: int) -> str:
    """The name of a bin of lengths that begins there."""
    return f"{least:,}" if least < 2 else f"{least:,}–{2 * least - 1:,}"


def _clusters(numbers: Numbers) -> Iterator[Chart]:
    for at, found in enumerate((numbers.seen or UNREAD).clusters, 1):
        sizes = Counter[str]()
        for size, clusters in found.sizes.items():
            sizes[_size(size)] += clusters
        values = [{"name": name, "rows": clusters} for name, clusters in sizes.items()]
        told = (
            f"Clusters by how many rows they have: {found.clusters:,}, from which {found.removed:,} rows were dropped."
        )
        if len(values) > 1:
            spec = columns(values, list(sizes), "rows of a cluster", "clusters")
            yield Chart("clusters" if at == 1 else f"clusters-{at}", told, spec)


def _size(rows: int) -> str:
    """The name of a size of clusters: small ones have one each."""
    if rows < 6:
        return str(rows)
    return "6–7" if rows < 8 else bin_of(1 << rows.bit_length() - 1)


def _costs(numbers: Numbers) -> Iterator[Chart]:
    cost: dict[str, float] = {}
    for stage in numbers.cost.stages:
        if stage.usd is not None and Decimal(stage.usd):
            name = f"{stage.stage} {stage.who or ''}".strip()
            cost[name] = cost.get(name, 0.0) + float(stage.usd)
    if not cost:
        return
    total, budget = sum(cost.values()), numbers.budget_usd
    form = ",.2f" if total >= 1 else ",.4f"
    if budget is None:
        yield Chart("cost", _told("Dollars by stage", cost, form), ranked(cost, "dollars", BLUE, form))
        return
    shown = most_first(cost)[:MOST_BARS]
    together = "all stages" if numbers.cost.usd is not None else "all that is known"
    labels = distinct([*(name for name, _ in shown), together])
    amounts = (*(amount for _, amount in shown), total)
    values = [{"name": label, "rows": amount} for label, amount in zip(labels, amounts, strict=True)]
    more = f" ({len(cost) - len(shown):,} more stages)" if len(cost) > len(shown) else ""
    unit = f"dollars; the mark is the budget of {budget:,.2f}{more}"
    spec = against_limit(values, float(budget), unit, form)
    yield Chart("cost", _told(f"Dollars by stage, {total:{form}} of a budget of {budget:,.2f}", cost, form), spec)


def _time(numbers: Numbers) -> Iterator[Chart]:
    found = _in_turn(numbers)
    labels = distinct([name for name, _ in found])
    values = [
        {"name": label, "rows": sum(stage.seconds for stage in stages)}
        for label, (_, stages) in zip(labels, found, strict=True)
    ]
    told = ", ".join(f"{item['name']} {item['rows']:,.1f}" for item in values)
    yield Chart("time", f"Seconds by stage: {told}.", in_order(values, labels, "seconds", BLUE, ",.1f"))


def _told(what: str, counts: Mapping[str, float], form: str = ",d") -> str:
    shown = ", ".join(f"{visible(name, 60)} {amount:{form}}" for name, amount in most_first(counts)[:MOST_BARS])
    more = len(counts) - MOST_BARS
    return f"{what}: {shown}{f', and {more:,} more' if more > 0 else ''}."
