"""Signatures: the fast arrays say what the slow twin says, and agree as often as the sets are similar."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from phase0.dedup import minhash
from phase0.dedup.minhash import SLOTS, borrowing_order, signature_of, signatures
from phase0.dedup.shingles import Sets, edges


def sets_of(rows):
    flat = [value for row in rows for value in sorted(row)]
    return Sets(np.array(flat, np.uint64), edges(np.array([len(row) for row in rows], np.int64)))


hashes = st.integers(0, 2**64 - 1)
crowded = st.integers(0, 2**60 - 1)  # all in the lowest 8 of 128 bins
rows = st.lists(st.sets(st.one_of(hashes, crowded), min_size=1, max_size=200), min_size=1, max_size=8)


@given(rows)
@settings(deadline=None, max_examples=50)
def test_every_signature_is_the_one_that_the_slow_twin_finds(rows):
    assert signatures(sets_of(rows)).tolist() == [signature_of(row) for row in rows]


def test_signatures_do_not_depend_on_blocks(monkeypatch):
    draw = random.Random(1)
    rows = [{draw.getrandbits(64) for _ in range(draw.randrange(1, 60))} for _ in range(50)]
    whole = signatures(sets_of(rows))
    monkeypatch.setattr(minhash, "_BLOCK_ROWS", 7)
    assert np.array_equal(signatures(sets_of(rows)), whole)


def test_each_slot_borrows_from_every_other_in_an_order_of_its_own():
    order = borrowing_order()
    for slot, others in enumerate(order.tolist()):
        assert sorted([*others, slot]) == list(range(SLOTS))
        assert others == minhash._order_of(slot)
    assert len({tuple(others[:5]) for others in order.tolist()}) == SLOTS


def test_slots_agree_as_often_as_sets_are_similar_for_short_and_long_rows():
    draw = random.Random(7)
    for size in (5, 50, 500):
        pairs = []
        for _ in range(300):
            shared = {draw.getrandbits(64) for _ in range(size * 4 // 5)}
            extra = [draw.getrandbits(64) for _ in range(size - len(shared))]
            pairs += [shared | set(extra[::2]), shared | set(extra[1::2])]
        made = signatures(sets_of(pairs))
        agreement = float((made[::2] == made[1::2]).mean())
        assert abs(agreement - 0.8) < 0.03, size  # 0.03: over five standard errors even at size 5
