"""Large arrays are arrays like any other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phase0.dedup.pages import Reused, untouched


@pytest.mark.parametrize("size", [0, 1, 1 << 10, (1 << 20) + 3])
@pytest.mark.parametrize("kind", [np.uint64, np.int32])
def test_an_array_has_the_size_and_kind_that_were_asked_for_and_can_be_written(size, kind):
    made = untouched(size, kind)
    assert (made.shape, made.dtype, made.flags.writeable, made.flags.c_contiguous) == ((size,), kind, True, True)
    made[:] = np.arange(size)
    assert made.tolist() == list(range(size))


def test_more_than_there_can_be_is_a_lack_of_memory():
    with pytest.raises(MemoryError):
        untouched(1 << 59, np.uint8)


@given(st.lists(st.tuples(st.integers(0, 1 << 13), st.sampled_from([np.uint8, np.int32, np.uint64]))))
def test_memory_that_is_had_again_is_as_large_as_asked_and_the_same_where_it_is_enough(asked):
    reused, before = Reused(), np.empty(0, np.uint8)
    for size, kind in asked:
        array = reused.take(size, kind)
        array[:] = 7
        assert (len(array), array.dtype) == (size, kind)
        if 0 < array.nbytes <= before.nbytes:
            assert np.shares_memory(array, before)
        before = array.reshape(-1).view(np.uint8)
        reused.give(array)


def test_memory_that_may_not_be_kept_is_let_go():
    reused = Reused()
    array = reused.take(100, np.uint64)
    reused.give(array)
    reused.keep(800)
    assert np.shares_memory(reused.take(100, np.uint64), array)
    reused.give(array)
    reused.keep(799)
    assert not np.shares_memory(reused.take(100, np.uint64), array)
