"""What a report draws: figures in, specifications of charts out. Pure. Names from data are made safe to show first.

Colours are marks here: a page maps each of them to one for light and one for dark, and an image keeps them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from phase0.report.escape import visible
from phase0.report.judging import ScoreNumbers
from phase0.report.numbers import Numbers
from phase0.records import DIMENSIONS
from phase0.stages.statistics import BUCKETS

INK, SOFT, RULE = "#24292f", "#57606a", "#d0d7de"
BLUE, ORANGE = "#2f6fab", "#c4622d"
RAMP = ("#1f5a96", "#4f8fca", "#94bfe6", "#c4622d")  # the buckets of quality, best first
WIDTH = 440  # points; two stand side by side on a desk, one on a telephone
MOST_BARS = 12
_LABEL = 150  # points of a name before it is cut
_STEP = 24
_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
_PADDING = {
    "left": 12,
    "right": 12,
    "top": 4,
    "bottom": 4,
}  # a screen's own font may be wider than the one measured with

Values = list[dict[str, Any]]


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
    kept, lost = Counter[str](), Counter[str]()
    for stage in numbers.stages:
        kept[stage.stage] += stage.kept
        lost[stage.stage] += stage.dropped
    names = list(kept)
    labels = distinct(names)
    values = [
        {"name": label, "part": part, "rows": counts[name], "order": order}
        for name, label in zip(names, labels, strict=True)
        for order, (part, counts) in enumerate((("kept", kept), ("dropped", lost)))
    ]
    told = ", ".join(f"{label} {kept[name]:,} and {lost[name]:,}" for name, label in zip(names, labels, strict=True))
    yield Chart("flow", f"Rows kept and dropped by stage: {told}.", _stacked(values, labels, ("kept", "dropped")))


def _reasons(numbers: Numbers) -> Iterator[Chart]:
    lost = Counter[str]()
    for stage in numbers.stages:
        for reason, rows in stage.reasons.items():
            lost[f"{stage.stage}: {reason}"] += rows
    if lost:
        yield Chart("reasons", _told("Rows dropped by reason", lost), _ranked(lost, "rows", ORANGE))


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
            "mix", f"Share of the rows that each teacher took, and that the plan wanted: {told}.", _wanted(values)
        )


def _sources(numbers: Numbers) -> Iterator[Chart]:
    if numbers.seen.sources:
        rows = Counter({item.source: item.rows for item in numbers.seen.sources})
        yield Chart("sources", _told("Finished rows by source", rows), _ranked(rows, "finished rows", BLUE))


def _scores(numbers: Numbers) -> Iterator[Chart]:
    for at, scores in enumerate((one for one in numbers.scores if one.scored), 1):
        suffix = "" if at == 1 else f"-{at}"
        values = list(_histogram(scores))
        told = f"Scores of {scores.scored:,} rows in steps of half a point"
        if scores.threshold is not None:
            told += f"; above {scores.threshold:g} they were kept"
        most = max(values, key=lambda item: item["rows"])
        told += f". Most rows, {most['rows']:,}, have {most['low']:g} to {most['high']:g}."
        yield Chart(f"scores{suffix}", told, _bars_along(values))
        if scores.dimensions:
            told = ", ".join(f"{each.dimension} {each.mean:.2f}" for each in scores.dimensions)
            yield Chart(f"dimensions{suffix}", f"Scores by dimension; the means are {told}.", _dimensions(scores))


def _histogram(scores: ScoreNumbers) -> Iterator[dict[str, Any]]:
    counts = Counter[tuple[float, str]]()
    for score, rows in scores.histogram.items():
        low = min(9.5, float(score) * 2 // 1 / 2)
        part = "dropped" if scores.threshold is not None and float(score) <= scores.threshold else "kept"
        counts[low, part] += rows
    for (low, part), rows in sorted(counts.items()):
        yield {"low": low, "high": low + 0.5, "part": part, "rows": rows}


def _teachers(numbers: Numbers) -> Iterator[Chart]:
    scored = [item for item in numbers.seen.sources if item.buckets][:MOST_BARS]
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
        spec = _stacked(values, labels, names, present, share=True)
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
    yield Chart("categories", f"Share of finished rows by category: {told}.", _wanted(values))


def _lengths(numbers: Numbers) -> Iterator[Chart]:
    for found in numbers.seen.lengths:
        names = [bin_of(least) for least in found.bins]
        values = [{"name": name, "rows": rows} for name, rows in zip(names, found.bins.values(), strict=True)]
        told = f"Tokens of the {found.what}: half of the rows have at most {found.median:,}, the longest {found.longest:,}."
        yield Chart(f"length-{found.what}", told, _columns(values, names, "tokens"))


def bin_of(least: int) -> str:
    """The name of a bin of lengths that begins there."""
    return f"{least:,}" if least < 2 else f"{least:,}–{2 * least - 1:,}"


def _clusters(numbers: Numbers) -> Iterator[Chart]:
    for at, found in enumerate(numbers.seen.clusters, 1):
        sizes = Counter[str]()
        for size, clusters in found.sizes.items():
            sizes[str(size) if size < 6 else bin_of(1 << size.bit_length() - 1) if size >= 8 else "6–7"] += clusters
        values = [{"name": name, "rows": clusters} for name, clusters in sizes.items()]
        told = f"Clusters of near-duplicates by how many rows they have: {found.clusters:,} with {found.removed:,} dropped."
        spec = _columns(values, list(sizes), "rows of a cluster", "clusters")
        yield Chart("clusters" if at == 1 else f"clusters-{at}", told, spec)


def _costs(numbers: Numbers) -> Iterator[Chart]:
    cost = Counter[str]()
    for stage in numbers.cost.stages:
        if stage.usd is not None and Decimal(stage.usd):
            cost[f"{stage.stage} {stage.who or ''}".strip()] += float(stage.usd)  # type: ignore[assignment]
    if cost:
        told = ", ".join(f"{visible(name)} ${usd:,.2f}" for name, usd in cost.most_common(MOST_BARS))
        yield Chart("cost", f"Dollars by stage: {told}.", _ranked(cost, "dollars", BLUE, ",.2f"))


def _time(numbers: Numbers) -> Iterator[Chart]:
    seconds = Counter[str]()
    for stage in numbers.stages:
        seconds[stage.stage] += round(stage.seconds, 1)  # type: ignore[assignment]
    labels = distinct(list(seconds))
    values = [{"name": label, "rows": took} for label, took in zip(labels, seconds.values(), strict=True)]
    told = ", ".join(f"{item['name']} {item['rows']:,.1f}" for item in values)
    yield Chart("time", f"Seconds by stage: {told}.", _ranked_in_order(values, labels, "seconds", BLUE, ",.1f"))


def distinct(names: Sequence[str], longest: int = 40) -> list[str]:
    """Names as labels: shown safely, cut, and still different from each other."""
    labels: dict[str, None] = {}
    for name in names:
        label, number = visible(name, longest), 1
        while label in labels:
            number += 1
            label = f"{visible(name, longest)} ({number})"
        labels[label] = None
    return list(labels)


def _told(what: str, counts: Counter[str]) -> str:
    shown = ", ".join(f"{visible(name, 60)} {rows:,}" for name, rows in counts.most_common(MOST_BARS))
    more = len(counts) - MOST_BARS
    return f"{what}: {shown}{f', and {more:,} more' if more > 0 else ''}."


def _ranked(counts: Counter[str], unit: str, color: str, form: str = ",d") -> dict[str, Any]:
    """Bars, the longest first; what is beyond the most that are drawn is told below them."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    top = ranked[:MOST_BARS]
    labels = distinct([name for name, _ in top])
    values = [{"name": label, "rows": rows} for label, (_, rows) in zip(labels, top, strict=True)]
    if len(ranked) > len(top):
        unit += f" ({len(ranked) - len(top):,} more have {sum(rows for _, rows in ranked[MOST_BARS:]):,})"
    return _ranked_in_order(values, labels, unit, color, form)


