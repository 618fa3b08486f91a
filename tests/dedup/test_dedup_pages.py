"""Large arrays are arrays like any other."""

from __future__ import annotations

import numpy as np
import pytest

from phase0.dedup.pages import untouched


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
