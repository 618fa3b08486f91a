"""Texts as shingle sets: the fast arrays say what the slow twin says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phase0.dedup import shingles
from phase0.dedup.shingles import shingle_sets, shingles_of, tokenise
from phase0.text import tokens

words = st.sampled_from(
    ["a", "b", "one", "2", "2.5", "é", "e\u0301", "日本語", "ไทย", "한국어", "_", "\u2028", "\x00", "İ", "🙂"]
)
texts = st.lists(st.one_of(st.text(max_size=30), st.lists(words, max_size=40).map(" ".join)), max_size=30)


@given(texts=texts, width=st.integers(1, 7))
@settings(deadline=None)
def test_every_row_has_the_shingles_that_the_slow_twin_finds(texts, width):
    sets = shingle_sets(tokenise(texts), width)
    for row, text in enumerate(texts):
        assert sets.row(row).tolist() == sorted(shingles_of(tokens(text), width))


@given(texts=texts, width=st.integers(1, 7), block=st.integers(1, 50), chunk=st.integers(1, 500))
@settings(deadline=None)
def test_sets_do_not_depend_on_how_rows_are_cut_into_chunks_and_blocks(texts, width, block, chunk):
    whole = shingle_sets(tokenise(texts), width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shingles, "_BLOCK_TOKENS", block)
        patch.setattr(shingles, "_CHUNK_CHARACTERS", chunk)
        cut = shingle_sets(tokenise(iter(texts)), width)
    assert whole.hashes_S.tolist() == cut.hashes_S.tolist()
    assert whole.starts_D1.tolist() == cut.starts_D1.tolist()


def test_token_numbers_are_equal_exactly_where_the_words_are():
    read = tokenise(["One two", "two ONE three", ""])
    assert read.row(0).tolist() == [0, 1]
    assert read.row(1).tolist() == [1, 0, 2]
    assert read.row(2).tolist() == []


def test_worker_processes_read_the_same_words(monkeypatch):
    monkeypatch.setattr(shingles, "_CHUNK_CHARACTERS", 300)
    rows = [f"row {i} of many, {i % 7} words 日本" * (i % 4) for i in range(40)]
    alone, together = tokenise(rows), tokenise(iter(rows), workers=2)
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one, other)


def test_a_text_of_fewer_words_than_a_shingle_is_one_shingle_of_all_of_them():
    sets = shingle_sets(tokenise(["two words", "two other", "two words and", ""]), 5)
    assert sets.sizes().tolist() == [1, 1, 1, 0]
    assert len({int(sets.row(row)[0]) for row in range(3)}) == 3


def test_the_order_of_words_matters():
    a, b = (shingles_of(text.split(), 5) for text in ("a b c d e", "e d c b a"))
    assert not a & b


def test_a_long_run_of_one_word_is_one_shingle():
    sets = shingle_sets(tokenise(["ha " * 10_000]), 5)
    assert sets.sizes().tolist() == [1]


def test_taken_sets_come_in_the_order_asked_for():
    sets = shingle_sets(tokenise(["a b c", "d", "e f g h"]), 1)
    taken = sets.take(np.array([2, 0]))
    assert taken.row(0).tolist() == sets.row(2).tolist()
    assert taken.row(1).tolist() == sets.row(0).tolist()