def _ranked_in_order(values: Values, order: list[str], unit: str, color: str, form: str) -> dict[str, Any]:
    import altair as alt

    most = max((item["rows"] for item in values), default=0)
    base = alt.Chart(alt.Data(values=values)).encode(y=_names(order))
    bars = base.mark_bar(color=color, height={"band": 0.72}).encode(x=_amounts("rows:Q", unit, most * 1.22))
    figures = base.mark_text(align="left", dx=4, color=INK).encode(x="rows:Q", text=alt.Text("rows:Q", format=form))
    return _finished(bars + figures)


def _stacked(
    values: Values, order: list[str], parts: Sequence[str], shown: Sequence[str] = (), *, share: bool = False
) -> dict[str, Any]:
    import altair as alt

    shown = shown or parts
    colors = dict(zip(parts, RAMP if len(parts) > 2 else (BLUE, ORANGE), strict=True))
    chart = alt.Chart(alt.Data(values=[item for item in values if item["part"] in shown]))
    axis = alt.Axis(format="%" if share else "~s", tickCount=5, grid=True)
    return _finished(
        chart.mark_bar(height={"band": 0.72}).encode(
            y=_names(order),
            x=alt.X(
                "rows:Q", stack="normalize" if share else "zero", axis=axis, title="share of rows" if share else "rows"
            ),
            color=_colors({name: colors[name] for name in shown}),
            order="order:O",
        )
    )


