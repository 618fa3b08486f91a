"""A task takes the room it is given, whatever there is to sort and compare; and what a worker takes is told before."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from cut import cut, found, local, pairs_of
from hypothesis import given
from hypothesis import strategies as st

from phase0.dedup.bands import choose
from phase0.dedup.kernels.partitioning import FOUND_BY_LARGER, ROW_SHIFT, WIDTH
from phase0.engine.local import Local
from phase0.errors import UsageError
from phase0.partitioned.arrays import store
from phase0.partitioned.bounds import UNIT, bounds, worker_memory
from phase0.partitioned.exchange import received, sent, slices
from phase0.partitioned.layout import Job, Layout, Rule
from phase0.partitioned.meeting import find_meetings

T = Fraction(4, 5)
_CONSTANT = 4 << 20  # what a task holds whatever its room: pairs on their way, and Python's own


def peak_of(work, *given):
    """What a task answers, and the most that it held at once."""
    tracemalloc.start()
    try:
        return work(*given), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def crowd(folder, room, rows):
    """A partition of one key, which all rows have. Every hundredth row is like the others of its kind."""
    job = Job(Layout(folder), Rule(T, 5), units=1, others=0, bits=0, room=room)
    for name in ("entries", "met"):
        (folder / name).mkdir()
    store(job.layout.bases(), np.array([0, rows]))
    records = np.random.default_rng(1).integers(0, 1 << 63, (rows, WIDTH), np.uint64)
    records[:, 0] = records[:, 1] = 7
    records[:, 2] = np.arange(rows, dtype=np.uint64) << np.uint64(ROW_SHIFT) | np.uint64(FOUND_BY_LARGER)
    records[:, 3] = 100 << 32 | 100
    records[::100, 4:] = 0
    with sent(job.layout.box("entries", 0), WIDTH, 1) as outbox:
        outbox.add(records, np.zeros(rows, np.int64))
    return job


def test_a_key_that_all_rows_have_takes_no_more_memory_than_there_is_room(tmp_path):
    rows, room, met = 8000, 400_000, []
    for number, least in enumerate((room, 1 << 30)):
        folder = tmp_path / str(number)
        folder.mkdir()
        job = crowd(folder, least, rows)
        found, peak = peak_of(find_meetings, job, 0)
        assert found.records == rows
        assert found.met == 80 * 79 // 2
        assert found.compared == rows * (rows - 1) // 2
        if least == room:
            assert peak < room + _CONSTANT
            assert rows * 8 * WIDTH > room  # its records alone are more
        records = received(slices([job.layout.box("met", 0)], 0), 3)
        met.append(sorted(map(tuple, records.tolist())))
    assert met[0] == met[1]


@pytest.mark.parametrize("banded", [False, True])
def test_rows_that_are_all_alike_are_joined_in_little_room(tmp_path, banded):
    banding = choose(T) if banded else None
    texts = [f"{'the same words stand in all of these rows ' * 2} and then comes {n}" for n in range(100)]
    result = found(Local(1), cut(texts, 3), Rule(T, 5, banding), tmp_path, bits=0, room=50_000)
    assert pairs_of(result) == local(texts, T, banding=banding)[0]
    assert result.figures.pairs > 4000


@given(st.integers(0, 1 << 45), st.integers(0, 40), st.sampled_from([1, 2, 64]), st.sampled_from([None, choose(T)]))
def test_a_worker_takes_no_more_than_it_may(total, more, workers, banding):
    limit = worker_memory(UNIT, 32 << 20) + (more << 25)
    cut = bounds(total, UNIT, Rule(T, 5, banding), limit, workers)
    assert worker_memory(UNIT, cut.room) == cut.worker <= limit
    assert 1 << cut.bits >= min(4 * workers, 1 << 14)
    assert "at most" in cut.told(workers)


def test_where_a_worker_may_take_too_little_it_is_told_how_much_it_needs():
    with pytest.raises(UsageError, match="100 MiB of memory are too little for a worker") as refused:
        bounds(1 << 30, UNIT, Rule(T, 5), 100 << 20, 8)
    assert "needs 648 MiB" in str(refused.value)
