"""Charts as pictures, drawn when the report is made: SVG that a page can hold without a script, and PNG for others."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from phase0.report.charts import Chart

_SVG = "http://www.w3.org/2000/svg"
_ELEMENTS = {"svg", "g", "path", "rect", "line", "text", "tspan", "defs", "clipPath"}
_ATTRIBUTES = {
    *("viewBox", "width", "height", "x", "y", "x1", "x2", "y1", "y2", "dx", "dy", "d", "transform", "id", "clip-path"),
    *(
        "fill",
        "fill-opacity",
        "stroke",
        "stroke-width",
        "stroke-opacity",
        "stroke-dasharray",
        "stroke-linecap",
        "opacity",
    ),
    *("stroke-miterlimit", "text-anchor", "dominant-baseline", "font-family", "font-size", "font-weight", "font-style"),
}
_IMAGE_SCALE = 2.0


class Drawn(NamedTuple):
    """A chart as pictures."""

    name: str
    alt: str
    svg: str
    png: bytes


def drawn(charts: Iterable[Chart]) -> Iterator[Drawn]:
    """Draw them."""
    for chart in charts:
        picture, png = pictures(json.dumps(chart.spec))
        yield Drawn(chart.name, chart.alt, inline(picture, chart.name, chart.alt), png)


def pictures(spec: str) -> tuple[str, bytes]:
    """A specification as SVG and PNG. Nothing is fetched: figures and fonts are here."""
    import vl_convert

    picture = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return picture, vl_convert.svg_to_png(picture, scale=_IMAGE_SCALE)


def inline(picture: str, name: str, alt: str) -> str:
    """The SVG as a page may hold it: shapes and letters alone, no background, sized by the page, with its text."""
    root = ET.fromstring(picture)  # noqa: S314 - vl-convert's own, and expat expands no entity that it does not declare
    plain = _plain(root, name)
    background = plain.find("rect")
    if background is not None:
        plain.remove(background)
    plain.set("role", "img")
    plain.set("aria-label", alt)
    plain.set("xmlns", _SVG)
    return ET.tostring(plain, encoding="unicode")


def _plain(element: ET.Element, name: str) -> ET.Element:
    """The element with what is known to be harmless of it. Its ids are its own on a page with several charts."""
    found = ET.Element(element.tag.removeprefix(f"{{{_SVG}}}"))
    for key, value in element.attrib.items():
        if key in _ATTRIBUTES and (key not in {"id", "clip-path"} or name):
            found.set(key, _own(key, value, name))
    found.text = element.text
    for child in element:
        if child.tag.removeprefix(f"{{{_SVG}}}") in _ELEMENTS and child.get("display") != "none":
            found.append(_plain(child, name))
    return found


def _own(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    return value.replace("url(#", f"url(#{name}-") if key == "clip-path" else value
