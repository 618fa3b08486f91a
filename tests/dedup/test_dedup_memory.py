"""However little memory is allowed, answers are the same; where it cannot be done, one line says so before the work."""

from __future__ import annotations

import contextlib
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_dedup_kernels import rows_of_hashes, sets_of, spread, thresholds
from test_dedup_whole import edited, made_texts, made_thresholds

from phase0.dedup import dedup, exact, flat, memory, minhash, near
from phase0.dedup.bands import Banding
from phase0.dedup.kernels import slow
from phase0.dedup.kernels.arranging import arrange
from phase0.dedup.kernels.joining import count_pairs
from phase0.dedup.memory import Memory, Sample, Storage, memory_size, plan, spelled
from phase0.dedup.pages import Reused
from phase0.dedup.search import NO_LIMIT, Looking, by_size
from phase0.dedup.sets import read_sets
from phase0.errors import DataError, UsageError
from phase0.progress import SILENT


@pytest.mark.parametrize(
    ("given", "size"),
    [
        *(("8GiB", 8 << 30), ("8 gib", 8 << 30), ("8G", 8 << 30), ("500MB", 500_000_000), ("1.5k", 1536)),
        *((" 7B ", 7), ("4096", 4096), (4096, 4096), ("1TiB", 1 << 40), (None, None)),
    ],
)
def test_a_size_is_read_with_its_unit(given, size):
    assert memory_size(given) == size


@pytest.mark.parametrize("given", ["", "GiB", "much", "-1G", "0", 0, -5, "8GiBs", "1e9", "8 G i B", True, 1.5, "0.2B"])
def test_what_is_no_size_is_refused_with_what_was_given_and_how_to_write_it(given):
    with pytest.raises(UsageError, match="Write it like 8GiB") as refused:
        memory_size(given)
    assert repr(given) in str(refused.value)


def test_sizes_are_spelled_for_people():
    assert [spelled(size) for size in (1, 300 << 20, 3 << 30, (1 << 30) * 1.26)] == [
        *("1 MiB", "300 MiB", "3.0 GiB", "1.3 GiB")
    ]


def test_the_memory_that_is_free_is_more_than_nothing_and_less_than_all_there_could_be():
    assert 1 << 20 < memory.free_memory() < 1 << 50


def test_a_thread_that_finds_no_room_is_a_lack_of_memory_and_other_trouble_is_not():
    for trouble in (MemoryError("no room"), RuntimeError("can't start new thread")):
        with pytest.raises(DataError, match="the machine has too little memory"), memory.bounded(Memory(1 << 30)):
            raise trouble
    with pytest.raises(RuntimeError, match="a chunk is read once"), memory.bounded(Memory(1 << 30)):
        raise RuntimeError("a chunk is read once")


def as_expected(made, expected):
    """Whether every set is what it should be, wherever its keys are."""
    assert made.sizes_D.tolist() == expected.sizes_D.tolist()
    return all(np.array_equal(made.row(row), expected.row(row)) for row in range(len(made.sizes_D)))


@pytest.mark.parametrize("limit", [1 << 62, 700_000])
def test_threads_may_move_their_keys_while_the_array_grows_or_goes_to_disk(limit, monkeypatch):
    monkeypatch.setattr(flat, "_CHUNK", 3000)
    draw = random.Random(5)
    texts = [" ".join(draw.choices("abcdefghij", k=draw.randrange(200))) for _ in range(2000)]
    expected = read_sets(flat.Strings(texts), 5, 1, SILENT)
    assert len(expected.keys_S) > 1 << 17  # twice what is set aside where nobody knows how much will come
    for place in (memory, near):
        monkeypatch.setattr(place, "BASE", 0)
        monkeypatch.setattr(place, "ROW", 0)
    made = read_sets(flat.Strings(iter(texts)), 5, 4, SILENT, Memory(limit))
    assert (made.shelf is not None) == (limit < 1 << 62)
    assert as_expected(made, expected)


def tiny(patch, *, row=0):
    """Nothing but keys and entries counts, so that little memory is enough."""
    for place in (memory, near):
        patch.setattr(place, "BASE", 0)
        patch.setattr(place, "ROW", row)
    patch.setattr(flat, "_CHUNK", 400)
    patch.setattr(exact, "_ENTRIES_A_PARTITION", 3)
    patch.setattr(Memory, "segment", lambda _: 256)


