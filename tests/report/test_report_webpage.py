"""report.html: one file without a script or a request, in which rows of strangers are letters and nothing else."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from browser import browsing, chromium
from hostile import BROKEN, HOSTILE
from hypothesis import given
from hypothesis import strategies as st
from looked import look_at
from made import record
from markdown_it import MarkdownIt

from phase0.dataset import meta_folder
from phase0.records import encode
from phase0.report import rows as report_rows
from phase0.report import write_report
from phase0.report.charts import charts
from phase0.report.differences import differences
from phase0.report.drawing import drawn, inline
from phase0.report.escape import lines
from phase0.report.numbers import Numbers
from phase0.report.shapes import distinct
from phase0.report.shown import LONGEST
from phase0.report.text import render
from phase0.stages.output import stage_output
from phase0.stages.publish import publish
from phase0.stages.score import score
from phase0.stages.verify import verify

UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def hostile_run(root: Path) -> Path:
    """A run whose rows, sources and dropped lines are all hostile."""
    upstream = root / "upstream <b>.json"
    root.mkdir(exist_ok=True)
    upstream.write_bytes(b"[]")
    raw = root / "raw/all.jsonl"
    with stage_output("download", raw, [upstream], {"note": HOSTILE["a script"]}) as out:
        for number, text in enumerate(HOSTILE.values()):
            asked = f"{number}: {text}"
            out.keep(encode(record(number, instruction=asked, response=text, source=text[:3000], quality_score=8.0)))
        for line, (reason, broken) in enumerate(BROKEN.items(), 1):
            out.drop(broken, line=line, reason=f"<b>{reason}", evidence={"<i>": "\x1b[31m</script>"})
        out.sums[0].read = len(HOSTILE) + len(BROKEN)
    publish([raw], root / "dataset.jsonl")
    return root


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of such a run with its report, which shows every one of the rows."""
    root = hostile_run(tmp_path_factory.mktemp("hostile") / "run")
    (root / "verification.json").write_bytes(msgspec.json.encode(verify([root / "dataset.jsonl"])))
    plan = {"name": HOSTILE["the end of the title"], "description": HOSTILE["an override of direction"] + "<script>"}
    (root / "plan.json").write_text(json.dumps(plan))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_rows, "KEPT", len(HOSTILE))
        write_report(root)
    return root


