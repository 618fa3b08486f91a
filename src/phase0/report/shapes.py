"""The few kinds of charts that a report is made of, as Vega-Lite specifications. Pure.

They are written as they are: a library that builds them would cost a report a quarter of its time, and check against a
schema what is the same every time. Colours are marks here: a page maps each of them to one for light and one for dark,
and an image keeps them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

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
Spec: TypeAlias = dict[str, Any]  # a part of a specification, or the whole


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


def ranked(counts: Mapping[str, float], unit: str, color: str, form: str = ",d") -> Spec:
    """Bars, the longest first; what is beyond the most that are drawn is told below them."""
    ranked = most_first(counts)
    labels = distinct([name for name, _ in ranked[:MOST_BARS]])
    values = [{"name": label, "rows": amount} for label, (_, amount) in zip(labels, ranked, strict=False)]
    rest = ranked[MOST_BARS:]
    if rest:
        unit += f" ({len(rest):,} more have {sum(amount for _, amount in rest):{form}})"
    return in_order(values, labels, unit, color, form)


def in_order(values: Values, order: list[str], unit: str, color: str, form: str) -> Spec:
    """Bars with their figures, in the order given. `form` is how d3 writes a figure."""
    most = max((item["rows"] for item in values), default=0)
    bars = _layer(_bar(0.72, color), y=_names(order), x=_amounts("rows", unit, most * 1.22, form))
    figures = _layer(_text(4), y=_names(order), x=_quantity("rows"), text=_quantity("rows", format=form))
    return _finished({"layer": [bars, figures]}, values)


def against_limit(values: Values, limit: float, unit: str, form: str) -> Spec:
    """Bars with their figures, in the order given; a mark at the last of them, their sum, says what it may be."""
    names = [item["name"] for item in values]
    last = values[-1]
    most = max(limit, last["rows"])
    data = [item | {"end": max(limit, item["rows"]) if item is last else item["rows"]} for item in values]
    bars = _layer(_bar(0.72, BLUE), y=_names(names), x=_amounts("rows", unit, most * 1.22, form))
    figures = _layer(_text(6), y=_names(names), x=_quantity("end"), text=_quantity("rows", format=form))
    mark = _layer(_TICK, y=_names(names), x=_quantity("limit"))
    return _finished({"layer": [bars, figures, mark | _data([{"name": last["name"], "limit": limit}])]}, data)


def stacked(
    values: Values, order: list[str], parts: Sequence[str], shown: Sequence[str] = (), *, share: bool = False
) -> Spec:
    """Bars of several parts. All `parts` have their colours, those `shown` stand in the legend."""
    shown = shown or parts
    colors = dict(zip(parts, RAMP if len(parts) > 2 else (BLUE, ORANGE), strict=True))
    axis, title = _axis(2 if share else 5, share=share), "share of rows" if share else "rows"
    chart = _layer(
        _bar(0.72),
        y=_names(order),
        x=_quantity("rows", stack="normalize" if share else "zero", axis=axis, title=title),
        color=_colors({name: colors[name] for name in shown}),
        order={"field": "order", "type": "ordinal"},
    )
    return _finished(chart, [item for item in values if item["part"] in shown])


def against_wanted(values: Values) -> Spec:
    """Bars of what came out, and a mark where it was to be."""
    names = [item["name"] for item in values]
    most = max(max(item["got"], item["wanted"] or 0) for item in values)
    data = [item | {"as": f"{item['got']:.1%}", "end": max(item["got"], item["wanted"] or 0)} for item in values]
    x = _quantity("got", title="share of rows", axis=_axis(5, share=True), scale=_scale(most * 1.22))
    layers = [
        _layer(_bar(0.66, BLUE), y=_names(names), x=x),
        _layer(_text(6), y=_names(names), x=_quantity("end"), text={"field": "as", "type": "nominal"}),
    ]
    if any(item["wanted"] is not None for item in values):
        layers.append(_layer(_TICK, y=_names(names), x=_quantity("wanted")))
    return _finished({"layer": layers}, data)


def histogram(values: Values) -> Spec:
    """Columns over scores from `low` to `high`, of kept and dropped rows."""
    present = {item["part"] for item in values}
    parts = {name: color for name, color in (("kept", BLUE), ("dropped", ORANGE)) if name in present}
    least = int(min([5, *(item["low"] for item in values)]))
    chart = _layer(
        {"type": "bar", "binSpacing": 2},
        x=_binned("low", least),
        x2={"field": "high"},
        y=_quantity("rows", stack="zero", title="rows", axis=_axis(4)),
        color=_colors(parts),
    )
    return _finished(chart | {"height": 170}, values)


def dimensions(scores: ScoreNumbers) -> Spec:
    """A row of columns for each dimension, whole points along."""
    values = []
    for each in scores.dimensions:
        points = Counter[int]()
        for score, rows in each.histogram.items():
            points[min(9, int(float(score)))] += rows
        values += [
            {"name": each.dimension, "point": point, "high": point + 1, "rows": points[point]} for point in range(1, 10)
        ]
    header = {"labelAngle": 0, "labelAlign": "left", "labelOrient": "top", "labelAnchor": "start", "labelPadding": 0}
    header |= {"labelColor": INK, "labelFontSize": 13}
    order = [name for name in DIMENSIONS if any(item["name"] == name for item in values)]
    chart = _layer(
        {"type": "bar", "color": BLUE, "binSpacing": 2},
        x=_binned("point", 1),
        x2={"field": "high"},
        y=_quantity("rows", title=None, axis=_axis(2)),
        row=_named(order, title=None, header=header, spacing=14),
    )
    return _finished(chart | {"width": 310, "height": 52}, values, fixed=False)


def columns(values: Values, order: list[str], title: str, unit: str = "rows") -> Spec:
    """Columns with names below them, in the order given."""
    chart = _layer(
        {"type": "bar", "color": BLUE},
        x=_named(order, title=title, axis={"labelAngle": -40, "labelOverlap": False}),
        y=_quantity("rows", title=unit, axis=_axis(4)),
    )
    return _finished(chart | {"height": 170}, values)


_TICK = {"type": "tick", "color": INK, "thickness": 3, "size": 19, "opacity": 1}


def _bar(height: float, color: str | None = None) -> Spec:
    return {"type": "bar", "height": {"band": height}} | ({"color": color} if color else {})


def _text(dx: float) -> Spec:
    return {"type": "text", "align": "left", "dx": dx, "color": INK}


def _layer(mark: Spec, **encoding: Spec) -> Spec:
    return {"mark": mark, "encoding": encoding}


def _data(values: Values) -> Spec:
    return {"data": {"values": values}}


def _quantity(field: str, **more: Any) -> Spec:
    return {"field": field, "type": "quantitative", **more}


def _named(order: Iterable[str], **more: Any) -> Spec:
    return {"field": "name", "type": "nominal", "sort": list(order), **more}


def _names(order: Iterable[str]) -> Spec:
    axis = {"labelLimit": _LABEL, "ticks": False, "domain": False, "labelPadding": 6}
    return _named(order, title=None, axis=axis)


def _axis(ticks: int, *, share: bool = False) -> Spec:
    """An axis of rows in thousands and millions, or of shares, of which none is above all."""
    label = "datum.value > 1 ? '' : datum.label" if share else "datum.value == 0 ? '0' : datum.label"
    return {"format": "%" if share else "~s", "tickCount": ticks, "labelExpr": label}


def _amounts(field: str, unit: str, most: float, form: str) -> Spec:
    """Whole amounts along the axis are rows; others are dollars and seconds, which have no thousandths of their own."""
    axis = _axis(4) if form == ",d" else {"format": ",.2~f", "tickCount": 4}
    return _quantity(field, title=unit, axis=axis, scale=_scale(most))


def _binned(field: str, least: int) -> Spec:
    """Scores in bins that the values have already, whole ones along the axis."""
    axis = {"format": "d", "values": list(range(least, 11))}
    return _quantity(field, bin={"binned": True}, scale=_scale(10, least), title="score", axis=axis)


def _scale(most: float, least: float = 0) -> Spec:
    return {"domain": [least, most or 1], "nice": False}


def _colors(parts: dict[str, str]) -> Spec:
    legend = {"orient": "top", "direction": "horizontal", "title": None, "symbolType": "square", "columns": 2}
    scale = {"domain": list(parts), "range": list(parts.values())}
    return {"field": "part", "type": "nominal", "scale": scale, "legend": legend}


def _finished(chart: Spec, values: Values, *, fixed: bool = True) -> Spec:
    """The specification, with its values and what all charts have in common."""
    if fixed:
        chart = chart | {"width": WIDTH, "autosize": {"type": "fit-x", "contains": "padding"}}
    rules = {"gridColor": RULE, "domainColor": RULE, "tickColor": RULE}
    labels = {"labelColor": INK, "labelFontSize": 13}
    titles = {"titleColor": SOFT, "titleFontSize": 13, "titleFontWeight": "normal"}
    config = {
        "aria": False,
        "font": _FONT,
        "background": "white",
        "padding": _PADDING,
        "view": {"stroke": None, "step": _STEP},
        "axis": rules | labels | titles,
        "legend": labels | {"padding": 0},
        "text": {"fontSize": 13},
    }
    return chart | _data(values) | {"config": config}