def _wanted(values: Values) -> dict[str, Any]:
    """Bars of what came out, and a mark where it was to be."""
    import altair as alt

    names = [item["name"] for item in values]
    most = max(max(item["got"], item["wanted"] or 0) for item in values)
    data = alt.Data(
        values=[item | {"as": f"{item['got']:.1%}", "end": max(item["got"], item["wanted"] or 0)} for item in values]
    )
    base = alt.Chart(data).encode(y=_names(names))
    x = alt.X("got:Q", title="share of rows", axis=alt.Axis(format="%", tickCount=5), scale=_scale(most * 1.22))
    layers = base.mark_bar(color=BLUE, height={"band": 0.66}).encode(x=x)
    layers += base.mark_text(align="left", dx=6, color=INK).encode(x="end:Q", text="as:N")
    if any(item["wanted"] is not None for item in values):
        layers += base.mark_tick(color=INK, thickness=3, size=19).encode(x="wanted:Q")
    return _finished(layers)


def _bars_along(values: Values) -> dict[str, Any]:
    import altair as alt

    chart = alt.Chart(alt.Data(values=values), height=170)
    present = {item["part"] for item in values}
    parts = {name: color for name, color in (("kept", BLUE), ("dropped", ORANGE)) if name in present}
    least = int(min([5, *(item["low"] for item in values)]))
    axis = alt.Axis(format="d", values=list(range(least, 11)))
    return _finished(
        chart.mark_bar(binSpacing=2).encode(
            x=alt.X("low:Q", bin=alt.BinParams(binned=True), scale=_scale(10, least), title="score", axis=axis),
            x2="high:Q",
            y=alt.Y("rows:Q", stack="zero", title="rows", axis=alt.Axis(format="~s", tickCount=4)),
            color=_colors(parts),
        )
    )


def _dimensions(scores: ScoreNumbers) -> dict[str, Any]:
    """A row of columns for each dimension, whole points along."""
    import altair as alt

    values = []
    for each in scores.dimensions:
        points = Counter[int]()
        for score, rows in each.histogram.items():
            points[min(9, int(float(score)))] += rows
        values += [
            {"name": each.dimension, "point": point, "high": point + 1, "rows": points[point]} for point in range(1, 10)
        ]
    data = alt.Data(values=values)
    chart = alt.Chart(data, width=330, height=52).mark_bar(color=BLUE, binSpacing=2)
    axis = alt.Axis(format="d", values=list(range(1, 11)))
    x = alt.X("point:Q", bin=alt.BinParams(binned=True), title="score", scale=_scale(10, 1), axis=axis)
    y = alt.Y("rows:Q", title=None, axis=alt.Axis(format="~s", tickCount=2))
    order = [name for name in DIMENSIONS if any(item["name"] == name for item in values)]
    header = alt.Header(
        labelAngle=0, labelAlign="left", labelOrient="top", labelAnchor="start", labelColor=INK, labelFontSize=12
    )
    row = alt.Row("name:N", sort=order, title=None, header=header, spacing=12)
    return _finished(chart.encode(x=x, x2="high:Q", y=y, row=row), fixed=False)


def _columns(values: Values, order: list[str], title: str, unit: str = "rows") -> dict[str, Any]:
    import altair as alt

    chart = alt.Chart(alt.Data(values=values), height=170)
    return _finished(
        chart.mark_bar(color=BLUE).encode(
            x=alt.X("name:N", sort=order, title=title, axis=alt.Axis(labelAngle=-40, labelOverlap=False)),
            y=alt.Y("rows:Q", title=unit, axis=alt.Axis(format="~s", tickCount=4)),
        )
    )


def _names(order: Iterable[str]) -> Any:
    import altair as alt

    axis = alt.Axis(labelLimit=_LABEL, ticks=False, domain=False, labelPadding=6)
    return alt.Y("name:N", sort=list(order), title=None, axis=axis)


def _amounts(field: str, unit: str, most: float) -> Any:
    import altair as alt

    return alt.X(field, title=unit, axis=alt.Axis(format="~s", tickCount=4), scale=_scale(most))


def _scale(most: float, least: float = 0) -> Any:
    import altair as alt

    return alt.Scale(domain=[least, most or 1], nice=False)


def _colors(parts: dict[str, str]) -> Any:
    import altair as alt

    scale = alt.Scale(domain=list(parts), range=list(parts.values()))
    legend = alt.Legend(orient="top", direction="horizontal", title=None, symbolType="square", columns=2)
    return alt.Color("part:N", scale=scale, legend=legend)


def _finished(chart: Any, *, fixed: bool = True) -> dict[str, Any]:
    """The specification, with what all charts have in common."""
    import altair as alt

    if fixed:
        chart = chart.properties(width=WIDTH, autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
    text = {
        "labelColor": INK,
        "labelFontSize": 12,
        "titleColor": SOFT,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    }
    done = (
        chart.configure(aria=False, font=_FONT, background="white", padding=_PADDING)
        .configure_view(stroke=None, step=_STEP)
        .configure_axis(gridColor=RULE, domainColor=RULE, tickColor=RULE, **text)
        .configure_legend(labelColor=INK, labelFontSize=12, padding=0)
        .configure_text(fontSize=12)
    )
    spec: dict[str, Any] = done.to_dict(validate=False)
    return spec
