"""The page as it is sent: who is answered, what a browser may load, and text that stays text."""

from __future__ import annotations

import asyncio
import html
import re
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Coroutine
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from hypothesis import given
from made import text as any_text
from viewed import TEXTS, make_run, shown_texts, viewing

from phase0.view import Catalogue, open_catalogue
from phase0.view.differences import compare
from phase0.view.markup import is_unseen, shown
from phase0.view.queries import Query

Asked = Callable[[aiohttp.ClientSession, str], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return open_catalogue(make_run(tmp_path_factory.mktemp("view") / "run"))


def asking(catalogue: Catalogue, ask: Asked) -> None:
    async def whole() -> None:
        async with viewing(catalogue) as url, aiohttp.ClientSession() as session:
            await ask(session, url)

    asyncio.run(whole())


async def status(session: aiohttp.ClientSession, url: str, method: str = "GET", **options: Any) -> int:
    async with session.request(method, url, allow_redirects=False, **options) as answer:
        await answer.read()
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        return answer.status


class Preformatted(HTMLParser):
    """The texts of a page's `pre` elements, as a browser reads them: less a line end at their begin."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._inside = False
        self.feed(page)
        self.close()
        self.texts = [text.removeprefix("\n") for text in self.texts]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "pre":
            self._inside = True
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "pre"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[-1] += data


def test_only_who_knows_the_token_and_names_this_machine_is_answered(catalogue: Catalogue) -> None:
    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        place = urlsplit(url)
        token = place.path.strip("/")
        assert len(token) >= 32
        root = f"http://{place.netloc}"
        assert place.hostname == "127.0.0.1"
        assert await status(session, url) == 200
        assert await status(session, url, headers={"Host": f"localhost:{place.port}"}) == 200
        for path in ("/", "/view.js", f"/{token[:-1]}/", f"/x{token}/", f"//{token}/", "/favicon.ico"):
            assert await status(session, root + path) == 404
        for host in ("example.invalid", f"example.invalid:{place.port}", "127.0.0.1", ""):
            assert await status(session, url, headers={"Host": host}) == 421
        mark = {"row": "1", "label": "good"}
        for origin in ({}, {"Origin": "null"}, {"Origin": "http://example.invalid"}):
            assert await status(session, url + "label", "POST", data=mark, headers=origin) == 403
        assert catalogue.marked() == {}
        assert await status(session, url + "label", "POST", data=mark, headers={"Origin": root}) == 303
        assert catalogue.marked() == {"good": 1}
        away = {**mark, "back": "//example.invalid/"}
        async with session.post(url + "label", data=away, headers={"Origin": root}, allow_redirects=False) as answer:
            assert answer.headers["location"] == "./"
        assert await status(session, url + "label", "POST", data=b"x" * 200_000, headers={"Origin": root}) == 400
        for bad in ("text?row=99999&part=0", "text?row=1&part=9", "text"):
            assert await status(session, url + bad) == 400
        assert await status(session, url + "?row=99999&at=99999&page=99999") == 200

    asking(catalogue, ask)


def test_rows_that_try_to_be_more_are_text_in_every_view(catalogue: Catalogue) -> None:
    texts: set[str] = set()

    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        for place in range(catalogue.index.rows):
            listed = catalogue.at(Query(), place)
            has_story = listed is not None and listed.row_id is not None
            async with session.get(f"{url}?at={place}{'&story=1' * has_story}") as answer:
                assert answer.status == 200
                page = await answer.text()
            texts.update(Preformatted(page).texts)
            assert set(re.findall(r"<script[^>]*>", page)) == {'<script src="view.js" defer>'}
            assert not re.search(r"<(img|iframe|svg|style|b>not|meta http)", page)
            assert not re.search(r"<[^>]*\son\w+=", page)
            assert not [character for character in page if is_unseen(character)]

    asking(catalogue, ask)
    assert shown_texts() <= texts
    for broken in ("a\\\\ud800b", "a\\\\xff\\\\xfe<script>", "<script>alert(1)</script>", "[[["):
        assert any(broken in text for text in texts), broken


def test_a_long_text_is_cut_and_its_whole_can_be_had(catalogue: Catalogue) -> None:
    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(f"{url}?order=longest&at=0") as answer:
            page = await answer.text()
        assert len(page) < 200_000
        assert "THE END" not in page
        assert "20,000 of 1,200,007 characters" in page
        link = re.search(r'href="(text\?[^"]+)"', page)
        assert link is not None
        async with session.get(url + html.unescape(link[1])) as answer:
            assert answer.content_type == "text/plain"
            assert (await answer.text()).endswith("THE END")

    asking(catalogue, ask)


@given(any_text)
def test_shown_text_has_no_markup_and_nothing_unseen(text: str) -> None:
    told = shown(text)
    plain = re.sub(r'<i class="unseen">(\\[xuU][0-9a-f]+)</i>', r"\1", told)
    assert not set("<>\"'") & set(plain)
    assert not [character for character in told if is_unseen(character)]
    if not any(map(is_unseen, text)):
        assert html.unescape(told) == text


def test_all_that_is_unseen_is_known() -> None:
    for number in [*range(0x3000), *range(0xA000, 0x11200), *range(0xE0000, 0xE0100)]:
        character = chr(number)
        is_shown_as_code = "unseen" in shown(character)
        assert is_shown_as_code or not is_unseen(character), hex(number)
        assert not (is_shown_as_code and unicodedata.category(character)[0] in "LMNPS"), hex(number)


@given(any_text, any_text)
def test_compared_texts_lose_nothing_and_share_what_is_not_marked(left: str, right: str) -> None:
    found = compare(left, right)
    assert "".join(piece.text for piece in found.left) == left
    assert "".join(piece.text for piece in found.right) == right
    same = ["".join(piece.text for piece in side if not piece.differs) for side in (found.left, found.right)]
    assert same[0] == same[1]
    assert (left == right) == (not any(piece.differs for piece in [*found.left, *found.right]))


def test_a_changed_word_is_marked_and_no_other() -> None:
    found = compare("The dog ate a bone.", "The cat ate a bone.")
    assert [piece.text for piece in found.left if piece.differs] == ["dog"]
    assert [piece.text for piece in found.right if piece.differs] == ["cat"]
    assert found.whole
    assert not compare("a " * 9_000, "b " * 9_000).whole


def test_ctrl_c_ends_the_command_well(catalogue: Catalogue) -> None:
    catalogue.mark(catalogue.page(Query())[0], "good")
    arguments = [sys.executable, "-m", "phase0", "view", str(catalogue.places.target)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        told, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert errors == ""
    assert "marked good" in told


def test_a_port_in_use_is_told_in_one_line(catalogue: Catalogue, capsys: pytest.CaptureFixture[str]) -> None:
    from phase0.cli import status_of

    async def ask(_: aiohttp.ClientSession, url: str) -> None:
        port = str(urlsplit(url).port)
        told = await asyncio.to_thread(_run, catalogue.places.target, port)
        assert told.returncode == 2
        assert f"Port {port} of this machine cannot be used" in told.stderr

    asking(catalogue, ask)
    assert status_of(["view", "no-such-folder"]) == 2
    assert "there is no such file or folder" in capsys.readouterr().err


def _run(target: Path, port: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "phase0", "view", str(target), "--port", port]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_forty_kinds_of_hostile_rows_are_viewed() -> None:
    assert len(set(TEXTS)) >= 40
