"""What cannot be held at once is decided in blocks, with the same answer; another dataset decides and stays."""

from __future__ import annotations

import random
from contextlib import contextmanager
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_dedup_whole import all_pairs, edited, greedy, made_texts, made_thresholds

from phase0.dedup import decide, dedup


@contextmanager
def at_most(pairs):
    """So many pairs may be held."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decide, "_LEAST_PAIRS", pairs)
        patch.setattr(decide, "_PAIRS_A_ROW", 0)
        yield


def alike(draw, rows):
    """Many rows of few templates."""
    templates = [[f"t{number}w{i}" for i in range(30)] for number in range(3)]
    for _ in range(rows):
        words = list(draw.choice(templates))
        for _ in range(draw.randrange(3)):
            words[draw.randrange(30)] = f"slot{draw.randrange(4)}"
        yield " ".join(words)


crowds = st.randoms(use_true_random=False).map(lambda draw: list(alike(draw, draw.randrange(40))))


@given(st.one_of(made_texts, crowds), made_thresholds, st.sampled_from(["exact", "minhash"]), st.data())
@settings(deadline=None, max_examples=40)
def test_blocks_of_rows_are_decided_as_all_rows_at_once(texts, threshold, method, data):
    rank = data.draw(st.lists(st.integers(0, 3), min_size=len(texts), max_size=len(texts)))
    width = data.draw(st.integers(1, 5))
    how = {"threshold": threshold, "shingle": width, "rank": rank, "method": method}
    with at_most(2):
        in_blocks = dedup(texts, **how)
    at_once = dedup(texts, **how)
    assert in_blocks._replace(candidates=0) == at_once._replace(candidates=0)


def test_rows_are_decided_in_blocks_only_where_pairs_are_too_many():
    class Heard:
        said = []

        def say(self, message):
            self.said.append(message)

        def start(self, *_):
            pass

        advance = finish = warn = start

    dedup(list(alike(random.Random(1), 50)), progress=Heard())
    assert Heard.said == []
    with at_most(2):
        dedup(list(alike(random.Random(1), 50)), progress=Heard())
    assert len(Heard.said) == 1
    assert "in blocks" in Heard.said[0]


def by_definition(others, texts, threshold, width, order):
    """Greedy over both, in which the others come first and stay."""
    pairs = all_pairs([*others, *texts], threshold, width)
    fixed = len(others)
    pairs = {pair: counts for pair, counts in pairs.items() if pair[1] >= fixed}
    removed = greedy(pairs, [*range(fixed), *(row + fixed for row in order)])
    own = [(row - fixed, kept - fixed, *counts) for row, kept, *counts in removed if kept >= fixed]
    return own, [(row - fixed, kept, *counts) for row, kept, *counts in removed if kept < fixed]


@pytest.mark.parametrize("limit", [2, 1 << 20])
@given(made_texts, made_texts, made_thresholds, st.integers(1, 5), st.data())
@settings(deadline=None, max_examples=100)
def test_rows_like_those_of_another_dataset_go_and_name_the_best_of_them(limit, others, texts, threshold, width, data):
    texts = texts + data.draw(st.lists(st.sampled_from(others), max_size=5)) if others else texts
    rank = data.draw(st.lists(st.integers(0, 3), min_size=len(texts), max_size=len(texts)))
    order = sorted(range(len(texts)), key=lambda row: (-rank[row], row))
    with at_most(limit):
        made = dedup(texts, against=others, threshold=threshold, shingle=width, rank=rank, method="exact")
    own, other = by_definition(others, texts, Fraction(threshold), width, order)
    assert (made.removed, made.against) == (own, other)
    gone = {row for row, *_ in own + other}
    assert made.kept == [row for row in range(len(texts)) if row not in gone]


@pytest.mark.parametrize("method", ["exact", "minhash"])
def test_on_edited_copies_another_dataset_takes_its_own_and_no_more(method):
    draw = random.Random(8)
    texts = edited(draw, 400, [f"w{i}" for i in range(30)])
    others, texts = texts[:150], texts[150:]
    made = dedup(texts, against=iter(others), method=method)
    own, other = by_definition(others, texts, Fraction(4, 5), 5, range(len(texts)))
    assert (made.removed, made.against) == (own, other)
    assert len(own) > 20
    assert len(other) > 20


def test_a_chain_that_leads_to_another_dataset_loses_all_its_rows():
    words = [f"w{i}" for i in range(70)]
    chain = [" ".join(words[start : start + 50]) for start in (0, 3, 6)]
    texts = [*chain, "not like these at all", "Not like these, at all"]
    made = dedup(texts, against=["something else", " ".join(words[9:59])], clusters="transitive")
    assert [gone[:2] for gone in made.against] == [(0, 1), (1, 1), (2, 1)]
    assert made.removed == [(4, 3, 1, 1)]
    assert made.kept == [3]


def test_duplicates_within_the_other_dataset_are_never_looked_at():
    others = list(alike(random.Random(2), 300))
    made = dedup(["something else entirely", others[0]], against=others)
    assert made.kept == [0]
    assert made.against[0].kept == 0
    assert made.candidates <= 600


@given(st.one_of(made_texts, crowds), st.one_of(made_texts, crowds), st.sampled_from(["exact", "minhash"]))
@settings(deadline=None, max_examples=40)
def test_rows_are_connected_without_all_pairs_as_with_them(texts, others, method):
    how = {"method": method, "clusters": "transitive", "shingle": 3, "against": others}
    with at_most(2):
        few = dedup(texts, **how)
    assert few._replace(candidates=0) == dedup(texts, **how)._replace(candidates=0)


@pytest.mark.parametrize("clusters", ["greedy", "transitive"])
def test_thousands_of_rows_of_one_template_need_no_pair_of_each_with_each(clusters):
    words = [f"w{i}" for i in range(60)]
    texts = [" ".join([*words[:30], f"slot{number}", *words[30:]]) for number in range(20_000)]
    made = dedup(texts, workers=2, clusters=clusters)
    assert made.kept == [0]
    assert {gone.kept for gone in made.removed} == {0}
    assert made.candidates < 20_000 * 19_999 / 2 / 50
