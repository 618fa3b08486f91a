"""The few kinds of charts that a report is made of, as Vega-Lite specifications. Pure; altair is loaded late.

Colours are marks here: a page maps each of them to one for light and one for dark, and an image keeps them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from phase0.records import DIMENSIONS
from phase0.report.escape import visible
from phase0.report.judging import ScoreNumbers

INK, SOFT, RULE = "#24292f", "#57606a", "#d0d7de"
BLUE, ORANGE = "#2f6fab", "#c4622d"
RAMP = ("#1f5a96", "#4f8fca", "#94bfe6", "#c4622d")  # the buckets of quality, best first
WIDTH = 400  # points; two stand side by side on a desk, one on a telephone
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


def most_first(counts: Mapping[str, float]) -> list[tuple[str, float]]:
    """The greatest amount first, equal ones by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def ranked(counts: Mapping[str, float], unit: str, color: str, form: str = ",d") -> dict[str, Any]:
    """Bars, the longest first; what is beyond the most that are drawn is told below them."""
    ranked = most_first(counts)
    labels = distinct([name for name, _ in ranked[:MOST_BARS]])
    values = [{"name": label, "rows": amount} for label, (_, amount) in zip(labels, ranked, strict=False)]
    rest = ranked[MOST_BARS:]
    if rest:
        unit += f" ({len(rest):,} more have {sum(amount for _, amount in rest):{form}})"
    return in_order(values, labels, unit, color, form)


def in_order(values: Values, order: list[str], unit: str, color: str, form: str) -> dict[str, Any]:
    """Bars with their figures, in the order given. `form` is how d3 writes a figure."""
    import altair as alt

    most = max((item["rows"] for item in values), default=0)
    base = alt.Chart(_data(values)).encode(y=_names(order))
    bars = base.mark_bar(color=color, height={"band": 0.72}).encode(x=_amounts("rows:Q", unit, most * 1.22, form))
    figures = base.mark_text(align="left", dx=4, color=INK).encode(x="rows:Q", text=alt.Text("rows:Q", format=form))
    return _finished(bars + figures)


def against_limit(values: Values, limit: float, unit: str, form: str) -> dict[str, Any]:
    """Bars with their figures, in the order given; a mark at the last of them, their sum, says what it may be."""
    import altair as alt

    names = [item["name"] for item in values]
    last = values[-1]
    most = max(limit, last["rows"])
    data = _data([item | {"end": max(limit, item["rows"]) if item is last else item["rows"]} for item in values])
    base = alt.Chart(data).encode(y=_names(names))
    layers = base.mark_bar(color=BLUE, height={"band": 0.72}).encode(x=_amounts("rows:Q", unit, most * 1.22, form))
    layers += base.mark_text(align="left", dx=6, color=INK).encode(x="end:Q", text=alt.Text("rows:Q", format=form))
    mark = alt.Chart(_data([{"name": last["name"], "limit": limit}])).encode(y=_names(names), x="limit:Q")
    return _finished(layers + mark.mark_tick(color=INK, thickness=3, size=19, opacity=1))


def stacked(
    values: Values, order: list[str], parts: Sequence[str], shown: Sequence[str] = (), *, share: bool = False
) -> dict[str, Any]:
    """Bars of several parts. All `parts` have their colours, those `shown` stand in the legend."""
    import altair as alt

    shown = shown or parts
    colors = dict(zip(parts, RAMP if len(parts) > 2 else (BLUE, ORANGE), strict=True))
    chart = alt.Chart(_data([item for item in values if item["part"] in shown]))
    axis = _axis(2 if share else 5, share=share)
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


def against_wanted(values: Values) -> dict[str, Any]:
    """Bars of what came out, and a mark where it was to be."""
    import altair as alt

    names = [item["name"] for item in values]
    most = max(max(item["got"], item["wanted"] or 0) for item in values)
    data = _data([item | {"as": f"{item['got']:.1%}", "end": max(item["got"], item["wanted"] or 0)} for item in values])
    base = alt.Chart(data).encode(y=_names(names))
    x = alt.X("got:Q", title="share of rows", axis=_axis(5, share=True), scale=_scale(most * 1.22))
    layers = base.mark_bar(color=BLUE, height={"band": 0.66}).encode(x=x)
    layers += base.mark_text(align="left", dx=6, color=INK).encode(x="end:Q", text="as:N")
    if any(item["wanted"] is not None for item in values):
        layers += base.mark_tick(color=INK, thickness=3, size=19, opacity=1).encode(x="wanted:Q")
    return _finished(layers)


