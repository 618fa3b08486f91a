"""Categories of many rows are those of each: what a scan of the bytes finds is what is found by looking."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.dataset import raw_rows
from phase0.dedup.kernels import scanning
from phase0.records import CATEGORIES
from phase0.scoring import category, cues, seeing
from phase0.scoring.category import categorise
from phase0.scoring.seeing import MAY, parts_of
from phase0.stages import categories as many
from phase0.stages.categories import categories

SAMPLE = Path(__file__).parents[2] / "benchmarks" / "data" / "categories.jsonl"


class Row(NamedTuple):
    instruction: str
    response: str | None = None
    system: str | None = None


def marks() -> list[str]:
    exact = [*cues.CODE_MARKS, *cues.SUM_MARKS, *(mark for _, found in seeing.blocks(cues.MARKS) for mark in found)]
    return [*exact, "\n", "\n  ", "def f(x):", "x = [1", "print(", "C++", "a+b", "#1", "’", "é", "代码", "\ud800", "İ"]


pieces = st.sampled_from([*(cue for cue, _, _ in seeing.weights(cues.CUES)), *marks()])
texts = st.one_of(
    st.text(max_size=60),
    st.lists(pieces, max_size=12).map(" ".join),
    st.lists(st.one_of(pieces, st.text(max_size=3)), max_size=12).map("".join),
)
rows = st.builds(Row, texts, st.none() | texts, st.none() | texts)


@given(st.lists(rows, max_size=6))
def test_rows_together_have_the_categories_of_each(made: list[Row]) -> None:
    assert categories(made) == [categorise(row.instruction, row.response, system=row.system) for row in made]


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6))
def test_a_scan_finds_the_cues_and_the_marks_that_looking_for_each_finds(made: list[tuple[str, str]]) -> None:
    parts = [parts_of(instruction, response) for instruction, response in made]
    for scanned, looked in zip(many._seen(parts), map(seeing.seen, parts), strict=True):
        assert list(scanned.cues) == list(looked.cues)
        opening = seeing.REFUSAL | seeing.SELF | seeing.TALE
        exact = seeing.CODE | seeing.TOOL | seeing.SUM
        assert (scanned.text & exact, scanned.answer & exact) == (looked.text & exact, looked.answer & exact)
        assert scanned.opening & opening == looked.opening & opening


PATTERNS: dict[int, tuple[re.Pattern[str], ...]] = {
    seeing.LINE: (category._CODE_LINE,),
    seeing.CALL: (category._CODE_CALL,),
    seeing.EQUATION: (category._EQUATION,),
    seeing.LATEX: (category._LATEX,),
    seeing.NUMBER: (category._NUMBER,),
    seeing.SPEAKER: (category._SPEAKER,),
    seeing.VERSE: (category._VERSE,),
    seeing.TICK: (re.compile("`"),),
}


def test_there_is_a_pattern_for_every_bit_that_says_it_may_match() -> None:
    assert sum(PATTERNS) == MAY


@pytest.mark.parametrize("bit", PATTERNS)
@given(data=st.data())
def test_where_a_scan_says_that_a_pattern_cannot_match_it_does_not(bit: int, data: st.DataObject) -> None:
    for pattern in PATTERNS[bit]:
        matching = data.draw(st.from_regex(pattern), label="text that matches")
        for text in (matching, matching.lstrip("\n"), data.draw(texts)):
            part = parts_of("x", text[: seeing.RESPONSE_CHARS])
            if pattern.search(f"\n{part.answer}"):
                assert many._seen([part])[0].answer & bit


@given(texts)
def test_a_deduction_is_tried_wherever_it_can_be_found(text: str) -> None:
    told = parts_of(text, None)
    found = many._seen([told])[0]
    if category._DEDUCTION.search(f" {' '.join(told.asked)} "):
        assert category._may_deduce(frozenset(told.asked), found)


@given(st.from_regex(category._DEDUCTION))
def test_the_words_of_a_deduction_are_recognised(text: str) -> None:
    test_a_deduction_is_tried_wherever_it_can_be_found.hypothesis.inner_test(text)  # type: ignore[attr-defined]


def slowly(text: str) -> str:
    return "".join(f" {word}" for word in re.findall(r"\w+[+#]*", text.lower())) + " "


@given(st.text(st.characters(max_codepoint=127), max_size=60))
def test_words_are_written_as_the_pattern_of_words_finds_them(text: str) -> None:
    import numpy as np

    out = np.empty(2 * len(text) + 2, np.uint8)
    source = np.frombuffer(text.encode(), np.uint8)
    length = scanning.spaced(source, 0, len(source), many._letters(), out)
    assert out[:length].tobytes().decode() == slowly(text)
    assert seeing.words_of(text) == slowly(text).split()


@given(st.lists(st.text("ab ", min_size=1, max_size=5), min_size=1, max_size=8), st.text("ab c", max_size=60))
def test_an_automaton_finds_every_string_wherever_one_ends(strings: list[str], text: str) -> None:
    automaton = many._automaton([string.encode() for string in strings])
    state = 0
    for at, byte in enumerate(text.encode(), 1):
        state = int(automaton.following[(state << automaton.bits) + automaton.classes[byte]])
        assert sorted(automaton.ends[state]) == [n for n, string in enumerate(strings) if text[:at].endswith(string)]


def test_the_labelled_sample_has_the_same_categories_in_whatever_company() -> None:
    made = [Row(**{key: json.loads(raw).get(key) for key in Row._fields}) for _, raw in raw_rows(SAMPLE)]  # type: ignore[misc]
    together = categories(made)
    assert set(together) == set(CATEGORIES)
    shuffled = random.Random(1).sample(range(len(made)), len(made))
    assert categories([made[at] for at in shuffled]) == [together[at] for at in shuffled]
    assert together == [categorise(row.instruction, row.response) for row in made]


@pytest.mark.skipif("PHASE0_DEV_DATA" not in os.environ, reason="PHASE0_DEV_DATA names no folder of data")
def test_rows_of_the_corpus_have_the_same_categories_together_and_alone() -> None:
    made = []
    for path in sorted((Path(os.environ["PHASE0_DEV_DATA"]) / "corpus").glob("*.jsonl.gz")):
        for _, (_, raw) in zip(range(100), raw_rows(path), strict=False):  # type: ignore[misc]
            row = json.loads(raw)
            made.append(Row(row["instruction"], row["response"], row.get("system")))
    assert len(made) >= 500
    assert categories(made) == [categorise(row.instruction, row.response, system=row.system) for row in made]


def test_no_rows_have_no_categories() -> None:
    assert categories([]) == []
    assert categories([Row("", ""), Row("", None)]) == [categorise("", ""), categorise("")]
