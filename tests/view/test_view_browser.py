"""The page in a browser: search, filter, explain, duplicates and marks, by mouse and by keyboard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from browser import Page, browsing, chromium
from viewed import make_run, shown_texts, viewing

from phase0.view import Catalogue, open_catalogue
from phase0.view.labels import marks
from phase0.view.queries import Query


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chromium()
    return make_run(tmp_path_factory.mktemp("view") / "run")


def browse(folder: Path, profile: Path, use: Callable[[Page, Catalogue, str], Coroutine[Any, Any, None]]) -> None:
    """Use the page, and then look that nothing was asked of anybody else, and that no script complained."""

    async def whole() -> None:
        catalogue = open_catalogue(folder)
        async with viewing(catalogue) as url, browsing(profile) as page:
            await page.look(1300)
            await page.open(url)
            await use(page, catalogue, url)
            assert page.console == []
            assert [asked for asked in page.requests if not asked.startswith((url, "data:", "about:"))] == []

    asyncio.run(whole())


FOUND = "document.querySelector('.found').textContent"
TITLE = "document.querySelector('#row pre').textContent"


async def set_field(page: Page, name: str, value: str) -> None:
    await page.evaluate(
        f"(field => {{ field.value = {value!r}; field.dispatchEvent(new Event('change', {{bubbles: true}})) }})"
        f"(document.querySelector('[name={name}]'))"
    )


def test_rows_are_searched_filtered_and_sorted(folder: Path, tmp_path: Path) -> None:
    async def use(page: Page, catalogue: Catalogue, url: str) -> None:
        await set_field(page, "q", "grain")
        await page.until(f"{FOUND} === '1 row'")
        assert "q=grain" in await page.evaluate("location.search")
        await page.evaluate("history.back()")
        await page.until(f"{FOUND}.startsWith('{catalogue.index.rows} rows, page 1')")
        await set_field(page, "what", "dropped")
        lost = catalogue.counts(Query(what="dropped")).rows
        await page.until(f"{FOUND} === '{lost} rows'")
        await set_field(page, "order", "longest")
        await page.until("location.search.includes('order=longest')")
        await set_field(page, "q", "nosuchword")
        await page.until("document.querySelector('.nothing') !== null")

    browse(folder, tmp_path, use)


def test_a_row_is_opened_explained_and_compared_by_keyboard(folder: Path, tmp_path: Path) -> None:
    async def use(page: Page, catalogue: Catalogue, url: str) -> None:
        await set_field(page, "reason", "near_duplicate")
        await page.until(f"{FOUND} === '1 row'")
        await page.evaluate("document.activeElement.blur()")
        await page.press("j")
        await page.until("document.querySelector('#row') !== null")
        assert await page.evaluate(TITLE) == "Why does bread rise?"
        await page.press("d")
        await page.until("document.querySelector('.sides mark') !== null")
        marked = await page.evaluate(
            "[...document.querySelectorAll('.sides mark')].map(m => m.textContent.trim()).join()"
        )
        assert "Yes" in marked
        await page.press("e")
        await page.until("document.querySelector('#story') !== null")
        stages = await page.evaluate("[...document.querySelectorAll('.story b')].map(b => b.textContent).join()")
        assert stages == "download,distill,score,dedup"
        await page.press("Escape")
        await page.until("document.querySelector('#row') === null")
        await page.press("?")
        await page.until("document.querySelector('dialog').open")

    browse(folder, tmp_path, use)


def test_rows_are_marked_by_keyboard_and_by_button(folder: Path, tmp_path: Path) -> None:
    async def use(page: Page, catalogue: Catalogue, url: str) -> None:
        await page.evaluate("document.activeElement.blur()")
        rows = catalogue.page(Query())[:3]
        here = "document.querySelector('#list [aria-current]').parentElement.dataset.row"
        await page.press("j")
        await page.until(f"document.querySelector('#row') && {here} === '{rows[0].number}'")
        await page.press("g")
        await page.until(f"{here} === '{rows[1].number}'")
        await page.press("b")
        await page.until(f"{here} === '{rows[2].number}'")
        await page.press("k")
        await page.until(f"{here} === '{rows[1].number}'")
        assert await page.evaluate("document.querySelector('[aria-pressed=true]').value") == "bad"
        assert marks(catalogue.places.labels) == {rows[0].row_id: "good", rows[1].row_id: "bad"}
        await page.press("u")
        await page.until("document.querySelector('[aria-pressed=true]').value === ''")
        await page.evaluate("document.querySelector('.marking [value=good]').click()")
        await page.until("document.querySelector('[aria-pressed=true]').value === 'good'")
        assert marks(catalogue.places.labels) == {rows[0].row_id: "good", rows[1].row_id: "good"}
        assert "2 marked good" in await page.evaluate("document.querySelector('#about').textContent")

    browse(folder, tmp_path, use)


def test_hostile_rows_run_nothing_and_a_long_one_is_shown_whole_when_asked(folder: Path, tmp_path: Path) -> None:
    async def use(page: Page, catalogue: Catalogue, url: str) -> None:
        texts: set[str] = set()
        await page.press("j")
        await page.until("document.querySelector('#row') !== null")
        for place in range(catalogue.index.rows):
            if place:
                await page.press("j")
            await page.until(f"document.querySelector('.steps small').textContent.startsWith('{place + 1} of ')")
            texts.update(await page.evaluate("[...document.querySelectorAll('#row pre')].map(pre => pre.textContent)"))
            assert await page.evaluate("document.title") == "run – phase0 view"
            assert (
                await page.evaluate("document.querySelectorAll('#row :is(script, img, iframe, svg, style)').length")
                == 0
            )
        assert shown_texts() <= texts
        await page.open(f"{url}?order=longest&at=0")
        await page.evaluate("document.querySelector('a.all').click()")
        await page.until("document.querySelector('#text-1').textContent.endsWith('THE END')")

    browse(folder, tmp_path, use)


def test_the_page_fits_a_phone(folder: Path, tmp_path: Path) -> None:
    async def use(page: Page, catalogue: Catalogue, url: str) -> None:
        await page.look(390, 800, dark=True)
        for place in ("", "?at=0", "?order=longest&at=0", "?reason=near_duplicate&at=0&story=1"):
            await page.open(url + place)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 390

    browse(folder, tmp_path, use)