class Tags(HTMLParser):
    """The tags of a page with their attributes, and what stands in its blocks of text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._inside = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = ("class", "text") in attrs
        if self._inside:
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[-1] += data


def shown_texts() -> set[str]:
    return {lines(text[:LONGEST]) for text in HOSTILE.values()}


def test_forty_kinds_of_hostile_rows_are_listed() -> None:
    assert len(HOSTILE) + len(BROKEN) >= 40


def test_every_hostile_row_is_shown_as_its_letters(hostile: Path) -> None:
    page = Tags((hostile / "report.html").read_text(encoding="utf-8"))
    assert shown_texts() <= set(page.texts)
    for broken in ("a\\\\ud800b", "a\\\\xff\\\\xfe<script>", "<script>alert(1)</script>", "[[["):
        assert any(broken in text for text in page.texts)


def test_no_tag_or_attribute_of_the_page_comes_from_a_row(hostile: Path) -> None:
    page = Tags((hostile / "report.html").read_text(encoding="utf-8"))
    assert not {tag for tag, _ in page.tags} & {
        "script",
        "img",
        "iframe",
        "form",
        "input",
        "base",
        "object",
        "embed",
        "b",
    }
    for tag, attributes in page.tags:
        assert not [
            name for name in attributes if name.startswith("on") or name in {"style", "src", "srcdoc", "action"}
        ]
        address = attributes.get("href", "#") or ""
        assert address.startswith("#") or (tag, address) == ("link", "data:,"), (tag, attributes)
    assert [tag for tag, _ in page.tags].count("style") == 1


def test_no_file_of_a_report_holds_a_character_that_a_screen_does_not_show(hostile: Path) -> None:
    for name in ("report.html", "report.md"):
        text = (hostile / name).read_text(encoding="utf-8")
        strange = {char for char in text if unicodedata.category(char) in UNSEEN or ord(char) & 0xFFFE == 0xFFFE}
        assert strange <= {"\n", "\t"}, name


def test_the_page_for_places_without_html_has_pictures_of_its_own_alone(hostile: Path) -> None:
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse((hostile / "report.md").read_text("utf-8"))
    inner = [child for token in tokens for child in token.children or []]
    assert not {token.type for token in (*tokens, *inner)} & {"html_inline", "html_block", "link_open"}
    images = [str(child.attrs["src"]) for child in inner if child.type == "image"]
    assert images
    for image in images:
        assert (hostile / image).read_bytes().startswith(b"\x89PNG"), image


def test_labels_of_charts_are_harmless_text(hostile: Path) -> None:
    numbers = msgspec.json.decode((hostile / "report.json").read_bytes(), type=Numbers)
    for chart in charts(numbers):
        told = json.dumps(chart.spec, ensure_ascii=False) + chart.alt
        assert not {unicodedata.category(char) for char in told} & UNSEEN, chart.name


def test_a_drawing_keeps_shapes_and_letters_and_nothing_that_could_act() -> None:
    evil = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" onload="x()">'
        '<script>x()</script><a href="https://x.example"><text>hidden</text></a><style>@import "x"</style>'
        '<image xlink:href="https://x.example/p.png"/><foreignObject><b/></foreignObject>'
        '<text fill="#000" onclick="x()" style="background:url(x)">&lt;script&gt;</text></svg>'
    )
    shown = inline(evil, "name", 'what "it" <shows>')
    assert shown == (
        '<svg width="9" role="img" aria-label="what &quot;it&quot; &lt;shows&gt;" xmlns="http://www.w3.org/2000/svg">'
        '<text fill="#000">&lt;script&gt;</text></svg>'
    )


def test_the_terminal_gets_no_character_that_could_act(hostile: Path) -> None:
    told = render(verify([hostile / "dataset.jsonl"]))
    assert {char for char in told if unicodedata.category(char) in UNSEEN} == {"\n"}


def test_a_long_row_is_cut_and_says_how_much_is_missing(hostile: Path) -> None:
    page = (hostile / "report.html").read_text(encoding="utf-8")
    assert f"cut: {1_050_000 - LONGEST:,} more of 1,050,000 characters" in page
    assert len(page) < 5_000_000


def test_chromium_shows_the_letters_runs_nothing_and_asks_for_nothing(hostile: Path, tmp_path: Path) -> None:
    chromium()
    asyncio.run(asyncio.wait_for(_browsed(hostile / "report.html", tmp_path / "profile"), 100))


async def _browsed(path: Path, profile: Path) -> None:
    async with browsing(profile) as page:
        for width, dark in ((1280, False), (390, True)):
            await page.look(width, dark=dark)
            await page.open(path.as_uri())
            assert await page.evaluate("document.scripts.length") == 0
            widest = await page.evaluate("document.documentElement.scrollWidth")
            assert widest <= width, "the page reaches beyond the screen"
        texts = await page.evaluate("[...document.querySelectorAll('.text')].map(block => block.textContent)")
        assert shown_texts() <= set(texts)
        colors = await page.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        )
        assert colors == ["rgb(20, 24, 29)", "rgb(230, 233, 237)"], "dark was asked for"
        assert page.console == []
        assert set(page.requests) == {path.as_uri()}


def test_every_section_is_whole_on_every_screen(hostile: Path, tmp_path: Path) -> None:
    chromium()
    seen = look_at(hostile / "report.html", tmp_path / "profile", tmp_path / "pictures")
    assert seen.faults == []
    assert seen.console == []
    shown = {picture.stem for picture in (tmp_path / "pictures").iterdir()}
    assert {"1280-light-top", "390-dark-flow", "1280-dark-licences", "390-light-recipe"} <= shown


def test_the_policy_of_the_page_lets_nothing_in_but_its_own_style(hostile: Path) -> None:
    page = Tags((hostile / "report.html").read_text(encoding="utf-8"))
    policy = next(attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes)
    rules = dict(rule.split(maxsplit=1) for rule in str(policy).split("; "))
    assert rules.keys() == {"default-src", "style-src", "img-src", "base-uri", "form-action"}
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["style-src"].startswith("'sha256-")


def test_every_chart_has_words_and_every_table_a_caption(hostile: Path) -> None:
    page = Tags((hostile / "report.html").read_text(encoding="utf-8"))
    names = [tag for tag, _ in page.tags]
    assert names.count("table") == names.count("caption") == names.count("thead")
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert drawings
    assert all(item["role"] == "img" and item["aria-label"] for item in drawings)
    assert names.count("h1") == 1


@pytest.mark.usefixtures("drawn_anew")
def test_the_same_run_has_the_same_report_in_the_same_bytes(tmp_path: Path) -> None:
    root = hostile_run(tmp_path / "run")
    write_report(root)
    first = {path.name: path.read_bytes() for path in sorted(root.rglob("report*")) if path.is_file()}
    write_report(root)
    assert first == {path.name: path.read_bytes() for path in sorted(root.rglob("report*")) if path.is_file()}


def test_rows_nearest_to_the_threshold_are_shown_from_both_sides(tmp_path: Path) -> None:
    """Scores fall with how little an answer says, so some of these rows are dropped and some are not."""
    upstream = tmp_path / "answered.jsonl"
    answers = [
        f"Water boils at 100 degrees at sea level. {'It boils earlier higher up. ' * (at % 7)}" for at in range(60)
    ]
    rows = [
        record(at, instruction=f"When does water boil, case {at}?", response=text) for at, text in enumerate(answers)
    ]
    upstream.write_bytes(b"".join(encode(row) + b"\n" for row in rows))
    score([upstream], tmp_path / "scored.jsonl", threshold=6.0)
    publish([tmp_path / "scored.jsonl"], tmp_path / "dataset.jsonl")
    write_report(tmp_path)
    numbers = msgspec.json.decode((tmp_path / "report.json").read_bytes(), type=Numbers)
    assert numbers.seen is not None
    above = [item.score for item in numbers.seen.samples if item.group == "above"]
    below = [item.score for item in numbers.seen.samples if item.group == "below"]
    assert above or below
    assert above == sorted(above, key=lambda given: given or 0)
    assert below == sorted(below, key=lambda given: -(given or 0))


def test_rows_without_their_dropped_ones_have_a_report_all_the_same(tmp_path: Path) -> None:
    root = hostile_run(tmp_path / "run")
    (meta_folder(root / "raw/all.jsonl") / "dropped.jsonl").unlink()
    assert write_report(root).is_file()


def test_an_image_of_an_earlier_report_does_not_stay(tmp_path: Path) -> None:
    root = hostile_run(tmp_path / "run")
    write_report(root)
    (root / "report.images/old.png").write_bytes(b"old")
    write_report(root)
    assert not (root / "report.images/old.png").exists()


@given(st.lists(st.text(max_size=60), max_size=8))
def test_labels_are_as_different_as_the_names(names: list[str]) -> None:
    assert len(set(distinct(names))) == len(names)


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_pieces_of_a_difference_are_the_text_and_unmarked_ones_are_in_both(first: str, second: str) -> None:
    ours, theirs = differences(first, second)
    assert ("".join(piece.text for piece in ours), "".join(piece.text for piece in theirs)) == (first, second)
    assert [piece.text for piece in ours if not piece.differs] == [piece.text for piece in theirs if not piece.differs]


def test_a_changed_word_is_marked_on_both_sides() -> None:
    ours, theirs = differences("Add 2 and 3.", "Add 2 and 4.")
    assert [piece.text for piece in ours if piece.differs] == ["3"]
    assert [piece.text for piece in theirs if piece.differs] == ["4"]


def test_drawing_needs_no_more_than_the_figures() -> None:
    assert list(drawn([])) == []