@given(made_texts, made_thresholds, st.sampled_from(["exact", "minhash"]), st.sampled_from(["greedy", "transitive"]))
@settings(deadline=None, max_examples=60)
def test_with_keys_on_disk_the_answer_is_that_of_memory(texts, threshold, method, clusters):
    how = {"threshold": threshold, "shingle": 2, "method": method, "clusters": clusters, "workers": 2}
    expected = dedup(texts, **how)
    with pytest.MonkeyPatch.context() as patch:
        tiny(patch)
        assert dedup(iter(texts), max_memory=600, **how)._replace(candidates=0) == expected._replace(candidates=0)


@pytest.mark.parametrize("method", ["exact", "minhash"])
@pytest.mark.parametrize("size", [20_000, 60_000, 150_000, 400_000])
def test_any_limit_that_works_gives_the_same_answer(monkeypatch, method, size):
    texts = edited(random.Random(6), 600, [f"w{i}" for i in range(60)])
    expected = dedup(texts, method=method, against=texts[:60:7])
    assert len(expected.removed) > 100
    tiny(monkeypatch)
    found = dedup(texts, method=method, against=texts[:60:7], max_memory=size, workers=2)
    assert found._replace(candidates=0) == expected._replace(candidates=0)


@given(made_texts, made_thresholds, st.booleans(), st.sampled_from([600, 1 << 40]), st.booleans())
@settings(deadline=None, max_examples=60)
def test_with_prefixes_alone_held_the_answer_is_that_of_whole_sets(texts, threshold, on_disk, size, once):
    how = {"threshold": threshold, "shingle": 2, "method": "exact", "workers": 2, "against": texts[::5]}
    expected = dedup(texts, **how)
    with pytest.MonkeyPatch.context() as patch:
        tiny(patch)
        patch.setattr(near, "plan", lambda *_: Storage(prefixes=True, on_disk=on_disk))
        found = dedup(iter(texts) if once else texts, max_memory=size, **how)
    assert found._replace(candidates=0) == expected._replace(candidates=0)