def histogram(values: Values) -> dict[str, Any]:
    """Columns over scores from `low` to `high`, of kept and dropped rows."""
    import altair as alt

    chart = alt.Chart(_data(values), height=170)
    present = {item["part"] for item in values}
    parts = {name: color for name, color in (("kept", BLUE), ("dropped", ORANGE)) if name in present}
    least = int(min([5, *(item["low"] for item in values)]))
    axis = alt.Axis(format="d", values=list(range(least, 11)))
    return _finished(
        chart.mark_bar(binSpacing=2).encode(
            x=alt.X("low:Q", bin=alt.BinParams(binned=True), scale=_scale(10, least), title="score", axis=axis),
            x2="high:Q",
            y=alt.Y("rows:Q", stack="zero", title="rows", axis=_axis(4)),
            color=_colors(parts),
        )
    )


def dimensions(scores: ScoreNumbers) -> dict[str, Any]:
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
    data = _data(values)
    chart = alt.Chart(data, width=310, height=52).mark_bar(color=BLUE, binSpacing=2)
    axis = alt.Axis(format="d", values=list(range(1, 11)))
    x = alt.X("point:Q", bin=alt.BinParams(binned=True), title="score", scale=_scale(10, 1), axis=axis)
    y = alt.Y("rows:Q", title=None, axis=_axis(2))
    order = [name for name in DIMENSIONS if any(item["name"] == name for item in values)]
    header = alt.Header(
        labelAngle=0,
        labelAlign="left",
        labelOrient="top",
        labelAnchor="start",
        labelPadding=0,
        labelColor=INK,
        labelFontSize=13,
    )
    row = alt.Row("name:N", sort=order, title=None, header=header, spacing=14)
    return _finished(chart.encode(x=x, x2="high:Q", y=y, row=row), fixed=False)


def columns(values: Values, order: list[str], title: str, unit: str = "rows") -> dict[str, Any]:
    """Columns with names below them, in the order given."""
    import altair as alt

    chart = alt.Chart(_data(values), height=170)
    return _finished(
        chart.mark_bar(color=BLUE).encode(
            x=alt.X("name:N", sort=order, title=title, axis=alt.Axis(labelAngle=-40, labelOverlap=False)),
            y=alt.Y("rows:Q", title=unit, axis=_axis(4)),
        )
    )


def _axis(ticks: int, *, share: bool = False) -> Any:
    """An axis of rows in thousands and millions, or of shares, of which none is above all."""
    import altair as alt

    label = "datum.value > 1 ? '' : datum.label" if share else "datum.value == 0 ? '0' : datum.label"
    return alt.Axis(format="%" if share else "~s", tickCount=ticks, labelExpr=label)


def _data(values: Values) -> Any:
    import altair as alt

    return alt.InlineData(values=values)


def _names(order: Iterable[str]) -> Any:
    import altair as alt

    axis = alt.Axis(labelLimit=_LABEL, ticks=False, domain=False, labelPadding=6)
    return alt.Y("name:N", sort=list(order), title=None, axis=axis)


def _amounts(field: str, unit: str, most: float, form: str) -> Any:
    """Whole amounts along the axis are rows; others are dollars and seconds, which have no thousandths of their own."""
    import altair as alt

    axis = _axis(4) if form == ",d" else alt.Axis(format=",.2~f", tickCount=4)
    return alt.X(field, title=unit, axis=axis, scale=_scale(most))


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
        "labelFontSize": 13,
        "titleColor": SOFT,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
    }
    done = (
        chart.configure(aria=False, font=_FONT, background="white", padding=_PADDING)
        .configure_view(stroke=None, step=_STEP)
        .configure_axis(gridColor=RULE, domainColor=RULE, tickColor=RULE, **text)
        .configure_legend(labelColor=INK, labelFontSize=13, padding=0)
        .configure_text(fontSize=13)
    )
    spec: dict[str, Any] = done.to_dict(validate=False)
    return spec
