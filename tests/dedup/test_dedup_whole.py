"""`dedup` and `remaining` from text to answer, against brute force over Python sets."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phase0.dedup import decide, dedup, exact, flat, recount, remaining, sets
from phase0.dedup.kernels.hashing import shingles
from phase0.dedup.kernels.sorting import sort_rows
from phase0.errors import UsageError
from phase0.text import tokens

needs_data = pytest.mark.skipif("PHASE0_DEV_DATA" not in os.environ, reason="PHASE0_DEV_DATA is not set")


def grams(text, width=5):
    words = tokens(text)
    return {tuple(words[i : i + width]) for i in range(max(1, len(words) - width + 1))} if words else set()


def all_pairs(texts, threshold, width=5):
    """Every pair that reaches the threshold, with its counts."""
    numbers = {}  # tuples hash slowly
    sets = [{numbers.setdefault(gram, len(numbers)) for gram in grams(text, width)} for text in texts]
    p, q = threshold.numerator, threshold.denominator
    found = {}
    for (i, a), (j, b) in combinations(enumerate(sets), 2):
        if a and b and min(len(a), len(b)) * q >= max(len(a), len(b)) * p:
            shared = len(a & b)
            union = len(a) + len(b) - shared
            if shared * q >= union * p:
                found[i, j] = (shared, union)
    return found


def greedy(pairs, order):
    """Who goes, by the definition alone."""
    kept, removed = [], []
    for row in order:
        near = [(pairs.get((min(row, k), max(row, k))), place, k) for place, k in enumerate(kept)]
        near = [(-Fraction(*counts), place, k, counts) for counts, place, k in near if counts]
        if near:
            _, _, best, counts = min(near)
            removed.append((row, best, *counts))
        else:
            kept.append(row)
    return sorted(removed)


def edited(draw, rows, vocabulary):
    """Texts of which many are copies of an earlier one with a few words changed."""
    texts = []
    for _ in range(rows):
        if texts and draw.random() < 0.6:
            words = draw.choice(texts).split()
            for _ in range(draw.randrange(3)):
                if words:
                    words[draw.randrange(len(words))] = draw.choice(vocabulary)
            texts.append(" ".join(words + draw.choices(vocabulary, k=draw.randrange(2))))
        else:
            texts.append(" ".join(draw.choices(vocabulary, k=draw.randrange(60))))
    return texts


word = st.sampled_from(["a", "b", "c", "1", "2", "日本", "ß", "_"])
piece = st.lists(word, max_size=12).map(" ".join)
made_texts = st.lists(st.one_of(piece, st.tuples(piece, piece).map(" ".join), st.text(max_size=12)), max_size=25)
made_thresholds = st.sampled_from(["0.3", "0.5", "0.8", "0.9", "1"])


@given(made_texts, made_thresholds, st.integers(1, 6), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=75)
def test_removal_is_the_greedy_of_the_definition(texts, threshold, width, draw):
    rank = [draw.randrange(4) for _ in texts]
    order = sorted(range(len(texts)), key=lambda row: (-rank[row], row))
    result = dedup(texts, threshold=threshold, shingle=width, rank=rank, method="exact")
    assert result.removed == greedy(all_pairs(texts, Fraction(threshold), width), order)


@given(made_texts, made_thresholds, st.integers(1, 6))
@settings(deadline=None, max_examples=75)
def test_the_count_of_remaining_pairs_is_that_of_brute_force(texts, threshold, width):
    pairs = all_pairs(texts, Fraction(threshold), width)
    found = remaining(texts, threshold=threshold, shingle=width)
    assert found.pairs == len(pairs)
    assert found.rows == len({row for pair in pairs for row in pair})
    assert found.wordless == sum(not tokens(text) for text in texts)
    for example in found.examples:
        assert pairs[example.first, example.second] == (example.shared, example.union)
    if pairs:
        assert found.examples[0][:2] == min(pairs)


@pytest.mark.parametrize("threshold", ["0.3", "0.5", "0.8", "0.9"])
def test_on_edited_copies_both_algorithms_are_right(threshold, monkeypatch):
    monkeypatch.setattr(recount, "_PAIRS_AT_ONCE", 500)
    monkeypatch.setattr(recount, "_SETS_AT_ONCE", 100)
    draw = random.Random(threshold)
    texts = edited(draw, 250, [f"w{i}" for i in range(30)])
    pairs = all_pairs(texts, Fraction(threshold))
    assert len(pairs) > 50
    assert remaining(texts, threshold=threshold).pairs == len(pairs)
    assert dedup(texts, threshold=threshold, method="exact").removed == greedy(pairs, range(250))


def test_every_row_is_kept_or_removed_and_every_removed_row_names_a_kept_one():
    texts = edited(random.Random(5), 300, [f"w{i}" for i in range(40)])
    result = dedup(texts)
    kept = set(result.kept)
    assert sorted([*result.kept, *(removal.row for removal in result.removed)]) == list(range(300))
    assert list(result.kept) == sorted(result.kept)
    assert all(removal.kept in kept and removal.jaccard >= 0.8 for removal in result.removed)
    assert remaining([texts[row] for row in result.kept]).pairs == 0


def test_the_same_rows_stay_in_whatever_order_they_come():
    draw = random.Random(11)
    texts = list(dict.fromkeys(edited(draw, 300, [f"w{i}" for i in range(40)])))
    ranked = [(draw.choice([None, 7.1, 8.0]) or -1, len(text), text.encode()) for text in texts]
    stays = {texts[row] for row in dedup(texts, rank=ranked).kept}
    evidence = {(texts[gone.row], texts[gone.kept], gone.shared) for gone in dedup(texts, rank=ranked).removed}
    for _ in range(3):
        order = draw.sample(range(len(texts)), len(texts))
        shuffled = [texts[row] for row in order]
        result = dedup(shuffled, rank=[ranked[row] for row in order])
        assert {shuffled[row] for row in result.kept} == stays
        assert {(shuffled[gone.row], shuffled[gone.kept], gone.shared) for gone in result.removed} == evidence
    assert 0 < len(stays) < len(texts)


def test_workers_and_chunks_change_nothing(monkeypatch):
    texts = edited(random.Random(3), 400, [f"w{i}" for i in range(40)])
    alone = dedup(texts)
    assert len(alone.removed) > 50
    monkeypatch.setattr(flat, "_CHUNK", 2000)
    monkeypatch.setattr(decide, "_CONFIRMED", 7)
    monkeypatch.setattr(exact, "_ENTRIES_A_PARTITION", 50)
    cut = dedup(texts)
    assert cut._replace(candidates=0) == alone._replace(candidates=0)  # other texts tell which shingles are common
    for workers in (1, 2, 4):
        assert dedup(iter(texts), workers=workers) == dedup(texts, workers=workers) == cut


def test_an_arrow_array_is_read_as_the_strings_it_holds(monkeypatch):
    texts = [*edited(random.Random(4), 200, [f"w{i}" for i in range(40)]), "é 日本", ""]
    expected = dedup(texts)
    monkeypatch.setattr(flat, "_CHUNK", 1500)
    array = pa.array(["not in it", *texts])[1:]
    chunks = pa.chunked_array([array[:70], array[70:70], array[70:]])
    for form in (array, array.cast(pa.large_string()), chunks):
        assert dedup(form)._replace(candidates=0) == expected._replace(candidates=0)
    with pytest.raises(UsageError, match="1 nulls"):
        dedup(pa.array(["a", None]))
    with pytest.raises(UsageError, match="int64"):
        dedup(pa.array([1]))


def test_connected_components_leave_one_row_of_a_chain_and_count_its_ends_exactly():
    words = [f"w{i}" for i in range(60)]
    texts = [" ".join(words[start : start + 50]) for start in (0, 3, 6)] + ["quite another text", "Quite another text!"]
    result = dedup(texts, clusters="transitive")
    assert result.removed == [(1, 0, 43, 49), (2, 0, 40, 52), (4, 3, 1, 1)]
    ranked = dedup(texts, clusters="transitive", rank=[0, 0, 5, 0, 1], workers=2)
    assert ranked.removed == [(0, 2, 40, 52), (1, 2, 43, 49), (3, 4, 1, 1)]


def test_ranks_may_be_filled_while_texts_are_drawn():
    rank = []

    def read():
        for score, text in [(7.0, "the same words here"), (9.0, "The same words, here!")]:
            rank.append((score,))
            yield text

    assert dedup(read(), rank=rank).kept == [1]


def test_a_missing_rank_is_an_error_with_both_numbers():
    with pytest.raises(UsageError, match="2 texts but 1 ranks"):
        dedup(["a", "b"], rank=[(1,)])


def test_without_ranks_the_first_of_equal_rows_stays():
    assert dedup(["x y z", "other", "x y z"]).removed == [(2, 0, 1, 1)]


def test_rows_shorter_than_a_shingle_are_compared_whole_and_otherwise_kept():
    texts = ["Yes.", "No.", "yes", "Not now", "now not", "One two three four"]
    assert dedup(texts).removed == [(2, 0, 1, 1)]
    assert remaining(texts).pairs == 1


def test_rows_that_differ_only_in_numbers_are_different():
    texts = ["What is 12 + 30? It is 42.", "What is 17 + 25? It is 42.", "What is 12 + 31? It is 43."]
    assert dedup(texts).removed == []
    assert remaining(texts).pairs == 0


def test_unspaced_scripts_are_compared_by_character():
    long = "请把下面这段很长的中文句子翻译成英文并且说明每一个词的意思和用法谢谢你的帮助"
    texts = [long, long[:-1] + "啊", "今天天气很好我们一起去公园散步吧然后去吃饭", long[:20]]
    assert [removal[:2] for removal in dedup(texts).removed] == [(1, 0)]
    assert remaining(texts).pairs == 1


def test_exactly_four_fifths_is_a_duplicate_and_the_next_smaller_similarity_is_not():
    base = [f"w{i}" for i in range(12)]  # 8 shingles
    exactly = [" ".join(base), " ".join([*base, "x", "y"])]  # 8 of 10
    below = [" ".join(base), " ".join([*base, "x", "y", "z"])]  # 8 of 11
    assert dedup(exactly).removed == [(1, 0, 8, 10)]
    assert remaining(exactly).pairs == 1
    assert dedup(below).removed == []
    assert remaining(below).pairs == 0


def test_a_similarity_of_0_7999_is_not_0_8():
    base = [f"w{i}" for i in range(8003)]  # 7,999 shingles
    texts = [" ".join(base), " ".join(base + [f"x{i}" for i in range(2001)])]
    assert dedup(texts).removed == []
    assert dedup(texts, threshold="0.7999").removed == [(1, 0, 7999, 10_000)]
    assert remaining(texts).pairs == 0
    assert remaining(texts, threshold="0.7999").pairs == 1


def test_identical_rows_leave_one_and_count_as_all_their_pairs():
    texts = ["the very same text of several words"] * 5
    assert dedup(texts).kept == [0]
    found = remaining(texts)
    assert (found.pairs, found.rows, found.examples[0]) == (10, 5, (0, 1, 3, 3))


def test_rows_without_words_match_nothing_and_are_counted():
    texts = ["", " ", "?!", "🙂", "\n", "word"]
    result, found = dedup(texts), remaining(texts)
    assert (result.kept, result.wordless) == ([0, 1, 2, 3, 4, 5], 5)
    assert (found.pairs, found.rows, found.wordless) == (0, 0, 5)


def test_no_rows_at_all_are_no_error():
    assert dedup([]).kept == []
    assert remaining([]).pairs == 0
    assert dedup(["", ""]).kept == [0, 1]


def test_a_chain_keeps_the_end_that_resembles_no_kept_row():
    words = [f"w{i}" for i in range(60)]
    a, b, c = words[:50], words[3:53], words[6:56]  # neighbours share 43 of 49 shingles, a and c 40 of 52
    texts = [" ".join(row) for row in (a, b, c)]
    assert dedup(texts).removed == [(1, 0, 43, 49)]
    assert dedup(texts, rank=[(0,), (1,), (0,)]).removed == [(0, 1, 43, 49), (2, 1, 43, 49)]
    assert remaining(texts).pairs == 2


def test_examples_are_the_pairs_of_lowest_row_numbers():
    texts = [f"text number {i // 2} with enough words" for i in range(200)]
    found = remaining(texts)
    assert found.pairs == 100
    assert [example[:2] for example in found.examples] == [(2 * i, 2 * i + 1) for i in range(recount.EXAMPLES)]


def broken_join(*arguments):
    return 0


def broken_sketches(*arguments):
    total = sort_rows(*arguments)
    arguments[-2][:] = np.random.default_rng(1).integers(0, 2**63, arguments[-2].shape, np.uint64)
    return total


def broken_hashes(text, begins, ends, width, hashes, counts):
    total = shingles(text, begins, ends, width, hashes, counts)
    hashes[:total] += np.arange(total, dtype=np.uint64)
    return total


@pytest.mark.parametrize(
    ("place", "name", "broken"),
    [(exact, "join", broken_join), (sets, "sort_rows", broken_sketches), (sets, "shingles", broken_hashes)],
)
def test_a_remover_with_a_broken_kernel_is_found_out_by_the_second_count(monkeypatch, place, name, broken):
    texts = edited(random.Random(9), 200, [f"w{i}" for i in range(40)])
    assert remaining([texts[row] for row in dedup(texts).kept]).pairs == 0
    monkeypatch.setattr(place, name, broken)
    left = [texts[row] for row in dedup(texts).kept]
    assert remaining(left).pairs == len(all_pairs(left, Fraction(4, 5))) > 0


@pytest.mark.parametrize("mask", [0, 0xFF])
def test_hashes_that_collide_remove_no_row_wrongly(monkeypatch, mask):
    texts = ["one text of words", "another text of words", "One text of words"]
    texts += edited(random.Random(1), 100, [f"w{i}" for i in range(40)])
    near = all_pairs(texts, Fraction(4, 5))

    def colliding(text, begins, ends, width, hashes, counts):
        total = shingles(text, begins, ends, width, hashes, counts)
        hashes[:total] &= np.uint64(mask << 2)
        return total

    monkeypatch.setattr(sets, "shingles", colliding)
    result = dedup(texts)
    assert all(near[min(one[:2]), max(one[:2])] == one[2:] for one in result.removed)
    assert {0, 1} <= set(result.kept)


def test_the_answer_says_how_it_was_found():
    result = dedup(["a b", "a b"])
    assert (result.exact, result.missed_share, result.method) == (True, 0.0, "exact join")


@pytest.mark.parametrize("wrong", [{"method": "fast"}, {"clusters": "all"}])
def test_an_unknown_way_of_looking_is_refused(wrong):
    with pytest.raises(UsageError, match="is none of"):
        dedup(["a"], **wrong)


class Heard:
    def __init__(self):
        self.steps = []

    def start(self, step, total, unit="rows"):
        self.steps.append([step, total, 0])

    def advance(self, units):
        self.steps[-1][2] += units

    def finish(self, note=""):
        assert note is not None


def test_importing_the_package_imports_no_numpy():
    code = "import sys, phase0.dedup; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("work", [dedup, remaining])
def test_progress_advances_to_the_total_of_every_step_that_has_one(work):
    heard = Heard()
    work([*edited(random.Random(2), 100, [f"w{i}" for i in range(20)]), "z " * 90, ""], progress=heard)
    totals = [(total, advanced) for _, total, advanced in heard.steps if total is not None]
    assert totals
    assert all(total == advanced for total, advanced in totals)


def corpus(rows):
    texts = []
    for path in sorted((Path(os.environ["PHASE0_DEV_DATA"]) / "corpus").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            for _, line in zip(range(rows), lines, strict=False):
                row = json.loads(line)
                texts.append(row["instruction"] + "\n" + row["response"])
    return texts


@needs_data
def test_on_real_rows_both_algorithms_are_right():
    texts = corpus(430)
    assert len(texts) >= 3000
    pairs = all_pairs(texts, Fraction(4, 5))
    found, result = remaining(texts), dedup(texts)
    assert found.pairs == len(pairs) > 0
    assert result.removed == greedy(pairs, range(len(texts)))