def test_what_is_held_and_where_depends_on_what_fits():
    rows, shingles = 1_000_000, 200_000_000
    sample = Sample(rows // 100, shingles // 100, 100)
    limited = Memory(0, row=memory.ROW, entries=0.2, prefixes=True)
    chosen = {}
    for size in range(500 << 20, 4 << 30, 1 << 20):
        with contextlib.suppress(DataError):
            chosen.setdefault(plan(limited._replace(limit=size), sample, SILENT), size)
    assert list(chosen) == [
        *(Storage(prefixes=True, on_disk=True), Storage(prefixes=True, on_disk=False), Storage()),
    ]
    in_memory = chosen[Storage(prefixes=True)]
    assert memory.BASE + rows * memory.ROW + shingles * 0.2 * memory.KEY < in_memory < shingles * memory.KEY
    whole = [plan(limited._replace(limit=size, prefixes=False), sample, SILENT) for size in (in_memory, 4 << 30)]
    assert whole == [Storage(on_disk=True), Storage()]


def test_texts_that_are_others_when_sets_are_had_again_are_told(monkeypatch):
    texts = edited(random.Random(9), 300, [f"w{i}" for i in range(40)])
    monkeypatch.setattr(near, "plan", lambda *_: Storage(prefixes=True))

    class Changing(list):
        def __getitem__(self, row):
            return f"other {super().__getitem__(row)}"

    with pytest.raises(DataError, match="the texts were changed while they were being read"):
        dedup(Changing(texts))


def test_hashes_go_to_disk_when_there_are_more_than_was_thought(monkeypatch):
    texts = edited(random.Random(7), 300, [f"w{i}" for i in range(40)])
    plain = read_sets(flat.Strings(texts), 5, 1, SILENT)
    tiny(monkeypatch)
    spilled = read_sets(flat.Strings(texts), 5, 2, SILENT, Memory(40_000, row=0))
    assert plain.shelf is None
    assert spilled.shelf is not None
    key = (1 << 62) - 1  # two bits above it say how common a shingle is: they may differ, as other rows are sampled
    for row in range(len(texts)):
        assert sorted(plain.row(row).tolist()) == sorted(value & key for value in spilled.row(row).tolist())
        assert np.all(np.diff(spilled.row(row).astype(np.float64)) >= 0)
        spilled.release()
    assert spilled.sizes_D.tolist() == plain.sizes_D.tolist()


def test_too_little_memory_for_the_rows_themselves_is_an_error_that_says_how_much_is_needed(monkeypatch):
    texts = [f"text number {i}" for i in range(5000)]
    tiny(monkeypatch, row=1 << 12)
    with pytest.raises(DataError, match=r"5,000 rows need at least 23 MiB of memory, and 10 MiB are allowed"):
        dedup(texts, max_memory=10 << 20)
    with pytest.raises(DataError, match=r"^[\d,]+ rows need at least"):
        dedup(iter(texts), max_memory=10 << 20)


@given(rows_of_hashes, st.randoms(use_true_random=False))
def test_sets_are_laid_into_another_order_whole(rows, draw):
    lengths = np.array([len(row) for row in rows], np.int64)
    starts = np.cumsum(lengths) - lengths
    order = draw.sample(range(len(rows)), len(rows))
    hashes = np.array([value for row in rows for value in row], np.uint64)
    out = np.empty_like(hashes)
    arrange(hashes, starts, lengths, np.array(order, np.int64), out)
    assert out.tolist() == slow.arrange(rows, order)


some_sets = st.lists(st.lists(spread, max_size=25), max_size=14)


@given(some_sets, thresholds)
def test_possible_pairs_are_counted_or_told_to_be_none(rows, threshold):
    made = sets_of(rows)
    same = exact.distinct(made)
    sets = [row for row in range(len(rows)) if same[row] == row]
    ones, others = (np.array(column, np.int32) for column in ([i for i in sets for _ in sets], sets * len(sets)))
    shared = np.empty(len(ones), np.int32)
    p, q = threshold.as_integer_ratio()
    count_pairs(made.keys_S, made.starts_D, made.sizes_D, p, q, ones, others, shared)
    true = {(i, j): count for i, j, count in slow.join([set(made.row(row).tolist()) for row in sets], threshold)}
    for i, j, count in zip(ones.tolist(), others.tolist(), shared.tolist(), strict=True):
        if i != j:
            assert count == true.get(tuple(sorted((sets.index(i), sets.index(j)))), -1)


def searches(made, threshold):
    looking = Looking(made, threshold, 2, Reused())
    return (exact.Join(looking), minhash.Bands(looking, Banding(128, 1)))


@given(some_sets, some_sets, thresholds.filter(lambda threshold: threshold >= Fraction(1, 2)))
@settings(deadline=None)
def test_new_sets_meet_those_that_stay_and_never_each_other(rows, others, threshold):
    made = sets_of([*others, *rows])
    same = exact.distinct(made)
    firsts = np.flatnonzero(same == np.arange(len(same)))
    old, new = firsts[firsts < len(others)], firsts[firsts >= len(others)]
    kept = [set(made.row(row).tolist()) if same[row] == row else set() for row in range(len(same))]
    expected = {pair for pair in slow.join(kept, threshold) if pair[0] < len(others) <= pair[1]}
    found_exactly, found_by_bands = (
        [
            (min(one, other), max(one, other), shared)
            for one, other, shared in zip(*(column.tolist() for column in pairs[:3]), strict=True)
        ]
        for pairs in (search.find(by_size(made, new, old), NO_LIMIT, SILENT) for search in searches(made, threshold))
    )
    assert len(found_exactly) == len(set(found_exactly))
    assert set(found_exactly) == expected
    assert set(found_by_bands) <= expected
    assert len(found_by_bands) == len(set(found_by_bands))


def test_looking_for_pairs_ends_without_an_answer_where_they_are_more_than_allowed():
    draw = random.Random(3)
    base = [draw.getrandbits(64) for _ in range(40)]
    made = sets_of([[*base, draw.getrandbits(64)] for _ in range(40)])
    ordered = by_size(made, np.arange(40))
    for search in searches(made, Fraction(4, 5)):
        assert len(search.find(ordered, 40 * 39 // 2, SILENT).ones_P) == 40 * 39 // 2
        assert search.find(ordered, 40 * 39 // 2 - 1, SILENT) is None
        assert search.find(ordered, 1, SILENT) is None


@given(some_sets, some_sets, thresholds, st.booleans())
@settings(deadline=None)
def test_few_pairs_connect_what_all_pairs_connect(rows, others, threshold, apart):
    made = sets_of([*others, *rows])
    same = exact.distinct(made)
    firsts = np.flatnonzero(same == np.arange(len(same)))
    is_new = firsts >= len(others)
    ordered = by_size(made, firsts[is_new], firsts[~is_new]) if apart else by_size(made, firsts)
    for search in searches(made, threshold):
        every, few = search.find(ordered, NO_LIMIT, SILENT), search.connect(ordered, SILENT)
        assert len(few.ones_P) < max(1, len(firsts))
        assert slow.components(len(same), ends(few)) == slow.components(len(same), ends(every))


def ends(pairs):
    return list(zip(pairs.ones_P.tolist(), pairs.others_P.tolist(), strict=True))
