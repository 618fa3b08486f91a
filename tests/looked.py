"""Looking at a report in a browser: on a desk and on a telephone, by day and by night."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

from browser import Page, browsing

SCREENS = ((1280, False), (1280, True), (390, False), (390, True))  # width in points, dark
_NARROWEST = 10  # points that a part of a page has at least where it can be seen

_SECTIONS = """
[...document.querySelectorAll('header.top, nav, main > section')].map(section => {
    const box = section.getBoundingClientRect()
    const seen = section.checkVisibility({checkOpacity: true, checkVisibilityCSS: true})
    return {name: section.id || section.className || section.localName, left: box.left, right: box.right,
            height: seen ? box.height : 0, words: section.innerText.trim().length}
})
"""
_BEYOND = """
[...document.querySelectorAll('body *')].filter(item => !item.closest('.wide, .text, pre, svg, .skip'))
    .filter(item => item.getBoundingClientRect().right > innerWidth + 1)
    .map(item => `${item.localName}.${item.className}: ${item.textContent.slice(0, 60)}`)
"""
_COLORS = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"


class Seen(NamedTuple):
    """What opening a report on every screen brought to light."""

    console: list[str]
    requests: set[str]
    faults: list[str]
    sections: int  # of one screen


def look_at(report: Path, profile: Path, pictures: Path | None = None) -> Seen:
    """Open a report on every screen; with `pictures`, a folder, each section is kept there as it was seen."""
    return asyncio.run(_looked_at(report, profile, pictures))


async def _looked_at(report: Path, profile: Path, pictures: Path | None) -> Seen:
    faults: list[str] = []
    colors: dict[bool, Any] = {}
    async with browsing(profile) as page:
        for width, dark in SCREENS:
            await page.look(width, dark=dark)
            await page.open(report.resolve().as_uri())
            screen = f"{width}-{'dark' if dark else 'light'}"
            sections = await page.evaluate(_SECTIONS)
            found = await _faults(page, width, sections)
            faults += [f"{screen}: {fault}" for fault in found]
            colors[dark] = await page.evaluate(_COLORS)
            if pictures is not None:
                pictures.mkdir(parents=True, exist_ok=True)
                for section in sections:
                    await page.screenshot(pictures / f"{screen}-{section['name']}.png", _selector(section["name"]))
        if colors[False] == colors[True]:
            faults.append(f"dark looks like light: {colors[True]}")
        return Seen(page.console, set(page.requests), faults, len(sections))


def _selector(name: str) -> str:
    return {"top": "header.top", "nav": "nav ol"}.get(name, f"#{name}")


async def _faults(page: Page, width: int, sections: list[dict[str, Any]]) -> list[str]:
    """Sections that cannot be seen, and what reaches beyond the screen."""
    hidden = [
        f"{section['name']} cannot be seen"
        for section in sections
        if section["height"] < _NARROWEST or not section["words"] or section["left"] < 0 or section["right"] > width
    ]
    widest = await page.evaluate("document.documentElement.scrollWidth")
    beyond = await page.evaluate(_BEYOND)
    wide = [f"the page is {widest} points wide"] if widest > width else []
    return [*hidden, *wide, *(f"beyond the screen: {item}" for item in beyond)]
