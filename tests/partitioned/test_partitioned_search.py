"""Partitions find what the local engine finds: the same pairs, each once, and the same rows with equal sets."""

from __future__ import annotations

from fractions import Fraction

import pytest
from cut import cut, found, local, pairs_of, same_of
from hypothesis import given, settings
from hypothesis import strategies as st
from neardup import made_rows, text_of

from phase0.dedup.bands import choose
from phase0.engine.local import Local
from phase0.partitioned.layout import Rule

ONE = Local(1)


def texts_of(count, seed):
    return [text_of(row) for row in made_rows(count, seed)]


thresholds = st.sampled_from([Fraction(1, 2), Fraction(3, 5), Fraction(4, 5), Fraction(9, 10), Fraction(1)])


@given(st.integers(0, 10**6), thresholds, st.sampled_from([1, 2, 5]), st.sampled_from([1, 3, 7]), st.integers(0, 4))
@settings(max_examples=25, deadline=None)
def test_pairs_are_those_of_the_local_engine_each_once(tmp_path_factory, seed, threshold, width, units, bits):
    texts = texts_of(120, seed)
    result = found(ONE, cut(texts, units), Rule(threshold, width), tmp_path_factory.mktemp("found"), bits=bits)
    assert (pairs_of(result), same_of(result)) == local(texts, threshold, width)


@given(st.integers(0, 10**6), thresholds, st.sampled_from([1, 3, 7]), st.integers(0, 4))
@settings(max_examples=25, deadline=None)
def test_bands_find_the_pairs_that_the_local_bands_find(tmp_path_factory, seed, threshold, units, bits):
    texts, banding = texts_of(120, seed), choose(threshold)
    rule = Rule(threshold, 5, banding)
    result = found(ONE, cut(texts, units), rule, tmp_path_factory.mktemp("found"), bits=bits)
    assert (pairs_of(result), same_of(result)) == local(texts, threshold, banding=banding)
    assert set(pairs_of(result)) <= set(local(texts, threshold)[0])


@given(st.integers(0, 10**6), thresholds, st.sampled_from([None, "bands"]), st.integers(0, 120))
@settings(max_examples=20, deadline=None)
def test_rows_of_another_dataset_are_not_compared_with_each_other(tmp_path_factory, seed, threshold, method, fixed):
    texts, banding = texts_of(120, seed), choose(threshold) if method else None
    units = [*cut(texts[:fixed], 2), *cut(texts[fixed:], 3)]
    folder = tmp_path_factory.mktemp("found")
    result = found(ONE, units, Rule(threshold, 5, banding), folder, bits=2, others=2)
    assert (pairs_of(result), same_of(result)) == local(texts, threshold, fixed=fixed, banding=banding)


@pytest.mark.parametrize("banded", [False, True])
def test_a_partition_that_does_not_fit_is_joined_in_blocks_with_the_same_answer(tmp_path, banded):
    threshold = Fraction(1, 2)
    texts, banding = texts_of(400, 5), choose(threshold) if banded else None
    rule = Rule(threshold, 5, banding)
    result = found(ONE, cut(texts, 3), rule, tmp_path, bits=0, room=1 << 17)
    assert (pairs_of(result), same_of(result)) == local(texts, threshold, banding=banding)


def test_a_pool_of_processes_writes_the_same_files(tmp_path):
    texts, rule = texts_of(300, 7), Rule(Fraction(4, 5), 5)
    written = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        found(Local(workers), cut(texts, 3), rule, folder, bits=2)
        written.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.npy")})
    assert written[0] == written[1]
    assert {path.parts[0] for path in written[0]} == {"levels.npy", "bases.npy", "units", "same", "pairs"}


def test_texts_without_words_equal_nothing_and_short_ones_are_compared_whole(tmp_path):
    texts = ["", "…", "", "One two", "one, TWO!", "one two three", "a b c d e f g", "A b c d e f g"]
    result = found(ONE, cut(texts, 2), Rule(Fraction(4, 5), 5), tmp_path, bits=1)
    assert pairs_of(result) == []
    assert same_of(result) == {4: 3, 7: 6}
    assert result.figures.wordless == 3
