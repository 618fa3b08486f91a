"""Categories of many rows are those of each: a scan of the bytes finds what is found by looking, and where the rules
are not asked they could not have told otherwise."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.dataset import raw_rows
from phase0.dedup.kernels import counting, parting
from phase0.records import CATEGORIES
from phase0.scoring import category, cues, marks
from phase0.scoring.bounds import bounds
from phase0.scoring.category import categorise, code_evidence, weighed
from phase0.scoring.seeing import RESPONSE_CHARS, parts_of, seen, split_at, text_of, words_of
from phase0.stages import category_letters
from phase0.stages.categories import categories
from phase0.stages.category_scan import Read, _counts, _marks, read_rows, scanned

SAMPLE = Path(__file__).parents[2] / "benchmarks" / "data" / "categories.jsonl"
CORPUS = pytest.mark.skipif("PHASE0_DEV_DATA" not in os.environ, reason="PHASE0_DEV_DATA names no folder of data")


class Row(NamedTuple):
    instruction: str
    response: str | None = None
    system: str | None = None


def looked_for() -> list[str]:
    exact = [*cues.CODE_MARKS, *cues.SUM_MARKS, *(mark for _, found in marks.blocks(cues.MARKS) for mark in found)]
    odd = [
        "\n",
        "\n  ",
        "def f(x):",
        "x = [1",
        "print(",
        "C++",
        "a+b",
        "#1",
        "’",
        "é",
        "代码",
        "\ud800",
        "İ",
        "٣",
        "?",
        "```",
    ]
    formed = [
        "You are a ",
        "As a ",
        "many apples are there in a",
        "all men are",
        "log base",
        "what is 3",
        "aaaa",
        "xkcdq",
    ]
    return [*exact, *odd, *formed, "3 + 4", "12", "$x^2$", "play in character", "a. b. c?"]


words = st.sampled_from(sorted(set[str]().union(*marks.WORDS_OF_KIND.values())))
things = st.sampled_from([noun for noun, _, _ in marks.weights(cues.THINGS)])
pieces = st.one_of(
    st.sampled_from([*(cue for cue, _, _ in marks.weights(cues.CUES)), *looked_for()]),
    *(words, things, st.sampled_from(looked_for())),
)
texts = st.one_of(
    st.text(max_size=60),
    st.lists(pieces, max_size=12).map(" ".join),
    st.lists(st.one_of(pieces, st.text(max_size=3)), max_size=12).map("".join),
)
rows = st.builds(Row, texts, st.none() | texts, st.none() | texts)


@given(st.lists(rows, max_size=6))
def test_rows_together_have_the_categories_of_each(made: list[Row]) -> None:
    assert categories(made) == [categorise(row.instruction, row.response, system=row.system) for row in made]


@given(st.lists(rows, min_size=1, max_size=6))
def test_a_scan_finds_the_cues_and_the_marks_that_looking_for_each_finds(made: list[Row]) -> None:
    check_scanned(made)


def check_scanned(made: list[Row]) -> None:
    """A scan says what looking says, and what the rules come to lies within the bounds that it gives."""
    exact = marks.CODE | marks.TOOL | marks.SUM | marks.QUESTION | marks.FENCE
    found = scanned(read_rows(made))
    all_parts = [parts_of(row.instruction, row.response) for row in made]
    marked = zip(all_parts, found.text_D.tolist(), found.answer_D.tolist(), strict=True)
    evidence = [[code_evidence(one.text, text), code_evidence(one.answer, answer)] for one, text, answer in marked]
    (least, most), (lower, upper) = bounds(found), bounds(found, np.array(evidence))
    assert ((least <= lower) & (lower <= upper) & (upper <= most))[~found.is_odd_D].all()
    for at, (row, parts) in enumerate(zip(made, all_parts, strict=True)):
        looked = seen(parts)
        assert found.weights_DC[at].tolist() == list(looked.cues)
        assert (found.text_D[at] & exact, found.answer_D[at] & exact) == (looked.text & exact, looked.answer & exact)
        assert found.opening_D[at] == looked.opening
        assert found.is_odd_D[at] >= parts.unspaced
        if not found.is_odd_D[at]:
            scores = weighed(parts, looked, row.system).values()
            bounded = zip(lower[at], scores, upper[at], strict=True)
            assert all(low <= score <= high for low, score, high in bounded)


PATTERNS: dict[int, tuple[re.Pattern[str], ...]] = {
    marks.LINE: (category._CODE_LINE,),
    marks.CALL: (category._CODE_CALL,),
    marks.EQUATION: (category._EQUATION,),
    marks.LATEX: (category._LATEX,),
    marks.NUMBER: (category._NUMBER,),
    marks.SPEAKER: (category._SPEAKER,),
    marks.VERSE: (category._VERSE,),
    marks.TICK: (re.compile("`"),),
}


def test_there_is_a_pattern_for_every_bit_that_says_it_may_match() -> None:
    assert sum(PATTERNS) == marks.MAY


@pytest.mark.parametrize("bit", PATTERNS)
@given(data=st.data())
def test_where_a_scan_says_that_a_pattern_cannot_match_it_does_not(bit: int, data: st.DataObject) -> None:
    for pattern in PATTERNS[bit]:
        matching = data.draw(st.from_regex(pattern), label="text that matches")
        for text in (matching, matching.lstrip("\n"), data.draw(texts)):
            row = Row(f"x{text[:RESPONSE_CHARS]}", text[:RESPONSE_CHARS])
            found = scanned(read_rows([row]))
            if pattern.search(f"\n{row.response}"):
                assert found.answer_D[0] & bit
            if pattern.search(parts_of(*row[:2]).text):
                assert found.text_D[0] & bit


@given(st.from_regex(category._DEDUCTION) | texts)
def test_a_deduction_may_be_wherever_one_can_be_found(text: str) -> None:
    check_scanned([Row(text), Row(f"and{text}")])


@given(st.text("1٣,. =+-xé×÷−–√²K’\n", max_size=40))
def test_equations_and_numbers_of_a_request_are_counted_whatever_its_script(text: str) -> None:
    row = Row(f"Some text of thirty characters{text}\nNo more of it {text}?", f"x = {text}")
    parts, known = parts_of(*row[:2]), read_rows([row])
    marked = (_marks(known, spans, lambda at: "") for spans in (known.texts_D2, known.answers_D2))
    found = [int(counts[0]) for counts in _counts(known, *marked)]
    expected = [*map(category.equations_in, (parts.ask, parts.answer)), category.numbers_in(parts.ask)]
    assert found == expected


long_texts = st.tuples(texts, st.integers(1, 90), st.sampled_from(["", "\n", ". ", "\u2003", "\x1c"])).map(
    lambda drawn: f"{drawn[2]}{drawn[0] * drawn[1]}{drawn[2]}"
)
announced = st.builds("{}{}: {}{}".format, st.text("ab ,\u00a0", max_size=12), words, texts, long_texts)


@given(st.lists(st.builds(Row, texts | long_texts | announced, long_texts), max_size=4))
def test_a_kernel_reads_the_parts_that_are_read_of_each(made: list[Row]) -> None:
    known = read_rows(made)
    for at, row in enumerate(made):
        parts, cut = parts_of(*row[:2]), split_at(text_of(row.instruction))
        assert known.cuts_D2[at].tolist() == list(cut)
        for spans, part in ((known.texts_D2, parts.text), (known.answers_D2, parts.answer)):
            stands = known.bytes_B[slice(*spans[at].tolist())].tolist()
            assert len(stands) == len(part)
            assert [ord(one) for one in part if one.isascii()] == [stand for stand in stands if stand < 128]
        if not known.is_odd_D[at]:
            head, tail, matter = (spelled(known, *span) for span in known.words_D6[at].reshape(-1, 2).tolist())
            assert [*head, *tail] == parts.asked
            assert matter == words_of(parts.matter)


def spelled(known: Read, begin: int, end: int) -> list[str]:
    """The words that a scan sees there."""
    lower = known.bytes_B[begin:end].tobytes().decode().lower()
    return re.findall(r"(?:[a-z0-9_]|[^\x00-\x7f])+[+#]*", lower)


@given(st.characters(min_codepoint=128))
def test_a_table_says_of_a_character_what_python_says_of_it(one: str) -> None:
    said = category_letters.entry(one)
    kind, lower = said >> parting.KIND, said & ((1 << parting.KIND) - 1)
    if kind != counting.ODD:
        assert (chr(lower) if lower else " ") == (one.lower() if one.isalnum() else " ")
        assert (kind <= counting.UNSPACED and kind != counting.UNSPACED) <= one.isalnum()
        assert (kind == counting.DIGIT) == (re.fullmatch(r"\d", one) is not None)
        assert (kind == counting.SPACE) == one.isspace()


def test_scans_and_kernels_mean_the_same_by_a_kind() -> None:
    assert all(category_letters.entry(one) >> parting.KIND == kind for one, kind in marks.KINDS_OF.items())
    assert frozenset([counting.LETTER, counting.UNSPACED]) == marks._WORDLIKE


def test_every_thing_of_a_category_weighs_the_same_whatever_it_is() -> None:
    weights = {(category, weight) for _, category, weight in marks.weights(cues.THINGS)}
    assert len(weights) == len({category for category, _ in weights})


def test_the_labelled_sample_has_the_same_categories_in_whatever_company() -> None:
    made = [Row(**{key: json.loads(raw).get(key) for key in Row._fields}) for _, raw in raw_rows(SAMPLE)]  # type: ignore[misc]
    together = categories(made)
    assert set(together) == set(CATEGORIES)
    shuffled = random.Random(1).sample(range(len(made)), len(made))
    assert categories([made[at] for at in shuffled]) == [together[at] for at in shuffled]
    assert together == [categorise(row.instruction, row.response) for row in made]
    check_scanned(made)


@CORPUS
def test_rows_of_the_corpus_have_the_same_categories_together_and_alone() -> None:
    made = []
    for path in sorted((Path(os.environ["PHASE0_DEV_DATA"]) / "corpus").glob("*.jsonl.gz")):
        for _, (_, raw) in zip(range(100), raw_rows(path), strict=False):  # type: ignore[misc]
            row = json.loads(raw)
            made.append(Row(row["instruction"], row["response"], row.get("system")))
    assert len(made) >= 500
    assert categories(made) == [categorise(row.instruction, row.response, system=row.system) for row in made]
    check_scanned(made)


def test_no_rows_have_no_categories() -> None:
    assert categories([]) == []
    assert categories([Row("", ""), Row("", None)]) == [categorise("", ""), categorise("")]
