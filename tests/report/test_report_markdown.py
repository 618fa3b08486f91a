"""Escaping: whatever a name holds, the page shows it and means nothing by it."""

from __future__ import annotations

import msgspec
import pytest
from hostile import HOSTILE as ROWS
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from phase0.report.escape import code, lines, prose, visible
from phase0.report.markdown_samples import LONGEST, samples_page
from phase0.report.rows import UNREAD, Sample
from phase0.report.shown import part

HOSTILE = [
    "a|b",
    "a\\|b",
    "a\\\\|b\\",
    "`tick`",
    "``",
    " padded ",
    "line\nbreak",
    "cr\rlf",
    "\x1b[31mred",
    "<script>alert(1)</script>",
    "<!-- ",
    "&lt;&#124;",
    "[link](http://x.example)",
    "![img](x)",
    "http://x.example www.x.example a@x.example",
    "**bold** _em_ ~~gone~~",
    "# heading",
    "- item",
    "1. item",
    "1) item",
    "+ item",
    "> quote",
    "---",
    "===",
    "| --- |",
    "\u202egnp.exe",
    "x\u2028y",
    "\ud800",
    "    indented",
    "",
    "`|`",
    "$x$",
]


def page(text: str) -> list[Token]:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)


def only_cell(text: str) -> Token:
    """The body cell of a table with one column, which must be all that there is."""
    tokens = page(f"| name | rows |\n| --- | --- |\n| {text} | 1 |\n")
    cells = [token for token in tokens if token.type == "inline"]
    assert [cell.content for cell in cells][-1:] == ["1"]
    assert len(cells) == 4
    return cells[2]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_in_a_table_is_shown_and_nothing_else(name: str) -> None:
    children = only_cell(code(name)).children or []
    assert [token.type for token in children] == ["code_inline"]
    assert children[0].content == visible(name) or not (name or children[0].content.strip())


@given(st.text(max_size=30))
@example("\\")
@example("|`|")
def test_any_name_in_a_table_is_shown_and_nothing_else(name: str) -> None:
    children = only_cell(code(name)).children or []
    assert [token.type for token in children] == ["code_inline"]
    assert children[0].content.strip() == visible(name).strip()


@pytest.mark.parametrize("sentence", [text for text in HOSTILE if text.strip()])
def test_a_hostile_sentence_is_a_paragraph_of_letters(sentence: str) -> None:
    assert letters(prose(sentence)) == visible(" ".join(sentence.split()))


@given(st.text(min_size=1, max_size=30).filter(lambda text: bool(text.split())))
def test_any_sentence_is_a_paragraph_of_letters(sentence: str) -> None:
    assert letters(prose(sentence)) == visible(" ".join(sentence.split()))


def letters(text: str) -> str:
    tokens = page(text)
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert {token.type for token in children} <= {"text", "text_special"}
    return "".join(token.content for token in children)


def test_bare_addresses_do_not_become_links_where_a_page_is_shown_as_github_does() -> None:
    assert "https://" not in prose("see https://x.example")
    assert "www." not in prose("see www.x.example")


def test_a_long_name_is_cut_and_says_so() -> None:
    assert visible("x" * 300) == "x" * 200 + "…"
    assert visible("x" * 200) == "x" * 200


def sample(text: str) -> Sample:
    """A row that says this, and has it everywhere else too."""
    name = text[:200]
    return Sample(
        group="dropped",
        stage=name,
        reason=name,
        file=name,
        line=3,
        score=7.5,
        source=name,
        parts=(part("response", text),),
        why=(name,),
    )


@given(st.text())
@example("```\n````\n`````")
def test_the_text_of_a_shown_row_is_one_fence_and_nothing_else(text: str) -> None:
    is_one_fence(text)


@pytest.mark.parametrize("name", ROWS)
def test_a_hostile_row_is_one_fence_and_nothing_else(name: str) -> None:
    is_one_fence(ROWS[name])


def is_one_fence(text: str) -> None:
    found = page("\n".join(samples_page(msgspec.structs.replace(UNREAD, samples=(sample(text),)))))
    (fence,) = (token for token in found if token.type == "fence")
    assert fence.content == lines(text[:LONGEST]) + "\n"
    inner = [child for token in found for child in token.children or []]
    assert not {token.type for token in (*found, *inner)} & {"html_inline", "html_block", "link_open", "image"}


def test_a_cut_row_says_how_much_is_missing() -> None:
    told = "\n".join(samples_page(msgspec.structs.replace(UNREAD, samples=(sample("x" * 700),))))
    assert "200 more of 700 characters." in told
    assert samples_page(None) == samples_page(UNREAD) == []
